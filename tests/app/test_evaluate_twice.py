"""A recording that is there under two subjects is told."""

from __future__ import annotations

import numpy as np

from volo_acquisition.types import Channel, StreamInfo
from volo_app.datasets.ssvep_exo import ExoSession
from volo_app.pseudo_online import Evaluation, TrialResult


def _session(subject: str, seed: int) -> ExoSession:
    samples = np.random.default_rng(seed).normal(size=(64, 1)).astype(np.float32)
    info = StreamInfo(f"s-{subject}", "eeg", 256.0, (Channel("Oz", unit="arbitrary"),), "float32", "test")
    return ExoSession(subject, f"record{subject}", info, samples, ())


def test_a_recording_under_two_subjects_is_told_and_others_are_not() -> None:
    evaluation = Evaluation()
    evaluation.add(_session("03", 1), [])
    evaluation.add(_session("05", 2), [])
    assert evaluation.left_out == []
    evaluation.add(_session("07", 1), [])
    assert evaluation.left_out == [
        "subject 07 record07 holds the very samples of subject 03 record03: counted twice, the split may leak"
    ]


def test_orders_of_cues_are_those_of_each_recording() -> None:
    evaluation = Evaluation()
    for session, target in (("a", "13"), ("b", "21"), ("a", "17")):
        evaluation.trials.append(TrialResult("01", session, 0, target, "13", (), 0.0))
    assert evaluation.cue_orders() == [["13", "17"], ["21"]]
