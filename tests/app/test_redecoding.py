"""Recordings of other programs are taken as they are: told apart by name, converted whole, decoded again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_spiking import needs_torch, write_session

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_app import cli
from volo_app.converting import as_recording
from volo_app.datasets import eegmmidb, monkey_m1, ssvep_exo


def test_a_recording_of_volos_is_taken_as_it_is(tmp_path: Path) -> None:
    assert as_recording(tmp_path / "x.xdf", tmp_path / "elsewhere") == tmp_path / "x.xdf"


@pytest.mark.parametrize("name", ["x.csv", "S001R01.edf", "other.edf", "x"])
def test_what_is_not_understood_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"0")
    with pytest.raises(FileError) as caught:
        as_recording(tmp_path / name, tmp_path)
    assert caught.value.reason is Reason.UNSUPPORTED
    assert name in str(caught.value)


def test_spike_counts_and_kinematics_are_kept(tmp_path: Path) -> None:
    path = write_session(tmp_path, n=200) / "monkey_m1" / "session.npz"
    recording = Recording.open(as_recording(path, tmp_path))
    session = monkey_m1.load_file(path)
    np.testing.assert_array_equal(recording.streams[monkey_m1.SPIKES].samples, session.counts)
    np.testing.assert_array_equal(recording.streams[monkey_m1.KINEMATICS].samples, session.kinematics)


def test_a_run_of_eegmmidb_becomes_what_the_evaluation_reads(volo_data: Path, tmp_path: Path) -> None:
    path = volo_data / "eegmmidb_S001" / "S001R06.edf"
    recording = Recording.open(as_recording(path, tmp_path))
    run = eegmmidb.load_runs(volo_data, "S001")[0]
    (stream,) = recording.streams.values()
    np.testing.assert_array_equal(stream.samples, run.samples)
    assert [(m.time, m.payload["target"]) for m in recording.markers] == [
        (m.time, m.payload["target"]) for m in run.markers
    ]


def test_a_session_of_ssvep_exo_becomes_what_the_evaluation_reads(volo_data: Path, tmp_path: Path) -> None:
    path = sorted((volo_data / "ssvep_exo" / "subject01").glob("*_raw.fif"))[0]
    recording = Recording.open(as_recording(path, tmp_path))
    session = ssvep_exo.load_sessions(volo_data, "01")[0]
    (stream,) = recording.streams.values()
    np.testing.assert_array_equal(stream.samples, session.samples)
    assert [m.payload["target"] for m in recording.markers] == [m.payload["target"] for m in session.markers]


def test_a_spiking_decoder_is_replayed_by_the_same_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs_torch()
    root, model = write_session(tmp_path), tmp_path / "m.onnx"
    words = ["spiking", "train", "--data-root", str(root), "--out", str(model), "--epochs", "6", "--seed", "3"]
    assert cli.main([*words, "--quiet"]) == 0
    capsys.readouterr()
    path = root / "monkey_m1" / "session.npz"
    answers = []
    for chunk in ("1", "9"):
        assert cli.main(["replay", str(path), "--decoder", str(model), "--chunk", chunk, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0]["sha256"] == answers[1]["sha256"]
    assert answers[0]["n_bins"] == 1500
    assert set(answers[0]["r2"]) == set(monkey_m1.VELOCITIES)
    assert min(answers[0]["r2"].values()) > 0.3
    assert cli.main(["replay", str(path), "--decoder", str(model)]) == 0
    assert "was trained on" in capsys.readouterr().out
