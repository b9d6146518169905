"""Sine-cosine references of flickering targets, and orthonormal bases of what they span.

Nothing here knows a decoder; `volo_decoders.ssvep.fbcca` correlates signals with these bases.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferenceBases", "centred", "orthonormal_basis", "sine_cosine"]

_EPS = float(np.finfo(np.float64).eps)


def sine_cosine(frequency_hz: float, rate_hz: float, n_samples: int, n_harmonics: int = 5) -> NDArray[np.float64]:
    """Return sines and cosines of a frequency and its harmonics.

    Parameters
    ----------
    frequency_hz : float
        The fundamental.
    rate_hz : float
        Sampling rate; all harmonics must lie below half of it.
    n_samples : int
        Length; sample ``n = 1 .. n_samples`` is at ``t = n / rate_hz``.
    n_harmonics : int
        How many, the fundamental counted.

    Returns
    -------
    references : ndarray, shape (2 * n_harmonics, n_samples)
        ``sin(2 pi f t), cos(2 pi f t), sin(4 pi f t), cos(4 pi f t), ...``

    Raises
    ------
    ValueError
        If a number is not positive, or the highest harmonic reaches half the sampling rate.
    """
    if not (np.isfinite(rate_hz) and rate_hz > 0.0):
        raise ValueError(f"rate_hz: got {rate_hz}, it must be positive")
    if not (np.isfinite(frequency_hz) and frequency_hz > 0.0):
        raise ValueError(f"frequency_hz: got {frequency_hz}, it must be positive")
    if n_harmonics < 1:
        raise ValueError(f"n_harmonics: got {n_harmonics}, it must be at least 1")
    if n_samples < 1:
        raise ValueError(f"n_samples: got {n_samples}, it must be at least 1")
    if n_harmonics * frequency_hz >= rate_hz / 2.0:
        most = int(np.ceil(rate_hz / 2.0 / frequency_hz)) - 1
        raise ValueError(
            f"harmonic {n_harmonics} of {frequency_hz:g} Hz is {n_harmonics * frequency_hz:g} Hz, it must lie below "
            f"{rate_hz / 2.0:g} Hz (half of the sampling rate): use at most {most} harmonics"
        )
    harmonics = np.arange(1, n_harmonics + 1, dtype=np.float64)
    angles = 2.0 * np.pi * frequency_hz / rate_hz * np.outer(harmonics, np.arange(1, n_samples + 1, dtype=np.float64))
    return np.stack((np.sin(angles), np.cos(angles)), axis=1).reshape(2 * n_harmonics, n_samples)


def centred(signals: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return `signals` less their means along the last axis, as float64; constant ones become exactly zero."""
    x = signals.astype(np.float64)
    largest = np.abs(x).max(axis=-1, keepdims=True)
    x -= x.mean(axis=-1, keepdims=True)
    # The mean of n equal numbers is off by rounding; what is left of a constant must not be taken for a signal.
    flat = np.abs(x).max(axis=-1, keepdims=True) <= 4.0 * _EPS * x.shape[-1] * largest
    if flat.any():
        x[np.broadcast_to(flat, x.shape)] = 0.0
    return x


def orthonormal_basis(columns: NDArray[np.float64], eps: float = _EPS) -> NDArray[np.float64]:
    """Return orthonormal columns that span what `columns` span; surplus columns are zero.

    Columns are brought to one length first, so a weak channel counts as much as a strong one; then a thin QR, and where
    that shows a deficient rank, the left singular vectors that belong to singular values above
    ``eps * max(n_samples, n_columns)`` of the largest.

    Parameters
    ----------
    columns : ndarray of float64, shape (..., n_samples, n_columns)
        What spans the space; ``n_samples >= n_columns``.
    eps : float
        Relative rounding error of the numbers `columns` were made from (larger for float32).

    Returns
    -------
    basis : ndarray of float64, shape (..., n_samples, n_columns)
    """
    n_samples, n_columns = columns.shape[-2:]
    if n_samples < n_columns:
        raise ValueError(f"columns: got {n_columns} of {n_samples} samples, there must be at least as many samples")
    lengths = np.sqrt(np.einsum("...ij,...ij->...j", columns, columns))[..., None, :]
    basis, triangle = np.linalg.qr(columns / np.where(lengths > 0.0, lengths, 1.0))
    singular = np.linalg.svd(triangle, compute_uv=False)
    tolerance = eps * max(n_samples, n_columns)
    if (singular[..., -1] <= tolerance * singular[..., 0]).any():
        left, singular, _ = np.linalg.svd(triangle)
        kept = singular > tolerance * singular[..., :1]
        full = kept.all(axis=-1)[..., None, None]
        basis = np.where(full, basis, basis @ (left * kept[..., None, :]))
    return np.ascontiguousarray(basis)


class ReferenceBases:
    """Orthonormal bases of the references of several frequencies, kept per window length.

    Parameters
    ----------
    frequencies_hz : sequence of float
        One a class.
    rate_hz : float
        Sampling rate.
    n_harmonics : int
        Harmonics, the fundamental counted.
    n_kept : int
        Bases of so many lengths are kept; the one not used for longest makes room.
    """

    def __init__(self, frequencies_hz: Sequence[float], rate_hz: float, n_harmonics: int, n_kept: int = 64) -> None:
        self.frequencies_hz = tuple(float(f) for f in frequencies_hz)
        self.rate_hz = float(rate_hz)
        self.n_harmonics = int(n_harmonics)
        self.n_kept = int(n_kept)
        self._kept: OrderedDict[int, NDArray[np.float64]] = OrderedDict()

    def of_length(self, n_samples: int) -> NDArray[np.float64]:
        """Return the bases for windows of `n_samples`, class after class.

        Returns
        -------
        bases : ndarray of float64, shape (n_samples, n_classes * 2 * n_harmonics)
            Read-only; every column has mean zero.
        """
        bases = self._kept.get(n_samples)
        if bases is None:
            bases = self._make(n_samples)
            self._kept[n_samples] = bases
            if len(self._kept) > self.n_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(n_samples)
        return bases

    def _make(self, n_samples: int) -> NDArray[np.float64]:
        rows = np.stack(
            [centred(sine_cosine(f, self.rate_hz, n_samples, self.n_harmonics)) for f in self.frequencies_hz]
        )
        bases = orthonormal_basis(rows.swapaxes(1, 2))  # (n_classes, n_samples, 2 * n_harmonics)
        bases = np.ascontiguousarray(bases.transpose(1, 0, 2)).reshape(n_samples, -1)
        bases.flags.writeable = False
        return bases
