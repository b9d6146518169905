"""Which of two talkers a simulated listener attends to: recorded, trained on earlier trials, decoded in later ones.

Everything is simulated: it shows that streams, stamps, lags, trials and windows fit together, not how well a brain is
decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import ManualClock
from volo_acquisition.clockmap import ClockMap
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES, random_numbers
from volo_acquisition.synthetic.listening import CHANNELS, LISTENING, TALKERS, Listener, listening_sha256
from volo_acquisition.types import Channel, ChannelKind, Chunk, Correction, Marker, StreamInfo
from volo_app.rows import RunRecorder
from volo_app.session import Session
from volo_decoders.metrics import chance_upper
from volo_decoders.pipeline.decoding import Fingerprint
from volo_decoders.speech.attention import AttentionModel, fit_attention
from volo_decoders.speech.streaming import Conditioner, Reconstructor, Track
from volo_decoders.speech.tracking import AttentionTracker, Line, Reading, Trials
from volo_decoders.speech.trf import BackwardTRF, pearson
from volo_paradigms.grammar import ATTEND, OFFSET, ONSET, RUN_START, RUN_STOP, TRIAL_START

__all__ = [
    "AttendSettings",
    "Fitted",
    "Trial",
    "attend",
    "cut_trials",
    "decode",
    "evaluate",
    "record",
    "redecode",
    "train",
]

TASK = "attend"
EEG = "eeg"
ENVELOPES = tuple(f"talker-{talker}" for talker in TALKERS)
#: Lengths whose accuracy is told, of windows that do not overlap.
WINDOWS_S = (1.0, 2.0, 5.0, 10.0, 20.0)
RATE_HZ = LISTENING.rate_hz / LISTENING.envelope_step
LEAD_IN_S, PAUSE_S = 5.0, 2.0

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AttendSettings:
    """What can be set.

    Attributes
    ----------
    n_trials : int
        How many; at least 4.
    trial_s : float
        Length of each; at least 10.
    n_train : int
        The first so many train, the rest are decoded; at least 2 each.
    seed : int
        Of speech, background, and who is attended when.
    window_s, hop_s : float
        Windows of the running decisions, and from one to the next.
    chunk_samples : int
        How the recording is chunked when it is decoded; the result does not depend on it.
    """

    n_trials: int = 24
    trial_s: float = 60.0
    n_train: int = 12
    seed: int = 1
    window_s: float = 5.0
    hop_s: float = 1.0
    chunk_samples: int = 16

    def __post_init__(self) -> None:
        if not 2 <= self.n_train <= self.n_trials - 2:
            raise ValueError(f"got {self.n_trials} trials, {self.n_train} to train; at least 2 must train, and 2 not")
        if not 10.0 <= self.trial_s <= 3600.0:
            raise ValueError(f"seconds: got {self.trial_s:g}, a trial lasts from 10 to 3600")
        if not (0.5 <= self.window_s <= self.trial_s and 0.1 <= self.hop_s <= self.trial_s):
            raise ValueError(
                f"got a window of {self.window_s:g} s every {self.hop_s:g} s; it must last from 0.5 s to a trial, and "
                "the hop from 0.1 s"
            )
        if self.chunk_samples < 1 or self.seed < 0:
            raise ValueError(f"got chunk {self.chunk_samples}, seed {self.seed}; they must be at least 1 and 0")

    def windows(self) -> tuple[tuple[float, float], ...]:
        """Return length and hop of all windows: running, those that are told of, and the whole trial."""
        told = [w for w in WINDOWS_S if w <= self.trial_s]
        return ((self.window_s, self.hop_s), *((w, w) for w in told), (self.trial_s, self.trial_s))


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One whole trial at the common rate.

    Attributes
    ----------
    number : int
        Its number in the recording.
    attended : int
        0 or 1: which envelope.
    eeg : ndarray, shape (n_samples, n_channels)
        Conditioned.
    envelopes : tuple of 2 ndarray, shape (n_samples,)
        Conditioned.
    """

    number: int
    attended: int
    eeg: Array
    envelopes: tuple[Array, Array]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A reconstruction and what its correlations mean."""

    trf: BackwardTRF
    model: AttentionModel


def record(session: Session, settings: AttendSettings, on_trial: Callable[[], None] | None = None) -> Path:
    """Simulate all trials and record EEG, both envelopes and markers as the session's first run."""
    listener = Listener(settings.seed)
    infos = (
        StreamInfo(EEG, "eeg", LISTENING.rate_hz, tuple(Channel(name) for name in CHANNELS), "float32", "simulated"),
        *(
            StreamInfo(
                name, "envelope", RATE_HZ, (Channel("envelope", ChannelKind.AUDIO, "1"),), "float32", "simulated"
            )
            for name in ENVELOPES
        ),
    )
    path = session.run_path(TASK, 1)
    header = {"task": TASK, "simulated": "true", "listener_sha256": listening_sha256()}
    todo = _script(settings)
    stop_s = todo[-1].time + 1.0
    with RunRecorder(path, header) as recorder:
        recorder.start(infos)
        block = 0
        while listener.time_s < stop_s:
            until_s = (block + 1) * BLOCK_SAMPLES / LISTENING.rate_hz
            while todo and todo[0].time < until_s:
                marker = todo.pop(0)
                listener.tell(marker)
                recorder.item(marker)
                if marker.label == OFFSET and on_trial is not None:
                    on_trial()
            eeg, envelopes = listener.block()
            for info, samples in zip(infos, (eeg, envelopes[:, :1], envelopes[:, 1:]), strict=True):
                index = block * len(samples)
                times = (index + np.arange(len(samples))) / info.rate_hz
                recorder.item(Chunk(info.stream_id, index, samples.astype(np.float32), times))
            block += 1
    return path


