"""When to decide: after a fixed time, or as soon as a calibrated confidence suffices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from volo_decoders.pipeline.stopping_rules import BayesianStopping, MarginStopping, ProbabilityStopping, margin
from volo_decoders.types import Decision, Prediction

__all__ = ["Accumulator", "DynamicStopping", "FixedStopping", "Stopping", "make_stopping"]


class Stopping(Protocol):
    """A rule that says how sure one can be of a prediction, and whether that is enough.

    Attributes
    ----------
    least_confidence : float
        At the longest window a decision with less confidence is to abstain.
    """

    least_confidence: float

    def confidence(self, scores: NDArray[np.float64], n_samples: int) -> float:
        """Return the estimated probability that the best class is the right one."""
        ...

    def enough(self, confidence: float, n_samples: int) -> bool:
        """Return whether to decide now."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values; `make_stopping` reads them."""
        ...


class FixedStopping:
    """Decide at one window length.

    Parameters
    ----------
    n_samples : int
        That length; shorter windows are passed over.
    """

    least_confidence = 0.0

    def __init__(self, n_samples: int) -> None:
        self.n_samples = int(n_samples)

    def confidence(self, scores: NDArray[np.float64], n_samples: int) -> float:
        """Return the softmax of the scores at the best class: an order, not a calibrated probability."""
        e = np.exp(scores - scores.max())
        return float(e.max() / e.sum())

    def enough(self, confidence: float, n_samples: int) -> bool:
        """Return whether the length is reached."""
        return n_samples >= self.n_samples

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {"kind": "fixed", "n_samples": self.n_samples}


class DynamicStopping:
    """Decide as soon as the probability of being right, given the margin and the length, reaches a threshold.

    For each window length a logistic curve of the margin between the best and the second best score is fitted to
    predictions made on held-out blocks (the idea of Tang et al. 2020 and of Nakanishi et al. 2015, DOI
    10.1142/S0129065715500197, with a logistic instead of density ratios, which needs few errors). Slopes are kept
    non-negative and drawn to zero by a ridge, so that a length without errors stays humble.

    Parameters
    ----------
    n_samples : sequence of int
        Window lengths the curves belong to.
    intercepts, slopes : sequence of float
        Of the logistic curves, one a length.
    threshold : float
        Probability that suffices, 0 to 1.
    least_confidence : float
        At the longest window anything less likely than this is not decided: a wrong letter costs two selections, to
        take it back and to write the right one, an abstention costs none.
    """

    def __init__(
        self,
        n_samples: Sequence[int],
        intercepts: Sequence[float],
        slopes: Sequence[float],
        threshold: float = 0.95,
        least_confidence: float = 0.5,
    ) -> None:
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"threshold: got {threshold}, it must lie between 0 and 1")
        if not 0.0 <= least_confidence <= threshold:
            raise ValueError(f"least_confidence: got {least_confidence}, it must lie between 0 and {threshold}")
        self.n_samples = [int(n) for n in n_samples]
        self.intercepts = [float(v) for v in intercepts]
        self.slopes = [float(v) for v in slopes]
        self.threshold = float(threshold)
        self.least_confidence = float(least_confidence)
        self._curves = dict(zip(self.n_samples, zip(self.intercepts, self.slopes, strict=True), strict=True))

    @classmethod
    def fit(
        cls,
        n_samples: Sequence[int],
        margins: NDArray[np.float64],
        correct: NDArray[np.bool_],
        threshold: float = 0.95,
        *,
        ridge: float = 1.0,
        least_confidence: float = 0.5,
    ) -> DynamicStopping:
        """Fit to held-out predictions: `margins` and `correct`, shape (n_trials, n_lengths)."""
        curves = [_logistic(margins[:, k], correct[:, k], ridge) for k in range(len(n_samples))]
        return cls(n_samples, [a for a, _ in curves], [b for _, b in curves], threshold, least_confidence)

    def confidence(self, scores: NDArray[np.float64], n_samples: int) -> float:
        """Return the estimated probability that the best class is right; 0 at a length that was not fitted."""
        curve = self._curves.get(n_samples)
        if curve is None:
            return 0.0
        return float(1.0 / (1.0 + np.exp(-(curve[0] + curve[1] * margin(scores)))))

    def enough(self, confidence: float, n_samples: int) -> bool:
        """Return whether the threshold is reached."""
        return confidence >= self.threshold

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {
            "kind": "dynamic",
            "n_samples": self.n_samples,
            "intercepts": self.intercepts,
            "slopes": self.slopes,
            "threshold": self.threshold,
            "least_confidence": self.least_confidence,
        }


def _logistic(x: NDArray[np.float64], correct: NDArray[np.bool_], ridge: float) -> tuple[float, float]:
    """Fit P(correct) = sigmoid(a + b x), b >= 0, by Newton's method with a ridge on b of the standardised x."""
    scale = float(x.std()) or 1.0
    z = x / scale
    # two pseudo-trials, one right and one wrong at the mean, keep the curve finite where all are right
    z = np.concatenate([z, [z.mean(), z.mean()]])
    y = np.concatenate([correct.astype(float), [1.0, 0.0]])
    design = np.column_stack([np.ones_like(z), z])
    penalty = np.diag([0.0, ridge])
    beta = np.zeros(2)
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-design @ beta))
        gradient = design.T @ (y - p) - penalty @ beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design + penalty + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    if beta[1] < 0.0:
        rate = y.mean()
        return float(np.log(rate / (1.0 - rate))), 0.0
    return float(beta[0]), float(beta[1] / scale)


def make_stopping(values: Mapping[str, Any]) -> Stopping:
    """Return the rule that `to_dict` described.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    kind = str(values.get("kind"))
    if kind not in RULES:
        raise ValueError(f"stopping kind: got {kind!r}, allowed are {', '.join(RULES)}")
    return RULES[kind](**{key: value for key, value in values.items() if key != "kind"})


#: The rules, by the name that `Stopping.to_dict` tells.
RULES: Mapping[str, Callable[..., Stopping]] = {
    "fixed": FixedStopping,
    "dynamic": DynamicStopping,
    "bayesian": BayesianStopping,
    "margin": MarginStopping,
    "probability": ProbabilityStopping,
}


class Accumulator:
    """Turns the predictions of a trial into one decision.

    Parameters
    ----------
    stopping : Stopping
        The rule.
    longest : int
        Samples of the longest window: there a decision is made in any case.
    """

    def __init__(self, stopping: Stopping, longest: int) -> None:
        self._stopping = stopping
        self.longest = longest
        self._group: int | None = None
        self._n = 0

    def update(self, prediction: Prediction) -> Decision | None:
        """Take a prediction; return the decision if this is the moment."""
        if prediction.group != self._group:
            self._group, self._n = prediction.group, 0
        self._n += 1
        confidence = self._stopping.confidence(prediction.scores, prediction.n_samples)
        last = prediction.n_samples >= self.longest
        if not (last or self._stopping.enough(confidence, prediction.n_samples)):
            return None
        label: str | None = prediction.classes[int(np.argmax(prediction.scores))]
        if confidence < self._stopping.least_confidence:
            label = None
        return Decision(prediction.stop_time, prediction.stop_index, label, confidence, self._n, prediction.group)
