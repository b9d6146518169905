"""Recordings through the streaming pipeline, chunk by chunk, scored against their cues: for any data set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import SessionClock
from volo_acquisition.types import Chunk, Item, Marker, StreamInfo
from volo_decoders.chain import ChainSpec
from volo_decoders.fitted import FittedChain
from volo_decoders.training import fit_chain
from volo_decoders.types import Decision, Prediction

__all__ = [
    "CHUNK_SAMPLES",
    "ClassResult",
    "Evaluation",
    "Recorded",
    "TrialResult",
    "class_results",
    "decode_recorded",
    "fit_to_others",
]

#: Samples a chunk when recordings are streamed for evaluation.
CHUNK_SAMPLES = 32


class Recorded(Protocol):
    """One recording of one person with its cues, whatever the data set."""

    @property
    def subject(self) -> str:
        """Who."""
        ...

    @property
    def name(self) -> str:
        """Which recording of that subject."""
        ...

    @property
    def info(self) -> StreamInfo:
        """The signal's description."""
        ...

    @property
    def samples(self) -> NDArray[Any]:
        """The signal, shape (n_samples, n_channels)."""
        ...

    @property
    def targets(self) -> Mapping[int, str]:
        """The true class of each trial, by trial number."""
        ...

    def items(self, chunk_samples: int) -> Iterator[Item]:
        """Yield the recording as a source would, trials marked by ``stimulus/onset``."""
        ...


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One scored trial: what was cued, what was decided, and how long the decode took."""

    subject: str
    session: str
    trial: int
    target: str
    label: str
    scores: tuple[float, ...]
    decode_s: float


@dataclass(slots=True)
class Evaluation:
    """The trials of an evaluation, what could not be scored, and the hash of each recording's samples."""

    trials: list[TrialResult] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    recordings: dict[str, str] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of trials that were right."""
        return float(np.mean([t.target == t.label for t in self.trials])) if self.trials else float("nan")

    def subject_accuracy(self) -> dict[str, float]:
        """Return the accuracy of each subject."""
        return {
            subject: float(np.mean([t.target == t.label for t in self.trials if t.subject == subject]))
            for subject in sorted({t.subject for t in self.trials})
        }

    def cue_orders(self) -> list[list[str]]:
        """Return the true classes of each recording in time order, of the trials that were scored."""
        orders: dict[tuple[str, str], list[str]] = {}
        for t in self.trials:
            orders.setdefault((t.subject, t.session), []).append(t.target)
        return list(orders.values())

    def sha256(self) -> str:
        """Return a hash over all trials, labels and scores; decode times do not enter."""
        digest = hashlib.sha256()
        for t in self.trials:
            digest.update(f"{t.subject}/{t.session}/{t.trial}/{t.target}/{t.label}".encode())
            digest.update(np.array(t.scores, "<f8").tobytes())
        return digest.hexdigest()

    def add(self, recorded: Recorded, trials: Sequence[TrialResult]) -> None:
        """Take the trials of one recording, and note how many of its cues could not be decoded."""
        self.trials += trials
        name = f"subject {recorded.subject} {recorded.name}"
        digest = hashlib.sha256(np.ascontiguousarray(recorded.samples).tobytes()).hexdigest()
        same = [other for other, known in self.recordings.items() if known == digest]
        if same:
            self.left_out.append(f"{name} holds the very samples of {same[0]}: counted twice, the split may leak")
        self.recordings[name] = digest
        missing = len(recorded.targets) - len(trials)
        if missing:
            self.left_out.append(f"subject {recorded.subject} {recorded.name}: {missing} trials are cut short")


@dataclass(frozen=True, slots=True)
class ClassResult:
    """How one class fared.

    Attributes
    ----------
    n_trials, n_right : int
        Trials of the class, and those of them that were right.
    """

    n_trials: int
    n_right: int


def class_results(evaluation: Evaluation, classes: Sequence[str]) -> dict[str, ClassResult]:
    """Return how each class fared; one that had no trials is left out."""
    results = {}
    for label in classes:
        trials = [t for t in evaluation.trials if t.target == label]
        if trials:
            right = sum(t.label == label for t in trials)
            results[label] = ClassResult(len(trials), right)
    return results


def fit_to_others(spec: ChainSpec, others: Sequence[Recorded]) -> FittedChain:
    """Fit a chain to some recordings of one person, far apart on one time line.

    Raises
    ------
    DecoderError
        If they do not suffice.
    """
    return fit_chain(spec, others[0].info, joined.from_iterable(_shifted(others)), dynamic=False)


def _shifted(sessions: Iterable[Recorded]) -> Iterable[list[Item]]:
    """Yield the sessions' items on one time line, far apart, so that one training pass sees them all."""
    start_index, start_s, trial = 0, 0.0, 0
    for session in sessions:
        shifted: list[Item] = []
        for item in session.items(CHUNK_SAMPLES):
            match item:
                case Chunk():
                    shifted.append(Chunk(item.stream_id, item.index + start_index, item.samples, item.times + start_s))
                case Marker():
                    payload = {**item.payload, "trial": int(item.payload["trial"]) + trial}
                    shifted.append(Marker(item.time + start_s, item.label, payload, item.origin))
        yield shifted
        start_index += len(session.samples) + round(60 * session.info.rate_hz)
        start_s = start_index / session.info.rate_hz
        trial += 1000


def decode_recorded(fitted: FittedChain, session: Recorded, chunk_samples: int) -> list[TrialResult]:
    """Stream a recording through a fitted chain and return its trials as they were decided."""
    decoding = fitted.decoding(session.info)
    targets = session.targets
    stopwatch = SessionClock()
    results: list[TrialResult] = []
    scores: tuple[float, ...] = ()
    for item in session.items(chunk_samples):
        t0 = stopwatch.now()
        for result in decoding.process(item):
            match result:
                case Prediction():
                    scores = tuple(float(s) for s in result.scores)
                case Decision():
                    elapsed = stopwatch.now() - t0
                    target = targets[result.group]
                    results.append(
                        TrialResult(
                            session.subject, session.name, result.group, target, str(result.label), scores, elapsed
                        )
                    )
    return results
