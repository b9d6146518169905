"""The engine's side of a run: a source over ring files, and a way for its rows to the recorder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import SessionClock
from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
from volo_acquisition.types import Chunk, Correction, Item, Marker, StreamInfo
from volo_app.roles.feed import RingFeed
from volo_app.roles.messages import Begin, Begun, Ended, Failed, NewStream, Passed, Rows, SourceEnded, Took
from volo_app.roles.remote_source import error_of
from volo_paradigms.grammar import SCREEN_GREY

__all__ = ["RecorderLine", "RingSource", "RowSender"]

_SLICE_S = 0.005
#: Whose silence the engine judges itself: the source's, which is replaced while the run goes on.
_NOT_WATCHED = ("engine", "source")


_Answer = TypeVar("_Answer")


class RecorderLine(Protocol):
    """The line of an engine's process to its recorder; see `volo_app.roles.engine_process.EngineRole`.

    Attributes
    ----------
    folder, stop_reason, trouble : str
        Folder of the run; why it is to end; what is wrong with another process.
    """

    folder: str
    stop_reason: str
    trouble: str

    def put(self, message: object) -> None:
        """Send, without waiting."""
        ...

    def answer(self, kind: type[_Answer]) -> _Answer:
        """Wait for an answer of that kind."""
        ...

    def receive(self, timeout_s: float) -> None:
        """Take what has come, waiting for at most so long."""
        ...

    def require_recorder(self) -> None:
        """Raise DeviceError if the recorder is gone."""
        ...

    def take(self) -> list[object]:
        """Return what came that nobody has asked for."""
        ...

    def stop(self, reason: str) -> None:
        """Ask for an end."""
        ...


class RingSource:
    """A `Source` over the rings of the run's source processes. It gives the engine's signs of life.

    While it waits it watches the stop flag and the beats of the other processes, and asks for an end if something is
    wrong: the engine then goes neutral and stops.

    Parameters
    ----------
    role : RecorderLine
        Of this process.
    begin : Begin
        The run.
    """

    def __init__(self, role: RecorderLine, begin: Begin) -> None:
        self._role = role
        self._begin = begin
        self._clock = SessionClock()
        self._feeds: dict[int, RingFeed] = {}
        self._given: list[Item] = []
        self._ended: set[int] = set()
        self._failure: Failed | None = None
        self.infos: tuple[StreamInfo, ...] = ()
        self.path = begin.path

    def open(self) -> tuple[StreamInfo, ...]:
        """Begin the run: the recorder starts the sources and the file.

        Raises
        ------
        VoloError
            As a source, or the recorder, refused.
        """
        role = self._role
        self._signs = LifeSigns(Path(role.folder) / LIFE_NAME)
        self._watched = tuple(name for name in self._signs.roles if not name.startswith(_NOT_WATCHED))
        role.put(self._begin)
        while len(self._feeds) < len(self._begin.sources):
            begun = role.answer(Begun)
            self._feeds[begun.source] = RingFeed(begun.opened, self._clock)
        self.infos = tuple(info for number in sorted(self._feeds) for info in self._feeds[number].infos)
        self._signs.beat("engine", self._clock.now())
        return self.infos

    def read(self, timeout_s: float) -> list[Item]:
        """Return what is new, in order, waiting at most `timeout_s` for the first item.

        Raises
        ------
        DeviceError
            If the recorder is gone.
        VoloError
            If the main source is gone for good.
        """
        deadline = self._clock.now() + timeout_s
        wait_s = 0.0
        while True:
            self._role.receive(wait_s)
            self._role.require_recorder()
            self._take()
            items = [item for number in sorted(self._feeds) for item in self._feeds[number].read()]
            now = self._clock.now()
            self._signs.beat("engine", now)
            self._watch(now)
            if items or now >= deadline or self.exhausted or self._role.stop_reason:
                self._given = items
                return items
            if self._failure is not None:
                raise error_of(self._failure, "the source")
            wait_s = min(_SLICE_S, deadline - now)

    def _take(self) -> None:
        for message in self._role.take():
            match message:
                case Begun():
                    self._feeds[message.source].take(message.opened)
                case Passed():
                    self._feeds[message.source].take(message.note)
                case SourceEnded(source, Ended() as ended):
                    self._feeds[source].take(ended)
                case SourceEnded(1, Failed() as failed):
                    self._failure = failed

    def _watch(self, now: float) -> None:
        if self._role.stop_reason:
            return
        trouble = self._signs.why_safe(now, self._watched)
        if trouble:
            self.tell_trouble(trouble)
            self._role.stop(trouble)

    def tell_trouble(self, trouble: str) -> None:
        """Take note that the run stops because of `trouble`, unless somebody wanted it to stop."""
        if self._signs.stopped is None:
            self._role.trouble = self._role.trouble or trouble

    def gave(self, item: Item) -> bool:
        """Return whether `item` came from the recorder, which has recorded it already."""
        if any(feed.is_own(item) for feed in self._feeds.values()):
            return False
        return any(item is given for given in self._given)

    def close(self) -> None:
        """Let go of the rings."""
        for feed in self._feeds.values():
            feed.close()
        if self.infos:
            self._signs.leave("engine")
            self._signs.close()

    @property
    def exhausted(self) -> bool:
        """True once the main source has yielded everything."""
        return bool(self._feeds) and self._feeds[1].exhausted


class RowSender:
    """Sends rows to the recorder's process; what came from there is not sent back.

    Parameters
    ----------
    role : RecorderLine
        Of this process.
    source : RingSource
        Whose items are with the recorder.
    """

    def __init__(self, role: RecorderLine, source: RingSource) -> None:
        self._role = role
        self._source = source

    def add_stream(self, info: StreamInfo) -> None:
        """Add a stream of the engine's own."""
        if info.stream_id not in {given.stream_id for given in self._source.infos}:
            self._role.put(NewStream(info))

    def write_item(self, item: Item) -> None:
        """Send a marker or an event of the engine's own."""
        if not isinstance(item, Chunk | Correction) and not self._source.gave(item):
            self._role.put(Took(item))
            if isinstance(item, Marker) and item.label == SCREEN_GREY:
                self._source.tell_trouble(f"the screen went grey: {item.payload.get('reason', '')}")

    def write_rows(self, stream_id: str, times: NDArray[np.float64], rows: list[str] | NDArray[Any]) -> None:
        """Send rows of a stream that was added."""
        self._role.put(Rows(stream_id, np.asarray(times, np.float64), rows))

    def close(self) -> Path:
        """Do nothing: the recorder closes the file."""
        return Path(self._source.path)
