"""What the decoders share: checks of windows and labels, scoring one by one, predicting the best score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

__all__ = [
    "ScoredClassifier",
    "calibration_windows",
    "checked_calibration",
    "checked_labels",
    "checked_windows",
    "taken",
]


class ScoredClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that scores one window at a time, so that a batch gives the same bits as its windows one by one."""

    classes_: NDArray[np.str_]
    #: Signal it needs from after the end of a window, seconds: none of ours looks ahead.
    latency_s: float = 0.0
    #: Least number of labelled windows of each class that `fit` takes.
    calibration_trials: int = 0

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


def calibration_windows(
    values: Any, y: ArrayLike | None, n_bands: int, who: str
) -> tuple[NDArray[np.floating[Any]], NDArray[Any], NDArray[Any], NDArray[np.intp]]:
    """Return calibration windows, their labels, the classes (sorted), and how many windows each has.

    Unlike `checked_calibration` it lets flat channels pass: the decoders that use it leave out what does not vary.

    Raises
    ------
    ValueError
        If there are none, they do not fit `n_bands`, or a class has a single window; `who` is named in the message.
    """
    if n_bands < 1:
        raise ValueError(f"n_bands: got {n_bands}, it must be at least 1")
    if values is None:
        raise ValueError(f"X: got None, {who} needs calibration windows")
    X = checked_windows(values)
    labels = checked_labels(y, len(X))
    if X.shape[1] % n_bands or not X.shape[1]:
        raise ValueError(f"X: got {X.shape[1]} channels, expected a multiple of n_bands = {n_bands}")
    if X.shape[2] < 2:
        raise ValueError(f"X: got windows of {X.shape[2]} samples, at least 2 are needed")
    classes, counts = np.unique(labels, return_counts=True)
    if not len(classes):
        raise ValueError("X: got no windows, each class needs at least two")
    if counts.min() < 2:
        raise ValueError(f"y: got one window of class {classes[counts.argmin()]}, each class needs at least two")
    if len(classes) < 2:
        raise ValueError(f"y: got only class {classes[0]}, at least two classes are needed: record the others")
    return X, labels, classes, counts


def checked_calibration(
    values: Any, y: ArrayLike | None, names: Sequence[str] = ()
) -> tuple[NDArray[np.floating[Any]], NDArray[Any]]:
    """Return windows and labels that a decoder can be fitted to; `names` of the rows are for the messages.

    Raises
    ------
    ValueError
        In one sentence that says what to do, if there are none, if a channel (a row) never carries a signal, if a
        window is flat, if values are not finite, or if there are not two classes with two windows each.
    """
    if values is None:
        raise ValueError("X: got None, the decoder needs windows to be fitted to: record a calibration")
    if len(values) == 0:
        raise ValueError("X: got no window, nothing is left to learn from: loosen the artefact limit or record more")
    X = checked_windows(values)
    labels = checked_labels(y, len(X))
    varies = X.min(axis=2) != X.max(axis=2)
    flat_rows = np.flatnonzero(~varies.any(axis=0))
    if len(flat_rows):
        named = [names[k] if k < len(names) else f"row {k}" for k in flat_rows.tolist()]
        raise ValueError(
            f"X: got no signal in {', '.join(named)}: mend that electrode and record again, or leave its channel out"
        )
    flat = int((~varies.any(axis=1)).sum())
    if flat:
        raise ValueError(f"X: got {flat} flat windows of {len(X)}, leave those trials out")
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"y: got {len(classes)} classes ({', '.join(str(c) for c in classes)}), at least two are needed: "
            "record the others, or choose runs that hold them"
        )
    if counts.min() < 2:
        rare = ", ".join(str(c) for c in classes[counts < 2])
        raise ValueError(f"y: got a single trial of {rare}, each class needs at least two: record more")
    return X, labels


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
