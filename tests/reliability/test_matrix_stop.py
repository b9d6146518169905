"""Rows H1, H2, T4, T5, T11 of the reliability matrix: the stop works whoever else hangs, and stalls are counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from figures import LONG, note_figure

from volo_acquisition.clock import SessionClock
from volo_acquisition.lifesign import MISSED_S, LifeSigns
from volo_acquisition.types import Marker
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.guard import Guard
from volo_app.stimulus.process import ScreenSettings
from volo_paradigms.grammar import OFFSET, ONSET, SCREEN_GREY
from volo_paradigms.types import Scene

needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX: signals that stop a process")
ROLES = ("recorder", "engine", "screen", "desk")
FLICKER = Scene("flicker", 0, 0.0, ONSET, {"trial": 0, "target": None})
#: Software deadline from the key or the missed beat to the first grey frame, seconds.
DEADLINE_S = 0.05


def wait_for(screen: ScreenProcess, label: str, seconds: float = 20.0) -> Marker:
    clock = SessionClock()
    give_up = clock.now() + seconds
    while clock.now() < give_up:
        for marker in screen.poll():
            if marker.label == label:
                return marker
        clock.sleep(0.002)
    raise AssertionError(f"no {label} within {seconds} s")


@pytest.mark.parametrize(("refresh_hz", "cause"), [(60.0, "flag"), (144.0, "beat")])
def test_h1_a_thousand_virtual_stops_are_grey_within_50_ms(tmp_path: Path, refresh_hz: float, cause: str) -> None:
    """The window's schedule: it looks every 10 ms and after each swap; what it finds is drawn with the next frame."""
    random = np.random.default_rng(1)
    delays_s = []
    for trial in range(1000):
        path = tmp_path / f"{trial}.life"
        LifeSigns.create(path, ROLES).close()
        with LifeSigns(path) as life:
            guard = Guard(str(path))
            last_beat_s, period_s = 10.0 + float(random.uniform(0.0, 0.05)), 1.0 / refresh_hz
            for role in ("recorder", "engine", "desk"):
                life.beat(role, last_beat_s)
            due_s = last_beat_s + MISSED_S
            if cause == "flag":
                due_s = last_beat_s + float(random.uniform(0.1, 0.4))
            late_s = random.exponential(0.001, 200)
            ticks = [10.0 + 0.01 * n for n in range(100)] + [10.0 + period_s * n for n in range(int(1.0 / period_s))]
            noticed_s = None
            for n, tick in enumerate(sorted(ticks)):
                now = tick + float(late_s[n])
                if cause == "flag" and now >= due_s:
                    life.stop("desk", "the operator's button", due_s)
                if guard.trouble(now):
                    noticed_s = now
                    break
            assert noticed_s is not None
            assert noticed_s >= due_s
            swap_s = 10.0 + period_s * np.ceil((noticed_s - 10.0) / period_s + 1e-9) + period_s
            delays_s.append(swap_s - due_s)
            guard.close()
    p99 = float(np.percentile(delays_s, 99))
    figure = f"p99 {1e3 * p99:.1f} ms at {refresh_hz:g} Hz by {cause}, 1000 virtual stops"
    note_figure("H1", figure, f"p99 <= 50 ms, 1000 virtual by {cause}", held=p99 <= DEADLINE_S)
    assert p99 <= DEADLINE_S
    assert np.max(delays_s) <= DEADLINE_S


def test_h1_sources_and_roles_that_left_do_not_stop_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "run.life"
    with LifeSigns.create(path, (*ROLES, "source-eeg")) as life:
        life.beat("source-eeg", 1.0)
        life.beat("desk", 1.0)
        life.leave("desk")
        guard = Guard(str(path))
        assert guard.trouble(100.0) == ""
        guard.stop("escape", 100.0)
        assert guard.trouble(100.1) == "stopped by screen: escape"
        guard.close()
        assert life.has_left("screen")


BEATER = """
import sys
from pathlib import Path
from volo_acquisition.clock import SessionClock
from volo_acquisition.lifesign import LifeSigns
life, clock = LifeSigns(Path(sys.argv[1])), SessionClock()
sys.stdout.write("beating\\n"); sys.stdout.flush()
while True:
    life.beat(sys.argv[2], clock.now())
    clock.sleep(0.005)
"""


