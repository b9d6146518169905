"""A fitted chain as one ONNX file: raw samples to scores.

Each step takes one hop of samples and the states, and gives the states for the next; a question (``onset``,
``length``) put with it changes no state. ``docs/export.md`` defines all inputs and outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Chunk, Marker
from volo_decoders.chain import build_pipeline, build_stages
from volo_decoders.fitted import FittedChain
from volo_decoders.onnx.graph import GraphBuilder, import_onnx
from volo_decoders.onnx.lowering import Cut, DecoderLowering, Signal, decoder_lowering, refuse_learning, stage_lowering
from volo_decoders.onnx.manifest import KEY, Manifest, State, chain_sha256, entries, stream_to_dict
from volo_decoders.onnx.steps import Steps
from volo_decoders.onnx.testvector import noise_of_integers
from volo_decoders.pipeline.online import OnlinePipeline

if TYPE_CHECKING:
    import onnx

__all__ = ["LATE_S", "build_graph", "export_bytes"]

#: How long ago a window may have ended that is still asked for, seconds. Live, windows that come half a second late
#: are skipped anyway.
LATE_S = 1.0


def export_bytes(fitted: FittedChain, *, late_s: float = LATE_S, precision: str = "float64") -> bytes:
    """Return the file's bytes; the same chain gives the same bytes with the same versions.

    Parameters
    ----------
    fitted, late_s
        As for `build_graph`.
    precision : {"float64", "float16", "int8"}
        How the decoder's weights are kept. A file of less than full precision carries its own answers to the test
        vector, since they are not those of the Python chain any more.
    """
    model = build_graph(fitted, late_s=late_s, precision=precision)
    data: bytes = model.SerializeToString(deterministic=True)
    if precision == "float64":
        return data
    (text,) = [entry.value for entry in model.metadata_props if entry.key == KEY]
    scores = Steps(data, check=False).test_scores()
    manifest = replace(Manifest.from_json(text, "the model"), test_scores=scores.tolist())
    import_onnx().helper.set_model_props(model, entries(manifest))
    own: bytes = model.SerializeToString(deterministic=True)
    return own


def build_graph(fitted: FittedChain, *, late_s: float = LATE_S, precision: str = "float64") -> onnx.ModelProto:
    """Return a fitted chain as a model, built from its description and its fitted arrays.

    Parameters
    ----------
    fitted : FittedChain
        The chain.
    late_s : float
        How long ago a window may have ended that can still be asked for, seconds: the length of the past that the
        states keep besides the longest window.
    precision : {"float64", "float16", "int8"}
        How the decoder's weights are kept.

    Raises
    ------
    DecoderError
        If a stage or the decoder has no ONNX form (it is named), or the package ``onnx`` is not installed.
    """
    spec, info = fitted.spec, fitted.contract
    scored = decoder_lowering(spec.decoder)
    refuse_learning(spec.decoder, fitted.decoder)
    lowerings = [stage_lowering(stage.name) for stage in spec.stages]
    pipeline = build_pipeline(spec, fitted.decoder, fitted.decoder_id)
    rate_hz = pipeline.reset(info).rate_hz
    hop = max(1, round(spec.hop_s * rate_hz))
    lengths, offset = spec.window.samples(rate_hz), round(spec.window.offset_s * rate_hz)
    if offset + lengths[0] < hop:
        raise DecoderError(
            f"the chain is not exportable: its first window ends {offset + lengths[0]} samples after the onset, "
            f"within one hop of {hop} samples",
            reason=Reason.UNSUPPORTED,
            hint="choose a shorter hop_s or longer windows",
        )
    late = round(late_s * rate_hz)
    g = GraphBuilder(precision)
    x = Signal(g.input("chunk", np.float64, (hop, info.n_channels)), g.constant(np.ones(hop, np.bool_)), info, hop)
    onset, length = g.input("onset", np.int64, (1,)), g.input("length", np.int64, (1,))
    for k, (made, lower) in enumerate(zip(build_stages(spec, fitting=False), lowerings, strict=True)):
        x = lower(g, made, x, made.reset(x.info, hop), f"stage{k}")
    ring, oldest = _remember(g, x, lengths[-1] + late + 2 * hop)
    ready, start, stop, n = _answer(
        g, onset, length, oldest, ring_rows=ring[1], hop=hop, offset=offset, lengths=lengths
    )
    n_classes = len(fitted.decoder.classes_)

    def window() -> Cut:
        return Cut(g.op("Slice", ring[0], start, stop, g.ints(0)), n, x.info.n_channels, lengths)

    scores = _scores(g, scored, fitted, ready, window)
    g.output(scores, "scores", np.float64, (n_classes,))
    g.output(ready, "ready", np.int64, (1,))
    g.output(x.valid, "valid", np.bool_, (hop,))
    manifest = Manifest(
        decoder_id=fitted.decoder_id,
        chain=spec.to_dict(),
        chain_sha256=chain_sha256(spec.to_dict()),
        stopping=fitted.stopping.to_dict(),
        stream=stream_to_dict(info),
        classes=[str(c) for c in fitted.decoder.classes_],
        hop_samples=hop,
        hold_samples=round(spec.hold_s * rate_hz),
        settle_samples=round(rate_hz * pipeline.settle_s),
        offset_samples=offset,
        lengths_samples=list(lengths),
        late_samples=late,
        least_valid_fraction=fitted.decoder.least_valid_fraction,
        states=[State(name, dtype.name, shape) for name, dtype, shape in g.states],
        versions={name: _version(name) for name in ("volo", "numpy", "scipy", "onnx")},
        test_scores=_test_scores(fitted, pipeline),
        precision=precision,
    )
    return g.model(fitted.decoder_id, _version("volo"), entries(manifest))


def _remember(g: GraphBuilder, x: Signal, n_rows: int) -> tuple[tuple[str, int], str]:
    """Append the hop to the ring of filtered samples; return (ring, its rows) and the oldest row that is filled."""
    shape = (n_rows, x.info.n_channels)
    longer = g.op("Concat", g.state("ring", np.float32, shape), g.cast(x.samples, np.float32), axis=0)
    ring = g.rows(longer, x.hop)
    g.next_state("ring", ring)
    filled = g.op("Min", g.op("Add", g.state("filled", np.int64, (1,)), g.ints(x.hop)), g.ints(n_rows))
    g.next_state("filled", filled)
    return (ring, n_rows), g.op("Sub", g.ints(n_rows), filled)


def _answer(
    g: GraphBuilder,
    onset: str,
    length: str,
    oldest: str,
    *,
    ring_rows: int,
    hop: int,
    offset: int,
    lengths: tuple[int, ...],
) -> tuple[str, str, str, str]:
    """Return ``ready``, and the window's first row in the ring, its end and its length; all int64 (1,)."""
    # rows that are still to come in this hop, before it, for each window to be whole: 1 .. hop is "ends in this hop"
    ends = g.op("Sub", g.ints(*(offset + n for n in lengths)), onset)
    due = g.op("And", g.op("Greater", ends, g.ints(0)), g.op("LessOrEqual", ends, g.ints(hop)))
    numbers = g.ints(*range(1, len(lengths) + 1))
    none = len(lengths) + 1
    first = g.op("ReduceMin", g.op("Where", due, numbers, g.ints(none)), g.ints(0))
    which = g.op("Where", g.op("Equal", length, g.ints(0)), first, length)
    known = g.op("And", g.op("Greater", which, g.ints(0)), g.op("Less", which, g.ints(none)))
    at = g.op("Sub", g.op("Where", known, which, g.ints(1)), g.ints(1))
    n = g.op("Gather", g.ints(*lengths), at)
    start = g.op("Sub", g.ints(ring_rows - hop + offset), onset)
    stop = g.op("Add", start, n)
    inside = g.op("And", g.op("GreaterOrEqual", start, oldest), g.op("LessOrEqual", stop, g.ints(ring_rows)))
    asked = g.op("And", known, g.op("GreaterOrEqual", onset, g.ints(0)))
    ready = g.op("Where", g.op("And", asked, inside), which, g.ints(0))
    return ready, start, stop, n


