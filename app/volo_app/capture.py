"""From sources to a recorder: the loop behind ``volo record``, without signals, files or words to the person.

Recording survives everything: whatever ends the loop, what was received before is with the recorder, and `Tally` says
what that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from volo_acquisition.clock import Clock
from volo_acquisition.errors import ConfigError, DeviceError, Reason
from volo_acquisition.sources.base import Source
from volo_acquisition.types import Chunk, Event, EventKind, Item, Marker, StreamInfo

__all__ = ["Sink", "Tally", "capture", "open_all"]

_READ_TIMEOUT_S = 0.05


class Sink(Protocol):
    """What takes the items: the recorder's part that matters here."""

    def write_item(self, item: Item) -> None:
        """Take one item."""
        ...


@dataclass(slots=True)
class Tally:
    """What was recorded.

    Attributes
    ----------
    samples : Counter of str
        Samples by stream.
    markers : int
        Number of markers.
    events : Counter of str
        Number of events by kind.
    lost : int
        Samples that the gaps cost.
    duration_s : float
        Session time from the first data to the end.
    problems : list of str
        Why a source beside the main one ended early.
    """

    samples: Counter[str] = field(default_factory=Counter)
    markers: int = 0
    events: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    duration_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def gaps(self) -> int:
        """Number of gaps."""
        return self.events[EventKind.GAP.value]

    @property
    def is_empty(self) -> bool:
        """True if neither a sample nor a marker came."""
        return not (self.samples.total() or self.markers)

    def count(self, item: Item) -> None:
        """Take note of an item."""
        if isinstance(item, Chunk):
            self.samples[item.stream_id] += len(item)
        elif isinstance(item, Marker):
            self.markers += 1
        elif isinstance(item, Event):
            self.events[item.kind.value] += 1
            if item.kind is EventKind.GAP:
                self.lost += item.n


def open_all(sources: Sequence[Source]) -> tuple[StreamInfo, ...]:
    """Open the sources, the first of them last, and return all their streams in the order of the sources.

    The first is the main one: what it collected while others were being looked for would count as recorded.

    Raises
    ------
    DeviceError
        If one cannot be opened.
    ConfigError
        If two streams have the same name.
    """
    opened = [source.open() for source in reversed(sources)]
    infos = tuple(info for streams in reversed(opened) for info in streams)
    twice = [name for name, n in Counter(info.stream_id for info in infos).items() if n > 1]
    if twice:
        raise ConfigError([f"two sources have a stream named {', '.join(twice)}"], hint="rename one of them")
    return infos


def capture(
    sources: Sequence[Source],
    sink: Sink,
    clock: Clock,
    tally: Tally,
    *,
    duration_s: float | None,
    stopped: Callable[[], bool],
    no_data_s: float = 5.0,
    steady: bool = True,
    on_data: Callable[[float], None] = lambda _: None,
) -> None:
    """Hand everything that open sources yield to `sink` until the time is up, the first source ends, or `stopped`.

    Parameters
    ----------
    sources : sequence of Source
        The first is the main one; its end is the end.
    sink : Sink
        Takes every item in the order of arrival.
    clock : Clock
        The session clock.
    tally : Tally
        Counts along; right also when this raises.
    duration_s : float or None
        Counted from the first data; None does not end by itself.
    stopped : callable
        Asked after each read, about twenty times a second.
    no_data_s : float
        How long the main source may be silent.
    steady : bool
        False if the main source has no regular stream, so that silence is nothing bad.
    on_data : callable
        Called with the seconds recorded so far whenever data came.

    Raises
    ------
    DeviceError
        If the main source is silent for `no_data_s` (NO_DATA), or gone for good; the end of another is only told in
        `Tally.problems`.
    FileError
        From the sink.
    """
    main, others = sources[0], list(sources[1:])
    began: float | None = None if steady else clock.now()
    heard = clock.now()
    while not stopped():
        items = main.read(_READ_TIMEOUT_S)
        fresh = any(isinstance(item, Chunk) and len(item) for item in items)
        items += _read_others(others, tally)
        for item in items:
            sink.write_item(item)
            tally.count(item)
        now = clock.now()
        if fresh:
            heard = now
            began = now if began is None else began
        if began is not None:
            tally.duration_s = now - began
            on_data(tally.duration_s)
            if duration_s is not None and tally.duration_s >= duration_s:
                return
        if main.exhausted:
            return
        if steady and now - heard >= no_data_s:
            raise DeviceError(
                f"no data for {now - heard:.0f} s",
                reason=Reason.NO_DATA,
                hint="check that the device is switched on, in range, and not used by another program",
            )


def _read_others(others: list[Source], tally: Tally) -> list[Item]:
    """Read what is there; a source that is gone for good leaves `others`."""
    items: list[Item] = []
    for source in list(others):
        try:
            items += source.read(0.0)
        except DeviceError as error:
            others.remove(source)
            tally.problems.append(str(error))
    return items
