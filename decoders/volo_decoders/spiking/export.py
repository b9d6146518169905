"""A trained network as an ONNX graph of one step: ``(x, states) -> (y, spikes, states after)``, batch 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import FileError, Reason
from volo_decoders.onnx.graph import GraphBuilder
from volo_decoders.spiking.contract import METADATA_KEY, SCHEMA, SpikingContract
from volo_decoders.spiking.weights import THRESHOLD, CubaWeights

__all__ = ["build_step", "write_step"]


def build_step(weights: CubaWeights, contract: SpikingContract) -> bytes:
    """Return the graph of one bin as an ONNX file: float32, all sub-steps unrolled, no hidden state.

    Inputs are ``x`` (1, n_channels) and the states of `CubaWeights.state_sizes`; outputs are ``y`` (1, n_outputs),
    ``spikes`` (1, n_units), the spikes of each unit in the bin, and the states with ``_next`` after their names.

    Raises
    ------
    ValueError
        If the contract tells other sizes than the weights have.
    DecoderError
        If the package ``onnx`` is not installed.
    """
    told = (len(contract.channels), contract.n_units, len(contract.outputs), contract.n_substeps, contract.recurrent)
    has = (weights.n_channels, weights.n_units, weights.n_outputs, weights.n_substeps, weights.is_recurrent)
    if told != has:
        raise ValueError(
            f"contract: got channels, units, outputs, sub-steps, recurrence {told}, the weights have {has}"
        )
    g = GraphBuilder()
    x = g.input("x", np.float32, (1, weights.n_channels))
    state = {name: g.state(name, np.float32, (1, size)) for name, size in weights.state_sizes().items()}
    keep_s, take_s = _pair(g, weights.synapse_decay)
    keep_m, take_m = _pair(g, weights.membrane_decay)
    keep_r, take_r = _pair(g, weights.readout_decay)
    threshold, matrix = g.constant(np.float32(THRESHOLD)), g.constant(weights.recurrent)
    product = g.op("MatMul", x, g.constant(weights.input_weights))
    current = g.op("Add", product, g.constant(weights.input_bias[None, :]))
    synapse, membrane, spike, total = state["synapse"], state["membrane"], state["spike"], ""
    for _ in range(weights.n_substeps):
        drive = g.op("Add", current, g.op("MatMul", spike, matrix)) if weights.is_recurrent else current
        synapse = g.op("Add", g.op("Mul", keep_s, synapse), g.op("Mul", take_s, drive))
        left = g.op("Mul", keep_m, g.op("Sub", membrane, spike))
        membrane = g.op("Add", left, g.op("Mul", take_m, synapse))
        spike = g.cast(g.op("Greater", membrane, threshold), np.float32)
        total = g.op("Add", total, spike) if total else spike
    heard = g.op("MatMul", total, g.constant(weights.readout))
    readout = g.op("Add", g.op("Mul", keep_r, state["readout"]), g.op("Mul", take_r, heard))
    scaled = g.op("Mul", readout, g.constant(weights.scale[None, :]))
    g.output(g.op("Add", scaled, g.constant(weights.offset[None, :])), "y", np.float32, (1, weights.n_outputs))
    g.output(total, "spikes", np.float32, (1, weights.n_units))
    after = {"synapse": synapse, "membrane": membrane, "spike": spike, "readout": readout}
    for name, tensor in after.items():
        g.next_state(name, tensor)
    model = g.model("volo_spiking_step", str(SCHEMA), {METADATA_KEY: contract.to_json()})
    return bytes(model.SerializeToString(deterministic=True))


def _pair(g: GraphBuilder, decay: NDArray[np.float32]) -> tuple[str, str]:
    """Return what is kept of the old and taken of the new, as rows."""
    return g.constant(decay[None, :]), g.constant((np.float32(1.0) - decay)[None, :])


def write_step(path: Path, weights: CubaWeights, contract: SpikingContract) -> None:
    """Write the graph to a new file.

    Raises
    ------
    FileError
        If the file exists already (EXISTS) or cannot be written (NOT_WRITABLE).
    """
    content = build_step(weights, contract)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise FileError(
            f"{path} exists already", reason=Reason.EXISTS, hint="choose another name; nothing is overwritten"
        ) from error
    except OSError as error:
        raise FileError(
            f"{path} could not be written: {error.strerror}",
            reason=Reason.NOT_WRITABLE,
            hint="check the folder's permissions and the free space",
        ) from error
