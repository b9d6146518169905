"""What every decoder promises: scikit-learn's conventions, and arrays instead of pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AdaptiveDecoder", "Decoder"]


class Decoder(Protocol):
    """A classifier of windows.

    Constructor parameters are plain numbers, texts and lists (they are written to TOML) and are stored unchanged
    under their own names, so that ``sklearn.base.clone`` and ``get_params`` work. Fitted arrays travel through
    `state` and `restore`, never through pickle.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        Class labels, in the order of the score columns.
    needs_calibration : bool
        False if `fit` needs no data (``fit(None, None)`` is then legal).
    phase_locked : bool
        True if it relies on the stimulus phase being locked to the onset.
    least_valid_fraction : float
        Windows with a smaller share of valid samples are not decoded.

    Two more attributes are optional: ``latency_s``, signal needed from after the window's end, seconds (0 if absent),
    and ``calibration_trials``, the least number of labelled windows of each class that `fit` takes.
    """

    classes_: NDArray[np.str_]
    needs_calibration: bool
    phase_locked: bool
    least_valid_fraction: float

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to windows ``X``, shape (n_trials, n_channels, n_samples), with labels ``y``, shape (n_trials,)."""
        ...

    def decision_function(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return scores, shape (n_trials, n_classes), of windows that may be shorter than those fitted on."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters."""
        ...

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays, by name; none has dtype object."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them, so that scores are the same to the bit."""
        ...


@runtime_checkable
class AdaptiveDecoder(Protocol):
    """A decoder that learns while it is used, from windows without labels.

    The pipeline calls `adapt` once a trial, after the trial's decision, with the last window that was scored. Nothing
    else may change a fitted decoder: scoring does not. What `adapt` learns may not depend on the order of classes, so
    it gets neither labels nor trial numbers, and it must change the fitted state that `Decoder.state` tells.

    Attributes
    ----------
    adapts : bool
        False if the parameters say that it is to stay as fitted.
    """

    adapts: bool

    def adapt(self, window: NDArray[np.floating[Any]]) -> None:
        """Learn from one window, shape (n_channels, n_samples)."""
        ...
