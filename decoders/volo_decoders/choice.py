"""A conditional logit: which of several alternatives, given what is measured of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["ConditionalLogit", "softmax"]


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities along the last axis that are proportional to the exponentials of `scores`."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = e / e.sum(axis=-1, keepdims=True)
    return probabilities


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalLogit:
    """Weights of features that are measured alike for each alternative, and a bias of each alternative.

    ``P(c) = exp(u_c) / sum_d exp(u_d)`` with ``u_c = w . (f_c - centre) / scale + b_c``.

    Attributes
    ----------
    weights, centre, scale : ndarray, shape (n_features,)
        Shared by all alternatives.
    biases : ndarray, shape (n_alternatives,)
        What speaks for an alternative before anything is measured.

    References
    ----------
    McFadden 1974, Conditional logit analysis of qualitative choice behavior, in Frontiers in Econometrics, 105-142.
    """

    weights: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    biases: NDArray[np.float64]

    @classmethod
    def fit(cls, features: NDArray[np.float64], chosen: NDArray[np.intp], ridge: float) -> Self:
        """Maximise the likelihood less ``ridge / 2`` times the squares of weights and biases.

        Parameters
        ----------
        features : ndarray, shape (n_trials, n_alternatives, n_features)
            What was measured.
        chosen : ndarray of int, shape (n_trials,)
            Which alternative it was.
        ridge : float
            Positive: in these units, and with features of variance 1, like so many trials that say nothing.
        """
        n_trials, n_alternatives, n_features = features.shape
        centre, scale = features.mean(axis=(0, 1)), features.std(axis=(0, 1))
        scale = np.where(scale > 0.0, scale, 1.0)
        z = (features - centre) / scale
        rows = np.arange(n_trials)

        def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            u = z @ beta[:n_features] + beta[n_features:]
            p = softmax(u)
            value = -float(np.log(np.maximum(p[rows, chosen], 1e-300)).sum()) + 0.5 * ridge * float(beta @ beta)
            p[rows, chosen] -= 1.0
            gradient = np.concatenate((np.einsum("tc,tck->k", p, z), p.sum(axis=0)))
            return value, gradient + ridge * beta

        start = np.zeros(n_features + n_alternatives)
        beta = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
        return cls(beta[:n_features], centre, scale, beta[n_features:])

    def utilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return u, shape (..., n_alternatives), of features (..., n_alternatives, n_features)."""
        u: NDArray[np.float64] = ((features - self.centre) / self.scale) @ self.weights + self.biases
        return u
