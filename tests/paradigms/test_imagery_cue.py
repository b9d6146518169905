"""Cued imagery: the timing of Graz, a balanced order that cannot be guessed, and the participant's answer to it."""

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.driver import drive
from volo_paradigms.grammar import marker_problems, sequence_problems
from volo_paradigms.imagery import ImageryCue, balanced_order
from volo_paradigms.imagery_will import ImageryWill
from volo_paradigms.screen import VirtualScreen

FOUR = ("left", "right", "feet", "tongue")


def cued(**changes):
    return ImageryCue(ImageryCue.Settings(**{"n_per_class": 3, **changes}))


def times_of(log):
    return {(m.label, m.payload["trial"]): m.time for m in log.markers}


@given(st.integers(0, 2**32), st.integers(1, 23), st.integers(2, 4))
def test_every_class_is_cued_equally_often_in_the_run_and_in_each_block(seed, n_per_class, n_classes):
    classes = FOUR[:n_classes]
    order = balanced_order(classes, n_per_class, seed)
    assert Counter(order) == dict.fromkeys(classes, n_per_class)
    for start in range(0, len(order) - 5 * n_classes + 1, 5 * n_classes):
        assert Counter(order[start : start + 5 * n_classes]) == dict.fromkeys(classes, 5)


def test_the_order_is_the_seeds_and_the_last_cue_does_not_tell_the_next():
    assert balanced_order(FOUR, 10, 1) == balanced_order(FOUR, 10, 1) != balanced_order(FOUR, 10, 2)
    orders = [balanced_order(("left", "right"), 20, seed) for seed in range(50)]
    repeats = sum(a == b for order in orders for a, b in pairwise(order))
    assert 0.4 < repeats / (50 * 39) < 0.5  # balanced blocks make a repeat a little rarer than a change


def test_the_markers_tell_cue_and_target_of_each_trial():
    paradigm = cued(classes=FOUR)
    log = drive(paradigm, VirtualScreen())
    assert [m.payload["cue"] for m in log.markers if m.label == "trial/start"] == list(paradigm.order)
    assert [m.payload["target"] for m in log.markers if m.label == "stimulus/onset"] == list(paradigm.order)
    assert paradigm.n_complete == 12
    assert log.commands == []
    assert log.scenes[-1].kind == "end"


def test_cross_arrow_imagery_and_rest_last_as_set_with_imagery_counted_from_the_arrow():
    log = drive(cued(rest_spread_s=0.8), VirtualScreen(100.0), hop_s=0.01)
    times = times_of(log)
    rests = []
    for trial in range(6):
        assert 2.0 <= times["stimulus/onset", trial] - times["trial/start", trial] < 2.05
        assert 1.25 <= times["stimulus/cue-off", trial] - times["stimulus/onset", trial] < 1.30
        assert 4.0 <= times["stimulus/offset", trial] - times["stimulus/onset", trial] < 4.05
        if trial:
            rests.append(times["trial/start", trial] - times["stimulus/offset", trial - 1])
    assert all(1.5 <= rest < 2.35 for rest in rests)
    assert max(rests) - min(rests) > 0.1


def test_scenes_follow_one_another_cross_cue_imagery_rest():
    log = drive(cued(n_per_class=1), VirtualScreen())
    assert [scene.kind for scene in log.scenes] == [
        *("fixation", "cue", "imagery", "rest"),
        "fixation",
        "cue",
        "imagery",
        "end",
    ]


def test_a_decision_is_noted_once_and_changes_nothing_else():
    def decide(view, now):
        return Decision(now, 0, "left", 0.8, 1, view.trial) if now - view.onset_s > 3.5 else None

    with_decisions, without = drive(cued(), VirtualScreen(), decide), drive(cued(), VirtualScreen())
    noted = [m for m in with_decisions.markers if m.label == "trial/decision"]
    assert [m.payload["trial"] for m in noted] == list(range(6))
    assert {m.payload["key"] for m in noted} == {"left"}
    rest = [m for m in with_decisions.markers if m.label != "trial/decision"]
    assert rest == without.markers
    assert {s.kind for s in with_decisions.scenes} >= {"feedback"}


