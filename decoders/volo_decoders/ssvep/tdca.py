"""Task-discriminant component analysis: SSVEP with calibration, filters over channels and delays for all classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.scored import ScoredClassifier, calibration_windows, taken
from volo_decoders.ssvep.filterbank import band_weights
from volo_decoders.ssvep.references import centred, orthonormal_basis, sine_cosine
from volo_decoders.ssvep.spatial import discriminant_filters
from volo_decoders.ssvep.targets import frequencies_of
from volo_decoders.ssvep.tdca_scoring import TdcaScoring, delayed, delayed_gram, stacked_by_row

__all__ = ["TDCA"]

_PADDINGS = ("zero", "extra")


class TDCA(ScoredClassifier):
    """Correlate with class averages through filters that tell all classes apart.

    Windows are augmented twice: by copies delayed by 1 to `n_delays` samples below the channels, and by their
    projection on the sine-cosine references of a class behind them in time. Filters maximise the scatter between the
    augmented class averages against that of trials within classes, for all classes together, and the score of a class
    is ``sum_k (k ** -a + b) r_k`` with the correlation r_k of the filtered window, augmented with that class's
    references, and the class's filtered average.

    The projections are never formed: with an orthonormal basis P of a class's references, products of projections are
    products with P. Scoring a window costs one filtering and two matrix products a sub-band for all classes together.
    A window shorter than those fitted on is scored with projections and averages of its own length, through the
    filters of the full length.

    Parameters
    ----------
    frequencies_hz : list of float
        Flicker frequency of each class.
    class_names : list of str, optional
        Their labels, in the same order; by default the frequencies as texts.
    rate_hz : float
        Sampling rate of the windows.
    n_harmonics : int
        Harmonics in the references, the fundamental counted.
    n_bands : int
        Sub-bands in the windows.
    n_delays : int
        Delayed copies of the channels.
    n_components : int
        Filters.
    weight_a, weight_b : float
        Weights of the sub-bands.
    padding : {"zero", "extra"}
        What stands at the end of a delayed copy. ``"zero"``: zeros, in calibration as in use. ``"extra"``, as
        published: calibration windows give their last `n_delays` samples for it, and what is scored is that much
        shorter, with zeros.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    filters_ : ndarray of float64, shape (n_bands, (n_delays + 1) * n_channels, n_components)
        Filters over delays and channels.
    averages_ : ndarray of float64, shape (n_bands, n_classes, (n_delays + 1) * n_channels, n_samples)
        Class averages of the delayed windows.
    patterns_ : ndarray of float64, shape (n_bands, (n_delays + 1) * n_channels, n_components)
        What each component looks like over delays and channels, after Haufe 2014.

    References
    ----------
    Liu et al. 2021, IEEE Trans. Neural Syst. Rehabil. Eng. 29:1998, DOI 10.1109/TNSRE.2021.3114340.
    """

    needs_calibration = True
    calibration_trials = 2
    phase_locked = True
    least_valid_fraction = 0.9

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_harmonics: int = 5,
        n_bands: int = 5,
        n_delays: int = 5,
        n_components: int = 8,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        padding: str = "zero",
    ) -> None:
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.rate_hz = rate_hz
        self.n_harmonics = n_harmonics
        self.n_bands = n_bands
        self.n_delays = n_delays
        self.n_components = n_components
        self.weight_a = weight_a
        self.weight_b = weight_b
        self.padding = padding

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Find filters and class averages.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows that start at the stimulus onset, or a fixed time after it.
        y : array_like, shape (n_trials,)
            Labels; each class needs two windows or more.

        Raises
        ------
        ValueError
            If parameters, windows or labels do not fit, windows hold NaN, or a class has a single window.
        """
        self._check_parameters()
        X, labels, classes, _ = calibration_windows(X, y, self.n_bands, "TDCA")
        n_samples = X.shape[2] - self._n_given_up
        if n_samples <= self.n_delays + 1:
            raise ValueError(f"X: got windows of {X.shape[2]} samples, {self.n_delays} delays need more")
        frequencies = frequencies_of(classes, self.frequencies_hz, self.class_names)
        n_channels = X.shape[1] // self.n_bands
        bases = self._bases(frequencies, n_samples)
        of_class = [np.flatnonzero(labels == name) for name in classes]
        bands = [
            self._fit_band(centred(X[:, k * n_channels : (k + 1) * n_channels]), of_class, bases, n_samples)
            for k in range(self.n_bands)
        ]
        self.filters_, self.patterns_, self.averages_ = (np.stack(parts) for parts in zip(*bands, strict=True))
        self.classes_ = classes
        self._prepare(frequencies)
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays: class labels, filters, averages, patterns."""
        return {
            "classes": self.classes_.copy(),
            "filters": self.filters_.copy(),
            "averages": self.averages_.copy(),
            "patterns": self.patterns_.copy(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned.

        Raises
        ------
        ValueError
            If an array is missing, or they do not fit each other or the parameters.
        """
        self._check_parameters()
        classes = taken(state, "classes", 1, "Uiub")
        filters, averages = taken(state, "filters", 3, "f"), taken(state, "averages", 4, "f")
        expected = (self.n_bands, len(classes), filters.shape[1])
        if len(filters) != self.n_bands or averages.shape[:3] != expected:
            raise ValueError(
                f"state: got filters {filters.shape} and averages {averages.shape} of {len(classes)} classes, expected "
                f"averages {(*expected, 'n_samples')}"
            )
        self.classes_, self.filters_, self.averages_ = classes, filters, averages
        self.patterns_ = taken(state, "patterns", 3, "f")
        self._prepare(frequencies_of(classes, self.frequencies_hz, self.class_names))
        return self

    def _check_parameters(self) -> None:
        for name, least in (("n_bands", 1), ("n_delays", 0), ("n_components", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: got {getattr(self, name)}, it must be at least {least}")
        if self.padding not in _PADDINGS:
            raise ValueError(f"padding: got {self.padding!r}, allowed are {', '.join(_PADDINGS)}")

    @property
    def _n_given_up(self) -> int:
        return self.n_delays if self.padding == "extra" else 0

    def _bases(self, frequencies: Sequence[float], n_samples: int) -> NDArray[np.float64]:
        """Return orthonormal bases of the references, shape (n_classes, n_samples, 2 * n_harmonics)."""
        rows = np.stack([sine_cosine(f, self.rate_hz, n_samples, self.n_harmonics) for f in frequencies])
        return orthonormal_basis(rows.swapaxes(1, 2))

    def _fit_band(
        self,
        band: NDArray[np.float64],
        of_class: Sequence[NDArray[np.intp]],
        bases: NDArray[np.float64],
        n_samples: int,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return filters, patterns and class averages of one sub-band of centred windows."""
        n_rows = band.shape[1] * (self.n_delays + 1)
        means = np.stack([band[chosen].mean(axis=0) for chosen in of_class])
        averages = delayed(means, self.n_delays, n_samples)
        order = np.concatenate(of_class)
        deviations = band[order] - np.repeat(means, [len(chosen) for chosen in of_class], axis=0)
        # Channels first: what is delayed is then one block of memory with all trials behind each other.
        stacked = stacked_by_row(deviations, self.n_delays, n_samples)
        within = delayed_gram(stacked, deviations, self.n_delays)
        # The scatter between classes, of averages with their projections behind them, about the rows' means and the
        # mean of all trials: sums of products less the product of the mean; projections only as products with a basis.
        between = np.zeros((n_rows, n_rows))
        common = np.zeros((n_rows, 2 * n_samples))
        start = 0
        for c, chosen in enumerate(of_class):
            basis, average, n_trials = bases[c], averages[c], len(chosen)
            part = stacked[:, start : start + n_trials]
            start += n_trials
            sums = basis.sum(axis=0)
            inside = part @ basis  # (n_rows, n_trials of the class, 2 * n_harmonics)
            ends = part.sum(axis=-1) + inside @ sums  # about the mean over both halves
            flat = inside.reshape(n_rows, -1)
            within += flat @ flat.T - ends @ ends.T / (2 * n_samples)
            projected = average @ basis
            middle = (average.sum(axis=1) + projected @ sums) / (2 * n_samples)
            between += n_trials * (average @ average.T + projected @ projected.T)
            between -= n_trials * 2 * n_samples * np.outer(middle, middle)
            common[:, :n_samples] += n_trials * (average - middle[:, None])
            common[:, n_samples:] += n_trials * (projected @ basis.T - middle[:, None])
        between -= common @ common.T / len(order)
        filters, patterns = discriminant_filters(between, within, self.n_components)
        return filters, patterns, averages

    def _prepare(self, frequencies: Sequence[float]) -> None:
        self._weights = band_weights(self.n_bands, self.weight_a, self.weight_b)
        self._frequencies = list(frequencies)
        self._scoring: dict[int, TdcaScoring] = {}

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        n_channels = self.filters_.shape[1] // (self.n_delays + 1)
        longest = self.averages_.shape[3] + self._n_given_up
        if n_rows != self.n_bands * n_channels:
            raise ValueError(f"X: got {n_rows} channels, fitted on {self.n_bands} bands of {n_channels}")
        if not self.n_delays + 2 <= n_samples <= longest:
            raise ValueError(
                f"X: got windows of {n_samples} samples, expected {self.n_delays + 2} to {longest}, those fitted on"
            )

    def scoring_of(self, n_samples: int) -> TdcaScoring:
        """Return what scores windows of `n_samples`, which is at most what the averages have."""
        scoring = self._scoring.get(n_samples)
        if scoring is None:
            bases = self._bases(self._frequencies, n_samples)
            scoring = TdcaScoring(self.filters_, self.averages_[..., :n_samples], bases)
            self._scoring[n_samples] = scoring
        return scoring

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_samples = min(window.shape[1], self.averages_.shape[3])
        x = centred(window[:, :n_samples]).reshape(self.n_bands, -1, n_samples)
        scores: NDArray[np.float64] = self._weights @ self.scoring_of(n_samples).correlations(x)
        return scores
