"""How channels go together, by frequency: five measures for all pairs and bins from one pass of Fourier coefficients.

Windows along a trial are the observations. A measure is symmetric, shape (..., n_channels, n_channels, n_bins), but
the signed imaginary coherence, which is antisymmetric: positive where the row's channel leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.features.spectra import stft

__all__ = ["MEASURES", "Connectivity", "connectivity", "from_coefficients", "node_strength"]

Array = NDArray[np.float64]

#: Names of the measures.
MEASURES = ("coherence", "imaginary_coherence", "signed_imaginary_coherence", "plv", "wpli", "aec")
#: What is divided by is at least this share of its mean: flat channels give zero.
_LEAST = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Connectivity:
    """Measures between all pairs of channels.

    Attributes
    ----------
    frequencies_hz : ndarray, shape (n_bins,)
        Bin centres.
    values : dict of ndarray, shape (n_trials, n_channels, n_channels, n_bins)
        By the measure's name; the diagonal is zero.
    power : ndarray, shape (n_trials, n_channels, n_bins)
        Welch's spectra, from the same pass.
    n_windows : int
        Observations behind each value.
    """

    frequencies_hz: Array
    values: dict[str, Array]
    power: Array
    n_windows: int


def connectivity(
    X: NDArray[Any],
    rate_hz: float,
    *,
    measures: Sequence[str] = ("coherence", "imaginary_coherence", "plv", "wpli", "aec"),
    window_s: float = 1.0,
    overlap: float = 0.5,
    limits_hz: tuple[float, float] = (1.0, 40.0),
) -> Connectivity:
    """Measure all pairs of channels at all bins, trial by trial.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_samples)
        Trials.
    rate_hz : float
        Sampling rate.
    measures : sequence of str
        Of `MEASURES`: magnitude of coherency; magnitude of its imaginary part, or that part with its sign (both blind
        to volume conduction); phase locking value; debiased squared weighted phase lag index, which may be slightly
        negative; correlation of the amplitudes' envelopes over the windows.
    window_s, overlap, limits_hz
        As in `volo_decoders.features.spectra.stft`. One window alone tells nothing: at least two are needed.

    Raises
    ------
    ValueError
        If a measure is unknown or trials are too short for two windows.

    References
    ----------
    Nolte et al. 2004, Clin. Neurophysiol. 115:2292, DOI 10.1016/j.clinph.2004.04.029 (imaginary coherence).
    Lachaux et al. 1999, Hum. Brain Mapp. 8:194, DOI 10.1002/(SICI)1097-0193(1999)8:4<194::AID-HBM4>3.0.CO;2-C (PLV).
    Vinck et al. 2011, NeuroImage 55:1548, DOI 10.1016/j.neuroimage.2011.01.055 (debiased wPLI).
    Brookes et al. 2011, Proc. Natl. Acad. Sci. 108:16783, DOI 10.1073/pnas.1112685108 (amplitude envelopes).
    """
    trials = np.asarray(X)
    if trials.ndim != 3:
        raise ValueError(f"X: got shape {trials.shape}, expected (n_trials, n_channels, n_samples)")
    frequencies, coefficients = stft(trials, rate_hz, window_s, overlap, limits_hz)
    values = from_coefficients(coefficients, measures)
    power = (coefficients.real**2 + coefficients.imag**2).mean(axis=1)
    return Connectivity(frequencies, values, power, coefficients.shape[1])


def from_coefficients(coefficients: NDArray[np.complexfloating[Any, Any]], measures: Sequence[str]) -> dict[str, Array]:
    """Return the measures of Fourier coefficients, shape (n_trials, n_windows, n_channels, n_bins)."""
    unknown = sorted(set(measures) - set(MEASURES))
    if unknown or not measures:
        raise ValueError(f"measures: got {', '.join(unknown) or 'none'}, allowed are {', '.join(MEASURES)}")
    n_windows = coefficients.shape[1]
    if n_windows < 2:
        raise ValueError(
            "X: got one window a trial, coupling needs at least two; take shorter windows or longer trials"
        )
    # (n_trials, n_bins, n_channels, n_windows): pairs become one small matrix product a trial and bin
    z = np.ascontiguousarray(coefficients.transpose(0, 3, 2, 1))
    magnitude = np.abs(z)
    found: dict[str, Array] = {}
    if {"coherence", "imaginary_coherence", "signed_imaginary_coherence"} & set(measures):
        cross = z @ z.conj().swapaxes(-1, -2)
        scale = np.sqrt(np.einsum("tfcw,tfcw->tfc", magnitude, magnitude))
        cross /= np.maximum(scale[..., :, None] * scale[..., None, :], _LEAST)
        found["coherence"] = np.abs(cross)
        found["signed_imaginary_coherence"] = cross.imag
        found["imaginary_coherence"] = np.abs(cross.imag)
    if "plv" in measures:
        unit = z / np.maximum(magnitude, _LEAST)
        found["plv"] = np.abs(unit @ unit.conj().swapaxes(-1, -2)) / n_windows
    if "wpli" in measures:
        found["wpli"] = _debiased_wpli(z)
    if "aec" in measures:
        centred = magnitude - magnitude.mean(axis=-1, keepdims=True)
        centred /= np.maximum(np.sqrt((centred**2).sum(axis=-1, keepdims=True)), _LEAST)
        found["aec"] = centred @ centred.swapaxes(-1, -2)
    diagonal = np.arange(z.shape[2])
    out = {}
    for name in measures:
        value = np.moveaxis(found[name], 1, -1)
        value[:, diagonal, diagonal] = 0.0
        out[name] = value
    return out


def _debiased_wpli(z: NDArray[np.complexfloating[Any, Any]]) -> Array:
    """Return the debiased squared index, shape (n_trials, n_bins, n_channels, n_channels), row by row."""
    n_trials, n_bins, n_channels, _ = z.shape
    out = np.zeros((n_trials, n_bins, n_channels, n_channels))
    # float32 halves the memory traffic, which is what this step costs; the terms are all of one size
    size = float(np.sqrt(np.mean(z.real**2 + z.imag**2))) or 1.0
    re, im = (z.real / size).astype(np.float32), (z.imag / size).astype(np.float32)
    for i in range(n_channels - 1):
        lag = im[:, :, i, None] * re[:, :, i + 1 :] - re[:, :, i, None] * im[:, :, i + 1 :]
        total = lag.sum(axis=-1, dtype=np.float64)
        squares = np.einsum("tfcw,tfcw->tfc", lag, lag).astype(np.float64)
        weight = np.abs(lag, out=lag).sum(axis=-1, dtype=np.float64)
        below = weight**2 - squares
        value = np.where(below > _LEAST, (total**2 - squares) / np.where(below > _LEAST, below, 1.0), 0.0)
        out[:, :, i, i + 1 :] = value
        out[:, :, i + 1 :, i] = value
    return out


def node_strength(values: Array) -> Array:
    """Return each channel's mean over its partners, shape (..., n_channels, n_bins).

    Parameters
    ----------
    values : ndarray, shape (..., n_channels, n_channels, n_bins)
        A measure with a zero diagonal.
    """
    n_channels = values.shape[-2]
    if n_channels < 2:
        raise ValueError("values: got one channel, strength needs at least two")
    out: Array = values.sum(axis=-2) / (n_channels - 1)
    return out
