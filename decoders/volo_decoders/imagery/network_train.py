"""The networks' layers and their training: the only module of imagery that imports torch."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["ARCHITECTURES", "build", "export", "train"]

ARCHITECTURES = ("shallow", "eegnet", "ifnet")


class Shallow(nn.Module):
    """Temporal and spatial convolution, square, mean, logarithm."""

    def __init__(self, n_rows: int, n_samples: int, n_classes: int, rate_hz: float) -> None:
        super().__init__()
        kernel, pool, step = (max(1, round(s * rate_hz)) for s in (0.1, 0.3, 0.06))
        self.temporal = nn.Conv2d(1, 40, (1, kernel))
        self.spatial = nn.Conv2d(40, 40, (n_rows, 1), bias=False)
        self.norm = nn.BatchNorm2d(40)
        pool = min(pool, n_samples - kernel + 1)
        self.pool = nn.AvgPool2d((1, pool), (1, step))
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(40 * ((n_samples - kernel + 1 - pool) // step + 1), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, shape (n_trials, n_classes), of windows, shape (n_trials, n_rows, n_samples)."""
        out = self.norm(self.spatial(self.temporal(x[:, None])))
        out = torch.log(torch.clamp(self.pool(out * out), min=1e-6))
        scores: Tensor = self.last(self.drop(out).flatten(1))
        return scores


class Eegnet(nn.Module):
    """EEGNet with 8 temporal filters and 2 spatial ones for each."""

    def __init__(self, n_rows: int, n_samples: int, n_classes: int, rate_hz: float) -> None:
        super().__init__()
        kernel, late = max(1, round(0.5 * rate_hz)), max(1, round(0.125 * rate_hz))
        self.temporal = nn.Sequential(
            nn.ZeroPad2d(((kernel - 1) // 2, kernel // 2, 0, 0)),
            nn.Conv2d(1, 8, (1, kernel), bias=False),
            nn.BatchNorm2d(8),
        )
        self.spatial = nn.Conv2d(8, 16, (n_rows, 1), groups=8, bias=False)
        self.middle = nn.Sequential(nn.BatchNorm2d(16), nn.ELU(), nn.AvgPool2d((1, 4)), nn.Dropout(0.25))
        self.separable = nn.Sequential(
            nn.ZeroPad2d(((late - 1) // 2, late // 2, 0, 0)),
            nn.Conv2d(16, 16, (1, late), groups=16, bias=False),
            nn.Conv2d(16, 16, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ELU(),
            nn.AvgPool2d((1, 8)),
            nn.Dropout(0.25),
        )
        self.last = nn.Linear(16 * (n_samples // 4 // 8), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, shape (n_trials, n_classes), of windows, shape (n_trials, n_rows, n_samples)."""
        out = self.separable(self.middle(self.spatial(self.temporal(x[:, None]))))
        scores: Tensor = self.last(out.flatten(1))
        return scores

    def bounded(self) -> None:
        """Keep the norms of spatial filters and last weights within 1 and 0.25, as published."""
        with torch.no_grad():
            for weight, most in ((self.spatial.weight, 1.0), (self.last.weight, 0.25)):
                norms = weight.flatten(1).norm(dim=1).clamp(min=1e-12)
                weight.mul_((most / norms).clamp(max=1.0).view(-1, *[1] * (weight.dim() - 1)))


class Ifnet(nn.Module):
    """Bands side by side, summed after their temporal filters."""

    def __init__(self, n_rows: int, n_samples: int, n_classes: int, rate_hz: float, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands
        self.spatial = nn.Sequential(
            nn.Conv1d(n_rows, 64 * n_bands, 1, groups=n_bands, bias=False), nn.BatchNorm1d(64 * n_bands)
        )
        lengths = [max(3, round(0.25 * rate_hz / 2**k)) // 2 * 2 + 1 for k in range(n_bands)]
        self.temporal = nn.ModuleList(
            nn.Sequential(nn.Conv1d(64, 64, n, padding=n // 2, groups=64, bias=False), nn.BatchNorm1d(64))
            for n in lengths
        )
        pool = round(0.5 * rate_hz)
        self.late = nn.Sequential(nn.GELU(), nn.AvgPool1d(pool), nn.Dropout(0.5), nn.Flatten(1))
        self.last = nn.Linear(64 * (n_samples // pool), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, shape (n_trials, n_classes), of windows, shape (n_trials, n_rows, n_samples)."""
        parts = torch.split(self.spatial(x), 64, dim=1)
        out = torch.stack([layer(part) for layer, part in zip(self.temporal, parts, strict=True)]).sum(dim=0)
        scores: Tensor = self.last(self.late(out))
        return scores


def build(
    architecture: str, n_rows: int, n_samples: int, n_classes: int, *, rate_hz: float, n_bands: int = 1
) -> nn.Module:
    """Return a new network, its weights from torch's generator."""
    if architecture == "shallow":
        return Shallow(n_rows, n_samples, n_classes, rate_hz)
    if architecture == "eegnet":
        return Eegnet(n_rows, n_samples, n_classes, rate_hz)
    if architecture == "ifnet":
        return Ifnet(n_rows, n_samples, n_classes, rate_hz, n_bands)
    raise ValueError(f"architecture: got {architecture!r}, allowed are {', '.join(ARCHITECTURES)}")


def train(
    architecture: str,
    X: NDArray[np.float32],
    targets: NDArray[np.intp],
    *,
    rate_hz: float,
    n_bands: int,
    n_epochs: int,
    learning_rate: float,
    seed: int,
) -> bytes:
    """Train a network and return it as an ONNX file: ``x``, shape (1, n_rows, n_samples), to scores.

    Classes count equally. One thread, and torch's own generator is left as it was: the same trials give the same file.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            n_classes = int(targets.max()) + 1
            network = build(architecture, X.shape[1], X.shape[2], n_classes, rate_hz=rate_hz, n_bands=n_bands)
            _descend(network, torch.from_numpy(X), torch.from_numpy(targets.astype(np.int64)), n_epochs, learning_rate)
            return export(network, X.shape[1], X.shape[2])
    finally:
        torch.set_num_threads(threads)


def _descend(network: nn.Module, X: Tensor, y: Tensor, n_epochs: int, learning_rate: float) -> None:
    counts = torch.bincount(y).float()
    loss = nn.CrossEntropyLoss(weight=counts.sum() / (len(counts) * counts))
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_epochs)
    network.train()
    for _ in range(n_epochs):
        order = torch.randperm(len(X))
        for batch in torch.split(order, 32):
            if len(batch) < 2:
                continue
            optimiser.zero_grad()
            loss(network(X[batch]), y[batch]).backward()
            optimiser.step()
            if isinstance(network, Eegnet):
                network.bounded()
        schedule.step()
    network.eval()


def export(network: nn.Module, n_rows: int, n_samples: int) -> bytes:
    """Return a network as an ONNX file for one window at a time."""
    file: Any = io.BytesIO()
    network.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its successor, which is twenty times slower
        torch.onnx.export(
            network, (torch.zeros(1, n_rows, n_samples),), file, input_names=["x"], output_names=["scores"],
            opset_version=17, dynamo=False,
        )  # fmt: skip
    exported: bytes = file.getvalue()
    return exported