@settings(deadline=None)
@given(st.floats(0.0, 60.0))
def test_a_trial_given_up_by_a_pause_is_cued_again(pause_s):
    paradigm = cued()
    log = drive(paradigm, VirtualScreen(), actions=[(pause_s, "pause"), (pause_s + 3.0, "resume")])
    cues = [m.payload["cue"] for m in log.markers if m.label == "trial/start"]
    again = [cues[:k] + cues[k + 1 :] for k in range(len(cues) - 1) if cues[k] == cues[k + 1]]
    assert list(paradigm.order) in [cues, *again]
    assert paradigm.n_complete == len(paradigm.order)
    assert sequence_problems(log.markers) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ("left",)}, "classes"),
        ({"classes": ("left", "left")}, "classes"),
        ({"classes": ("a", "b", "c", "d", "e")}, "classes"),
        ({"n_per_class": 0}, "n_per_class"),
        ({"cue_s": 4.0}, "cue_s"),
        ({"imagery_s": math.inf}, "imagery_s"),
        ({"rest_s": -1.0, "fixation_s": math.nan}, "fixation_s.*rest_s"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        cued(**changes)


def test_time_does_not_run_backwards():
    paradigm = cued()
    paradigm.advance(1.0)
    with pytest.raises(ValueError, match="not before the last"):
        paradigm.advance(0.5)


def test_the_participant_imagines_from_soon_after_the_cue_to_soon_after_the_end():
    paradigm = cued()
    log = drive(paradigm, VirtualScreen(), will=ImageryWill(reaction_s=0.25))
    times = times_of(drive(cued(), VirtualScreen()))
    attends = [m for m in log.markers if m.label == "participant/attend"]
    assert [p for m in log.markers for p in marker_problems(m)] == []
    begun, ended = attends[::2], attends[1::2]
    assert [m.payload["imagine"] for m in begun] == list(paradigm.order)
    assert {m.payload["imagine"] for m in ended} == {None}
    for trial, (a, b) in enumerate(zip(begun, ended, strict=True)):
        assert a.time == pytest.approx(times["stimulus/onset", trial] + 0.25)
        assert b.time == pytest.approx(times["stimulus/offset", trial] + 0.25)


def test_a_lapse_imagines_nothing_and_says_what_was_meant():
    will = ImageryWill(lapse=1.0)
    (answer,) = will.take(Marker(1.0, "stimulus/onset", {"trial": 0, "target": "feet"}))
    assert answer.payload["imagine"] is None
    assert answer.payload["intended"] == "feet"
    assert will.take(Marker(5.0, "stimulus/offset", {"trial": 0})) == []


def test_where_nothing_is_cued_the_participant_follows_its_wish():
    onset = Marker(1.0, "stimulus/onset", {"trial": 0, "target": None})
    assert ImageryWill("right").take(onset)[0].payload["imagine"] == "right"
    assert ImageryWill().take(onset)[0].payload["imagine"] is None


@pytest.mark.parametrize("wrong", [{"lapse": 1.5}, {"reaction_s": -0.1}, {"reaction_s": math.inf}])
def test_an_impossible_participant_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ImageryWill(**wrong)


def test_feedback_shows_predictions_of_the_current_trial_only():
    import numpy as np

    from volo_decoders.types import Prediction

    paradigm = ImageryCue(
        ImageryCue.Settings(("left", "right"), 1, fixation_s=0.1, cue_s=0.2, imagery_s=1.0, feedback=True)
    )
    (fixation,) = paradigm.advance(0.0)
    paradigm.shown(Marker(0.0, fixation.label, fixation.payload))
    (cue,) = paradigm.advance(0.2)

    def prediction(group, scores):
        return Prediction(100, 0.5, group, 50, ("left", "right"), np.array(scores), "d")

    assert paradigm.predict(prediction(0, [0.0, 0.0])) == []  # the cue is not on yet
    paradigm.shown(Marker(0.2, cue.label, cue.payload))
    (bar,) = paradigm.predict(prediction(0, [0.0, 2.0]))
    assert bar.payload == {"trial": 0, "value": pytest.approx(np.tanh(1.0), abs=1e-4)}
    assert paradigm.predict(prediction(1, [0.0, 2.0])) == []
    with pytest.raises(ValueError, match=r"prediction\.classes"):
        paradigm.predict(Prediction(100, 0.5, 0, 50, ("a", "b"), np.zeros(2), "d"))
