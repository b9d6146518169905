"""What decoders of class averages beside sine-cosine references share: fitting, keeping and cutting both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.scored import ScoredClassifier, calibration_windows, taken
from volo_decoders.ssvep.filterbank import band_weights
from volo_decoders.ssvep.references import centred, sine_cosine
from volo_decoders.ssvep.targets import frequencies_of

__all__ = ["AveragesAndReferences", "correlation"]


class AveragesAndReferences(ScoredClassifier):
    """A decoder that keeps one average a class and band; what it does with them, subclasses say.

    A subclass stores ``frequencies_hz``, ``class_names``, ``rate_hz``, ``n_harmonics``, ``n_bands``, ``weight_a`` and
    ``weight_b`` as given, and makes in `_ready` from ``averages_`` what scoring needs.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    averages_ : ndarray of float64, shape (n_bands, n_classes, n_channels, n_samples)
        Class averages of the windows.
    """

    needs_calibration = True
    calibration_trials = 2
    phase_locked = True
    least_valid_fraction = 0.9

    frequencies_hz: Sequence[float]
    class_names: Sequence[str] | None
    rate_hz: float
    n_harmonics: int
    n_bands: int
    weight_a: float
    weight_b: float

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Average the windows of each class.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows that start at the stimulus onset, or a fixed time after it.
        y : array_like, shape (n_trials,)
            Labels; each class needs two windows or more.

        Raises
        ------
        ValueError
            If parameters, windows or labels do not fit, windows hold NaN, or a class has a single window.
        """
        X, labels, classes, _ = calibration_windows(X, y, self.n_bands, type(self).__name__)
        self._check_lengths(X.shape[1] // self.n_bands, X.shape[2])
        averages = np.stack([X[labels == name].mean(axis=0, dtype=np.float64) for name in classes])
        averages = averages.reshape(len(classes), self.n_bands, -1, X.shape[2])
        self._take(classes, np.ascontiguousarray(averages.swapaxes(0, 1)))
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays: class labels and averages."""
        return {"classes": self.classes_.copy(), "averages": self.averages_.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned.

        Raises
        ------
        ValueError
            If an array is missing, or they do not fit each other or the parameters.
        """
        classes, averages = taken(state, "classes", 1, "Uiub"), taken(state, "averages", 4, "f")
        if averages.shape[:2] != (self.n_bands, len(classes)):
            raise ValueError(
                f"state: got averages {averages.shape} of {len(classes)} classes, expected "
                f"({self.n_bands}, {len(classes)}, n_channels, n_samples)"
            )
        self._take(classes, averages)
        return self

    def _take(self, classes: NDArray[Any], averages: NDArray[np.float64]) -> None:
        self._frequencies = frequencies_of(classes, self.frequencies_hz, self.class_names)
        self._names = [str(name) for name in classes]
        self._weights = band_weights(self.n_bands, self.weight_a, self.weight_b)
        self._cut: dict[int, Any] = {}
        self.averages_ = averages
        self._ready(centred(averages))
        self.classes_ = classes

    @abstractmethod
    def _ready(self, averages: NDArray[np.float64]) -> None:
        """Make what scoring needs of the centred averages (n_bands, n_classes, n_channels, n_samples)."""

    def _references(self, n_samples: int) -> NDArray[np.float64]:
        """Return the centred references, shape (n_classes, 2 * n_harmonics, n_samples)."""
        rows = [sine_cosine(f, self.rate_hz, n_samples, self.n_harmonics) for f in self._frequencies]
        return centred(np.stack(rows))

    def _check_lengths(self, n_channels: int, n_samples: int) -> None:
        least = n_channels + 2 * self.n_harmonics + 1
        if n_samples <= least:
            raise ValueError(
                f"X: got windows of {n_samples} samples, {n_channels} channels with {self.n_harmonics} harmonics need "
                f"more than {least}: below, every correlation is 1"
            )

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        _, _, n_channels, longest = self.averages_.shape
        if n_rows != self.n_bands * n_channels:
            raise ValueError(f"X: got {n_rows} channels, fitted on {self.n_bands} bands of {n_channels}")
        if n_samples > longest:
            raise ValueError(f"X: got windows of {n_samples} samples, fitted on {longest}")
        self._check_lengths(n_channels, n_samples)


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlation of signals of mean zero along the last axis; 0 where one of them is flat."""
    squares = (a * a).sum(axis=-1) * (b * b).sum(axis=-1)
    varies = squares > 0.0
    r: NDArray[np.float64] = np.where(varies, (a * b).sum(axis=-1), 0.0) / np.sqrt(np.where(varies, squares, 1.0))
    return r
