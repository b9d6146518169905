"""CCA weighed by what recorded participants teach: SSVEP without calibration of the person who uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.choice import ConditionalLogit, softmax
from volo_decoders.scored import ScoredClassifier, calibration_windows, checked_windows, taken
from volo_decoders.ssvep.references import ReferenceBases, centred, orthonormal_basis
from volo_decoders.ssvep.targets import frequencies_of, target_names

__all__ = ["TransferCCA"]


class TransferCCA(ScoredClassifier):
    """Weigh canonical correlations of several kinds by what they were worth in recorded participants.

    FBCCA adds correlations of sub-bands with weights that were once chosen for one data set. Here windows of *other
    people* with known targets decide: for each class the log odds ``log(r^2 / (1 - r^2))`` of canonical correlations
    are taken in each sub-band, for each number of harmonics, for the whole window and for its later part (the eyes may
    arrive late), and a conditional logit with a ridge learns how much each speaks for a class, and which class looks
    strong although nobody looks at it (alpha near 13 Hz). The same weights hold for all classes and for every person;
    frequencies, not places on the head or phases, are what is transferred.

    With ``online``, each person is compared with themselves: what a class's features are on average over the person's
    trials so far, whatever the person looked at, is taken off, as far as classes differ in it. No label is used and no
    order; it takes for granted that in the long run all classes are looked at about equally often, and must be left
    off where one command is wanted far more often than others.

    Scores are utilities: their softmax (`predict_proba`) is a probability, for windows like those fitted on.

    Parameters
    ----------
    frequencies_hz : list of float
        Flicker frequency of each class.
    class_names : list of str, optional
        Their labels, in the same order; by default the frequencies as texts.
    rate_hz : float
        Sampling rate of the windows.
    n_bands : int
        Sub-bands in the windows.
    harmonics : list of int
        Numbers of harmonics in the references, the fundamental counted.
    n_correlations : int
        How many canonical correlations of each kind, largest first.
    late_parts : list of float
        Shares of the window whose ends are looked at once more on their own; may be empty.
    ridge : float
        Strength of the penalty on weights.
    shares : list of float
        Weights are learnt for windows of these shares of those fitted on; a window is scored with the nearest.
    online : bool
        Learn each person's averages while used.
    prior_trials : float
        So many trials is the average over recorded participants worth to begin with.

    Attributes
    ----------
    classes_ : ndarray of str, shape (n_classes,)
        Labels in the order given.
    weights_ : ndarray of float64, shape (n_shares, n_features)
        What one standard deviation of each feature is worth.

    References
    ----------
    Chen et al. 2015, J. Neural Eng. 12:046008, DOI 10.1088/1741-2560/12/4/046008 (correlations of sub-bands).
    Yuan et al. 2015, J. Neural Eng. 12:046006, DOI 10.1088/1741-2560/12/4/046006 (transfer from other people).
    """

    needs_calibration = True
    calibration_trials = 2
    phase_locked = False
    least_valid_fraction = 0.8

    def __init__(
        self,
        frequencies_hz: Sequence[float],
        class_names: Sequence[str] | None = None,
        *,
        rate_hz: float,
        n_bands: int = 3,
        harmonics: Sequence[int] = (2, 3),
        n_correlations: int = 1,
        late_parts: Sequence[float] = (0.5, 0.6, 0.75),
        ridge: float = 200.0,
        shares: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
        online: bool = False,
        prior_trials: float = 30.0,
    ) -> None:
        self.frequencies_hz = frequencies_hz
        self.class_names = class_names
        self.rate_hz = rate_hz
        self.n_bands = n_bands
        self.harmonics = harmonics
        self.n_correlations = n_correlations
        self.late_parts = late_parts
        self.ridge = ridge
        self.shares = shares
        self.online = online
        self.prior_trials = prior_trials

    @property
    def adapts(self) -> bool:
        """Whether `adapt` is to be called."""
        return self.online

    def fit(
        self, X: NDArray[np.floating[Any]] | None, y: ArrayLike | None, participants: ArrayLike | None = None
    ) -> Self:
        """Learn the weights from windows of other people.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_bands * n_channels, n_samples)
            Windows of all of them together.
        y : array_like of str, shape (n_trials,)
            Labels; every class must be there twice or more.
        participants : array_like, shape (n_trials,), optional
            Whose window it is; for ``online``, which without it takes them for one person's.

        Raises
        ------
        ValueError
            If a parameter makes no sense, a class is missing, or windows or labels do not fit.
        """
        classes = self._checked_classes()
        X, labels, there, _ = calibration_windows(X, y, self.n_bands, "TransferCCA")
        frequencies_of(there, self.frequencies_hz, self.class_names)
        if len(there) < len(classes):
            raise ValueError(f"y: got windows of {there.tolist()}, expected all classes {classes.tolist()}")
        self._bases = ReferenceBases([float(f) for f in self.frequencies_hz], self.rate_hz, max(self.harmonics))
        lengths = np.array([round(share * X.shape[2]) for share in self.shares])
        self._check_length(X.shape[1], int(lengths.min()))
        chosen = np.array([classes.tolist().index(str(label)) for label in labels])
        people = np.zeros(len(X)) if participants is None else np.asarray(participants)
        if people.shape != (len(X),):
            raise ValueError(f"participants: got shape {people.shape}, expected one for each of {len(X)} windows")
        models, averages = [], []
        for n in lengths:
            features = np.stack([self._features(w[:, :n]) for w in X])
            averages.append(features.mean(axis=0))
            if self.online:
                for person in np.unique(people):
                    own = people == person
                    features[own] -= self._offset(averages[-1], features[own].sum(axis=0), int(own.sum()))
            models.append(ConditionalLogit.fit(features, chosen, self.ridge))
        self._averages = np.ascontiguousarray(np.stack(averages))
        self._sums, self._count = np.zeros(self._averages.shape), 0
        self._take(classes, lengths, models, X.shape[1] // self.n_bands)
        return self

    def adapt(self, window: NDArray[np.floating[Any]]) -> None:
        """Take a window of the person who uses it, shape (n_rows, n_samples), into the person's averages."""
        window = checked_windows(window[None])[0]
        self._check_shape(*window.shape)
        for k, n in enumerate(self._lengths):
            cut = window[:, : min(int(n), window.shape[1])]
            self._sums[k] += self._features(cut)
        self._count += 1

    def _personal_offset(self, k: int) -> NDArray[np.float64]:
        """Return what is taken off the features of windows of the k-th length by now."""
        return self._offset(self._averages[k], self._sums[k], self._count)

    def _offset(self, average: NDArray[np.float64], sums: NDArray[np.float64], count: int) -> NDArray[np.float64]:
        """Return what a person's classes differ in on average, whichever is looked at, (n_classes, n_features)."""
        own = (self.prior_trials * average + sums) / (self.prior_trials + count)
        difference: NDArray[np.float64] = own - own.mean(axis=0)
        return difference

    def predict_proba(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of each class, shape (n_trials, n_classes)."""
        return softmax(self.decision_function(X))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the fitted arrays: class labels, lengths, and the weights of each length."""
        return {
            "classes": self.classes_.copy(),
            "lengths": self._lengths.copy(),
            "n_channels": np.array([self._n_channels]),
            "averages": self._averages.copy(),
            "sums": self._sums.copy(),
            "count": np.array([self._count]),
            **{
                name: np.stack([getattr(model, name) for model in self._models])
                for name in ("weights", "centre", "scale", "biases")
            },
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        """Take what `state` returned.

        Raises
        ------
        ValueError
            If it belongs to other classes, or arrays are missing or do not fit.
        """
        classes = self._checked_classes()
        saved = taken(state, "classes", 1, "U")
        if saved.tolist() != classes.tolist():
            raise ValueError(f"state['classes']: got {saved.tolist()}, the parameters name {classes.tolist()}")
        lengths, n_channels = taken(state, "lengths", 1, "i"), taken(state, "n_channels", 1, "i")
        parts = [taken(state, name, 2, "f") for name in ("weights", "centre", "scale", "biases")]
        if {len(part) for part in parts} != {len(lengths)} or parts[3].shape[1] != len(classes):
            raise ValueError(f"state: got {[p.shape for p in parts]}, expected {len(lengths)} rows of each")
        self._averages, self._sums = taken(state, "averages", 3, "f"), taken(state, "sums", 3, "f")
        self._count = int(taken(state, "count", 1, "i")[0])
        self._bases = ReferenceBases([float(f) for f in self.frequencies_hz], self.rate_hz, max(self.harmonics))
        models = [ConditionalLogit(*rows) for rows in zip(*parts, strict=True)]
        self._take(classes, lengths, models, int(n_channels[0]))
        return self

    def _take(
        self, classes: NDArray[np.str_], lengths: NDArray[np.intp], models: list[ConditionalLogit], n_channels: int
    ) -> None:
        # Each in memory of its own, fitted or restored: products then give the same bits.
        parts = ((m.weights.copy(), m.centre.copy(), m.scale.copy(), m.biases.copy()) for m in models)
        self._lengths, self._models, self._n_channels = lengths, [ConditionalLogit(*p) for p in parts], n_channels
        self.weights_ = np.stack([model.weights for model in models])
        self.classes_ = classes

    def _checked_classes(self) -> NDArray[np.str_]:
        if not len(self.harmonics) or min(self.harmonics) < 1:
            raise ValueError(f"harmonics: got {list(self.harmonics)}, at least one number of 1 or more is needed")
        if self.n_correlations < 1:
            raise ValueError(f"n_correlations: got {self.n_correlations}, it must be at least 1")
        if not all(0.0 < part < 1.0 for part in self.late_parts):
            raise ValueError(f"late_parts: got {list(self.late_parts)}, shares above 0 and below 1 are needed")
        if not self.prior_trials > 0.0:
            raise ValueError(f"prior_trials: got {self.prior_trials}, it must be positive")
        if not self.ridge > 0.0:
            raise ValueError(f"ridge: got {self.ridge}, it must be positive")
        if not len(self.shares) or not all(0.0 < share <= 1.0 for share in self.shares):
            raise ValueError(f"shares: got {list(self.shares)}, numbers above 0 up to 1 are needed")
        return target_names(self.frequencies_hz, self.class_names)

    def _check_length(self, n_rows: int, n_samples: int) -> None:
        least = n_rows // self.n_bands + 2 * max(self.harmonics) + 2
        if round(n_samples * min(self.late_parts, default=1.0)) < least:
            raise ValueError(
                f"X: got windows of {n_samples} samples; the shortest part that is looked at needs {least}: give "
                "longer windows, fewer harmonics or larger shares"
            )

    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        if n_rows != self.n_bands * self._n_channels:
            raise ValueError(f"X: got {n_rows} channels, fitted on {self.n_bands} bands of {self._n_channels}")
        self._check_length(n_rows, n_samples)

    def _features(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the log odds of all correlations, shape (n_classes, n_features)."""
        n_samples = window.shape[1]
        parts = [window, *(window[:, n_samples - round(part * n_samples) :] for part in self.late_parts)]
        features = []
        for part in parts:
            n_rows, n = part.shape
            columns = centred(part).reshape(self.n_bands, -1, n).swapaxes(1, 2)
            basis = orthonormal_basis(columns, float(np.finfo(part.dtype).eps))
            products = basis.swapaxes(1, 2).reshape(n_rows, n) @ self._bases.of_length(n)
            cosines = products.reshape(self.n_bands, n_rows // self.n_bands, len(self.frequencies_hz), -1)
            for n_harmonics in self.harmonics:
                # A basis of the first harmonics is the first part of the basis of all: both come from one QR.
                few = cosines[..., : 2 * n_harmonics].transpose(2, 0, 1, 3)
                gram = few @ few.swapaxes(2, 3) if few.shape[2] < few.shape[3] else few.swapaxes(2, 3) @ few
                powers = np.clip(np.linalg.eigvalsh(gram)[..., : -self.n_correlations - 1 : -1], 1e-9, 1.0 - 1e-9)
                features.append(np.log(powers / (1.0 - powers)).reshape(len(powers), -1))
        return np.concatenate(features, axis=1)

    def _score(self, window: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        nearest = int(np.abs(self._lengths - window.shape[1]).argmin())
        features = self._features(window)
        if self.online:
            features = features - self._personal_offset(nearest)
        return self._models[nearest].utilities(features)
