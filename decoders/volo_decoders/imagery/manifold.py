"""Covariance matrices as points of a curved space: what has to be done within one hop; means are pyriemann's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.imagery.csp import window_covariance

__all__ = [
    "apply_to_eigenvalues",
    "augmented",
    "geodesic",
    "inverse_root",
    "log_euclidean_mean",
    "log_vector",
    "tangent_vector",
    "whitened",
    "window_spd",
]

Array = NDArray[np.float64]
#: Eigenvalues below this share of the largest count as this.
LEAST_SHARE = 1e-12


def window_spd(window: NDArray[np.floating[Any]], shrinkage: str = "oas") -> Array:
    """Return the shrunk covariance of a window in its own unit, positive definite; of a flat window a small identity.

    Parameters
    ----------
    window : ndarray, shape (n_channels, n_samples)
        Band-passed.
    shrinkage : {"oas", "ledoit_wolf", "none"}
        See `volo_decoders.imagery.csp.window_covariance`.
    """
    samples = np.array(window, np.float64, order="C")
    power = float(samples.var(axis=1).sum())
    if not power > 0.0:
        return 1e-12 * np.eye(len(samples))
    spd: Array = window_covariance(samples, shrinkage) * power
    return spd


def augmented(window: NDArray[np.floating[Any]], order: int, lag: int) -> Array:
    """Return a window stacked with itself delayed by 0, `lag`, ..., ``(order - 1) * lag`` samples.

    Parameters
    ----------
    window : ndarray, shape (n_channels, n_samples)
        Longer than all delays.

    Returns
    -------
    stacked : ndarray, shape (order * n_channels, n_samples - (order - 1) * lag)

    References
    ----------
    Takens 1981, Lect. Notes Math. 898:366, DOI 10.1007/BFb0091924.
    """
    samples = np.array(window, np.float64, order="C")
    n = samples.shape[1] - (order - 1) * lag
    return np.concatenate([samples[:, k * lag : k * lag + n] for k in range(order)])


def apply_to_eigenvalues(matrices: Array, function: Callable[[Array], Array]) -> Array:
    """Return the symmetric matrices, shape (..., n, n), with `function` applied to their eigenvalues."""
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, LEAST_SHARE * np.maximum(values[..., -1:], 1e-300))
    out: Array = (vectors * function(values)[..., None, :]) @ vectors.swapaxes(-1, -2)
    return out


def inverse_root(matrix: Array) -> Array:
    """Return the symmetric inverse square root."""
    return apply_to_eigenvalues(matrix, lambda v: 1.0 / np.sqrt(v))


def whitened(matrices: Array, whitener: Array) -> Array:
    """Return ``W C W``, made symmetric to the bit."""
    out = whitener @ matrices @ whitener
    symmetric: Array = 0.5 * (out + out.swapaxes(-1, -2))
    return symmetric


def tangent_vector(matrix: Array, whitener: Array) -> Array:
    """Return the logarithm of the whitened matrix as a vector, (n * (n + 1) / 2,), whose length is the distance."""
    return log_vector(whitened(matrix, whitener))


def log_vector(matrix: Array) -> Array:
    """Return the logarithm of a whitened matrix as such a vector."""
    log = apply_to_eigenvalues(matrix, np.log)
    rows, columns = np.triu_indices(log.shape[-1])
    weight = np.where(rows == columns, 1.0, np.sqrt(2.0))
    out: Array = log[..., rows, columns] * weight
    return out


def geodesic(start: Array, end: Array, share: float) -> Array:
    """Return the point that lies `share` of the way from `start` to `end`.

    References
    ----------
    Moakher 2005, SIAM J. Matrix Anal. Appl. 26:735, DOI 10.1137/S0895479803436937.
    """
    root = apply_to_eigenvalues(start, np.sqrt)
    between = apply_to_eigenvalues(whitened(end, inverse_root(start)), lambda v: v**share)
    return whitened(between, root)


def log_euclidean_mean(matrices: Array) -> Array:
    """Return the exponential of the mean logarithm of matrices, shape (n_matrices, n, n): no iteration.

    References
    ----------
    Arsigny et al. 2007, SIAM J. Matrix Anal. Appl. 29:328, DOI 10.1137/050637996.
    """
    values, vectors = np.linalg.eigh(apply_to_eigenvalues(matrices, np.log).mean(axis=0))
    mean: Array = (vectors * np.exp(values)) @ vectors.T
    return mean
