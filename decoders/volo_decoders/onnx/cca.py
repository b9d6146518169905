"""The scores of `ssvep.fbcca.FBCCA` and `ssvep.transfer_cca.TransferCCA` as pieces of a graph.

The Python decoders orthonormalise the channels by QR; here it is a Cholesky factor, and the largest squared
correlations come from powers of a matrix instead of an eigenvalue routine. Both are exact to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from volo_decoders.onnx.etrca import centred_columns
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.linear import first_eigenpair, largest_eigenvalue, transposed, whitening
from volo_decoders.onnx.lowering import Cut, decoder, per_length
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.transfer_cca import TransferCCA

__all__ = ["whitened_window", "window_of_bands"]

_EPS32 = float(np.finfo(np.float32).eps)


def window_of_bands(g: GraphBuilder, cut: Cut, n: int, n_bands: int, skipped: int = 0) -> str:
    """Return the last ``n - skipped`` samples of a window, centred: float64 (n_bands, n - skipped, n_channels)."""
    samples = g.cast(g.rows(cut.samples, skipped), np.float64)
    wide = g.op("Reshape", samples, g.ints(n - skipped, n_bands, cut.n_rows // n_bands))
    return centred_columns(g, g.op("Transpose", wide, perm=[1, 0, 2]), g.ints(n - skipped))


def whitened_window(g: GraphBuilder, x: str, n: int, n_channels: int) -> tuple[str, str]:
    """Return filters that whiten a window's channels, each row one, and the whitened window.

    Parameters
    ----------
    g : GraphBuilder
        The graph.
    x : str
        Centred, shape (n_bands, n, n_channels).
    n, n_channels : int
        Its sizes.

    Returns
    -------
    filters : str
        Shape (n_bands, n_channels, n_channels); rows of zeros for channels that depend on others.
    whitened : str
        Shape (n_bands, n_channels, n); orthonormal rows.
    """
    lengths = g.op("Sqrt", g.op("ReduceSum", g.op("Mul", x, x), g.ints(1)))  # (n_bands, 1, n_channels)
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    lengths = g.op("Where", g.op("Greater", lengths, zero), lengths, one)
    unit = g.op("Div", x, lengths)
    least = g.constant(np.float64((_EPS32 * max(n, n_channels)) ** 2))
    white = whitening(g, g.op("MatMul", transposed(g, unit, 3), unit), n_channels, 3, least)
    return g.op("Div", white, lengths), g.op("MatMul", white, transposed(g, unit, 3))


@decoder("cca")
@decoder("fbcca")
def _fbcca(g: GraphBuilder, made: FBCCA, cut: Cut) -> str:
    """Repeat `FBCCA._score`."""
    n_classes, n_columns = len(made.classes_), 2 * made.n_harmonics

    def score(n: int) -> str:
        powers = _powers(g, made._bases.of_length(n), _white(g, cut, n, made.n_bands), made.n_bands, n_columns)  # noqa: SLF001
        (largest,) = powers(n_columns, 1)
        largest = g.op("Clip", largest, g.constant(np.float64(0.0)), g.constant(np.float64(1.0)))
        if not made.squared:
            largest = g.op("Sqrt", largest)
        weights = g.constant(np.ascontiguousarray(made._weights[None, :]))  # noqa: SLF001 - what `_score` reads
        return g.op("Reshape", g.op("MatMul", weights, largest), g.ints(n_classes))

    return per_length(g, cut, n_classes, score)


@decoder("transfer_cca")
def _transfer_cca(g: GraphBuilder, made: TransferCCA, cut: Cut) -> str:
    """Repeat `TransferCCA._features` and the utilities of the nearest length's weights."""
    n_classes, n_columns = len(made.classes_), 2 * max(made.harmonics)

    def score(n: int) -> str:
        features = []
        parts = [n, *(round(part * n) for part in made.late_parts)]
        for size in parts:
            white = _white(g, cut, n, made.n_bands, n - size)
            powers = _powers(g, made._bases.of_length(size), white, made.n_bands, n_columns)  # noqa: SLF001
            for n_harmonics in made.harmonics:
                kinds = powers(2 * n_harmonics, made.n_correlations)  # each (n_bands, n_classes)
                stacked = g.op("Concat", *(g.op("Unsqueeze", kind, g.ints(2)) for kind in kinds), axis=2)
                power = g.op("Clip", stacked, g.constant(np.float64(1e-9)), g.constant(np.float64(1.0 - 1e-9)))
                odds = g.op("Log", g.op("Div", power, g.op("Sub", g.constant(np.float64(1.0)), power)))
                features.append(g.op("Reshape", g.op("Transpose", odds, perm=[1, 0, 2]), g.ints(n_classes, -1)))
        wide = g.op("Concat", *features, axis=1)
        nearest = int(np.abs(made._lengths - n).argmin())  # noqa: SLF001 - what `_score` reads
        model = made._models[nearest]  # noqa: SLF001
        if made.online:  # as far as it has learned; in the graph it learns no more
            wide = g.op("Sub", wide, g.constant(np.ascontiguousarray(made._personal_offset(nearest))))  # noqa: SLF001
        scaled = g.op("Div", g.op("Sub", wide, g.constant(model.centre)), g.constant(model.scale))
        return g.op("Add", g.op("MatMul", scaled, g.weights(model.weights)), g.constant(model.biases))

    return per_length(g, cut, n_classes, score)


def _white(g: GraphBuilder, cut: Cut, n: int, n_bands: int, skipped: int = 0) -> tuple[str, int]:
    """Return the whitened window, (n_bands, n_channels, n - skipped), and how many channels it has."""
    n_channels = cut.n_rows // n_bands
    x = window_of_bands(g, cut, n, n_bands, skipped)
    return whitened_window(g, x, n - skipped, n_channels)[1], n_channels


class _Powers:
    """Squared canonical correlations of a whitened window with the references of each class, the largest first."""

    def __init__(self, g: GraphBuilder, cosines: str, n_channels: int, n_bands: int) -> None:
        self._g, self._cosines, self._n_channels, self._n_bands = g, cosines, n_channels, n_bands

    def __call__(self, n_columns: int, n_correlations: int) -> list[str]:
        """Return `n_correlations` tensors (n_bands, n_classes), with the first `n_columns` references."""
        g = self._g
        few = g.op("Slice", self._cosines, g.ints(0), g.ints(n_columns), g.ints(3))
        turned = transposed(g, few, 4)
        pair = (turned, few) if self._n_channels > n_columns else (few, turned)
        size = min(self._n_channels, n_columns)
        gram = g.op("MatMul", *pair)
        found = []
        for k in range(n_correlations):
            if k == n_correlations - 1:
                value = largest_eigenvalue(g, gram, size, 4)
            else:
                value, vector = first_eigenpair(g, gram, size, 4)
                gram = g.op("Sub", gram, g.op("Mul", value, g.op("MatMul", vector, transposed(g, vector, 4))))
            found.append(g.op("Squeeze", value, g.ints(2, 3)))
        return found


def _powers(
    g: GraphBuilder, bases: NDArray[np.float64], white: tuple[str, int], n_bands: int, n_columns: int
) -> _Powers:
    whitened, n_channels = white
    products = g.op("MatMul", whitened, g.constant(bases))  # (n_bands, n_channels, n_classes * n_columns)
    cosines = g.op("Reshape", products, g.ints(n_bands, n_channels, -1, n_columns))
    return _Powers(g, g.op("Transpose", cosines, perm=[0, 2, 1, 3]), n_channels, n_bands)