def _script(settings: AttendSettings) -> list[Marker]:
    """Return the run's markers; each talker is attended in half of the training trials and half of the others."""
    random = random_numbers(settings.seed, 50, 0)
    targets: list[str] = []
    for n in (settings.n_train, settings.n_trials - settings.n_train):
        half = [TALKERS[k % 2] for k in range(n)]
        targets += [half[k] for k in random.permutation(n)]
    now_s = LEAD_IN_S
    markers = [Marker(0.0, RUN_START, {"task": TASK, "paradigm": "two_talkers", "layout": ""})]
    for trial, target in enumerate(targets):
        seen = {"trial": trial, "key": target, "frequency_hz": 0.0, "phase_rad": 0.0}
        onset_s = now_s + 0.5 + float(random.uniform(0.0, 0.5))  # not on any grid of samples
        markers += [
            Marker(now_s, TRIAL_START, {"trial": trial, "cue": target, "text": ""}),
            Marker(now_s, ATTEND, seen, "participant"),
            Marker(onset_s, ONSET, {"trial": trial, "target": target}),
            Marker(onset_s + settings.trial_s, OFFSET, {"trial": trial}),
        ]
        now_s = onset_s + settings.trial_s + PAUSE_S
    return [*markers, Marker(now_s, RUN_STOP, {})]


class _Inputs:
    """The three streams of a recording, replayed side by side and conditioned; to be iterated once."""

    def __init__(self, path: Path, chunk_samples: int) -> None:
        clock = ManualClock()
        self._sources = [
            ReplaySource(
                ReplaySource.Settings(file=str(path), speed=0.0, chunk_samples=chunk_samples, stream=name), clock
            )
            for name in (EEG, *ENVELOPES)
        ]
        self._conditioners = [Conditioner(RATE_HZ) for _ in self._sources]
        self.infos = [
            conditioner.reset(*source.open())
            for conditioner, source in zip(self._conditioners, self._sources, strict=True)
        ]

    def __iter__(self) -> Iterator[tuple[int, list[Track] | Marker]]:
        """Yield which stream and what it has next: conditioned samples, or a marker (of the EEG's replay alone)."""
        clock_map = ClockMap()
        reached = [float("-inf")] * len(self._sources)
        while left := [k for k, source in enumerate(self._sources) if not source.exhausted]:
            which = min(left, key=lambda k: reached[k])
            for item in self._sources[which].read(0.0):
                match item:
                    case Marker() if which == 0:
                        yield which, item
                    case Correction():
                        clock_map.add(item)
                    case Chunk() if len(item):
                        reached[which] = float(item.times[-1])
                        yield which, self._conditioners[which].push(clock_map.apply(item))
        for source in self._sources:
            source.close()


