"""The virtual screen: stamps lie on frames, never before they are due, and increase."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Scene


def scene(time=0.0):
    return Scene("flicker", 3, time, "stimulus/onset", {"trial": 3, "target": "A"})


@settings(deadline=None)
@given(
    st.sampled_from([59.94, 60.0, 144.0, 240.0]),
    st.floats(-1e4, 1e4),
    st.floats(0.0, 0.05),
    st.lists(st.tuples(st.floats(0.0, 1e3), st.floats(0.0, 1e3)), min_size=1, max_size=20),
)
def test_a_stamp_is_the_first_frame_at_or_after_now_and_the_scenes_time(refresh_hz, start_s, latency_s, offsets):
    for now_offset, scene_offset in offsets:
        screen = VirtualScreen(refresh_hz, start_s, latency_s)
        now, due = start_s + now_offset, start_s + scene_offset
        marker = screen.present(scene(due), now)
        frame = round((marker.time - latency_s - start_s) * refresh_hz)
        assert marker.time == screen.frame_time(frame) + latency_s
        assert screen.frame_time(frame) >= max(now, due)
        assert frame == 0 or screen.frame_time(frame - 1) < max(now, due)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30), st.sets(st.integers(0, 80)))
def test_stamps_increase_strictly_and_avoid_missed_frames(times, missed):
    screen = VirtualScreen(60.0, missed=missed)
    stamps = [screen.present(scene(), now).time for now in sorted(times)]
    assert all(a < b for a, b in itertools.pairwise(stamps))
    assert not {round(stamp * 60) for stamp in stamps} & missed


def test_the_marker_is_the_scenes_and_comes_from_the_screen():
    marker = VirtualScreen(60.0, latency_s=0.008).present(scene(), 0.5)
    assert (marker.label, marker.payload, marker.origin) == (scene().label, scene().payload, "screen")
    assert marker.time == pytest.approx(0.508)


def test_a_scene_due_on_missed_frames_waits_and_is_counted():
    screen = VirtualScreen(60.0, missed=[30, 31])
    assert screen.present(scene(), 0.5).time == pytest.approx(32 / 60)
    assert screen.n_late == 1
    screen.present(scene(), 0.9)
    assert screen.n_late == 1


def test_the_same_calls_give_the_same_stamps():
    runs = [[s.present(scene(), now).time for now in (0.1, 0.1, 0.7)] for s in (VirtualScreen(), VirtualScreen())]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("arguments", [(0.0,), (math.nan,), (60.0, math.inf), (60.0, 0.0, -0.1), (60.0, 0.0, math.nan)])
def test_impossible_screens_are_refused(arguments):
    with pytest.raises(ValueError, match="got"):
        VirtualScreen(*arguments)


@pytest.mark.parametrize(("due", "now"), [(0.0, math.nan), (math.nan, 0.0), (math.inf, 0.0)])
def test_times_that_are_not_finite_are_refused(due, now):
    with pytest.raises(ValueError, match="must be finite"):
        VirtualScreen().present(scene(due), now)
