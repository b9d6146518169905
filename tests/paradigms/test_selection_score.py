"""The score: first selections count once a position; corrections, retries and abstaining are told apart."""

import math

import pytest

from volo_acquisition.types import Marker
from volo_paradigms.score import score_selections


def trial(number, text, intended, key, after, looked_at=None):
    """Return the markers of one trial."""
    attend = {"trial": number, "key": intended, "frequency_hz": 9.0, "phase_rad": 0.0}
    if looked_at is not None:
        attend |= {"key": looked_at, "intended": intended}
    return [
        Marker(10.0 * number, "trial/start", {"trial": number, "cue": None, "text": text}, "screen"),
        Marker(10.0 * number + 0.2, "participant/attend", attend, "participant"),
        Marker(10.0 * number + 3, "trial/decision", {"trial": number, "key": key, "confidence": 0.9, "text": after}),
    ]


def run(*rows):
    return [marker for number, row in enumerate(rows) for marker in trial(number, *row)]


def test_a_run_without_errors_is_all_first_selections():
    score = score_selections(run(("", "A", "A", "A"), ("A", "B", "B", "AB")))
    assert (score.first_selections, score.first_selections_correct, score.accuracy) == (2, 2, 1.0)
    assert (score.n_selections, score.n_correct, score.n_correct_characters) == (2, 2, 2)
    assert score.text == "AB"
    assert score.duration_s == 13.0
    assert score.characters_per_minute == pytest.approx(2 / 13 * 60)


def test_corrections_and_retries_are_selections_but_not_first_ones():
    markers = run(
        ("", "A", "B", "B"),  # first selection of position 0: wrong
        ("B", "delete", "A", "BA"),  # a misread correction
        ("BA", "delete", "delete", "B"),
        ("B", "delete", "delete", ""),
        ("", "A", "A", "A"),  # retry
        ("A", "B", "B", "AB"),  # first selection of position 1: right
    )
    score = score_selections(markers)
    assert (score.first_selections, score.first_selections_correct) == (2, 1)
    assert (score.n_selections, score.n_correct) == (6, 4)
    assert score.accuracy == 0.5
    assert score.selection_accuracy == pytest.approx(4 / 6)
    assert score.n_correct_characters == 2


def test_a_character_lost_to_a_wrong_deletion_is_retyped_without_a_second_first():
    markers = run(
        ("", "A", "A", "A"),
        ("A", "B", "delete", ""),  # first of position 1: wrong, and takes A away
        ("", "A", "A", "A"),  # position 0 again
        ("A", "B", "B", "AB"),  # position 1 again
    )
    score = score_selections(markers)
    assert (score.first_selections, score.first_selections_correct) == (2, 1)
    assert (score.n_selections, score.n_correct, score.n_correct_characters) == (4, 3, 2)


def test_abstaining_is_no_selection_and_leaves_the_first_one_open():
    score = score_selections(run(("", "A", None, ""), ("", "A", "A", "A")))
    assert (score.n_trials, score.n_abstained, score.n_selections) == (2, 1, 1)
    assert (score.first_selections, score.accuracy, score.abstained_share) == (1, 1.0, 0.5)


def test_a_slip_is_scored_against_what_was_meant():
    score = score_selections(run(("", "A", "B", "B", "B")))
    assert (score.n_selections, score.n_correct, score.accuracy) == (1, 0, 0.0)


def test_keys_that_nobody_wanted_are_counted_apart():
    score = score_selections(run(("", "A", "A", "A"), ("A", None, "B", "AB"), ("AB", None, None, "AB")))
    assert (score.n_trials, score.n_selections, score.n_unwanted) == (1, 1, 1)
    assert score.accuracy == 1.0


def test_what_stands_right_at_the_end_is_counted_in_a_run_that_breaks_off():
    markers = run(("", "A", "A", "A"), ("A", "B", "B", "AB"), ("AB", "A", "space", "AB "))
    assert score_selections(markers).n_correct_characters == 2


def test_trials_without_a_decision_or_an_intention_do_not_count():
    markers = [
        *trial(0, "", "A", "A", "A")[:2],
        *(marker for marker in trial(1, "", "A", "A", "A") if marker.label != "participant/attend"),
        *trial(2, "A", "B", "B", "AB"),
    ]
    score = score_selections(markers)
    assert (score.n_trials, score.n_selections) == (1, 1)


def test_a_new_run_starts_a_new_text():
    once = run(("", "A", "A", "A"))
    restart = Marker(50.0, "run/start", {"task": "spell", "paradigm": "ssvep_speller", "layout": "four"})
    assert score_selections([*once, *once]).first_selections == 1
    assert score_selections([*once, restart, *once]).first_selections == 2


def test_a_run_without_decisions_has_no_accuracy():
    score = score_selections([])
    assert score.n_selections == 0
    assert score.duration_s == 0.0
    assert all(
        math.isnan(share)
        for share in (score.accuracy, score.selection_accuracy, score.abstained_share, score.characters_per_minute)
    )


def test_a_marker_without_its_trial_is_refused_by_name():
    with pytest.raises(ValueError, match=r"participant/attend at 1\.0: trial is None"):
        score_selections([Marker(1.0, "participant/attend", {"key": "A"})])
