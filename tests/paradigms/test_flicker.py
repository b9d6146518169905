"""Flicker: luminance follows the presented frame's time, so dropped frames do not shift the phase."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_paradigms.flicker import Flicker, drive_level, frame_index
from volo_paradigms.layout import load_layout

REFRESH_RATES = (59.94, 59.951, 60.0, 75.0, 119.88, 120.0, 143.91, 144.0, 165.0, 239.76, 240.0)
refresh_rates = st.one_of(st.sampled_from(REFRESH_RATES), st.floats(59.94, 240.0))


@settings(deadline=None)
@given(refresh_rates, st.integers(0, 1_000_000), st.floats(0.1, 29.97), st.floats(-7.0, 7.0))
def test_the_level_is_the_sampled_sinusoid_within_one_step_of_eight_bits(refresh_hz, k, frequency_hz, phase_rad):
    exact = 0.5 * (1.0 + math.sin(2.0 * math.pi * frequency_hz * k / refresh_hz + phase_rad))
    level = float(drive_level(k, frequency_hz, phase_rad, refresh_hz))
    assert 0.0 <= level <= 1.0
    assert abs(round(255 * level) - round(255 * exact)) <= 1
    assert level == pytest.approx(exact, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(refresh_rates, st.floats(0.0, 1e5), st.data())
def test_a_dropped_frame_costs_one_value_and_not_the_phase(refresh_hz, start_s, data):
    n = 400
    layout = load_layout("benchmark40")
    whole = drive_level(np.arange(n)[:, None], layout.frequencies_hz, layout.phases_rad, refresh_hz)
    dropped = data.draw(st.sets(st.integers(1, n - 1), max_size=80))
    kept = np.array([k for k in range(n) if k not in dropped])
    jitter_s = np.array(data.draw(st.lists(st.floats(-0.45, 0.45), min_size=n, max_size=n)))[kept] / refresh_hz
    index = frame_index(start_s + kept / refresh_hz + jitter_s, start_s, refresh_hz)
    shown = drive_level(index[:, None], layout.frequencies_hz, layout.phases_rad, refresh_hz)
    np.testing.assert_array_equal(index, kept)
    np.testing.assert_array_equal(shown, whole[kept])


@pytest.mark.parametrize("refresh_hz", REFRESH_RATES)
def test_the_phase_is_right_within_a_hundredth_radian_over_a_million_frames_with_drops(refresh_hz):
    generator = np.random.default_rng(7)
    n, frequency_hz, phase_rad, start_s = 1_000_000, 15.8, 1.0, 1234.5
    kept = np.flatnonzero(generator.random(n) > 0.02)
    times = start_s + kept / refresh_hz
    stamps = times + generator.uniform(-0.3, 0.3, kept.size) / refresh_hz
    level = drive_level(frame_index(stamps, start_s, refresh_hz), frequency_hz, phase_rad, refresh_hz)
    turn = np.exp(-2j * np.pi * frequency_hz * (times - start_s))
    for stretch in (slice(0, 20_000), slice(-20_000, None), slice(None)):  # the beginning, the end, the whole
        design = np.column_stack([turn[stretch].real, -turn[stretch].imag, np.ones(turn[stretch].size)])
        cosine, sine, _ = np.linalg.lstsq(design, level[stretch], rcond=None)[0]
        assert abs(math.remainder(math.atan2(cosine, sine) - phase_rad, 2 * math.pi)) < 0.01


def test_a_counter_of_frames_would_lose_the_phase_where_the_frame_index_does_not():
    refresh_hz, frequency_hz = 60.0, 15.8
    shown = np.array([0, 1, 2, 4, 5, 6])  # frame 3 was dropped
    right = drive_level(shown, frequency_hz, 0.0, refresh_hz)
    from_times = drive_level(frame_index(shown / refresh_hz, 0.0, refresh_hz), frequency_hz, 0.0, refresh_hz)
    from_counter = drive_level(np.arange(6), frequency_hz, 0.0, refresh_hz)
    np.testing.assert_array_equal(from_times, right)
    assert np.abs(from_counter - right)[3:].max() > 0.3


def test_the_first_frame_is_frame_zero_and_earlier_ones_are_negative():
    assert frame_index(10.0, 10.0, 60.0) == 0
    assert frame_index(10.0 - 1 / 60, 10.0, 60.0) == -1
    assert isinstance(frame_index(10.5, 10.0, 60.0), int)


@pytest.mark.parametrize("frequency_hz", [30.01, 0.0, -8.0, math.nan, math.inf])
def test_a_frequency_the_screen_cannot_show_is_refused(frequency_hz):
    with pytest.raises(ValueError, match=r"frequency_hz: got .*a screen at 60 Hz shows above 0 and at most 30 Hz"):
        drive_level(0, [10.0, frequency_hz], [0.0, 0.0], 60.0)


def test_half_the_refresh_rate_is_still_shown():
    assert drive_level([0, 1, 2], 30.0, math.pi / 2, 60.0) == pytest.approx([1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: drive_level(0, 10.0, math.nan, 60.0), "phase_rad"),
        (lambda: drive_level(math.inf, 10.0, 0.0, 60.0), "frame_index"),
        (lambda: drive_level(0, 10.0, 0.0, math.nan), "refresh_hz"),
        (lambda: drive_level(0, 10.0, 0.0, 0.0), "refresh_hz"),
        (lambda: frame_index(math.nan, 0.0, 60.0), "time_s"),
        (lambda: frame_index(0.0, math.inf, 60.0), "time_s"),
        (lambda: frame_index(0.0, 0.0, -60.0), "refresh_hz"),
    ],
)
def test_values_that_are_not_finite_or_not_possible_are_refused_by_name(call, name):
    with pytest.raises(ValueError, match=name):
        call()


def test_the_paint_path_writes_into_the_array_it_is_given():
    layout = load_layout("benchmark40")
    flicker = Flicker(layout.frequencies_hz, layout.phases_rad, 60.0)
    out = np.empty(40)
    assert flicker.level(123, out=out) is out
    np.testing.assert_array_equal(out, drive_level(123, layout.frequencies_hz, layout.phases_rad, 60.0))
