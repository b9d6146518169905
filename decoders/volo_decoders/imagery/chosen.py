"""Spectra and coupling of a window, the features chosen by hand or by the data, and a discriminant.

Features are written ``"C3:8-12"`` (the channel's power in that band) or ``"coherence:C3:8-12"`` (its strength in the
network of that measure). Choosing happens in `fit`, so that a cross-validation around it chooses inside its folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.features.connectivity import MEASURES, from_coefficients, node_strength
from volo_decoders.features.selection import SELECTORS
from volo_decoders.features.spectra import stft
from volo_decoders.imagery.band_power import LEAST_SHARE, parse_feature
from volo_decoders.imagery.lda import ShrinkageLda, class_targets
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["FeatureLda"]

Array = NDArray[np.float64]
POWER = "power"


class FeatureLda(ScoredClassifier):
    """Chosen features of spectra and coupling, shrinkage linear discriminant.

    It works on windows of the channels as they are, broad-band filtered at most.

    Parameters
    ----------
    rate_hz : float
        Sampling rate of the windows.
    channels : sequence of str
        Their rows' names.
    features : sequence of str
        Chosen by hand; empty lets `select` choose.
    select : str
        One of `volo_decoders.features.selection.SELECTORS`.
    n_features : int
        How many to choose.
    families : sequence of str
        What to choose among: ``"power"`` and any of `volo_decoders.features.connectivity.MEASURES`.
    only : sequence of str
        Channels to choose among; empty means all.
    low_hz, high_hz, step_hz : float
        Bands to choose among: from, to, and how wide.
    window_s : float
        Of the Fourier windows within a decoded window, which must be at least as long; coupling needs 1.5 times that.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted.
    chosen_ : ndarray of str, shape (n_chosen,)
        The features, best first.

    References
    ----------
    Desbois et al. 2024, HappyFeat, Softw. Impacts 19:100610, DOI 10.1016/j.simpa.2023.100610. Cattai et al. 2021, IEEE
    Trans. Neural Syst. Rehabil. Eng. 29:1342, DOI 10.1109/TNSRE.2021.3088637 (node strength).
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9

    def __init__(
        self,
        rate_hz: float,
        channels: Sequence[str],
        *,
        features: Sequence[str] = (),
        select: str = "mibif",
        n_features: int = 6,
        families: Sequence[str] = (POWER,),
        only: Sequence[str] = (),
        low_hz: float = 6.0,
        high_hz: float = 34.0,
        step_hz: float = 2.0,
        window_s: float = 1.0,
    ) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self.features = features
        self.select = select
        self.n_features = n_features
        self.families = families
        self.only = only
        self.low_hz = low_hz
        self.high_hz = high_hz
        self.step_hz = step_hz
        self.window_s = window_s

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to windows, shape (n_trials, n_channels, n_samples), with labels, shape (n_trials,).

        Raises
        ------
        ValueError
            If a feature or parameter is not possible, or the windows or labels do not allow it.
        """
        names = list(self.features) or self._candidates()
        self._parse(names)
        if not self.features and self.select not in SELECTORS:
            raise ValueError(f"select: got {self.select!r}, allowed are {', '.join(SELECTORS)}")
        X, _ = checked_calibration(X, y, self.channels)
        classes, targets = class_targets(y, len(X))
        self._check_shape(X.shape[1], X.shape[2])
        raw = np.stack([self._raw(window, names) for window in X])
        if not self.features:
            columns = SELECTORS[self.select](self._logarithms(raw, names), targets, self.n_features)
            names, raw = [names[c] for c in columns], raw[:, columns]
        self.chosen_ = np.array(names)
        self._parsed = self._parse(names)
        self.lda_ = ShrinkageLda.fit(self._logarithms(raw, names), targets)
        self.classes_ = classes
        return self

    def _candidates(self) -> list[str]:
        if not 0.0 < self.low_hz < self.high_hz or not self.step_hz > 0.0:
            raise ValueError(f"low_hz, high_hz, step_hz: got {self.low_hz}, {self.high_hz}, {self.step_hz}")
        edges = np.arange(self.low_hz, self.high_hz - 1e-9, self.step_hz)
        return [
            ("" if family == POWER else f"{family}:") + f"{channel}:{low:g}-{low + self.step_hz:g}"
            for family in self.families
            for channel in (self.only or self.channels)
            for low in edges
        ]

    def _parse(self, names: Sequence[str]) -> list[tuple[str, int, float, float]]:
        """Return family, channel's row and band of each feature."""
        rows, out = list(self.channels), []
        for name in names:
            family, _, rest = name.partition(":")
            if family not in MEASURES:
                family, rest = POWER, name
            channel, (low, high) = parse_feature(rest)
            if channel not in rows or high > self.rate_hz / 2.0:
                raise ValueError(
                    f"features: got {name!r}, the window has channels {', '.join(rows)} and frequencies up to "
                    f"{self.rate_hz / 2.0:g} Hz; families are {POWER}, {', '.join(MEASURES)}"
                )
            out.append((family, rows.index(channel), low, high))
        if not out or len(set(out)) != len(out):
            raise ValueError("features: got none, or one twice; each may be there once")
        return out

    def _raw(self, window: NDArray[np.floating[Any]], names: Sequence[str] | None = None) -> Array:
        parsed = self._parsed if names is None else self._parse(names)
        limits = (min(p[2] for p in parsed), max(p[3] for p in parsed))
        frequencies, z = stft(np.array(window, np.float64, order="C")[None], self.rate_hz, self.window_s, 0.5, limits)
        maps: dict[str, Array] = {}
        couplings = sorted({p[0] for p in parsed} - {POWER})
        if couplings:
            maps = {name: node_strength(v)[0] for name, v in from_coefficients(z, couplings).items()}
        maps[POWER] = (z.real**2 + z.imag**2).mean(axis=1)[0]
        out = np.empty(len(parsed))
        for k, (family, row, low, high) in enumerate(parsed):
            inside = (frequencies >= low - 1e-9) & (frequencies <= high + 1e-9)
            if not inside.any():
                raise ValueError(
                    f"features: no bin of {1.0 / self.window_s:g} Hz in {low:g} to {high:g} Hz, take a longer window_s"
                )
            out[k] = maps[family][row, inside].mean()
        return out

    def _logarithms(self, raw: Array, names: Sequence[str] | None = None) -> Array:
        """Return powers as logarithms, in shares of the calibration's mean; coupling as it is."""
        out = np.array(raw, np.float64)
        parsed = self._parsed if names is None else self._parse(names)
        power = np.array([p[0] == POWER for p in parsed])
        if raw.ndim == 2:
            self.reference_ = np.where(power, raw.mean(axis=0), 1.0)
            self.reference_[self.reference_ <= 0.0] = 1.0
        out[..., power] = np.log(np.maximum(out[..., power] / self.reference_[power], LEAST_SHARE))
        return out

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        if n_rows != len(self.channels):
            raise ValueError(f"X: got windows of {n_rows} rows, expected the {len(self.channels)} channels")
        least = round(self.window_s * self.rate_hz)
        names = self.features if not hasattr(self, "chosen_") else self.chosen_
        if any(str(name).partition(":")[0] in MEASURES for name in names) or set(self.families) - {POWER}:
            least += least // 2 + 1
        if n_samples < least:
            raise ValueError(
                f"X: got windows of {n_samples} samples, at least {least}: shorten window_s or take longer ones"
            )

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        return self.lda_.scores(self._logarithms(self._raw(window)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        return {
            "classes": self.classes_.copy(),
            "chosen": self.chosen_.copy(),
            "reference": self.reference_.copy(),
            **self.lda_.state(),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes, chosen = taken(state, "classes", 1, "U"), taken(state, "chosen", 1, "U")
        reference, lda = taken(state, "reference", 1, "f"), ShrinkageLda.restore(state)
        self._parsed = self._parse([str(name) for name in chosen])
        self.classes_, self.chosen_, self.reference_, self.lda_ = classes, chosen, reference, lda
        return self
