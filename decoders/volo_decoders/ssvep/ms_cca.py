"""CCA with calibration that learns one pair of filters from neighbouring stimuli together (ms-CCA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.ssvep.averages import AveragesAndReferences, correlation
from volo_decoders.ssvep.references import centred
from volo_decoders.ssvep.spatial import canonical_filters, patterns_of
from volo_decoders.ssvep.targets import neighbours, target_names

__all__ = ["MsCCA"]

_SCORES = ("both", "average")


class MsCCA(AveragesAndReferences):
    """Correlate windows with class averages and references through filters learnt from several classes.

    For each class and sub-band, the class averages of the class and its neighbours in frequency are put one behind the
    other, likewise their references; the first pair of canonical filters (u for channels, v for references) of the two
    long signals is what the class uses. The score of a class is ``sum_k (k ** -a + b) (s(r1) + s(r2))`` with
    ``s(r) = sign(r) r ** 2``, r1 the correlation of ``u^T x`` with ``v^T Y`` and r2 that with ``u^T average``.

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
    n_neighbours : int
        Stimuli that share filters, the class itself counted. The references must be in step with the stimuli: with
        stimuli of different phases use 1, or give phases that the display really shows.
    phases_rad : list of float, optional
        Phase of each class's stimulus at the start of the window, in radians; by default 0.
    weight_a, weight_b : float
        Weights of the sub-bands.
    combine : {"both", "average"}
        ``"average"`` sums r2 alone, as MetaBCI does.

    Attributes
    ----------
    classes_, averages_
        As in `AveragesAndReferences`.
    filters_ : ndarray of float64, shape (n_bands, n_classes, n_channels)
        The filters u.
    patterns_ : ndarray of float64, shape (n_bands, n_classes, n_channels)
        How each filter's output shows in the channels, see `patterns_of`.

    References
    ----------
    Wong et al. 2020, J. Neural Eng. 17:016026, DOI 10.1088/1741-2552/ab2373.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_harmonics: int = 5,
        n_bands: int = 5,
        n_neighbours: int = 12,
        phases_rad: Sequence[float] | None = None,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        combine: str = "both",
    ) -> None:
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.rate_hz = rate_hz
        self.n_harmonics = n_harmonics
        self.n_bands = n_bands
        self.n_neighbours = n_neighbours
        self.phases_rad = phases_rad
        self.weight_a = weight_a
        self.weight_b = weight_b
        self.combine = combine

    def _ready(self, averages: NDArray[np.float64]) -> None:
        if self.combine not in _SCORES:
            raise ValueError(f"combine: got {self.combine!r}, allowed are {', '.join(_SCORES)}")
        if self.phases_rad is not None and len(self.phases_rad) != len(self.frequencies_hz):
            raise ValueError(
                f"phases_rad: got {len(self.phases_rad)}, expected one for each of {len(self.frequencies_hz)} classes"
            )
        group = neighbours(self._frequencies, self.n_neighbours).astype(np.float64)
        references = self._references(averages.shape[-1])
        inner = averages @ averages.swapaxes(-1, -2)
        cross = averages @ references.swapaxes(-1, -2)
        outer = references @ references.swapaxes(-1, -2)
        inner = np.einsum("cd,bdij->bcij", group, inner)
        self.filters_, self._reference_filters = canonical_filters(
            inner,
            np.einsum("cd,bdij->bcij", group, cross),
            np.einsum("cd,dij->cij", group, outer),
        )
        self.patterns_ = patterns_of(self.filters_, inner)

    def _references(self, n_samples: int) -> NDArray[np.float64]:
        rows = super()._references(n_samples)
        if self.phases_rad is None:
            return rows
        named = target_names(self.frequencies_hz, self.class_names).tolist()
        phases = dict(zip(named, map(float, self.phases_rad), strict=True))
        turned = np.empty_like(rows)
        for c, name in enumerate(self._names):
            angles = phases[name] * np.arange(1, self.n_harmonics + 1)[:, None]
            sines, cosines = rows[c, 0::2], rows[c, 1::2]
            turned[c, 0::2] = sines * np.cos(angles) + cosines * np.sin(angles)
            turned[c, 1::2] = cosines * np.cos(angles) - sines * np.sin(angles)
        return turned

    def _targets(self, n_samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return filtered averages and filtered references of a length, each (n_bands, n_classes, n_samples)."""
        found: tuple[NDArray[np.float64], NDArray[np.float64]] | None = self._cut.get(n_samples)
        if found is None:
            averages = centred(self.averages_[..., :n_samples])
            filtered = (self.filters_[:, :, None] @ averages)[:, :, 0]
            references = (self._reference_filters[:, :, None] @ self._references(n_samples))[:, :, 0]
            found = self._cut[n_samples] = (filtered, references)
        return found

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_samples = window.shape[1]
        averages, references = self._targets(n_samples)
        signals = self.filters_ @ centred(window).reshape(self.n_bands, -1, n_samples)  # (n_bands, n_classes, n)
        r2 = correlation(signals, averages)
        if self.combine == "average":
            scores: NDArray[np.float64] = self._weights @ r2
            return scores
        r1 = correlation(signals, references)
        scores = self._weights @ (r1 * np.abs(r1) + r2 * np.abs(r2))
        return scores
