"""Pseudo-online evaluation: recordings through the streaming pipeline, chunk by chunk, scored against the cues."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from pathlib import Path

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Chunk, Item, Marker
from volo_app.datasets import ssvep_exo
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.fitted import FittedChain
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.training import fit_chain
from volo_decoders.types import Decision, Prediction

__all__ = ["CHUNK_SAMPLES", "Evaluation", "TrialResult", "evaluate_ssvep_exo", "exo_chain"]

#: Samples a chunk when recordings are streamed for evaluation.
CHUNK_SAMPLES = 32
#: From the cue to the window's start: reaction, gaze shift and visual latency, seconds.
EXO_OFFSET_S = 0.5
#: Three sub-bands that pass the first, second and third harmonics on (13 to 21 Hz stimuli).
EXO_BANDS_HZ = ((6.0, 88.0), (14.0, 88.0), (22.0, 88.0))


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
    """The trials of an evaluation, and what could not be scored."""

    trials: list[TrialResult] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

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

    def sha256(self) -> str:
        """Return a hash over all trials, labels and scores; decode times do not enter."""
        digest = hashlib.sha256()
        for t in self.trials:
            digest.update(f"{t.subject}/{t.session}/{t.trial}/{t.target}/{t.label}".encode())
            digest.update(np.array(t.scores, "<f8").tobytes())
        return digest.hexdigest()


def exo_chain(decoder: str, window_s: float, rate_hz: float) -> ChainSpec:
    """Return the chain for the exoskeleton recordings.

    Raises
    ------
    DecoderError
        If the decoder is not made for them.
    """
    if decoder == "fbcca":
        params: dict[str, object] = {
            "frequencies_hz": [float(c) for c in ssvep_exo.CLASSES],
            "class_names": list(ssvep_exo.CLASSES),
            "rate_hz": rate_hz,
            "n_harmonics": 4,
            "n_bands": len(EXO_BANDS_HZ),
        }
    elif decoder == "etrca":
        params = {"n_bands": len(EXO_BANDS_HZ)}
    else:
        raise DecoderError(
            f"decoder {decoder!r} is not made for ssvep_exo", reason=Reason.NOT_FOUND, hint="use fbcca or etrca"
        )
    bank = {"pass_bands_hz": [list(band) for band in EXO_BANDS_HZ], "order": 4, "ripple_db": 0.5}
    stages = (StageSpec("select"), StageSpec("filter_bank", bank))
    return ChainSpec(stages, WindowSpec((window_s,), EXO_OFFSET_S), decoder, params)


def evaluate_ssvep_exo(
    data_root: Path,
    decoder: str,
    window_s: float,
    *,
    only: Sequence[str] = (),
    chunk_samples: int = CHUNK_SAMPLES,
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Decode every control trial (rest left out) of every subject found, three classes.

    Decoders that need calibration are trained on the subject's other sessions; a subject with one session only is
    left out and named. Decoders that need none are used as they are.

    Parameters
    ----------
    data_root : Path
        Holds ``ssvep_exo``.
    decoder : str
        ``"fbcca"`` or ``"etrca"``.
    window_s : float
        Length of the window, from 0.5 s after the cue.
    only : sequence of str
        Subjects to use; empty means all.
    chunk_samples : int
        The results do not depend on it.
    progress : callable or None
        Told each subject that is done.
    """
    evaluation = Evaluation()
    for subject in only or ssvep_exo.subjects(data_root):
        sessions = ssvep_exo.load_sessions(data_root, subject)
        for session in sessions:
            spec = exo_chain(decoder, window_s, session.info.rate_hz)
            others = [other for other in sessions if other is not session]
            fitted = _fit(spec, session, others)
            if fitted is None:
                evaluation.left_out.append(f"subject {subject}: one session only, nothing to train on")
                continue
            evaluation.trials += _decode(fitted, session, chunk_samples)
            missing = len(session.targets) - sum(
                t.subject == subject and t.session == session.name for t in evaluation.trials
            )
            if missing:
                evaluation.left_out.append(f"subject {subject} {session.name}: {missing} trials are cut short")
        if progress is not None:
            progress(subject)
    return evaluation


def _fit(spec: ChainSpec, session: ssvep_exo.ExoSession, others: list[ssvep_exo.ExoSession]) -> FittedChain | None:
    if spec.decoder == "fbcca":
        return fit_chain(spec, session.info, (), dynamic=False)
    if not others:
        return None
    items = list(joined.from_iterable(_shifted(others)))
    return fit_chain(spec, session.info, items, dynamic=False)


def _shifted(sessions: Iterable[ssvep_exo.ExoSession]) -> Iterable[list[Item]]:
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


def _decode(fitted: FittedChain, session: ssvep_exo.ExoSession, chunk_samples: int) -> list[TrialResult]:
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
