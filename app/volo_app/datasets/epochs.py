"""What data sets that were published as cut epochs have in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["EpochSet"]


@dataclass(frozen=True, slots=True, eq=False)
class EpochSet:
    """Epochs of one person (or merged ones) in the order they were published.

    Attributes
    ----------
    subject : str
        Who.
    channels : tuple of str
        Rows of an epoch.
    rate_hz : float
        Sampling rate.
    X : ndarray, shape (n_trials, n_channels, n_samples)
        Epochs with labels.
    y : ndarray of str, shape (n_trials,)
        Labels.
    X_test : ndarray, shape (n_test, n_channels, n_samples)
        The official test set; perhaps empty.
    y_test : ndarray of str or None
        Its labels, None where they were not published.
    """

    subject: str
    channels: tuple[str, ...]
    rate_hz: float
    X: NDArray[np.float64]
    y: NDArray[np.str_]
    X_test: NDArray[np.float64]
    y_test: NDArray[np.str_] | None
