"""Fitting a chain to the windows of a calibration, with stopping calibrated on held-out blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clockmap import ClockMap
from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Channel, Chunk, Correction, Item, Marker, StreamInfo
from volo_decoders.base import Decoder
from volo_decoders.chain import ChainSpec, build_decoder, build_pipeline, resolve_channels
from volo_decoders.fitted import FittedChain, make_id
from volo_decoders.pipeline.stopping import DynamicStopping, FixedStopping, Stopping
from volo_decoders.pipeline.stopping_rules import BayesianStopping, MarginStopping, margin, relative_margin
from volo_decoders.types import Window

__all__ = ["artefact_groups", "collect_windows", "fit_chain", "time_folds"]

#: So many trials of each class stay in training, and are needed to calibrate confidence.
LEAST_PER_CLASS = 3


def collect_windows(
    spec: ChainSpec, info: StreamInfo, items: Iterable[Item], *, fitting: bool = True
) -> tuple[StreamInfo, list[Window]]:
    """Run a recording through the chain's stages; return the processed stream's description and the windows.

    Parameters
    ----------
    spec : ChainSpec
        The chain; every length of its window specification yields windows.
    info : StreamInfo
        The stream to take the samples from.
    items : iterable of Item
        What a source yields.
    fitting : bool
        False builds the stages as they run online (they differ for a cascaded filter bank only).
    """
    pipeline = build_pipeline(spec, fitting=fitting)
    processed = pipeline.reset(info)
    clock_map = ClockMap()
    markers: list[Marker] = []
    windows: list[Window] = []
    for item in items:
        match item:
            case Correction():
                clock_map.add(item)
            case Marker():
                markers.append(item)
            case Chunk() if item.stream_id == info.stream_id:
                windows += pipeline.windows(clock_map.apply(item), markers)
                markers = []
    return processed, windows


_RULES = ("dynamic", "bayesian", "margin", "fixed")


def time_folds(labels: Sequence[str], groups: Sequence[int]) -> NDArray[np.intp]:
    """Return a block number for each trial: the k-th trial of each class, in time order, is in block k.

    Leaving one block out then keeps trials of one block on one side and every class in training.

    Parameters
    ----------
    labels, groups : sequence, shape (n_trials,)
        Class and trial number; trials count up in time.
    """
    folds = np.empty(len(labels), np.intp)
    seen: dict[str, int] = {}
    for k in np.argsort(np.asarray(groups), kind="stable"):
        folds[k] = seen.get(labels[k], 0)
        seen[labels[k]] = int(folds[k]) + 1
    return folds


def fit_chain(
    spec: ChainSpec,
    info: StreamInfo,
    items: Iterable[Item],
    *,
    threshold: float = 0.95,
    dynamic: bool = True,
    rule: str = "dynamic",
    provenance: dict[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FittedChain:
    """Fit a chain to a calibration recording.

    Parameters
    ----------
    spec : ChainSpec
        The chain; the decoder is fitted on its longest window.
    info : StreamInfo
        The recorded stream.
    items : iterable of Item
        The recording, with onset markers that hold ``target``.
    threshold : float
        Confidence at which dynamic stopping decides.
    dynamic : bool
        False decides at the longest window only.
    rule : {"dynamic", "bayesian", "margin", "fixed"}
        When to decide: by a logistic curve of the margin, by densities of it, by the margin itself, each fitted on
        blocks the decoder has not seen; or at the longest window only.
    provenance : dict of str
        Where the data came from, kept with the decoder.
    progress : callable or None
        Told (blocks done, blocks) from the calling thread.

    Raises
    ------
    DecoderError
        If there are no labelled windows, or too few for the decoder.
    """
    if rule not in _RULES:
        raise ValueError(f"rule: got {rule!r}, allowed are {', '.join(_RULES)}")
    spec = resolve_channels(spec, info)
    _, windows = collect_windows(spec, info, items)
    lengths = spec.window.samples(info.rate_hz)
    decoder = build_decoder(spec)
    used = [w for w in windows if w.label is not None and w.valid_fraction >= decoder.least_valid_fraction]
    full = [w for w in used if w.samples.shape[1] == lengths[-1]]
    rejected = artefact_groups(full)
    used = [w for w in used if w.group not in rejected]
    full = [w for w in full if w.group not in rejected]
    if decoder.needs_calibration and len({w.label for w in full}) < 2:
        raise DecoderError(
            f"stream {info.stream_id!r} holds {len(full)} usable labelled windows of {spec.window.lengths_s[-1]:g} s",
            reason=Reason.NO_DATA,
            hint="a calibration needs markers 'stimulus/onset' with a target, at least two classes, and clean signal",
        )
    _fit(decoder, full)
    stopping: Stopping = FixedStopping(lengths[-1])
    if dynamic and rule != "fixed" and len(lengths) > 1:
        stopping = _fit_stopping(spec, used, lengths, threshold, rule=rule, progress=progress)
    contract = _contract(spec, info)
    told = {**(provenance or {}), "n_trials": str(len(full)), "n_rejected": str(len(rejected))}
    return FittedChain(spec, decoder, stopping, contract, make_id(spec, decoder), told)


def artefact_groups(windows: Sequence[Window], limit: float = 5.0) -> set[int]:
    """Return the trials whose signal is far stronger than the others': jaw, movement, a loose electrode.

    A trial is left out if the logarithm of its filtered signal's power lies more than `limit` robust standard
    deviations (1.4826 times the median absolute deviation) above the median of all trials. Labels are looked at only to
    keep at least three trials of each class, the weakest ones.

    Parameters
    ----------
    windows : sequence of Window
        One a trial.
    limit : float
        Robust standard deviations.
    """
    if len(windows) < 8:
        return set()
    power = np.log([float(np.mean(np.square(w.samples, dtype=np.float64))) + 1e-12 for w in windows])
    median = np.median(power)
    spread = 1.4826 * np.median(np.abs(power - median))
    bound = median + limit * max(spread, 1e-3)
    left = Counter(w.label for w in windows)
    rejected = set()
    for k in np.argsort(-power):
        label = windows[k].label
        if power[k] > bound and left[label] > LEAST_PER_CLASS:
            left[label] -= 1
            rejected.add(windows[k].group)
    return rejected


def _fit(decoder: Decoder, windows: Sequence[Window]) -> Decoder:
    if not decoder.needs_calibration:
        return decoder.fit(None, None)
    X = np.stack([w.samples for w in windows])
    try:
        return decoder.fit(X, np.array([w.label for w in windows]))
    except ValueError as error:
        raise DecoderError(
            f"the calibration does not suffice: {error}",
            reason=Reason.NO_DATA,
            hint="record more blocks, each with every class",
        ) from error


def _fit_stopping(
    spec: ChainSpec,
    windows: Sequence[Window],
    lengths: Sequence[int],
    threshold: float,
    *,
    rule: str,
    progress: Callable[[int, int], None] | None,
) -> Stopping:
    """Calibrate confidence on predictions of decoders that have not seen the block they predict."""
    by_trial: dict[int, dict[int, Window]] = {}
    for window in windows:
        by_trial.setdefault(window.group, {})[window.samples.shape[1]] = window
    trials = [trial for _, trial in sorted(by_trial.items()) if all(n in trial for n in lengths)]
    full = [trial[lengths[-1]] for trial in trials]
    folds = time_folds([str(w.label) for w in full], [w.group for w in full])
    n_folds = int(folds.max()) + 1 if len(folds) else 0
    least = min(Counter(w.label for w in full).values(), default=0)
    if least < LEAST_PER_CLASS:  # a decoder fitted on the other blocks needs two trials of each class
        return FixedStopping(lengths[-1])
    margins = np.zeros((len(trials), len(lengths)))
    correct = np.zeros((len(trials), len(lengths)), bool)
    for fold in range(n_folds):
        decoder = _fit(build_decoder(spec), [w for w, f in zip(full, folds, strict=True) if f != fold])
        for k in np.flatnonzero(folds == fold):
            for j, n in enumerate(lengths):
                scores = decoder.decision_function(trials[k][n].samples[None])[0]
                margins[k, j] = relative_margin(scores) if rule == "margin" else margin(scores)
                correct[k, j] = str(decoder.classes_[int(np.argmax(scores))]) == trials[k][n].label
        if progress is not None:
            progress(fold + 1, n_folds)
    # what needs no calibration is used where little is known: it decides rather than keep silent
    least_confidence = min(0.5, threshold) if build_decoder(spec).needs_calibration else 0.0
    if rule == "margin":
        return MarginStopping.fit(lengths, margins, correct, threshold)
    if rule == "bayesian":
        return BayesianStopping.fit(lengths, margins, correct, threshold, least_confidence=least_confidence)
    return DynamicStopping.fit(lengths, margins, correct, threshold, least_confidence=least_confidence)


def _contract(spec: ChainSpec, info: StreamInfo) -> StreamInfo:
    """Return the part of the stream's description that the chain relies on: rate, and the channels it picks."""
    picked: tuple[Channel, ...] = info.channels
    for stage in spec.stages:
        names = stage.params.get("channels")
        if stage.name == "select" and names is not None:
            picked = tuple(c for name in names for c in info.channels if c.name == name)
    return StreamInfo(info.stream_id, info.kind, info.rate_hz, picked, info.dtype, info.source)
