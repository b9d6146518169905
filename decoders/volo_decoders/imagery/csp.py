"""Common spatial patterns: filters whose output is strong in one class and weak in the others; then a discriminant.

The field's classic of motor imagery. A window that was band-passed by the pipeline goes through spatial filters; the
logarithms of the outputs' variances are what the discriminant sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.covariance import ledoit_wolf

from volo_decoders.imagery.lda import ShrinkageLda, class_targets
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["CspLda", "spatial_filters", "window_covariance"]

Array = NDArray[np.float64]
#: Shares of the power below this count as this: logarithms stay finite.
LEAST_SHARE = 1e-12


def _sample(samples: Array) -> tuple[Array, float]:
    centred = samples - samples.mean(axis=0)
    return centred.T @ centred / len(samples), 0.0


def _oas(samples: Array) -> tuple[Array, float]:
    """Shrink as scikit-learn's ``oas`` does, without its checks, which cost more than the rest in one hop."""
    covariance, _ = _sample(samples)
    n_samples, n = samples.shape
    level = float(np.trace(covariance)) / n
    spread = float((covariance**2).mean())
    below = (n_samples + 1.0) * (spread - level**2 / n)
    shrinkage = 1.0 if below == 0.0 else min((spread + level**2) / below, 1.0)
    shrunk: Array = (1.0 - shrinkage) * covariance
    shrunk.flat[:: n + 1] += shrinkage * level
    return shrunk, shrinkage


_ESTIMATORS: Mapping[str, Callable[[Array], tuple[Array, float]]] = {
    "oas": _oas,
    "ledoit_wolf": ledoit_wolf,
    "none": _sample,
}


def window_covariance(window: NDArray[np.floating[Any]], shrinkage: str = "oas") -> Array:
    """Return the shrunk covariance of a window, divided by its trace.

    Parameters
    ----------
    window : ndarray, shape (n_channels, n_samples)
        Any unit: the trace is 1, so that loud and quiet trials count alike.
    shrinkage : {"oas", "ledoit_wolf", "none"}
        How much the covariance is drawn to a multiple of the identity: oracle approximating shrinkage, Ledoit and
        Wolf's, or not.

    Raises
    ------
    ValueError
        If the window is flat.

    References
    ----------
    Chen, Wiesel, Eldar & Hero 2010, IEEE Trans. Signal Process. 58:5016, DOI 10.1109/TSP.2010.2053029.
    Ledoit & Wolf 2004, J. Multivar. Anal. 88:365, DOI 10.1016/S0047-259X(03)00096-4.
    """
    samples = np.array(window, np.float64, order="C").T
    spread = float(np.sqrt(samples.var(axis=0).mean()))
    if not spread > 0.0:
        raise ValueError("window: got one without any variance, a flat window has no covariance to learn from")
    covariance = np.asarray(_ESTIMATORS[shrinkage](samples / spread)[0], np.float64)
    normalised: Array = covariance / np.trace(covariance)
    return normalised


def spatial_filters(one: Array, rest: Array, n_pairs: int) -> Array:
    """Return the filters that make the ratio of two variances extreme, shape (n_filters, n_channels).

    They solve ``one w = lambda (one + rest) w``; the output's variance is the share lambda under `one` and 1 - lambda
    under `rest`, where both are added to 1. Half of the filters have the largest lambda, half the smallest.

    Parameters
    ----------
    one, rest : ndarray, shape (n_channels, n_channels)
        Covariances of the two classes, symmetric and positive definite together.
    n_pairs : int
        Filters from each end; fewer if there are fewer channels.
    """
    _, vectors = eigh(one, one + rest)
    n = vectors.shape[1]
    n_filters = min(2 * n_pairs, n)
    low = n_filters // 2
    picked = [*range(n - 1, n - 1 - (n_filters - low), -1), *range(low)]
    return np.ascontiguousarray(vectors[:, picked].T)


