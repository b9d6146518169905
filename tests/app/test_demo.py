"""The main job, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf

from volo_acquisition.recording.reader import Recording


def volo(*args: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "volo_app", *args, "--json"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return volo("demo", "--workspace", str(tmp_path_factory.mktemp("workspace")))


@pytest.fixture(scope="module")
def online(demo: dict[str, Any]) -> Path:
    return sorted(Path(demo["session"]).rglob("*.xdf"))[-1]


def test_demo_spells_its_sentence(demo: dict[str, Any]) -> None:
    assert demo["schema"] == "volo.demo/1"
    assert demo["simulated"] is True
    assert demo["text"] == demo["target_text"]
    assert 0.85 <= demo["accuracy"] <= 1.0
    assert demo["itr_bits_per_min"] > 60.0
    assert demo["chars_per_min_correct"] > 10.0
    assert {"formula", "mean_window_s", "visual_latency_s", "gaze_shift_s"} <= set(demo["itr_assumptions"])


def test_session_folder_is_what_the_design_says(demo: dict[str, Any]) -> None:
    session = Path(demo["session"])
    assert session.is_absolute()
    assert (session / "session.toml").is_file()
    assert (session / "decoders" / "etrca" / "decoder.toml").is_file()
    assert [p.name for p in sorted(session.rglob("*.xdf"))] == [
        "sub-DEMO_ses-01_task-ssvep_run-01_eeg.xdf",
        "sub-DEMO_ses-01_task-ssvep_run-02_eeg.xdf",
    ]
    assert not list(session.rglob("*.part"))


def test_first_trial_is_not_lost(online: Path) -> None:
    decisions = [m for m in Recording.open(online).markers if m.label == "trial/decision"]
    assert decisions[0].payload["key"] is not None


def test_recording_is_whole_and_labelled_simulated(online: Path) -> None:
    assert volo("verify", str(online))["ok"] is True
    recording = Recording.open(online)
    assert recording.header["simulated"] == "true"
    (stream,) = recording.streams.values()
    assert "simulated" in stream.info.source
    assert np.array_equal(np.diff(stream.index), np.ones(len(stream.index) - 1))


def test_predictions_and_decisions_are_in_the_recording_and_read_by_pyxdf(demo: dict[str, Any], online: Path) -> None:
    streams = {s["info"]["name"][0]: s for s in pyxdf.load_xdf(str(online))[0]}
    scores = streams["volo-predictions"]["time_series"]
    assert scores.shape == (demo["n_predictions"], 3 + 40)
    decided = [json.loads(row[0]) for row in streams["volo-decisions"]["time_series"]]
    written = "".join({"space": " "}.get(d["label"], d["label"]) for d in decided)
    assert demo["target_text"] in written or "delete" in written
    eeg = streams["synthetic"]["time_series"]
    assert eeg.dtype == np.float32
    assert np.array_equal(eeg, Recording.open(online).streams["synthetic"].samples)


@pytest.mark.parametrize("chunk", [1, 7, 25, 256])
def test_replay_gives_the_same_fingerprint_whatever_the_chunks(demo: dict[str, Any], online: Path, chunk: int) -> None:
    again = volo("replay", str(online), "--chunk", str(chunk))
    assert again["sha256"] == demo["sha256"]
    assert again["n_predictions"] == demo["n_predictions"]
    assert again["speed"] > 1.0


def test_demo_gives_the_same_fingerprint_each_time(demo: dict[str, Any], tmp_path: Path) -> None:
    assert volo("demo", "--workspace", str(tmp_path))["sha256"] == demo["sha256"]


def test_train_from_the_calibration_then_spell(demo: dict[str, Any], tmp_path: Path) -> None:
    calibration = min(Path(demo["session"]).rglob("*.xdf"))
    trained = volo("train", str(calibration), "--out", str(tmp_path / "mine"))
    assert len(trained["classes"]) == 40
    spelled = volo("spell", "--decoder", trained["folder"], "--text", "OK", "--workspace", str(tmp_path / "workspace"))
    assert spelled["text"] == "OK"
    assert spelled["simulated"] is True


def test_a_decoder_without_calibration_spells_too(tmp_path: Path) -> None:
    answer = volo("demo", "--decoder", "fbcca", "--text", "GO", "--blocks", "1", "--workspace", str(tmp_path))
    assert answer["text"] == "GO"
    assert answer["accuracy"] >= 0.5


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--text", ""),
        ("demo", "--blocks", "0"),
        ("demo", "--participant", "foo"),
        ("replay", "x.xdf", "--speed", "nan"),
        ("evaluate", "--dataset", "ssvep_exo", "--data-root", "x", "--window", "0.05"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage_and_leaves_nothing_behind(words: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "volo_app", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "VOLO_WORKSPACE": str(tmp_path / "workspace")},
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("volo: error: ")
    assert not (tmp_path / "workspace").exists()


def test_a_damaged_calibration_is_not_trained_on(demo: dict[str, Any], tmp_path: Path) -> None:
    calibration = min(Path(demo["session"]).rglob("*.xdf"))
    cut = tmp_path / "cut.xdf"
    cut.write_bytes(calibration.read_bytes()[:400_000])
    done = subprocess.run(
        [sys.executable, "-m", "volo_app", "train", str(cut), "--out", str(tmp_path / "d")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "volo repair" in done.stderr
    assert not (tmp_path / "d").exists()
