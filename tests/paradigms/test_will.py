"""The will: wants the next key, corrects errors, gets there in the end, and is scored by what it meant."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.driver import drive
from volo_paradigms.grammar import marker_problems
from volo_paradigms.layout import Layout, load_layout
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SsvepSpeller
from volo_paradigms.will import Will, score_selections

FORTY = load_layout("benchmark40")
FOUR = load_layout("four")


def start(trial=0, text="", cue=None, time=5.0):
    return Marker(time, "trial/start", {"trial": trial, "cue": cue, "text": text}, "screen")


def read(attended, misread, generator):
    """Return a decision function that reads the attended key, or another with probability `misread`."""

    def decide(view, now):
        if now < view.onset_s + 0.3:
            return None
        label = attended(view)
        if generator.random() < misread:
            label = generator.choice([*FOUR.labels, None])
        return Decision(now, 0, label, 0.9, 1, view.trial)

    return decide


def spell(text, misread=0.0, seed=0, layout="four", **will_changes):
    paradigm = SsvepSpeller(SsvepSpeller.Settings(layout=layout, stop_text=text, max_selections=5000))
    will = Will(paradigm.layout, text, seed=seed, **will_changes)
    decide = read(lambda view: view.attended, misread, random.Random(seed))
    log = drive(paradigm, VirtualScreen(), decide, hop_s=0.1, will=will)
    return paradigm, log


@settings(deadline=None, max_examples=60)
@given(
    st.text(alphabet="ABab ", min_size=1, max_size=8),
    st.floats(0.0, 0.4),
    st.integers(0, 10_000),
    st.floats(0.0, 0.1),
    st.floats(0.0, 0.1),
)
def test_however_it_is_misread_it_ends_with_the_wanted_text(text, misread, seed, lapse, slip):
    # At worst 56 % of the trials bring what was meant, 30 % another key, 14 % nothing: it gets there, with detours.
    paradigm, log = spell(text, misread, seed, lapse=lapse, wrong_target_probability=slip)
    assert paradigm.text == text.upper()
    score = score_selections(log.markers)
    assert score.text == text.upper()
    assert score.n_correct_characters == len(text)
    assert score.first_selections == len(text)
    assert score.n_correct <= score.n_selections <= score.n_trials
    assert score.n_trials == score.n_selections + score.n_abstained


@given(st.text(alphabet="ABCXYZ09 ,.", max_size=12), st.text(alphabet="ABCXYZ09 ,.", max_size=12))
def test_the_wanted_key_always_leads_nearer_to_the_wanted_text(wanted, written):
    will = Will(FORTY, wanted)
    key = will.wants(written)
    if key is None:
        assert written == wanted
    elif key == "delete":
        assert not wanted.startswith(written)
    else:
        assert wanted.startswith(written + FORTY.character(key))


def test_it_attends_the_cue_in_calibration_whatever_it_wants():
    for text in (None, "AB"):
        (marker,) = Will(FORTY, text, reaction_s=0.25).take(start(cue="delete"))
        assert marker.time == pytest.approx(5.25)
        assert marker.origin == "participant"
        key = FORTY.key("delete")
        assert marker.payload == {
            "trial": 0,
            "key": "delete",
            "frequency_hz": key.frequency_hz,
            "phase_rad": key.phase_rad,
        }


@pytest.mark.parametrize(("text", "written"), [("AB", "AB"), (None, ""), (None, "BA"), ("", "")])
def test_it_attends_nothing_when_there_is_nothing_to_do(text, written):
    (marker,) = Will(FOUR, text).take(start(text=written))
    assert marker.payload == {"trial": 0, "key": None, "frequency_hz": 0.0, "phase_rad": 0.0}


def test_it_answers_only_the_start_of_a_trial():
    will = Will(FOUR, "AB")
    assert will.take(Marker(1.0, "stimulus/onset", {"trial": 0, "target": None})) == []
    assert will.take(Marker(1.0, "someone else's marker")) == []


def test_all_it_says_follows_the_grammar():
    will = Will(FORTY, "HELLO", lapse=0.3, wrong_target_probability=0.3)
    for trial in range(50):
        (marker,) = will.take(start(trial))
        assert marker_problems(marker) == []


def test_lapses_and_slips_come_as_often_as_set_and_say_what_was_meant():
    will = Will(FORTY, "K", seed=3, lapse=0.2, wrong_target_probability=0.3)
    payloads = [will.take(start(trial))[0].payload for trial in range(2000)]
    lapses = [p for p in payloads if p["key"] is None]
    slips = [p for p in payloads if p["key"] not in (None, "K")]
    assert len(lapses) / 2000 == pytest.approx(0.2, abs=0.04)
    assert len(slips) / 2000 == pytest.approx(0.3, abs=0.04)
    assert {p["intended"] for p in lapses + slips} == {"K"}


def test_a_slip_goes_to_a_key_beside_the_one_that_was_meant():
    will = Will(FORTY, "K", wrong_target_probability=1.0)
    looked_at = {will.take(start(trial))[0].payload["key"] for trial in range(500)}
    assert looked_at == set("BCD") | set("JL") | set("RST")


def test_the_seed_decides_lapses_and_slips():
    def run(seed):
        will = Will(FORTY, "K", seed=seed, lapse=0.3, wrong_target_probability=0.3)
        return [will.take(start(trial)) for trial in range(40)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_without_a_delete_key_errors_stand_and_it_goes_on():
    layout = Layout("three", FOUR.keys[:3])
    will = Will(layout, "ABA")
    assert [will.wants(written) for written in ("", "B", "BB", "BBA", "BBAB")] == ["A", "B", "A", None, None]


def test_a_piece_of_a_key_with_several_letters_is_taken_back():
    keys = [FOUR.key("A"), FOUR.key("B"), FOUR.key("delete")]
    names = {"A": "AB", "B": "A", "delete": "delete"}
    layout = Layout("pieces", tuple(type(k)(names[k.label], *[getattr(k, f) for f in k.__slots__[1:]]) for k in keys))
    will = Will(layout, "ABA")
    assert [will.wants(written) for written in ("", "A", "AB", "ABA")] == ["AB", "delete", "A", None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "Ω"}, "no key for 'Ω'"),
        ({"lapse": 1.2}, "lapse: got 1.2"),
        ({"wrong_target_probability": math.nan}, "wrong_target_probability: got nan"),
        ({"lapse": 0.6, "wrong_target_probability": 0.6}, "at most 1"),
        ({"reaction_s": -0.1}, "reaction_s: got -0.1"),
    ],
)
def test_an_impossible_will_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Will(FOUR, **changes)
