"""The values that leave the pipeline: windows, predictions, decisions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import read_only

__all__ = ["Decision", "Prediction", "Window"]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of filtered signal cut relative to a stimulus onset.

    Attributes
    ----------
    stop_index : int
        Absolute sample index one past its last sample.
    stop_time : float
        Session time of its last sample, seconds.
    samples : ndarray of float32, shape (n_channels, n_samples)
        Microvolt; with a filter bank, band after band: ``(n_bands * n_channels, n_samples)``.
    valid_fraction : float
        Share of samples that are to be trusted, 0 to 1.
    label : str or None
        The true class, where it is known (calibration); decoders see it only in ``fit``.
    group : int
        Trial number; windows of one trial must stay on one side of a split.
    """

    stop_index: int
    stop_time: float
    samples: NDArray[np.float32]
    valid_fraction: float
    label: str | None
    group: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", read_only(self.samples))

    def __reduce__(self) -> tuple[type[Window], tuple[Any, ...]]:
        return Window, tuple(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a decoder says of one window.

    Attributes
    ----------
    stop_index, stop_time, group
        Of the window.
    n_samples : int
        Length of the window.
    classes : tuple of str
        Class labels.
    scores : ndarray of float64, shape (n_classes,)
        Larger is more likely; the scale is the decoder's own.
    decoder_id : str
        Which decoder.
    """

    stop_index: int
    stop_time: float
    group: int
    n_samples: int
    classes: tuple[str, ...]
    scores: NDArray[np.float64]
    decoder_id: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "scores", read_only(self.scores))

    def __reduce__(self) -> tuple[type[Prediction], tuple[Any, ...]]:
        return Prediction, tuple(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, slots=True)
class Decision:
    """What the accumulator decided for one trial.

    Attributes
    ----------
    time : float
        Session time of the last sample used, seconds.
    stop_index : int
        Absolute index one past the last sample used.
    label : str or None
        The class; None is abstaining, which is a result.
    confidence : float
        Estimated probability that the label is right, 0 to 1.
    n_windows : int
        How many windows were looked at.
    group : int
        Trial number.
    reason : str
        Why there is no label, where the signal was to blame; else "".
    """

    time: float
    stop_index: int
    label: str | None
    confidence: float
    n_windows: int
    group: int
    reason: str = ""