class CspLda(ScoredClassifier):
    """Common spatial patterns, log-variances, shrinkage linear discriminant.

    Each trial's covariance is shrunk and divided by its trace; the classes' means of these define the filters. With
    more than two classes there is one set of filters a class, against the mean of all other classes (one versus rest),
    and one discriminant on the features of all sets. Features are logarithms of each output's share of its set's
    power. Windows may have any length, also another than those fitted on.

    Parameters
    ----------
    n_pairs : int
        Filters from each end of a set.
    shrinkage : {"oas", "ledoit_wolf", "none"}
        See `window_covariance`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    filters_ : ndarray of float64, shape (n_sets, n_filters, n_channels)
        One set for two classes, else one a class.

    References
    ----------
    Koles, Lazar & Zhou 1990, Brain Topogr. 2:275, DOI 10.1007/BF01129656.
    Ramoser, Mueller-Gerking & Pfurtscheller 2000, IEEE Trans. Rehabil. Eng. 8:441, DOI 10.1109/86.895946.
    Blankertz et al. 2008, IEEE Signal Process. Mag. 25(1):41, DOI 10.1109/MSP.2008.4408441.
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9

    def __init__(self, n_pairs: int = 3, shrinkage: str = "oas") -> None:
        self.n_pairs = n_pairs
        self.shrinkage = shrinkage

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to band-passed windows.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_channels, n_samples)
            Windows; after a filter bank each band's channels count as channels.
        y : array-like, shape (n_trials,)
            Labels, at least two classes with at least two trials each.

        Raises
        ------
        ValueError
            If a parameter is out of range, or the windows or labels are not such.
        """
        if self.n_pairs < 1:
            raise ValueError(f"n_pairs: got {self.n_pairs}, it must be at least 1")
        if self.shrinkage not in _ESTIMATORS:
            raise ValueError(f"shrinkage: got {self.shrinkage!r}, allowed are {', '.join(_ESTIMATORS)}")
        X, _ = checked_calibration(X, y)
        classes, targets = class_targets(y, len(X))
        covariances = np.stack([window_covariance(window, self.shrinkage) for window in X])
        means = [covariances[targets == k].mean(axis=0) for k in range(len(classes))]
        ones = range(1) if len(classes) == 2 else range(len(classes))
        self.filters_ = np.stack(
            [
                spatial_filters(means[k], np.mean([m for j, m in enumerate(means) if j != k], axis=0), self.n_pairs)
                for k in ones
            ]
        )
        features = np.stack([self.features(window) for window in X])
        self.lda_ = ShrinkageLda.fit(features, targets)
        self.classes_ = classes
        return self

    def features(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the features of one window: log shares of power, shape (n_sets * n_filters,).

        A flat window has the features of one whose power is spread evenly.
        """
        n_sets, n_filters, n_channels = self.filters_.shape
        samples = np.array(window, np.float64, order="C")
        power = (self.filters_.reshape(-1, n_channels) @ samples).var(axis=1).reshape(n_sets, n_filters)
        total = power.sum(axis=1, keepdims=True)
        shares = np.where(total > 0.0, power / np.where(total > 0.0, total, 1.0), 1.0 / n_filters)
        out: Array = np.log(np.maximum(shares, LEAST_SHARE)).ravel()
        return out

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        n_channels = self.filters_.shape[2]
        if n_rows != n_channels:
            raise ValueError(f"X: got windows of {n_rows} channels, the filters were fitted to {n_channels}")
        if n_samples < 2:
            raise ValueError(f"X: got windows of {n_samples} samples, a variance needs at least 2")

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        return self.lda_.scores(self.features(window))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        return {"classes": self.classes_.copy(), "filters": self.filters_.copy(), **self.lda_.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes = taken(state, "classes", 1, "U")
        filters = taken(state, "filters", 3, "f")
        lda = ShrinkageLda.restore(state)
        self.classes_, self.filters_, self.lda_ = classes, filters, lda
        return self
