"""What the processes of the role tests do: an engine's work with a real window, and a desk that only lives."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from volo_acquisition.clock import SessionClock
from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
from volo_acquisition.types import Chunk
from volo_app.engine import Engine
from volo_app.roles.engine_process import EngineRole
from volo_app.roles.folder import live_runs
from volo_app.roles.recorder_process import Work, recorder_main
from volo_app.stimulus.process import ScreenSettings
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.types import Command


class NotedOutput:
    """An output that writes down what it is told."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> None:
        self._note("open")

    def send(self, command: Command) -> None:
        self._note("send")

    def neutral(self) -> None:
        self._note(f"neutral {SessionClock().now()}")

    def close(self) -> None:
        self._note("close")

    def _note(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def calibrating(role: EngineRole, *, path: str, source: str, output: str, window: bool) -> Mapping[str, Any]:
    """Flicker in a window until stopped, and record."""
    role.prepare()
    paradigm = screen = None
    if window:
        screen = role.screen(ScreenSettings("four", "window", width=320, height=240, ramp_s=0.0))
        paradigm = SsvepCalibration(CalibrationSettings(layout="four", n_blocks=20, flicker_s=30.0))
    rings, recorder = role.begin(path, {"task": "test"}, [source])
    engine = Engine(
        rings,
        SessionClock(),
        recorder=recorder,
        paradigm=paradigm,
        screen=screen,
        outputs=[NotedOutput(Path(output))],
        lead_in_s=0.2,
    )
    role.take_engine(engine)
    engine.run()
    return role.end(engine.status.reason)


def sleeping(role: EngineRole, *, path: str, source: str, ring_s: float, sleep_s: float) -> Mapping[str, Any]:
    """Read, but sleep once for longer than the ring holds."""
    rings, recorder = role.begin(path, {"task": "test"}, [source], ring_s=ring_s)
    clock = SessionClock()
    seen: list[int] = []

    def slow(chunk: Chunk) -> None:
        if sum(seen) <= 300 < sum(seen) + len(chunk):
            clock.sleep(sleep_s)
        seen.append(len(chunk))

    engine = Engine(rings, clock, recorder=recorder, on_chunk=slow)
    role.take_engine(engine)
    result = engine.run()
    events = [[event.kind.value, event.index, event.n] for event in result.events]
    return {**role.end("finished"), "seen": sum(seen), "engine_events": events}


def desk(path: str, source: str, output: str, window: bool) -> None:
    """Start a recorder for a desk, say which process it is, and beat until killed."""
    context = get_context("spawn")
    _pipe, child = context.Pipe()  # its end of file is this process's death
    arguments = {"path": path, "source": source, "output": output, "window": window}
    work = Work("roles_work:calibrating", arguments, for_desk=True)
    process = context.Process(target=recorder_main, args=(child, work), name="volo-recorder")
    process.start()
    child.close()
    sys.stdout.write(f"{process.pid}\n")
    sys.stdout.flush()
    clock = SessionClock()
    signs = None
    while process.is_alive():
        if signs is None:
            folders = [folder for folder, state in live_runs() if state["pid"] == process.pid]
            signs = LifeSigns(folders[0] / LIFE_NAME) if folders else None
        else:
            signs.beat("desk", clock.now())
        clock.sleep(0.05)


if __name__ == "__main__":
    desk(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] == "window")
