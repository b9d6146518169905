"""The engine's process: it reads rings, decodes, runs the paradigm, and sends rows to the recorder. No device, no Qt.

What it does is a function named as text, ``module:function``, called with an `EngineRole` and its arguments; so the
recorder, which starts the process, loads nothing of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, TypeVar

from volo_app.role import enter_role, lower_priority
from volo_app.roles.messages import (
    Begin,
    Begun,
    Closed,
    Done,
    End,
    Failed,
    Go,
    LogLine,
    Passed,
    Prepare,
    Prepared,
    Said,
    SourceEnded,
    StopRun,
    Tell,
)

if TYPE_CHECKING:
    from volo_acquisition.types import Marker
    from volo_app.engine import Engine
    from volo_app.roles.ring_source import RingSource
    from volo_app.rows import RunRecorder
    from volo_app.stimulus.client import ScreenProcess

__all__ = ["EngineRole", "engine_main"]

#: What the recorder is asked is answered within, seconds; opening a source may take a minute.
ANSWER_S = 75.0
_Answer = TypeVar("_Answer")


def engine_main(pipe: Connection, work: str, arguments: Mapping[str, Any], desk: Connection | None = None) -> None:
    """Do `work` and tell what came of it.

    Parameters
    ----------
    pipe : Connection
        To the recorder; its end of file means: go neutral and leave.
    work : str
        ``module:function``; returns a JSON-compatible mapping.
    arguments : Mapping
        Of the function, beside the role.
    desk : Connection or None
        The way to a desk, by the recorder.
    """
    enter_role("engine")
    lower_priority()
    from volo_app.roles.source_process import failure_of

    role = EngineRole(pipe, desk)
    try:
        module, _, function = work.partition(":")
        result = getattr(import_module(module), function)(role, **arguments)
        role.put(Done(dict(result)))
    except Exception as error:  # noqa: BLE001 - the top handler of this process
        role.put(failure_of(error))
        role.wait_for_the_end()
    finally:
        role.close()


class EngineRole:
    """What the work of an engine's process has to do with the other processes. Used from one thread.

    Parameters
    ----------
    pipe : Connection
        To the recorder.
    desk : Connection or None
        The way to a desk.

    Attributes
    ----------
    desk : Connection or None
        As given.
    folder : str
        Of the run, once it is prepared.
    stop_reason : str
        Why the run is to come to an end; empty while it is not.
    trouble : str
        What is wrong with another process, so that the engine went neutral though nobody asked for an end.
    on_stop : callable
        Called when the recorder asks to come to an end, and when something is wrong with the other processes.
    """

    def __init__(self, pipe: Connection, desk: Connection | None = None) -> None:
        from volo_app.outbox import Outbox

        self.desk = desk
        self._pipe = pipe
        self._outbox = Outbox(pipe, limit=100_000, name="volo-engine-rows")
        self._messages: deque[object] = deque()
        self._stack = ExitStack()
        self.is_alone = False
        self.folder = ""
        self.stop_reason = self.trouble = ""
        self.on_stop: Callable[[], None] = lambda: None

    def put(self, message: object) -> None:
        """Send to the recorder, without waiting."""
        self._outbox.put(message)

    def tell(self, marker: Marker) -> None:
        """Let the main source know a marker: the simulated participant's head."""
        self.put(Tell(marker))

    def say(self, text: str) -> None:
        """Pass text on to whoever started the run."""
        self.put(Said(text))

    def log(self, kind: str, **fields: object) -> None:
        """Write a line into the run's log."""
        self.put(LogLine(kind, fields))

    def prepare(self) -> str:
        """Let the recorder make the folder of the next run; return it."""
        self.put(Prepare())
        self.folder = self.answer(Prepared).folder
        return self.folder

    def screen(self, settings: Any) -> ScreenProcess:
        """Open the stimulus window for the run; it stays, grey if need be, until the run is over.

        Parameters
        ----------
        settings : ScreenSettings
            Its ``lifesign`` is filled in.
        """
        from dataclasses import replace
        from pathlib import Path

        from volo_acquisition.lifesign import LIFE_NAME
        from volo_app.stimulus.client import ScreenProcess

        path = str(Path(self.folder or self.prepare()) / LIFE_NAME)
        return self._stack.enter_context(ScreenProcess(replace(settings, lifesign=path)))

    def begin(
        self,
        path: str,
        header: Mapping[str, str],
        sources: Sequence[str],
        *,
        keep_recording: bool = True,
        ring_s: float = 60.0,
    ) -> tuple[RingSource, RunRecorder]:
        """Return the source and the recorder of a run for an `Engine`; it begins when the source is opened."""
        from volo_app.roles.ring_source import RingSource, RowSender
        from volo_app.rows import RunRecorder

        if not self.folder:
            self.prepare()
        source = RingSource(self, Begin(path, dict(header), tuple(sources), keep_recording, ring_s))
        return source, RunRecorder(None, {}, sink=RowSender(self, source))

    def end(self, reason: str) -> Mapping[str, Any]:
        """Say that the run is over; return what was recorded, once the file is closed, and close the screen."""
        self.put(End(self.trouble or reason, is_wanted=not self.trouble))
        report = self.answer(Closed, patience_s=float("inf")).report
        self._stack.close()
        self._stack = ExitStack()
        self.folder = self.stop_reason = self.trouble = ""
        return report

    def abandon(self) -> None:
        """Forget a run that failed: wait until it is over for the recorder as well, and close the screen."""
        self.wait_for_the_end()
        self._stack.close()
        self._stack = ExitStack()
        self.folder = self.stop_reason = self.trouble = ""

    def answer(self, kind: type[_Answer], patience_s: float = ANSWER_S) -> _Answer:
        """Wait for a message of one kind.

        Raises
        ------
        DeviceError
            If the recorder is gone.
        VoloError
            If it refuses.
        """
        from volo_acquisition.clock import SessionClock
        from volo_app.roles.remote_source import error_of

        clock = SessionClock()
        give_up = clock.now() + patience_s
        while clock.now() < give_up:
            for message in list(self._messages):
                if isinstance(message, kind):
                    self._messages.remove(message)
                    return message
                if isinstance(message, Failed):
                    self._messages.remove(message)
                    raise error_of(message, "the run")
            self.receive(0.1)
            self.require_recorder()
        raise error_of(Failed("DeviceError", "the recorder does not answer", "no_data"), "")

    def require_recorder(self) -> None:
        """Refuse to go on without the recorder.

        Raises
        ------
        DeviceError
            If its process is gone.
        """
        if self.is_alone:
            from volo_acquisition.errors import DeviceError, Reason

            raise DeviceError(
                "the recorder is gone", reason=Reason.NO_DATA, hint="what was recorded is safe; see: volo repair"
            )

    def receive(self, timeout_s: float) -> None:
        """Take what the recorder says, waiting at most `timeout_s` for the first message."""
        try:
            while self._pipe.poll(timeout_s):
                message = self._pipe.recv()
                timeout_s = 0.0
                if isinstance(message, StopRun):
                    self.stop(message.reason)
                elif isinstance(message, Prepared | Begun | Passed | SourceEnded | Closed | Failed | Go):
                    self._messages.append(message)
        except (EOFError, OSError):
            self.is_alone = True

    def stop(self, reason: str) -> None:
        """Come to an end, because of `reason`."""
        self.stop_reason = self.stop_reason or reason
        self.on_stop()

    def take_engine(self, engine: Engine) -> None:
        """Let `engine` be stopped when the run is to come to an end."""
        self.on_stop = engine.stop
        if self.stop_reason:
            engine.stop()

    def take(self) -> list[object]:
        """Return the messages that have come and were no answers."""
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def wait_for_the_end(self) -> None:
        """Stay, with the screen grey, until the run is over for the recorder as well."""
        while self.folder and not self.is_alone:
            self.receive(0.5)
            if any(isinstance(message, Closed) for message in self.take()):
                return

    def close(self) -> None:
        """Close the screen, and send what waits."""
        with suppress(Exception):
            self._stack.close()
        self._outbox.close()
