"""Optional families of features: aperiodic slope, Hjorth's parameters, Lempel-Ziv complexity, phase-amplitude coupling.

Each takes trials, shape (..., n_samples), and returns one number (or a few) for each channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, sosfiltfilt

from volo_decoders.features.spectra import Spectra, checked_trials

__all__ = ["Aperiodic", "Hjorth", "aperiodic", "hjorth", "lempel_ziv", "phase_amplitude_coupling"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Aperiodic:
    """The part of a spectrum that falls as a power of the frequency.

    Attributes
    ----------
    exponent : ndarray, shape (...)
        Power falls as ``1 / f ** exponent``.
    offset : ndarray, shape (...)
        Decimal logarithm of the power at 1 Hz.
    """

    exponent: Array
    offset: Array


def aperiodic(spectra: Spectra, limits_hz: tuple[float, float] = (2.0, 40.0), n_rounds: int = 5) -> Aperiodic:
    """Fit a straight line to the logarithm of power over that of frequency, leaving out the peaks above it.

    After each round the bins more than one robust standard deviation above the line are left out of the next, so that
    rhythms do not tilt it.

    Parameters
    ----------
    spectra : Spectra
        Densities.
    limits_hz : (float, float)
        Range of the fit; 0 Hz is never in it.
    n_rounds : int
        Fits.

    References
    ----------
    Donoghue et al. 2020, Nat. Neurosci. 23:1655, DOI 10.1038/s41593-020-00744-x.
    """
    f = spectra.frequencies_hz
    keep = (f >= limits_hz[0]) & (f <= limits_hz[1]) & (f > 0.0)
    if keep.sum() < 4:
        raise ValueError(f"limits_hz: got {limits_hz}, a line needs at least 4 bins within; take longer windows")
    power = spectra.power[..., keep]
    if not (power > 0.0).all():
        raise ValueError("spectra: got bins without power (a flat channel), leave that channel out")
    x, y = np.log10(f[keep]), np.log10(power)
    weight = np.ones_like(y)
    for _ in range(n_rounds):
        total = weight.sum(axis=-1, keepdims=True)
        mean_x, mean_y = ((weight * v).sum(axis=-1, keepdims=True) / total for v in (x, y))
        slope = (weight * (x - mean_x) * (y - mean_y)).sum(axis=-1, keepdims=True)
        slope /= (weight * (x - mean_x) ** 2).sum(axis=-1, keepdims=True)
        residual = y - mean_y - slope * (x - mean_x)
        spread = 1.4826 * np.median(
            np.abs(residual - np.median(residual, axis=-1, keepdims=True)), axis=-1, keepdims=True
        )
        weight = (residual <= np.maximum(spread, 1e-12)).astype(np.float64)
    return Aperiodic(-slope[..., 0], (mean_y - slope * mean_x)[..., 0])


@dataclass(frozen=True, slots=True, eq=False)
class Hjorth:
    """Hjorth's parameters, shape (...): variance, mean frequency (radians a sample), and how much it varies."""

    activity: Array
    mobility: Array
    complexity: Array


def hjorth(X: NDArray[Any]) -> Hjorth:
    """Return Hjorth's parameters of trials, shape (..., n_samples); a flat channel has none but 0.

    References
    ----------
    Hjorth 1970, Electroencephalogr. Clin. Neurophysiol. 29:306, DOI 10.1016/0013-4694(70)90143-4.
    """
    trials = checked_trials(X, 1.0, 4)
    first = np.diff(trials, axis=-1)
    activity, slope, bend = trials.var(axis=-1), first.var(axis=-1), np.diff(first, axis=-1).var(axis=-1)
    mobility = np.sqrt(slope / np.where(activity > 0.0, activity, 1.0))
    of_slope = np.sqrt(bend / np.where(slope > 0.0, slope, 1.0))
    return Hjorth(activity, mobility, of_slope / np.where(mobility > 0.0, mobility, 1.0))


def lempel_ziv(X: NDArray[Any]) -> Array:
    """Return each channel's Lempel-Ziv complexity, above its median or not: about 1 for noise, near 0 for a rhythm.

    The number of phrases of the 1976 parsing, times ``log2(n) / n``.

    References
    ----------
    Lempel & Ziv 1976, IEEE Trans. Inf. Theory 22:75, DOI 10.1109/TIT.1976.1055501.
    """
    trials = checked_trials(X, 1.0)
    n = trials.shape[-1]
    above = (trials > np.median(trials, axis=-1, keepdims=True)).reshape(-1, n)
    counts = np.array([_phrases(row.astype(np.uint8).tobytes()) for row in above], np.float64)
    out: Array = (counts * np.log2(n) / n).reshape(trials.shape[:-1])
    return out


def _phrases(text: bytes) -> int:
    """Count phrases: each is the shortest stretch that does not occur before its own last symbol."""
    start, count, n = 0, 0, len(text)
    while start < n:
        length = 1
        while start + length <= n and text.find(text[start : start + length], 0, start + length - 1) >= 0:
            length += 1
        count += 1
        start += length
    return count


def phase_amplitude_coupling(
    X: NDArray[Any], rate_hz: float, phase_hz: tuple[float, float], amplitude_hz: tuple[float, float], n_bins: int = 18
) -> Array:
    """Return how much the amplitude of a fast band hangs on the phase of a slow one, 0 to 1, by channel.

    The divergence of the mean amplitude by phase bin from an even one, over its largest possible value. Offline only:
    filters run both ways.

    Parameters
    ----------
    X : ndarray, shape (..., n_samples)
        Trials, long against the slow period.
    rate_hz : float
        Sampling rate.
    phase_hz, amplitude_hz : (float, float)
        Pass bands of the slow and the fast rhythm.
    n_bins : int
        Of the phase.

    References
    ----------
    Tort et al. 2010, J. Neurophysiol. 104:1195, DOI 10.1152/jn.00106.2010.
    """
    trials = checked_trials(X, rate_hz, 64)
    for name, band in (("phase_hz", phase_hz), ("amplitude_hz", amplitude_hz)):
        if not 0.0 < band[0] < band[1] < rate_hz / 2.0:
            raise ValueError(f"{name}: got {band}, expected low < high below {rate_hz / 2.0:g} Hz")

    def analytic(band: tuple[float, float]) -> NDArray[np.complex128]:
        sos = butter(3, band, "bandpass", fs=rate_hz, output="sos")
        return np.asarray(hilbert(sosfiltfilt(sos, trials, axis=-1), axis=-1))

    phase, amplitude = np.angle(analytic(phase_hz)), np.abs(analytic(amplitude_hz))
    place = np.clip(((phase + np.pi) / (2.0 * np.pi) * n_bins).astype(int), 0, n_bins - 1)
    means = np.stack(
        [(amplitude * (place == k)).sum(axis=-1) / np.maximum((place == k).sum(axis=-1), 1) for k in range(n_bins)],
        axis=-1,
    )
    total = means.sum(axis=-1, keepdims=True)
    share = means / np.where(total > 0.0, total, 1.0)
    entropy = -np.where(share > 0.0, share * np.log(np.where(share > 0.0, share, 1.0)), 0.0).sum(axis=-1)
    return np.where(total[..., 0] > 0.0, 1.0 - entropy / np.log(n_bins), 0.0)
