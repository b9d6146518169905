"""Rows T1 to T10 of the reliability matrix: frames, refresh rates, levels, on a virtual clock.

The reference for levels is the formula of Chen et al. 2015 in float64; for times the true grid of the virtual display.
"""

from __future__ import annotations

import gc
import math
import tracemalloc

import numpy as np
import pytest
from figures import note_figure
from numpy.typing import NDArray

from volo_acquisition.errors import ConfigError
from volo_app.stimulus.director import Director
from volo_app.stimulus.frames import FrameClock, FrameLog, RefreshWatch, measured_refresh_hz
from volo_app.stimulus.pace import N_IGNORED, N_SWAPS, PaceFinder
from volo_app.stimulus.picture import Picture
from volo_paradigms.layout import load_layout
from volo_paradigms.modulation import Codes, Flashes, Sines
from volo_paradigms.types import Scene

RATES_HZ = (59.94, 60.0, 75.0, 120.0, 144.0, 165.0, 240.0)
#: Fastest key of the 40-target speller, and the longest trial.
FASTEST_HZ, TRIAL_S = 15.8, 6.0
#: Frames before the first trial, while the signal's filters settle.
LEARNING = 600


class VirtualDisplay:
    """Swaps of a display that really runs at `refresh_hz` and, now and then, misses 1, 2 or 10 frames."""

    def __init__(self, refresh_hz: float, n: int, *, seed: int, drop_rate: float = 2e-3, jitter_s: float = 3e-4):
        random = np.random.default_rng(seed)
        self.period_s = 1.0 / refresh_hz
        missed = np.where(random.random(n) < drop_rate, random.choice([1, 2, 10], n), 0)
        missed[: N_SWAPS + 1] = 0
        self.missed: NDArray[np.int64] = missed
        self.grid = np.cumsum(1 + missed)
        self.true_s = self.grid * self.period_s
        self.stamps_s = self.true_s + np.abs(random.normal(0.0, jitter_s, n))


def run_frames(display: VirtualDisplay, mode_hz: float) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Run the window's own logic over a display: rows of the log, seconds of phase of each frame on time, first row."""
    finder, n = PaceFinder(), len(display.stamps_s)
    for stamp in display.stamps_s[:N_SWAPS]:
        finder.add(float(stamp))
    pace = finder.pace(mode_hz, 60.0)
    assert pace.is_vsync
    clock = FrameClock(pace.refresh_hz, float(display.stamps_s[N_SWAPS - 1]), pace.gain)
    log = FrameLog(clock.period_s, capacity=n + 1)
    stamps = display.stamps_s.tolist()
    pace.swapped_s = stamps[N_SWAPS - 1]
    log.add(0, pace.swapped_s, 0)
    onset, onset_true, period_s = 0, display.true_s[N_SWAPS - 1], clock.period_s
    errors_s = np.full(n, np.nan)
    trial_frames = int(TRIAL_S / display.period_s)
    for i in range(N_SWAPS, n):
        drawn = clock.number(pace.expected_s(pace.swapped_s, clock))
        if (
            drawn - onset >= trial_frames or i == N_SWAPS + LEARNING
        ):  # a new flicker: from here on by the rate as it is known now
            onset, onset_true, period_s = (
                drawn,
                display.true_s[i] - display.missed[i] * display.period_s,
                clock.period_s,
            )
        if not display.missed[i]:
            errors_s[i] = (drawn - onset) * period_s - (display.true_s[i] - onset_true)
        pace.swapped_s = stamps[i]
        presented = clock.number(stamps[i])
        clock.follow(presented, stamps[i])
        log.add(drawn, stamps[i], presented)
    return log.take(), errors_s, N_SWAPS


def check_frames(n: int, refresh_hz: float, seed: int) -> tuple[int, float]:
    """Return how many frames were missed and the worst phase error, having checked that none went unseen."""
    display = VirtualDisplay(refresh_hz, n, seed=seed)
    rows, errors_s, first = run_frames(display, refresh_hz * 1.002)
    assert np.array_equal(rows[1:, 3], display.missed[first:])
    assert np.array_equal(rows[1:, 2] > 0, display.missed[first:] > 0)
    settled = errors_s[first + LEARNING + 1 :]
    worst_rad = 2.0 * math.pi * FASTEST_HZ * float(np.nanmax(np.abs(settled)))
    return int(display.missed.sum()), worst_rad


