"""How well velocities were decoded: the coefficient of determination, and the control that has to fail."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["r_squared", "shifted"]


def r_squared(truth: NDArray[np.floating[Any]], decoded: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return ``1 - sum((truth - decoded)^2) / sum((truth - mean(truth))^2)`` of each column.

    1 is perfect, 0 is as good as the mean of the truth, below 0 is worse than that. It is not the squared
    correlation, which forgives a wrong scale and a wrong offset.

    Parameters
    ----------
    truth, decoded : ndarray, shape (n_bins, n_outputs)
        In one unit.

    Returns
    -------
    ndarray, shape (n_outputs,)
        NaN where the truth does not vary.

    Raises
    ------
    ValueError
        If the shapes differ, or there are less than two bins.
    """
    if truth.shape != decoded.shape or truth.ndim != 2 or len(truth) < 2:
        raise ValueError(f"truth, decoded: got shapes {truth.shape} and {decoded.shape}, expected the same (n>1, m)")
    true = truth.astype(np.float64)
    left = np.sum((true - decoded) ** 2, axis=0)
    total = np.sum((true - true.mean(axis=0)) ** 2, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        score: NDArray[np.float64] = np.where(total > 0.0, 1.0 - left / total, np.nan)
    return score


def shifted(counts: NDArray[Any], bins: int | None = None) -> NDArray[Any]:
    """Return the counts circularly shifted in time against everything else: what they say is then of another moment.

    Parameters
    ----------
    counts : ndarray, shape (n_bins, n_channels)
        Spike counts.
    bins : int or None
        How far; None is half of the length, the farthest there is.
    """
    return np.roll(counts, len(counts) // 2 if bins is None else bins, axis=0)
