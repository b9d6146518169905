"""Pseudo-online evaluation of motor imagery: each run decoded by what was learned from the subject's other runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from volo_app.datasets import eegmmidb
from volo_app.imagery import IMAGERY_WINDOW_S, imagery_chain
from volo_app.pseudo_online import CHUNK_SAMPLES, Evaluation, decode_recorded, fit_to_others

__all__ = ["evaluate_eegmmidb"]


def evaluate_eegmmidb(
    data_root: Path,
    decoder: str,
    window_s: float = IMAGERY_WINDOW_S,
    *,
    task: str = "fists_feet",
    only: Sequence[str] = (),
    chunk_samples: int = CHUNK_SAMPLES,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Decode every cued trial of a task, two classes, leaving one run out.

    For each run of a subject the chain is fitted to the subject's other runs of the task, and to nothing else; a
    subject with one run only is left out and named, as is one whose runs differ in their rate or channels.

    Parameters
    ----------
    data_root : Path
        Holds the subjects' folders, or is one.
    decoder : str
        One of `volo_app.imagery.IMAGERY_DECODERS`.
    window_s : float
        Length of the window, from 0.5 s after the cue.
    task : str
        One of `volo_app.datasets.eegmmidb.TASKS`.
    only : sequence of str
        Subjects to use; empty means all.
    chunk_samples : int
        The results do not depend on it.
    progress : callable or None
        Told each subject that is done.

    Raises
    ------
    FileError
        If there is no subject, or a file is damaged.
    DecoderError
        If the decoder is not made for imagery, or lacks a channel.
    """
    evaluation = Evaluation()
    for subject in only or eegmmidb.subjects(data_root):
        runs = eegmmidb.load_runs(data_root, subject, task)
        problem = _problem(runs)
        if problem:
            evaluation.left_out.append(f"subject {subject}: {problem}")
        else:
            spec = imagery_chain(decoder, lengths_s=(window_s,), info=runs[0].info)
            for run in runs:
                fitted = fit_to_others(spec, [other for other in runs if other is not run])
                evaluation.add(run, decode_recorded(fitted, run, chunk_samples))
        if progress is not None:
            progress(subject)
    return evaluation


def _problem(runs: Sequence[eegmmidb.ImageryRun]) -> str:
    """Return why runs cannot be decoded from one another, empty if they can."""
    if not runs:
        return "no run of this task"
    if len(runs) == 1:
        return f"one run only ({runs[0].name}), nothing to train on"
    rates = sorted({run.info.rate_hz for run in runs})
    if len(rates) > 1:
        return f"runs at different rates, {', '.join(f'{rate:g}' for rate in rates)} Hz"
    if len({run.info.channel_names for run in runs}) > 1:
        return "runs with different channels"
    return ""