def cut_trials(path: Path, chunk_samples: int = 64) -> list[Trial]:
    """Return the recording's trials, conditioned by the same streaming stages that decode it.

    A trial that holds samples which are not to be trusted, or whose attended talker is not known, is left out.
    """
    inputs = _Inputs(path, chunk_samples)
    lines = [Line(info.n_channels) for info in inputs.infos]
    trials = Trials()
    for which, got in inputs:
        if isinstance(got, Marker):
            trials.mark(got)
        else:
            for track in got:
                lines[which].append(track)
    cut = []
    for span in trials.spans:
        starts = [line.nearest(span.onset_s) for line in lines]
        if span.target not in TALKERS or not np.isfinite(span.offset_s):
            continue
        n = round((span.offset_s - span.onset_s) * RATE_HZ)
        parts = [line.part(k, k + n) for k, line in zip(starts, lines, strict=True) if k is not None]
        whole = [samples for samples, valid, _ in (part for part in parts if part is not None) if valid == 1.0]
        if len(whole) == len(lines):
            eeg, a, b = whole
            cut.append(Trial(span.trial, TALKERS.index(span.target), eeg, (a[:, 0], b[:, 0])))
    return cut


def train(trials: Sequence[Trial]) -> Fitted:
    """Fit reconstruction and attention model to whole trials."""
    trf = BackwardTRF(RATE_HZ)
    eeg = [t.eeg for t in trials]
    attended = [t.envelopes[t.attended] for t in trials]
    ignored = [t.envelopes[1 - t.attended] for t in trials]
    trf.fit(eeg, attended)
    model = fit_attention(trf.left_out(eeg, attended), attended, ignored, rate_hz=RATE_HZ)
    return Fitted(trf, model)


def decode(path: Path, fitted: Fitted, settings: AttendSettings, trials: frozenset[int]) -> list[Reading]:
    """Replay the recording in chunks and return the readings of `trials`; nothing is made of the others."""
    inputs = _Inputs(path, settings.chunk_samples)
    reconstructor = Reconstructor(fitted.trf)
    tracker = AttentionTracker(fitted.model, TALKERS, settings.windows(), rate_hz=RATE_HZ)
    readings: list[Reading] = []
    open_trial = False
    for which, got in inputs:
        if isinstance(got, Marker):
            if got.label == ONSET:
                open_trial = got.payload.get("trial") in trials
            if open_trial:
                tracker.mark(got)
        else:
            tracks = got if which else [block for track in got for block in reconstructor.push(track)]
            readings += tracker.push(which, tracks)
    return readings


def _mismatched(fitted: Fitted, trials: Sequence[Trial], window_s: float) -> float | None:
    """Return the accuracy when each reconstruction meets the envelopes of every other trial: it must be chance."""
    n, right, total = round(window_s * RATE_HZ), 0, 0
    heard = [fitted.trf.reconstruct(trial.eeg) for trial in trials]
    for k, trial in enumerate(trials):
        for j, other in enumerate(trials):
            shared = min(len(heard[k]), len(other.envelopes[0]))
            for start in range(0, shared - n + 1 if j != k else 0, n):
                part = slice(start, start + n)
                r = [pearson(heard[k][part], envelope[part]) for envelope in other.envelopes]
                right += r[trial.attended] > r[1 - trial.attended]
                total += 1
    return right / total if total else None


