"""Spatial filters that find what repeats from trial to trial."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

__all__ = ["filters_as_meegkit", "task_related_filters"]

_EPS = float(np.finfo(np.float64).eps)


def task_related_filters(S: NDArray[np.float64], Q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spatial filters that maximise ``w^T S w / w^T Q w``, scaled to ``w^T Q w = 1``.

    Parameters
    ----------
    S : ndarray, shape (..., n_channels, n_channels)
        Symmetric: covariance between different trials.
    Q : ndarray, shape (..., n_channels, n_channels)
        Symmetric, positive semi-definite: covariance of all trials. Directions without variance are left out.

    Returns
    -------
    filters : ndarray, shape (..., n_channels)
        The component that is largest in size is positive; zero where `Q` is zero.
    """
    power = np.einsum("...ii->...i", Q)
    scale = 1.0 / np.sqrt(np.where(power > 0.0, power, 1.0))
    both = scale[..., :, None] * scale[..., None, :]
    values, vectors = np.linalg.eigh(Q * both)
    kept = values > _EPS * Q.shape[-1] * values[..., -1:]
    whitening = vectors * np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)[..., None, :]
    # S + 2 Q has the eigenvectors of S, and eigenvalues above 0: directions left out (0) can never win.
    n_channels = Q.shape[-1]
    whitened = whitening.swapaxes(-1, -2) @ (S * both) @ whitening
    whitened[..., range(n_channels), range(n_channels)] += 2.0 * kept
    _, components = np.linalg.eigh((whitened + whitened.swapaxes(-1, -2)) / 2.0)
    filters: NDArray[np.float64] = scale * (whitening @ components[..., -1:])[..., 0]
    largest = np.take_along_axis(filters, np.abs(filters).argmax(axis=-1)[..., None], axis=-1)
    return np.where(largest < 0.0, -filters, filters)


def filters_as_meegkit(S: NDArray[np.float64], Q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same directions, with the signs and lengths that meegkit's call of ``scipy.linalg.eig`` leaves.

    Asked for left eigenvectors only, SciPy brings just the first one to length 1; the largest component of each of the
    others is 1 in size. For comparisons with meegkit.

    Raises
    ------
    ValueError
        If channels are linearly dependent, for which no such filter exists.
    """
    filters = np.empty(S.shape[:-1])
    for at in np.ndindex(S.shape[:-2]):
        solved = scipy.linalg.eig(S[at], Q[at], left=True, right=False)
        if not np.isfinite(solved[0]).all():
            raise ValueError("X: got linearly dependent channels, compat='meegkit' needs independent ones")
        filters[at] = solved[1][:, np.argmax(solved[0])].real
    return filters
