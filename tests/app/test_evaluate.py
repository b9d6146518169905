"""Pseudo-online evaluation on recorded people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.errors import FileError, Reason
from volo_app.datasets import ssvep_exo
from volo_app.evaluation import evaluate_ssvep_exo

SEVEN = ("01", "02", "03", "04", "05", "06", "07")


def test_classes_and_cues_are_read_as_published(volo_data: Path) -> None:
    sessions = ssvep_exo.load_sessions(volo_data, "07")
    assert len(sessions) == 2
    for session in sessions:
        assert session.info.rate_hz == 256.0
        assert session.info.channel_names == ("Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4")
        counts = {c: list(session.targets.values()).count(c) for c in ssvep_exo.CLASSES}
        assert counts == {"13": 8, "17": 8, "21": 8}


def test_responses_lie_at_the_frequencies_of_their_labels(volo_data: Path) -> None:
    """An independent check of the labels: the spectrum peaks at the cued frequency, second harmonics included."""
    power = np.zeros((3, 3))
    for session in ssvep_exo.load_sessions(volo_data, "01"):
        oz = session.samples[:, 0].astype(float)
        for marker in session.markers:
            if marker.label != "stimulus/onset":
                continue
            start = round((marker.time + 0.5) * 256)
            epoch = oz[start : start + 1024] - oz[start : start + 1024].mean()
            spectrum = np.abs(np.fft.rfft(epoch * np.hanning(1024))) ** 2
            row = ssvep_exo.CLASSES.index(str(marker.payload["target"]))
            for column, hz in enumerate((13, 17, 21)):
                power[row, column] += spectrum[4 * hz]
    assert list((power / power.mean(axis=0)).argmax(axis=1)) == [0, 1, 2]


def test_sample_by_sample_gives_the_same_bits_as_chunks_of_32(volo_data: Path) -> None:
    chunks = evaluate_ssvep_exo(volo_data, "fbcca", 2.0, only=["01"])
    samples = evaluate_ssvep_exo(volo_data, "fbcca", 2.0, only=["01"], chunk_samples=1)
    assert len(chunks.trials) == 48
    assert chunks.sha256() == samples.sha256()


def test_fbcca_reaches_the_plain_baseline_at_two_seconds(volo_data: Path) -> None:
    evaluation = evaluate_ssvep_exo(volo_data, "fbcca", 2.0, only=SEVEN)
    assert len(evaluation.trials) == 336
    assert evaluation.left_out == []
    assert evaluation.accuracy >= 0.705


@pytest.mark.slow
@pytest.mark.parametrize(("window_s", "least"), [(1.0, 0.50), (3.0, 0.815), (4.0, 0.84)])
def test_fbcca_reaches_the_plain_baseline(volo_data: Path, window_s: float, least: float) -> None:
    assert evaluate_ssvep_exo(volo_data, "fbcca", window_s, only=SEVEN).accuracy >= least


@pytest.mark.slow
@pytest.mark.parametrize("window_s", [2.0, 4.0])
def test_phase_locked_templates_come_out_at_chance_on_stimuli_that_are_not_phase_locked(
    volo_data: Path, window_s: float
) -> None:
    evaluation = evaluate_ssvep_exo(volo_data, "etrca", window_s, only=SEVEN)
    assert len(evaluation.trials) == 336
    assert 0.265 <= evaluation.accuracy <= 0.405


def test_a_folder_without_recordings_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no subject folder") as caught:
        evaluate_ssvep_exo(tmp_path, "fbcca", 2.0)
    assert caught.value.reason is Reason.NOT_FOUND


def test_an_unknown_subject_lists_those_that_are_there(volo_data: Path) -> None:
    with pytest.raises(FileError, match="subjects found: 01, 02"):
        evaluate_ssvep_exo(volo_data, "fbcca", 2.0, only=["99"])
