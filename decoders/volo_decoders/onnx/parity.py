"""How far an exported chain is from the Python chain it was made from, on the same items."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from volo_acquisition.clock import Clock
from volo_acquisition.types import Chunk, Item, Marker, StreamInfo
from volo_decoders.fitted import FittedChain
from volo_decoders.onnx.steps import Steps
from volo_decoders.pipeline.stages import MICROVOLT
from volo_decoders.types import Decision, Prediction

__all__ = ["LIMIT", "Parity", "StepTimes", "compare", "noise_items", "step_times_s"]

#: Largest relative difference of scores that passes.
LIMIT = 1e-5


@dataclass(frozen=True, slots=True)
class Parity:
    """The outcome of a comparison.

    Attributes
    ----------
    n_predictions, n_decisions : int
        Of the Python chain.
    max_difference : float
        Largest difference between two scores.
    relative : float
        The same, by the largest score.
    decisions_equal : bool
        Whether the decisions agree in trial, label, last sample and number of windows.
    windows_equal : bool
        Whether both looked at the same windows.
    agreement : float
        Share of the Python chain's decisions that the graph took alike, 0 to 1.
    """

    n_predictions: int
    n_decisions: int
    max_difference: float
    relative: float
    decisions_equal: bool
    windows_equal: bool
    agreement: float

    @property
    def passed(self) -> bool:
        """Whether there was something to compare, and it agrees."""
        return self.n_predictions > 0 and self.windows_equal and self.decisions_equal and self.relative <= LIMIT


@dataclass(frozen=True, slots=True)
class StepTimes:
    """How long a step takes in onnxruntime, seconds: median and 99th percentile, without and with a window scored."""

    step_p50: float
    step_p99: float
    score_p50: float
    score_p99: float


def compare(
    fitted: FittedChain,
    exported: FittedChain,
    info: StreamInfo,
    items: Iterable[Item],
    skipped: Collection[tuple[int, int]] = (),
) -> Parity:
    """Run both chains on the same items.

    Parameters
    ----------
    fitted, exported : FittedChain
        The Python chain and the exported one.
    info : StreamInfo
        The stream.
    items : iterable of Item
        What a source yields.
    skipped : collection of (int, int)
        Windows that were left out live.
    """
    decodings = [chain.decoding(info, skipped) for chain in (fitted, exported)]
    predictions: list[list[Prediction]] = [[], []]
    decisions: list[list[Decision]] = [[], []]
    for item in items:
        for k, decoding in enumerate(decodings):
            results = decoding.process(item)
            predictions[k] += [r for r in results if isinstance(r, Prediction)]
            decisions[k] += [r for r in results if isinstance(r, Decision)]
    python, graph = ({(p.stop_index, p.group, p.n_samples): p.scores for p in some} for some in predictions)
    both = [(scores, graph[key]) for key, scores in python.items() if key in graph]
    difference = max((float(np.abs(a - b).max()) for a, b in both), default=0.0)
    largest = max((float(np.abs(a).max()) for a, _ in both), default=0.0)
    wanted, got = ([_outcome(decision) for decision in some] for some in decisions)
    return Parity(
        len(predictions[0]),
        len(decisions[0]),
        difference,
        difference / largest if largest > 0.0 else difference,
        wanted == got,
        list(python) == list(graph),
        len(set(wanted) & set(got)) / len(wanted) if wanted else 1.0,
    )


def _outcome(decision: Decision) -> tuple[int, int, str | None, int]:
    return decision.group, decision.stop_index, decision.label, decision.n_windows


def noise_items(fitted: FittedChain, seconds: float = 60.0, seed: int = 0, chunk_samples: int = 25) -> list[Item]:
    """Return noise of 10 microvolt on the chain's channels, with an onset after each longest window."""
    info, window = fitted.contract, fitted.spec.window
    n = round(seconds * info.rate_hz)
    times = np.arange(n) / info.rate_hz
    scale = np.array([10.0 / MICROVOLT.get(c.unit, 1.0) for c in info.channels])
    samples = (np.random.default_rng(seed).standard_normal((n, info.n_channels)) * scale).astype(np.float32)
    period_s = window.offset_s + window.lengths_s[-1] + 0.313
    onsets = np.arange(2.0, seconds - period_s, period_s)
    markers = [Marker(float(t), window.onset_label, {"trial": k}) for k, t in enumerate(onsets)]
    cuts = range(0, n, chunk_samples)
    chunks = [Chunk(info.stream_id, a, samples[a : a + chunk_samples], times[a : a + chunk_samples]) for a in cuts]
    return [*markers, *chunks]


def step_times_s(data: bytes, clock: Clock, n_steps: int = 2000) -> StepTimes:
    """Return how long a step takes, measured with `clock` after a start."""
    steps = Steps(data)
    manifest = steps.manifest
    rows = np.random.default_rng(0).standard_normal((manifest.hop_samples, len(manifest.stream["channels"])))
    question = (manifest.offset_samples + manifest.lengths_samples[-1], len(manifest.lengths_samples))
    plain, scored = np.empty(n_steps), np.empty(n_steps // 10)
    for k in range(-question[0] // manifest.hop_samples, n_steps):
        t0 = clock.now()
        steps.step(rows)
        plain[max(k, 0)] = clock.now() - t0
    for k in range(len(scored)):
        t0 = clock.now()
        steps.step(rows, *question)
        scored[k] = clock.now() - t0
    return StepTimes(*(float(np.percentile(times, q)) for times in (plain, scored) for q in (50, 99)))
