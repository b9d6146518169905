"""Power spectra of trials: Welch's, multitaper, autoregressive by Burg; and the power in bands.

All take trials, shape (..., n_samples), at least a channel axis before, and give one-sided densities in the signal's
unit squared per hertz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import get_window
from scipy.signal.windows import dpss

__all__ = ["Spectra", "band_power", "burg_spectra", "checked_trials", "multitaper_spectra", "stft", "welch_spectra"]

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Power by frequency.

    Attributes
    ----------
    frequencies_hz : ndarray, shape (n_bins,)
        Centres of the bins.
    power : ndarray, shape (..., n_bins)
        Density, unit squared per hertz.
    """

    frequencies_hz: Array
    power: Array


def checked_trials(X: NDArray[Any], rate_hz: float, least_samples: int = 2) -> Array:
    """Return trials as float64.

    Raises
    ------
    ValueError
        If the rate is not positive, trials are too short, or values are not finite.
    """
    trials = np.asarray(X, np.float64)
    if not 0.0 < rate_hz < np.inf:
        raise ValueError(f"rate_hz: got {rate_hz}, it must be positive")
    if trials.ndim < 2 or trials.shape[-1] < least_samples:
        raise ValueError(
            f"X: got shape {trials.shape}, expected (..., n_channels, n_samples) with at least {least_samples} samples"
        )
    if not np.isfinite(trials).all():
        raise ValueError("X: got NaN or infinity, leave those trials out (rejected_trials names them)")
    return trials


def stft(
    X: NDArray[Any],
    rate_hz: float,
    window_s: float = 1.0,
    overlap: float = 0.5,
    limits_hz: tuple[float, float] = (0.0, np.inf),
) -> tuple[Array, Complex]:
    """Return the Fourier coefficients of Hann windows along the trials: the one pass that spectra and couplings share.

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_samples)
        Trials; each window's mean is taken off.
    rate_hz : float
        Sampling rate.
    window_s : float
        Length of a window; its inverse is the distance of the bins. Longer than the trial means one window.
    overlap : float
        Share of a window that the next one covers, 0 to below 1.
    limits_hz : (float, float)
        Bins outside are not returned.

    Returns
    -------
    frequencies_hz : ndarray, shape (n_bins,)
        Bin centres within the limits.
    coefficients : ndarray, shape (..., n_windows, n_channels, n_bins)
        Scaled so that the mean squared magnitude over windows is the one-sided density.
    """
    trials = checked_trials(X, rate_hz)
    if not 0.0 <= overlap < 1.0:
        raise ValueError(f"overlap: got {overlap}, it must be from 0 to below 1")
    length = min(round(window_s * rate_hz), trials.shape[-1])
    if length < 2:
        raise ValueError(f"window_s: got {window_s}, a window needs at least 2 samples at {rate_hz:g} Hz")
    step = max(length - int(overlap * length), 1)
    parts = np.lib.stride_tricks.sliding_window_view(trials, length, axis=-1)[..., ::step, :]
    taper = get_window("hann", length)
    coefficients = np.fft.rfft((parts - parts.mean(axis=-1, keepdims=True)) * taper, axis=-1)
    frequencies = np.asarray(np.fft.rfftfreq(length, 1.0 / rate_hz), np.float64)
    scale = np.full(len(frequencies), 2.0)
    scale[0] = 1.0
    if length % 2 == 0:
        scale[-1] = 1.0
    keep = (frequencies >= limits_hz[0]) & (frequencies <= limits_hz[1])
    if not keep.any():
        raise ValueError(f"limits_hz: got {limits_hz}, no bin of {rate_hz / length:g} Hz lies within")
    coefficients = coefficients[..., keep] * np.sqrt(scale[keep] / (rate_hz * (taper**2).sum()))
    return frequencies[keep], np.moveaxis(coefficients, -3, -2)


def welch_spectra(
    X: NDArray[Any],
    rate_hz: float,
    window_s: float = 1.0,
    overlap: float = 0.5,
    limits_hz: tuple[float, float] = (0.0, np.inf),
) -> Spectra:
    """Return Welch's spectra: the mean over Hann windows. Parameters as in `stft`.

    References
    ----------
    Welch 1967, IEEE Trans. Audio Electroacoust. 15:70, DOI 10.1109/TAU.1967.1161901.
    """
    frequencies, coefficients = stft(X, rate_hz, window_s, overlap, limits_hz)
    return Spectra(frequencies, (coefficients.real**2 + coefficients.imag**2).mean(axis=-3))


