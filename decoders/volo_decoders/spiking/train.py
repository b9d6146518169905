"""Fitting the spiking network: backpropagation through time on cut-out stretches, the epoch chosen on validation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volo_decoders.spiking.scoring import r_squared
from volo_decoders.spiking.split import Part, Split
from volo_decoders.spiking.train_network import CubaNetwork, one_thread

__all__ = ["SpikingSettings", "Trained", "run_network", "train"]

#: The epoch's weights are tried on the validation part after every so many epochs.
_TRY_EVERY = 2


@dataclass(frozen=True, slots=True)
class SpikingSettings:
    """How the network is built and fitted.

    Attributes
    ----------
    n_units : int
        Spiking units.
    n_substeps : int
        Sub-steps of the membrane a bin.
    recurrent : bool
        Whether units excite each other.
    slope : float
        Of the surrogate gradient.
    epochs : int
        Times the fit part is gone through.
    stretch_bins : int
        Length of a stretch that is learned from at once.
    ignored_bins : int
        First bins of a stretch that are not scored, for the states start from zero.
    batch : int
        Stretches a step.
    learning_rate : float
        Largest, after a tenth of the steps; it then falls to zero along a cosine.
    weight_decay : float
        Of AdamW.
    channel_dropout, unit_dropout : float
        Share of channels and of units that are silenced for a whole stretch in training.
    seed : int
        Of initial weights, order and dropout.
    """

    n_units: int = 64
    n_substeps: int = 4
    recurrent: bool = True
    slope: float = 10.0
    epochs: int = 100
    stretch_bins: int = 40
    ignored_bins: int = 6
    batch: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    channel_dropout: float = 0.2
    unit_dropout: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_units", "n_substeps", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, it must be at least 1")
        for name in ("channel_dropout", "unit_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name}: got {getattr(self, name)}, it must be at least 0 and below 1")
        if not 0 <= self.ignored_bins < self.stretch_bins:
            raise ValueError(f"ignored_bins: got {self.ignored_bins}, expected 0 to {self.stretch_bins - 1}")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted network, and how it came about.

    Attributes
    ----------
    network : CubaNetwork
        With the weights of the epoch that did best on the validation part.
    epoch : int
        Which epoch that was, counted from 1.
    validation_r2 : ndarray, shape (n_outputs,)
        Of that epoch.
    history : tuple of (int, float, float)
        Epoch, mean loss in it, and mean R2 of the validation part.
    """

    network: CubaNetwork
    epoch: int
    validation_r2: NDArray[np.float64]
    history: tuple[tuple[int, float, float], ...]


def train(
    counts: NDArray[Any],
    outputs: NDArray[Any],
    split: Split,
    settings: SpikingSettings,
    *,
    bin_s: float,
    progress: Callable[[int, float], None] | None = None,
) -> Trained:
    """Fit a network on one torch thread; the same data and settings give the same weights.

    Nothing behind ``split.training`` is looked at.

    Parameters
    ----------
    counts : ndarray, shape (n_bins, n_channels)
        Spike counts.
    outputs : ndarray, shape (n_bins, n_outputs)
        What to decode.
    split : Split
        Parts of these bins.
    settings : SpikingSettings
        How.
    bin_s : float
        Length of a bin.
    progress : callable or None
        Told the epoch and the mean loss in it, in the calling thread.

    Raises
    ------
    ValueError
        If the fit part is shorter than two stretches.

    References
    ----------
    Neftci, Mostafa, Zenke, IEEE Signal Processing Magazine 2019, DOI 10.1109/MSP.2019.2931595; learned time constants:
    Perez-Nieves et al., Nature Communications 2021, DOI 10.1038/s41467-021-26022-3.
    """
    if len(split.fit) < 2 * settings.stretch_bins:
        raise ValueError(f"split.fit: got {len(split.fit)} bins, expected at least {2 * settings.stretch_bins}")
    with one_thread():
        seen = split.training.rows
        return _train(counts[seen], outputs[seen], split, settings, bin_s=bin_s, progress=progress)