def evaluate(
    readings: Sequence[Reading], fitted: Fitted, tested: Sequence[Trial], settings: AttendSettings
) -> dict[str, object]:
    """Return the figures of decoded trials, as `volo attend --json` prints them."""
    truth = {trial.number: trial.attended for trial in tested}
    fingerprint = Fingerprint()
    for reading in readings:
        if reading.prediction is not None:
            fingerprint.add(reading.prediction)
        fingerprint.add(reading.decision)
    rows = []
    last = len(settings.windows()) - 1
    for k, (window_s, hop_s) in enumerate(settings.windows()[:last]):
        decisions = [r.decision for r in readings if r.window == k]
        right = [d.label == TALKERS[truth[d.group]] for d in decisions]
        row: dict[str, object] = {
            "window_s": window_s,
            "hop_s": hop_s,
            "n": len(decisions),
            "accuracy": float(np.mean(right)) if right else None,
            "expected_accuracy": fitted.model.accuracy(window_s),
            "mean_confidence": float(np.mean([d.confidence for d in decisions])) if decisions else None,
            "abstained": sum(d.label is None for d in decisions),
        }
        if k:
            bound = chance_upper(len(decisions), 2) if decisions else float("nan")
            row |= {"chance_upper": bound, "mismatched_accuracy": _mismatched(fitted, tested, window_s)}
        rows.append(row)
    whole = [r.prediction for r in readings if r.window == last and r.prediction is not None]
    attended = [float(p.scores[truth[p.group]]) for p in whole]
    ignored = [float(p.scores[1 - truth[p.group]]) for p in whole]
    return {
        "running": rows[0],
        "windows": rows[1:],
        "reconstruction_r": {
            "attended": {"mean": _mean(attended), "sd": float(np.std(attended, ddof=1)) if len(whole) > 1 else None},
            "ignored": {"mean": _mean(ignored), "sd": float(np.std(ignored, ddof=1)) if len(whole) > 1 else None},
        },
        "n_predictions": fingerprint.n_predictions,
        "n_decisions": fingerprint.n_decisions,
        "sha256": fingerprint.hexdigest(),
    }


def redecode(path: Path, chunk_samples: int = 0) -> dict[str, object]:
    """Decode a recording of two talkers again: the first half of its trials trains, the rest is decoded.

    Raises
    ------
    FileError, DeviceError
        If the recording cannot be read, or has not the streams and trials.
    """
    trials = cut_trials(path)
    if len(trials) < 4:
        raise FileError(
            f"{path} has {len(trials)} whole trials with a known talker, at least 4 are needed",
            reason=Reason.EMPTY,
            hint="record more trials: half of them train",
        )
    n_train = len(trials) // 2
    settings = AttendSettings(
        n_trials=len(trials),
        n_train=n_train,
        trial_s=float(min(len(trial.eeg) for trial in trials) / RATE_HZ),
        **({"chunk_samples": chunk_samples} if chunk_samples else {}),
    )
    tested = trials[n_train:]
    fitted = train(trials[:n_train])
    readings = decode(path, fitted, settings, frozenset(trial.number for trial in tested))
    figures = evaluate(readings, fitted, tested, settings)
    return {**figures, "decoder": f"attention trained on the first {n_train} trials", "n_train": n_train}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def attend(
    session: Session, settings: AttendSettings, on_trial: Callable[[], None] | None = None
) -> Mapping[str, object]:
    """Record, train on the first trials, decode the rest, and return the figures.

    Raises
    ------
    FileError
        If the recording cannot be written or read.
    """
    path = record(session, settings, on_trial)
    trials = cut_trials(path)
    training = [trial for trial in trials if trial.number < settings.n_train]
    tested = [trial for trial in trials if trial.number >= settings.n_train]
    fitted = train(training)
    readings = decode(path, fitted, settings, frozenset(trial.number for trial in tested))
    weights = hashlib.sha256(fitted.trf.weights_.astype("<f8").tobytes()).hexdigest()
    summary = {
        "train_trials": [trial.number for trial in training],
        "test_trials": [trial.number for trial in tested],
        "trial_s": settings.trial_s,
        "seed": settings.seed,
        "rate_hz": RATE_HZ,
        "lags_s": list(fitted.trf.lags_s),
        "ridge": fitted.trf.ridge_,
        "ridges": {f"{r:g}": s for r, s in zip(fitted.trf.ridges, fitted.trf.ridge_scores_.tolist(), strict=True)},
        "weights_sha256": weights,
        "attention_model": {"mean": fitted.model.mean, "sd": fitted.model.sd, "window_s": fitted.model.window_s},
        **evaluate(readings, fitted, tested, settings),
        "listener_sha256": listening_sha256(),
        "file": path,
        "session": session.folder,
        "simulated": True,
    }
    session.journal("attend", sha256=summary["sha256"], weights_sha256=weights)
    return summary
