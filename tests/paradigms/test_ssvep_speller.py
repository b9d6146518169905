"""The speller: when scenes come, what a decision writes, and what is ignored."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.driver import drive
from volo_paradigms.layout import BACKSPACE, load_layout
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SsvepSpeller
from volo_paradigms.types import Command, Scene


def speller(**changes):
    return SsvepSpeller(SsvepSpeller.Settings(**{"layout": "four", **changes}))


def decision(label, trial, time=2.0, confidence=0.9):
    return Decision(time, 0, label, confidence, 1, trial)


def show(paradigm, scene, time):
    assert paradigm.shown(Marker(time, scene.label, scene.payload, "screen")) == []


def to_flicker(paradigm, start=0.0):
    """Advance to the flicker of the next trial and return the time of its onset."""
    (gaze,) = paradigm.advance(start)
    show(paradigm, gaze, start)
    (flicker,) = paradigm.advance(start + 0.5)
    show(paradigm, flicker, start + 0.5)
    return start + 0.5


def test_a_trial_is_gaze_then_flicker_then_rest_each_after_its_time_on_the_screen():
    paradigm = speller()
    (gaze,) = paradigm.advance(10.0)
    assert gaze == Scene("gaze", 0, 10.0, "trial/start", {"trial": 0, "cue": None, "text": ""}, gaze.show)
    assert gaze.show.modulation is None
    assert paradigm.advance(11.0) == []  # not on the screen yet: the eyes have not begun to move
    show(paradigm, gaze, 11.2)
    assert paradigm.advance(11.69) == []
    (flicker,) = paradigm.advance(11.71)
    assert flicker == Scene("flicker", 0, 11.71, "stimulus/onset", {"trial": 0, "target": None}, flicker.show)
    assert flicker.show.modulation.frequencies_hz == paradigm.layout.frequencies_hz
    show(paradigm, flicker, 11.72)
    steps = paradigm.decide(decision("B", 0, time=12.8))
    assert steps == [
        Scene("rest", 0, 12.8, "stimulus/offset", {"trial": 0}, gaze.show),
        Marker(12.8, "trial/decision", {"trial": 0, "key": "B", "confidence": 0.9, "text": "B"}),
        Command(12.8, 0, 1.0, "text", "B"),
    ]
    show(paradigm, steps[0], 12.81)
    (following,) = paradigm.advance(12.82)
    assert following.payload == {"trial": 1, "cue": None, "text": "B"}


def test_keys_write_their_characters_and_delete_takes_one_back():
    paradigm = speller()
    values = []
    for trial, label in enumerate(["A", "space", "B", "delete", "delete", "delete", "delete", "A"]):
        to_flicker(paradigm, 10.0 * trial)
        scene, marker, command = paradigm.decide(decision(label, trial, 10.0 * trial + 1))
        values.append((command.value, marker.payload["text"]))
        show(paradigm, scene, 10.0 * trial + 2)
    texts = ["A", "A ", "A B", "A ", "A", "", "", "A"]
    assert values == list(zip(["A", " ", "B", *[BACKSPACE] * 4, "A"], texts, strict=True))
    assert paradigm.text == "A"


def test_abstaining_ends_the_trial_and_writes_nothing():
    paradigm = speller()
    to_flicker(paradigm)
    steps = paradigm.decide(decision(None, 0, confidence=0.2))
    assert [type(step) for step in steps] == [Scene, Marker]
    assert steps[1].payload == {"trial": 0, "key": None, "confidence": 0.2, "text": ""}
    assert (paradigm.text, paradigm.n_selections, paradigm.n_abstained) == ("", 0, 1)


def test_time_running_out_is_recorded_as_abstaining():
    paradigm = speller(max_trial_s=2.0)
    onset = to_flicker(paradigm)
    assert paradigm.advance(onset + 1.99) == []
    scene, marker = paradigm.advance(onset + 2.0)
    assert (scene.kind, scene.label) == ("rest", "stimulus/offset")
    assert marker.payload == {"trial": 0, "key": None, "confidence": 0.0, "text": ""}
    assert paradigm.decide(decision("A", 0)) == []


def test_decisions_for_other_trials_or_outside_the_flicker_are_ignored():
    paradigm = speller()
    (gaze,) = paradigm.advance(0.0)
    assert paradigm.decide(decision("A", 0)) == []
    show(paradigm, gaze, 0.0)
    (flicker,) = paradigm.advance(0.5)
    assert paradigm.decide(decision("A", 0)) == []  # asked for, but not on the screen
    show(paradigm, flicker, 0.5)
    for other in (-1, 1, 77):
        assert paradigm.decide(decision("A", other)) == []
    assert len(paradigm.decide(decision("A", 0))) == 3
    assert paradigm.decide(decision("B", 0)) == []
    assert paradigm.text == "A"


def test_a_label_the_layout_does_not_have_is_refused():
    paradigm = speller()
    to_flicker(paradigm)
    with pytest.raises(ValueError, match="got 'Z', the layout 'four' has A B space delete"):
        paradigm.decide(decision("Z", 0))


def test_markers_of_other_scenes_do_not_start_the_clock():
    paradigm = speller()
    (gaze,) = paradigm.advance(0.0)
    paradigm.shown(Marker(0.0, "stimulus/onset", gaze.payload))
    paradigm.shown(Marker(0.0, "trial/start", {**gaze.payload, "trial": 4}))
    assert paradigm.advance(5.0) == []


def test_it_ends_with_the_stop_text_only_after_the_last_scene_is_shown():
    paradigm = speller(stop_text="a")
    to_flicker(paradigm)
    scene, *_ = paradigm.decide(decision("A", 0))
    assert scene.kind == "end"
    assert not paradigm.finished
    show(paradigm, scene, 2.0)
    assert paradigm.finished
    assert paradigm.advance(9.0) == []


def always(label, after_s=0.3):
    return lambda view, now: None if now < view.onset_s + after_s else decision(label, view.trial, now)


@pytest.mark.parametrize(
    ("changes", "label", "n_trials"),
    [
        ({"n_selections": 3}, "A", 3),
        ({"max_selections": 4}, "A", 4),
        ({"max_selections": 4, "stop_text": "B"}, "A", 4),
        ({"max_selections": 4, "n_selections": 2}, None, 4),
        ({"n_selections": 5, "stop_text": "AA"}, "A", 2),
    ],
)
def test_it_ends_after_the_selections_the_trials_or_the_text_that_were_set(changes, label, n_trials):
    log = drive(speller(**changes), VirtualScreen(), always(label))
    assert sum(scene.kind == "gaze" for scene in log.scenes) == n_trials
    assert log.scenes[-1].kind == "end"


def test_feedback_stays_for_its_time():
    log = drive(speller(n_selections=2, feedback_s=1.5), VirtualScreen(), always("A"), hop_s=0.01)
    assert [scene.kind for scene in log.scenes] == ["gaze", "flicker", "feedback", "gaze", "flicker", "end"]
    times = {(marker.label, marker.payload["trial"]): marker.time for marker in log.markers}
    assert 1.5 <= times["trial/start", 1] - times["stimulus/offset", 0] < 1.55


def test_a_pause_takes_the_flicker_off_and_a_new_trial_follows():
    paradigm = speller()
    to_flicker(paradigm)
    (scene,) = paradigm.pause()
    assert (scene.kind, scene.label, scene.payload) == ("rest", "stimulus/offset", {"trial": 0})
    assert paradigm.pause() == []
    show(paradigm, scene, 1.0)
    assert paradigm.advance(5.0) == []
    assert paradigm.decide(decision("A", 0)) == []
    assert paradigm.resume() == []
    (gaze,) = paradigm.advance(6.0)
    assert gaze.payload == {"trial": 1, "cue": None, "text": ""}


def test_aborting_ends_at_once_and_takes_the_flicker_off():
    paradigm = speller()
    to_flicker(paradigm)
    (scene,) = paradigm.abort()
    assert (scene.kind, scene.label) == ("end", "stimulus/offset")
    assert paradigm.finished
    assert paradigm.abort() == []
    assert speller().abort() == []


def test_time_may_not_go_back():
    paradigm = speller()
    paradigm.advance(3.0)
    for now in (2.9, math.nan, math.inf):
        with pytest.raises(ValueError, match="now: got"):
            paradigm.advance(now)


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(ValueError, match=r"gaze_shift_s.*max_trial_s.*n_selections.*stop_text"):
        SsvepSpeller.Settings(gaze_shift_s=-1.0, max_trial_s=math.nan, n_selections=0, stop_text="")
    with pytest.raises(ValueError, match="no key for 'Q'"):
        speller(stop_text="Q")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["A", "B", "space", "delete", None]), min_size=1, max_size=12))
def test_the_text_is_what_a_stack_of_the_decided_keys_gives(labels):
    layout = load_layout("four")
    paradigm = speller(max_selections=len(labels))
    log = drive(
        paradigm,
        VirtualScreen(),
        lambda view, now: decision(labels[view.trial], view.trial, now),
    )
    stack = []
    for label in labels:
        if label == "delete":
            del stack[-1:]
        elif label is not None:
            stack.append(layout.character(label))
    assert paradigm.text == "".join(stack)
    assert [command.value for command in log.commands] == [layout.character(x) for x in labels if x is not None]