@contextmanager
def beating(path: Path, role: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process of the run, which does nothing but live."""
    process = subprocess.Popen([sys.executable, "-c", BEATER, str(path), role], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "beating\n"
        yield process
    finally:
        process.kill()
        process.wait(10.0)
        if process.stdout is not None:
            process.stdout.close()


def window(life: Path, **settings: object) -> ScreenProcess:
    return ScreenProcess(
        ScreenSettings("four", "window", width=320, height=240, ramp_s=0.0, lifesign=str(life), **settings)  # type: ignore[arg-type]
    )


def grey_after(tmp_path: Path, role: str, cause: str, number: int) -> list[float]:
    """Return the seconds from the cause (the flag, or half a second without a beat) to the first grey frame."""
    path = tmp_path / f"{number}.life"
    with ExitStack() as stack:
        life = stack.enter_context(LifeSigns.create(path, ROLES))
        other = stack.enter_context(beating(path, role))
        screens = [stack.enter_context(window(path))]
        clock = SessionClock()
        for screen in screens:
            screen.present(FLICKER, 0.0)
        for screen in screens:
            wait_for(screen, ONSET)
        other.send_signal(signal.SIGSTOP)
        if cause == "flag":
            clock.sleep(0.02)
            due_s = clock.now()
            life.stop("desk", "the operator's button", due_s)
        delays_s = []
        for screen in screens:
            grey = wait_for(screen, SCREEN_GREY)
            if cause == "beat":
                age_s = life.age(role, grey.time)
                assert age_s is not None
                due_s = grey.time - age_s + MISSED_S
            assert ("stopped by desk" if cause == "flag" else f"no sign of life from {role}") in grey.payload["reason"]
            delays_s.append(grey.time - due_s)
        other.send_signal(signal.SIGCONT)
        return delays_s


@needs_posix
@pytest.mark.parametrize(("role", "cause"), [("engine", "beat"), ("recorder", "flag")])
def test_h1_a_real_window_goes_grey_while_another_process_hangs(
    display: str, tmp_path: Path, role: str, cause: str
) -> None:
    """Whether it does, not how fast: the machine may be loaded; the figure is taken by the slow test."""
    (delay_s,) = grey_after(tmp_path, role, cause, 0)
    assert 0.0 <= delay_s < 2.0


@needs_posix
@pytest.mark.slow
def test_h1_many_real_stops(display: str, tmp_path: Path) -> None:
    """A window of its own for each stop; key or deadline to the stamp of the first grey swap.

    Where more programs want to run than there are processors, the system decides when the window runs: then the
    figure is noted, and the goal is asked of nine stops in ten.
    """
    delays_s: list[float] = []
    load = []
    for n in range(200 if LONG else 60):
        role, cause = ("engine", "recorder", "desk")[n % 3], ("flag", "beat")[n % 2]
        delays_s += grey_after(tmp_path, role, cause, n)
        load.append(os.getloadavg()[0])
    p50, p90, p99 = (1e3 * float(p) for p in np.percentile(delays_s, [50, 90, 99]))
    is_idle = max(load) <= 1.5 * (os.cpu_count() or 1)
    busy = f"load {min(load):.1f} to {max(load):.1f} on {os.cpu_count()} processors"
    figure = f"p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f} ms, {len(delays_s)} real stops, {busy}"
    note_figure("H1", figure, "p99 <= 50 ms, 200 real stops (60 without VOLO_LONG)", held=p99 <= 1e3 * DEADLINE_S)
    assert p90 <= 1e3 * DEADLINE_S
    assert max(delays_s) < 2.0
    assert p99 <= 1e3 * DEADLINE_S or not (is_idle and LONG), figure  # of sixty it is the worst one


@needs_posix
@pytest.mark.parametrize("stall_ms", [50, 200])
def test_t4_a_stalled_window_counts_its_missed_frames_and_marks_the_trial(display: str, stall_ms: int) -> None:
    with ScreenProcess(ScreenSettings("four", "window", width=320, height=240)) as screen:
        from volo_app.showing import Showing

        showing, clock = Showing(screen), SessionClock()
        told: list[Marker] = []

        def poll_until(done: Callable[[list[Marker]], bool]) -> None:
            give_up = clock.now() + 20.0
            while not done(told):
                assert clock.now() < give_up
                markers = showing.poll(clock.now())
                told.extend(markers)
                told.extend(showing.trial_frames(showing.take_frames(), markers))
                clock.sleep(0.005)

        showing.present(FLICKER, clock.now())
        poll_until(lambda markers: any(m.label == ONSET for m in markers))
        assert screen.pid is not None
        began_s = clock.now()
        os.kill(screen.pid, signal.SIGSTOP)
        clock.sleep(1e-3 * stall_ms)
        os.kill(screen.pid, signal.SIGCONT)
        stalled_s = clock.now() - began_s
        showing.present(Scene("rest", 0, 0.0, OFFSET, {"trial": 0}), clock.now())
        poll_until(lambda markers: any(m.label == "trial/frames" for m in markers))
        (count,) = [m.payload for m in told if m.label == "trial/frames"]
        missed = [m.payload for m in told if m.label == "screen/missed"]
        assert sum(m["missed"] for m in missed) == count["missed"]
        assert count["missed"] >= int(stalled_s * 60.0) - 2
        assert max(m["held_s"] for m in missed) >= stalled_s - 2.5 / 60.0


def test_t5_a_window_drawn_by_software_is_unverified_and_says_why(display: str) -> None:
    with ScreenProcess(ScreenSettings("four", "window", width=320, height=240)) as screen:
        info = screen.info
    assert info.fenced
    if "llvmpipe" not in info.renderer:
        pytest.skip("needs Linux: a renderer in software")
    assert not info.timing_verified
    assert info.header()["timing_why_not"] == "drawn by software, without a display's clock"


def test_t11_a_wall_clock_set_back_an_hour_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SessionClock()
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 1.0)
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    assert before <= clock.now() < before + 60.0
