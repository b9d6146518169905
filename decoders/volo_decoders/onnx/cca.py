"""The scores of `ssvep.fbcca.FBCCA` as a piece of a graph, for windows of any of the chain's lengths.

The Python decoder orthonormalises both sides by QR; here it is a Cholesky factor, and the largest squared correlation
comes from powers of a matrix instead of an eigenvalue routine. Both are exact to rounding.
"""

from __future__ import annotations

import numpy as np

from volo_decoders.onnx.etrca import centred_columns
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.linear import largest_eigenvalue, transposed, whitening
from volo_decoders.onnx.lowering import Cut, decoder
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.references import sine_cosine

__all__: list[str] = []

_EPS32 = float(np.finfo(np.float32).eps)
_EPS = float(np.finfo(np.float64).eps)


@decoder("fbcca")
def _fbcca(g: GraphBuilder, made: FBCCA, cut: Cut) -> str:
    """Repeat `FBCCA._score`. References of a shorter window are the first samples of those of a longer one."""
    n_classes, n_rows = len(made.classes_), 2 * made.n_harmonics
    n, n_channels = cut.n, cut.n_rows // made.n_bands
    rate_hz, n_harmonics = made.rate_hz, made.n_harmonics
    sines = np.stack([sine_cosine(float(f), rate_hz, cut.lengths[-1], n_harmonics) for f in made.frequencies_hz])
    whole = g.constant(np.ascontiguousarray(sines.swapaxes(1, 2)))  # (n_classes, n_longest, n_rows)
    y = _unit(g, centred_columns(g, g.op("Slice", whole, g.ints(0), n, g.ints(1)), n))
    x = g.op("Reshape", g.cast(cut.samples, np.float64), g.ints(-1, made.n_bands, n_channels))
    x = _unit(g, centred_columns(g, g.op("Transpose", x, perm=[1, 0, 2]), n))
    share = g.op("Max", g.cast(n, np.float64), g.constant(np.float64(n_channels)))
    white_x = whitening(g, _gram(g, x), n_channels, 3, _squared(g, share, _EPS32))
    white_y = whitening(g, _gram(g, y), n_rows, 3, _squared(g, g.cast(n, np.float64), _EPS))
    wide_x = g.op("Unsqueeze", g.op("MatMul", white_x, transposed(g, x, 3)), g.ints(1))  # (n_bands, 1, n_channels, n)
    wide_y = g.op("MatMul", y, transposed(g, white_y, 3))  # (n_classes, n, n_rows)
    cosines = g.op("MatMul", wide_x, wide_y)  # (n_bands, n_classes, n_channels, n_rows)
    if n_channels > n_rows:
        cosines = transposed(g, cosines, 4)
    products = g.op("MatMul", cosines, transposed(g, cosines, 4))
    power = largest_eigenvalue(g, products, min(n_channels, n_rows), 4)
    power = g.op("Clip", power, g.constant(np.float64(0.0)), g.constant(np.float64(1.0)))
    if not made.squared:
        power = g.op("Sqrt", power)
    weights = g.constant(np.ascontiguousarray(made._weights[None, :]))  # noqa: SLF001 - what `_score` reads
    scores = g.op("MatMul", weights, g.op("Reshape", power, g.ints(made.n_bands, n_classes)))
    return g.op("Reshape", scores, g.ints(n_classes))


def _unit(g: GraphBuilder, columns: str) -> str:
    """Return columns along axis 1 brought to length 1; those of zeros stay."""
    lengths = g.op("Sqrt", g.op("ReduceSum", g.op("Mul", columns, columns), g.ints(1)))
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    return g.op("Div", columns, g.op("Where", g.op("Greater", lengths, zero), lengths, one))


def _gram(g: GraphBuilder, columns: str) -> str:
    return g.op("MatMul", transposed(g, columns, 3), columns)


def _squared(g: GraphBuilder, n: str, eps: float) -> str:
    """Return the least pivot that counts: a pivot is a squared length."""
    share = g.op("Mul", n, g.constant(np.float64(eps)))
    return g.op("Mul", share, share)
