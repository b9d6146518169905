"""Decoders on covariance matrices: nearest mean, and linear classifiers in the tangent space.

Means and the discriminants behind them are pyriemann's and scikit-learn's, at fitting; a window costs one or a few
eigen-decompositions, done here. With `adapt_by` the reference follows the windows online, see
`volo_decoders.imagery.recentring`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.choice import softmax
from volo_decoders.imagery.lda import class_targets
from volo_decoders.imagery.linear import LinearScores, fit_linear
from volo_decoders.imagery.manifold import (
    augmented,
    inverse_root,
    log_euclidean_mean,
    log_vector,
    whitened,
    window_spd,
)
from volo_decoders.imagery.recentring import METHODS, Calibrated, Recentring
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["AugmentedCovariance", "FgMdm", "Mdm", "TangentSpace"]

Array = NDArray[np.float64]


class _RiemannDecoder(ScoredClassifier):
    """What the decoders on covariance matrices share.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    mean_ : ndarray, shape (n, n)
        Mean covariance of the calibration.
    bounds_ : ndarray, shape (2,)
        Of the adaptation: the distance and the confidence it may not leave.
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9
    shrinkage: str
    adapt_by: str
    k0: float

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to band-passed windows, shape (n_trials, n_channels, n_samples), with labels, shape (n_trials,).

        Raises
        ------
        ValueError
            If a parameter is out of range, or the windows or labels do not allow it.
        """
        if self.shrinkage not in ("oas", "ledoit_wolf", "none"):
            raise ValueError(f"shrinkage: got {self.shrinkage!r}, allowed are oas, ledoit_wolf, none")
        if self.adapt_by not in ("none", *METHODS):
            raise ValueError(f"adapt_by: got {self.adapt_by!r}, allowed are none, {', '.join(METHODS)}")
        X, _ = checked_calibration(X, y)
        classes, targets = class_targets(y, len(X))
        self._check_length(X.shape[2])
        self.n_channels_ = X.shape[1]
        matrices = np.stack([self.covariance(window) for window in X])
        self.mean_ = self._mean(matrices)
        self.whitener_ = inverse_root(self.mean_)
        seen = whitened(matrices, self.whitener_)
        vectors = log_vector(seen)
        self._fit_whitened(seen, vectors, targets)
        self.classes_ = classes
        distances = np.linalg.norm(vectors, axis=1)
        sure = softmax(self._scores_of(seen, vectors)).max(axis=1)
        # a fitted trial looks surer than a new one: half of what it exceeds guessing by is granted
        guess = 1.0 / len(classes)
        self.bounds_ = np.array([np.quantile(distances, 0.95), guess + 0.5 * (float(np.mean(sure)) - guess)])
        self._begin()
        return self

    def covariance(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the matrix that stands for a window."""
        return window_spd(window, self.shrinkage)

    @property
    def adapts(self) -> bool:
        """Whether the reference follows the windows."""
        return self.adapt_by != "none"

    def adapt(self, window: NDArray[np.floating[Any]]) -> None:
        """Let the reference follow a trial's last window."""
        if self.adapts:
            matrix = self.covariance(window)
            scores = self.score_whitened(whitened(matrix, self.moving_.whitener(matrix)))
            self.moving_.commit(matrix, float(softmax(scores).max()))

    def _begin(self) -> None:
        """Start at the calibration."""
        bounds = Calibrated(self.mean_, float(self.bounds_[0]), float(self.bounds_[1]))
        self.moving_ = Recentring(bounds, self.adapt_by if self.adapts else METHODS[0], self.k0)

    def _mean(self, matrices: Array) -> Array:
        from pyriemann.geometry.mean import mean_riemann

        return np.asarray(mean_riemann(matrices, tol=1e-8), np.float64)

    @abstractmethod
    def _fit_whitened(self, matrices: Array, vectors: Array, targets: NDArray[np.intp]) -> None:
        """Learn from whitened matrices, shape (n_trials, n, n), and their tangent vectors."""

    def _scores_of(self, matrices: Array, vectors: Array) -> Array:
        """Return the scores of whitened matrices, shape (n_trials, n_classes)."""
        return np.stack([self.score_whitened(matrix) for matrix in matrices])

    @abstractmethod
    def score_whitened(self, matrix: Array) -> Array:
        """Return the scores of one whitened matrix."""

    def _check_length(self, n_samples: int) -> None:
        if n_samples < 2:
            raise ValueError(f"X: got windows of {n_samples} samples, a covariance needs at least 2")

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        if n_rows != self.n_channels_:
            raise ValueError(f"X: got windows of {n_rows} channels, the decoder was fitted to {self.n_channels_}")
        self._check_length(n_samples)

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        matrix = self.covariance(window)
        return self.score_whitened(whitened(matrix, self.moving_.whitener(matrix) if self.adapts else self.whitener_))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        return {
            "classes": self.classes_.copy(),
            "mean": self.mean_.copy(),
            "bounds": self.bounds_.copy(),
            "n_channels": np.array([self.n_channels_]),
            **self.moving_.state(),
            **self._own_state(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes, bounds = taken(state, "classes", 1, "U"), taken(state, "bounds", 1, "f")
        mean, n_channels = taken(state, "mean", 2, "f"), int(taken(state, "n_channels", 1, "iu")[0])
        self._restore_own(state)
        self.classes_, self.mean_, self.bounds_, self.n_channels_ = classes, mean, bounds, n_channels
        self.whitener_ = inverse_root(mean)
        self._begin()
        self.moving_.restore(state)
        return self

    @abstractmethod
    def _own_state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays of `_fit_whitened`."""

    @abstractmethod
    def _restore_own(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them again."""


class Mdm(_RiemannDecoder):
    """Minimum distance to mean: the class whose mean covariance is nearest.

    Scores are minus the squared distances.

    Parameters
    ----------
    shrinkage : {"oas", "ledoit_wolf", "none"}
        Of each window's covariance.
    adapt_by : {"none", "riemann", "euclid"}
        How the reference follows the windows online.
    k0 : float
        How many trials the calibration counts for in it.

    References
    ----------
    Barachant et al. 2012, IEEE Trans. Biomed. Eng. 59:920, DOI 10.1109/TBME.2011.2172210.
    """

    def __init__(self, shrinkage: str = "oas", adapt_by: str = "none", k0: float = 4.0) -> None:
        self.shrinkage = shrinkage
        self.adapt_by = adapt_by
        self.k0 = k0

    def _fit_whitened(self, matrices: Array, vectors: Array, targets: NDArray[np.intp]) -> None:
        means = [self._mean(matrices[targets == k]) for k in range(int(targets.max()) + 1)]
        self.whiteners_ = np.stack([inverse_root(mean) for mean in means])

    def _seen(self, matrix: Array) -> Array:
        """Return the matrix that distances are taken from."""
        return matrix

    def score_whitened(self, matrix: Array) -> Array:
        """Return minus the squared distances of one whitened matrix to the class means."""
        values = np.linalg.eigvalsh(whitened(self._seen(matrix), self.whiteners_))
        values = np.maximum(values, 1e-12 * np.maximum(values[:, -1:], 1e-300))
        out: Array = -(np.log(values) ** 2).sum(axis=1)
        return out

    def _own_state(self) -> dict[str, NDArray[Any]]:
        return {"whiteners": self.whiteners_.copy()}

    def _restore_own(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.whiteners_ = taken(state, "whiteners", 3, "f")


class FgMdm(Mdm):
    """Minimum distance to mean after a geodesic filter: what does not discriminate in the tangent space is taken out.

    Parameters as in `Mdm`.

    References
    ----------
    Barachant et al. 2010, Riemannian geometry applied to BCI classification, LVA/ICA 2010, LNCS 6365:629,
    DOI 10.1007/978-3-642-15995-4_78.
    """

    def _fit_whitened(self, matrices: Array, vectors: Array, targets: NDArray[np.intp]) -> None:
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(vectors, targets)
        directions = np.asarray(lda.coef_, np.float64)
        if len(directions) > 1:  # their mean belongs to the grand mean, which is zero here but for rounding
            directions = directions - np.asarray(lda.priors_) @ directions
        # an orthonormal basis of the discriminating directions: a window costs two thin products
        basis = np.linalg.svd(directions, full_matrices=False)
        rank = int((1e-10 * basis.S[0] < basis.S).sum()) if basis.S[0] > 0.0 else 0
        self.basis_ = np.ascontiguousarray(basis.Vh[:rank])
        super()._fit_whitened(np.stack([self._filtered(matrix) for matrix in matrices]), vectors, targets)

    def _filtered(self, matrix: Array) -> Array:
        n = matrix.shape[-1]
        vector = log_vector(matrix)
        kept = (self.basis_ @ vector) @ self.basis_
        log = np.zeros((n, n))
        rows, columns = np.triu_indices(n)
        log[rows, columns] = kept / np.where(rows == columns, 1.0, np.sqrt(2.0))
        values, vectors = np.linalg.eigh(log + np.triu(log, 1).T)
        out: Array = (vectors * np.exp(values)) @ vectors.T
        return out

    def _seen(self, matrix: Array) -> Array:
        return self._filtered(matrix)

    def _own_state(self) -> dict[str, NDArray[Any]]:
        return {**super()._own_state(), "basis": self.basis_.copy()}

    def _restore_own(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._restore_own(state)
        self.basis_ = taken(state, "basis", 2, "f")


class TangentSpace(_RiemannDecoder):
    """The logarithm of each covariance seen from the mean one, and a linear classifier.

    Parameters
    ----------
    model : {"lr", "svm", "elastic_net"}
        Logistic regression, a linear support vector machine, or logistic regression with both penalties.
    shrinkage, adapt_by, k0
        As in `Mdm`.
    C : float
        Inverse strength of the penalty.

    References
    ----------
    Barachant et al. 2012, IEEE Trans. Biomed. Eng. 59:920, DOI 10.1109/TBME.2011.2172210; 2013, Neurocomputing
    112:172, DOI 10.1016/j.neucom.2012.12.039.
    """

    def __init__(
        self, model: str = "lr", shrinkage: str = "oas", adapt_by: str = "none", k0: float = 4.0, C: float = 1.0
    ) -> None:
        self.model = model
        self.shrinkage = shrinkage
        self.adapt_by = adapt_by
        self.k0 = k0
        self.C = C

    def _fit_whitened(self, matrices: Array, vectors: Array, targets: NDArray[np.intp]) -> None:
        self.linear_ = fit_linear(self.model, vectors, targets, self.C)

    def _scores_of(self, matrices: Array, vectors: Array) -> Array:
        return vectors @ self.linear_.weights.T + self.linear_.bias

    def score_whitened(self, matrix: Array) -> Array:
        """Return the linear classifier's scores of one whitened matrix."""
        return self.linear_.scores(log_vector(matrix))

    def _own_state(self) -> dict[str, NDArray[Any]]:
        return self.linear_.state()

    def _restore_own(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.linear_ = LinearScores.restore(state)


class AugmentedCovariance(TangentSpace):
    """Covariance of the signal beside its own past, in the tangent space of its log-Euclidean mean.

    The published method takes the affine-invariant mean of matrices of ``order * n_channels`` rows, which is nearly all
    it costs; the log-Euclidean mean needs no iteration, and the tangent space at it is as good a place.

    Parameters
    ----------
    order, lag : int
        How many delayed copies, the undelayed one among them, and how many samples apart.
    model, shrinkage, adapt_by, k0, C
        As in `TangentSpace`.

    References
    ----------
    Carrara & Papadopoulo 2023, Classification of BCI-EEG based on augmented covariance matrix, IEEE Trans. Biomed. Eng.
    71:2651, DOI 10.1109/TBME.2024.3386219.
    """

    def __init__(
        self,
        order: int = 4,
        lag: int = 6,
        *,
        model: str = "svm",
        shrinkage: str = "oas",
        adapt_by: str = "none",
        k0: float = 4.0,
        C: float = 1.0,
    ) -> None:
        super().__init__(model, shrinkage, adapt_by, k0, C)
        self.order = order
        self.lag = lag

    def covariance(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the covariance of a window beside its own past."""
        return window_spd(augmented(window, self.order, self.lag), self.shrinkage)

    def _mean(self, matrices: Array) -> Array:
        return log_euclidean_mean(matrices)

    def _check_length(self, n_samples: int) -> None:
        if self.order < 1 or self.lag < 1:
            raise ValueError(f"order, lag: got {self.order}, {self.lag}, both must be at least 1")
        if n_samples < (self.order - 1) * self.lag + 2:
            raise ValueError(
                f"X: got windows of {n_samples} samples, {self.order} copies {self.lag} apart need more than "
                f"{(self.order - 1) * self.lag + 1}: take longer windows, a lower order or a shorter lag"
            )
