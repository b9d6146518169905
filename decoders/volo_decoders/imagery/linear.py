"""Linear classifiers fitted by scikit-learn and kept as two arrays: what tangent vectors are scored with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.scored import taken

__all__ = ["MODELS", "LinearScores", "fit_linear"]

Array = NDArray[np.float64]
#: Names of the classifiers.
MODELS = ("lr", "svm", "elastic_net")


@dataclass(frozen=True, slots=True, eq=False)
class LinearScores:
    """Weights, shape (n_classes, n_features), and bias, shape (n_classes,), of vectors as they come."""

    weights: Array
    bias: Array

    def scores(self, vector: Array) -> Array:
        """Return the scores, shape (n_classes,), of one vector."""
        out: Array = self.weights @ vector + self.bias
        return out

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays."""
        return {"linear_weights": self.weights.copy(), "linear_bias": self.bias.copy()}

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> LinearScores:
        """Take arrays as `state` returned them."""
        return cls(taken(state, "linear_weights", 2, "f"), taken(state, "linear_bias", 1, "f"))


def fit_linear(model: str, vectors: Array, targets: NDArray[np.intp], C: float = 1.0) -> LinearScores:
    """Fit a classifier, classes counting equally; for two classes the scores are plus and minus half the decision.

    Parameters
    ----------
    model : {"lr", "svm", "elastic_net"}
        Which.
    vectors : ndarray, shape (n_trials, n_features)
        Scaled by their root mean square, all alike: the metric stays.
    targets : ndarray of int, shape (n_trials,)
        Classes 0, 1, ...
    C : float
        Inverse strength of the penalty.

    Raises
    ------
    ValueError
        If the model is unknown or C is not positive.
    """
    if model not in MODELS:
        raise ValueError(f"model: got {model!r}, allowed are {', '.join(MODELS)}")
    if not C > 0.0:
        raise ValueError(f"C: got {C}, it must be positive")
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    if model == "svm":
        coefficients, intercepts = _svm(centred, targets, C)
    else:
        coefficients, intercepts = _logistic(centred, targets, C, elastic=model == "elastic_net")
    if len(coefficients) == 1:
        coefficients = np.concatenate([-0.5 * coefficients, 0.5 * coefficients])
        intercepts = np.concatenate([-0.5 * intercepts, 0.5 * intercepts])
    return LinearScores(np.ascontiguousarray(coefficients), intercepts - coefficients @ mean)


def _logistic(centred: Array, targets: NDArray[np.intp], C: float, *, elastic: bool) -> tuple[Array, Array]:
    from sklearn.linear_model import LogisticRegression

    if not elastic:
        lr = LogisticRegression(C=C, class_weight="balanced", max_iter=2000, tol=1e-8)
        lr.fit(centred, targets)
        return np.asarray(lr.coef_, np.float64), np.asarray(lr.intercept_, np.float64)
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    net = LogisticRegression(
        C=C, l1_ratio=0.15, solver="saga", class_weight="balanced", max_iter=400, tol=1e-4, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of a penalised weight do not matter
        net.fit(centred, targets)
    return np.asarray(net.coef_, np.float64), np.asarray(net.intercept_, np.float64)


def _svm(centred: Array, targets: NDArray[np.intp], C: float) -> tuple[Array, Array]:
    """One class against the rest, each by the kernel matrix, which is small however long the vectors are."""
    from sklearn.svm import SVC

    kernel = centred @ centred.T
    n_classes = int(targets.max()) + 1
    rows, bias = [], []
    for k in [1] if n_classes == 2 else range(n_classes):
        svm = SVC(C=C, kernel="precomputed", class_weight="balanced").fit(kernel, targets == k)
        rows.append(np.asarray(svm.dual_coef_, np.float64)[0] @ centred[svm.support_])
        bias.append(float(svm.intercept_[0]))
    return np.stack(rows), np.array(bias)
