"""Rows T6, U2 and S10 of the reliability matrix, as far as the screen goes: load, many starts, nothing that listens."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from figures import note_figure

from volo_acquisition.clock import ManualClock, SessionClock
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_app.engine import Engine
from volo_app.rows import RunRecorder
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.process import ScreenSettings
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Scene

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: /proc")
WINDOW = ScreenSettings("four", "window", width=320, height=240)


@pytest.mark.slow
def test_t6_under_three_busy_loops_every_frame_is_accounted_for(display: str) -> None:
    """How late frames are depends on the machine; that each is in the log, or counted as missed, must not."""
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        with ScreenProcess(WINDOW) as screen:
            clock = SessionClock()
            began_s, rows, n_shown, n_asked = clock.now(), [], 0, 0
            while clock.now() - began_s < 8.0:
                if n_asked == n_shown:
                    screen.present(Scene("gaze", n_asked, 0.0, "trial/start", {"trial": n_asked, "cue": None}), 0.0)
                    n_asked += 1
                n_shown += len(screen.poll())
                rows.append(screen.take_frames())
                clock.sleep(0.005)
            frames = np.concatenate(rows)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait(10.0)
    steps = np.diff(frames[:, 1])
    share = 100.0 * float(frames[:, 2].mean())
    note_figure(
        "T6", f"{share:.1f} % late, {int(frames[:, 3].sum())} missed and counted, {len(frames)} frames", "none lost"
    )
    assert np.all(steps >= 1)
    assert np.array_equal(frames[1:, 3], steps - 1)
    assert n_shown >= n_asked - 1 > 10


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def one_run(path: Path) -> None:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(), clock)
    paradigm = SsvepCalibration(CalibrationSettings(layout="four", n_blocks=1, flicker_s=0.2, cue_s=0.1, rest_s=0.0))
    with RunRecorder(path, {"task": "test"}) as recorder:
        Engine(source, clock, recorder=recorder, paradigm=paradigm, screen=VirtualScreen(60.0, clock.now())).run()
    path.unlink()


@needs_linux
def test_u2_a_hundred_runs_leave_nothing_behind(tmp_path: Path) -> None:
    for n in range(5):
        one_run(tmp_path / f"warm-{n}.xdf")
    gc.collect()
    before = (open_files(), threading.active_count())
    resident = resident_mib()
    for n in range(100):
        one_run(tmp_path / f"{n}.xdf")
    gc.collect()
    grown = resident_mib() - resident
    note_figure("U2", f"files and threads as before, {grown:+.1f} MiB, 100 runs", "back to baseline")
    assert (open_files(), threading.active_count()) == before
    assert grown < 8.0


@needs_linux
@pytest.mark.slow
def test_u2_windows_that_come_and_go_leave_nothing_behind(display: str) -> None:
    with ScreenProcess(WINDOW):
        pass
    gc.collect()
    before = (open_files(), threading.active_count())
    for _ in range(10):
        with ScreenProcess(WINDOW) as screen:
            screen.present(Scene("gaze", 0, 0.0, "trial/start", {"trial": 0, "cue": None}), 0.0)
    del screen
    gc.collect()
    assert (open_files(), threading.active_count()) == before


def listening(pid: int) -> set[str]:
    """Return the local addresses at which a process listens for anyone."""
    inodes = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(fd.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes and (table.startswith("udp") or words[3] == "0A"):
                found.add(words[1])
    return found


@needs_linux
def test_s10_the_stimulus_window_listens_to_no_one(display: str) -> None:
    with ScreenProcess(WINDOW) as screen:
        assert screen.pid is not None
        assert listening(screen.pid) == set()
