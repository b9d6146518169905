"""Spatial filters that find what repeats from trial to trial."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

__all__ = [
    "canonical_filters",
    "discriminant_filters",
    "filters_as_meegkit",
    "task_related_filters",
    "whitening_filters",
]

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
    whitening = whitening_filters(Q)
    # S + 2 Q has the eigenvectors of S, and eigenvalues above 0: directions left out (0) can never win.
    whitened = whitening.swapaxes(-1, -2) @ S @ whitening
    n_channels = Q.shape[-1]
    whitened[..., range(n_channels), range(n_channels)] += 2.0 * whitening.any(axis=-2)
    _, components = np.linalg.eigh((whitened + whitened.swapaxes(-1, -2)) / 2.0)
    filters: NDArray[np.float64] = (whitening @ components[..., -1:])[..., 0]
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


def discriminant_filters(
    between: NDArray[np.float64], within: NDArray[np.float64], n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the filters that maximise ``w^T between w / w^T within w``, and their patterns.

    Parameters
    ----------
    between, within : ndarray, shape (n_rows, n_rows)
        Symmetric scatter matrices; directions without scatter within classes are left out.
    n_components : int
        How many; no more are returned than there are rows.

    Returns
    -------
    filters : ndarray, shape (n_rows, n_components)
        Best first, with ``w^T within w = 1``; the component that is largest in size is positive.
    patterns : ndarray, shape (n_rows, n_components)
        ``within w``: how each component shows in the rows (Haufe et al. 2014, NeuroImage 87:96, DOI
        10.1016/j.neuroimage.2013.10.067; the components are uncorrelated within classes and have variance 1).
    """
    whitening = whitening_filters(within)
    whitening = whitening[:, whitening.any(axis=0)]
    _, components = np.linalg.eigh(whitening.T @ between @ whitening)
    filters = whitening @ components[:, ::-1][:, :n_components]
    if not filters.shape[1]:
        return np.zeros((len(within), 1)), np.zeros((len(within), 1))
    largest = np.take_along_axis(filters, np.abs(filters).argmax(axis=0)[None], axis=0)
    filters = np.ascontiguousarray(np.where(largest < 0.0, -filters, filters))
    return filters, np.ascontiguousarray(within @ filters)


def patterns_of(filters: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how the output of single filters shows in the channels: ``C w / (w^T C w)``.

    A filter's weights do not say where a source is: a channel may have weight only to cancel another's noise. Its
    pattern does, and is what belongs on a map of the head.

    Parameters
    ----------
    filters : ndarray, shape (..., n_channels)
        One filter each.
    covariance : ndarray, shape (..., n_channels, n_channels)
        Of the signal the filter is applied to.

    References
    ----------
    Haufe et al. 2014, NeuroImage 87:96, DOI 10.1016/j.neuroimage.2013.10.067.
    """
    projected = (covariance @ filters[..., None])[..., 0]
    power = (projected * filters).sum(axis=-1, keepdims=True)
    patterns: NDArray[np.float64] = projected / np.where(power > 0.0, power, 1.0)
    return patterns


def canonical_filters(
    inner: NDArray[np.float64], cross: NDArray[np.float64], outer: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the first pair of canonical filters from scatter matrices; they may be broadcast against each other.

    Parameters
    ----------
    inner : ndarray, shape (..., n_rows, n_rows)
        ``x x^T``.
    cross : ndarray, shape (..., n_rows, n_columns)
        ``x y^T``.
    outer : ndarray, shape (..., n_columns, n_columns)
        ``y y^T``.

    Returns
    -------
    u : ndarray, shape (..., n_rows)
    v : ndarray, shape (..., n_columns)
        ``u^T x`` and ``v^T y`` correlate as strongly as any; zero where there is no signal.
    """
    left, right = whitening_filters(inner), whitening_filters(outer)
    u, _, v = np.linalg.svd(left.swapaxes(-1, -2) @ cross @ right, full_matrices=False)
    return (left @ u[..., :1])[..., 0], (right @ v.swapaxes(-1, -2)[..., :1])[..., 0]


def whitening_filters(scatter: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return W with ``W^T scatter W`` the identity on the directions that vary, and zero columns for the others."""
    power = np.einsum("...ii->...i", scatter)
    scale = 1.0 / np.sqrt(np.where(power > 0.0, power, 1.0))
    values, vectors = np.linalg.eigh(scatter * (scale[..., :, None] * scale[..., None, :]))
    kept = values > _EPS * scatter.shape[-1] * values[..., -1:]
    shrunk = vectors * np.where(kept, 1.0 / np.sqrt(np.where(kept, values, 1.0)), 0.0)[..., None, :]
    whitening: NDArray[np.float64] = scale[..., :, None] * shrunk
    return whitening
