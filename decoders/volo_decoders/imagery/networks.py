"""Compact convolutional networks, trained by torch and run by onnxruntime: one graph a decoder, one thread.

Torch is needed for `fit` alone (``pip install volo[train]``). The number of epochs is fixed beforehand: no state of the
network is chosen by how it does on anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.imagery.lda import class_targets
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["EegNet", "IfNet", "Network", "ShallowFbcspNet"]

Array = NDArray[np.float64]


class Network(ScoredClassifier):
    """What the networks share.

    Windows are divided by each row's spread in calibration. Shorter ones are filled up with zeros at their begin,
    longer ones lose theirs.
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9
    architecture: ClassVar[str]
    #: Rows are band after band.
    n_bands: int = 1

    def __init__(self, rate_hz: float, n_epochs: int = 100, learning_rate: float = 1e-3, seed: int = 0) -> None:
        self.rate_hz = rate_hz
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.seed = seed

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Train on windows, shape (n_trials, n_bands * n_channels, n_samples), with labels, shape (n_trials,).

        Raises
        ------
        ValueError
            If a parameter is out of range, or the windows or labels do not allow it.
        ImportError
            If torch is not installed.
        """
        if self.n_epochs < 1 or not self.learning_rate > 0.0 or self.n_bands < 1:
            raise ValueError(
                f"n_epochs, learning_rate, n_bands: got {self.n_epochs}, {self.learning_rate}, {self.n_bands}"
            )
        X, _ = checked_calibration(X, y)
        classes, targets = class_targets(y, len(X))
        if X.shape[1] % self.n_bands:
            raise ValueError(f"X: got windows of {X.shape[1]} rows, expected a multiple of {self.n_bands} bands")
        least = round(0.5 * self.rate_hz)
        if X.shape[2] < least:
            raise ValueError(f"X: got windows of {X.shape[2]} samples, at least {least} (half a second) are needed")
        from volo_decoders.imagery.network_train import train

        scale = np.sqrt(X.astype(np.float64).var(axis=2).mean(axis=0))
        graph = train(
            self.architecture,
            (X / scale[None, :, None]).astype(np.float32),
            targets,
            rate_hz=self.rate_hz,
            n_bands=self.n_bands,
            n_epochs=self.n_epochs,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        self._take(classes, scale, X.shape[2], np.frombuffer(graph, np.uint8).copy())
        return self

    def _take(self, classes: NDArray[np.str_], scale: Array, n_samples: int, graph: NDArray[np.uint8]) -> None:
        from volo_decoders.onnx.session import LimitedSession

        self._session = LimitedSession(graph.tobytes(), "the network")
        self.scale_, self.n_samples_, self.graph_ = scale, n_samples, graph
        self.classes_ = classes

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        if n_rows != len(self.scale_):
            raise ValueError(f"X: got windows of {n_rows} rows, the network was fitted to {len(self.scale_)}")
        if n_samples < 1:
            raise ValueError("X: got windows without samples")

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        x = np.zeros((1, len(self.scale_), self.n_samples_), np.float32)
        kept = min(window.shape[1], self.n_samples_)
        x[0, :, self.n_samples_ - kept :] = window[:, window.shape[1] - kept :] / self.scale_[:, None]
        (scores,) = self._session.run(None, {"x": x})
        return np.asarray(scores[0], np.float64)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays; the graph is an ONNX file's bytes."""
        return {
            "classes": self.classes_.copy(),
            "scale": self.scale_.copy(),
            "n_samples": np.array([self.n_samples_]),
            "graph": self.graph_.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes, scale = taken(state, "classes", 1, "U"), taken(state, "scale", 1, "f")
        n_samples = int(taken(state, "n_samples", 1, "iu")[0])
        self._take(classes, scale, n_samples, taken(state, "graph", 1, "u").astype(np.uint8))
        return self


class ShallowFbcspNet(Network):
    """A learned filter bank, learned spatial filters, log-power: common spatial patterns as a network.

    Parameters
    ----------
    rate_hz : float
        Sampling rate; kernels keep their length in seconds.
    n_epochs : int
        Passes through the calibration.
    learning_rate : float
        Of the optimiser at the start; it falls along half a cosine.
    seed : int
        Of the weights, the order of trials and what is dropped out.

    References
    ----------
    Schirrmeister et al. 2017, Hum. Brain Mapp. 38:5391, DOI 10.1002/hbm.23730.
    """

    architecture = "shallow"


class EegNet(Network):
    """Temporal, depthwise spatial and separable convolutions: EEGNet-8,2. Parameters as in `ShallowFbcspNet`.

    References
    ----------
    Lawhern et al. 2018, J. Neural Eng. 15:056013, DOI 10.1088/1741-2552/aace8c.
    """

    architecture = "eegnet"


class IfNet(Network):
    """Interactive frequency network: spatial filters of each band, depthwise temporal ones, bands summed.

    It works on windows that went through a filter bank of `n_bands` bands, the published one 4 to 16 and 16 to 40 Hz.
    Other parameters as in `ShallowFbcspNet`.

    References
    ----------
    Wang et al. 2023, IEEE Trans. Neural Syst. Rehabil. Eng. 31:1900, DOI 10.1109/TNSRE.2023.3257319.
    """

    architecture = "ifnet"

    def __init__(
        self, rate_hz: float, n_bands: int = 2, n_epochs: int = 100, learning_rate: float = 1e-3, seed: int = 0
    ) -> None:
        super().__init__(rate_hz, n_epochs, learning_rate, seed)
        self.n_bands = n_bands
