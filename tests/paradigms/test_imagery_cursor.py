"""The cursor: a clamped line, pushed by what two classes weigh, and selection by staying at an end."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_decoders.types import Decision, Prediction
from volo_paradigms.cursor import Cursor, ImageryCursor
from volo_paradigms.driver import drive
from volo_paradigms.screen import VirtualScreen

ENDS = ("left", "right")


def decision(label, confidence=1.0, group=0, time=0.0):
    return Decision(time, 0, label, confidence, 1, group)


def prediction(left, right, classes=ENDS):
    return Prediction(0, 0.0, 0, 10, classes, np.array([left, right]), "d")


moves = st.lists(st.tuples(st.sampled_from(ENDS), st.floats(0.0, 1.0)), max_size=30)


@given(moves, st.floats(0.01, 2.0))
def test_the_position_stays_on_the_line_and_moves_towards_the_decided_class(steps, gain):
    cursor = Cursor(ENDS, gain)
    for label, confidence in steps:
        before = cursor.position
        (command,) = cursor.decide(decision(label, confidence), 0.0)
        assert -1.0 <= cursor.position <= 1.0
        assert (cursor.position - before) * (1.0 if label == "right" else -1.0) >= 0.0
        assert command.target == "cursor"
        assert float(command.value) == pytest.approx(cursor.position, abs=5.001e-4)


@given(moves)
def test_swapping_the_classes_mirrors_the_path(steps):
    one, other = Cursor(ENDS), Cursor(ENDS[::-1])
    for label, confidence in steps:
        one.decide(decision(label, confidence), 0.0)
        other.decide(decision(label, confidence), 0.0)
        assert one.position == -other.position


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_a_prediction_moves_by_the_difference_of_the_probabilities_whatever_the_order_of_classes(left, right):
    one, other = Cursor(ENDS, 0.5), Cursor(ENDS, 0.5)
    one.predict(prediction(left, right), 0.0)
    other.predict(prediction(right, left, ENDS[::-1]), 0.0)
    e = np.exp(np.array([left, right]) - max(left, right))
    assert one.position == pytest.approx(0.5 * (e[1] - e[0]) / e.sum(), abs=1e-12)
    assert one.position == other.position


def test_abstaining_moves_nothing():
    cursor = Cursor(ENDS)
    assert cursor.decide(decision(None), 0.0) == []
    assert cursor.position == 0.0


def test_an_end_that_is_held_is_selected_once_and_the_cursor_returns():
    cursor = Cursor(ENDS, 2.0, dwell_s=1.0)
    cursor.decide(decision("left"), 10.0)
    assert cursor.advance(10.99) == []
    assert [(c.target, c.value) for c in cursor.advance(11.0)] == [("select", "left"), ("cursor", "+0.000")]
    assert cursor.advance(30.0) == []
    assert cursor.position == 0.0


def test_leaving_the_end_begins_the_dwelling_anew():
    cursor = Cursor(ENDS, 2.0, dwell_s=1.0)
    cursor.decide(decision("right"), 0.0)
    cursor.decide(decision("left", 0.1), 0.9)
    assert cursor.advance(5.0) == []
    cursor.decide(decision("right"), 5.0)
    assert cursor.advance(5.9) == []
    assert cursor.advance(6.0)[0].value == "right"


def test_staying_pushed_against_the_end_counts_from_the_arrival():
    cursor = Cursor(ENDS, 2.0, dwell_s=1.0)
    cursor.decide(decision("right"), 0.0)
    cursor.decide(decision("right"), 0.9)
    assert cursor.advance(1.0)[0].target == "select"


def test_commands_count_up():
    cursor = Cursor(ENDS, 2.0, dwell_s=0.0)
    commands = []
    for k in range(5):
        commands += cursor.decide(decision("left"), float(k)) + cursor.advance(float(k))
    assert [c.sequence for c in commands] == list(range(15))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": ("left", "left")}, "two different"),
        ({"classes": ("a", "b", "c")}, "two ends"),
        ({"gain": 0.0}, "gain"),
        ({"gain": math.nan}, "gain"),
        ({"dwell_s": -1.0}, "dwell_s"),
        ({"valid_for_s": 0.0}, "valid_for_s"),
    ],
)
def test_an_impossible_cursor_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Cursor(**{"classes": ENDS, **wrong})


def test_foreign_classes_are_refused():
    with pytest.raises(ValueError, match="the cursor has left and right"):
        Cursor(ENDS).decide(decision("feet"), 0.0)
    with pytest.raises(ValueError, match=r"prediction\.classes"):
        Cursor(ENDS).predict(prediction(0, 1, ("left", "feet")), 0.0)


def steered(label, **changes):
    paradigm = ImageryCursor(ImageryCursor.Settings(**{"n_trials": 12, **changes}))

    def decide(view, now):
        return decision(label, 1.0, view.trial, now) if now - view.onset_s > 2.0 else None

    return paradigm, drive(paradigm, VirtualScreen(), decide)


def test_constant_imagery_selects_its_end_again_and_again_until_enough():
    paradigm, log = steered("right", gain=0.5, dwell_s=1.0, n_selections=2)
    assert [c.value for c in log.commands if c.target == "select"] == ["right", "right"]
    assert paradigm.n_selections == 2
    assert paradigm.trial < 11


def test_a_run_without_decisions_moves_nothing_and_ends_after_its_trials():
    paradigm = ImageryCursor(ImageryCursor.Settings(n_trials=3))
    log = drive(paradigm, VirtualScreen())
    assert log.commands == []
    assert paradigm.trial == 2
    assert log.scenes[-1].kind == "end"


@settings(deadline=None)
@given(st.floats(0.0, 20.0), st.floats(0.5, 10.0))
def test_a_pause_selects_nothing(pause_s, length_s):
    paradigm = ImageryCursor(ImageryCursor.Settings(n_trials=6, gain=2.0, dwell_s=0.4))

    def decide(view, now):
        return decision("left", 1.0, view.trial, now) if now - view.onset_s > 1.0 else None

    log = drive(paradigm, VirtualScreen(), decide, actions=[(pause_s, "pause"), (pause_s + length_s, "resume")])
    assert not [c for c in log.commands if pause_s + 0.04 < c.time < pause_s + length_s]


@pytest.mark.parametrize("wrong", [{"n_trials": 0}, {"n_selections": 0}, {"classes": ("a", "b", "c")}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ImageryCursor(ImageryCursor.Settings(**wrong))
