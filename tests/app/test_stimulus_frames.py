"""Frame numbers from time, their log, and how the pace is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_app.stimulus.frames import FrameClock, FrameLog, measured_refresh_hz
from volo_app.stimulus.pace import N_IGNORED, N_SWAPS, PaceFinder, is_software

rates = st.floats(30.0, 360.0)


@given(rates, st.floats(-1e5, 1e5), st.integers(0, 10**6), st.floats(-0.45, 0.45))
def test_a_frame_less_than_half_a_period_off_keeps_its_number(
    refresh_hz: float, start_s: float, number: int, off: float
) -> None:
    clock = FrameClock(refresh_hz, start_s)
    assert clock.number(clock.time(number) + off / refresh_hz) == number


@given(rates, st.integers(0, 10**5), st.integers(1, 500))
def test_a_late_frame_costs_values_and_not_the_phase(refresh_hz: float, number: int, n_late: int) -> None:
    clock = FrameClock(refresh_hz, 0.0)
    assert clock.number(clock.time(number) + n_late / refresh_hz) == number + n_late


@given(rates, st.integers(0, 10**5), st.floats(0.0, 10.0))
def test_the_next_frame_is_a_later_one_and_not_over_yet(refresh_hz: float, last: int, late_s: float) -> None:
    clock = FrameClock(refresh_hz, 0.0)
    now = clock.time(last) + late_s
    due = clock.next_after(now, last)
    assert clock.number(due) > last
    assert due > now - clock.period_s - 1e-9


def test_a_display_slower_than_it_says_is_followed_without_losing_frames() -> None:
    clock = FrameClock(60.0, 0.0, gain=0.02)
    true_hz, jitter = 59.94, np.random.default_rng(0).normal(0.0, 0.0005, 6000)
    numbers = []
    for n in range(6000):
        swap_s = n / true_hz + jitter[n]
        number = clock.number(swap_s)
        clock.follow(number, swap_s)
        numbers.append(number)
    steps = np.diff(numbers)
    # 59.94 Hz loses a frame of a 60 Hz grid every 16.7 s; the follower takes them one by one or not at all
    assert set(steps.tolist()) <= {0, 1, 2}
    assert np.count_nonzero(steps != 1) <= 6


def test_stamps_that_are_a_frame_off_do_not_move_the_grid() -> None:
    clock = FrameClock(60.0, 0.0, gain=0.5)
    clock.follow(10, 11 / 60.0)
    assert clock.time(10) == 10 / 60.0


def test_late_and_missed_frames_are_logged() -> None:
    log = FrameLog(1 / 60.0)
    for number, time_s in ((0, 0.0), (1, 1 / 60.0), (4, 4 / 60.0), (5, 5.3 / 60.0)):
        log.add(number, time_s)
    rows = log.take()
    assert rows[:, 1:].tolist() == [[0, 0, 0], [1, 0, 0], [4, 1, 2], [5, 1, 0]]
    assert len(log) == 0
    log.add(6, 6.3 / 60.0)
    assert log.take()[0, 1:].tolist() == [6, 0, 0]


def test_a_log_nobody_takes_counts_what_it_loses() -> None:
    log = FrameLog(1 / 60.0, capacity=4)
    for number in range(10):
        log.add(number, number / 60.0)
    assert log.n_lost + len(log) == 10


def test_the_measured_rate_resists_hiccups() -> None:
    swaps = np.arange(60) / 60.0
    swaps[30:] += 0.2
    assert measured_refresh_hz(swaps) == pytest.approx(60.0)


def swaps_at(refresh_hz: float) -> PaceFinder:
    finder = PaceFinder()
    for n in range(N_SWAPS):
        finder.add(n / refresh_hz if n >= N_IGNORED else 1e-4 * n - 1.0)
    assert finder.is_done
    return finder


def test_a_driver_that_waits_for_the_display_is_believed_after_measurement() -> None:
    pace = swaps_at(59.94).pace(mode_hz=59.951, timer_hz=60.0)
    assert pace.is_vsync
    assert pace.refresh_hz == 59.951
    assert pace.gain > 0.0


def test_a_display_that_runs_at_another_rate_than_it_says_is_measured() -> None:
    pace = swaps_at(61.5).pace(mode_hz=60.0, timer_hz=60.0)
    assert pace.is_vsync
    assert pace.refresh_hz == pytest.approx(61.5)


@pytest.mark.parametrize(("free_hz", "mode_hz"), [(1800.0, 60.0), (25.0, 60.0), (60.0, 0.0)])
def test_frames_that_do_not_follow_the_display_are_timed_by_us(free_hz: float, mode_hz: float) -> None:
    pace = swaps_at(free_hz).pace(mode_hz, timer_hz=60.0)
    assert not pace.is_vsync
    assert (pace.refresh_hz, pace.gain) == (60.0, 0.0)
    assert "does not wait" in pace.why_not_verified("GeForce")


def test_timing_is_never_verified_without_a_measurement_of_light() -> None:
    pace = swaps_at(60.0).pace(60.0, 60.0)
    assert pace.why_not_verified("GeForce") == "not measured with a photodiode"
    assert "software" in pace.why_not_verified("llvmpipe (LLVM 15)")


@pytest.mark.parametrize(
    "name", ["llvmpipe (LLVM 15.0.6, 256 bits)", "Google SwiftShader", "Microsoft Basic Render Driver"]
)
def test_renderers_in_software_are_known(name: str) -> None:
    assert is_software(name)
    assert not is_software("NVIDIA GeForce RTX 3060/PCIe/SSE2")
