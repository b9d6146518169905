"""Asynchronous control: silence while the person wants nothing, a selection once the same wish stands long enough.

A decoder always names some class. `IdleGate` looks at how strong and how clear its scores are, estimates the
probability that the person wants a selection at all, and lets a class through only after it has been the best, with
enough probability, in so many windows in a row (dwell). Then it is silent until the person has looked away or a pause
is over. It knows no stimulus and no labels at work, only scores in the order of time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["IdleGate", "IdleSettings", "activations"]


@dataclass(frozen=True, slots=True)
class IdleSettings:
    """The fitted gate, as plain numbers.

    Attributes
    ----------
    intercept, best_weight, margin_weight : float
        ``P(control) = sigmoid(intercept + best_weight * best score + margin_weight * (best - second best))``.
    threshold : float
        Probability of control that a window needs, 0 to 1.
    dwell : int
        Windows in a row with the same best class and enough probability.
    pause : int
        Windows after a selection in which there is none.
    """

    intercept: float
    best_weight: float
    margin_weight: float
    threshold: float
    dwell: int
    pause: int

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise ValueError(f"threshold: got {self.threshold}, it must lie between 0 and 1")
        if self.dwell < 1 or self.pause < 0:
            raise ValueError(f"dwell, pause: got {self.dwell}, {self.pause}; at least 1 and 0 windows are needed")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for TOML."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**values)


class IdleGate:
    """Turns the scores of windows that follow each other evenly into few selections.

    Parameters
    ----------
    settings : IdleSettings
        From `fit`, or read again.
    """

    def __init__(self, settings: IdleSettings) -> None:
        self.settings = settings
        self.reset()

    @classmethod
    def fit(
        cls,
        control: NDArray[np.float64],
        idle: NDArray[np.float64],
        *,
        windows_per_min: float,
        most_false_per_min: float = 0.2,
        dwell: int = 3,
        pause: int = 4,
    ) -> Self:
        """Fit to windows of calibration with and without the wish to select.

        Parameters
        ----------
        control : ndarray, shape (n_windows, n_classes)
            Scores while a target was looked at.
        idle : ndarray, shape (n_windows, n_classes)
            Scores while none was, in order of time: the threshold is the least that keeps false selections within
            `most_false_per_min` there.
        windows_per_min : float
            How many windows come in a minute.
        most_false_per_min : float
            Selections a minute that are tolerated in the idle calibration. Leave room: what is promised at work should
            be a larger number.
        dwell, pause : int
            As in `IdleSettings`.

        Raises
        ------
        ValueError
            If there are too few windows of either kind.
        """
        if min(len(control), len(idle)) < 20:
            raise ValueError(
                f"control, idle: got {len(control)} and {len(idle)} windows, at least 20 of each are needed"
            )
        from sklearn.linear_model import LogisticRegression

        features = np.concatenate((strengths(control), strengths(idle)))
        scale = features.std(axis=0)
        scale = np.where(scale > 0.0, scale, 1.0)
        model = LogisticRegression(class_weight="balanced").fit(
            features / scale, np.repeat([1, 0], [len(control), len(idle)])
        )
        best_weight, margin_weight = (model.coef_[0] / scale).tolist()
        intercept = float(model.intercept_[0])
        minutes = len(idle) / windows_per_min
        low, high = 0.0, 1.0
        for _ in range(30):  # more threshold, never more selections but by chance of a pause: bisect
            middle = (low + high) / 2.0
            gate = cls(IdleSettings(intercept, best_weight, margin_weight, middle, dwell, pause))
            if len(activations(gate, idle)) / minutes <= most_false_per_min:
                high = middle
            else:
                low = middle
        threshold = min(high, 1.0 - 1e-9)
        return cls(IdleSettings(intercept, best_weight, margin_weight, threshold, dwell, pause))

    def reset(self) -> None:
        """Begin anew, as after a break in the signal."""
        self._standing: int | None = None
        self._count = 0
        self._silent = 0

    def control_probability(self, scores: NDArray[np.float64]) -> float:
        """Return the probability that the person wants a selection, by this window alone."""
        s = self.settings
        best, lead = strengths(scores[None])[0]
        return _sigmoid(s.intercept + s.best_weight * best + s.margin_weight * lead)

    def update(self, scores: NDArray[np.float64]) -> int | None:
        """Take the scores of the next window; return the class that is selected now, else None."""
        if self._silent:
            self._silent -= 1
            self._count = 0
            return None
        best = int(np.argmax(scores))
        if self.control_probability(scores) < self.settings.threshold:
            self._standing, self._count = None, 0
            return None
        self._count = self._count + 1 if best == self._standing else 1
        self._standing = best
        if self._count < self.settings.dwell:
            return None
        self._count, self._standing, self._silent = 0, None, self.settings.pause
        return best


def strengths(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return best score and its lead over the second best, shape (n_windows, 2)."""
    top = np.sort(scores, axis=1)[:, -2:]
    return np.column_stack((top[:, 1], top[:, 1] - top[:, 0]))


def activations(gate: IdleGate, scores: NDArray[np.float64] | Sequence[NDArray[np.float64]]) -> list[tuple[int, int]]:
    """Return (window, class) of each selection among windows in order of time, beginning anew."""
    gate.reset()
    found = []
    for k, row in enumerate(scores):
        selected = gate.update(row)
        if selected is not None:
            found.append((k, selected))
    return found


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0.0 else math.exp(x) / (1.0 + math.exp(x))
