"""Which sample is which, and when: rows of a file to absolute indices, raw stamps to the session clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Correction

__all__ = ["MAX_INDEX", "IndexMap", "correct", "corrections_from_offsets", "cuts", "is_reset"]

#: Clock offsets that differ by more than this from one to the next mean that a clock was reset, seconds.
RESET_S = 1.0

#: No recording holds as many samples.
MAX_INDEX = 1 << 60


class IndexMap:
    """The absolute index of each sample of one stream in a file.

    Samples are numbered as they come; `jump` says where the numbering starts or jumps, `lost` where damage to the
    file swallowed samples.
    """

    def __init__(self) -> None:
        self._rows, self._indices = [0], [0]
        self._read_rows, self._lost = [0], [0]
        self._arrays: tuple[NDArray[np.int64], ...] | None = None

    def jump(self, row: int, index: int) -> None:
        """Take note that the sample the writer counted as its `row`-th has the absolute `index`.

        Raises
        ------
        ValueError
            If either is no possible count.
        """
        if not (0 <= row < MAX_INDEX and 0 <= index < MAX_INDEX):
            raise ValueError(f"got row {row} and index {index}, expected 0 to {MAX_INDEX}")
        self._arrays = None
        at = bisect_right(self._rows, row)
        if self._rows[at - 1] == row:
            self._indices[at - 1] = index
        else:
            self._rows.insert(at, row)
            self._indices.insert(at, index)

    def lost(self, row: int, n: int) -> None:
        """Take note that the `row`-th sample still in the file comes after `n` more that are not."""
        self._arrays = None
        self._read_rows.append(row)
        self._lost.append(self._lost[-1] + n)

    @property
    def n_lost(self) -> int:
        """How many samples damage to the file swallowed."""
        return self._lost[-1]

    def jumps_between(self, start: int, stop: int) -> bool:
        """Return whether a jump is known after the writer's row `start` up to `stop`."""
        return bisect_right(self._rows, start) < bisect_right(self._rows, stop)

    def n_jumps(self, n_samples: int) -> int:
        """Return how often the numbering jumps within the first `n_samples` of the file, lost ones included."""
        steps = zip(self._rows, self._rows[1:], self._indices, self._indices[1:], strict=False)
        written = n_samples + self.n_lost
        return sum(b < written and b - a != j - i for a, b, i, j in steps) + len(self._lost) - 1

    def following(self, n_samples: int) -> int:
        """Return the absolute index that follows the first `n_samples` of the file."""
        if n_samples == 0:
            return 0
        return self.at(self.written(n_samples - 1)) + 1

    def written(self, row: int) -> int:
        """Return as which the writer counted the sample that is the `row`-th in the file."""
        return row + self._lost[bisect_right(self._read_rows, row) - 1]

    def at(self, written: int) -> int:
        """Return the absolute index of the sample the writer counted as its `written`-th."""
        at = bisect_right(self._rows, written) - 1
        return self._indices[at] + written - self._rows[at]

    def indices(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the absolute indices of the samples in rows `start` to `stop` of the file.

        Returns
        -------
        ndarray of int64, shape (stop - start,)
        """
        if self._arrays is None:
            lists = (self._rows, self._indices, self._read_rows, self._lost)
            self._arrays = tuple(np.array(values, np.int64) for values in lists)
        rows, indices, read_rows, lost = self._arrays
        read = np.arange(start, stop, dtype=np.int64)
        written = read + lost[np.searchsorted(read_rows, read, "right") - 1]
        at = np.searchsorted(rows, written, "right") - 1
        absolute: NDArray[np.int64] = indices[at] + written - rows[at]
        return absolute


def correct(
    index: NDArray[np.int64], times: NDArray[np.float64], corrections: Sequence[Correction]
) -> NDArray[np.float64]:
    """Return stamps with the corrections of one stream applied.

    Parameters
    ----------
    index : ndarray of int64, shape (n,)
        Absolute indices.
    times : ndarray, shape (n,)
        Raw stamps, seconds.
    corrections : sequence of Correction
        Of this stream, in the order of their making; each holds from its index on until another does.

    Returns
    -------
    ndarray, shape (n,)
        Session times, seconds; before the first correction's index they are the raw stamps.
    """
    starts: list[int] = []
    offsets: list[float] = []
    for correction in corrections:
        while starts and starts[-1] >= correction.index:
            starts.pop()
            offsets.pop()
        starts.append(correction.index)
        offsets.append(correction.offset_s)
    if not starts:
        return times
    at = np.searchsorted(starts, index, "right")
    with np.errstate(invalid="ignore"):  # stamps that are no numbers stay that
        return times + np.concatenate(([0.0], offsets))[at]


def is_reset(offsets: Sequence[tuple[float, float]], k: int) -> bool:
    """Return whether the stream's clock was reset between clock offsets `k - 1` and `k`."""
    return offsets[k][0] < offsets[k - 1][0] or abs(offsets[k][1] - offsets[k - 1][1]) > RESET_S


def corrections_from_offsets(
    stream_id: str, times: NDArray[np.float64], offsets: Sequence[tuple[float, float]]
) -> list[Correction]:
    """Turn clock offsets of a foreign recording into corrections.

    Each sample takes the offset that was measured closest to its stamp. Offsets that all agree within a millisecond
    are one correction, their median: a step at each measurement would be noise.

    Parameters
    ----------
    stream_id : str
        Whose.
    times : ndarray, shape (n,)
        Its raw stamps, seconds.
    offsets : sequence of (float, float)
        When measured, on the stream's clock, and what to add; in the order of measurement.
    """
    offsets = [pair for pair in offsets if np.isfinite(pair).all()]
    if not offsets or len(times) == 0:
        return []
    values = np.array([value for _, value in offsets])
    if np.ptp(values) <= 1e-3:
        return [Correction(stream_id, 0, float(np.median(values)), float(times[0] + np.median(values)))]
    resets = [0, *(k for k in range(1, len(offsets)) if is_reset(offsets, k)), len(offsets)]
    corrections = []
    start = 0
    for a, b in pairwise(resets):
        stop = len(times)
        if b < len(offsets):
            rest = times[start:]
            nearer = np.abs(rest - offsets[b][0]) < np.abs(rest - offsets[b - 1][0])
            stop = start + int(np.argmax(nearer)) if nearer.any() else len(times)
        middles = [(early + late) / 2.0 for (early, _), (late, _) in pairwise(offsets[a:b])]
        begins = [start, *(start + np.searchsorted(times[start:stop], middles, "right")).tolist()]
        for begin, (when, value) in zip(begins, offsets[a:b], strict=True):
            if begin < stop:
                corrections.append(Correction(stream_id, begin, value, when + value))
        start = stop
    return corrections


def cuts(times: NDArray[np.float64], span_s: float, n_samples: int | None) -> list[tuple[int, int]]:
    """Cut samples into pieces none of which spans too much.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Stamps, seconds.
    span_s : float
        The last stamp of a piece is less than this from its first.
    n_samples : int or None
        No piece has more samples.

    Returns
    -------
    list of (int, int)
        Start and stop of each piece, one behind the other.
    """
    pieces, start = [], 0
    while start < len(times):
        rest = times[start : None if n_samples is None else start + n_samples]
        beyond = np.flatnonzero(np.abs(rest - rest[0]) >= span_s - 1e-9)
        stop = start + (max(1, int(beyond[0])) if len(beyond) else len(rest))
        pieces.append((start, stop))
        start = stop
    return pieces
