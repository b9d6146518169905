"""The scores of `ssvep.tdca.TDCA` as a piece of a graph: the sums of `ssvep.tdca_scoring.TdcaScoring`."""

from __future__ import annotations

import numpy as np

from volo_decoders.onnx.cca import window_of_bands
from volo_decoders.onnx.etrca import centred_columns
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.linear import transposed
from volo_decoders.onnx.lowering import Cut, decoder, per_length
from volo_decoders.ssvep.tdca import TDCA

__all__: list[str] = []


@decoder("tdca")
def _tdca(g: GraphBuilder, made: TDCA, cut: Cut) -> str:
    """Repeat `TDCA._score`."""
    n_classes = len(made.classes_)

    def score(n_given: int) -> str:
        n = min(n_given, made.averages_.shape[3])
        scoring = made.scoring_of(n)
        x = window_of_bands(g, cut, n_given, made.n_bands)
        if n < n_given:
            whole = g.op("Slice", x, g.ints(0), g.ints(n), g.ints(1))
            x = centred_columns(g, whole, g.ints(n))
        r = _correlations(g, scoring.arrays(), transposed(g, x, 3), made, n)
        weights = g.constant(np.ascontiguousarray(made._weights[None, :]))  # noqa: SLF001 - what `_score` reads
        return g.op("Reshape", g.op("MatMul", weights, r), g.ints(n_classes))

    return per_length(g, cut, n_classes, score)


def _correlations(g: GraphBuilder, arrays: dict[str, np.ndarray], x: str, made: TDCA, n: int) -> str:
    """Repeat `TdcaScoring.correlations` on x (n_bands, n_channels, n): shape (n_bands, n_classes)."""
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))

    def total(a: str, *axes: int) -> str:
        return g.op("ReduceSum", a, g.ints(*axes), keepdims=0)

    copies = [x]
    for delay in range(1, made.n_delays + 1):
        later = g.op("Slice", x, g.ints(delay), g.ints(n), g.ints(2))
        copies.append(g.op("Pad", later, g.ints(0, 0, 0, 0, 0, delay)))
    stacked = g.op("Concat", *copies, axis=1) if len(copies) > 1 else x
    z = g.op("MatMul", g.weights(arrays["turned"]), stacked)  # (n_bands, n_components, n)
    n_components = arrays["turned"].shape[1]
    inside = g.op("MatMul", z, g.constant(arrays["columns"]))  # z P of every class
    inside = g.op("Reshape", inside, g.ints(*arrays["shift_inside"].shape))
    flat = g.op("Reshape", z, g.ints(made.n_bands, 1, n_components * n))
    products = g.op("Squeeze", g.op("MatMul", flat, g.weights(arrays["products"])), g.ints(1))
    products = g.op("Sub", products, g.constant(arrays["constant"]))
    ends = total(g.op("Mul", inside, g.constant(arrays["column_sums"])), 3)  # (n_bands, n_components, n_classes)
    sums = g.op("Add", g.op("ReduceSum", z, g.ints(2)), ends)
    whole = g.op(
        "Add", g.op("Unsqueeze", total(g.op("Mul", z, z), 1, 2), g.ints(1)), total(g.op("Mul", inside, inside), 1, 3)
    )
    whole = g.op("Add", whole, g.constant(arrays["shift_power"]))
    crossed = g.op("Unsqueeze", total(g.op("Mul", z, g.constant(arrays["shift_front"])), 1, 2), g.ints(1))
    crossed = g.op("Add", crossed, total(g.op("Mul", inside, g.constant(arrays["shift_inside"])), 1, 3))
    power = g.op("Sub", whole, g.op("Mul", total(g.op("Mul", sums, sums), 1), g.constant(np.float64(0.5 / n))))
    power = g.op("Sub", power, g.op("Mul", crossed, g.constant(np.float64(2.0))))
    above = g.op("Greater", power, g.op("Mul", whole, g.constant(np.float64(1e-12))))
    varies = g.op("And", above, g.constant(arrays["lengths"] > 0.0))
    scale = g.op("Sqrt", g.op("Where", varies, power, one))
    scale = g.op("Mul", scale, g.op("Where", varies, g.constant(arrays["lengths"]), one))
    return g.op("Div", g.op("Where", varies, products, zero), scale)
