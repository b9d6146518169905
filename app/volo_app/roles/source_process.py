"""A source's process: the only place where native driver code runs.

It writes samples into ring files and tells everything else over its pipe, by a thread of its own: no reader can make
it wait. It leaves when the pipe is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from volo_app.role import enter_role
from volo_app.roles.messages import Ended, Failed, Go, Note, Opened, Tell

if TYPE_CHECKING:
    from volo_acquisition.lifesign import LifeSigns
    from volo_acquisition.ring import RingWriter
    from volo_acquisition.sources.base import Source
    from volo_acquisition.types import Item
    from volo_app.outbox import Outbox

__all__ = ["MARKERS_PREFIX", "failure_of", "source_main"]

#: In front of the text of a source that yields markers alone.
MARKERS_PREFIX = "markers="
_READ_S = 0.02
#: Notes that may wait for the recorder; a marker stream of 100 Hz fills them in 16 minutes.
_NOTES_LIMIT = 100_000


def source_main(pipe: Connection, text: str, role: str, folder: str) -> None:
    """Make the source that `text` describes, wait for `Go`, and run it until the pipe is closed.

    Parameters
    ----------
    pipe : Connection
        To the recorder.
    text : str
        As after ``--source``, or ``markers=`` and what comes after ``--markers``.
    role : str
        Whose life signs to give: ``source-1``.
    folder : str
        Of the run.
    """
    enter_role(role, folder)
    from volo_acquisition.clock import SessionClock
    from volo_acquisition.errors import VoloError

    clock = SessionClock()
    try:
        source = _make(text, clock)
    except VoloError as error:
        _tell_failure(pipe, failure_of(error))
        return
    except Exception as error:  # noqa: BLE001 - the top handler of this process
        _tell_failure(pipe, failure_of(error))
        return
    try:
        go = pipe.recv()
    except (EOFError, OSError):
        return
    _Running(pipe, source, role, go).run(clock.now)


def failure_of(error: BaseException) -> Failed:
    """Return `error` as it travels: Volo's own keep their class, all else is a defect."""
    from volo_acquisition.errors import ConfigError, VoloError

    if isinstance(error, ConfigError):
        return Failed("ConfigError", "\n".join(error.problems), error.reason.value, error.hint)
    if isinstance(error, VoloError):
        return Failed(type(error).__name__, error.message, error.reason.value, error.hint)
    return Failed("", f"{type(error).__name__}: {error}")


def _make(text: str, clock: object) -> Source:
    from volo_acquisition.clock import SessionClock
    from volo_acquisition.sources.spec import make_source

    if text.startswith(MARKERS_PREFIX):
        from volo_app.marker_inlet import make_marker_inlet

        return make_marker_inlet(text.removeprefix(MARKERS_PREFIX), SessionClock())
    return make_source(text, SessionClock())


def _tell_failure(pipe: Connection, failure: Failed) -> None:
    with suppress(OSError):
        pipe.send(failure)


class _Running:
    """An open source, its rings and its notes."""

    def __init__(self, pipe: Connection, source: Source, role: str, go: Go) -> None:
        from pathlib import Path

        from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
        from volo_app.outbox import Outbox
        from volo_app.roles.resuming import Resuming

        self._pipe = pipe
        self._source = source
        self._role = role
        self._go = go
        self._rings: dict[str, RingWriter] = {}
        self._n_notes = 0
        self._resuming = Resuming(go.before)
        self._outbox: Outbox = Outbox(pipe, limit=_NOTES_LIMIT, name=f"volo-{role}-outbox")
        self._signs: LifeSigns = LifeSigns(Path(go.folder) / LIFE_NAME)

    def run(self, now: Callable[[], float]) -> None:
        """Open the source and pass on what it yields; what goes wrong is told through the pipe."""
        try:
            self._open(now)
            while self._listen() and not self._source.exhausted:
                items = self._source.read(_READ_S)
                self._put(self._resuming.take(items))
                self._signs.beat(self._role, now())
            if self._source.exhausted:
                self._outbox.put(Ended(self._n_notes))
                self._linger(now)
        except Exception as error:  # noqa: BLE001 - the top handler of this process
            self._outbox.put(failure_of(error))
        finally:
            self._signs.leave(self._role)
            self._source.close()
            for ring in self._rings.values():
                ring.close()
            self._outbox.close()

    def _open(self, now: Callable[[], float]) -> None:
        from pathlib import Path

        from volo_acquisition.ring import RING_SUFFIX, RingWriter
        from volo_app.roles.resuming import check_same_streams

        infos = self._source.open()
        check_same_streams(self._go.before, infos)
        rings = []
        for number, info in enumerate(infos, 1):
            if info.dtype == "string" or info.n_channels == 0:
                rings.append("")
                continue
            path = Path(self._go.folder) / f"{self._go.prefix}-{number}{RING_SUFFIX}"
            self._rings[info.stream_id] = RingWriter(path, info, self._go.seconds)
            rings.append(str(path))
        self._signs.beat(self._role, now())  # before the recorder looks for it
        self._outbox.put(Opened(tuple(infos), tuple(rings)))

    def _listen(self) -> bool:
        """Take what the recorder says; return False once it is gone."""
        try:
            while self._pipe.poll(0):
                message = self._pipe.recv()
                tell = getattr(self._source, "tell", None)
                if isinstance(message, Tell) and tell is not None:
                    tell(message.marker)
        except (EOFError, OSError):
            return False
        return True

    def _put(self, items: list[Item]) -> None:
        from volo_acquisition.types import Chunk

        for item in items:
            ring = self._rings.get(item.stream_id) if isinstance(item, Chunk) else None
            if ring is not None and isinstance(item, Chunk):
                ring.write(item)
                continue
            self._n_notes += 1
            for each in self._rings.values():
                each.tell(self._n_notes)
            self._outbox.put(Note(self._n_notes, item))

    def _linger(self, now: Callable[[], float]) -> None:
        """Stay until the recorder has taken what is left and closes the pipe."""
        while self._listen():
            self._pipe.poll(0.1)
            self._signs.beat(self._role, now())
