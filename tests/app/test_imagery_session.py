"""Imagery from end to end: a simulated participant calibrates, a decoder is fitted to the file, and decodes online."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.clock import ManualClock
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Marker
from volo_app.engine import Engine, RunResult
from volo_app.imagery import FEEDBACK_LENGTHS_S, imagery_chain
from volo_app.replay import replay
from volo_app.rows import RunRecorder
from volo_app.training import train_file
from volo_decoders.fitted import FittedChain
from volo_decoders.metrics import accuracy, chance_upper
from volo_decoders.store import load_decoder, save_decoder
from volo_paradigms.cursor import CursorSettings, ImageryCursor
from volo_paradigms.grammar import ATTEND, OFFSET, marker_problems, sequence_problems
from volo_paradigms.imagery import ImageryCue, ImagerySettings
from volo_paradigms.imagery_will import ImageryWill
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Command, Paradigm

CHANNELS = ("FC3", "FC4", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "CP3", "CP4")
FOUR = ("left", "right", "feet", "tongue")


class Kept:
    """An output that keeps its commands."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def open(self) -> None: ...

    def send(self, command: Command) -> None:
        self.commands.append(command)

    def neutral(self) -> None: ...

    def close(self) -> None: ...


def run(
    path: Path,
    paradigm: Paradigm,
    seed: int,
    chain: FittedChain | None = None,
    will: ImageryWill | None = None,
    outputs: tuple[Kept, ...] = (),
) -> RunResult:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(seed=seed, rate_hz=160.0, channels=CHANNELS), clock)
    will = will or ImageryWill()

    def hear(marker: Marker) -> list[Marker]:
        answers = will.take(marker)
        for seen in (marker, *answers):
            source.tell(seen)
        return answers

    header = {"task": "imagery", "simulated": "true"}
    with RunRecorder(path, header) as recorder:
        return Engine(
            source,
            clock,
            recorder=recorder,
            chain=chain,
            paradigm=paradigm,
            screen=VirtualScreen(60.0, clock.now()),
            outputs=outputs,
            hear=hear,
            lead_in_s=2.0,
        ).run()


def cued(classes: tuple[str, ...], n_per_class: int, seed: int) -> ImageryCue:
    timing = {"fixation_s": 1.5, "imagery_s": 3.75, "rest_s": 1.0, "rest_spread_s": 0.5}
    return ImageryCue(ImagerySettings(classes, n_per_class, seed=seed, **timing))


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imagery") / "calibration.xdf"
    run(path, cued(FOUR, 15, seed=1), seed=1)
    return path


def scored(result: RunResult) -> tuple[float, int]:
    targets = {m.payload["trial"]: m.payload["target"] for m in result.markers if m.label == "stimulus/onset"}
    decided = {d.group: d.label for d in result.decisions}
    return accuracy(list(targets.values()), [decided.get(trial) for trial in targets]), len(targets)


def test_the_recording_holds_a_run_of_the_grammar_and_the_imagery(calibration: Path) -> None:
    recording = Recording.open(calibration)
    markers = list(recording.markers)
    assert [p for m in markers for p in marker_problems(m)] == []
    assert sequence_problems(markers) == []
    imagined = [m.payload["imagine"] for m in markers if m.label == ATTEND]
    assert sorted(filter(None, imagined)) == sorted(FOUR * 15)


@pytest.mark.parametrize("decoder", ["csp_lda", "band_power_lda", "ts_lr"])
def test_a_second_run_is_decoded_above_chance(decoder: str, calibration: Path, tmp_path: Path) -> None:
    fitted = train_file(calibration, lambda info: imagery_chain(decoder))
    assert sorted(fitted.decoder.classes_) == sorted(FOUR)
    again = load_decoder(save_decoder(tmp_path / "decoder", fitted))
    result = run(tmp_path / "online.xdf", cued(FOUR, 8, seed=2), 2, again)
    right, n_trials = scored(result)
    assert n_trials == 32
    assert len(result.decisions) == 32
    assert right >= chance_upper(n_trials, len(FOUR), alpha=0.01)
    assert replay(tmp_path / "online.xdf", decoder=tmp_path / "decoder")["sha256"] == result.sha256


def test_a_participant_that_imagines_nothing_is_decoded_at_chance(calibration: Path, tmp_path: Path) -> None:
    fitted = train_file(calibration, lambda info: imagery_chain("csp_lda"))
    result = run(tmp_path / "idle.xdf", cued(FOUR, 8, seed=3), 3, fitted, ImageryWill(lapse=1.0))
    right, n_trials = scored(result)
    assert right < chance_upper(n_trials, len(FOUR), alpha=1e-3)


def test_imagining_one_side_steers_the_cursor_to_its_end(tmp_path: Path) -> None:
    run(tmp_path / "calibration.xdf", cued(("left", "right"), 15, seed=4), seed=4)
    fitted = train_file(tmp_path / "calibration.xdf", lambda info: imagery_chain("csp_lda"))
    paradigm = ImageryCursor(CursorSettings(n_trials=20, n_selections=1, gain=0.5, dwell_s=0.5))
    kept = Kept()
    result = run(tmp_path / "cursor.xdf", paradigm, 5, fitted, ImageryWill("right"), (kept,))
    assert [c.value for c in kept.commands if c.target == "select"] == ["right"]
    positions = [float(c.value) for c in kept.commands if c.target == "cursor"]
    assert np.mean(np.diff([0.0, *positions[:-1]])) > 0.0
    assert sum(m.label == OFFSET for m in result.markers) >= 2


def test_predictions_move_the_cursor_within_a_trial_and_the_recording_replays_to_the_bit(tmp_path: Path) -> None:
    run(tmp_path / "calibration.xdf", cued(("left", "right"), 15, seed=4), seed=4)
    fitted = train_file(
        tmp_path / "calibration.xdf",
        lambda info: imagery_chain("csp_lda", lengths_s=FEEDBACK_LENGTHS_S),
        dynamic=False,
    )
    save_decoder(tmp_path / "decoder", fitted)
    paradigm = ImageryCursor(CursorSettings(n_trials=12, continuous=True, dwell_s=0.5))
    kept = Kept()
    result = run(tmp_path / "cursor.xdf", paradigm, 5, fitted, ImageryWill("right"), (kept,))
    moves = [float(c.value) for c in kept.commands if c.target == "cursor"]
    assert len(result.decisions) == 12
    assert result.n_predictions == 12 * len(FEEDBACK_LENGTHS_S)
    assert len(moves) >= result.n_predictions  # every one moves it
    selected = [c.value for c in kept.commands if c.target == "select"]
    assert selected.count("right") > selected.count("left")
    again = replay(tmp_path / "cursor.xdf", decoder=tmp_path / "decoder")
    assert again["sha256"] == result.sha256
