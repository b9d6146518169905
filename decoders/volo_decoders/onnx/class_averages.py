"""The scores of `ssvep.ms_cca.MsCCA` and `ssvep.extended_cca.ExtendedCCA` as pieces of a graph."""

from __future__ import annotations

import numpy as np

from volo_decoders.onnx.cca import whitened_window, window_of_bands
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.linear import first_eigenpair, transposed
from volo_decoders.onnx.lowering import Cut, decoder, per_length
from volo_decoders.ssvep.extended_cca import ExtendedCCA
from volo_decoders.ssvep.ms_cca import MsCCA
from volo_decoders.ssvep.spatial import whitening_filters

__all__: list[str] = []


@decoder("ms_cca")
def _ms_cca(g: GraphBuilder, made: MsCCA, cut: Cut) -> str:
    """Repeat `MsCCA._score`."""
    n_classes = len(made.classes_)

    def score(n: int) -> str:
        averages, references = made._targets(n)  # noqa: SLF001 - what `_score` reads
        x = transposed(g, window_of_bands(g, cut, n, made.n_bands), 3)
        signals = g.op("MatMul", g.weights(made.filters_), x)  # (n_bands, n_classes, n)
        r = _correlation(g, signals, g.weights(averages))
        if made.combine == "both":
            r1 = _correlation(g, signals, g.weights(references))
            r = g.op("Add", g.op("Mul", r, g.op("Abs", r)), g.op("Mul", r1, g.op("Abs", r1)))
        return _summed(g, made._weights, r, n_classes)  # noqa: SLF001

    return per_length(g, cut, n_classes, score)


@decoder("ecca")
def _ecca(g: GraphBuilder, made: ExtendedCCA, cut: Cut) -> str:
    """Repeat `ExtendedCCA._score`."""
    n_classes, n_channels = len(made.classes_), cut.n_rows // made.n_bands

    def score(n: int) -> str:
        averages, references, averages_scatter, references_scatter = made._of_length(n)  # noqa: SLF001
        x = window_of_bands(g, cut, n, made.n_bands)
        filters, whitened = whitened_window(g, x, n, n_channels)
        filters = transposed(g, g.op("Unsqueeze", filters, g.ints(1)), 4)  # (n_bands, 1, n_channels, n_channels)
        whitened = g.op("Unsqueeze", whitened, g.ints(1))  # (n_bands, 1, n_channels, n)
        x = g.op("Unsqueeze", transposed(g, x, 3), g.ints(1))

        def pair(signals: np.ndarray, scatter: np.ndarray) -> tuple[str, str]:
            """Return the filters of the first canonical correlation of x with constant signals, each (..., n, 1)."""
            right = whitening_filters(scatter)
            cosines = g.op(
                "MatMul",
                whitened,
                g.constant(np.ascontiguousarray((right.swapaxes(-1, -2) @ signals).swapaxes(-1, -2))),
            )
            turned = transposed(g, cosines, 4)
            small = n_channels <= signals.shape[-2]
            gram = g.op("MatMul", *((cosines, turned) if small else (turned, cosines)))
            _, first = first_eigenpair(g, gram, min(n_channels, signals.shape[-2]), 4)
            second = g.op("MatMul", turned if small else cosines, first)
            u, v = (first, second) if small else (second, first)
            return g.op("MatMul", filters, u), g.op("MatMul", g.constant(np.ascontiguousarray(right)), v)

        def through(vector: str, signals: str) -> str:
            return g.op("Squeeze", g.op("MatMul", transposed(g, vector, 4), signals), g.ints(2))

        to_references, of_references = pair(references[None], references_scatter[None])
        to_averages, of_averages = pair(averages, averages_scatter)
        kept, sines = g.constant(averages), g.constant(references[None])
        own = g.constant(np.ascontiguousarray(made._average_filters[..., None]))  # noqa: SLF001
        r = [_correlation(g, through(to_references, x), through(of_references, sines))]
        r += [
            _correlation(g, through(vector, x), through(vector, kept)) for vector in (to_averages, to_references, own)
        ]
        if made.n_correlations == 5:
            r.append(_correlation(g, through(to_averages, kept), through(of_averages, kept)))
        squares = [g.op("Mul", one, g.op("Abs", one)) for one in r]
        return _summed(g, made._weights, g.op("Sum", *squares), n_classes)  # noqa: SLF001

    return per_length(g, cut, n_classes, score)


def _correlation(g: GraphBuilder, a: str, b: str) -> str:
    """Return the correlation of centred signals along the last axis, (n_bands, n_classes); 0 where one is flat."""
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))

    def product(one_signal: str, other: str) -> str:
        return g.op("ReduceSum", g.op("Mul", one_signal, other), g.ints(2), keepdims=0)

    squares = g.op("Mul", product(a, a), product(b, b))
    varies = g.op("Greater", squares, zero)
    return g.op("Div", g.op("Where", varies, product(a, b), zero), g.op("Sqrt", g.op("Where", varies, squares, one)))


def _summed(g: GraphBuilder, weights: np.ndarray, r: str, n_classes: int) -> str:
    """Return the weighted sum over bands, (n_classes,)."""
    return g.op("Reshape", g.op("MatMul", g.constant(np.ascontiguousarray(weights[None, :])), r), g.ints(n_classes))
