"""Does the exported graph say what torch says: step by step on torch's own states, and running freely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from volo_decoders.spiking.runner import StepModel
from volo_decoders.spiking.train_network import CubaNetwork, States, one_thread
from volo_decoders.spiking.weights import THRESHOLD

__all__ = ["TeacherForced", "run_freely", "teacher_forced"]


@dataclass(frozen=True, slots=True)
class TeacherForced:
    """How far one step of the graph is from one step of torch that starts from the same states.

    Attributes
    ----------
    n_bins, n_spike_bits : int
        Steps compared, and spikes or their absence compared: units times bins (their number in each bin).
    n_mismatches : int
        In how many of them the number of spikes differs.
    largest_margin : float
        How far torch's membrane was from the threshold at the sub-step where it came closest to it, largest over the
        mismatches, in thresholds; 0 if there are none.
    max_output_difference : float
        Largest difference of an output where no spike differs, in the unit of the outputs.
    max_output_difference_all : float
        The same over all steps.
    max_membrane_difference : float
        Largest difference of a membrane after a bin, in thresholds, over the same steps as `max_output_difference`; a
        spike at another sub-step of the bin would show here, though the number of spikes is the same.
    """

    n_bins: int
    n_spike_bits: int
    n_mismatches: int
    largest_margin: float
    max_output_difference: float
    max_output_difference_all: float
    max_membrane_difference: float


def teacher_forced(network: CubaNetwork, model: StepModel, counts: NDArray[Any]) -> TeacherForced:
    """Compare step by step; before each, the graph is given torch's states.

    Parameters
    ----------
    network : CubaNetwork
        The trained network itself, its scalings not folded into weights.
    model : StepModel
        The exported graph.
    counts : ndarray, shape (n_bins, n_channels)
        What both are given; states start from zero.
    """
    mismatches, margin, apart, apart_all, membranes_apart = 0, 0.0, 0.0, 0.0, 0.0
    with one_thread(), torch.no_grad():
        scaled = network.scaled(torch.tensor(counts.astype(np.float32)))
        states = network.start(1)
        for row, counted in zip(scaled, counts, strict=True):
            step = model.step(counted, {name: value.numpy() for name, value in states._asdict().items()})
            before = states
            decoded, states, spikes = network(row[None, None], states)
            y = (decoded[0, 0] * network.scale + network.offset).numpy()
            difference = float(np.abs(y - step.y).max())
            apart_all = max(apart_all, difference)
            wrong = np.flatnonzero(spikes[0, 0].numpy() != step.spikes)
            if len(wrong):
                mismatches += len(wrong)
                margin = max(margin, float(_margins(network, row, before)[wrong].max()))
            else:
                apart = max(apart, difference)
                left = np.abs(states.membrane.numpy() - step.states["membrane"]).max()
                membranes_apart = max(membranes_apart, float(left) / THRESHOLD)
    n_bits = len(counts) * len(network.input_bias)
    return TeacherForced(len(counts), n_bits, mismatches, margin, apart, apart_all, membranes_apart)


def _margins(network: CubaNetwork, scaled: torch.Tensor, states: States) -> NDArray[np.float64]:
    """Return how close each membrane came to the threshold in a bin, shape (n_units,), in thresholds."""
    closest = np.full(len(network.input_bias), np.inf)
    current = scaled @ network.input_weights + network.input_bias
    synapse, membrane, spike, _ = states
    keep_s, keep_m = torch.sigmoid(network.synapse), torch.sigmoid(network.membrane)
    for _ in range(network.n_substeps):
        drive = current + (spike @ network.recurrent_weights if network.recurrent else 0.0)
        synapse = keep_s * synapse + (1.0 - keep_s) * drive
        membrane = keep_m * (membrane - spike) + (1.0 - keep_m) * synapse
        spike = (membrane > THRESHOLD).float()
        closest = np.minimum(closest, np.abs(membrane[0].double().numpy() - THRESHOLD) / THRESHOLD)
    return closest


def run_freely(model: StepModel, counts: NDArray[Any]) -> NDArray[np.float32]:
    """Let the graph run over counts on its own states, from zero at the first bin.

    Returns
    -------
    ndarray, shape (n_bins, n_outputs)
        In the unit of the outputs.
    """
    states, outputs = model.start(), []
    for row in counts:
        step = model.step(row, states)
        states = step.states
        outputs.append(step.y)
    return np.array(outputs, np.float32).reshape(-1, len(model.contract.outputs))