def _scores(g: GraphBuilder, lower: DecoderLowering, fitted: FittedChain, ready: str, window: Callable[[], Cut]) -> str:
    """Return the scores of the window, or NaN where none is ready; only then is anything computed."""
    n_classes = len(fitted.decoder.classes_)

    def score() -> str:
        return lower(g, fitted.decoder, window())

    def nothing() -> str:
        return g.op("Identity", g.constant(np.full(n_classes, np.nan)))

    return g.choose(g.op("Greater", ready, g.ints(0)), score, nothing, np.float64, [n_classes])


def _test_scores(fitted: FittedChain, pipeline: OnlinePipeline) -> list[list[float]]:
    """Return what the Python chain says of the test vector, whose onset is at its first sample."""
    info = fitted.contract
    longest = fitted.spec.window.samples(info.rate_hz)[-1]
    n = round(fitted.spec.window.offset_s * info.rate_hz) + longest
    n += 2 * max(1, round(fitted.spec.hop_s * info.rate_hz))
    chunk = Chunk(info.stream_id, 0, noise_of_integers(n, info.n_channels), np.arange(n) / info.rate_hz)
    windows = pipeline.windows(chunk, [Marker(0.0, fitted.spec.window.onset_label)])
    return [pipeline.predict(window).scores.tolist() for window in windows]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
