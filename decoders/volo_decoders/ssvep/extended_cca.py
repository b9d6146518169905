"""Extended CCA: correlations with references and with class averages, through filters of both (eCCA)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.ssvep.averages import AveragesAndReferences, correlation
from volo_decoders.ssvep.references import centred
from volo_decoders.ssvep.spatial import canonical_filters

__all__ = ["ExtendedCCA"]


class ExtendedCCA(AveragesAndReferences):
    """Combine five correlations of a window x with a class's references Y and average X.

    ``r1``: the canonical correlation of x and Y. ``r2``, ``r3``, ``r4``: of x and X through one filter for both, the
    channel filter of the canonical correlation of x and X, of x and Y, and of X and Y. ``r5``: of X through the
    two filters of the canonical correlation of x and X. The score of a class is ``sum_k (k ** -a + b) sum_i
    sign(r_i) r_i ** 2`` (Chen et al. 2015).

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
    weight_a, weight_b : float
        Weights of the sub-bands.
    n_correlations : {5, 4}
        4 leaves out ``r5``, as MetaBCI does.

    References
    ----------
    Chen et al. 2015, Proc. Natl. Acad. Sci. 112:E6058, DOI 10.1073/pnas.1508080112.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_harmonics: int = 5,
        n_bands: int = 5,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        n_correlations: int = 5,
    ) -> None:
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.rate_hz = rate_hz
        self.n_harmonics = n_harmonics
        self.n_bands = n_bands
        self.weight_a = weight_a
        self.weight_b = weight_b
        self.n_correlations = n_correlations

    def _ready(self, averages: NDArray[np.float64]) -> None:
        if self.n_correlations not in {4, 5}:
            raise ValueError(f"n_correlations: got {self.n_correlations}, allowed are 4 and 5")
        references = self._references(averages.shape[-1])
        self._average_filters, _ = canonical_filters(
            averages @ averages.swapaxes(-1, -2),
            averages @ references.swapaxes(-1, -2),
            references @ references.swapaxes(-1, -2),
        )

    def _of_length(self, n_samples: int) -> tuple[NDArray[np.float64], ...]:
        """Return averages, references and their scatter matrices for windows of a length."""
        found: tuple[NDArray[np.float64], ...] | None = self._cut.get(n_samples)
        if found is None:
            averages, references = centred(self.averages_[..., :n_samples]), self._references(n_samples)
            found = (
                averages,
                references,
                averages @ averages.swapaxes(-1, -2),
                references @ references.swapaxes(-1, -2),
            )
            self._cut[n_samples] = found
        return found

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        n_samples = window.shape[1]
        averages, references, averages_scatter, references_scatter = self._of_length(n_samples)
        x = centred(window).reshape(self.n_bands, 1, -1, n_samples)
        inner = x @ x.swapaxes(-1, -2)
        to_references, of_references = canonical_filters(
            inner, x @ references.swapaxes(-1, -2), references_scatter[None]
        )
        to_averages, of_averages = canonical_filters(inner, x @ averages.swapaxes(-1, -2), averages_scatter)

        def through(filters: NDArray[np.float64], signals: NDArray[np.float64]) -> NDArray[np.float64]:
            return (filters[..., None, :] @ signals)[..., 0, :]

        r = [correlation(through(to_references, x), through(of_references, references))]
        r += [
            correlation(through(filters, x), through(filters, averages))
            for filters in (to_averages, to_references, self._average_filters)
        ]
        if self.n_correlations == 5:
            r.append(correlation(through(to_averages, averages), through(of_averages, averages)))
        scores: NDArray[np.float64] = self._weights @ sum(one * np.abs(one) for one in r)
        return scores
