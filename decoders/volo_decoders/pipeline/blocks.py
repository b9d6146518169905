"""From chunks of any length to blocks on a fixed grid of the absolute sample index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from volo_acquisition.types import Chunk

__all__ = ["Block", "Blocker"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples to be processed at once.

    Attributes
    ----------
    chunk : Chunk
        Consecutive samples; short gaps are bridged and marked invalid.
    restart : bool
        True if the samples before it are lost and the stages must be reset first.
    """

    chunk: Chunk
    restart: bool


class Blocker:
    """Bridges short gaps, announces long ones, and cuts at multiples of the hop.

    What comes out depends on the samples and their absolute indices only, never on how they were chunked. Samples
    are kept back until their block is complete.

    Parameters
    ----------
    hop_samples : int
        Block length; boundaries lie at multiples of it.
    hold_samples : int
        Longest gap that is bridged by repeating the last sample, marked invalid.
    merge_samples : int
        Return adjacent complete blocks as one of up to so many samples: faster, and the same where what follows does
        not mind how samples are chunked. 0 merges none.
    """

    def __init__(self, hop_samples: int, hold_samples: int, *, merge_samples: int = 0) -> None:
        if hop_samples < 1 or hold_samples < 0:
            raise ValueError(f"Blocker: got hop {hop_samples}, hold {hold_samples}; they must be >= 1 and >= 0")
        self._hop = hop_samples
        self._hold = hold_samples
        self._merge = merge_samples
        self._parts: list[Chunk] = []
        self._next = -1
        self._restart = True
        self._last: Chunk | None = None

    def push(self, chunk: Chunk) -> list[Block]:
        """Take a chunk and return the blocks it completes; samples seen before are dropped."""
        if not len(chunk):
            return []
        if self._next < 0:
            self._next = chunk.index
        if chunk.stop <= self._next:
            return []
        if chunk.index < self._next:
            chunk = chunk.part(self._next, chunk.stop)
        blocks: list[Block] = []
        missing = chunk.index - self._next
        if 0 < missing <= self._hold and self._last is not None:
            blocks += self._take(self._bridge(self._last, chunk))
        elif missing:
            self._parts, self._restart = [], True
        blocks += self._take(chunk)
        return blocks

    @staticmethod
    def _bridge(last: Chunk, following: Chunk) -> Chunk:
        n = following.index - last.stop
        samples = np.repeat(last.samples[-1:], n, axis=0)
        t0, t1 = last.times[-1], following.times[0]
        times = t0 + (t1 - t0) * np.arange(1, n + 1) / (n + 1)
        return Chunk(last.stream_id, last.stop, samples, times, np.zeros(n, bool))

    def _take(self, chunk: Chunk) -> list[Block]:
        self._last = chunk.part(chunk.stop - 1, chunk.stop)
        self._next = chunk.stop
        blocks: list[Block] = []
        start = chunk.index
        while True:
            boundary = (start // self._hop + 1) * self._hop
            if boundary > chunk.stop:
                break
            boundary = max(boundary, min(chunk.stop, start + self._merge) // self._hop * self._hop)
            self._parts.append(chunk.part(start, boundary))
            blocks.append(Block(_join(self._parts), self._restart))
            self._parts, self._restart = [], False
            start = boundary
        if start < chunk.stop:
            self._parts.append(chunk.part(start, chunk.stop))
        return blocks


def _join(parts: list[Chunk]) -> Chunk:
    if len(parts) == 1:
        return parts[0]
    valid = None
    if any(part.valid is not None for part in parts):
        valid = np.concatenate([np.ones(len(p), bool) if p.valid is None else p.valid for p in parts])
    return Chunk(
        parts[0].stream_id,
        parts[0].index,
        np.concatenate([p.samples for p in parts]),
        np.concatenate([p.times for p in parts]),
        valid,
    )
