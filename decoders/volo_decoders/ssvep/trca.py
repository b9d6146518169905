"""Task-related component analysis: SSVEP with calibration, for targets locked to the stimulus phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.scored import ScoredClassifier, calibration_windows, taken
from volo_decoders.ssvep.filterbank import band_weights
from volo_decoders.ssvep.references import centred
from volo_decoders.ssvep.spatial import filters_as_meegkit, patterns_of, task_related_filters

__all__ = ["ETRCA"]

_SCORES = ("signed", "squared", "signed_squared")
_COMPAT = ("none", "meegkit")


class ETRCA(ScoredClassifier):
    """Correlate spatially filtered windows with the class averages of calibration trials.

    For each class and sub-band the filter w maximises ``w^T S w / w^T Q w``; S sums the covariances between different
    trials and Q those of all trials together. With centred trials x_i and ``M = sum_i x_i``, ``S = M M^T - sum_i x_i
    x_i^T``: no loop over pairs. The score of a class is ``sum_k (k ** -a + b) r_k`` with the two-dimensional
    correlation r_k of ``W^T x`` and ``W^T template``, where W holds the filters of all classes (ensemble) or the
    class's own, each scaled to output variance 1 over its class's trials. Channels are centred within the window, so
    scores depend on no offset, no channel's scale and no filter's sign.

    Scoring costs one matrix product a sub-band, since ``<W^T x, W^T t> = <x, W W^T t>``; the templates' norms come
    from running sums, so a window shorter than those fitted on is scored exactly as if the templates ended with it.

    Parameters
    ----------
    n_bands : int
        Sub-bands in the windows.
    ensemble : bool
        Use the filters of all classes together.
    weight_a, weight_b : float
        Weights of the sub-bands.
    combine : {"signed", "squared", "signed_squared"}
        Add ``r``, ``r ** 2`` or ``sign(r) r ** 2`` over the sub-bands.
    regularization : float
        Share, 0 to below 1, by which Q is shrunk towards its mean eigenvalue times the identity.
    compat : {"none", "meegkit"}
        ``"meegkit"`` gives the scores of meegkit 0.2.0, for comparisons. There two accidents weigh the ensemble: the
        filters keep the lengths and signs in which the eigenvalue routine happens to return them, and correlations
        are taken about the mean of all filters' outputs together, so that scores depend on those signs.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    filters_ : ndarray of float64, shape (n_bands, n_classes, n_channels)
        Spatial filters.
    templates_ : ndarray of float64, shape (n_bands, n_classes, n_channels, n_samples)
        Class averages.
    patterns_ : ndarray of float64, shape (n_bands, n_classes, n_channels)
        How each filter's output shows in the channels, see `patterns_of`.

    References
    ----------
    Nakanishi et al. 2018, IEEE Trans. Biomed. Eng. 65:104, DOI 10.1109/TBME.2017.2694818.
    """

    needs_calibration = True
    calibration_trials = 2
    phase_locked = True
    least_valid_fraction = 0.9

    def __init__(
        self,
        n_bands: int = 5,
        ensemble: bool = True,
        *,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        combine: str = "signed",
        regularization: float = 0.0,
        compat: str = "none",
    ) -> None:
        self.n_bands = n_bands
        self.ensemble = ensemble
        self.weight_a = weight_a
        self.weight_b = weight_b
        self.combine = combine
        self.regularization = regularization
        self.compat = compat

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Find filters and templates.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows that start at the stimulus onset, or a fixed time after it.
        y : array_like, shape (n_trials,)
            Labels; each class needs two windows or more.

        Raises
        ------
        ValueError
            If parameters, windows or labels do not fit, windows hold NaN, or a class has a single window.
        """
        self._check_parameters()
        X, labels, classes, counts = calibration_windows(X, y, self.n_bands, "ETRCA")
        parts = [self._one_class(X[labels == name]) for name in classes]
        S, Q, templates = (np.stack([part[i] for part in parts], axis=1) for i in range(3))
        S, Q = self._criterion(S, Q, templates, counts, classes)
        find = filters_as_meegkit if self.compat == "meegkit" else task_related_filters
        self.filters_ = np.ascontiguousarray(find(S, self._shrunk(Q)))
        self.patterns_ = np.ascontiguousarray(patterns_of(self.filters_, Q))
        self.templates_ = np.ascontiguousarray(templates)
        self.classes_ = classes
        self._prepare()
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays: class labels, filters, templates, patterns."""
        return {
            "classes": self.classes_.copy(),
            "filters": self.filters_.copy(),
            "templates": self.templates_.copy(),
            "patterns": self.patterns_.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned.

        Raises
        ------
        ValueError
            If an array is missing, or they do not fit each other or the parameters.
        """
        self._check_parameters()
        classes = taken(state, "classes", 1, "Uiub")
        filters, templates = taken(state, "filters", 3, "f"), taken(state, "templates", 4, "f")
        expected = (self.n_bands, len(classes), filters.shape[2])
        if filters.shape != expected or templates.shape[:3] != expected:
            raise ValueError(
                f"state: got filters {filters.shape} and templates {templates.shape} of {len(classes)} classes, "
                f"expected {expected} and {(*expected, 'n_samples')}"
            )
        self.classes_, self.filters_, self.templates_ = classes, filters, templates
        # Decoders stored before there were patterns have none to tell.
        self.patterns_ = taken(state, "patterns", 3, "f") if "patterns" in state else np.full(filters.shape, np.nan)
        self._prepare()
        return self

    def _criterion(
        self,
        S: NDArray[np.float64],
        Q: NDArray[np.float64],
        templates: NDArray[np.float64],
        counts: NDArray[np.intp],
        classes: NDArray[Any],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the matrices whose quotient the filters maximise, each (n_bands, n_classes, n_channels, n_channels).

        Here S and Q as they are; the variants of TRCA differ in nothing else.
        """
        return S, Q

    def _check_parameters(self) -> None:
        if self.n_bands < 1:
            raise ValueError(f"n_bands: got {self.n_bands}, it must be at least 1")
        if self.combine not in _SCORES:
            raise ValueError(f"combine: got {self.combine!r}, allowed are {', '.join(_SCORES)}")
        if self.compat not in _COMPAT:
            raise ValueError(f"compat: got {self.compat!r}, allowed are {', '.join(_COMPAT)}")
        if not 0.0 <= self.regularization < 1.0:
            raise ValueError(f"regularization: got {self.regularization}, it must be at least 0 and below 1")

    def _one_class(
        self, X: NDArray[np.floating[Any]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return S, Q (n_bands, n_channels, n_channels) and the template of one class's windows."""
        n_trials, n_rows, n_samples = X.shape
        n_channels = n_rows // self.n_bands
        bands = np.empty((self.n_bands, n_channels, n_trials, n_samples))
        bands[...] = X.reshape(n_trials, self.n_bands, n_channels, n_samples).transpose(1, 2, 0, 3)
        template = bands.mean(axis=2)
        means = bands.mean(axis=3)  # (n_bands, n_channels, n_trials)
        bands -= means[..., None]
        total = bands.sum(axis=2)
        flat = bands.reshape(self.n_bands, n_channels, n_trials * n_samples)
        within = flat @ flat.swapaxes(1, 2)
        # Q is taken about the mean of all trials together: add what the trials' own means differ.
        means -= means.mean(axis=2, keepdims=True)
        return total @ total.swapaxes(1, 2) - within, within + n_samples * (means @ means.swapaxes(1, 2)), template

    def _shrunk(self, Q: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.regularization == 0.0:
            return Q
        n_channels = Q.shape[-1]
        level = np.einsum("...ii->...", Q)[..., None, None] / n_channels
        shrunk: NDArray[np.float64] = (1.0 - self.regularization) * Q + self.regularization * level * np.eye(n_channels)
        return shrunk

    def _prepare(self) -> None:
        """Compute what scoring needs from filters and templates."""
        n_bands, n_classes, _, n_samples = self.templates_.shape
        W = self.filters_
        T = self.templates_ if self._about_grand_mean else centred(self.templates_)
        # W W^T template, shape (n_bands, n_classes, n_channels, n_samples)
        projected = (W.swapaxes(1, 2) @ W)[:, None] @ T if self.ensemble else W[..., None] * (W[:, :, None, :] @ T)
        # What the templates' outputs vary, by the number of samples: squares less the square of the sum.
        squares = (projected * T).sum(axis=2).cumsum(axis=-1)
        sizes = np.arange(1, n_samples + 1)
        if self._about_grand_mean:
            self._summed = W.sum(axis=1)[:, None, :]
            sums = (self._summed[..., None] * T).sum(axis=2).cumsum(axis=-1)
            varying = squares - sums * sums / (sizes * n_classes)
            self._template_sums = np.ascontiguousarray(sums.transpose(2, 0, 1))
        else:
            varying = squares - (projected.cumsum(axis=-1) * T.cumsum(axis=-1)).sum(axis=2) / sizes
        varying = np.where(varying > 1e-12 * squares, varying, 0.0)
        self._template_powers = np.ascontiguousarray(varying.transpose(2, 0, 1))
        # Time first, so that the part for a shorter window is one block of memory.
        self._projected = np.ascontiguousarray(projected.transpose(0, 3, 2, 1)).reshape(n_bands, -1, n_classes)
        self._weights = band_weights(n_bands, self.weight_a, self.weight_b)

    @property
    def _about_grand_mean(self) -> bool:
        return self.compat == "meegkit" and self.ensemble

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        n_bands, _, n_channels, longest = self.templates_.shape
        if n_rows != n_bands * n_channels:
            raise ValueError(f"X: got {n_rows} channels, fitted on {n_bands} bands of {n_channels}")
        if not 2 <= n_samples <= longest:
            raise ValueError(f"X: got windows of {n_samples} samples, expected 2 to {longest}, the length fitted on")

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_bands, n_classes, n_channels, _ = self.templates_.shape
        n = window.shape[1]
        signals = window.astype(np.float64) if self._about_grand_mean else centred(window)
        x = np.ascontiguousarray(signals.reshape(n_bands, n_channels, n).swapaxes(1, 2))
        products = (x.reshape(n_bands, 1, n * n_channels) @ self._projected[:, : n * n_channels])[:, 0]
        gram = x.swapaxes(1, 2) @ x
        powers = ((self.filters_ @ gram) * self.filters_).sum(axis=2)  # (n_bands, n_classes): each filter's output
        if self.ensemble:
            powers = powers.sum(axis=1, keepdims=True)
        if self._about_grand_mean:
            sums = (self._summed * x.sum(axis=1)[:, None, :]).sum(axis=2)
            products = products - sums * self._template_sums[n - 1] / (n * n_classes)
            powers = powers - sums * sums / (n * n_classes)
        powers = powers * self._template_powers[n - 1]
        varies = powers > 0.0
        r = np.where(varies, products, 0.0) / np.sqrt(np.where(varies, powers, 1.0))
        if self.combine == "squared":
            r = r * r
        elif self.combine == "signed_squared":
            r = r * np.abs(r)
        scores: NDArray[np.float64] = self._weights @ r
        return scores
