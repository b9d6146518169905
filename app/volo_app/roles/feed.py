"""One source as its readers see it: samples from its rings and notes from its pipe, joined in order.

The recorder and the engine each have a feed of their own; neither waits for the other, nor the source for them.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

from volo_acquisition.clock import Clock
from volo_acquisition.ring import RingReader
from volo_acquisition.types import Chunk, Correction, Event, EventKind, Item, StreamInfo
from volo_app.roles.messages import Ended, LastRow, Note, Opened

__all__ = ["RingFeed"]


class RingFeed:
    """Gives out the items of a source process, and of those that replaced it, in order. Used from one thread.

    A chunk is given out once every note that was told before it has come. Samples that were overwritten before they
    could be read are told as OVERFLOW, with their number.

    Parameters
    ----------
    opened : Opened
        Of the first process.
    clock : Clock
        For the time of an OVERFLOW.
    max_samples : int or None
        Largest chunk.

    Attributes
    ----------
    high_water_s : float
        The longest that samples of a regular stream have waited in a ring, as their number over the rate.
    n_lost : int
        How many samples were overwritten before they could be read.
    """

    def __init__(self, opened: Opened, clock: Clock, max_samples: int | None = None) -> None:
        self._clock = clock
        self._max_samples = max_samples
        self._generations: deque[_Generation] = deque([_Generation(opened)])
        self._last: dict[str, Chunk] = {}
        self._own: list[Item] = []
        self.high_water_s = 0.0
        self.n_lost = 0

    @property
    def infos(self) -> tuple[StreamInfo, ...]:
        """The streams of the newest process."""
        return self._generations[-1].opened.infos

    @property
    def exhausted(self) -> bool:
        """Whether a source that has said it ended has been given out whole."""
        return len(self._generations) == 1 and self._generations[0].is_over

    def take(self, message: Opened | Note | Ended) -> None:
        """Take what the source said; `Opened` is another process in its place."""
        newest = self._generations[-1]
        match message:
            case Opened():
                newest.is_dead = True
                self._generations.append(_Generation(message))
            case Note():
                newest.take(message)
            case Ended():
                newest.ended = message

    def lose(self) -> None:
        """Take note that the newest process is gone: no note it failed to send will come."""
        self._generations[-1].is_dead = True

    def read(self) -> list[Item]:
        """Return what is new, in order."""
        items: list[Item] = []
        while True:
            generation = self._generations[0]
            items += self._read(generation)
            if len(self._generations) == 1 or not generation.is_over:
                break
            generation.close()
            self._generations.popleft()
        return items

    def _read(self, generation: _Generation) -> list[Item]:
        items: list[Item] = []
        for reader in generation.readers:
            if reader.info.rate_hz:
                self.high_water_s = max(self.high_water_s, reader.n_waiting / reader.info.rate_hz)
            while True:
                chunk, n_lost = reader.read(self._max_samples)
                if n_lost:
                    self.n_lost += n_lost
                    generation.waiting.append((reader.n_told, self._overflow(reader.info, chunk, n_lost)))
                if chunk is None:
                    break
                generation.waiting.append((reader.n_told, chunk))
                self._last[chunk.stream_id] = chunk
        return generation.give(items)

    def _overflow(self, info: StreamInfo, chunk: Chunk | None, n_lost: int) -> Event:
        last = self._last.get(info.stream_id)
        index = last.stop if last is not None else (max(chunk.index - n_lost, 0) if chunk is not None else 0)
        detail = "overwritten in the ring before they were read"
        event = Event(EventKind.OVERFLOW, info.stream_id, index, self._clock.now(), n_lost, detail)
        self._own.append(event)
        return event

    def is_own(self, item: Item) -> bool:
        """Return whether this feed made `item`, an OVERFLOW, itself."""
        return any(item is own for own in self._own)

    def last_rows(self) -> dict[str, tuple[StreamInfo, LastRow]]:
        """Return where each stream stood, for the process that will replace the newest."""
        rows = {}
        for info in self.infos:
            last = self._last.get(info.stream_id)
            if last is not None:
                rows[info.stream_id] = (info, last_row(info, last))
        return rows

    def close(self) -> None:
        """Let go of the rings."""
        for generation in self._generations:
            generation.close()


class _Generation:
    """The rings and notes of one source process."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.readers = [RingReader(Path(ring)) for ring in opened.rings if ring]
        self.notes: deque[Item] = deque()
        self.n_notes = 0
        self.waiting: deque[tuple[int, Chunk | Event]] = deque()
        self.ended: Ended | None = None
        self.is_dead = False

    @property
    def is_over(self) -> bool:
        """Whether everything was given out and nothing will come."""
        if self.waiting or self.notes or any(reader.n_waiting for reader in self.readers):
            return False
        return self.is_dead or (self.ended is not None and self.n_notes >= self.ended.n_notes)

    def take(self, note: Note) -> None:
        """Take the next note."""
        self.notes.append(note.item)
        self.n_notes = note.number

    def give(self, items: list[Item]) -> list[Item]:
        """Move what may be given out to `items`: notes before the samples they are about."""
        while self.waiting and (self.is_dead or self.waiting[0][0] <= self.n_notes):
            _, item = self.waiting.popleft()
            if isinstance(item, Chunk):
                while self.notes and not _is_after(self.notes[0], item):
                    items.append(self.notes.popleft())
            items.append(item)
        if not self.waiting:
            items += self.notes
            self.notes.clear()
        return items

    def close(self) -> None:
        for reader in self.readers:
            reader.close()
        self.readers = []


def _is_after(note: Item, chunk: Chunk) -> bool:
    """Return whether a note is about samples after a chunk of the same stream."""
    return isinstance(note, Event | Correction) and note.stream_id == chunk.stream_id and note.index >= chunk.stop


def last_row(info: StreamInfo, chunk: Chunk) -> LastRow:
    """Return where a stream stands after `chunk`."""
    counters = [n for n, channel in enumerate(info.channels) if channel.kind.value == "counter"]
    count = float(np.float64(chunk.samples[-1, counters[0]])) if counters else None
    return LastRow(chunk.stop, float(chunk.times[-1]), count)
