"""The life signs of a run in one process: what its screen watches, and what the engine does at each turn. No Qt."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from volo_acquisition.clock import Clock
from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
from volo_app.engine import Engine

__all__ = ["RunLife"]

#: Who may beat: the recorder is the engine's process here.
ROLES = ("engine", "screen", "desk")


class RunLife:
    """A context manager around a run: its file of life signs lies beside the recording, and goes with the run.

    Parameters
    ----------
    recording : Path
        The run's recording.
    clock : Clock
        The session clock.
    """

    def __init__(self, recording: Path, clock: Clock) -> None:
        self._clock = clock
        self.path = recording.with_name(f"{recording.stem}-{LIFE_NAME}")
        self._signs = LifeSigns.create(self.path, ROLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signs.close()
        self.path.unlink(missing_ok=True)

    def step(self, engine: Engine) -> None:
        """Beat, and stop the engine if anyone has stopped the run; for the engine's ``on_step``."""
        self._signs.beat("engine", self._clock.now())
        if self._signs.stopped is not None:
            engine.stop()

    def leave(self) -> None:
        """Say that the engine ends as it should."""
        self._signs.leave("engine")
