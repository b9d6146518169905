"""The recorder's process: parent of a run's sources and engine. It owns the file, and ends all cleanly.

It decodes nothing and loads numpy and the standard library only. Whoever started it, and the engine, are heard while
it records; neither can hold it up.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from volo_app.role import enter_role
from volo_app.roles.desk_door import Desk
from volo_app.roles.engine_process import engine_main
from volo_app.roles.messages import (
    Begin,
    Begun,
    Closed,
    Done,
    End,
    Ended,
    Failed,
    LogLine,
    NewStream,
    Note,
    Opened,
    Passed,
    Prepare,
    Prepared,
    Rows,
    Said,
    SourceEnded,
    StopRun,
    Tell,
    Took,
    Warned,
)
from volo_app.stopping import STOP_SIGNALS

__all__ = ["Work", "recorder_main"]

#: How long the engine may take to end a run that is to stop, seconds.
ENGINE_STOP_S = 0.8
#: How long the engine may take for what a finite source has left it, seconds.
ENGINE_REST_S = 10.0
#: Silence of the main source after which a run is given up, seconds.
NO_DATA_S = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What the engine is to do.

    Attributes
    ----------
    function : str
        As ``module:function``.
    arguments : Mapping
        Of the function, beside the role.
    for_desk : bool
        Whether a desk started it: what desk and engine say to each other is passed on as it is, another desk may
        take the place of one that is gone, a run without a desk pauses, and an engine that is lost is replaced.
    workspace : str
        Nobody else may work there meanwhile; empty for none.
    """

    function: str
    arguments: Mapping[str, Any]
    for_desk: bool = False
    workspace: str = ""


def recorder_main(pipe: Connection, work: Work) -> None:
    """Run an engine that does `work`, and the runs it asks for; tell the starter what came of it.

    Parameters
    ----------
    pipe : Connection
        To whoever started it; its end of file means: come to an end.
    work : Work
        For the engine.
    """
    enter_role("recorder")
    from volo_acquisition.errors import FileError
    from volo_app.roles.lock import hold_workspace
    from volo_app.roles.source_process import failure_of

    try:
        with hold_workspace(Path(work.workspace)) if work.workspace else nullcontext():
            _Recorder(pipe, work).serve()
    except FileError as error:
        with suppress(OSError):
            pipe.send(failure_of(error))


