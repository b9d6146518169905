"""Band power while samples come in: causal filters, squared, smoothed, in logarithms; any chunking gives the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

__all__ = ["RunningBandPower"]

Array = NDArray[np.float64]


class RunningBandPower:
    """The power of each channel in each band, now.

    Parameters
    ----------
    rate_hz : float
        Sampling rate.
    n_channels : int
        Columns of the samples.
    bands_hz : sequence of (float, float)
        Pass bands.
    time_constant_s : float
        Of the exponential smoothing: what lies so far back counts 1/e.
    order : int
        Of the Butterworth band-passes.

    Raises
    ------
    ValueError
        If a band does not fit the rate.
    """

    def __init__(
        self,
        rate_hz: float,
        n_channels: int,
        bands_hz: Sequence[tuple[float, float]],
        time_constant_s: float = 0.5,
        order: int = 2,
    ) -> None:
        bad = [band for band in bands_hz if not 0.0 < band[0] < band[1] < rate_hz / 2.0]
        if bad or not bands_hz:
            raise ValueError(f"bands_hz: got {bad or 'none'}, expected low < high below {rate_hz / 2.0:g} Hz")
        if not time_constant_s > 0.0:
            raise ValueError(f"time_constant_s: got {time_constant_s}, it must be positive")
        self.n_channels = n_channels
        self._sos = [butter(order, band, "bandpass", fs=rate_hz, output="sos") for band in bands_hz]
        self._decay = float(np.exp(-1.0 / (rate_hz * time_constant_s)))
        self.reset()

    def reset(self) -> None:
        """Forget all samples."""
        self._filters = [np.zeros((len(sos), 2, self.n_channels)) for sos in self._sos]
        self._smooth = [np.zeros((1, self.n_channels)) for _ in self._sos]

    def push(self, samples: NDArray[Any]) -> Array:
        """Take samples, (n_samples, n_channels), and return the power after each, (n_samples, n_bands, n_channels).

        Raises
        ------
        ValueError
            If the samples have other channels or are not finite.
        """
        x = np.asarray(samples, np.float64)
        if x.ndim != 2 or x.shape[1] != self.n_channels or not np.isfinite(x).all():
            raise ValueError(f"samples: got shape {x.shape}, expected finite values (n_samples, {self.n_channels})")
        out = np.empty((len(x), len(self._sos), self.n_channels))
        for k, sos in enumerate(self._sos):
            if not len(x):
                break
            filtered, self._filters[k] = sosfilt(sos, x, axis=0, zi=self._filters[k])
            out[:, k], self._smooth[k] = lfilter(
                [1.0 - self._decay], [1.0, -self._decay], filtered**2, axis=0, zi=self._smooth[k]
            )
        return out
