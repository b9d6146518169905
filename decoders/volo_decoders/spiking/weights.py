"""The numbers of a trained network, and what one step does with them.

One step is one bin. The counts make a current that is held for all sub-steps of the bin; in each sub-step, per unit::

    synapse  <- a_s * synapse + (1 - a_s) * (current + recurrent spikes of the sub-step before)
    membrane <- a_m * (membrane - spike of the sub-step before) + (1 - a_m) * synapse
    spike    <- membrane > 1

After the last sub-step the readout leaks once: ``readout <- a_r * readout + (1 - a_r) * spikes in the bin * weights``,
and the output is ``readout * scale + offset``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["THRESHOLD", "CubaWeights"]

#: The membrane spikes above this; a spike takes as much away.
THRESHOLD = 1.0

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CubaWeights:
    """One layer of current-based leaky integrate-and-fire units with a leaky readout.

    Attributes
    ----------
    input_weights : ndarray of float32, shape (n_channels, n_units)
        Current per count; the scaling of the counts is in it.
    input_bias : ndarray of float32, shape (n_units,)
        Current without any count.
    recurrent : ndarray of float32, shape (n_units, n_units)
        Current per spike of the sub-step before, from row to column; zeros without recurrence.
    synapse_decay, membrane_decay : ndarray of float32, shape (n_units,)
        ``exp(-sub-step / tau)`` of each unit.
    readout : ndarray of float32, shape (n_units, n_outputs)
        Readout per spike.
    readout_decay : ndarray of float32, shape (n_outputs,)
        ``exp(-bin / tau)`` of each output.
    scale, offset : ndarray of float32, shape (n_outputs,)
        From the readout to the unit of what is decoded.
    n_substeps : int
        Sub-steps a bin.
    """

    input_weights: _Array
    input_bias: _Array
    recurrent: _Array
    synapse_decay: _Array
    membrane_decay: _Array
    readout: _Array
    readout_decay: _Array
    scale: _Array
    offset: _Array
    n_substeps: int

    @property
    def n_channels(self) -> int:
        """Number of inputs."""
        return int(self.input_weights.shape[0])

    @property
    def n_units(self) -> int:
        """Number of spiking units."""
        return int(self.input_weights.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return int(self.readout.shape[1])

    @property
    def is_recurrent(self) -> bool:
        """Whether units excite each other."""
        return bool(self.recurrent.any())

    @property
    def n_parameters(self) -> int:
        """How many numbers there are; a layer without recurrence has no recurrent ones."""
        arrays = self.arrays().items()
        return sum(values.size for name, values in arrays if name != "recurrent" or self.is_recurrent)

    def arrays(self) -> dict[str, _Array]:
        """Return all arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "n_substeps"}

    def state_sizes(self) -> dict[str, int]:
        """Return the states a step takes and gives back, with their sizes; all start as zeros."""
        units = self.n_units
        return {"synapse": units, "membrane": units, "spike": units, "readout": self.n_outputs}

    def time_constants_s(self, bin_s: float) -> dict[str, NDArray[np.float64]]:
        """Return the time constants of synapses, membranes and readouts, seconds."""
        substep_s = bin_s / self.n_substeps
        steps = {"synapse": substep_s, "membrane": substep_s, "readout": bin_s}
        decays = self.synapse_decay, self.membrane_decay, self.readout_decay
        return {
            name: -step_s / np.log(decay.astype(np.float64))
            for (name, step_s), decay in zip(steps.items(), decays, strict=True)
        }

    def sha256(self) -> str:
        """Return a hash over all numbers."""
        digest = hashlib.sha256(str(self.n_substeps).encode())
        for name, values in self.arrays().items():
            digest.update(f"{name}{values.shape}".encode())
            digest.update(np.ascontiguousarray(values, "<f4").tobytes())
        return digest.hexdigest()
