"""Several views of one epoch, each with its own classifier, and one that weighs them: slow potentials beside rhythms.

A self-paced movement shows before it begins: slow potentials shift and rhythms fade, both on the side that is to move.
What each view is worth is learned on trials that its classifier has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

from volo_decoders.features.selection import contiguous_folds
from volo_decoders.imagery.csp import CspLda
from volo_decoders.imagery.lda import ShrinkageLda, class_targets
from volo_decoders.imagery.riemann import TangentSpace
from volo_decoders.scored import ScoredClassifier, checked_calibration, taken

__all__ = ["Stacked", "View", "parse_view"]

Array = NDArray[np.float64]
KINDS = ("amplitude", "csp", "tangent")


class View:
    """One view: what of an epoch is looked at, and the classifier of that.

    Parameters
    ----------
    text : str
        ``"amplitude:10"`` (means of so many stretches of the epoch), ``"amplitude:10:0-7"`` (below 7 Hz only),
        ``"csp:8-14"``, ``"tangent:8-32"`` (of that band).
    rate_hz : float
        Sampling rate.
    """

    def __init__(self, text: str, rate_hz: float) -> None:
        self.kind, self.n_parts, self.band = parse_view(text, rate_hz)
        self._sos: Array | None = None
        if self.band is not None:
            low, high = self.band
            self._sos = (
                butter(2, high, fs=rate_hz, output="sos")
                if low == 0.0
                else butter(2, (low, high), "bandpass", fs=rate_hz, output="sos")
            )
            self._steady = sosfilt_zi(self._sos)

    def seen(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the epoch as this view sees it, filtered causally from the steady state at its first sample."""
        x = np.array(window, np.float64, order="C")
        if self._sos is None:
            return x
        out, _ = sosfilt(self._sos, x, axis=-1, zi=self._steady[:, None, :] * x[None, :, :1])
        return np.asarray(out, np.float64)

    def amplitudes(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the means of the epoch's stretches, shape (n_channels * n_parts,)."""
        x = self.seen(window)
        edges = np.linspace(0, x.shape[1], self.n_parts + 1).round().astype(int)
        return np.concatenate([x[:, a:b].mean(axis=1) for a, b in pairwise(edges)])

    def fit(self, X: NDArray[np.floating[Any]], y: NDArray[Any]) -> None:
        """Fit the view's classifier to epochs and labels that `Stacked` has checked."""
        if self.kind == "amplitude":
            _, targets = class_targets(y, len(X))
            self.lda = ShrinkageLda.fit(np.stack([self.amplitudes(x) for x in X]), targets)
        else:
            self.decoder: CspLda | TangentSpace = CspLda(3) if self.kind == "csp" else TangentSpace("lr")
            self.decoder.fit(np.stack([self.seen(x) for x in X]), y)

    def scores(self, window: NDArray[np.floating[Any]]) -> Array:
        """Return the scores of one epoch, their mean taken off."""
        if self.kind == "amplitude":
            scores = self.lda.scores(self.amplitudes(window))
        else:
            scores = self.decoder.decision_function(self.seen(window)[None])[0]
        centred: Array = scores - scores.mean()
        return centred

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        return self.lda.state() if self.kind == "amplitude" else self.decoder.state()

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them again."""
        if self.kind == "amplitude":
            self.lda = ShrinkageLda.restore(state)
        else:
            self.decoder = (CspLda(3) if self.kind == "csp" else TangentSpace("lr")).restore(state)


def parse_view(text: str, rate_hz: float) -> tuple[str, int, tuple[float, float] | None]:
    """Return kind, number of stretches (amplitudes only) and band of a view.

    Raises
    ------
    ValueError
        If it is written otherwise.
    """
    words = text.split(":")
    wrong = ValueError(
        f"views: got {text!r}, expected amplitude:STRETCHES, amplitude:STRETCHES:0-HIGH, csp:LOW-HIGH or "
        f"tangent:LOW-HIGH, in Hz below {rate_hz / 2.0:g}"
    )
    if words[0] not in KINDS or not 2 <= len(words) <= (3 if words[0] == "amplitude" else 2):
        raise wrong
    try:
        n_parts = int(words[1]) if words[0] == "amplitude" else 0
        band = None
        if words[0] != "amplitude" or len(words) == 3:
            low, high = (float(edge) for edge in words[-1].split("-"))
            band = (low, high)
    except ValueError as error:
        raise wrong from error
    lowest = 0.0 if words[0] == "amplitude" else 1e-9
    if (words[0] == "amplitude" and n_parts < 1) or (band and not lowest <= band[0] < band[1] < rate_hz / 2.0):
        raise wrong
    return words[0], n_parts, band


class Stacked(ScoredClassifier):
    """Views of an epoch, weighed by a discriminant, or the best of them alone.

    Each view's scores on stretches of the calibration that its classifier was not fitted to are what the weights are
    learned from (or the best view is chosen by); then every view is fitted to all of it. Trials must come in time
    order, so that the stretches are stretches of time.

    Parameters
    ----------
    rate_hz : float
        Sampling rate.
    views : sequence of str
        See `View`.
    combine : {"stack", "best"}
        Weigh all, or choose one.
    n_inner : int
        Stretches of the calibration, at least 3.

    References
    ----------
    Wolpert 1992, Neural Netw. 5:241, DOI 10.1016/S0893-6080(05)80023-1 (stacking). Blankertz, Curio & Mueller 2002,
    Adv. Neural Inf. Process. Syst. 14:157 (slow potentials). Dornhege et al. 2004, IEEE Trans. Biomed. Eng. 51:993,
    DOI 10.1109/TBME.2004.827088 (slow potentials beside rhythms).
    """

    needs_calibration = True
    phase_locked = False
    least_valid_fraction = 0.9

    def __init__(
        self,
        rate_hz: float,
        views: Sequence[str] = ("amplitude:10", "csp:8-32", "tangent:8-32"),
        combine: str = "stack",
        n_inner: int = 8,
    ) -> None:
        self.rate_hz = rate_hz
        self.views = views
        self.combine = combine
        self.n_inner = n_inner

    def fit(self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None) -> Self:
        """Fit to epochs, shape (n_trials, n_channels, n_samples), with labels, shape (n_trials,).

        Raises
        ------
        ValueError
            If a parameter is out of range, or the epochs or labels do not allow it.
        """
        if self.combine not in ("stack", "best"):
            raise ValueError(f"combine: got {self.combine!r}, allowed are stack, best")
        if self.n_inner < 3 or not self.views:
            raise ValueError(
                f"n_inner, views: got {self.n_inner}, {list(self.views)}, expected at least 3 and at least one view"
            )
        X, _ = checked_calibration(X, y)
        classes, targets = class_targets(y, len(X))
        self._n_channels = X.shape[1]
        self._least_samples(X.shape[2])
        labels = classes[targets]
        names = list(self.views)
        if len(names) > 1:
            unseen = self._unseen_scores(X, labels, len(classes))
            if self.combine == "best":
                right = (unseen.argmax(axis=2) == targets[:, None]).mean(axis=0)
                names = [names[int(right.argmax())]]
            else:
                self.lda_ = ShrinkageLda.fit(unseen.reshape(len(X), -1), targets)
        self.names_ = np.array(names)
        self._fitted = [View(name, self.rate_hz) for name in names]
        for view in self._fitted:
            view.fit(X, labels)
        self.classes_ = classes
        return self

    def _unseen_scores(self, X: NDArray[np.floating[Any]], labels: NDArray[Any], n_classes: int) -> Array:
        """Return each view's scores of trials it was not fitted to, shape (n_trials, n_views, n_classes)."""
        _, counts = np.unique(labels, return_counts=True)
        if counts.min() < 3:
            raise ValueError(f"y: got a class of {counts.min()} trials, weighing views needs at least 3: record more")
        folds = contiguous_folds(labels, min(self.n_inner, int(counts.min())))
        out = np.zeros((len(X), len(self.views), n_classes))
        for fold in np.unique(folds):
            for k, name in enumerate(self.views):
                view = View(name, self.rate_hz)
                view.fit(X[folds != fold], labels[folds != fold])
                for i in np.flatnonzero(folds == fold):
                    out[i, k] = view.scores(X[i])
        return out

    def _least_samples(self, n_samples: int) -> None:
        parts = [parse_view(name, self.rate_hz)[1] for name in self.views]
        least = max([2, *parts])
        if n_samples < least:
            raise ValueError(f"X: got windows of {n_samples} samples, these views need at least {least}")

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        if n_rows != self._n_channels:
            raise ValueError(f"X: got windows of {n_rows} channels, the decoder was fitted to {self._n_channels}")
        self._least_samples(n_samples)

    def _score(self, window: NDArray[np.floating[Any]]) -> Array:
        scores = [view.scores(window) for view in self._fitted]
        return scores[0] if len(scores) == 1 else self.lda_.scores(np.concatenate(scores))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the fitted arrays."""
        own: dict[str, NDArray[Any]] = {
            "classes": self.classes_.copy(),
            "names": self.names_.copy(),
            "n_channels": np.array([self._n_channels]),
        }
        if len(self._fitted) > 1:
            own |= self.lda_.state()
        for k, view in enumerate(self._fitted):
            own |= {f"view{k}_{name}": array for name, array in view.state().items()}
        return own

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take fitted arrays as `state` returned them.

        Raises
        ------
        ValueError
            If one is absent or of another kind.
        """
        classes, names = taken(state, "classes", 1, "U"), taken(state, "names", 1, "U")
        self._n_channels = int(taken(state, "n_channels", 1, "iu")[0])
        fitted = [View(str(name), self.rate_hz) for name in names]
        for k, view in enumerate(fitted):
            mark = f"view{k}_"
            view.restore({n.removeprefix(mark): array for n, array in state.items() if n.startswith(mark)})
        if len(fitted) > 1:
            self.lda_ = ShrinkageLda.restore(state)
        self.classes_, self.names_, self._fitted = classes, names, fitted
        return self
