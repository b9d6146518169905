"""Each process of a run killed with -9, alone and in pairs: what the table of the architecture says then happens."""

from __future__ import annotations

import itertools
import subprocess
import sys
from multiprocessing import connection
from pathlib import Path

import numpy as np
import pytest
from figures import note_figure
from roles_harness import CLOCK, WatchedRun, desk_run, is_alive, kill_9, wait_until

from volo_acquisition.recording.reader import Recording
from volo_acquisition.types import EventKind

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: /proc, and a display")

ROLES = ("source", "engine", "screen", "desk", "recorder")
SINGLE = [(role,) for role in ROLES]
PAIRS = list(itertools.combinations(ROLES, 2))
LEAST_LIGHT = 2  # grey levels by which a grey picture may differ from one value

SHOT = """
import sys
from PySide6.QtGui import QGuiApplication
app = QGuiApplication(["shot"])
image = app.primaryScreen().grabWindow(0).toImage()
screen = app.primaryScreen().geometry()
x, y = screen.width() - 320, 0
values = {image.pixelColor(x + 4 + 8 * i, y + 4 + 8 * j).lightness() for i in range(38) for j in range(28)}
sys.stdout.write(f"{min(values)} {max(values)}")
"""


def window_is_grey() -> bool:
    """Return whether the light where the stimulus window is has one level, and is neither black nor white."""
    done = subprocess.run([sys.executable, "-c", SHOT], capture_output=True, text=True, timeout=60, check=True)
    low, high = map(int, done.stdout.split())
    return 0 < low <= high < 255 and high - low <= LEAST_LIGHT


def kill(run: WatchedRun, roles: tuple[str, ...]) -> float:
    """Kill them all at once; return the stamp of the newest sample there was."""
    pids = {
        "recorder": run.recorder_pid,
        "engine": run.state["engine"],
        "source": run.source["pid"],
        "desk": run.desk_pid,  # type: ignore[attr-defined]
    }
    if "screen" in roles:
        pids["screen"] = run.screen_pid()
    newest = run.newest_stamp()
    for role in roles:
        kill_9(pids[role])
    return newest


def check_whole(recording: Recording) -> None:
    """Every jump of the index is told by a GAP of that length, and the samples of the simulated counter fit."""
    (stream,) = recording.streams.values()
    jumps = np.flatnonzero(np.diff(stream.index) != 1)
    told = {event.index: event.n for event in recording.events if event.kind is EventKind.GAP}
    assert {int(stream.index[at]) + 1: int(stream.index[at + 1] - stream.index[at] - 1) for at in jumps} == told
    assert not recording.problems


@pytest.mark.parametrize("roles", [*SINGLE, *PAIRS], ids="-".join)
@pytest.mark.slow
def test_whoever_dies_the_rest_does_what_the_table_says(display: str, tmp_path: Path, roles: tuple[str, ...]) -> None:
    with desk_run(tmp_path) as run:
        others = {"engine": run.state["engine"], "source": run.source["pid"], "screen": run.screen_pid()}
        newest = kill(run, roles)
        killed = CLOCK.now()
        if "recorder" in roles:
            wait_until(lambda: not any(map(is_alive, others.values())), 15.0, "the leaving of all")
            recording = run.recording()
            (stream,) = recording.streams.values()
            lost_s = newest - float(stream.times[-1])
            note_figure(
                "R2", f"lost {1e3 * max(lost_s, 0.0):.0f} ms ({' and '.join(roles)} killed)", held=lost_s <= 0.1
            )
            assert lost_s <= 0.1
            return
        if "source" in roles:
            wait_until(lambda: run.source["restarts"] == 1 and run.source["state"] == "running", what="the new source")
            back_s = CLOCK.now() - killed
            note_figure("A26", f"source back {back_s:.1f} s after kill -9", held=back_s <= 2.0)
        if {"engine", "screen"} & set(roles):
            wait_until(lambda: run.state["state"] == "engine lost", what="the loss of the engine")
        elif "desk" in roles:
            wait_until(lambda: run.state["state"] == "paused", what="the pause")
        run.goes_on()
        if set(roles) != {"source"} and "screen" not in roles:
            assert is_alive(others["screen"])
            wait_until(window_is_grey, what="a grey window")
        if set(roles) != {"source"} and "engine" not in roles:
            assert "neutral" in run.output.read_text(encoding="utf-8")
        if "desk" in roles:
            with connection.Client(run.state["address"], authkey=bytes.fromhex(run.state["key"])):
                if "engine" not in roles and "screen" not in roles:
                    wait_until(lambda: run.state["state"] == "running" or run.samples, what="the desk's return")
        run.stop()
        check_whole(run.recording())
        assert run.path.exists()
        assert not run.folder.exists()
        wait_until(lambda: not any(map(is_alive, others.values())), 15.0, "the leaving of all")