def test_t1_dropped_frames_cost_no_phase_and_none_goes_unseen() -> None:
    n_missed, worst_rad = check_frames(30_000, 59.94, seed=1)
    assert n_missed > 100
    assert worst_rad < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("refresh_hz", [59.94, 144.0])
def test_t1_a_million_frames(refresh_hz: float) -> None:
    n_missed, worst_rad = check_frames(1_000_000, refresh_hz, seed=2)
    figure = f"worst {worst_rad:.4f} rad, {n_missed} missed frames all seen, 1000000 frames at {refresh_hz:g} Hz"
    note_figure("T1", figure, f"< 0.01 rad, 0 unseen at {refresh_hz:g} Hz", held=worst_rad < 0.01)
    assert n_missed > 5000
    assert worst_rad < 0.01


@pytest.mark.parametrize("n_dropped", [1, 2, 10])
def test_t1_the_frame_after_a_drop_is_on_the_true_grid(n_dropped: int) -> None:
    clock = FrameClock(60.0, 0.0, 0.005)
    for n in range(1, 300):
        clock.follow(n, n / 60.0)
    back = 300 + n_dropped
    assert clock.number(back / 60.0 + 0.001) == back
    assert abs(clock.time(back) - back / 60.0) * 2.0 * math.pi * FASTEST_HZ < 0.01


def formula(modulation: Sines, frames: NDArray[np.int64], refresh_hz: float) -> NDArray[np.float64]:
    f, phase = np.array(modulation.frequencies_hz), np.array(modulation.phases_rad)
    return 0.5 * (1.0 + np.sin(2.0 * np.pi * f * (frames[:, None] / refresh_hz) + phase))


@pytest.mark.parametrize("refresh_hz", RATES_HZ)
def test_t2_the_level_is_the_formula_at_every_refresh_rate(refresh_hz: float) -> None:
    layout = load_layout("benchmark40")
    picture = Director(layout, refresh_hz, 16 / 9).scene(Scene("flicker", 0, 0.0, "x", {"trial": 0}))
    frames = np.arange(0, int(6.0 * refresh_hz))
    out = np.empty(len(picture.rectangles))
    levels = np.array([picture.levels(int(k), out).copy() for k in frames])
    expected = formula(Sines(layout.frequencies_hz, layout.phases_rad), frames, refresh_hz)
    worst = float(np.abs(levels - expected).max())
    note_figure("T2", f"{worst:.1e} at {refresh_hz:g} Hz, {levels.size} levels", f"1/255 at {refresh_hz:g} Hz")
    assert worst <= 1.0 / 255.0 * 1e-6


@pytest.mark.parametrize("refresh_hz", RATES_HZ)
def test_t2_the_rate_is_measured_and_not_rounded(refresh_hz: float) -> None:
    display = VirtualDisplay(refresh_hz, 1000, seed=3, drop_rate=0.01)
    assert measured_refresh_hz(display.stamps_s) == pytest.approx(refresh_hz, rel=1e-4)
    clock = FrameClock(round(refresh_hz), float(display.stamps_s[0]), 0.005)
    for stamp in display.stamps_s.tolist():
        clock.follow(clock.number(stamp), stamp)
    assert clock.refresh_hz == pytest.approx(refresh_hz, rel=5e-5)


