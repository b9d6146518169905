"""The correlations TDCA scores with, for windows of one length, in two matrix products a sub-band."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TdcaScoring", "delayed", "delayed_gram", "stacked_by_row"]


def delayed(X: NDArray[np.float64], n_delays: int, n_samples: int) -> NDArray[np.float64]:
    """Stack copies of the channels that start 0 to `n_delays` samples later; zeros where samples end.

    Parameters
    ----------
    X : ndarray, shape (..., n_channels, n_given)
        Windows.
    n_delays : int
        Copies beside the windows themselves.
    n_samples : int
        Length of the result, at most ``n_given``.

    Returns
    -------
    stacked : ndarray of float64, shape (..., (n_delays + 1) * n_channels, n_samples)
        Delay after delay.
    """
    n_channels, n_given = X.shape[-2:]
    stacked = np.zeros((*X.shape[:-2], n_delays + 1, n_channels, n_samples))
    for delay in range(n_delays + 1):
        n = min(n_samples, n_given - delay)
        stacked[..., delay, :, :n] = X[..., delay : delay + n]
    return stacked.reshape(*X.shape[:-2], (n_delays + 1) * n_channels, n_samples)


def stacked_by_row(X: NDArray[np.float64], n_delays: int, n_samples: int) -> NDArray[np.float64]:
    """Return what `delayed` returns of windows (n_trials, n_channels, n_given), rows first: (n_rows, n_trials, n)."""
    n_trials, n_channels, n_given = X.shape
    stacked = np.zeros((n_delays + 1, n_channels, n_trials, n_samples))
    for delay in range(n_delays + 1):
        n = min(n_samples, n_given - delay)
        stacked[delay, ..., :n] = X[..., delay : delay + n].swapaxes(0, 1)
    return stacked.reshape((n_delays + 1) * n_channels, n_trials, n_samples)


def delayed_gram(stacked: NDArray[np.float64], X: NDArray[np.float64], n_delays: int) -> NDArray[np.float64]:
    """Return the sum of ``x x^T`` over all samples of delayed windows, shape (n_rows, n_rows).

    Only products with the undelayed channels are summed over all samples. Any other block differs from the block one
    delay earlier on both sides by the sample that left at the beginning and the one that came at the end.

    Parameters
    ----------
    stacked : ndarray, shape (n_rows, n_trials, n_samples)
        Of `stacked_by_row`.
    X : ndarray, shape (n_trials, n_channels, n_given)
        The windows it was made of.
    n_delays : int
        Delayed copies.
    """
    n_channels, n_given = X.shape[1:]
    n = stacked.shape[2]
    first = stacked[:n_channels].reshape(n_channels, -1) @ stacked.reshape(len(stacked), -1).T
    size = n_delays + 1
    gram = np.empty((size, n_channels, size, n_channels))
    gram[0] = first.reshape(n_channels, size, n_channels)
    left = X[:, :, :n_delays]
    came = np.zeros_like(left)
    came[:, :, : n_given - n] = X[:, :, n : n + n_delays]
    for i in range(1, size):
        gram[i, :, 0] = gram[0, :, i].T
        for j in range(1, size):
            gone = left[:, :, i - 1].T @ left[:, :, j - 1]
            gram[i, :, j] = gram[i - 1, :, j - 1] - gone + came[:, :, i - 1].T @ came[:, :, j - 1]
    whole = gram.reshape(len(stacked), len(stacked))
    return (whole + whole.T) / 2.0


class TdcaScoring:
    """Correlates filtered windows with filtered class averages, both with their projections behind them.

    With z the filtered window, P the basis of a class's references, ``g = [z, z P P^T]`` after subtracting the means
    over time of each row and the mean m over classes, and t the class's average treated alike, the score is the
    correlation of all elements of g with all of t. Everything but ``z . t`` and ``z P`` is computed once.

    Parameters
    ----------
    filters : ndarray, shape (n_bands, n_rows, n_components)
        Over delays and channels.
    averages : ndarray, shape (n_bands, n_classes, n_rows, n_samples)
        Class averages of the delayed windows.
    bases : ndarray, shape (n_classes, n_samples, 2 * n_harmonics)
        Orthonormal.
    """

    def __init__(self, filters: NDArray[np.float64], averages: NDArray[np.float64], bases: NDArray[np.float64]) -> None:
        n_bands, n_classes, n_rows, n = averages.shape
        wholes = np.concatenate((averages, (averages @ bases) @ bases.swapaxes(1, 2)), axis=3)
        wholes -= wholes.mean(axis=3, keepdims=True)
        common = wholes.mean(axis=1)  # (n_bands, n_rows, 2 n)
        turned = filters.swapaxes(1, 2)
        templates = turned[:, None] @ (wholes - common[:, None])  # (n_bands, n_classes, n_components, 2 n)
        shift = turned @ common  # (n_bands, n_components, 2 n)
        self._filters, self._turned = filters, np.ascontiguousarray(turned)
        self._n_rows = n_rows
        # z . t for both halves of t: the second goes through the projection, which is symmetric.
        front, back = templates[..., :n], templates[..., n:]
        onto = front + (back @ bases) @ bases.swapaxes(1, 2)
        self._products = np.ascontiguousarray(onto.transpose(0, 2, 3, 1)).reshape(n_bands, -1, n_classes)
        self._constant = np.einsum("bckt,bkt->bc", templates, shift)
        self._lengths = np.sqrt(np.einsum("bckt,bckt->bc", templates, templates))
        self._shift_front = np.ascontiguousarray(shift[..., :n])
        self._shift_inside = np.einsum("bkt,cth->bkch", shift[..., n:], bases)
        self._shift_power = np.einsum("bkt,bkt->b", shift, shift)[:, None]
        self._columns = np.ascontiguousarray(bases.transpose(1, 0, 2)).reshape(n, -1)
        self._column_sums = bases.sum(axis=1)  # (n_classes, 2 * n_harmonics)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return what `correlations` computes with, by name, for a graph that repeats it."""
        return {
            "turned": self._turned,
            "products": self._products,
            "constant": self._constant,
            "lengths": self._lengths,
            "shift_front": self._shift_front,
            "shift_inside": self._shift_inside,
            "shift_power": self._shift_power,
            "columns": self._columns,
            "column_sums": self._column_sums,
        }

    def correlations(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the correlations, shape (n_bands, n_classes), of a centred window (n_bands, n_channels, n_samples)."""
        n_bands, n_channels, n = x.shape
        z = self._turned @ delayed(x, self._n_rows // n_channels - 1, n)  # (n_bands, n_components, n)
        inside = (z.reshape(-1, n) @ self._columns).reshape(self._shift_inside.shape)  # z P of every class
        products = (z.reshape(n_bands, 1, -1) @ self._products)[:, 0] - self._constant
        # What g varies: [z, z P P^T] about its rows' means, less the shift.
        sums = z.sum(axis=2)[..., None] + np.einsum("bkch,ch->bkc", inside, self._column_sums)
        whole = np.einsum("bkt,bkt->b", z, z)[:, None] + np.einsum("bkch,bkch->bc", inside, inside)
        whole += self._shift_power
        crossed = np.einsum("bkt,bkt->b", z, self._shift_front)[:, None]
        crossed = crossed + np.einsum("bkch,bkch->bc", inside, self._shift_inside)
        power = whole - (sums * sums).sum(axis=1) / (2 * n) - 2.0 * crossed
        varies = (power > 1e-12 * whole) & (self._lengths > 0.0)
        scale = np.sqrt(np.where(varies, power, 1.0)) * np.where(varies, self._lengths, 1.0)
        r: NDArray[np.float64] = np.where(varies, products, 0.0) / scale
        return r
