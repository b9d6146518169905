"""Calibration: every key once a block, labelled onsets, deaf to decisions."""

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_decoders.types import Decision
from volo_paradigms.calibration import SsvepCalibration
from volo_paradigms.driver import drive
from volo_paradigms.layout import load_layout
from volo_paradigms.screen import VirtualScreen


def calibration(**changes):
    return SsvepCalibration(SsvepCalibration.Settings(**{"layout": "four", **changes}))


def onsets(log):
    return [marker for marker in log.markers if marker.label == "stimulus/onset"]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from(["four", "benchmark40"]))
def test_each_key_is_cued_once_a_block_and_never_twice_running(seed, n_blocks, name):
    labels = load_layout(name).labels
    order = calibration(layout=name, n_blocks=n_blocks, seed=seed).order
    assert len(order) == n_blocks * len(labels)
    for block in range(n_blocks):
        assert Counter(order[block * len(labels) : (block + 1) * len(labels)]) == Counter(labels)
    assert all(a != b for a, b in itertools.pairwise(order))


def test_the_seed_decides_the_order():
    assert calibration(layout="benchmark40", seed=1).order == calibration(layout="benchmark40", seed=1).order
    assert calibration(layout="benchmark40", seed=1).order != calibration(layout="benchmark40", seed=2).order


def test_every_onset_carries_the_cue_of_its_trial_as_the_target():
    paradigm = calibration(n_blocks=2, flicker_s=1.0)
    log = drive(paradigm, VirtualScreen())
    cues = [marker.payload["cue"] for marker in log.markers if marker.label == "trial/start"]
    assert tuple(cues) == paradigm.order
    assert tuple(marker.payload["target"] for marker in onsets(log)) == paradigm.order
    assert not log.commands


def test_cue_flicker_and_rest_last_what_was_set():
    paradigm = calibration(n_blocks=2, flicker_s=1.0, cue_s=0.7, rest_s=0.4, block_rest_s=3.0)
    log = drive(paradigm, VirtualScreen(100.0), hop_s=0.01)
    times = {(marker.label, marker.payload["trial"]): marker.time for marker in log.markers}
    for trial in range(8):
        assert 0.7 <= times["stimulus/onset", trial] - times["trial/start", trial] < 0.75
        assert 1.0 <= times["stimulus/offset", trial] - times["stimulus/onset", trial] < 1.05
        if trial:
            rest = times["trial/start", trial] - times["stimulus/offset", trial - 1]
            expected = 3.0 if trial == 4 else 0.4
            assert expected <= rest < expected + 0.05


def test_decisions_change_nothing():
    silent = drive(calibration(n_blocks=1), VirtualScreen())
    decided = drive(
        calibration(n_blocks=1), VirtualScreen(), lambda view, now: Decision(now, 0, "A", 1.0, 1, view.trial)
    )
    assert decided.steps == silent.steps


@pytest.mark.parametrize(
    ("at_s", "n_given_up"),
    [(0.2, 1), (1.0, 1), (1.8, 0), (7.2, 1)],
    ids=["in the gaze", "in the flicker", "in the rest", "in the last flicker"],
)
def test_a_trial_given_up_by_a_pause_is_cued_again(at_s, n_given_up):
    paradigm = calibration(n_blocks=1, flicker_s=1.0)
    log = drive(paradigm, VirtualScreen(), actions=[(at_s, "pause"), (at_s + 3.0, "resume")])
    offset = {marker.payload["trial"]: marker.time for marker in log.markers if marker.label == "stimulus/offset"}
    whole = [m.payload["target"] for m in onsets(log) if offset[m.payload["trial"]] - m.time >= 1.0]
    assert tuple(whole) == paradigm.order
    assert sum(marker.label == "trial/start" for marker in log.markers) == len(paradigm.order) + n_given_up


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(ValueError, match=r"n_blocks.*flicker_s.*rest_s"):
        SsvepCalibration.Settings(n_blocks=0, flicker_s=0.0, rest_s=math.inf)
