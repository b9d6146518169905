"""The desk's side of its engine: starts the process, sends orders, takes snapshots. Never waits. No Qt."""

from __future__ import annotations

from multiprocessing import get_context

from volo_app.desk.messages import Order, Snapshot
from volo_app.desk.process import engine_main
from volo_app.desk.settings import DeskSettings
from volo_app.outbox import Outbox

__all__ = ["EngineLink"]

#: An engine that does not leave by itself is ended, seconds.
LEAVE_S = 8.0


class EngineLink:
    """An engine in a process of its own.

    Parameters
    ----------
    settings : DeskSettings
        What holds for all runs.
    """

    def __init__(self, settings: DeskSettings) -> None:
        context = get_context("spawn")
        self._pipe, child = context.Pipe()
        # no daemon: it has a child of its own, the stimulus window; it leaves when the pipe is closed
        self._process = context.Process(target=engine_main, args=(child, settings), name="volo-engine")
        self._process.start()
        child.close()
        self._outbox = Outbox(self._pipe, limit=100, name="volo-desk-outbox")
        self._is_gone = False

    @property
    def pid(self) -> int | None:
        """Number of the engine's process."""
        return self._process.pid

    @property
    def is_gone(self) -> bool:
        """Whether the engine has ended."""
        return self._is_gone

    def order(self, order: Order) -> None:
        """Let the engine do something."""
        self._outbox.put(order)

    def snapshots(self) -> list[Snapshot]:
        """Return what the engine has sent since the last call."""
        taken: list[Snapshot] = []
        try:
            while not self._is_gone and self._pipe.poll(0):
                taken.append(self._pipe.recv())
        except (EOFError, OSError):
            self._is_gone = True
        return taken

    def close(self) -> None:
        """Let the engine end its run, close the file and leave; it has 8 s."""
        self._is_gone = True
        self._outbox.close()
        self._pipe.close()
        self._process.join(LEAVE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(LEAVE_S)
