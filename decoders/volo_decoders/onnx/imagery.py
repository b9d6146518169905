"""The scores of the decoders of motor imagery as pieces of a graph: log variances, then a linear discriminant."""

from __future__ import annotations

import numpy as np

from volo_decoders.imagery import band_power, csp, fbcsp
from volo_decoders.imagery.lda import ShrinkageLda
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.lowering import Cut, decoder

__all__ = ["discriminant", "variances"]


def variances(g: GraphBuilder, window: str) -> str:
    """Return the variance of each column of a float64 window (n_samples, n_columns): shape (n_columns,)."""
    centred = g.op("Sub", window, g.op("ReduceMean", window, g.ints(0)))
    return g.op("ReduceMean", g.op("Mul", centred, centred), g.ints(0), keepdims=0)


def discriminant(g: GraphBuilder, made: ShrinkageLda, features: str) -> str:
    """Return the scores of features (n_features,): shape (n_classes,)."""
    scaled = g.op("Div", g.op("Sub", features, g.constant(made.mean)), g.constant(made.scale))
    return g.op("Add", g.op("MatMul", g.weights(made.weights), scaled), g.constant(made.bias))


@decoder("csp_lda")
def _csp_lda(g: GraphBuilder, made: csp.CspLda, cut: Cut) -> str:
    """Repeat `CspLda.features`."""
    n_sets, n_filters, n_channels = made.filters_.shape
    filters = g.op("Transpose", g.weights(made.filters_.reshape(-1, n_channels)), perm=[1, 0])
    power = variances(g, g.op("MatMul", g.cast(cut.samples, np.float64), filters))
    power = g.op("Reshape", power, g.ints(n_sets, n_filters))
    total = g.op("ReduceSum", power, g.ints(1))
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    varies = g.op("Greater", total, zero)
    shares = g.op("Div", power, g.op("Where", varies, total, one))
    shares = g.op("Where", varies, shares, g.constant(np.float64(1.0 / n_filters)))
    logarithms = g.op("Log", g.op("Max", shares, g.constant(np.float64(csp.LEAST_SHARE))))
    return discriminant(g, made.lda_, g.op("Reshape", logarithms, g.ints(-1)))


@decoder("fbcsp")
def _fbcsp(g: GraphBuilder, made: fbcsp.Fbcsp, cut: Cut) -> str:
    """Repeat `Fbcsp.features`; each filter has a column of its own, zero outside its band."""
    n_channels = cut.n_rows // made.n_bands
    filters = np.zeros((cut.n_rows, len(made.filters_)))
    for k, (band, weights) in enumerate(zip(made.bands_, made.filters_, strict=True)):
        filters[band * n_channels : (band + 1) * n_channels, k] = weights
    window = g.cast(cut.samples, np.float64)
    power = variances(g, g.op("MatMul", window, g.weights(filters)))
    whole = g.op("Reshape", variances(g, window), g.ints(made.n_bands, n_channels))
    total = g.op("Gather", g.op("ReduceSum", whole, g.ints(1), keepdims=0), g.ints(*map(int, made.bands_)))
    zero, one = g.constant(np.float64(0.0)), g.constant(np.float64(1.0))
    share = g.op("Div", power, g.op("Where", g.op("Greater", total, zero), total, one))
    logarithms = g.op("Log", g.op("Max", share, g.constant(np.float64(csp.LEAST_SHARE))))
    return discriminant(g, made.lda_, logarithms)


@decoder("band_power_lda")
def _band_power_lda(g: GraphBuilder, made: band_power.BandPowerLda, cut: Cut) -> str:
    """Repeat `BandPowerLda`: the picked rows of a window are columns here."""
    rows = g.ints(*(int(row) for row in made._rows()))  # noqa: SLF001 - what `_powers` reads
    power = variances(g, g.cast(g.op("Gather", cut.samples, rows, axis=1), np.float64))
    shares = g.op("Div", power, g.constant(made.reference_uv2_))
    logarithms = g.op("Log", g.op("Max", shares, g.constant(np.float64(band_power.LEAST_SHARE))))
    return discriminant(g, made.lda_, logarithms)
