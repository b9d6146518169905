"""The spiking network as a torch module, with a surrogate gradient through its spikes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volo_decoders.spiking.weights import THRESHOLD, CubaWeights

__all__ = ["CubaNetwork", "States", "one_thread"]


class States(NamedTuple):
    """What the network remembers, each of shape (n_batch, n_units) or, for `readout`, (n_batch, n_outputs)."""

    synapse: Tensor
    membrane: Tensor
    spike: Tensor
    readout: Tensor


class _Spike(torch.autograd.Function):
    """A step forward; backward the derivative of a fast sigmoid, ``1 / (1 + slope * |u|)^2``.

    References
    ----------
    Zenke and Ganguli, Neural Computation 2018, DOI 10.1162/neco_a_01086.
    """

    @staticmethod
    def forward(ctx: Any, above: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(above)
        ctx.slope = slope
        return (above > 0.0).to(above.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (above,) = ctx.saved_tensors
        return gradients[0] / (1.0 + ctx.slope * above.abs()) ** 2, None


class CubaNetwork(torch.nn.Module):
    """One layer of current-based leaky integrate-and-fire units, optionally recurrent, with a leaky readout.

    It takes counts as they are and gives outputs in units of their spread in training; `weights` folds both scalings.

    Parameters
    ----------
    counts : ndarray, shape (n_bins, n_channels)
        Of the fit part: their mean and spread scale the input.
    outputs : ndarray, shape (n_bins, n_outputs)
        Of the fit part: their mean and spread scale the output.
    n_units, n_substeps : int
        Size of the layer, sub-steps a bin.
    bin_s : float
        Length of a bin.
    recurrent : bool
        Whether units excite each other.
    slope : float
        Of the surrogate gradient.
    generator : torch.Generator
        Where the initial weights come from.
    """

    def __init__(
        self,
        counts: NDArray[Any],
        outputs: NDArray[Any],
        *,
        n_units: int,
        n_substeps: int,
        bin_s: float,
        recurrent: bool,
        slope: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        n_channels, n_outputs = counts.shape[1], outputs.shape[1]
        self.n_substeps, self.recurrent, self.slope = n_substeps, recurrent, slope
        self.mean, self.spread = _moments(counts)
        self.offset, self.scale = _moments(outputs)

        def normal(rows: int, columns: int, gain: float) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.randn(rows, columns, generator=generator) * (gain / math.sqrt(rows)))

        def decays(n: int, step_s: float, tau_s: float, scatter: float) -> torch.nn.Parameter:
            logit = -math.log(math.expm1(step_s / tau_s))  # its sigmoid is exp(-step_s / tau_s)
            return torch.nn.Parameter(logit + scatter * torch.randn(n, generator=generator))

        substep_s = bin_s / n_substeps
        self.input_weights = normal(n_channels, n_units, 1.0)
        self.input_bias = torch.nn.Parameter(torch.full((n_units,), 0.5))
        self.recurrent_weights = normal(n_units, n_units, 0.3 if recurrent else 0.0)
        self.recurrent_weights.requires_grad_(recurrent)
        self.readout_weights = normal(n_units, n_outputs, 1.0)
        self.readout_bias = torch.nn.Parameter(torch.zeros(n_outputs))
        self.synapse = decays(n_units, substep_s, 0.06, 0.3)
        self.membrane = decays(n_units, substep_s, 0.06, 0.3)
        self.leak = decays(n_outputs, bin_s, 0.1, 0.0)

    def start(self, n_batch: int) -> States:
        """Return the states before the first bin: zeros."""
        units, outputs = torch.zeros(n_batch, len(self.input_bias)), torch.zeros(n_batch, len(self.readout_bias))
        return States(units, units, units, outputs)

    def scaled(self, counts: Tensor) -> Tensor:
        """Return counts less their mean, in units of their spread."""
        return (counts - self.mean) / self.spread

    def forward(self, scaled: Tensor, states: States, mask: Tensor | None = None) -> tuple[Tensor, States, Tensor]:
        """Run over bins.

        Parameters
        ----------
        scaled : Tensor, shape (n_batch, n_bins, n_channels)
            As `scaled` returns them.
        states : States
            Before the first bin.
        mask : Tensor, shape (n_batch, n_units), or None
            What the readout hears of each unit (dropout).

        Returns
        -------
        outputs : Tensor, shape (n_batch, n_bins, n_outputs)
            In units of their spread in training.
        states : States
            After the last bin.
        spikes : Tensor, shape (n_batch, n_bins, n_units)
            Spikes in each bin.
        """
        currents = scaled @ self.input_weights + self.input_bias
        synapse, membrane, spike, readout = states
        keep_s, keep_m, keep_r = (torch.sigmoid(p) for p in (self.synapse, self.membrane, self.leak))
        take_s, take_m, take_r = 1.0 - keep_s, 1.0 - keep_m, 1.0 - keep_r
        outputs, counted = [], []
        for current in currents.unbind(1):
            total = torch.zeros_like(spike)
            for _ in range(self.n_substeps):
                drive = torch.addmm(current, spike, self.recurrent_weights) if self.recurrent else current
                synapse = torch.addcmul(keep_s * synapse, take_s, drive)
                membrane = torch.addcmul(keep_m * (membrane - spike), take_m, synapse)
                spike = _Spike.apply(membrane - THRESHOLD, self.slope)  # type: ignore[no-untyped-call]
                total = total + spike
            heard = total if mask is None else total * mask
            readout = torch.addcmul(keep_r * readout, take_r, heard @ self.readout_weights)
            outputs.append(readout + self.readout_bias)
            counted.append(total)
        return torch.stack(outputs, 1), States(synapse, membrane, spike, readout), torch.stack(counted, 1)

    def weights(self) -> CubaWeights:
        """Return the numbers, the scalings of counts and outputs folded in."""
        with torch.no_grad():
            weights = self.input_weights / self.spread[:, None]
            recurrent = self.recurrent_weights * float(self.recurrent)
            return CubaWeights(
                input_weights=_array(weights),
                input_bias=_array(self.input_bias - self.mean @ weights),
                recurrent=_array(recurrent),
                synapse_decay=_array(torch.sigmoid(self.synapse)),
                membrane_decay=_array(torch.sigmoid(self.membrane)),
                readout=_array(self.readout_weights),
                readout_decay=_array(torch.sigmoid(self.leak)),
                scale=_array(self.scale),
                offset=_array(self.offset + self.readout_bias * self.scale),
                n_substeps=self.n_substeps,
            )


def _moments(values: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Return mean and spread of each column; a column that does not vary has spread 1."""
    mean, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 0.0, spread, 1.0)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(spread, dtype=torch.float32)


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().numpy().astype(np.float32)
    return array


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread meanwhile: the same bits each time, and the other cores stay free."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
