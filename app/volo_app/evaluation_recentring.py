"""What following a drift is worth: the last session of each person, decoded frozen and with the reference following."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from volo_app.datasets import ssvep_exo
from volo_app.evaluation import EXO_OFFSET_S
from volo_app.pseudo_online import CHUNK_SAMPLES, Evaluation, decode_recorded, fit_to_others
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.pipeline.windower import WindowSpec

__all__ = ["Gain", "evaluate_recentring", "recentring_chain"]

#: A narrow band around each flicker's frequency.
BANDS_HZ = tuple((float(c) - 1.0, float(c) + 1.0) for c in ssvep_exo.CLASSES)


@dataclass(frozen=True, slots=True)
class Gain:
    """What adaptation changed.

    Attributes
    ----------
    per_subject : dict of float
        Accuracy with it minus without, points.
    mean_points : float
        Mean over subjects.
    worst_subject : str
        Who lost most (or gained least).
    worst_points : float
        How much.
    below_one_trial : int
        Subjects that lost more than one trial.
    """

    per_subject: dict[str, float]
    mean_points: float
    worst_subject: str
    worst_points: float
    below_one_trial: int

    @classmethod
    def of(cls, frozen: Evaluation, following: Evaluation) -> Gain:
        """Compare two evaluations of the same trials."""
        before, after = frozen.subject_accuracy(), following.subject_accuracy()
        points = {subject: 100.0 * (after[subject] - before[subject]) for subject in before}
        counts = {subject: sum(t.subject == subject for t in frozen.trials) for subject in before}
        worst = min(points, key=lambda subject: points[subject])
        return cls(
            points,
            float(np.mean(list(points.values()))),
            worst,
            points[worst],
            sum(points[subject] < -100.0 / counts[subject] - 1e-9 for subject in points),
        )


def recentring_chain(window_s: float, adapt_by: str) -> ChainSpec:
    """Return the chain: a band around each flicker, covariance of all of them, tangent space."""
    bank = {"pass_bands_hz": [list(band) for band in BANDS_HZ], "order": 2, "ripple_db": 0.5}
    stages = (StageSpec("select"), StageSpec("filter_bank", bank))
    return ChainSpec(stages, WindowSpec((window_s,), EXO_OFFSET_S), "tangent_space", {"adapt_by": adapt_by})


def evaluate_recentring(
    data_root: Path,
    window_s: float,
    adapt_by: str,
    *,
    only: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Decode every control trial of each person's last session, fitted to all sessions before it.

    Parameters
    ----------
    data_root : Path
        Holds ``ssvep_exo``.
    window_s : float
        Length of the window, from 0.5 s after the cue.
    adapt_by : {"none", "riemann", "euclid"}
        How the reference follows; it starts at the calibration, and sees the trials as they come, without labels.
    only : sequence of str
        Subjects to use; empty means all.
    progress : callable or None
        Told each subject that is done.
    """
    evaluation = Evaluation()
    for subject in only or ssvep_exo.subjects(data_root):
        sessions = ssvep_exo.load_sessions(data_root, subject)
        if len(sessions) < 2:
            evaluation.left_out.append(f"subject {subject}: one session only, nothing to train on")
        else:
            fitted = fit_to_others(recentring_chain(window_s, adapt_by), sessions[:-1])
            evaluation.add(sessions[-1], decode_recorded(fitted, sessions[-1], CHUNK_SAMPLES))
        if progress is not None:
            progress(subject)
    return evaluation
