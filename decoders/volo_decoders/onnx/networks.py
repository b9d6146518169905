"""Networks that were trained with torch as pieces of a graph: their own, behind what is done to a window first."""

from __future__ import annotations

import numpy as np

from volo_decoders.imagery.networks import Network
from volo_decoders.onnx.cca import window_of_bands
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.linear import transposed
from volo_decoders.onnx.lowering import Cut, decoder, per_length
from volo_decoders.ssvep.dnn import GuneyNet

__all__: list[str] = []


@decoder("guney")
def _guney(g: GraphBuilder, made: GuneyNet, cut: Cut) -> str:
    """Repeat `GuneyNet._score`: centred, of variance 1 over all, padded with zeros, in single precision."""
    n_classes = len(made.classes_)
    n_channels, longest = made._shape  # noqa: SLF001 - what `_score` reads

    def score(n: int) -> str:
        x = window_of_bands(g, cut, n, made.n_bands)  # (n_bands, n, n_channels)
        power = g.op("ReduceMean", g.op("Mul", x, x), g.ints(0, 1, 2))
        zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
        size = g.op("Sqrt", g.op("Where", g.op("Greater", power, zero), power, one))
        scaled = transposed(g, g.cast(g.op("Div", x, size), np.float32), 3)
        padded = g.op("Pad", scaled, g.ints(0, 0, 0, 0, 0, longest - n))
        window = g.op("Reshape", padded, g.ints(1, made.n_bands, n_channels, longest))
        (scores,) = g.inline(made.graph_.tobytes(), {"window": window})
        return g.op("Reshape", g.cast(scores, np.float64), g.ints(n_classes))

    return per_length(g, cut, n_classes, score)


@decoder("shallow_fbcsp")
@decoder("eegnet")
@decoder("ifnet")
def _imagery_network(g: GraphBuilder, made: Network, cut: Cut) -> str:
    """Repeat `Network._score`: rows by their spread, the end of the window, zeros before it."""
    n_classes, n_rows, longest = len(made.classes_), len(made.scale_), made.n_samples_

    def score(n: int) -> str:
        kept = g.rows(cut.samples, n - longest) if n > longest else cut.samples
        scaled = g.op("Div", g.cast(kept, np.float64), g.constant(np.asarray(made.scale_, np.float64)))
        turned = g.op("Transpose", g.cast(scaled, np.float32), perm=[1, 0])
        padded = g.op("Pad", turned, g.ints(0, max(0, longest - n), 0, 0))
        (scores,) = g.inline(made.graph_.tobytes(), {"x": g.op("Reshape", padded, g.ints(1, n_rows, longest))})
        return g.op("Reshape", g.cast(scores, np.float64), g.ints(n_classes))

    return per_length(g, cut, n_classes, score)
