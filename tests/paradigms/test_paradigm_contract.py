"""One contract over all registered paradigms; and the check finds each way to break it."""

import dataclasses
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition import registry
from volo_acquisition.types import Marker
from volo_paradigms.contract import ContractError, check_paradigm
from volo_paradigms.driver import EndlessRunError, drive
from volo_paradigms.grammar import marker_problems, sequence_problems
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.types import Command, Scene

#: Settings of a short run that ends by itself, for every registered paradigm.
CASES = {
    "ssvep_speller": {"layout": "four", "n_selections": 3, "max_selections": 5, "max_trial_s": 2.5, "feedback_s": 0.1},
    "ssvep_calibration": {"layout": "four", "n_blocks": 1, "flicker_s": 1.0},
    "cvep_speller": {"layout": "four", "n_selections": 3, "max_selections": 5, "max_trial_s": 2.5},
    "cvep_calibration": {"layout": "four", "n_blocks": 1, "code": "gold"},
    "p300_speller": {"layout": "four", "n_selections": 2, "max_selections": 3, "n_repetitions": 2},
    "p300_calibration": {"layout": "four", "n_repetitions": 2, "grouping": "random", "cue_s": 0.5},
    "four_way": {"n_selections": 3, "max_selections": 5, "max_trial_s": 2.5},
    "speech_cue": {"words": ("yes", "no"), "n_per_word": 1, "modes": ("overt", "imagined"), "speak_s": 0.7},
    "talkers": {"n_trials": 2, "listen_s": 2.0, "cue_s": 0.3},
    "resting": {"n_repetitions": 1, "record_s": 2.0, "instruction_s": 0.5, "rest_s": 0.1},
    "free_recording": {"duration_s": 3.0},
    "imagery_cue": {"classes": ("left", "right", "feet"), "n_per_class": 1, "fixation_s": 0.5, "imagery_s": 2.0},
    "imagery_cursor": {"n_trials": 5, "gain": 2.0, "dwell_s": 0.3, "fixation_s": 0.3, "imagery_s": 2.0},
}
#: What can be decided, for paradigms that have no layout to take it from.
LABELS = {
    "imagery_cue": ("left", "right", "feet"),
    "imagery_cursor": ("left", "right"),
    "speech_cue": ("yes", "no"),
    "talkers": ("left", "right"),
    "resting": ("open", "closed"),
    "free_recording": ("anything",),
}


def test_every_registered_paradigm_is_tested():
    assert set(CASES) == set(registry.names("volo.paradigms"))


@pytest.mark.parametrize("name", CASES)
def test_a_paradigm_has_frozen_settings_with_defaults(name):
    paradigm = registry.load("volo.paradigms", name)
    assert dataclasses.is_dataclass(paradigm.Settings)
    assert not paradigm(paradigm.Settings()).finished
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(paradigm.Settings(), dataclasses.fields(paradigm.Settings)[0].name, "four")


@pytest.mark.parametrize("name", CASES)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_a_paradigm_keeps_the_contract_under_random_decisions(name, seed):
    paradigm = registry.load("volo.paradigms", name)
    check_paradigm(lambda: paradigm(paradigm.Settings(**CASES[name])), labels=LABELS.get(name), seed=seed)


class Broken(SsvepSpeller):
    """A speller that does not run by itself any more but is bent by the test."""

    def __init__(self):
        super().__init__(SpellerSettings(**CASES["ssvep_speller"]))


class GoesBackInTime(Broken):
    def advance(self, now):
        return [dataclasses.replace(step, time=10.0 - step.time) for step in super().advance(now)]


class TalksAfterTheEnd(Broken):
    def advance(self, now):
        return [Marker(now, "run/stop")] if self.finished else super().advance(now)


class ObeysAnyTrial(Broken):
    def decide(self, decision):
        return super().decide(dataclasses.replace(decision, group=self.trial))


class ForgetsTheOffset(Broken):
    def _end(self, key, confidence):
        scene, *_ = super()._end(key, confidence)
        return [dataclasses.replace(scene, label="trial/start", payload={**scene.payload, "cue": None, "text": ""})]


class InventsAField(Broken):
    def _start_payload(self):
        return {**super()._start_payload(), "colour": "red"}


class CountsCommandsFromOne(Broken):
    def _end(self, key, confidence):
        return [
            dataclasses.replace(step, sequence=step.sequence + 1) if isinstance(step, Command) else step
            for step in super()._end(key, confidence)
        ]


class ShowsAnUnknownScene(Broken):
    def advance(self, now):
        steps = super().advance(now)
        return [dataclasses.replace(s, kind="fireworks") if isinstance(s, Scene) else s for s in steps]


class FlickersOnThroughPauses(Broken):
    def pause(self):
        return []


class GoesOnAfterTheAbort(Broken):
    def abort(self):
        return []


