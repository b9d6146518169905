"""Raw stamps to session time, by recorded corrections alone: nothing is estimated here."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Chunk, Correction

__all__ = ["ClockMap"]


class ClockMap:
    """Applies each stream's corrections from the sample index on at which they took effect.

    Live and replay add the same numbers to the same samples, so the results are equal to the bit however the samples
    are chunked.
    """

    def __init__(self) -> None:
        self._index: dict[str, list[int]] = {}
        self._offset_s: dict[str, list[float]] = {}

    def add(self, correction: Correction) -> None:
        """Take note of a correction; a later one for the same index replaces the earlier."""
        index = self._index.setdefault(correction.stream_id, [])
        offset = self._offset_s.setdefault(correction.stream_id, [])
        k = bisect_left(index, correction.index)
        if k < len(index) and index[k] == correction.index:
            offset[k] = correction.offset_s
        else:
            index.insert(k, correction.index)
            offset.insert(k, correction.offset_s)

    def times(self, chunk: Chunk) -> NDArray[np.float64]:
        """Return the session times of `chunk`, shape (n_samples,)."""
        index = self._index.get(chunk.stream_id)
        if not index:
            return chunk.times
        offsets = np.asarray(self._offset_s[chunk.stream_id])
        samples = np.arange(chunk.index, chunk.stop)
        which = np.searchsorted(np.asarray(index), samples, side="right") - 1
        return np.asarray(chunk.times + np.where(which >= 0, offsets[np.maximum(which, 0)], 0.0))

    def apply(self, chunk: Chunk) -> Chunk:
        """Return `chunk` with session times."""
        if chunk.stream_id not in self._index:
            return chunk
        return Chunk(chunk.stream_id, chunk.index, chunk.samples, self.times(chunk), chunk.valid)