def _train(
    counts: NDArray[Any],
    outputs: NDArray[Any],
    split: Split,
    settings: SpikingSettings,
    *,
    bin_s: float,
    progress: Callable[[int, float], None] | None,
) -> Trained:
    generator = torch.Generator().manual_seed(settings.seed)
    network = CubaNetwork(
        counts[split.fit.rows],
        outputs[split.fit.rows],
        n_units=settings.n_units,
        n_substeps=settings.n_substeps,
        bin_s=bin_s,
        recurrent=settings.recurrent,
        slope=settings.slope,
        generator=generator,
    )
    x = network.scaled(torch.tensor(counts.astype(np.float32)))
    y = (torch.tensor(outputs.astype(np.float32)) - network.offset) / network.scale
    n_batches = -(-(len(split.fit) // settings.stretch_bins - 1) // settings.batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * n_batches + 1, pct_start=0.1
    )
    best, kept = Trained(network, 0, np.full(y.shape[1], -np.inf), ()), copy.deepcopy(network.state_dict())
    history = []
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for starts in _batches(split.fit, settings, n_batches, generator):
            stretches = torch.tensor(starts)[:, None] + torch.arange(settings.stretch_bins)
            losses.append(
                _learn(network, optimizer, x[stretches], y[stretches], settings=settings, generator=generator)
            )
            schedule.step()
        loss = float(np.mean(losses))
        if epoch % _TRY_EVERY == 0 or epoch == settings.epochs:
            scores = _validate(network, x, y, split.validation)
            history.append((epoch, loss, float(scores.mean())))
            if scores.mean() > best.validation_r2.mean():
                best, kept = Trained(network, epoch, scores, ()), copy.deepcopy(network.state_dict())
        if progress is not None:
            progress(epoch, loss)
    network.load_state_dict(kept)
    return Trained(network, best.epoch, best.validation_r2, tuple(history))


def _batches(fit: Part, settings: SpikingSettings, n_batches: int, generator: torch.Generator) -> list[list[int]]:
    """Return where the stretches of one epoch start: side by side from a random first bin, in random order."""
    first = int(torch.randint(settings.stretch_bins, (1,), generator=generator))
    starts = torch.arange(fit.start + first, fit.stop - settings.stretch_bins + 1, settings.stretch_bins)
    order = starts[torch.randperm(len(starts), generator=generator)].tolist()
    batches = [order[k : k + settings.batch] for k in range(0, len(order), settings.batch)]
    return batches[:n_batches]


def _learn(
    network: CubaNetwork,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    *,
    settings: SpikingSettings,
    generator: torch.Generator,
) -> float:
    """Make one step of the optimizer and return the loss before it."""

    def dropout(*shape: int, share: float) -> Tensor:
        return (torch.rand(*shape, generator=generator) >= share).float() / (1.0 - share)

    n = len(x)
    heard = dropout(n, settings.n_units, share=settings.unit_dropout)
    x = x * dropout(n, 1, x.shape[2], share=settings.channel_dropout)
    decoded, _, _ = network(x, network.start(n), heard)
    loss = ((decoded - y)[:, settings.ignored_bins :] ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _validate(network: CubaNetwork, x: Tensor, y: Tensor, part: Part) -> NDArray[np.float64]:
    """Return the R2 of stretches of the validation part, side by side, after the purged bins or a warm-up of 30."""
    warm_up, length = 30, min(100, len(part) - 30)
    starts = torch.arange(part.start, part.stop - warm_up - length + 1, length)
    rows = starts[:, None] + torch.arange(warm_up + length)
    with torch.no_grad():
        decoded, _, _ = network(x[rows], network.start(len(rows)))
    flat = decoded[:, warm_up:].reshape(-1, y.shape[1]).numpy()
    return r_squared(y[rows][:, warm_up:].reshape(-1, y.shape[1]).numpy(), flat)


def run_network(network: CubaNetwork, counts: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Let a network run freely over counts, states from zero at the first bin.

    Returns
    -------
    outputs : ndarray, shape (n_bins, n_outputs)
        In the unit of what it was fitted to.
    spikes : ndarray, shape (n_bins, n_units)
        Spikes in each bin.
    """
    with one_thread(), torch.no_grad():
        x = network.scaled(torch.tensor(counts.astype(np.float32)))
        decoded, _, spikes = network(x[None], network.start(1))
        return (decoded[0] * network.scale + network.offset).numpy(), spikes[0].numpy()