class DiffersEachTime(Broken):
    n_made = 0

    def __init__(self):
        super().__init__()
        DiffersEachTime.n_made += 1
        self._gaze_s += 0.2 * DiffersEachTime.n_made


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (GoesBackInTime, "a Scene at .* after one at"),
        (TalksAfterTheEnd, "a Marker after the end"),
        (ObeysAnyTrial, "decisions for other trials changed the steps"),
        (InventsAField, "trial/start: payload has a foreign 'colour'"),
        (CountsCommandsFromOne, "they must count up from 0"),
        (ShowsAnUnknownScene, "scene kind 'fireworks'"),
        (FlickersOnThroughPauses, "within a pause"),
        (GoesOnAfterTheAbort, "after the abort"),
        (DiffersEachTime, "gave other steps the second time"),
    ],
)
def test_the_check_finds_each_way_to_break_the_contract(broken, message):
    with pytest.raises(ContractError, match=message):
        for seed in range(5):
            check_paradigm(broken, seed=seed)


def test_a_paradigm_that_never_ends_is_told():
    with pytest.raises(EndlessRunError, match="has not finished after 20 s"):
        check_paradigm(ForgetsTheOffset, limit_s=20.0)


def test_a_paradigm_without_a_layout_needs_labels():
    class WithoutLayout:
        finished = False

    with pytest.raises(ValueError, match="labels: got None"):
        check_paradigm(WithoutLayout)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, float("nan")])
def test_the_driver_refuses_an_impossible_hop(hop_s):
    with pytest.raises(ValueError, match="hop_s"):
        drive(Broken(), VirtualScreen(), hop_s=hop_s)


def test_missed_frames_delay_scenes_and_lose_nothing():
    paradigm = Broken()
    screen = VirtualScreen(60.0, missed=range(0, 3000, 2))
    log = drive(paradigm, screen)
    assert paradigm.finished
    assert screen.n_late > 0
    assert sequence_problems(log.markers) == []


def start(trial):
    return Marker(0.0, "trial/start", {"trial": trial, "cue": None, "text": ""})


def onset(trial):
    return Marker(0.0, "stimulus/onset", {"trial": trial, "target": None})


def offset(trial):
    return Marker(0.0, "stimulus/offset", {"trial": trial})


def decided(trial):
    return Marker(0.0, "trial/decision", {"trial": trial, "key": None, "confidence": 0.0, "text": ""})


@pytest.mark.parametrize(
    ("markers", "problem"),
    [
        ([start(0), onset(0), offset(0), decided(0), start(1), onset(1), decided(1), offset(1)], None),
        ([start(0), offset(0), start(1)], None),  # given up
        ([start(0), onset(0), start(1), onset(1), offset(1)], "still on when trial 1 starts"),
        ([start(0), onset(0)], "still on at the end"),
        ([start(1), start(1)], "numbers must count up"),
        ([start(0), onset(1), offset(1)], "stimulus/onset of trial 1 within trial 0"),
        ([start(0), onset(0), offset(0), offset(0)], "a second stimulus/offset"),
        ([start(0), offset(0), onset(0)], "an onset after the offset"),
        ([start(0), decided(0)], "a decision without an onset"),
    ],
)
def test_the_order_of_a_run_is_checked(markers, problem):
    found = sequence_problems(markers)
    assert (found == []) if problem is None else (len(found) >= 1 and problem in found[0])


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        (start(0), None),
        (Marker(float("nan"), "stimulus/offset", {"trial": 0}), "time is nan"),
        (Marker(0.0, "stimulus/offset", {}), "no 'trial'"),
        (Marker(0.0, "stimulus/offset", {"trial": True}), "trial is True, expected int"),
        (Marker(0.0, "stimulus/onset", {"trial": 0, "target": 3}), "target is 3, expected str or null"),
        (Marker(0.0, "trial/decision", {**decided(0).payload, "confidence": float("nan")}), "confidence is nan"),
        (Marker(0.0, "something/else"), "the grammar knows run/start"),
    ],
)
def test_the_form_of_a_marker_is_checked(marker, problem):
    found = marker_problems(marker)
    assert (found == []) if problem is None else (len(found) == 1 and problem in found[0])


def loaded_by(statement):
    """Return the top-level names of the modules that a fresh interpreter has loaded after `statement`."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return {name.split(".")[0] for name in result.stdout.split()}


def test_importing_the_package_loads_the_standard_library_only():
    foreign = loaded_by("import volo_paradigms") - set(sys.stdlib_module_names)
    assert foreign == {"volo_paradigms"}


def test_the_paradigms_load_no_window_device_or_training_library():
    modules = "speller, calibration, will, contract, flicker, screen, layout"
    loaded = loaded_by(f"from volo_paradigms import {modules}")
    assert not loaded & {"PySide6", "pyqtgraph", "brainflow", "pylsl", "torch", "mne", "scipy", "sklearn", "hypothesis"}
