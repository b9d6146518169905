"""The deep network of Guney et al. as a torch module, its training, and its ONNX graph; needed for fitting only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["GuneyNetwork", "Schedule", "graph_bytes", "train"]

#: Length of the last convolution, samples after halving.
KERNEL = 10
#: Zeros before the signal, so that it keeps its length; the rest of them behind.
LEFT = (KERNEL - 1) // 2


class GuneyNetwork(nn.Module):
    """Sub-bands, channels, halving, time, classes: four convolutions and a linear layer.

    ``conv 1x1`` over sub-bands (weights begin at 1, no bias), ``conv C x 1`` to `n_maps` maps, dropout, ``conv 1 x 2``
    with stride 2, dropout, ReLU, ``conv 1 x 10`` of the same length, dropout, linear. All other weights begin normal
    with standard deviation 0.01, biases at zero.

    Parameters
    ----------
    n_bands, n_channels, n_samples, n_classes : int
        Shape of windows and number of classes.
    n_maps : int
        Maps of the convolutions; 120 as published.
    """

    def __init__(self, n_bands: int, n_channels: int, n_samples: int, n_classes: int, n_maps: int = 120) -> None:
        super().__init__()
        self.bands = nn.Conv2d(n_bands, 1, 1, bias=False)
        self.channels = nn.Conv2d(1, n_maps, (n_channels, 1))
        self.halving = nn.Conv2d(n_maps, n_maps, (1, 2), stride=(1, 2))
        self.time = nn.Conv2d(n_maps, n_maps, (1, KERNEL))
        self.classes = nn.Linear(n_maps * (n_samples // 2), n_classes)
        self.dropouts = (0.1, 0.1, 0.95)
        nn.init.ones_(self.bands.weight)
        for layer in (self.channels, self.halving, self.time, self.classes):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n_windows, n_classes) of windows (n_windows, n_bands, n_channels, n_samples)."""
        first, second, third = self.dropouts
        x = nn.functional.dropout(self.channels(self.bands(x)), first, self.training)
        x = torch.relu(nn.functional.dropout(self.halving(x), second, self.training))
        x = nn.functional.pad(x, (LEFT, KERNEL - 1 - LEFT))  # the result is as long as x
        x = nn.functional.dropout(self.time(x), third, self.training)
        logits: Tensor = self.classes(x.flatten(1))
        return logits


@dataclass(frozen=True, slots=True)
class Schedule:
    """How one stage is trained: epochs, windows a step, learning rate, L2 penalty on weights, three dropouts."""

    epochs: int
    batch: int
    learning_rate: float
    l2: float
    dropouts: tuple[float, float, float]


def train(network: GuneyNetwork, X: NDArray[np.float32], y: NDArray[np.intp], schedule: Schedule, seed: int) -> float:
    """Train by Adam on the cross entropy; return the last epoch's mean loss.

    No validation set and no choice of epoch: what the last epoch leaves is what is used.
    """
    weights = [p for name, p in network.named_parameters() if not name.endswith("bias")]
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    groups = [{"params": weights, "weight_decay": schedule.l2}, {"params": biases, "weight_decay": 0.0}]
    optimiser = torch.optim.Adam(groups, lr=schedule.learning_rate)
    network.dropouts = schedule.dropouts
    network.train()
    windows, targets = torch.from_numpy(X), torch.from_numpy(y.astype(np.int64))
    order = np.random.default_rng(seed)
    mean = float("nan")
    for _ in range(schedule.epochs):
        losses = []
        permuted = order.permutation(len(X))
        for start in range(0, len(X), schedule.batch):
            rows = torch.from_numpy(permuted[start : start + schedule.batch])
            loss = nn.functional.cross_entropy(network(windows[rows]), targets[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(float(loss.detach()))
        mean = float(np.mean(losses))
    network.eval()
    return mean


def graph_bytes(network: GuneyNetwork, shape: tuple[int, int, int]) -> bytes:
    """Return the network as an ONNX file: ``window`` (1, n_bands, n_channels, n_samples) in, ``scores`` out."""
    from volo_decoders.onnx.graph import GraphBuilder

    g = GraphBuilder()

    def kept(layer: nn.Module) -> list[str]:
        return [g.constant(p.detach().numpy().astype(np.float32)) for p in layer.parameters()]

    x = g.input("window", np.float32, (1, *shape))
    x = g.op("Conv", x, *kept(network.bands))
    x = g.op("Conv", x, *kept(network.channels))
    x = g.op("Relu", g.op("Conv", x, *kept(network.halving), strides=[1, 2]))
    x = g.op("Conv", x, *kept(network.time), pads=[0, LEFT, 0, KERNEL - 1 - LEFT])
    weight, bias = kept(network.classes)
    x = g.op("Gemm", g.op("Flatten", x), weight, bias, transB=1)
    g.output(x, "scores", np.float32, (1, network.classes.out_features))
    return bytes(g.model("guney", "1", {}).SerializeToString())
