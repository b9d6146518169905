"""Event-related desynchronisation and synchronisation: power by time and frequency, in per cent of a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from volo_decoders.features.spectra import checked_trials

__all__ = ["Cluster", "Erds", "cluster_test", "erds", "morlet_power"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Erds:
    """Change of power against a baseline.

    Attributes
    ----------
    frequencies_hz : ndarray, shape (n_frequencies,)
        Centre frequencies.
    times_s : ndarray, shape (n_times,)
        From the cue.
    percent : ndarray, shape (n_channels, n_frequencies, n_times)
        Of the mean over trials: -50 is half the baseline's power, 100 is twice.
    log_ratio : ndarray, shape (n_trials, n_channels, n_frequencies, n_times)
        Natural logarithm of each trial's power over the mean baseline of all trials: what statistics are made on.
    """

    frequencies_hz: Array
    times_s: Array
    percent: Array
    log_ratio: Array


def morlet_power(
    X: NDArray[Any], rate_hz: float, frequencies_hz: Sequence[float], n_cycles: float = 7.0, decimate: int = 1
) -> Array:
    """Return the power of Morlet wavelets of unit energy, shape (..., n_frequencies, n_samples // decimate).

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_samples)
        Trials.
    rate_hz : float
        Sampling rate.
    frequencies_hz : sequence of float
        Centre frequencies.
    n_cycles : float
        Width: the Gaussian's standard deviation is ``n_cycles / (2 pi f)``, smeared into both directions of time.
    decimate : int
        Every so many samples are kept.

    References
    ----------
    Tallon-Baudry et al. 1997, J. Neurosci. 17:722, DOI 10.1523/JNEUROSCI.17-02-00722.1997.
    """
    trials = checked_trials(X, rate_hz)
    n = trials.shape[-1]
    bad = [f for f in frequencies_hz if not 0.0 < f < rate_hz / 2.0]
    if bad or not len(frequencies_hz):
        raise ValueError(f"frequencies_hz: got {bad or 'none'}, they must lie between 0 and {rate_hz / 2.0:g} Hz")
    kept = range(0, n, decimate)
    power = np.empty((*trials.shape[:-1], len(frequencies_hz), len(kept)))
    wavelets = []
    for f in frequencies_hz:
        sigma = n_cycles / (2.0 * np.pi * f)
        half = np.arange(0.0, 5.0 * sigma, 1.0 / rate_hz)
        times = np.r_[-half[::-1], half[1:]]
        wave = np.exp(2j * np.pi * f * times) - np.exp(-2.0 * (np.pi * f * sigma) ** 2)
        wave *= np.exp(-(times**2) / (2.0 * sigma**2))
        wavelets.append(wave * np.sqrt(2.0) / np.linalg.norm(wave))
    longest = max(len(wave) for wave in wavelets)
    n_fft = 1 << (n + longest - 2).bit_length()
    spectrum = np.fft.fft(trials, n_fft, axis=-1)
    for k, wave in enumerate(wavelets):
        out = np.fft.ifft(spectrum * np.fft.fft(wave, n_fft), axis=-1)
        start = (len(wave) - 1) // 2
        out = out[..., start : start + n : decimate]
        power[..., k, :] = out.real**2 + out.imag**2
    return power


def erds(
    X: NDArray[Any],
    rate_hz: float,
    frequencies_hz: Sequence[float],
    *,
    start_s: float,
    baseline_s: tuple[float, float],
    n_cycles: float = 7.0,
    decimate: int = 1,
) -> Erds:
    """Return the change of power against a stretch before the cue.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_samples)
        Trials, the baseline included.
    rate_hz : float
        Sampling rate.
    frequencies_hz : sequence of float
        Centre frequencies.
    start_s : float
        Time of the first sample from the cue, e.g. -2.
    baseline_s : (float, float)
        From and to, from the cue; keep it away from the cue by the wavelet's width, which smears.
    n_cycles, decimate
        As in `morlet_power`.

    Raises
    ------
    ValueError
        If the trials do not hold the baseline.

    References
    ----------
    Pfurtscheller & Lopes da Silva 1999, Clin. Neurophysiol. 110:1842, DOI 10.1016/S1388-2457(99)00141-8.
    """
    trials = checked_trials(X, rate_hz)
    if trials.ndim != 3 or not len(trials):
        raise ValueError(f"X: got shape {trials.shape}, expected (n_trials, n_channels, n_samples), at least one trial")
    times = (start_s + np.arange(trials.shape[2]) / rate_hz)[::decimate]
    inside = (times >= baseline_s[0]) & (times <= baseline_s[1])
    if not inside.any():
        raise ValueError(
            f"baseline_s: got {baseline_s[0]:g} to {baseline_s[1]:g} s, trials last {times[0]:g} to {times[-1]:g} s"
        )
    power = morlet_power(trials, rate_hz, frequencies_hz, n_cycles, decimate)
    reference = power[..., inside].mean(axis=(0, 3))[None, :, :, None]
    if not (reference > 0.0).all():
        flat = sorted({int(c) for c in np.nonzero(~(reference[0] > 0.0))[0]})
        raise ValueError(f"X: got channels {flat} without any signal in the baseline, leave them out")
    percent = 100.0 * (power.mean(axis=0) / reference[0] - 1.0)
    return Erds(np.asarray(frequencies_hz, np.float64), times, percent, np.log(np.maximum(power / reference, 1e-30)))


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """A stretch of neighbouring cells that go the same way.

    Attributes
    ----------
    mask : ndarray of bool, shape (n_frequencies, n_times)
        Its cells.
    mass : float
        Sum of its t values.
    p : float
        Probability of a cluster as heavy anywhere in the map, were there no effect.
    """

    mask: NDArray[np.bool_]
    mass: float
    p: float


def cluster_test(
    log_ratio: NDArray[Any], *, threshold: float = 2.0, n_permutations: int = 500, seed: int = 0
) -> list[Cluster]:
    """Find clusters of cells whose mean over trials differs from zero, by flipping the signs of whole trials.

    Parameters
    ----------
    log_ratio : ndarray, shape (n_trials, n_frequencies, n_times)
        One channel's log ratios, see `Erds`.
    threshold : float
        Magnitude of t from which cells belong to a cluster; cells touch along either axis.
    n_permutations : int
        Sign flips.
    seed : int
        Of the flips.

    Returns
    -------
    clusters : list of Cluster
        The most certain first.

    References
    ----------
    Maris & Oostenveld 2007, J. Neurosci. Methods 164:177, DOI 10.1016/j.jneumeth.2007.03.024.
    """
    values = np.asarray(log_ratio, np.float64)
    n_trials = len(values)
    if values.ndim != 3 or n_trials < 3:
        raise ValueError(
            f"log_ratio: got shape {values.shape}, expected (n_trials, n_frequencies, n_times), 3 trials or more"
        )
    flat = values.reshape(n_trials, -1)
    squares = (flat**2).sum(axis=0)

    def t_map(signs: Array) -> Array:
        mean = signs @ flat / n_trials
        variance = np.maximum(squares / n_trials - mean**2, 1e-30) * n_trials / (n_trials - 1)
        out: Array = (mean / np.sqrt(variance / n_trials)).reshape(values.shape[1:])
        return out

    def found(statistic: Array) -> list[tuple[NDArray[np.bool_], float]]:
        out = []
        for above in (statistic > threshold, statistic < -threshold):
            labels, n_labels = ndimage.label(above)
            masses = ndimage.sum_labels(statistic, labels, np.arange(1, n_labels + 1))
            out += [(labels == k + 1, float(mass)) for k, mass in enumerate(masses)]
        return out

    rng = np.random.default_rng(seed)
    null = np.zeros(n_permutations)
    for k in range(n_permutations):
        statistic = t_map(rng.choice((-1.0, 1.0), n_trials))
        heaviest = 0.0
        for sign in (1.0, -1.0):
            labels, n_labels = ndimage.label(sign * statistic > threshold)
            if n_labels:
                masses = ndimage.sum_labels(sign * statistic, labels, np.arange(1, n_labels + 1))
                heaviest = max(heaviest, float(np.max(masses)))
        null[k] = heaviest
    clusters = [
        Cluster(mask, mass, float((1 + (null >= abs(mass) * (1.0 - 1e-12)).sum()) / (n_permutations + 1)))
        for mask, mass in found(t_map(np.ones(n_trials)))
    ]
    return sorted(clusters, key=lambda cluster: (cluster.p, -abs(cluster.mass)))
