"""Regression of eye movements: what EOG channels explain of each EEG channel is subtracted, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Chunk, StreamInfo

__all__ = ["EogRegression", "eog_coefficients"]


def eog_coefficients(eeg: NDArray[np.floating[Any]], eog: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return how strongly each EOG channel shows in each EEG channel: ``b = (E^T E)^-1 E^T X``.

    Fit it to a stretch in which the eyes move and little else happens, both signals high-passed.

    Parameters
    ----------
    eeg : ndarray, shape (n_samples, n_eeg)
        Signal to be cleaned, microvolt.
    eog : ndarray, shape (n_samples, n_eog)
        Eye channels at the same time.

    Returns
    -------
    b : ndarray of float64, shape (n_eog, n_eeg)

    Raises
    ------
    ValueError
        If the lengths differ, or EOG channels are flat or depend on each other.

    References
    ----------
    Schloegl et al. 2007, Clin. Neurophysiol. 118:98, DOI 10.1016/j.clinph.2006.09.003.
    """
    if len(eeg) != len(eog):
        raise ValueError(f"eeg, eog: got {len(eeg)} and {len(eog)} samples, they must be of one stretch")
    x = eeg.astype(np.float64) - eeg.mean(axis=0, dtype=np.float64)
    e = eog.astype(np.float64) - eog.mean(axis=0, dtype=np.float64)
    if np.linalg.matrix_rank(e) < e.shape[1]:
        raise ValueError(f"eog: got {e.shape[1]} channels that are flat or depend on each other")
    b: NDArray[np.float64] = np.linalg.lstsq(e, x, rcond=None)[0]
    return b


class EogRegression:
    """Subtract weighted EOG channels from the others, and leave them out.

    Put it behind a high-pass: an offset of the eye channels would become one of all others.

    Parameters
    ----------
    eog_channels : sequence of str
        Names of the eye channels.
    eeg_channels : sequence of str
        Names of the channels to clean; those that are named nowhere pass unchanged.
    coefficients : sequence of sequences of float
        Of `eog_coefficients`: one row an eye channel, one column a channel to clean.
    """

    mergeable = True

    def __init__(
        self, eog_channels: Sequence[str], eeg_channels: Sequence[str], coefficients: Sequence[Sequence[float]]
    ) -> None:
        shape = (len(eog_channels), len(eeg_channels))
        if np.shape(coefficients) != shape:
            raise ValueError(f"coefficients: got shape {np.shape(coefficients)}, expected {shape}")
        self.eog_channels = eog_channels
        self.eeg_channels = eeg_channels
        self.coefficients = coefficients

    @property
    def settle_s(self) -> float:
        """Nothing to settle."""
        return 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Find the channels; DecoderError WRONG_CHANNELS names those that are missing."""
        names = info.channel_names
        missing = [name for name in (*self.eog_channels, *self.eeg_channels) if name not in names]
        if missing:
            raise DecoderError(
                f"stream {info.stream_id!r} lacks channel {', '.join(missing)}",
                reason=Reason.WRONG_CHANNELS,
                hint="eye movements are subtracted by channels of these names; connect them or fit the regression anew",
            )
        kept = [name for name in names if name not in self.eog_channels]
        self._kept = [names.index(name) for name in kept]
        self._eog = [names.index(name) for name in self.eog_channels]
        self._weights = np.zeros((len(self._eog), len(kept)))
        for column, name in enumerate(self.eeg_channels):
            self._weights[:, kept.index(name)] = [row[column] for row in self.coefficients]
        return replace(info, channels=tuple(info.channels[k] for k in self._kept), dtype="float32")

    def push(self, chunk: Chunk) -> Chunk:
        """Return the cleaned channels, float32."""
        out = chunk.samples[:, self._kept].astype(np.float64)
        # One eye channel after the other: a row's result does not depend on how many rows there are.
        for k, weights in zip(self._eog, self._weights, strict=True):
            out -= chunk.samples[:, k].astype(np.float64)[:, None] * weights
        return Chunk(chunk.stream_id, chunk.index, out.astype(np.float32), chunk.times, chunk.valid)
