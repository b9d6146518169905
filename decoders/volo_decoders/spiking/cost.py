"""What one step costs, counted plainly: products and sums of the weights, biases left out, states told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.spiking.contract import SpikingContract

__all__ = ["StepCost", "step_cost"]


@dataclass(frozen=True, slots=True)
class StepCost:
    """Operations a bin.

    Attributes
    ----------
    dense : int
        Multiply-accumulates of all weights, as a machine does them that skips nothing; so does onnxruntime.
    effective_macs : float
        Multiply-accumulates of inputs that are not zero; the counts are numbers, so each one multiplies.
    effective_acs : float
        Additions that spikes cause, in the layer and in the readout; a spike needs no multiplication.
    state_updates : int
        Multiplications that keep synapses, membranes and readouts leaking; they are in none of the above.
    activation_sparsity : float
        Share of units and sub-steps without a spike.
    n_parameters, n_parameter_bytes : int
        Numbers in the network, and their size as float32.
    """

    dense: int
    effective_macs: float
    effective_acs: float
    state_updates: int
    activation_sparsity: float
    n_parameters: int
    n_parameter_bytes: int


def step_cost(contract: SpikingContract, counts: NDArray[Any], spikes_per_bin: float) -> StepCost:
    """Count the operations of one bin as NeuroBench does, biases left out.

    Parameters
    ----------
    contract : SpikingContract
        The sizes of the network.
    counts : ndarray, shape (n_bins, n_channels)
        Over which inputs that are not zero are counted.
    spikes_per_bin : float
        Mean number of spikes of the whole layer in a bin, over the same bins.

    References
    ----------
    Yik et al., Nature Communications 2025, DOI 10.1038/s41467-025-56739-4.
    """
    units, outputs, substeps = contract.n_units, len(contract.outputs), contract.n_substeps
    recurrent = substeps * units * units if contract.recurrent else 0
    fan_out = outputs + (units if contract.recurrent else 0)
    return StepCost(
        dense=len(contract.channels) * units + recurrent + units * outputs,
        effective_macs=float(np.count_nonzero(counts)) / max(1, len(counts)) * units,
        effective_acs=spikes_per_bin * fan_out,
        state_updates=2 * 2 * substeps * units + 3 * outputs,
        activation_sparsity=1.0 - spikes_per_bin / (units * substeps),
        n_parameters=contract.n_parameters,
        n_parameter_bytes=4 * contract.n_parameters,
    )
