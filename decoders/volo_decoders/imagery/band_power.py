"""Hand-picked band powers, one channel and one band each, and a discriminant: the decoder one can read.

Which features to pick is the operator's choice, from a map of where and at which frequency the classes differ, or from
physiology: mu and beta over the hand and foot areas.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.imagery.lda import ShrinkageLda, class_targets
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["BandPowerLda", "parse_feature"]

Array = NDArray[np.float64]
#: Powers below this share of their mean in calibration count as this: logarithms stay finite.
LEAST_SHARE = 1e-12
_FEATURE = re.compile(r"(?P<channel>.+):(?P<low>\d+(?:\.\d+)?)-(?P<high>\d+(?:\.\d+)?)")


def parse_feature(text: str) -> tuple[str, tuple[float, float]]:
    """Return channel and band of a feature written ``"C3:8-12"``.

    Raises
    ------
    ValueError
        If it is written otherwise.
    """
    match = _FEATURE.fullmatch(text)
    if match is None or not 0.0 < float(match["low"]) < float(match["high"]):
        raise ValueError(f"features: got {text!r}, expected channel:low-high in Hz, e.g. 'C3:8-12'")
    return match["channel"], (float(match["low"]), float(match["high"]))


class BandPowerLda(ScoredClassifier):
    """Log-variances of picked channels in picked bands, shrinkage linear discriminant.

    It works on windows that went through the pipeline's channel selection and filter bank (`FilterBank`), whose rows
    are all channels of the first band, then all of the second. Windows may have any length.

    Parameters
    ----------
    features : sequence of str
        Channel and band each, ``"C3:8-12"``.
    channels : sequence of str
        Names of the selected channels, in the order of the rows of one band.
    bands_hz : sequence of (float, float)
        Pass bands of the filter bank, in its order; each feature names one of them.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    reference_uv2_ : ndarray of float64, shape (n_features,)
        Mean power of each feature in calibration.

    References
    ----------
    Pfurtscheller & Lopes da Silva 1999, Clin. Neurophysiol. 110:1842, DOI 10.1016/S1388-2457(99)00141-8 (which bands
    and places). Wolpaw & McFarland 2004, Proc. Natl. Acad. Sci. 101:17849, DOI 10.1073/pnas.0403504101 (a weighted sum
    of few of them).
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9

    def __init__(self, features: Sequence[str], channels: Sequence[str], bands_hz: Sequence[Sequence[float]]) -> None:
        self.features = features
        self.channels = channels
        self.bands_hz = bands_hz

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to windows.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows, band after band.
        y : array-like, shape (n_trials,)
            Labels, at least two classes with at least two trials each.

        Raises
        ------
        ValueError
            If a feature is not in the bank, a picked row is flat, or the windows or labels are not such.
        """
        self._rows()
        names = [f"{c}:{low:g}-{high:g}" for low, high in self.bands_hz for c in self.channels]
        X, _ = checked_calibration(X, y, names)
        classes, targets = class_targets(y, len(X))
        self._check_shape(X.shape[1], X.shape[2])
        powers = np.stack([self._powers(window) for window in X])
        reference = powers.mean(axis=0)
        if not (reference > 0.0).all():
            flat = [name for name, power in zip(self.features, reference, strict=True) if not power > 0.0]
            raise ValueError(f"X: got no signal in {', '.join(flat)}, a flat channel cannot be a feature")
        self.reference_uv2_ = reference
        self.lda_ = ShrinkageLda.fit(np.stack([self._logarithms(p) for p in powers]), targets)
        self.classes_ = classes
        return self

    def _rows(self) -> NDArray[np.intp]:
        """Return the row of each feature in a window."""
        channels = list(self.channels)
        bands = [tuple(float(edge) for edge in band) for band in self.bands_hz]
        if not self.features:
            raise ValueError("features: got none, at least one is needed, e.g. 'C3:8-12'")
        rows = []
        for text in self.features:
            channel, band = parse_feature(text)
            if channel not in channels or band not in bands:
                raise ValueError(
                    f"features: got {text!r}, the window has channels {', '.join(channels)} and bands "
                    + ", ".join(f"{'-'.join(f'{edge:g}' for edge in b)}" for b in bands)
                )
            rows.append(bands.index(band) * len(channels) + channels.index(channel))
        if len(set(rows)) != len(rows):
            raise ValueError(f"features: got {', '.join(self.features)}, each may be there once")
        return np.array(rows, np.intp)

    def _powers(self, window: NDArray[np.floating[Any]]) -> Array:
        out: Array = np.array(window[self._rows()], np.float64, order="C").var(axis=1)
        return out

    def _logarithms(self, powers: Array) -> Array:
        out: Array = np.log(np.maximum(powers / self.reference_uv2_, LEAST_SHARE))
        return out

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        expected = len(self.bands_hz) * len(self.channels)
        if n_rows != expected:
            raise ValueError(
                f"X: got windows of {n_rows} rows, expected {len(self.bands_hz)} bands of {len(self.channels)} channels"
            )
        if n_samples < 2:
            raise ValueError(f"X: got windows of {n_samples} samples, a variance needs at least 2")

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        return self.lda_.scores(self._logarithms(self._powers(window)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        return {"classes": self.classes_.copy(), "reference_uv2": self.reference_uv2_.copy(), **self.lda_.state()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes = taken(state, "classes", 1, "U")
        reference = taken(state, "reference_uv2", 1, "f")
        lda = ShrinkageLda.restore(state)
        self.classes_, self.reference_uv2_, self.lda_ = classes, reference, lda
        return self
