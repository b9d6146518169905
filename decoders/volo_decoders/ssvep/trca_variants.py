"""TRCA with one filter a class, TRCA with references, and TRCA that learns across neighbouring stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.ssvep.references import centred, orthonormal_basis, sine_cosine
from volo_decoders.ssvep.targets import frequencies_of, neighbours
from volo_decoders.ssvep.trca import ETRCA

__all__ = ["TRCA", "TRCAR", "MsETRCA"]


class TRCA(ETRCA):
    """Correlate with class averages, each through the filter of its own class only; see `ETRCA`.

    Parameters
    ----------
    n_bands, weight_a, weight_b, combine, regularization
        As in `ETRCA`.

    References
    ----------
    Nakanishi et al. 2018, IEEE Trans. Biomed. Eng. 65:104, DOI 10.1109/TBME.2017.2694818.
    """

    def __init__(
        self,
        n_bands: int = 5,
        *,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        combine: str = "signed",
        regularization: float = 0.0,
    ) -> None:
        super().__init__(
            n_bands, False, weight_a=weight_a, weight_b=weight_b, combine=combine, regularization=regularization
        )


class TRCAR(ETRCA):
    """TRCA whose filters look for what repeats *and* is a sum of the stimulus's harmonics (TRCA-R, eTRCA-R).

    The covariance between trials S is replaced by ``M P P^T M^T``, with M the sum of a class's centred trials and P an
    orthonormal basis of its sine-cosine references: of the class average only what the references span counts. With
    few trials, where an average still holds much background, that makes better filters.

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
    n_bands, ensemble, weight_a, weight_b, combine, regularization
        As in `ETRCA`.

    References
    ----------
    Wong et al. 2020, IEEE Trans. Neural Syst. Rehabil. Eng. 28:2123, DOI 10.1109/TNSRE.2020.3019276.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_harmonics: int = 5,
        n_bands: int = 5,
        ensemble: bool = True,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        combine: str = "signed",
        regularization: float = 0.0,
    ) -> None:
        super().__init__(
            n_bands, ensemble, weight_a=weight_a, weight_b=weight_b, combine=combine, regularization=regularization
        )
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.rate_hz = rate_hz
        self.n_harmonics = n_harmonics

    def _criterion(
        self,
        S: NDArray[np.float64],
        Q: NDArray[np.float64],
        templates: NDArray[np.float64],
        counts: NDArray[np.intp],
        classes: NDArray[Any],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        frequencies = frequencies_of(classes, self.frequencies_hz, self.class_names)
        n_samples = templates.shape[-1]
        references = np.stack([centred(sine_cosine(f, self.rate_hz, n_samples, self.n_harmonics)) for f in frequencies])
        bases = orthonormal_basis(references.swapaxes(1, 2))  # (n_classes, n_samples, 2 * n_harmonics)
        explained = (centred(templates) * counts[:, None, None]) @ bases
        return explained @ explained.swapaxes(-1, -2), Q


class MsETRCA(ETRCA):
    """TRCA whose filters are shared by stimuli of neighbouring frequencies (ms-eTRCA).

    A class's filter maximises the ratio of the *sums* of S and Q over the class and its neighbours: more trials for
    the same filter, at the price that neighbours' responses have to look alike over the head.

    Parameters
    ----------
    frequencies_hz : list of float
        Flicker frequency of each class.
    class_names : list of str, optional
        Their labels, in the same order; by default the frequencies as texts.
    n_neighbours : int
        Stimuli that share a filter, the class itself counted.
    n_bands, ensemble, weight_a, weight_b, combine, regularization
        As in `ETRCA`.

    References
    ----------
    Wong et al. 2020, J. Neural Eng. 17:016026, DOI 10.1088/1741-2552/ab2373.
    """

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        n_neighbours: int = 2,
        n_bands: int = 5,
        ensemble: bool = True,
        weight_a: float = 1.25,
        weight_b: float = 0.25,
        combine: str = "signed",
        regularization: float = 0.0,
    ) -> None:
        super().__init__(
            n_bands, ensemble, weight_a=weight_a, weight_b=weight_b, combine=combine, regularization=regularization
        )
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.n_neighbours = n_neighbours

    def _criterion(
        self,
        S: NDArray[np.float64],
        Q: NDArray[np.float64],
        templates: NDArray[np.float64],
        counts: NDArray[np.intp],
        classes: NDArray[Any],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        frequencies = frequencies_of(classes, self.frequencies_hz, self.class_names)
        group = neighbours(frequencies, self.n_neighbours).astype(np.float64)
        return np.einsum("cd,bdij->bcij", group, S), np.einsum("cd,bdij->bcij", group, Q)
