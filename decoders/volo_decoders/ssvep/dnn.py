"""The deep network of Guney et al. 2022 for SSVEP: trained with torch, run with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.scored import ScoredClassifier, calibration_windows, taken
from volo_decoders.ssvep.references import centred

__all__ = ["GuneyNet"]


class GuneyNet(ScoredClassifier):
    """Classify windows by a network of convolutions over sub-bands, channels and time; see `GuneyNetwork`.

    The defaults train in minutes on two processor cores. As published are ``n_maps=120, epochs=1000,
    finetune_epochs=1000, learning_rate=1e-4, l2=1e-3, batch=100, dropouts=[0.1, 0.1, 0.95]`` with
    ``finetune_dropouts=[0.6, 0.6, 0.95]`` and sub-bands from 8, 16 and 24 to 90 Hz, which takes hours for each fold.

    With `participants` and `target`, training has two stages: first the windows of all participants, then, from there,
    those of the target alone. Published figures have both, and other people's data in the first.

    Each window is centred and scaled to variance 1, which the published code does not do: values need no unit. A window
    shorter than those trained on is padded with zeros, which costs accuracy: train a network for each length.

    Fitting needs ``pip install volo[train]``.

    Parameters
    ----------
    n_bands : int
        Sub-bands in the windows.
    n_maps : int
        Maps of each convolution.
    epochs, finetune_epochs : int
        Of the two stages.
    learning_rate, l2 : float
        Of Adam, and the penalty on weights.
    batch : int
        Windows a step; the second stage takes all at once.
    dropouts, finetune_dropouts : list of float
        After the second, third and fourth convolution, in each stage.
    seed : int
        Of initial weights, dropout and order of windows.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    graph_ : ndarray of uint8
        The network as an ONNX file.

    References
    ----------
    Guney, Oblokulov & Ozkan 2022, IEEE Trans. Biomed. Eng. 69:932, DOI 10.1109/TBME.2021.3110440.
    """

    needs_calibration = True
    calibration_trials = 2
    phase_locked = True
    least_valid_fraction = 0.9

    def __init__(
        self,
        n_bands: int = 3,
        *,
        n_maps: int = 60,
        epochs: int = 100,
        finetune_epochs: int = 100,
        learning_rate: float = 1e-3,
        l2: float = 1e-3,
        batch: int = 100,
        dropouts: Sequence[float] = (0.1, 0.1, 0.9),
        finetune_dropouts: Sequence[float] = (0.6, 0.6, 0.9),
        seed: int = 0,
    ) -> None:
        self.n_bands = n_bands
        self.n_maps = n_maps
        self.epochs = epochs
        self.finetune_epochs = finetune_epochs
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch = batch
        self.dropouts = dropouts
        self.finetune_dropouts = finetune_dropouts
        self.seed = seed

    def fit(
        self,
        X: NDArray[np.floating[Any]] | None,
        y: ArrayLike | None,
        participants: ArrayLike | None = None,
        target: object = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows that start at the stimulus onset, or a fixed time after it.
        y : array_like, shape (n_trials,)
            Labels.
        participants : array_like, shape (n_trials,), optional
            Whose window it is.
        target : optional
            The participant to fine-tune on; needs `participants`.

        Raises
        ------
        ValueError
            If windows, labels or participants do not fit, or the target has no windows.
        """
        self._check_parameters()
        X, labels, classes, _ = calibration_windows(X, y, self.n_bands, "GuneyNet")
        n_channels, n_samples = X.shape[1] // self.n_bands, X.shape[2]
        own = np.zeros(len(X), bool)
        if target is not None:
            people = np.asarray(participants)
            if people.shape != (len(X),):
                raise ValueError(f"participants: got shape {people.shape}, expected one for each of {len(X)} windows")
            own = people == target
            if not own.any():
                raise ValueError(f"target: got {target!r}, participants are {sorted(set(people.tolist()))}")
        import torch

        from volo_decoders.ssvep.dnn_train import GuneyNetwork, Schedule, graph_bytes, train

        windows = np.stack([_scaled(w).reshape(self.n_bands, n_channels, n_samples) for w in X])
        numbers = np.searchsorted(classes, labels)
        rates = (self.learning_rate, self.l2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = GuneyNetwork(self.n_bands, n_channels, n_samples, len(classes), self.n_maps)
            first = Schedule(self.epochs, self.batch, *rates, _three(self.dropouts))
            self.loss_ = train(network, windows, numbers, first, self.seed)
            if own.any():
                second = Schedule(self.finetune_epochs, int(own.sum()), *rates, _three(self.finetune_dropouts))
                self.loss_ = train(network, windows[own], numbers[own], second, self.seed + 1)
        graph = graph_bytes(network, (self.n_bands, n_channels, n_samples))
        self._take(classes, np.frombuffer(graph, np.uint8).copy(), (n_channels, n_samples))
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays: class labels, the graph's bytes, channels and samples of windows."""
        return {"classes": self.classes_.copy(), "graph": self.graph_.copy(), "shape": np.array(self._shape)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned; ValueError if an array is missing or of another kind."""
        shape = taken(state, "shape", 1, "i")
        classes, graph = taken(state, "classes", 1, "Uiub"), taken(state, "graph", 1, "u")
        self._take(classes, graph, (int(shape[0]), int(shape[1])))
        return self

    def _take(self, classes: NDArray[Any], graph: NDArray[np.uint8], shape: tuple[int, int]) -> None:
        from volo_decoders.onnx.session import LimitedSession

        self._session = LimitedSession(graph.tobytes(), "the network")
        self.classes_, self.graph_, self._shape = classes, graph, shape

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session out: a copy makes its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)
        if "graph_" in values:
            self._take(self.classes_, self.graph_, self._shape)

    def _check_parameters(self) -> None:
        for name in ("n_maps", "epochs", "finetune_epochs", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, it must be at least 1")
        for name in ("dropouts", "finetune_dropouts"):
            _three(getattr(self, name), name)

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        n_channels, longest = self._shape
        if n_rows != self.n_bands * n_channels:
            raise ValueError(f"X: got {n_rows} channels, fitted on {self.n_bands} bands of {n_channels}")
        if not 2 <= n_samples <= longest:
            raise ValueError(f"X: got windows of {n_samples} samples, expected 2 to {longest}, the length fitted on")

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_channels, longest = self._shape
        padded = np.zeros((window.shape[0], longest), np.float32)
        padded[:, : window.shape[1]] = _scaled(window)
        inputs = {"window": padded.reshape(1, self.n_bands, n_channels, longest)}
        scores: NDArray[np.float64] = self._session.run(None, inputs)[0][0].astype(np.float64)
        return scores


def _scaled(window: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return a window with rows of mean zero and variance 1 over all."""
    x = centred(window)
    size = float(np.sqrt(np.mean(x * x)))
    return (x / size if size > 0.0 else x).astype(np.float32)


def _three(values: Sequence[float], name: str = "dropouts") -> tuple[float, float, float]:
    if len(values) != 3 or not all(0.0 <= v < 1.0 for v in values):
        raise ValueError(f"{name}: got {list(values)}, three shares from 0 to below 1 are needed")
    return (float(values[0]), float(values[1]), float(values[2]))
