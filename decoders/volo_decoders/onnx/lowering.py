"""From the names in a chain's description to pieces of a graph: the second builder of the one description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import StreamInfo
from volo_decoders.onnx.graph import GraphBuilder

__all__ = ["DecoderLowering", "Signal", "StageLowering", "decoder", "decoder_lowering", "stage", "stage_lowering"]


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


#: ``(graph, stage after reset, its input, description of its output, prefix of its states' names) -> its output``
StageLowering = Callable[[GraphBuilder, Any, Signal, StreamInfo, str], Signal]
#: ``(graph, fitted decoder, window (n_samples, n_rows), n_samples as int64 (1,)) -> scores float64 (n_classes,)``
DecoderLowering = Callable[[GraphBuilder, Any, str, str], str]

_STAGES: dict[str, StageLowering] = {}
_DECODERS: dict[str, DecoderLowering] = {}
#: Where the lowerings of the built-in stages and decoders are.
_BUILT_IN = ("volo_decoders.onnx.stages", "volo_decoders.onnx.etrca")
#: Why there is none for some decoders.
_WHY_NOT = {
    "fbcca": "it orthonormalises the channels of every window anew (QR and singular values), for which ONNX has no "
    "operators",
}


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


def _load() -> None:
    for module in _BUILT_IN:
        import_module(module)


def _not_exportable(kind: str, name: str, known: dict[str, Any]) -> DecoderError:
    why = _WHY_NOT.get(name, "nobody has written it as a graph yet")
    return DecoderError(
        f"the chain is not exportable: {kind} {name!r} has no ONNX form, because {why}",
        reason=Reason.UNSUPPORTED,
        hint=f"{kind}s that can be exported: {', '.join(sorted(known))}",
    )
