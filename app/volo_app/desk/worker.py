"""The engine's process of the desk: takes orders in one thread, carries them out in the other, and tells the desk."""

from __future__ import annotations

import queue
import threading
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection

from volo_acquisition.clock import SessionClock
from volo_app.desk.messages import Calibrate, GrabScreen, Order, Phase, Replay, Spell, Steer, Stop, Watch
from volo_app.desk.runs import Runs
from volo_app.desk.settings import DeskSettings
from volo_app.desk.telemetry import Telemetry
from volo_app.engine import Engine
from volo_app.failures import describe, write_crash_log
from volo_app.outbox import Outbox
from volo_app.stimulus.client import ScreenProcess

__all__ = ["Worker"]


class Worker:
    """Carries out one order after the other; a new one ends what is under way.

    Parameters
    ----------
    pipe : Connection
        To the desk; its end of file means: stop, close the file, leave.
    settings : DeskSettings
        What holds for all runs.
    """

    def __init__(self, pipe: Connection, settings: DeskSettings) -> None:
        self._pipe = pipe
        self._outbox = Outbox(pipe, limit=32, name="volo-engine-outbox")
        self._telemetry = Telemetry(self._outbox, SessionClock(), self._between_chunks)
        self._runs = Runs(settings, self._telemetry, self._start)
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._grabs: deque[str] = deque()
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._screen: ScreenProcess | None = None
        self._is_busy = self._must_stop = False

    def run(self) -> None:
        """Work until the desk is gone."""
        threading.Thread(target=self._listen, name="volo-engine-orders", daemon=True).start()
        self._carry_out(None)
        while (order := self._orders.get()) is not None:
            self._carry_out(order)
        self._outbox.close()

    # In the thread that listens.

    def _listen(self) -> None:
        try:
            while True:
                self._hear(self._pipe.recv())
        except (EOFError, OSError):
            self._stop()
            self._orders.put(None)

    def _hear(self, order: Order) -> None:
        match order:
            case GrabScreen():
                self._grabs.append(order.path)
            case Stop():
                self._stop()
            case _:
                self._stop()
                self._orders.put(order)

    def _stop(self) -> None:
        """End what is under way, also if its engine has not begun yet, and forget orders that wait."""
        with suppress(queue.Empty):
            while True:
                self._orders.get_nowait()
        with self._lock:
            if self._is_busy:
                self._must_stop = True
            if self._engine is not None:
                self._engine.stop()

    # In the thread that works.

    def _carry_out(self, order: Order | None) -> None:
        with self._lock:
            self._is_busy, self._must_stop = True, False
        error = ""
        try:
            match order:
                case Watch():
                    self._runs.watch(order)
                case Calibrate():
                    self._runs.calibrate(order)
                case Spell():
                    self._runs.spell(order)
                case Steer():
                    self._runs.steer(order)
                case Replay():
                    self._runs.replay(order)
                case _:
                    self._runs.load_decoder()
        except Exception as problem:  # noqa: BLE001 - the top handler of this thread
            error = _one_line(problem)
            self._telemetry.log(f"Failed: {error}")
        with self._lock:
            self._is_busy = False
            self._engine = self._screen = None
        self._telemetry.change(phase=Phase.IDLE, error=error, cue="")

    def _start(self, engine: Engine, screen: ScreenProcess | None) -> None:
        with self._lock:
            self._engine, self._screen = engine, screen
            if self._must_stop:
                engine.stop()

    def _between_chunks(self) -> int:
        """Ask the screen for the images the desk wants; return how many this run has brought."""
        screen = self._screen
        if screen is None:
            return 0
        while self._grabs:
            screen.grab(self._grabs.popleft())
        return screen.grabbed


def _one_line(problem: Exception) -> str:
    """Return what to tell the operator; what is not foreseen leaves a crash log."""
    known = describe(problem)
    if known is not None:
        return known.line()
    log = write_crash_log(problem)
    return f"unexpected {type(problem).__name__}: {problem}" + (f" (see {log})" if log else "")
