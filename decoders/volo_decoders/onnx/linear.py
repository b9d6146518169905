"""Linear algebra that ONNX has no operators for, unrolled into multiplications, in double precision.

All matrices are batches: shape (..., n, n), with `n` known when the graph is built.
"""

from __future__ import annotations

import numpy as np

from volo_decoders.onnx.graph import GraphBuilder

__all__ = ["first_eigenpair", "largest_eigenvalue", "transposed", "whitening"]

#: Squarings after which the sum of eigenvalues' powers differs from the largest one's by less than 1e-8 of it.
SQUARINGS = 28


def transposed(g: GraphBuilder, matrices: str, n_axes: int) -> str:
    """Return matrices, of `n_axes` axes, with the last two swapped."""
    return g.op("Transpose", matrices, perm=[*range(n_axes - 2), n_axes - 1, n_axes - 2])


def whitening(g: GraphBuilder, gram: str, n: int, n_axes: int, tolerance: str) -> str:
    """Return ``W`` with ``W G W^T = 1``: the inverse of the Cholesky factor of a positive semidefinite matrix.

    Gaussian elimination on ``[G | 1]``, a row at a time. A row whose pivot is not above `tolerance` adds nothing to the
    span: its row of ``W`` is zero.

    Parameters
    ----------
    g : GraphBuilder
        The graph.
    gram : str
        Float64, shape (..., n, n).
    n, n_axes : int
        Size of the matrices, and number of axes of `gram`.
    tolerance : str
        Float64, a scalar: the least pivot, as a share of the diagonal, which is to be about 1.

    Returns
    -------
    whitener : str
        Float64, shape (..., n, n).

    References
    ----------
    Golub & Van Loan 2013, Matrix Computations, 4th ed., section 4.2.
    """
    last = n_axes - 1
    shape = g.op("Shape", gram)
    eye = g.op("Expand", g.constant(np.eye(n)), shape)
    wide = g.op("Concat", gram, eye, axis=last)
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    rows = []
    for k in range(n):
        row = g.op("Slice", wide, g.ints(k), g.ints(k + 1), g.ints(last - 1))
        column = g.op("Slice", wide, g.ints(k), g.ints(k + 1), g.ints(last))
        pivot = g.op("Slice", row, g.ints(k), g.ints(k + 1), g.ints(last))
        kept = g.op("Greater", pivot, tolerance)
        scale = g.op("Where", kept, g.op("Div", one, g.op("Sqrt", g.op("Where", kept, pivot, one))), zero)
        row = g.op("Mul", row, scale)
        rows.append(g.op("Slice", row, g.ints(n), g.ints(2 * n), g.ints(last)))
        if k < n - 1:
            wide = g.op("Sub", wide, g.op("MatMul", g.op("Mul", column, scale), row))
    return g.op("Concat", *rows, axis=last - 1)


def largest_eigenvalue(g: GraphBuilder, matrices: str, n: int, n_axes: int) -> str:
    """Return the largest eigenvalue of positive semidefinite matrices, shape (..., 1, 1)."""
    return _power(g, matrices, n, n_axes)[0]


def first_eigenpair(g: GraphBuilder, matrices: str, n: int, n_axes: int) -> tuple[str, str]:
    """Return the largest eigenvalue (..., 1, 1) and its eigenvector (..., n, 1), of length 1 and any sign.

    A high power of a matrix, divided by its trace, is the projection on the first eigenvector; its longest column is
    taken. Where two eigenvalues are the same, the vector is any of their plane.
    """
    value, power = _power(g, matrices, n, n_axes)
    last = n_axes - 1
    diagonal = g.op("ReduceSum", g.op("Mul", power, g.constant(np.eye(n))), g.ints(last))  # (..., n, 1)
    row = transposed(g, diagonal, n_axes)
    at = g.op("ArgMax", row, axis=last, keepdims=1)
    picked = g.cast(g.op("Equal", at, g.ints(*range(n))), np.float64)  # (..., 1, n)
    column = g.op("ReduceSum", g.op("Mul", power, picked), g.ints(last))
    length = g.op("Sqrt", g.op("ReduceSum", g.op("Mul", column, column), g.ints(last - 1)))
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    return value, g.op("Div", column, g.op("Where", g.op("Greater", length, zero), length, one))


def _power(g: GraphBuilder, matrices: str, n: int, n_axes: int) -> tuple[str, str]:
    """Return the largest eigenvalue, and the matrix to the power of 2^SQUARINGS over its trace.

    The p-th root of the trace of the p-th power: the trace of ``A^p`` is the sum of the eigenvalues' p-th powers, at
    most n times the largest one's. Every power is divided by its trace, so that none underflows.
    """
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    eye = g.constant(np.eye(n))
    axes = g.ints(n_axes - 2, n_axes - 1)

    def trace_of(a: str) -> str:
        return g.op("ReduceSum", g.op("Mul", a, eye), axes)

    first = trace_of(matrices)
    present = g.op("Greater", first, zero)
    safe = g.op("Where", present, first, one)
    power, logarithm = g.op("Div", matrices, safe), g.op("Log", safe)
    for k in range(1, SQUARINGS + 1):
        power = g.op("MatMul", power, power)
        trace = g.op("Where", present, trace_of(power), one)
        power = g.op("Div", power, trace)
        logarithm = g.op("Add", logarithm, g.op("Mul", g.op("Log", trace), g.constant(np.float64(0.5**k))))
    return g.op("Where", present, g.op("Exp", logarithm), zero), power
