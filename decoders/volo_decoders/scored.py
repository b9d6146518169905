"""What the SSVEP decoders share: checks of windows and labels, scoring one by one, predicting the best score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

__all__ = ["ScoredClassifier", "checked_labels", "checked_windows", "taken"]


class ScoredClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that scores one window at a time, so that a batch gives the same bits as its windows one by one."""

    classes_: NDArray[np.str_]

    def decision_function(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return scores of windows.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows, band after band.

        Returns
        -------
        scores : ndarray of float64, shape (n_trials, n_classes)
            One column for each of ``classes_``, also with two classes.
        """
        if not hasattr(self, "classes_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit or restore first")
        X = checked_windows(X)
        self._check_shape(X.shape[1], X.shape[2])
        scores = np.empty((len(X), len(self.classes_)))
        for i, window in enumerate(X):
            scores[i] = self._score(window)
        return scores

    def predict(self, X: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return the class with the largest score for each of the windows, shape (n_trials,)."""
        scores = self.decision_function(X)
        best: NDArray[Any] = self.classes_[scores.argmax(axis=1)]
        return best

    @abstractmethod
    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        """Raise ValueError if windows of that shape cannot be scored."""

    @abstractmethod
    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the scores, shape (n_classes,), of one window, shape (n_bands * n_channels, n_samples)."""


def checked_windows(values: Any) -> NDArray[np.floating[Any]]:
    """Return `values` as an array of floats, shape (n_trials, n_rows, n_samples).

    Raises
    ------
    ValueError
        If it is something else, or holds NaN or infinity.
    """
    X: NDArray[Any] = np.asarray(values)
    if X.ndim != 3:
        raise ValueError(f"X: got shape {X.shape}, expected (n_trials, n_bands * n_channels, n_samples)")
    if X.dtype not in (np.float32, np.float64):
        if X.dtype.kind not in "iuf":
            raise ValueError(f"X: got dtype {X.dtype}, expected float32 or float64")
        X = X.astype(np.float64)
    finite = np.isfinite(X)
    if not finite.all():
        bad = int((~finite).any(axis=(1, 2)).sum())
        raise ValueError(f"X: got NaN or infinity in {bad} of {len(X)} windows, all values must be finite")
    return X


def checked_labels(y: ArrayLike | None, n_trials: int) -> NDArray[Any]:
    """Return labels as an array, shape (n_trials,), texts as texts.

    Raises
    ------
    ValueError
        If there are none, or not one for each window.
    """
    if y is None:
        raise ValueError("y: got None, expected one label for each window")
    labels = np.asarray(y)
    if labels.dtype == object:
        labels = labels.astype(np.str_)
    if labels.shape != (n_trials,):
        raise ValueError(f"y: got shape {labels.shape}, expected ({n_trials},), one label for each window")
    return labels


def taken(state: Mapping[str, NDArray[Any]], name: str, ndim: int, kinds: str) -> NDArray[Any]:
    """Return a copy of the array `name` of a saved state, in memory as `fit` leaves it.

    Raises
    ------
    ValueError
        If it is absent or of another kind than was saved.
    """
    if name not in state:
        raise ValueError(f"state: {name!r} is missing, got {', '.join(sorted(state)) or 'nothing'}")
    array = np.array(state[name], order="C")
    if array.ndim != ndim or array.dtype.kind not in kinds:
        raise ValueError(f"state[{name!r}]: got {array.dtype} with {array.ndim} dimensions, expected {ndim} dimensions")
    return array.astype(np.float64) if array.dtype.kind == "f" else array
