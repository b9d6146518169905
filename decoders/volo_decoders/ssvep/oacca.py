"""FBCCA that learns the user's spatial filters while it is used, without labels (OACCA)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.scored import checked_windows, taken
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.references import centred
from volo_decoders.ssvep.spatial import canonical_filters, task_related_filters

__all__ = ["OnlineAdaptiveCCA"]


class OnlineAdaptiveCCA(FBCCA):
    """Add to FBCCA what filters say that were learned from the trials so far, taking its own decisions for true.

    From each trial that was used, per sub-band: the channel filter of the canonical correlation with the class that
    was decided, of length 1, goes into a sum of ``u u^T`` whose first eigenvector is the *prototype* filter; and the
    part of the signal that this class's references explain goes into a sum against the sum of the whole signal, whose
    quotient the *shared* filter maximises (ms-CCA on decided classes). The score of a class is ``sum_k (k ** -a + b)
    (rho_k^2 + p_k^2 + m_k^2)``: the canonical correlation, and how well the references explain the window through
    either filter. Both are quotients of explained variance, not correlations with phases, so stimuli need not be
    locked to windows; the published method takes correlations there.

    A trial is used only where plain FBCCA and the full score decide alike. Without trials it is FBCCA.

    Parameters
    ----------
    frequencies_hz, class_names, rate_hz, n_harmonics, n_bands, weight_a, weight_b
        As in `FBCCA`.

    Attributes
    ----------
    n_used_ : int
        Trials that were learned from.

    References
    ----------
    Wong et al. 2022, IEEE Trans. Biomed. Eng. 69:2018, DOI 10.1109/TBME.2021.3133594.
    """

    adapts = True
    n_used_: int
    _sums: NDArray[np.float64]

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
    ) -> None:
        super().__init__(
            frequencies_hz,
            class_names,
            rate_hz=rate_hz,
            n_harmonics=n_harmonics,
            n_bands=n_bands,
            weight_a=weight_a,
            weight_b=weight_b,
        )

    def fit(self, X: NDArray[np.floating[Any]] | None = None, y: ArrayLike | None = None) -> Self:
        """Check the parameters and forget what was learned; data is only checked where given."""
        super().fit(X, y)
        self._forget()
        return self

    def adapt(self, window: NDArray[np.floating[Any]]) -> None:
        """Learn from a trial's window, shape (n_rows, n_samples), if both ways to decide agree on it."""
        window = checked_windows(window[None])[0]
        self._check_shape(*window.shape)
        plain, full = super()._score(window), self._score(window)
        best = int(full.argmax())
        if int(plain.argmax()) != best:
            return
        x = self._bands(window)
        basis = self._basis(window.shape[1], best)
        inner, cross = x @ x.swapaxes(1, 2), x @ basis
        u, _ = canonical_filters(inner, cross, np.eye(basis.shape[1]))
        lengths = np.linalg.norm(u, axis=1, keepdims=True)
        u = u / np.where(lengths > 0.0, lengths, 1.0)
        sums = (u[:, :, None] * u[:, None, :], cross @ cross.swapaxes(1, 2), inner)
        if not self.n_used_:
            self._sums = np.zeros((3, *inner.shape))
        self._sums += np.stack(sums)
        self.n_used_ += 1
        self._find_filters()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the class labels and what was learned."""
        return {**super().state(), "sums": self._sums.copy(), "n_used": np.array([self.n_used_])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned; ValueError if it does not fit."""
        super().restore(state)
        self._sums, self.n_used_ = taken(state, "sums", 4, "f"), int(taken(state, "n_used", 1, "i")[0])
        if self.n_used_:
            self._find_filters()
        return self

    def _forget(self) -> None:
        self.n_used_ = 0
        self._sums = np.zeros((3, self.n_bands, 0, 0))

    def _find_filters(self) -> None:
        prototypes, explained, whole = self._sums
        first = np.linalg.eigh(prototypes)[1][..., -1]
        self._filters = np.stack((first, task_related_filters(explained, whole)), axis=1)  # (n_bands, 2, n_channels)

    def _bands(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return a window's bands, centred, with total variance 1 each: every trial counts alike."""
        x = centred(window).reshape(self.n_bands, -1, window.shape[1])
        power = np.sqrt((x * x).sum(axis=(1, 2), keepdims=True))
        return x / np.where(power > 0.0, power, 1.0)

    def _basis(self, n_samples: int, c: int) -> NDArray[np.float64]:
        """Return the orthonormal basis of a class's references, shape (n_samples, 2 * n_harmonics)."""
        size = 2 * self.n_harmonics
        return self._bases.of_length(n_samples)[:, c * size : (c + 1) * size]

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        super()._check_shape(n_rows, n_samples)
        n_channels = self._sums.shape[2] if hasattr(self, "_sums") else 0
        if n_channels and n_rows != self.n_bands * n_channels:
            raise ValueError(f"X: got {n_rows} channels, learned on {self.n_bands} bands of {n_channels}")

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        scores = super()._score(window)
        if not self.n_used_:
            return scores
        signals = self._filters @ self._bands(window)  # (n_bands, 2, n_samples)
        power = (signals * signals).sum(axis=-1)
        inside = (signals @ self._bases.of_length(window.shape[1])).reshape(*power.shape, len(self.classes_), -1)
        shares = (inside * inside).sum(axis=-1) / np.where(power > 0.0, power, 1.0)[..., None]
        learned: NDArray[np.float64] = scores + self._weights @ shares.sum(axis=1)
        return learned