class _Recorder:
    """The recorder's loop: everything in one thread, but for the writes to the disk."""

    def __init__(self, pipe: Connection, work: Work) -> None:
        from volo_acquisition.clock import SessionClock

        self._starter = pipe
        self._starter_is_gone = False
        self._clock = SessionClock()
        self._begin: Begin | None = None
        self._folder: Path | None = None
        self._run: Any = None
        self._stop_reason = ""
        self._stopped_by_signal = False
        self._signalled: list[int] = []  # filled by a signal handler, hence no lock
        self._rows: deque[NewStream | Rows | Took] = deque()
        self._engine_end: End | None = None
        self._engine_answer: Done | Failed | None = None
        self._engine_is_gone = False
        self._work = work
        self._failure: Failed | None = None
        self._has_warned = False
        self._stopped_at = 0.0
        self._desk = Desk(pipe) if work.for_desk else None
        self._take_signals()
        self._start_engine()

    def _start_engine(self) -> None:
        from volo_app.outbox import Outbox

        context = get_context("spawn")
        self._engine, child = context.Pipe()
        for_desk = context.Pipe() if self._desk is not None else None
        work = self._work
        # no daemon: it may have a child of its own, the screen; it leaves when the pipe is closed
        self._process = context.Process(
            target=engine_main,
            args=(child, work.function, dict(work.arguments), None if for_desk is None else for_desk[1]),
            name="volo-engine",
        )
        self._process.start()
        child.close()
        if self._desk is not None and for_desk is not None:
            for_desk[1].close()
            self._desk.join(for_desk[0])
        self._engine_is_gone, self._engine_answer, self._engine_end = False, None, None
        self._outbox = Outbox(self._engine, limit=100_000, name="volo-recorder-to-engine")

    def _take_signals(self) -> None:
        def take(number: int, frame: FrameType | None) -> None:
            self._signalled.append(number)

        for name in STOP_SIGNALS:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), take)

    def serve(self) -> None:
        """Do what the engine asks for until its work is done."""
        try:
            while not self._is_over():
                self._service(0.05)
                if self._begin is not None:
                    begin, self._begin = self._begin, None
                    self._do_run(begin)
                if self._desk is not None and self._engine_is_gone and not self._stop_reason:
                    self._end_engine()
                    self._start_engine()
        finally:
            self._leave()

    def _is_over(self) -> bool:
        if self._desk is not None and self._desk.is_gone and self._begin is None:
            return True
        gone = self._engine_answer is not None or self._engine_is_gone
        return (gone and self._desk is None) or bool(
            self._stop_reason and self._begin is None and self._clock.now() > self._stopped_at + 1.0
        )

    def _leave(self) -> None:
        answer = self._failure or self._engine_answer or Failed("", "the engine's process ended unexpectedly")
        if isinstance(answer, Done) and self._stopped_by_signal:
            answer = Done({**answer.result, "stopped_by_signal": True})
        if self._desk is None:
            with suppress(OSError):
                self._starter.send(answer)
        else:
            self._desk.close()
        self._end_engine()

    def _end_engine(self) -> None:
        self._outbox.close(0.2)
        self._engine.close()
        self._process.join(1.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(1.0)

    # What the others say.

    def _service(self, seconds: float) -> None:
        """Hear everyone, waiting at most `seconds` for the first word."""
        if self._signalled and not self._stop_reason:
            self._stopped_by_signal = True
            self._stop("a signal")
        pipes = [] if self._engine_is_gone else [self._engine]
        if self._desk is not None:
            pipes += self._desk.connections()
        elif not self._starter_is_gone:
            pipes.append(self._starter)
        if not pipes:
            self._clock.sleep(seconds)
            return
        for pipe in connection.wait(pipes, seconds):
            if pipe is self._engine:
                self._hear_engine()
            elif self._desk is not None:
                self._desk.pass_on(pipe)
            else:
                self._hear_starter()

    def _hear_starter(self) -> None:
        try:
            while self._starter.poll(0):
                message = self._starter.recv()
                if isinstance(message, StopRun):
                    self._stopped_by_signal = True
                    self._stop(message.reason)
        except (EOFError, OSError):
            self._starter_is_gone = True
            self._stop("whoever started the run is gone")

    def _stop(self, reason: str) -> None:
        if not self._stop_reason:
            self._stop_reason = reason
            self._stopped_at = self._clock.now()
            self._tell_engine(StopRun(reason))

    def _tell_starter(self, message: object) -> None:
        if self._desk is None:
            with suppress(OSError):
                self._starter.send(message)

    def _tell_engine(self, message: object) -> None:
        """Send to the engine, without waiting for it."""
        self._outbox.put(message)

    def _hear_engine(self) -> None:
        try:
            while self._engine.poll(0):
                self._take(self._engine.recv())
        except (EOFError, OSError):
            self._engine_is_gone = True

    def _take(self, message: object) -> None:
        match message:
            case NewStream() | Rows() | Took():
                self._rows.append(message)
            case Tell():
                if self._run is not None:
                    self._run.sources[0].tell(message.marker)
            case Prepare():
                self._prepare()
            case Begin():
                self._begin = message
            case End():
                self._engine_end = message
            case Done() | Failed():
                self._engine_answer = message
            case LogLine():
                if self._run is not None:
                    self._run.log.line(message.kind, **message.fields)
            case Said():
                self._tell_starter(message)

    def _prepare(self) -> None:
        from volo_app.roles.folder import make_run_folder
        from volo_app.roles.run import make_signs

        self._folder = make_run_folder()
        make_signs(self._folder).close()
        self._tell_engine(Prepared(str(self._folder)))

    # A run.

    def _do_run(self, begin: Begin) -> None:
        from volo_acquisition.errors import VoloError
        from volo_app.roles.run import Run
        from volo_app.roles.source_process import failure_of

        self._engine_end = None
        how: dict[str, Any] = {"idle": self._service, "on_message": self._pass_on, "ring_s": begin.ring_s}
        run = self._run = Run(begin.sources, folder=self._folder, **how)
        self._folder = None
        failure: Failed | None = None
        try:
            infos = run.open()
            if begin.path:
                self._create_file(run, begin)
            run.tell_onlookers(engine=self._process.pid, header=dict(begin.header), **self._door())
            steady = any(info.rate_hz > 0.0 for info in infos)
            run.capture(duration_s=None, stopped=lambda: self._has_ended(begin), no_data_s=NO_DATA_S, steady=steady)
            self._let_the_engine_finish(run)
        except VoloError as error:
            failure = failure_of(error)
            self._tell_engine(failure if not run.sources[0].rings else SourceEnded(1, failure))
            self._let_the_engine_finish(run)
        failure = self._close(run) or failure
        self._failure = self._failure or failure
        self._tell_engine(Closed(self._report(run)))
        self._run = None
        self._has_warned = False

    def _door(self) -> dict[str, str]:
        return {} if self._desk is None else {"address": self._desk.address, "key": self._desk.key.hex()}

    def _create_file(self, run: Any, begin: Begin) -> None:
        from volo_acquisition.recording.recorder import XdfRecorder

        path = Path(begin.path)
        file = XdfRecorder(path, header={"schema": "1", **begin.header})
        for source in run.sources:
            for info in source.infos:
                file.add_stream(info)
        run.record(file, path, **{key: begin.header[key] for key in ("task", "decoder_id") if key in begin.header})

    def _pass_on(self, number: int, message: Opened | Note | Ended) -> None:
        match message:
            case Opened():
                self._tell_engine(Begun(number, message))
            case Note():
                self._tell_engine(Passed(number, message))
            case Ended():
                self._tell_engine(SourceEnded(number, message))

    @property
    def _engine_has_ended(self) -> bool:
        return self._engine_end is not None or self._engine_answer is not None or self._engine_is_gone

    def _has_ended(self, begin: Begin) -> bool:
        """Take what has come; return whether the recording is to end."""
        self._service(0.0)
        self._write_rows()
        if self._stop_reason:
            return self._engine_has_ended or self._clock.now() - self._stopped_at > ENGINE_STOP_S
        if self._desk is not None and self._run.signs.stop_of("desk") is not None:
            return self._engine_has_ended or self._clock.now() - self._run.signs.stop_of("desk").time > ENGINE_STOP_S
        self._run.tell_state(self._state())
        if self._engine_end is not None and self._engine_end.is_wanted:
            return self._desk is None or not self._desk.is_gone
        if self._engine_has_ended and begin.keep_recording and not self._has_warned:
            self._has_warned = True
            why = self._why_lost()
            self._run.log.line("feedback ended", why=why)
            self._tell_starter(Warned(f"feedback has ended: {why}; the recording goes on until it is stopped"))
        return self._engine_has_ended and not begin.keep_recording

    def _why_lost(self) -> str:
        if self._engine_end is not None:
            return self._engine_end.reason
        failed = self._engine_answer
        return failed.message if isinstance(failed, Failed) else "the engine's process ended"

    def _state(self) -> str:
        """Return how the run is, for onlookers."""
        if self._engine_is_gone or self._engine_answer is not None:
            return "engine lost"
        if self._engine_end is not None or (self._desk is not None and self._desk.is_gone):
            return "paused"
        return "running"

    def _write_rows(self) -> None:
        """Hand the engine's rows to the file."""
        run = self._run
        while self._rows and run is not None:
            match self._rows.popleft():
                case NewStream(info):
                    run.add_stream(info)
                case Rows(stream_id, times, rows):
                    run.write_rows(stream_id, times, rows)
                case Took(item):
                    run.tally.count(item)
                    run.write_item(item)

    def _let_the_engine_finish(self, run: Any) -> None:
        """Wait for the engine to decode what it has, and take its last rows."""
        from volo_acquisition.errors import FileError

        give_up = self._clock.now() + (ENGINE_STOP_S if self._stop_reason else ENGINE_REST_S)
        while not self._engine_has_ended and self._clock.now() < give_up:
            self._service(0.02)
            run.beat()
            with suppress(FileError):  # told when the file is closed
                self._write_rows()

    def _close(self, run: Any) -> Failed | None:
        from volo_acquisition.errors import FileError
        from volo_app.roles.source_process import failure_of

        try:
            self._write_rows()
            run.close()
        except FileError as error:
            with suppress(FileError):
                run.close()
            return failure_of(error)
        finally:
            self._rows.clear()
        return None

    def _report(self, run: Any) -> dict[str, Any]:
        tally = run.tally
        return {
            "samples": dict(tally.samples),
            "markers": tally.markers,
            "gaps": tally.gaps,
            "lost": tally.lost,
            "duration_s": tally.duration_s,
            "events": dict(tally.events),
            "restarts": {source.role: source.restarts for source in run.sources},
        }
