"""The scores of `ssvep.trca.ETRCA` and its variants as a piece of a graph, for windows of any length."""

from __future__ import annotations

import numpy as np

from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.lowering import Cut, decoder
from volo_decoders.ssvep.trca import ETRCA

__all__ = ["centred_columns"]

_EPS = float(np.finfo(np.float64).eps)


@decoder("trca")
@decoder("trca_r")
@decoder("ms_etrca")
@decoder("etrca")
def _etrca(g: GraphBuilder, made: ETRCA, cut: Cut) -> str:
    """Repeat `ETRCA._score`: truncated templates are the first `n` samples of the projected ones."""
    n_bands, n_classes, n_channels, n_samples = made.templates_.shape
    about_all = made._about_grand_mean  # noqa: SLF001 - what `_score` reads, so that nothing is computed twice
    weights, projected, variations = made._weights, made._projected, made._template_powers  # noqa: SLF001
    n = cut.n
    wide = g.op("Reshape", g.cast(cut.samples, np.float64), g.ints(-1, n_bands, n_channels))
    x = g.op("Transpose", wide, perm=[1, 0, 2])  # (n_bands, n, n_channels)
    if not about_all:
        x = centred_columns(g, x, n)
    # Zeros behind the window cut the templates off where it ends, and spare a copy of them.
    missing = g.op("Sub", g.ints(n_samples), n)
    padded = g.op("Pad", x, g.op("Concat", g.ints(0, 0, 0, 0), missing, g.ints(0), axis=0))
    products = g.op("MatMul", g.op("Reshape", padded, g.ints(n_bands, 1, -1)), g.weights(projected))
    products = g.op("Squeeze", products, g.ints(1))
    gram = g.op("MatMul", g.op("Transpose", x, perm=[0, 2, 1]), x)
    filters = g.weights(made.filters_)
    powers = g.op("ReduceSum", g.op("Mul", g.op("MatMul", filters, gram), filters), g.ints(2), keepdims=0)
    if made.ensemble:
        powers = g.op("ReduceSum", powers, g.ints(1))
    at = g.op("Sub", n, g.ints(1))
    if about_all:
        summed, template_sums = made._summed, made._template_sums  # noqa: SLF001
        totals = g.op("ReduceSum", x, g.ints(1))
        sums = g.op("ReduceSum", g.op("Mul", g.weights(summed), totals), g.ints(2), keepdims=0)
        size = g.cast(g.op("Mul", n, g.ints(n_classes)), np.float64)
        both = g.op("Mul", sums, _row(g, template_sums, at))
        products = g.op("Sub", products, g.op("Div", both, size))
        powers = g.op("Sub", powers, g.op("Div", g.op("Mul", sums, sums), size))
    powers = g.op("Mul", powers, _row(g, variations, at))
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    varies = g.op("Greater", powers, zero)
    r = g.op(
        "Div",
        g.op("Where", varies, products, zero),
        g.op("Sqrt", g.op("Where", varies, powers, one)),
    )
    if made.combine == "squared":
        r = g.op("Mul", r, r)
    elif made.combine == "signed_squared":
        r = g.op("Mul", r, g.op("Abs", r))
    scores = g.op("MatMul", g.constant(np.ascontiguousarray(weights[None, :])), r)
    return g.op("Reshape", scores, g.ints(n_classes))


def centred_columns(g: GraphBuilder, x: str, n: str) -> str:
    """Return `x` less its means along axis 1; constant channels become exactly zero, as in `references.centred`."""
    largest = g.op("ReduceMax", g.op("Abs", x), g.ints(1))
    x = g.op("Sub", x, g.op("ReduceMean", x, g.ints(1)))
    left = g.op("ReduceMax", g.op("Abs", x), g.ints(1))
    rounding = g.op("Mul", g.cast(n, np.float64), g.constant(np.float64(4.0 * _EPS)))
    flat = g.op("LessOrEqual", left, g.op("Mul", largest, rounding))
    return g.op("Where", flat, g.constant(np.float64(0.0)), x)


def _row(g: GraphBuilder, table: np.ndarray[tuple[int, ...], np.dtype[np.float64]], at: str) -> str:
    """Return ``table[at]`` without its first axis."""
    return g.op("Squeeze", g.op("Gather", g.constant(table), at, axis=0), g.ints(0))
