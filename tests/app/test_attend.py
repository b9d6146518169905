"""Two talkers end to end: recorded, trained on earlier trials, decoded from a replay; the controls are at chance."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volo_acquisition.recording.reader import Recording
from volo_acquisition.synthetic.listening import Listener
from volo_acquisition.types import Marker
from volo_app import attention
from volo_app.attention import AttendSettings, attend, cut_trials, decode, evaluate, train
from volo_app.cli import main
from volo_app.session import Session, create_session
from volo_decoders.metrics import chance_upper
from volo_paradigms.grammar import marker_problems

SETTINGS = AttendSettings()
SMALL = AttendSettings(n_trials=6, n_train=3, trial_s=12.0, seed=3)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, dict[str, Any]]:
    session = create_session(tmp_path_factory.mktemp("attend"), "LISTENER", task="attend", settings={})
    return session, dict(attend(session, SETTINGS))


@pytest.fixture(scope="module")
def path(ran: tuple[Session, dict[str, Any]]) -> Path:
    return ran[0].run_path("attend", 1)


def test_one_recording_holds_eeg_both_envelopes_and_markers_of_the_grammar(path: Path) -> None:
    recording = Recording.open(path)
    assert recording.problems == ()
    assert recording.header["simulated"] == "true"
    rates = {name: stream.info.rate_hz for name, stream in recording.streams.items()}
    assert rates == {"eeg": 128.0, "talker-A": 64.0, "talker-B": 64.0}
    assert [problem for marker in recording.markers for problem in marker_problems(marker)] == []
    onsets = [marker for marker in recording.markers if marker.label == "stimulus/onset"]
    assert len(onsets) == 24
    for block in (onsets[:12], onsets[12:]):  # neither part can be won by always saying the same
        assert sorted(marker.payload["target"] for marker in block) == ["A"] * 6 + ["B"] * 6


def test_no_trial_both_trains_and_tests_and_all_that_train_are_earlier(ran: tuple[Session, dict[str, Any]]) -> None:
    assert ran[1]["train_trials"] == list(range(12))
    assert ran[1]["test_trials"] == list(range(12, 24))


def test_attention_is_decoded_above_chance_and_longer_windows_do_better(ran: tuple[Session, dict[str, Any]]) -> None:
    summary = ran[1]
    r = summary["reconstruction_r"]
    assert 0.1 < r["attended"]["mean"] < 0.2
    assert r["ignored"]["mean"] < r["attended"]["mean"] - 0.03
    rows = {row["window_s"]: row for row in summary["windows"]}
    assert {w: row["n"] for w, row in rows.items()} == {1.0: 720, 2.0: 360, 5.0: 144, 10.0: 72, 20.0: 36}
    assert all(row["chance_upper"] == chance_upper(row["n"], 2) for row in rows.values())
    for row in rows.values():
        assert row["accuracy"] >= row["chance_upper"]
    assert rows[20.0]["accuracy"] > rows[1.0]["accuracy"]
    assert summary["running"]["n"] == 12 * 56
    assert summary["simulated"] is True


def test_with_the_sound_of_other_trials_decisions_are_at_chance(ran: tuple[Session, dict[str, Any]]) -> None:
    for row in ran[1]["windows"]:
        slack = 3.3 * np.sqrt(0.25 / row["n"])  # 99.9 % of guesses, counting each test window once
        assert abs(row["mismatched_accuracy"] - 0.5) < slack


def test_the_result_does_not_depend_on_the_chunks_of_the_replay(tmp_path: Path) -> None:
    session = create_session(tmp_path, "LISTENER", task="attend", settings={})
    wanted = attend(session, SMALL)
    path = session.run_path("attend", 1)
    for chunk_samples in (7, 1000):
        trials = cut_trials(path, chunk_samples)
        fitted = train(trials[:3])
        settings = dataclasses.replace(SMALL, chunk_samples=chunk_samples)
        again = evaluate(decode(path, fitted, settings, frozenset({3, 4, 5})), fitted, trials[3:], settings)
        assert again["sha256"] == wanted["sha256"]
        assert again["n_decisions"] == wanted["n_decisions"] > 0


def test_the_recording_is_decoded_again_by_the_command_of_all_recordings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = create_session(tmp_path, "LISTENER", task="attend", settings={})
    wanted = attend(session, SMALL)
    path = session.run_path("attend", 1)
    assert main(["replay", str(path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["sha256"] == wanted["sha256"]
    assert again["n_train"] == SMALL.n_train
    assert main(["replay", str(path), "--chunk", "333"]) == 0
    assert wanted["sha256"] in capsys.readouterr().out


def test_eeg_without_a_response_is_at_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(Listener):
        def tell(self, marker: Marker) -> None:
            super().tell(marker)
            self._kernel[:] = 0.0

    monkeypatch.setattr(attention, "Listener", Deaf)
    session = create_session(tmp_path, "DEAF", task="attend", settings={})
    summary: Any = attend(session, dataclasses.replace(SETTINGS, n_trials=12, n_train=6, trial_s=30.0))
    assert abs(summary["reconstruction_r"]["attended"]["mean"]) < 0.06
    for row in summary["windows"]:
        assert abs(row["accuracy"] - 0.5) < 3.3 * np.sqrt(0.25 / row["n"])


def test_the_command_prints_one_json_object_and_keeps_the_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["attend", "--trials", "4", "--seconds", "10", "--seed", "2", "--workspace", str(tmp_path), "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["simulated"] is True
    assert len(answer["sha256"]) == 64
    assert [row["window_s"] for row in answer["windows"]] == [1.0, 2.0, 5.0, 10.0]
    assert Path(answer["file"]).is_file()
    assert "Simulated" in err
    documented = (Path(__file__).parents[2] / "docs" / "speech.md").read_text(encoding="utf-8")
    assert answer.pop("schema") == "volo.attend/1"
    rows = [*answer, *answer["running"], *answer["windows"][0]]
    assert [field for field in rows if f"`{field}`" not in documented] == []


@pytest.mark.parametrize("words", [["--trials", "3"], ["--seconds", "2"], ["--hop", "0"], ["--train", "23"]])
def test_settings_that_cannot_be_are_wrong_usage(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["attend", *words, "--workspace", str(tmp_path)]) == 2
    assert "got" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
