"""The stages of a chain as pieces of a graph: the same numbers in the same formats as `pipeline.stages`."""

from __future__ import annotations

import numpy as np

from volo_acquisition.types import StreamInfo
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.onnx.lowering import Signal, stage
from volo_decoders.pipeline.sosbank import SosBank
from volo_decoders.pipeline.stages import MICROVOLT, CommonAverage, FilterBank, Select, SosFilter

__all__: list[str] = []


@stage("select")
def _select(g: GraphBuilder, made: Select, x: Signal, after: StreamInfo, prefix: str) -> Signal:
    """Columns, microvolt in float32, and the last finite value in place of one that is not."""
    columns = [x.info.channel_names.index(name) for name in after.channel_names]
    factor = np.array([MICROVOLT.get(x.info.channels[k].unit, 1.0) for k in columns])
    picked = g.op("Gather", x.samples, g.ints(*columns), axis=1)
    samples = g.cast(g.op("Mul", g.cast(picked, np.float64), g.constant(factor)), np.float32)
    good = g.op("Not", g.op("Or", g.op("IsNaN", samples), g.op("IsInf", samples)))
    last = g.state(f"{prefix}.last", np.float32, (1, len(columns)))
    # row of `held` to take for each sample: its own if finite, else the latest finite one before; 0 is `last`
    rows = np.arange(1, x.hop + 1, dtype=np.int64)
    own = g.op("Mul", g.cast(good, np.int64), g.constant(rows[:, None]))
    before = g.constant((rows[None, :] <= rows[:, None]).astype(np.int64)[:, :, None])
    latest = g.op("ReduceMax", g.op("Mul", g.op("Unsqueeze", own, g.ints(0)), before), g.ints(1), keepdims=0)
    held = g.op("Concat", last, samples, axis=0)
    out = g.op("GatherElements", held, latest, axis=0)
    g.next_state(f"{prefix}.last", g.rows(out, -1))
    finite = g.cast(g.op("ReduceMin", g.cast(good, np.int64), g.ints(1), keepdims=0), np.bool_)
    return Signal(out, g.op("And", x.valid, finite), after, x.hop)


@stage("sos")
def _sos(g: GraphBuilder, made: SosFilter, x: Signal, after: StreamInfo, prefix: str) -> Signal:
    """One filter."""
    bank = made._filter  # noqa: SLF001 - the very object whose product the graph repeats
    if bank is None:
        raise ValueError("SosFilter: exported before reset")
    return Signal(_product(g, bank, x, prefix), x.valid, after, x.hop)


@stage("filter_bank")
def _filter_bank(g: GraphBuilder, made: FilterBank, x: Signal, after: StreamInfo, prefix: str) -> Signal:
    """All sub-bands in one product, band after band. A cascaded bank is cascaded for fitting only."""
    (bank,) = made._banks  # noqa: SLF001 - the very object whose product the graph repeats
    return Signal(_product(g, bank, x, prefix), x.valid, after, x.hop)


@stage("common_average")
def _common_average(g: GraphBuilder, made: CommonAverage, x: Signal, after: StreamInfo, prefix: str) -> Signal:
    """Less the mean over channels."""
    wide = g.cast(x.samples, np.float64)
    out = g.op("Sub", wide, g.op("ReduceMean", wide, g.ints(1)))
    return Signal(g.cast(out, np.float32), x.valid, after, x.hop)


def _product(g: GraphBuilder, bank: SosBank, x: Signal, prefix: str) -> str:
    """Return ``[y; z'] = M [x; z]`` of a bank, its states in double, started as ``zi x_0`` at the first sample."""
    matrix = bank._matrix(x.hop)  # noqa: SLF001 - exactly the matrix the Python chain multiplies with
    steady = np.concatenate([start.ravel() for start in bank._start])  # noqa: SLF001 - and its steady state
    n_channels = x.info.n_channels
    wide = g.cast(x.samples, np.float64)
    name = f"{prefix}.z"
    kept = g.state(name, np.float64, (len(steady), n_channels))
    first = g.op("Mul", g.constant(steady[:, None]), g.rows(wide, 0, 1))
    z = g.op("Where", g.started(), kept, first)
    product = g.op("MatMul", g.constant(matrix), g.op("Concat", wide, z, axis=0))
    n_out = bank.n_filters * x.hop
    g.next_state(name, g.rows(product, n_out))
    y = g.op("Reshape", g.rows(product, 0, n_out), g.ints(bank.n_filters, x.hop, n_channels))
    bands = g.op("Reshape", g.op("Transpose", y, perm=[1, 0, 2]), g.ints(x.hop, bank.n_filters * n_channels))
    return g.cast(bands, np.float32)
