"""From the names in a chain's description to pieces of a graph: the second builder of the one description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import StreamInfo
from volo_decoders.onnx.graph import GraphBuilder

__all__ = [
    "LEARNS",
    "Cut",
    "DecoderLowering",
    "Signal",
    "StageLowering",
    "decoder",
    "decoder_lowering",
    "per_length",
    "refuse_learning",
    "stage",
    "stage_lowering",
    "why_not",
]


@dataclass(frozen=True, slots=True)
class Signal:
    """The samples of one hop inside a graph.

    Attributes
    ----------
    samples : str
        Tensor, shape (hop, n_channels), float64 or float32.
    valid : str
        Tensor of bool, shape (hop,): False where a sample was not finite.
    info : StreamInfo
        What the columns are.
    hop : int
        Samples a step.
    """

    samples: str
    valid: str
    info: StreamInfo
    hop: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A window inside a graph.

    Attributes
    ----------
    samples : str
        Tensor of float32, shape (n_samples, n_rows), in microvolt; `n_samples` is one of `lengths`.
    n : str
        `n_samples` as int64, shape (1,).
    n_rows : int
        Rows of the window as the decoder knows it: channels, band after band.
    lengths : tuple of int
        What `n_samples` may be, ascending.
    """

    samples: str
    n: str
    n_rows: int
    lengths: tuple[int, ...]


#: ``(graph, stage after reset, its input, description of its output, prefix of its states' names) -> its output``
StageLowering = Callable[[GraphBuilder, Any, Signal, StreamInfo, str], Signal]
#: ``(graph, fitted decoder, window) -> scores float64 (n_classes,)``
DecoderLowering = Callable[[GraphBuilder, Any, Cut], str]

_STAGES: dict[str, StageLowering] = {}
_DECODERS: dict[str, DecoderLowering] = {}
#: Where the lowerings of the built-in stages and decoders are.
_NAMES = ("stages", "etrca", "cca", "class_averages", "tdca", "imagery", "networks")
_BUILT_IN = tuple(f"volo_decoders.onnx.{name}" for name in _NAMES)
#: Why there is none for some decoders.
LEARNS = "it learns while it is used, and a file's weights do not change"
_LOGARITHM = (
    "it takes the logarithm of a covariance matrix of every window, for which ONNX has no operators (no eigenvalues), "
    "and which nobody has unrolled yet"
)
_WHY_NOT: dict[str, str] = {
    **dict.fromkeys(("mdm", "fgmdm", "tangent_space", "acm"), _LOGARITHM),
    "oacca": LEARNS,
    "stacked": "some of its views are not exportable, and nobody has written its inner filters as a graph yet",
    "feature_lda": "nobody has written its spectra and couplings as a graph yet",
}


def per_length(g: GraphBuilder, cut: Cut, n_classes: int, build: Callable[[int], str]) -> str:
    """Return scores that `build` makes for each window length on its own; only the branch of the window is computed.

    For decoders whose constants depend on the length. `build` gets the number of samples and returns float64
    (n_classes,).
    """

    def nest(lengths: tuple[int, ...]) -> str:
        if len(lengths) == 1:
            return build(lengths[0])
        here = g.op("Equal", cut.n, g.ints(lengths[0]))
        return g.choose(here, lambda: build(lengths[0]), lambda: nest(lengths[1:]), np.float64, [n_classes])

    return nest(cut.lengths)


def stage(name: str) -> Callable[[StageLowering], StageLowering]:
    """Declare a function the lowering of the stage registered as `name`."""

    def declare(lowering: StageLowering) -> StageLowering:
        _STAGES[name] = lowering
        return lowering

    return declare


def decoder(name: str) -> Callable[[DecoderLowering], DecoderLowering]:
    """Declare a function the lowering of the decoder registered as `name`."""

    def declare(lowering: DecoderLowering) -> DecoderLowering:
        _DECODERS[name] = lowering
        return lowering

    return declare


def stage_lowering(name: str) -> StageLowering:
    """Return the lowering of a stage; DecoderError UNSUPPORTED if there is none."""
    _load()
    if name not in _STAGES:
        raise _not_exportable("stage", name, _STAGES)
    return _STAGES[name]


def decoder_lowering(name: str) -> DecoderLowering:
    """Return the lowering of a decoder; DecoderError UNSUPPORTED if there is none."""
    _load()
    if name not in _DECODERS:
        raise _not_exportable("decoder", name, _DECODERS)
    return _DECODERS[name]


def refuse_learning(name: str, made: Any) -> None:
    """Refuse a decoder that is set to learn while it is used; DecoderError UNSUPPORTED."""
    if getattr(made, "adapts", False):
        raise DecoderError(
            f"the chain is not exportable: decoder {name!r} has no ONNX form, because {LEARNS}",
            reason=Reason.UNSUPPORTED,
            hint="train it without adaptation",
        )


def why_not(name: str) -> str:
    """Return why the decoder registered as `name` has no ONNX form; empty if it has one."""
    _load()
    return "" if name in _DECODERS else _WHY_NOT.get(name, "nobody has written it as a graph yet")


def _load() -> None:
    for module in _BUILT_IN:
        import_module(module)


def _not_exportable(kind: str, name: str, known: dict[str, Any]) -> DecoderError:
    why = why_not(name) if kind == "decoder" else "nobody has written it as a graph yet"
    return DecoderError(
        f"the chain is not exportable: {kind} {name!r} has no ONNX form, because {why}",
        reason=Reason.UNSUPPORTED,
        hint=f"{kind}s that can be exported: {', '.join(sorted(known))}",
    )
