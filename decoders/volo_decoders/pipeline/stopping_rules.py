"""Other rules of when to decide: densities of margins, a plain margin, probabilities that the decoder gives itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["BayesianStopping", "MarginStopping", "ProbabilityStopping", "margin", "relative_margin"]


def margin(scores: NDArray[np.float64]) -> float:
    """Return the distance of the best score from the second best."""
    top = np.partition(scores, -2)[-2:]
    return float(top[1] - top[0])


class _AtLengths:
    """A rule that knows some window lengths, with a threshold on the probability of being right."""

    def __init__(self, n_samples: Sequence[int], threshold: float, least_confidence: float) -> None:
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"threshold: got {threshold}, it must lie between 0 and 1")
        if not 0.0 <= least_confidence <= threshold:
            raise ValueError(f"least_confidence: got {least_confidence}, it must lie between 0 and {threshold}")
        self.n_samples = [int(n) for n in n_samples]
        self.threshold = float(threshold)
        self.least_confidence = float(least_confidence)

    def enough(self, confidence: float, n_samples: int) -> bool:
        """Return whether the threshold is reached."""
        return confidence >= self.threshold


class BayesianStopping(_AtLengths):
    """Decide when the odds of the margin's densities, right against wrong, make being right probable enough.

    For each window length the margins of right and of wrong held-out predictions are described by a Gaussian kernel
    density each, and ``P(right | margin) = p k1 / (p k1 + (1 - p) k0)`` with p the share that was right, one trial of
    each added. Where hardly any were wrong, a density of wrong margins means little: the logistic rule is humbler.

    Parameters
    ----------
    n_samples : sequence of int
        Window lengths.
    right, wrong : sequence of sequences of float
        Held-out margins at each length.
    threshold : float
        Probability that suffices, 0 to 1.
    least_confidence : float
        At the longest window anything less likely than this is not decided.

    References
    ----------
    Tang et al. 2020, IEEE Trans. Neural Syst. Rehabil. Eng. (dynamic stopping by densities), as in MetaBCI's `Bayes`.
    Scott 1992, Multivariate Density Estimation, DOI 10.1002/9780470316849 (bandwidth).
    """

    def __init__(
        self,
        n_samples: Sequence[int],
        right: Sequence[Sequence[float]],
        wrong: Sequence[Sequence[float]],
        threshold: float = 0.95,
        least_confidence: float = 0.5,
    ) -> None:
        super().__init__(n_samples, threshold, least_confidence)
        self.right = [[float(v) for v in values] for values in right]
        self.wrong = [[float(v) for v in values] for values in wrong]
        self._at = dict(zip(self.n_samples, zip(self.right, self.wrong, strict=True), strict=True))

    @classmethod
    def fit(
        cls,
        n_samples: Sequence[int],
        margins: NDArray[np.float64],
        correct: NDArray[np.bool_],
        threshold: float = 0.95,
        *,
        least_confidence: float = 0.5,
    ) -> Self:
        """Fit to held-out predictions: `margins` and `correct`, shape (n_trials, n_lengths)."""
        columns = range(len(n_samples))
        return cls(
            n_samples,
            [margins[correct[:, k], k].tolist() for k in columns],
            [margins[~correct[:, k], k].tolist() for k in columns],
            threshold,
            least_confidence,
        )

    def confidence(self, scores: NDArray[np.float64], n_samples: int) -> float:
        """Return the estimated probability that the best class is right; 0 at a length that was not fitted."""
        known = self._at.get(n_samples)
        if known is None:
            return 0.0
        right, wrong = (np.asarray(values) for values in known)
        prior = (len(right) + 1.0) / (len(right) + len(wrong) + 2.0)
        spread = float(np.concatenate((right, wrong)).std()) or 1.0
        x = margin(scores)
        k1, k0 = prior * _density(x, right, spread), (1.0 - prior) * _density(x, wrong, spread)
        return float(k1 / (k1 + k0)) if k1 + k0 > 0.0 else prior

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {
            "kind": "bayesian",
            "n_samples": self.n_samples,
            "right": self.right,
            "wrong": self.wrong,
            "threshold": self.threshold,
            "least_confidence": self.least_confidence,
        }


def _density(x: float, values: NDArray[np.float64], spread: float) -> float:
    """Return a kernel density at x; the widest kernel where there are fewer than two values."""
    if len(values) == 0:
        return 1.0 / (8.0 * spread)  # nothing known: even over some spreads
    width = max(float(values.std()) * len(values) ** -0.2, 0.1 * spread)
    z = (x - values) / width
    return float(np.exp(-0.5 * z * z).mean() / (np.sqrt(2.0 * np.pi) * width))


class MarginStopping:
    """Decide when the best score leads the second by so much of the scores' spread, at any length.

    Parameters
    ----------
    least_margin : float
        ``(first - second) / (first - mean of all)``, 0 to 1: free of the scores' scale and of where they lie.
    n_samples : sequence of int
        Window lengths; at the longest a decision is made in any case.
    """

    least_confidence = 0.0

    def __init__(self, n_samples: Sequence[int], least_margin: float) -> None:
        if not 0.0 < least_margin <= 1.0:
            raise ValueError(f"least_margin: got {least_margin}, it must be above 0 and at most 1")
        self.n_samples = [int(n) for n in n_samples]
        self.least_margin = float(least_margin)

    @classmethod
    def fit(
        cls, n_samples: Sequence[int], margins: NDArray[np.float64], correct: NDArray[np.bool_], threshold: float
    ) -> Self:
        """Take the smallest margin from which on at least `threshold` of held-out predictions were right.

        Parameters
        ----------
        n_samples : sequence of int
            Window lengths.
        margins, correct : ndarray, shape (n_trials, n_lengths)
            Relative margins (`relative_margin`), and whether the prediction was right.
        threshold : float
            Share that is to be right, 0 to 1.
        """
        order = np.argsort(margins.ravel())
        right = correct.ravel()[order]
        above = np.cumsum(right[::-1])[::-1] / np.arange(len(right), 0, -1)
        enough = np.flatnonzero(above >= threshold)
        found = float(margins.ravel()[order][enough[0]]) if len(enough) else 1.0
        return cls(n_samples, min(max(found, 1e-6), 1.0))

    def confidence(self, scores: NDArray[np.float64], n_samples: int) -> float:
        """Return the relative margin: an order, not a calibrated probability."""
        return relative_margin(scores)

    def enough(self, confidence: float, n_samples: int) -> bool:
        """Return whether the margin is reached."""
        return confidence >= self.least_margin

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {"kind": "margin", "n_samples": self.n_samples, "least_margin": self.least_margin}


def relative_margin(scores: NDArray[np.float64]) -> float:
    """Return ``(first - second) / (first - mean of all)``, 0 to 1."""
    lead = float(scores.max() - scores.mean())
    return min(margin(scores) / lead, 1.0) if lead > 0.0 else 0.0


class ProbabilityStopping(_AtLengths):
    """Decide when the softmax of the scores reaches a threshold that may fall with time.

    For decoders whose scores are utilities, such as `TransferCCA`: no held-out trials of the user are needed.

    Parameters
    ----------
    n_samples : sequence of int
        Window lengths.
    threshold : float
        Probability that suffices at the shortest window, 0 to 1.
    last_threshold : float, optional
        The same at the longest window; between them the threshold falls evenly. By default it stays.
    least_confidence : float
        At the longest window anything less likely than this is not decided.
    """

    def __init__(
        self,
        n_samples: Sequence[int],
        threshold: float = 0.8,
        last_threshold: float | None = None,
        least_confidence: float = 0.0,
    ) -> None:
        super().__init__(n_samples, threshold, least_confidence)
        self.last_threshold = self.threshold if last_threshold is None else float(last_threshold)
        if not 0.0 < self.last_threshold < 1.0:
            raise ValueError(f"last_threshold: got {last_threshold}, it must lie between 0 and 1")

    def confidence(self, scores: NDArray[np.float64], n_samples: int) -> float:
        """Return the probability of the best class."""
        return float(1.0 / np.exp(scores - scores.max()).sum())

    def enough(self, confidence: float, n_samples: int) -> bool:
        """Return whether the threshold of this length is reached."""
        first, last = min(self.n_samples), max(self.n_samples)
        share = min(max((n_samples - first) / (last - first), 0.0), 1.0) if last > first else 1.0
        return confidence >= self.threshold + share * (self.last_threshold - self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values."""
        return {
            "kind": "probability",
            "n_samples": self.n_samples,
            "threshold": self.threshold,
            "last_threshold": self.last_threshold,
            "least_confidence": self.least_confidence,
        }
