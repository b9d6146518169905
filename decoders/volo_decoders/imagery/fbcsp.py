"""Filter bank common spatial patterns: spatial filters in each band, and the few features that tell most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.features.separability import mutual_information
from volo_decoders.imagery.csp import LEAST_SHARE, spatial_filters, window_covariance
from volo_decoders.imagery.lda import ShrinkageLda, class_targets
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["Fbcsp"]

Array = NDArray[np.float64]


class Fbcsp(ScoredClassifier):
    """Filter bank common spatial patterns with mutual-information-based best individual features.

    It works on windows that went through a filter bank, band after band. For each class against the rest (once for two
    classes) every band has its own filters; of all bands' features the `n_selected` with the most mutual information
    are kept, each with its pair from the filters' other end, and go to a shrinkage linear discriminant.

    Parameters
    ----------
    n_bands : int
        Bands of the filter bank.
    n_pairs : int
        Filters from each end, in each band.
    n_selected : int
        Features picked for each class before their pairs are added.
    shrinkage : {"oas", "ledoit_wolf", "none"}
        Of each window's covariance.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    bands_ : ndarray of int, shape (n_features,)
        Band of each kept feature.
    filters_ : ndarray of float64, shape (n_features, n_channels)
        Its spatial filter.

    References
    ----------
    Ang et al. 2008, Proc. IJCNN 2008:2390, DOI 10.1109/IJCNN.2008.4634130; 2012, Front. Neurosci. 6:39,
    DOI 10.3389/fnins.2012.00039.
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9

    def __init__(self, n_bands: int = 9, n_pairs: int = 2, n_selected: int = 4, shrinkage: str = "oas") -> None:
        self.n_bands = n_bands
        self.n_pairs = n_pairs
        self.n_selected = n_selected
        self.shrinkage = shrinkage

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to windows, shape (n_trials, n_bands * n_channels, n_samples), with labels, shape (n_trials,).

        Raises
        ------
        ValueError
            If a parameter is out of range, or the windows or labels do not allow it.
        """
        for name in ("n_bands", "n_pairs", "n_selected"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, it must be at least 1")
        X, _ = checked_calibration(X, y)
        classes, targets = class_targets(y, len(X))
        if X.shape[1] % self.n_bands:
            raise ValueError(f"X: got windows of {X.shape[1]} rows, expected a multiple of {self.n_bands} bands")
        parts = X.reshape(len(X), self.n_bands, -1, X.shape[2])
        covariances = np.array(
            [[window_covariance(band, self.shrinkage) for band in window] for window in parts], np.float64
        )
        bands, filters = [], []
        for k in range(1) if len(classes) == 2 else range(len(classes)):
            of_class, of_band = self._picked(covariances, targets == k)
            filters.append(of_class)
            bands.append(of_band)
        self.bands_, self.filters_ = np.concatenate(bands), np.concatenate(filters)
        self.lda_ = ShrinkageLda.fit(np.stack([self.features(window) for window in X]), targets)
        self.classes_ = classes
        return self

    def _picked(self, covariances: Array, one: NDArray[np.bool_]) -> tuple[Array, NDArray[np.intp]]:
        """Return filters and bands that tell one class from the rest."""
        filters: list[Array] = []
        features: list[Array] = []
        bands: list[int] = []
        pairs: list[int] = []
        for band in range(self.n_bands):
            own = covariances[:, band]
            W = spatial_filters(own[one].mean(axis=0), own[~one].mean(axis=0), self.n_pairs)
            n = len(W)
            high = n - n // 2  # the strong end comes first, then the weak end from its extreme on
            pairs += [len(bands) + (i + high if i < n // 2 else i - high if i >= high else i) for i in range(n)]
            filters.append(W)
            bands += [band] * n
            power = np.einsum("fc,tcd,fd->tf", W, own, W)
            features.append(np.log(np.maximum(power / power.sum(axis=1, keepdims=True), LEAST_SHARE)))
        information = mutual_information(np.concatenate(features, axis=1), one)
        best = np.argsort(-information, kind="stable")[: self.n_selected]
        kept = sorted({int(i) for i in best} | {pairs[int(i)] for i in best})
        return np.concatenate(filters)[kept], np.array(bands, np.intp)[kept]

    def features(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the logarithms of each kept output's share of the window's power in its band."""
        samples = np.array(window, np.float64, order="C").reshape(self.n_bands, -1, window.shape[1])
        total = samples.var(axis=2).sum(axis=1)[self.bands_]
        outputs = np.stack([w @ samples[band] for w, band in zip(self.filters_, self.bands_, strict=True)])
        share = outputs.var(axis=1) / np.where(total > 0.0, total, 1.0)
        out: Array = np.log(np.maximum(share, LEAST_SHARE))
        return out

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        if n_rows != self.n_bands * self.filters_.shape[1]:
            raise ValueError(
                f"X: got windows of {n_rows} rows, expected {self.n_bands} bands of {self.filters_.shape[1]} channels"
            )
        if n_samples < 2:
            raise ValueError(f"X: got windows of {n_samples} samples, a variance needs at least 2")

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        return self.lda_.scores(self.features(window))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        return {
            "classes": self.classes_.copy(),
            "bands": self.bands_.copy(),
            "filters": self.filters_.copy(),
            **self.lda_.state(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes, bands = taken(state, "classes", 1, "U"), taken(state, "bands", 1, "iu")
        filters, lda = taken(state, "filters", 2, "f"), ShrinkageLda.restore(state)
        self.classes_, self.bands_, self.filters_, self.lda_ = classes, bands.astype(np.intp), filters, lda
        return self
