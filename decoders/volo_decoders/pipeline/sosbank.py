"""Causal filters in second-order sections, several at once, with their states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

__all__ = ["SosBank"]


class SosBank:
    """Filters that all take the same input, in double precision, started in steady state at the first sample.

    With a hop, each block between two multiples of the hop is one matrix product ``[y; z'] = M [x; z]`` for all filters
    together, where `M` is what `scipy.signal.sosfilt` answers to unit impulses and unit states: the same linear map, a
    tenth of the cost on short blocks, and the very product an exported graph computes. Without a hop, `sosfilt` itself.

    Parameters
    ----------
    filters : sequence of ndarray, shape (n_sections, 6)
        Second-order sections of each filter.
    hop_samples : int
        Block length; 0 means none.
    """

    def __init__(self, filters: Sequence[NDArray[np.float64]], hop_samples: int = 0) -> None:
        self._filters = list(filters)
        self._hop = hop_samples
        self._start = [signal.sosfilt_zi(sos) for sos in self._filters]
        self._matrices: dict[int, NDArray[np.float64]] = {}
        self._state: NDArray[np.float64] | None = None

    @property
    def n_filters(self) -> int:
        """Number of filters."""
        return len(self._filters)

    @property
    def settle_samples(self) -> float:
        """Samples until the slowest mode of all filters has decayed to a thousandth."""
        slowest = 0.0
        for sos in self._filters:
            radius = float(np.max(np.abs(signal.sos2zpk(sos)[1])))
            if 0.0 < radius < 1.0:
                slowest = max(slowest, float(np.log(1e-3) / np.log(radius)))
        return slowest

    def filter(self, samples: NDArray[np.float64], index: int) -> NDArray[np.float64]:
        """Return the outputs, shape (n_filters, n_samples, n_channels).

        Parameters
        ----------
        samples : ndarray, shape (n_samples, n_channels)
            Consecutive samples.
        index : int
            Absolute index of the first.
        """
        n, n_channels = samples.shape
        out = np.empty((self.n_filters, n, n_channels))
        if not n:
            return out
        if self._state is None:
            zi = np.concatenate([start.ravel() for start in self._start])
            self._state = zi[:, None] * samples[0]
        if self._hop == 0:
            self._sosfilt(samples, out)
            return out
        start = 0
        while start < n:
            length = min(self._hop - (index + start) % self._hop, n - start)
            product = self._matrix(length) @ np.concatenate([samples[start : start + length], self._state])
            n_out = self.n_filters * length
            out[:, start : start + length] = product[:n_out].reshape(self.n_filters, length, n_channels)
            self._state = product[n_out:]
            start += length
        return out

    def _sosfilt(self, samples: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        if self._state is None:
            return
        state = np.empty_like(self._state)
        row = 0
        for k, sos in enumerate(self._filters):
            rows = slice(row, row + 2 * len(sos))
            zi = self._state[rows].reshape(len(sos), 2, -1)
            out[k], zf = signal.sosfilt(sos, samples, axis=0, zi=zi)
            state[rows] = zf.reshape(2 * len(sos), -1)
            row += 2 * len(sos)
        self._state = state

    def _matrix(self, length: int) -> NDArray[np.float64]:
        """Return the matrix that maps a block of so many samples, and the states, to the outputs and new states."""
        matrix = self._matrices.get(length)
        if matrix is None:
            sizes = [2 * len(sos) for sos in self._filters]
            n_in = length + sum(sizes)
            outputs, states, first = [], [], length
            for sos, size in zip(self._filters, sizes, strict=True):
                x = np.zeros((length, n_in))
                x[:, :length] = np.eye(length)
                z = np.zeros((size, n_in))
                z[:, first : first + size] = np.eye(size)
                y, zf = signal.sosfilt(sos, x, axis=0, zi=z.reshape(len(sos), 2, n_in))
                outputs.append(y)
                states.append(zf.reshape(size, n_in))
                first += size
            matrix = np.ascontiguousarray(np.concatenate([*outputs, *states]))
            self._matrices[length] = matrix
        return matrix
