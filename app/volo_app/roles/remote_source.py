"""A source that runs in a process of its own, as the recorder sees it: a `Source` that survives its process.

Loads the standard library only until it is opened, so that the process is under way before numpy is loaded here.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from volo_app.roles.messages import Ended, Failed, Go, Note, Opened, Tell
from volo_app.roles.source_process import source_main

if TYPE_CHECKING:
    from volo_acquisition.clock import Clock
    from volo_acquisition.errors import VoloError
    from volo_acquisition.types import Item, Marker, StreamInfo
    from volo_app.roles.feed import RingFeed

__all__ = ["RING_S", "RemoteSource", "error_of"]

#: How much a ring holds, seconds.
RING_S = 60.0
#: A source that has not opened by then is given up, seconds.
OPEN_S = 60.0
#: A process that has given no sign of life for this long is killed and replaced, seconds.
HUNG_S = 5.0
#: Waits before the second, third, ... attempt in a row, seconds.
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 4.0)
#: A process that lived this long was no failed attempt, seconds.
LIVED_S = 10.0
#: How long a lost device may stay away before it counts as gone for good, seconds.
GIVE_UP_S = 60.0
#: A process that does not leave by itself is ended, seconds.
LEAVE_S = 0.7
_POLL_S = 0.005


def error_of(failure: Failed, who: str) -> Exception:
    """Return what the process of `who` told of as the error it was; a defect becomes a DeviceError that says so."""
    from volo_acquisition import errors

    reason = errors.Reason(failure.reason) if failure.reason else errors.Reason.DRIVER
    if failure.kind == "ConfigError":
        return errors.ConfigError(failure.message.split("\n"), hint=failure.hint)
    kind = getattr(errors, failure.kind, None) if failure.kind else None
    if isinstance(kind, type) and issubclass(kind, errors.VoloError):
        error: VoloError = kind(failure.message, reason=reason, hint=failure.hint)
        return error
    return errors.DeviceError(f"{who} failed: {failure.message}", reason=reason, hint="run: volo doctor")


class RemoteSource:
    """A source process, replaced when it dies. Used from one thread.

    A process that dies, or hangs for 5 s, is replaced at once, later attempts in a row wait longer; STALL tells of the
    death, GAP of the samples lost, RESUME of the data's return.

    Parameters
    ----------
    text : str
        As after ``--source``, or what `volo_app.roles.source_process.source_main` takes for markers.
    number : int
        Which source of the run it is, from 1; its role is ``source-<number>``.
    folder : str
        Of the run, with its life signs.
    idle : callable
        Waits for at most so many seconds while there is nothing to read.
    on_message : callable
        Told each `Opened`, `Note` and `Ended`, to pass them on to the engine.
    ring_s : float
        How much a ring holds, seconds.

    Attributes
    ----------
    restarts : int
        How often the process was replaced.
    """

    def __init__(
        self,
        text: str,
        number: int,
        folder: str,
        *,
        idle: Callable[[float], None] | None = None,
        on_message: Callable[[int, Opened | Note | Ended], None] = lambda number, message: None,
        ring_s: float = RING_S,
    ) -> None:
        self.text = text
        self.number = number
        self.role = f"source-{number}"
        self._folder = folder
        self._idle = idle
        self._on_message = on_message
        self._ring_s = ring_s
        self.restarts = 0
        self._started = 0
        self._feed: RingFeed | None = None
        self._state = "starting"
        self._next_try_s = self._tried_at = 0.0
        self._lost_at = 0.0
        self._told_stall = False
        self._opened_at = 0.0
        self._failure: Failed | None = None
        self._in_a_row = 0
        self._start()

    @property
    def pid(self) -> int | None:
        """Number of the process that runs now."""
        return self._process.pid

    @property
    def high_water_s(self) -> float:
        """The longest that samples have waited in a ring, seconds."""
        return self._feed.high_water_s if self._feed is not None else 0.0

    @property
    def state(self) -> str:
        """``"starting"``, ``"running"``, ``"lost"``, ``"ended"``."""
        return self._state

    @property
    def infos(self) -> tuple[StreamInfo, ...]:
        """The streams, once it is open."""
        return self._opened.infos if self._feed is not None else ()

    @property
    def rings(self) -> tuple[str, ...]:
        """The ring files of the process that runs now."""
        return self._opened.rings if self._feed is not None else ()

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, child = context.Pipe()
        self._process = context.Process(
            target=source_main, args=(child, self.text, self.role, self._folder), name=f"volo-{self.role}", daemon=True
        )
        self._process.start()
        child.close()
        self._started += 1

    def _go(self) -> None:
        before = self._feed.last_rows() if self._feed is not None else {}
        try:
            self._pipe.send(Go(self._folder, f"{self.role}-{self._started}", self._ring_s, before))
        except OSError:  # told by what it said before it died
            return

    def open(self) -> tuple[StreamInfo, ...]:
        """Let the process open its source.

        Raises
        ------
        VoloError
            As the source raised it.
        """
        from pathlib import Path

        from volo_acquisition.clock import SessionClock
        from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
        from volo_app.roles.feed import RingFeed

        self._clock: Clock = SessionClock()
        self._wait = self._idle or self._clock.sleep
        self._signs = LifeSigns(Path(self._folder) / LIFE_NAME, read_only=True)
        self._go()
        give_up = self._clock.now() + OPEN_S
        while True:
            message = self._receive()
            if isinstance(message, Opened):
                self._opened = message
                break
            if isinstance(message, Failed):
                raise error_of(message, f"the source {self.text}")
            if self._clock.now() > give_up:
                raise error_of(
                    Failed("DeviceError", f"no answer for {OPEN_S:g} s", "no_data"), f"the source {self.text}"
                )
            if message is None:
                self._wait(_POLL_S)
        self._feed = RingFeed(self._opened, self._clock)
        self._state, self._opened_at = "running", self._clock.now()
        self._on_message(self.number, self._opened)
        return self._opened.infos

    def _receive(self) -> Opened | Note | Ended | Failed | None:
        """Return the next message; a `Failed` for a process that is gone, None if there is nothing."""
        try:
            if self._pipe.poll(0):
                message = self._pipe.recv()
                if isinstance(message, Opened | Note | Ended | Failed):
                    return message
        except (EOFError, OSError):
            self._process.join(0.5)
            code = self._process.exitcode
            return self._failure or Failed("", f"its process ended{'' if code is None else f' with status {code}'}")
        return None

    def tell(self, marker: Marker) -> None:
        """Let the source know a marker of the run."""
        try:
            self._pipe.send(Tell(marker))
        except OSError:  # the process is gone, which `read` notices
            return

    def read(self, timeout_s: float) -> list[Item]:
        """Return what is new, in order, waiting at most `timeout_s` for the first item.

        Raises
        ------
        VoloError
            If the source came back as another (another rate, other channels), or stayed away for 60 s.
        """
        if self._feed is None:
            raise ValueError("RemoteSource.read: call open first")
        deadline = self._clock.now() + timeout_s
        while True:
            items = self._tend()
            items += self._feed.read()
            now = self._clock.now()
            if items or now >= deadline or self.exhausted:
                return items
            self._wait(min(_POLL_S, deadline - now))

    def _tend(self) -> list[Item]:
        """Take the messages that are there, and see to the process; return events about it."""
        if self._state == "ended":
            return []
        now = self._clock.now()
        if self._state == "waiting":
            if now >= self._next_try_s:
                self._start()
                self._go()
                self._state, self._tried_at = "starting", now
            return []
        events: list[Item] = []
        while self._state in ("running", "starting") and (message := self._receive()) is not None:
            events += self._take(message, now)
        if self._state == "starting" and now - self._tried_at > OPEN_S:
            events += self._lose(Failed("", f"it has not opened for {OPEN_S:g} s"), now)
        age = self._signs.age(self.role, now)
        if self._state == "running" and age is not None and age > HUNG_S:
            events += self._lose(Failed("", f"its process gave no sign of life for {HUNG_S:g} s"), now)
        return events

    def _take(self, message: Opened | Note | Ended | Failed, now: float) -> list[Item]:
        feed = self._feed
        if feed is None:
            return []
        if isinstance(message, Failed):
            self._failure = message
            return self._lose(message, now)
        if isinstance(message, Ended):
            self._state = "ended"
        if isinstance(message, Opened):
            self._opened = message
            self._state, self._opened_at = "running", now
        feed.take(message)
        self._on_message(self.number, message)
        return self._resume(now) if isinstance(message, Opened) else []

    def _resume(self, now: float) -> list[Item]:
        from volo_acquisition.types import Event, EventKind

        self._told_stall = False
        detail = f"the source's process was replaced, {now - self._lost_at:.1f} s after it was lost"
        rows = self._feed.last_rows() if self._feed is not None else {}
        return [Event(EventKind.RESUME, name, row.next_index, now, 0, detail) for name, (_, row) in rows.items()]

    def _lose(self, failure: Failed, now: float) -> list[Item]:
        """End the process and plan the next, unless the source is another now or away for too long."""
        from volo_acquisition.errors import DeviceError, Reason
        from volo_acquisition.types import Event, EventKind

        self._end_process(0.0)
        if self._feed is not None:
            self._feed.lose()
        if self._state == "running":
            self._in_a_row = 0 if now - self._opened_at >= LIVED_S else self._in_a_row
            self._lost_at = now
        if failure.reason in ("wrong_rate", "wrong_channels", "wrong_unit"):
            self._state = "ended"
            raise error_of(failure, f"the source {self.text}")
        if now - self._lost_at > GIVE_UP_S:
            self._state = "ended"
            raise DeviceError(
                f"{self.text} is lost: {failure.message}", reason=Reason.NO_DATA, hint="what was recorded is safe"
            )
        wait_s = BACK_OFF_S[min(self._in_a_row, len(BACK_OFF_S) - 1)]
        self._in_a_row += 1
        self.restarts += 1
        self._failure = None
        self._next_try_s, self._state = now + wait_s, "waiting"
        if self._told_stall or self._feed is None:
            return []
        self._told_stall = True
        rows = self._feed.last_rows()
        return [
            Event(EventKind.STALL, name, row.next_index, now, 0, f"the source is lost: {failure.message}")
            for name, (_, row) in rows.items()
        ]

    def hang_up(self) -> None:
        """Let the process close its source and leave; `close` waits for it."""
        self._state = "ended"
        self._pipe.close()

    def close(self) -> None:
        """Let the process close its source and leave; it has 0.7 s."""
        self._state = "ended"
        self._end_process(LEAVE_S)

    def drain(self) -> list[Item]:
        """Return what the process has left, after `close`, and let go of the rings."""
        if self._feed is None:
            return []
        self._feed.lose()
        items = self._feed.read()
        self._feed.close()
        return items

    def _end_process(self, patience_s: float) -> None:
        self._pipe.close()
        self._process.join(patience_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(2.0)

    @property
    def exhausted(self) -> bool:
        """True once a finite source has yielded everything."""
        return self._feed is not None and self._state == "ended" and self._feed.exhausted

    def connection(self) -> Connection | None:
        """Return the pipe to wait on, None while there is no process."""
        return self._pipe if self._state in ("running", "starting") else None
