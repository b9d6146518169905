"""A backward temporal response function: ridge regression from time-lagged EEG to a speech envelope.

Not here: filtering and streaming (`volo_decoders.speech.streaming`), the attention decision
(`volo_decoders.speech.attention`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["RIDGES", "BackwardTRF", "lagged", "pearson"]

Array = NDArray[np.float64]
#: Regularisations that are tried, relative to the mean power of a lagged channel.
RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)


def lagged(eeg: NDArray[np.floating[Any]], first: int, last: int) -> Array:
    """Return what follows each sample: lags `first` to `last`, zeros beyond the end.

    Parameters
    ----------
    eeg : ndarray, shape (n_samples, n_channels)
        Signal.
    first, last : int
        Lags in samples, 0 <= first <= last; the EEG comes after the sound.

    Returns
    -------
    ndarray, shape (n_samples, (last - first + 1) * n_channels)
        Lag by lag, all channels of each.
    """
    n, n_channels = eeg.shape
    padded = np.zeros((n + last, n_channels))
    padded[:n] = eeg
    windows = sliding_window_view(padded[first:], last - first + 1, axis=0)  # (n_samples, n_channels, n_lags)
    return np.ascontiguousarray(windows[:n].transpose(0, 2, 1)).reshape(n, -1)


def pearson(a: Array, b: Array) -> float:
    """Return the correlation of two signals of shape (n_samples,); 0 where one of them does not vary."""
    a, b = a - a.mean(), b - b.mean()
    power = float(a @ a) * float(b @ b)
    return float(a @ b) / float(np.sqrt(power)) if power > 0.0 else 0.0


class BackwardTRF:
    """Reconstructs the envelope of attended speech from the EEG that follows it.

    The weights solve ``(C + ridge * s * R) w = c`` in closed form and double precision: C and c are the means over
    trials of X'X and X'y, X the lagged EEG with a column of ones before it (zeros beyond a trial's end), R the identity
    without the constant, s the mean of C's diagonal without the constant. With several ridges the one is taken whose
    left-out trials are reconstructed best, by their mean correlation, leaving out one training trial at a time.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of EEG and envelope.
    lags_s : sequence of 2 float
        First and last lag of the EEG behind the sound, at least 0.
    ridges : sequence of float
        Regularisations to choose from, all above 0.

    Attributes
    ----------
    weights_ : ndarray, shape (1 + n_lags * n_channels,)
        The constant, then lag by lag all channels.
    ridge_ : float
        The one chosen.
    ridge_scores_ : ndarray, shape (n_ridges,)
        Mean correlation of left-out trials; NaN if there was nothing to choose.

    References
    ----------
    O'Sullivan et al. 2015, Cereb. Cortex 25:1697, DOI 10.1093/cercor/bht355.
    Crosse et al. 2016, Front. Hum. Neurosci. 10:604, DOI 10.3389/fnhum.2016.00604.
    """

    weights_: Array
    ridge_: float
    ridge_scores_: Array

    def __init__(
        self, rate_hz: float = 64.0, lags_s: Sequence[float] = (0.0, 0.4), ridges: Sequence[float] = RIDGES
    ) -> None:
        if not (np.isfinite(rate_hz) and rate_hz > 0.0):
            raise ValueError(f"rate_hz: got {rate_hz}, it must be above 0")
        if len(lags_s) != 2 or not 0.0 <= lags_s[0] <= lags_s[1] < float("inf"):
            raise ValueError(f"lags_s: got {list(lags_s)}, expected a first and a last lag, from 0 up")
        if not ridges or not all(0.0 < ridge < float("inf") for ridge in ridges):
            raise ValueError(f"ridges: got {list(ridges)}, expected at least one number above 0")
        self.rate_hz = rate_hz
        self.lags_s = lags_s
        self.ridges = ridges

    @property
    def lags(self) -> tuple[int, int]:
        """First and last lag in samples."""
        return int(np.floor(self.lags_s[0] * self.rate_hz)), int(np.ceil(self.lags_s[1] * self.rate_hz))

    @property
    def n_channels(self) -> int:
        """Channels it was fitted to."""
        first, last = self.lags
        return (len(self.weights_) - 1) // (last - first + 1)

    def fit(self, eeg: Sequence[NDArray[np.floating[Any]]], envelopes: Sequence[NDArray[np.floating[Any]]]) -> Self:
        """Fit to whole trials.

        Parameters
        ----------
        eeg : sequence of ndarray, shape (n_samples, n_channels)
            One a trial; trials may differ in length.
        envelopes : sequence of ndarray, shape (n_samples,)
            Of the attended talker, on the same samples.

        Raises
        ------
        ValueError
            If trials do not fit each other, or there is a ridge to choose and only one trial.
        """
        self._check(eeg, envelopes)
        xx, xy = self._moments(eeg, envelopes)
        self.ridge_scores_ = np.full(len(self.ridges), np.nan)
        if len(self.ridges) > 1:
            left_out = [self._left_out(eeg, xx, xy, ridge) for ridge in self.ridges]
            correlations = [[pearson(a, np.asarray(b)) for a, b in zip(s, envelopes, strict=True)] for s in left_out]
            self.ridge_scores_ = np.mean(correlations, axis=1)
        best = int(np.nanargmax(self.ridge_scores_)) if len(self.ridges) > 1 else 0
        self.ridge_ = float(self.ridges[best])
        self.weights_ = _solve(xx.mean(axis=0), xy.mean(axis=0), self.ridge_)
        return self

    def reconstruct(self, eeg: NDArray[np.floating[Any]]) -> Array:
        """Return the envelope of one trial, shape (n_samples,), from EEG of shape (n_samples, n_channels)."""
        if eeg.ndim != 2 or eeg.shape[1] != self.n_channels:
            raise ValueError(f"eeg: got shape {eeg.shape}, expected (n_samples, {self.n_channels})")
        return np.asarray(lagged(eeg, *self.lags) @ self.weights_[1:] + self.weights_[0])

    def left_out(
        self, eeg: Sequence[NDArray[np.floating[Any]]], envelopes: Sequence[NDArray[np.floating[Any]]]
    ) -> list[Array]:
        """Return each trial's envelope, shape (n_samples,), as reconstructed by a model of all the other trials."""
        self._check(eeg, envelopes)
        if len(eeg) < 2:
            raise ValueError("eeg: got 1 trial, leaving one out needs at least 2")
        return self._left_out(eeg, *self._moments(eeg, envelopes), self.ridge_)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays, by name."""
        return {"weights": self.weights_, "ridge": np.array(self.ridge_), "ridge_scores": self.ridge_scores_}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them."""
        first, last = self.lags
        weights = np.asarray(state["weights"], np.float64)
        if weights.ndim != 1 or len(weights) < 2 or (len(weights) - 1) % (last - first + 1):
            raise ValueError(
                f"weights: got shape {weights.shape}, expected 1 + n_channels * {last - first + 1} numbers"
            )
        self.weights_ = weights
        self.ridge_ = float(state["ridge"])
        self.ridge_scores_ = np.asarray(state["ridge_scores"], np.float64)
        return self

    def _check(self, eeg: Sequence[NDArray[Any]], envelopes: Sequence[NDArray[Any]]) -> None:
        if not eeg or len(eeg) != len(envelopes):
            raise ValueError(
                f"trials: got {len(eeg)} of EEG and {len(envelopes)} envelopes, expected as many, and some"
            )
        if len(self.ridges) > 1 and len(eeg) < 2:
            raise ValueError("trials: got 1, choosing a ridge needs at least 2")
        for number, (x, y) in enumerate(zip(eeg, envelopes, strict=True)):
            if x.ndim != 2 or x.shape[1] != eeg[0].shape[1] or y.shape != (len(x),) or not len(x):
                raise ValueError(
                    f"trial {number}: got EEG {x.shape} and an envelope {y.shape}, "
                    f"expected (n_samples, {eeg[0].shape[-1]}) and (n_samples,)"
                )
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                raise ValueError(f"trial {number}: holds numbers that are not finite")

    def _moments(
        self, eeg: Sequence[NDArray[np.floating[Any]]], envelopes: Sequence[NDArray[np.floating[Any]]]
    ) -> tuple[Array, Array]:
        """Return X'X, shape (n_trials, p, p), and X'y, shape (n_trials, p), of each trial."""
        xx, xy = [], []
        for x, y in zip(eeg, envelopes, strict=True):
            design = np.column_stack([np.ones(len(x)), lagged(x, *self.lags)])
            xx.append(design.T @ design)
            xy.append(design.T @ np.asarray(y, np.float64))
        return np.array(xx), np.array(xy)

    def _left_out(self, eeg: Sequence[NDArray[np.floating[Any]]], xx: Array, xy: Array, ridge: float) -> list[Array]:
        n, all_xx, all_xy = len(eeg), xx.sum(axis=0), xy.sum(axis=0)
        reconstructed = []
        for k, x in enumerate(eeg):
            weights = _solve((all_xx - xx[k]) / (n - 1), (all_xy - xy[k]) / (n - 1), ridge)
            reconstructed.append(np.asarray(lagged(x, *self.lags) @ weights[1:] + weights[0]))
        return reconstructed


def _solve(xx: Array, xy: Array, ridge: float) -> Array:
    """Return the weights of a ridge regression whose first column, the constant, is not shrunk."""
    powers = np.diagonal(xx)[1:]
    regularised = xx.copy()
    shrunk = np.arange(1, len(xx))
    regularised[shrunk, shrunk] += ridge * (float(powers.mean()) or 1.0)
    return np.asarray(linalg.solve(regularised, xy, assume_a="pos"))
