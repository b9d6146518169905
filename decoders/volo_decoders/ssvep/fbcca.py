"""Filter-bank canonical correlation analysis: SSVEP without calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.scored import ScoredClassifier, checked_labels, checked_windows, taken
from volo_decoders.ssvep.filterbank import band_weights
from volo_decoders.ssvep.references import ReferenceBases, centred, orthonormal_basis, sine_cosine
from volo_decoders.ssvep.targets import target_names

__all__ = ["FBCCA"]


class FBCCA(ScoredClassifier):
    """Compare windows with sines and cosines of each target's frequency and its harmonics.

    In each sub-band k the largest canonical correlation ``rho_k`` between the channels and the references of a class is
    the largest singular value of ``Q_x^T Q_y``, with orthonormal bases ``Q_x`` of the centred channels and ``Q_y`` of
    the centred references. The score of a class is ``sum_k (k ** -a + b) rho_k ** 2``. With one band this is plain CCA.

    Windows of any length can be mixed from call to call; flat and linearly dependent channels are left out of the
    space they do not span.

    Parameters
    ----------
    frequencies_hz : list of float
        Flicker frequency of each class.
    class_names : list of str, optional
        Their labels, in the same order; by default the frequencies as texts (``"8.2"``).
    rate_hz : float
        Sampling rate of the windows.
    n_harmonics : int
        Harmonics in the references, the fundamental counted.
    n_bands : int
        Sub-bands in the windows; 1 is plain CCA.
    weight_a, weight_b : float
        Weights of the sub-bands.
    squared : bool
        Add squared correlations (Chen 2015); False adds the correlations themselves.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        Labels in the order given.

    References
    ----------
    Lin et al. 2006, IEEE Trans. Biomed. Eng. 53:2610, DOI 10.1109/TBME.2006.886577.
    Chen et al. 2015, J. Neural Eng. 12:046008, DOI 10.1088/1741-2560/12/4/046008.
    """

    needs_calibration = False
    phase_locked = False
    least_valid_fraction = 0.8

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_harmonics: int = 5,
        n_bands: int = 1,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        squared: bool = True,
    ) -> None:
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.rate_hz = rate_hz
        self.n_harmonics = n_harmonics
        self.n_bands = n_bands
        self.weight_a = weight_a
        self.weight_b = weight_b
        self.squared = squared

    def fit(self, X: NDArray[np.floating[Any]] | None = None, y: ArrayLike | None = None) -> Self:
        """Check the parameters; data is not needed, and only checked where given.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples), or None
            Windows.
        y : array_like of str, shape (n_trials,), or None
            Labels.

        Raises
        ------
        ValueError
            If a parameter makes no sense, windows hold NaN, or a label is not among the classes.
        """
        classes = self._named_classes()
        if X is not None:
            X = checked_windows(X)
            self._check_shape(X.shape[1], X.shape[2])
        if y is not None:
            labels = checked_labels(y, np.size(y) if X is None else len(X))
            unknown = sorted(set(labels.tolist()) - set(classes.tolist()), key=str)
            if unknown:
                raise ValueError(f"y: got unknown classes {unknown}, known are {classes.tolist()}")
        self._prepare(classes)
        return self

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays: the class labels, all else follows from the parameters."""
        return {"classes": self.classes_.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned.

        Raises
        ------
        ValueError
            If it belongs to other classes.
        """
        saved, classes = taken(state, "classes", 1, "U"), self._named_classes()
        if saved.tolist() != classes.tolist():
            raise ValueError(f"state['classes']: got {saved.tolist()}, the parameters name {classes.tolist()}")
        self._prepare(classes)
        return self

    def _named_classes(self) -> NDArray[np.str_]:
        if self.n_bands < 1:
            raise ValueError(f"n_bands: got {self.n_bands}, it must be at least 1")
        return target_names(self.frequencies_hz, self.class_names)

    def _prepare(self, classes: NDArray[np.str_]) -> None:
        self._weights = band_weights(self.n_bands, self.weight_a, self.weight_b)
        self._bases = ReferenceBases([float(f) for f in self.frequencies_hz], self.rate_hz, self.n_harmonics)
        for frequency in self._bases.frequencies_hz:  # tells now which frequency's harmonics do not fit
            sine_cosine(frequency, self.rate_hz, 1, self.n_harmonics)
        self.classes_ = classes

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        n_channels, rest = divmod(n_rows, self.n_bands)
        if rest or not n_channels:
            raise ValueError(f"X: got {n_rows} channels, expected a multiple of n_bands = {self.n_bands}")
        least = n_channels + 2 * self.n_harmonics + 1
        if n_samples <= least:
            raise ValueError(
                f"X: got windows of {n_samples} samples, {n_channels} channels with {self.n_harmonics} harmonics need "
                f"more than {least}: below, every correlation is 1"
            )

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_rows, n_samples = window.shape
        n_channels = n_rows // self.n_bands
        columns = centred(window).reshape(self.n_bands, n_channels, n_samples).swapaxes(1, 2)
        basis = orthonormal_basis(columns, float(np.finfo(window.dtype).eps))
        references = self._bases.of_length(n_samples)
        products = basis.swapaxes(1, 2).reshape(n_rows, n_samples) @ references
        cosines = products.reshape(self.n_bands, n_channels, len(self.classes_), -1).swapaxes(1, 2)
        if n_channels > cosines.shape[-1]:
            cosines = cosines.swapaxes(2, 3)
        # The largest eigenvalue of A A^T is the square of A's largest singular value, at two thirds of the cost.
        power = np.linalg.eigvalsh(cosines @ cosines.swapaxes(2, 3))[..., -1]
        power = np.clip(power, 0.0, 1.0)
        scores: NDArray[np.float64] = self._weights @ (power if self.squared else np.sqrt(power))
        return scores
