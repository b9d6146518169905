"""Which features to use: by rank, by information, one after another, or those that are chosen again and again.

A selector returns the picked columns, the best first. Whatever accuracy is quoted for picked features must come from
`honest_accuracy`, which picks inside the folds and shows beside it what picking outside would have claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_decoders.features.separability import SCORES, mutual_information
from volo_decoders.imagery.lda import ShrinkageLda, class_targets

__all__ = [
    "SELECTORS",
    "HonestAccuracy",
    "best_combination",
    "best_n",
    "contiguous_folds",
    "cross_validated",
    "honest_accuracy",
    "mibif",
    "mrmr",
    "sequential",
    "stability",
    "sub_selection",
]

Array = NDArray[np.float64]
Columns = NDArray[np.intp]
#: Takes features (n_trials, n_features), labels and how many; returns columns.
Selector = Callable[[Array, ArrayLike, int], Columns]


def _checked(features: NDArray[Any], n: int) -> Array:
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or values.shape[1] < 1:
        raise ValueError(f"features: got shape {values.shape}, expected (n_trials, n_features)")
    if n < 1:
        raise ValueError(f"n: got {n}, at least one feature is to be picked")
    return values


def best_n(features: NDArray[Any], y: ArrayLike, n: int, score: str = "r2") -> Columns:
    """Return the `n` columns with the largest score, one of `volo_decoders.features.separability.SCORES`."""
    values = _checked(features, n)
    if score not in SCORES:
        raise ValueError(f"score: got {score!r}, allowed are {', '.join(SCORES)}")
    return np.argsort(-SCORES[score](values, y), kind="stable")[:n]


def mibif(features: NDArray[Any], y: ArrayLike, n: int) -> Columns:
    """Return the `n` columns with the most mutual information: best individual features.

    References
    ----------
    Ang et al. 2012, Front. Neurosci. 6:39, DOI 10.3389/fnins.2012.00039.
    """
    return best_n(features, y, n, "mutual_information")


def mrmr(features: NDArray[Any], y: ArrayLike, n: int) -> Columns:
    """Return columns that inform about the class and little about one another (difference criterion).

    Between features the information is that of Gaussians with their correlation, in bits.

    References
    ----------
    Peng, Long & Ding 2005, IEEE Trans. Pattern Anal. Mach. Intell. 27:1226, DOI 10.1109/TPAMI.2005.159.
    """
    values = _checked(features, n)
    relevance = mutual_information(values, y)
    centred = values - values.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=0), 1e-300)
    picked: list[int] = [int(relevance.argmax())]
    redundancy = np.zeros(values.shape[1])
    while len(picked) < min(n, values.shape[1]):
        correlation = np.clip(centred[:, picked[-1]] @ centred, -1.0 + 1e-9, 1.0 - 1e-9)
        redundancy += -0.5 * np.log2(1.0 - correlation**2)
        merit = relevance - redundancy / len(picked)
        merit[picked] = -np.inf
        picked.append(int(merit.argmax()))
    return np.array(picked, np.intp)


def sequential(features: NDArray[Any], y: ArrayLike, n: int, n_candidates: int = 40) -> Columns:
    """Return columns added one after another, each the one that lifts a discriminant's inner accuracy most.

    Inner folds are contiguous in the order of the trials; ties go to the larger margin. Only the `n_candidates` best by
    r² are tried.
    """
    values = _checked(features, n)
    candidates = list(best_n(values, y, n_candidates))
    folds = contiguous_folds(y, 5)
    picked: list[int] = []
    while candidates and len(picked) < n:
        merits = [_inner_merit(values[:, [*picked, c]], y, folds) for c in candidates]
        picked.append(int(candidates.pop(int(np.argmax(merits)))))
    return np.array(picked, np.intp)


def stability(
    features: NDArray[Any], y: ArrayLike, n: int, *, n_rounds: int = 100, least_share: float = 0.6, seed: int = 0
) -> Columns:
    """Return columns that are among the best in most random halves of the trials, the steadiest first.

    At least one column is returned, at most `n`: those picked (as one of the best `n` by r²) in a share `least_share`
    of the halves.

    References
    ----------
    Meinshausen & Buehlmann 2010, J. R. Stat. Soc. B 72:417, DOI 10.1111/j.1467-9868.2010.00740.x.
    """
    values = _checked(features, n)
    _, targets = class_targets(y, len(values))
    rng = np.random.default_rng(seed)
    counts = np.zeros(values.shape[1])
    for _ in range(n_rounds):
        half = np.concatenate(
            [
                rng.choice(own, max(2, len(own) // 2), replace=False)
                for own in (np.flatnonzero(targets == k) for k in range(int(targets.max()) + 1))
            ]
        )
        counts[best_n(values[half], targets[half], n)] += 1
    # the r² of all trials breaks ties
    order = np.argsort(-(counts + 0.5 * SCORES["r2"](values, targets)), kind="stable")
    steady = order[counts[order] >= least_share * n_rounds][:n]
    return steady if len(steady) else order[:1]


#: Selectors by name.
SELECTORS: Mapping[str, Selector] = {
    "r2": best_n,
    "mibif": mibif,
    "mrmr": mrmr,
    "sequential": sequential,
    "stability": stability,
}


def sub_selection(
    channels: Sequence[str],
    frequencies_hz: Sequence[float] | Array,
    only: Sequence[str] | None = None,
    bands_hz: Sequence[tuple[float, float]] | None = None,
) -> NDArray[np.bool_]:
    """Return which cells of a (channel, frequency) map may be picked, shape (n_channels, n_frequencies).

    Raises
    ------
    ValueError
        If a channel is not there, or nothing is left.
    """
    missing = sorted(set(only or ()) - set(channels))
    if missing:
        raise ValueError(f"only: got {', '.join(missing)}, channels are {', '.join(channels)}")
    row = np.array([only is None or name in only for name in channels])
    f = np.asarray(frequencies_hz, np.float64)
    column = np.ones(len(f), bool)
    if bands_hz is not None:
        column = np.any([(f >= low) & (f <= high) for low, high in bands_hz] or [np.zeros(len(f), bool)], axis=0)
    mask: NDArray[np.bool_] = row[:, None] & column[None, :]
    if not mask.any():
        raise ValueError("sub-selection: nothing is left, widen the bands or take more channels")
    return mask


def contiguous_folds(y: ArrayLike, n_folds: int) -> Columns:
    """Return a fold for each trial: stretches of each class in time order, so that every fold holds every class."""
    labels = np.asarray(y)
    folds = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        folds[own] = np.arange(len(own)) * min(n_folds, len(own)) // len(own)
    return folds


def _predicted(train: Array, targets: Columns, test: Array) -> tuple[Columns, Array]:
    lda = ShrinkageLda.fit(train, targets)
    scores = np.array([lda.scores(row) for row in test]).reshape(len(test), -1)
    return scores.argmax(axis=1), scores


def _inner_merit(features: Array, y: ArrayLike, folds: Columns) -> float:
    """Return the inner accuracy, plus a little for the margin."""
    _, targets = class_targets(y, len(features))
    right, margin = 0, 0.0
    for fold in np.unique(folds):
        test = folds == fold
        if len(np.unique(targets[~test])) <= targets.max():
            continue
        guess, scores = _predicted(features[~test], targets[~test], features[test])
        right += int((guess == targets[test]).sum())
        margin += float(np.tanh(scores[np.arange(len(guess)), targets[test]] - scores.max(axis=1)).sum())
    return (right + 1e-3 * margin) / len(features)


@dataclass(frozen=True, slots=True, eq=False)
class HonestAccuracy:
    """An accuracy of picked features, and what a leak would have made of it.

    Attributes
    ----------
    inside : float
        Picked anew in each fold's training trials: the one to quote.
    outside : float
        Picked once on all trials, test trials included, then cross-validated: flattered.
    picked : tuple of ndarray
        Columns of each fold.
    predicted : ndarray of str, shape (n_trials,)
        Of `inside`.
    """

    inside: float
    outside: float
    picked: tuple[Columns, ...]
    predicted: NDArray[np.str_]

    @property
    def optimism(self) -> float:
        """How much picking outside the folds flatters."""
        return self.outside - self.inside


def cross_validated(
    features: NDArray[Any], y: ArrayLike, folds: ArrayLike, pick: Callable[[Array, NDArray[np.str_]], Columns]
) -> tuple[float, list[Columns], NDArray[np.str_]]:
    """Return accuracy, picked columns of each fold, and predictions; `pick` sees the training trials only."""
    values = _checked(features, 1)
    classes, targets = class_targets(y, len(values))
    labels, fold_of = classes[targets], np.asarray(folds)
    predicted = np.empty(len(values), classes.dtype)
    chosen = []
    for fold in np.unique(fold_of):
        test = fold_of == fold
        if set(np.unique(targets[~test])) != set(range(len(classes))):
            raise ValueError(f"folds: without fold {fold} a class is missing from training: use fewer, larger folds")
        columns = pick(values[~test], labels[~test])
        guess, _ = _predicted(values[~test][:, columns], targets[~test], values[test][:, columns])
        predicted[test] = classes[guess]
        chosen.append(columns)
    return float((predicted == labels).mean()), chosen, predicted


def honest_accuracy(
    features: NDArray[Any], y: ArrayLike, folds: ArrayLike, n: int, select: str | Selector = "r2"
) -> HonestAccuracy:
    """Cross-validate a discriminant on `n` features that are picked inside the folds, and outside for comparison.

    Parameters
    ----------
    features : ndarray, shape (n_trials, n_features)
        Any mixture: log powers, node strengths.
    y, folds : array-like, shape (n_trials,)
        Labels, and the fold that each trial is tested in (runs or stretches of time, not shuffled).
    n : int
        How many features.
    select : str or callable
        One of `SELECTORS`, or a selector.

    References
    ----------
    Ambroise & McLachlan 2002, Proc. Natl. Acad. Sci. 99:6562, DOI 10.1073/pnas.102102699 (selection bias).
    """
    if isinstance(select, str) and select not in SELECTORS:
        raise ValueError(f"select: got {select!r}, allowed are {', '.join(SELECTORS)}")
    selector = SELECTORS[select] if isinstance(select, str) else select
    inside, picked, predicted = cross_validated(features, y, folds, lambda f, t: selector(f, t, n))
    everything = selector(np.asarray(features, np.float64), np.asarray(y), n)
    outside, _, _ = cross_validated(features, y, folds, lambda f, t: everything)
    return HonestAccuracy(inside, outside, tuple(picked), predicted)


def best_combination(
    features: NDArray[Any], y: ArrayLike, folds: ArrayLike, candidates: Sequence[int], largest: int = 3
) -> HonestAccuracy:
    """Search all combinations of up to `largest` candidates, nested: each fold's search sees its training trials only.

    Parameters
    ----------
    features, y, folds
        As in `honest_accuracy`.
    candidates : sequence of int
        Columns to combine, at most 12.
    largest : int
        Most columns in a combination.
    """
    if not 1 <= len(candidates) <= 12:
        raise ValueError(f"candidates: got {len(candidates)}, from 1 to 12 can be searched")
    combos = [c for size in range(1, largest + 1) for c in combinations(candidates, size)]

    def search(values: Array, labels: ArrayLike, n: int) -> Columns:
        inner = contiguous_folds(labels, 5)
        return np.array(
            combos[int(np.argmax([_inner_merit(values[:, list(c)], labels, inner) for c in combos]))], np.intp
        )

    return honest_accuracy(features, y, folds, largest, search)