@pytest.mark.parametrize("other_hz", [59.0, 50.0, 61.0, 75.0])
@pytest.mark.parametrize("seed", range(5))
def test_t3_another_refresh_rate_is_noticed_within_half_a_second(other_hz: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    before = np.arange(600) / 60.0
    after = before[-1] + np.arange(1, 60) / other_hz
    watch = RefreshWatch(60.0)
    jitter = np.abs(random.normal(0.0, 3e-4, 659))
    noticed = [watch.add(float(stamp)) for stamp in np.concatenate([before, after]) + jitter]
    assert not any(noticed[:600])
    assert after[noticed[600:].index(True)] - before[-1] <= 0.5


def test_t3_missed_frames_are_no_other_rate() -> None:
    display = VirtualDisplay(60.0, 20_000, seed=4, drop_rate=0.02)
    watch = RefreshWatch(60.0)
    assert not any(watch.add(stamp) for stamp in display.stamps_s.tolist())


def flicker_picture() -> Picture:
    return Director(load_layout("benchmark40"), 60.0, 16 / 9).scene(Scene("flicker", 0, 0.0, "x", {"trial": 0}))


def test_t9_the_paint_path_allocates_nothing_with_the_collector_off() -> None:
    """50 MB made and dropped elsewhere, and the collector forced: the frame's own work asks for no memory."""
    picture, out = flicker_picture(), np.empty(40)
    clock, log = FrameClock(60.0, 0.0, 0.005), FrameLog(1 / 60.0)
    for frame in range(10):
        picture.levels(frame, out)
    ballast = [bytearray(1024) for _ in range(50_000)]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    del ballast
    tracemalloc.reset_peak()
    start, _ = tracemalloc.get_traced_memory()
    for frame in range(1000, 3000):
        number = clock.number(frame / 60.0)
        picture.levels(number, out)
        clock.follow(number, frame / 60.0)
        log.add(number, frame / 60.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - start < 4096  # numbers only; an array of 40 levels in every frame would still be below, so:
    assert before < 4096
    assert log.take()[:, 3].sum() == 0


def test_t9_levels_are_written_where_they_belong_for_every_kind_of_flicker() -> None:
    out = np.empty(4)
    kinds = (
        Sines((8.0, 9.0, 10.0, 11.0), (0.0,) * 4),
        Codes(((0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 1))),
        Flashes(((0, 1), (2, 3)), 4),
    )
    for kind in kinds:
        assert kind.at(60.0).level(3, out) is out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("frequency_hz = 31.0", "at most 30 Hz"),
        ("frequency_hz = -1.0", "expected a finite number above 0"),
        ("frequency_hz = nan", "expected a finite number above 0"),
        ("phase_rad = nan", "expected a finite number"),
        ("frequency_hz = 10.8, phase_rad = 0.0", "flickers exactly like"),
    ],
)
def test_t10_a_flicker_that_cannot_be_is_refused_when_it_is_loaded(tmp_path, change: str, message: str) -> None:
    fields = "frequency_hz = 9.0, phase_rad = 0.0"
    for part in change.split(", "):
        name = part.partition(" ")[0]
        fields = ", ".join(part if field.startswith(name) else field for field in fields.split(", "))
    path = tmp_path / "odd.toml"
    path.write_text(
        'schema = 1\nname = "odd"\nkeys = [\n'
        f'{{ label = "A", row = 0, column = 0, rectangle = [0.1, 0.1, 0.2, 0.2], {fields} }},\n'
        '{ label = "B", row = 0, column = 1, rectangle = [0.5, 0.1, 0.2, 0.2], frequency_hz = 10.8, phase_rad = 0 },\n'
        "]\n"
    )
    with pytest.raises((ConfigError, ValueError), match=message):
        Director(load_layout(path), 60.0, 1.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sines((31.0,), (0.0,)).at(60.0), "at most 30 Hz"),
        (lambda: Sines((8.0,), (math.nan,)).at(60.0), "must be finite"),
        (lambda: Sines((8.0,), ()), "there are 1 frequencies"),
        (lambda: Codes(((0, 1),), 120.0).at(60.0), "bit_rate_hz: got 120"),
        (lambda: Codes(((0, 2),)), "something else than 0 and 1"),
        (lambda: Codes(((0, 1), (1,))), "rows of one length"),
        (lambda: Flashes(((5,),), 4), "there are 4 keys"),
        (lambda: Flashes(((0,),), 4, on_s=0.3, soa_s=0.2), "expected 0 < on_s <= soa_s"),
        (lambda: Flashes(((0,),), 4, on_s=0.01).at(60.0), "a frame lasts"),
        (lambda: Sines((8.0,), (0.0,), depth=0.0), "depth"),
    ],
)
def test_t10_a_modulation_that_cannot_be_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_first_swaps_are_enough_to_know_the_pace() -> None:
    assert N_SWAPS - N_IGNORED >= 30