def multitaper_spectra(
    X: NDArray[Any], rate_hz: float, bandwidth_hz: float = 4.0, limits_hz: tuple[float, float] = (0.0, np.inf)
) -> Spectra:
    """Return multitaper spectra over whole trials, tapers weighted by their concentration.

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_samples)
        Trials; their means are taken off.
    rate_hz : float
        Sampling rate.
    bandwidth_hz : float
        Full width over which power is smeared.
    limits_hz : (float, float)
        Bins outside are not returned.

    References
    ----------
    Thomson 1982, Proc. IEEE 70:1055, DOI 10.1109/PROC.1982.12433.
    """
    trials = checked_trials(X, rate_hz)
    n = trials.shape[-1]
    half = bandwidth_hz * n / (2.0 * rate_hz)
    n_tapers = int(2.0 * half)
    if n_tapers < 1:
        raise ValueError(
            f"bandwidth_hz: got {bandwidth_hz}, trials of {n / rate_hz:g} s need {rate_hz / n:g} Hz at least"
        )
    tapers, ratios = dpss(n, half, n_tapers, sym=False, return_ratios=True)
    good = ratios > 0.9 if (ratios > 0.9).any() else ratios == ratios.max()
    frequencies = np.asarray(np.fft.rfftfreq(n, 1.0 / rate_hz), np.float64)
    keep = (frequencies >= limits_hz[0]) & (frequencies <= limits_hz[1])
    centred = trials - trials.mean(axis=-1, keepdims=True)
    power = np.zeros((*trials.shape[:-1], int(keep.sum())))
    for taper, weight in zip(tapers[good], ratios[good], strict=True):
        spectrum = np.fft.rfft(centred * taper, axis=-1)[..., keep]
        power += weight * (spectrum.real**2 + spectrum.imag**2)
    power *= 2.0 / (rate_hz * ratios[good].sum())
    edge = (frequencies == 0.0) | ((frequencies == rate_hz / 2.0) & (n % 2 == 0))
    power[..., edge[keep]] /= 2.0
    return Spectra(frequencies[keep], power)


def burg_spectra(X: NDArray[Any], rate_hz: float, frequencies_hz: Sequence[float] | Array, order: int = 16) -> Spectra:
    """Return autoregressive spectra, the model fitted by Burg's recursion.

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_samples)
        Trials; their means are taken off.
    rate_hz : float
        Sampling rate.
    frequencies_hz : sequence of float
        Where to evaluate; any spacing.
    order : int
        Of the model, at least 1 and below half the trial; 0.03 to 0.05 s times the rate is usual.

    References
    ----------
    Burg 1975, Maximum entropy spectral analysis, Stanford University. Kay & Marple 1981, Proc. IEEE 69:1380,
    DOI 10.1109/PROC.1981.12184.
    """
    trials = checked_trials(X, rate_hz)
    n = trials.shape[-1]
    if not 1 <= order < n // 2:
        raise ValueError(f"order: got {order}, trials of {n} samples allow 1 to {n // 2 - 1}")
    forward = trials - trials.mean(axis=-1, keepdims=True)
    backward = forward.copy()
    variance = (forward**2).mean(axis=-1)
    model = np.zeros((*trials.shape[:-1], order + 1))
    model[..., 0] = 1.0
    for m in range(1, order + 1):
        f, b = forward[..., 1:], backward[..., :-1]
        energy = (f**2).sum(axis=-1) + (b**2).sum(axis=-1)
        k = -2.0 * (f * b).sum(axis=-1) / np.where(energy > 0.0, energy, 1.0)
        forward, backward = f + k[..., None] * b, b + k[..., None] * f
        model[..., 1 : m + 1] += k[..., None] * model[..., m - 1 :: -1][..., :m]
        variance = variance * (1.0 - k**2)
    frequencies = np.asarray(frequencies_hz, np.float64)
    turning = np.exp(-2j * np.pi * np.outer(np.arange(order + 1), frequencies) / rate_hz)
    response = model @ turning
    return Spectra(frequencies, 2.0 * variance[..., None] / rate_hz / (response.real**2 + response.imag**2))


def band_power(spectra: Spectra, bands_hz: Sequence[tuple[float, float]]) -> Array:
    """Return the mean density over the bins of each band, edges included, shape (..., n_bands).

    Raises
    ------
    ValueError
        If a band holds no bin.
    """
    out = np.empty((*spectra.power.shape[:-1], len(bands_hz)))
    for k, (low, high) in enumerate(bands_hz):
        keep = (spectra.frequencies_hz >= low) & (spectra.frequencies_hz <= high)
        if not keep.any():
            raise ValueError(f"bands_hz: got {low:g} to {high:g} Hz, no bin lies within; take longer windows")
        out[..., k] = spectra.power[..., keep].mean(axis=-1)
    return out
