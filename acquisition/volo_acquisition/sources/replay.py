"""A recording played again: the same chunks, markers, events and corrections, in the order of their session times.

Nothing is estimated again: stamps, corrections and skipped windows are those that were recorded.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from volo_acquisition.clock import Clock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.types import Correction, Event, EventKind, Item, Marker, StreamInfo

if TYPE_CHECKING:
    from volo_acquisition.recording.reader import RecordedStream, Recording

__all__ = ["ReplaySettings", "ReplaySource"]

_DEFAULT_CHUNK = 25


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """What to play, and how fast.

    Attributes
    ----------
    file : str
        A recording (XDF).
    speed : float
        1 is as recorded, 2 twice as fast; 0 does not wait at all.
    chunk_samples : int
        Samples a chunk; 0 is 25.
    stream : str
        Which signal stream, where the recording has several.
    """

    file: str
    speed: float = 1.0
    chunk_samples: int = 0
    stream: str = ""

    def __post_init__(self) -> None:
        if not 0.0 <= self.speed < float("inf"):
            raise ValueError(f"speed: got {self.speed}, it must be finite and at least 0")
        if self.chunk_samples < 0:
            raise ValueError(f"chunk_samples: got {self.chunk_samples}, it must be at least 0")


@dataclass(frozen=True, slots=True)
class _Group:
    """Items that are handed out together: a chunk and what comes before it."""

    time: float
    items: tuple[Item, ...]


class ReplaySource:
    """Yields one signal stream of a recording, with everything that was told about it.

    A marker whose session time is not after a chunk's last sample comes before that chunk; so does an event that
    concerns it.

    Parameters
    ----------
    settings : ReplaySettings
        What to play.
    clock : Clock
        Paces the replay; with a `ManualClock` waiting takes no time. Times stay those of the recorded session.
    lost : iterable of (float, str)
        Session time and label of markers to leave out, one for each entry: those that came too late live.
    """

    Settings = ReplaySettings

    def __init__(self, settings: ReplaySettings, clock: Clock, lost: Iterable[tuple[float, str]] = ()) -> None:
        self._settings = settings
        self._clock = clock
        self._lost = tuple(lost)
        self._groups: deque[_Group] = deque()
        self._opened_at: float | None = None
        self._first_time = 0.0

    def open(self) -> tuple[StreamInfo, ...]:
        """Read the recording and return the stream that will be played.

        Raises
        ------
        FileError
            If the recording is missing or cannot be read.
        DeviceError
            If it has no signal stream, none of the name asked for, or several and none was asked for.
        """
        from volo_acquisition.recording.reader import Recording

        recording = Recording.open(Path(self._settings.file))
        stream = self._choose(recording)
        markers = _without(recording.markers, self._lost)
        self._groups = deque(_groups(recording, stream, markers, self._settings.chunk_samples or _DEFAULT_CHUNK))
        self._first_time = self._groups[0].time if self._groups else 0.0
        self._opened_at = self._clock.now()
        return (stream.info,)

    def read(self, timeout_s: float) -> list[Item]:
        """Return what is due, waiting at most `timeout_s` for it; unthrottled, one chunk with what comes before it."""
        if self._opened_at is None:
            raise ValueError("ReplaySource.read: the source is not open; call open() first")
        if not self._groups:
            return []
        if self._settings.speed == 0.0:
            return list(self._groups.popleft().items)
        wait_s = self._due(self._groups[0], self._opened_at) - self._clock.now()
        self._clock.sleep(min(wait_s, timeout_s))
        if wait_s > timeout_s:
            return []
        items = list(self._groups.popleft().items)
        while self._groups and self._due(self._groups[0], self._opened_at) <= self._clock.now():
            items += self._groups.popleft().items
        return items

    def close(self) -> None:
        """Let the recording go."""
        self._groups.clear()
        self._opened_at = None

    @property
    def exhausted(self) -> bool:
        """True once everything was yielded."""
        return self._opened_at is not None and not self._groups

    def _due(self, group: _Group, opened_at: float) -> float:
        return opened_at + (group.time - self._first_time) / self._settings.speed

    def _choose(self, recording: Recording) -> RecordedStream:
        """Return the stream asked for, or the only signal."""
        asked = self._settings.stream
        signals = [s for s in recording.streams.values() if asked or s.info.rate_hz > 0.0]
        file = Path(self._settings.file).name
        names = ", ".join(stream.info.stream_id for stream in signals) or "none"
        if asked:
            signals = [stream for stream in signals if stream.info.stream_id == asked]
        if len(signals) == 1:
            return signals[0]
        if signals:
            raise DeviceError(
                f"recording {file} has {len(signals)} signal streams: {names}",
                reason=Reason.AMBIGUOUS,
                hint=f"choose one, e.g. stream={signals[0].info.stream_id}",
            )
        wanted = f"signal stream {asked!r}" if asked else "signal stream"
        raise DeviceError(
            f"recording {file} has no {wanted}; its signal streams are: {names}",
            reason=Reason.NOT_FOUND,
            hint="choose another stream or another recording",
        )


def _without(markers: list[Marker], lost: tuple[tuple[float, str], ...]) -> list[Marker]:
    """Leave one marker out for each that was lost; of several alike, those that came last."""
    left = Counter(lost)
    kept = []
    for marker in reversed(markers):
        if left[marker.time, marker.label] > 0:
            left[marker.time, marker.label] -= 1
        else:
            kept.append(marker)
    return kept[::-1]


def _groups(recording: Recording, stream: RecordedStream, markers: list[Marker], chunk_samples: int) -> list[_Group]:
    """Return the chunks of a stream, each with the corrections, events and markers that come before it."""
    stream_id = stream.info.stream_id
    corrections = sorted((c for c in recording.corrections if c.stream_id == stream_id), key=lambda c: c.index)
    times = stream.session_times(corrections)
    about = [event for event in recording.events if event.stream_id == stream_id]
    events = deque(sorted(about, key=_needed_at))
    others = [event for event in recording.events if event.stream_id != stream_id]
    told_by_time: list[Marker | Event] = [*markers, *others]
    notes = deque(sorted(told_by_time, key=_time))
    waiting = deque(corrections)
    groups: list[_Group] = []
    row, stop = 0, 0
    for chunk in stream.chunks(chunk_samples):
        row += len(chunk)
        last_time = float(times[row - 1])
        items: list[Item] = []
        while waiting and waiting[0].index < chunk.stop:
            items.append(waiting.popleft())
        while notes and notes[0].time <= last_time:
            items.append(notes.popleft())
        told = []
        while events and _needed_at(events[0]) < chunk.stop:
            told.append(events.popleft())
        lost = chunk.index - stop if groups else 0
        lost -= sum(event.n for event in told if event.kind is EventKind.GAP)
        if lost > 0:
            detail = "missing from the recording"
            told.append(Event(EventKind.GAP, stream_id, stop, float(times[row - len(chunk)]), lost, detail))
        stop = chunk.stop
        groups.append(_Group(last_time, (*items, *told, chunk)))
    end = groups[-1].time if groups else 0.0
    rest: list[Marker | Event | Correction] = [*waiting, *notes, *events]
    return [
        *groups,
        *(
            _Group(max(end, item.time) if math.isfinite(item.time) else end, (item,))
            for item in sorted(rest, key=_time)
        ),
    ]


def _needed_at(event: Event) -> int:
    """Return the sample before which an event has to be known: SKIP names a stop, all others a first sample."""
    return event.index - 1 if event.kind is EventKind.SKIP else event.index


def _time(item: Marker | Event | Correction) -> float:
    """Return when an item is due; a foreign time that is no number is due after all others."""
    return item.time if math.isfinite(item.time) else math.inf
