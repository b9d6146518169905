"""Pseudo-online evaluation of movement and imagery on recorded people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_acquisition.types import Marker
from volo_app.cli import main
from volo_app.datasets import eegmmidb
from volo_app.evaluation_imagery import evaluate_eegmmidb
from volo_app.imagery import imagery_chain
from volo_app.pseudo_online import class_results, decode_recorded, fit_to_others

FILES = {"fists_feet": ("R06", "R10"), "left_right": ("R04", "R08")}


@pytest.fixture
def one_subject(volo_data: Path) -> Path:
    return volo_data / "eegmmidb_S001"


def test_runs_cues_and_channels_are_read_as_published(volo_data: Path) -> None:
    runs = eegmmidb.load_runs(volo_data, "S001")
    assert [run.name for run in runs] == ["R06", "R10"]
    for run in runs:
        assert run.info.rate_hz == 160.0
        assert len(run.info.channels) == 64
        assert {"C3", "Cz", "C4", "Fp1", "FCz", "Iz", "T10", "AF8"} <= set(run.info.channel_names)
        assert sorted(run.targets.values()) in (["feet"] * 8 + ["fists"] * 7, ["feet"] * 7 + ["fists"] * 8)
        assert [m.time for m in run.markers][:2] == pytest.approx([4.2, 12.5])
        assert 10.0 < run.samples.std() < 100.0  # microvolt


def test_tasks_name_their_runs_and_classes(volo_data: Path) -> None:
    for task, names in FILES.items():
        runs = eegmmidb.load_runs(volo_data, "1", task)
        assert tuple(run.name for run in runs) == names
        assert {t for run in runs for t in run.targets.values()} == set(eegmmidb.TASKS[task].classes)


def test_fists_desynchronise_mu_over_the_hand_areas_and_there_alone(volo_data: Path) -> None:
    """An independent check of cues and channel names, by physiology: mu next to C3 and C4, not next to Cz."""
    around = {"C3": ("FC3", "CP3", "C5", "C1"), "Cz": ("FCz", "CPz", "C1", "C2"), "C4": ("FC4", "CP4", "C6", "C2")}
    powers: dict[str, list[list[float]]] = {"feet": [], "fists": []}
    for run in eegmmidb.load_runs(volo_data, "S001"):
        column = run.info.channel_names.index
        for marker in run.markers:
            start = round((marker.time + 0.5) * 160)
            epoch = run.samples[start : start + 480].astype(float)
            local = [
                epoch[:, column(c)] - epoch[:, [column(n) for n in near]].mean(axis=1) for c, near in around.items()
            ]
            spectra = [np.abs(np.fft.rfft((x - x.mean()) * np.hanning(480))) ** 2 for x in local]
            powers[str(marker.payload["target"])].append(
                [float(np.log(s[24:37].mean())) for s in spectra]
            )  # 8 to 12 Hz
    left, middle, right = np.mean(powers["fists"], axis=0) - np.mean(powers["feet"], axis=0)
    assert max(left, right) < -0.4 < middle


@pytest.mark.parametrize(
    ("raw", "standard"),
    [("Fc5.", "FC5"), ("Cz..", "Cz"), ("Fp1.", "Fp1"), ("Fpz.", "Fpz"), ("Afz.", "AFz"), ("T10.", "T10"), ("Iz", "Iz")],
)
def test_channel_names_become_those_of_the_10_10_system(raw: str, standard: str) -> None:
    assert eegmmidb.standard_name(raw) == standard


def test_imagined_fists_and_feet_are_told_apart(volo_data: Path) -> None:
    evaluation = evaluate_eegmmidb(volo_data, "csp_lda", only=["S001"])
    assert len(evaluation.trials) == 30
    assert evaluation.left_out == []
    assert sum(t.target == t.label for t in evaluation.trials) >= 27
    fared = class_results(evaluation, ("fists", "feet"))
    assert [f.n_trials for f in fared.values()] == [14, 16]
    assert all(f.n_right / f.n_trials > 0.8 for f in fared.values())


def test_any_chunking_gives_the_same_bits(volo_data: Path) -> None:
    for decoder in ("csp_lda", "band_power_lda"):
        hashes = {
            evaluate_eegmmidb(volo_data, decoder, only=["S001"], chunk_samples=n).sha256() for n in (1, 32, 333, 1600)
        }
        assert len(hashes) == 1


def test_cues_in_a_wrong_order_teach_nothing(volo_data: Path) -> None:
    """With the training cues shuffled, decoding must fall to chance: nothing but the cue connects training and test."""
    runs = eegmmidb.load_runs(volo_data, "S001")
    spec = imagery_chain("csp_lda")
    rng = np.random.default_rng(0)
    right = []
    for _ in range(8):
        for run, other in ((runs[0], runs[1]), (runs[1], runs[0])):
            targets = rng.permutation([str(m.payload["target"]) for m in other.markers])
            markers = tuple(
                Marker(m.time, m.label, {**m.payload, "target": str(t)}, m.origin)
                for m, t in zip(other.markers, targets, strict=True)
            )
            shuffled = eegmmidb.ImageryRun(other.subject, other.name, other.info, other.samples, markers)
            right += [t.target == t.label for t in decode_recorded(fit_to_others(spec, [shuffled]), run, 800)]
    assert 0.35 < np.mean(right) < 0.65


def linked(folder: Path, source: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(source / name, folder / name)
    return folder


def test_a_subject_with_one_run_is_left_out_by_name(one_subject: Path, tmp_path: Path) -> None:
    linked(tmp_path / "S001", one_subject, "S001R06.edf")
    evaluation = evaluate_eegmmidb(tmp_path, "csp_lda")
    assert evaluation.trials == []
    assert evaluation.left_out == ["subject S001: one run only (R06), nothing to train on"]
    assert evaluate_eegmmidb(tmp_path, "csp_lda", task="left_right").left_out == ["subject S001: no run of this task"]


def test_subjects_are_found_by_either_name_of_their_folder_or_in_their_own(one_subject: Path, tmp_path: Path) -> None:
    linked(tmp_path / "S001", one_subject, "S001R06.edf")
    other = tmp_path / "eegmmidb_S002"
    other.mkdir()
    shutil.copy(one_subject / "S001R06.edf", other / "S002R06.edf")
    (tmp_path / "S003").mkdir()
    (tmp_path / "eegmmidb_S004").mkdir()
    shutil.copy(one_subject / "S001R06.edf", tmp_path / "eegmmidb_S004" / "S001R06.edf")
    assert eegmmidb.subjects(tmp_path) == ["S001", "S002"]
    assert eegmmidb.subjects(other) == ["S002"]
    assert eegmmidb.load_runs(other, "2")[0].subject == "S002"


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no subject folder") as caught:
        evaluate_eegmmidb(tmp_path, "csp_lda")
    assert caught.value.reason is Reason.NOT_FOUND


def test_an_unknown_subject_lists_those_that_are_there(volo_data: Path) -> None:
    with pytest.raises(FileError, match=r"holds no subject S099 \(subjects found: S001"):
        evaluate_eegmmidb(volo_data, "csp_lda", only=["99"])


@pytest.mark.parametrize("n_bytes", [0, 100, 17_000])
def test_a_damaged_file_is_named(one_subject: Path, tmp_path: Path, n_bytes: int) -> None:
    folder = linked(tmp_path / "S001", one_subject, "S001R06.edf", "S001R10.edf")
    whole = (folder / "S001R06.edf").read_bytes()
    (folder / "S001R06.edf").write_bytes(whole[:n_bytes])
    with pytest.raises(FileError, match=r"S001R06\.edf") as caught:
        evaluate_eegmmidb(tmp_path, "csp_lda")
    assert caught.value.reason is Reason.DAMAGED


def test_a_decoder_of_another_kind_is_refused(volo_data: Path) -> None:
    with pytest.raises(DecoderError, match="not made for motor imagery"):
        evaluate_eegmmidb(volo_data, "fbcca")


def test_the_command_tells_class_by_class_and_where_chance_ends(
    one_subject: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["evaluate", "--dataset", "eegmmidb", "--data-root", str(one_subject), "--decoder", "csp_lda"]
    assert main([*options, "--json"]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert result["dataset"] == "eegmmidb"
    assert result["task"] == "fists_feet"
    assert result["split"] == "leave one run out"
    assert result["window_s"] == 3.0
    assert result["n_trials"] == 30
    assert result["accuracy"] * 30 >= 27
    assert result["chance_upper"] == pytest.approx(20 / 30)
    assert result["subjects"] == {"S001": result["accuracy"]}
    assert {label: fared["n_trials"] for label, fared in result["classes"].items()} == {"fists": 14, "feet": 16}
    assert result["itr_bits_per_min"] > 0.0
    assert len(result["sha256"]) == 64
    assert "class feet: " in told.err
    assert "above chance from 66.7%" in told.err


def test_a_task_belongs_to_imagery(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["evaluate", "--dataset", "ssvep_exo", "--data-root", str(tmp_path), "--task", "left_right"]
    assert main(options) == 2
    assert "--task left_right is not a task of ssvep_exo" in capsys.readouterr().err
