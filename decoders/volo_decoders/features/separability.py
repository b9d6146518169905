"""How well each feature tells classes apart, and how much of that chance explains.

Features are shape (n_trials, ...): channel by frequency, by time, whatever; a map has the shape of one trial's
features. Two classes or more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata, t

__all__ = [
    "SCORES",
    "PermutationMap",
    "Profile",
    "auc",
    "class_profiles",
    "fisher_score",
    "mutual_information",
    "permutation_map",
    "r2",
    "rejected_trials",
    "signed_r2",
]

Array = NDArray[np.float64]
Targets = NDArray[np.intp]


def _targets(y: ArrayLike, n_trials: int) -> tuple[NDArray[Any], Targets]:
    labels = np.asarray(y)
    if labels.shape != (n_trials,):
        raise ValueError(f"y: got shape {labels.shape}, expected ({n_trials},), one label for each trial")
    classes, targets, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"y: got {len(classes)} class, at least two are needed: record or choose runs of another class"
        )
    if counts.min() < 2:
        raise ValueError(
            f"y: got a single trial of {classes[counts.argmin()]}, each class needs at least two: record more"
        )
    return classes, targets.astype(np.intp)


def _flat(features: NDArray[Any], y: ArrayLike) -> tuple[Array, NDArray[Any], Targets]:
    values = np.asarray(features, np.float64)
    if values.ndim < 1 or not len(values):
        raise ValueError("features: got no trial; nothing is left after rejection: loosen the limit or record more")
    classes, targets = _targets(y, len(values))
    flat = values.reshape(len(values), -1)
    if not np.isfinite(flat).all():
        bad = int((~np.isfinite(flat)).any(axis=1).sum())
        raise ValueError(f"features: got NaN or infinity in {bad} of {len(flat)} trials, leave those trials out")
    return flat, classes, targets


def rejected_trials(X: NDArray[Any], limit: float = 5.0) -> NDArray[np.bool_]:
    """Return which trials are not to be used: not finite, flat, or far stronger than the rest; count them in reports.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_samples)
        Trials.
    limit : float
        Robust standard deviations (1.4826 times the median absolute deviation) of the logarithm of a trial's power
        above the median of all.
    """
    trials = np.asarray(X, np.float64)
    if trials.ndim != 3:
        raise ValueError(f"X: got shape {trials.shape}, expected (n_trials, n_channels, n_samples)")
    bad: NDArray[np.bool_] = np.logical_not(np.isfinite(trials).all(axis=(1, 2)))
    power = np.where(bad, 0.0, np.nan_to_num(trials).var(axis=2).mean(axis=1))
    bad |= power <= 0.0
    if (~bad).sum() >= 8:
        log = np.log(power[~bad])
        spread = max(1.4826 * float(np.median(np.abs(log - np.median(log)))), 1e-3)
        bad[~bad] = log > np.median(log) + limit * spread
    return bad


def _between_share(flat: Array, indicators: Array) -> Array:
    """Return the share of variance between classes; `indicators` (..., n_trials, n_classes) of zeros and ones."""
    centred = flat - flat.mean(axis=0)
    total = (centred**2).sum(axis=0)
    counts = indicators.sum(axis=-2)
    sums = np.swapaxes(indicators, -1, -2) @ centred
    between = (sums**2 / counts[..., None]).sum(axis=-2)
    return np.clip(np.where(total > 0.0, between / np.where(total > 0.0, total, 1.0), 0.0), 0.0, 1.0)


def _indicators(targets: Targets) -> Array:
    return np.eye(int(targets.max()) + 1)[targets]


def r2(features: NDArray[Any], y: ArrayLike) -> Array:
    """Return the share of each feature's variance that lies between the classes, 0 to 1.

    With two classes it is the squared correlation of feature and class; with more, the correlation ratio.

    References
    ----------
    Wonnacott & Wonnacott 1977, Introductory statistics; Blankertz et al. 2007, NeuroImage 37:539,
    DOI 10.1016/j.neuroimage.2007.01.051.
    """
    flat, _, targets = _flat(features, y)
    return _between_share(flat, _indicators(targets)).reshape(np.shape(features)[1:])


def signed_r2(features: NDArray[Any], y: ArrayLike) -> Array:
    """Return `r2` with the sign of the second class's mean minus the first's (classes sorted); two classes only."""
    flat, classes, targets = _flat(features, y)
    if len(classes) != 2:
        raise ValueError(f"y: got {len(classes)} classes, a sign needs two; use r2 or choose two classes")
    share = _between_share(flat, _indicators(targets))
    sign = np.sign(flat[targets == 1].mean(axis=0) - flat[targets == 0].mean(axis=0))
    return np.asarray(sign * share).reshape(np.shape(features)[1:])


def fisher_score(features: NDArray[Any], y: ArrayLike) -> Array:
    """Return the variance between class means over the mean variance within classes, weighted by trials.

    References
    ----------
    Duda, Hart & Stork 2001, Pattern classification, 2nd ed.; Gu, Li & Han 2012, arXiv:1202.3725.
    """
    share = r2(features, y)
    return np.asarray(share / np.maximum(1.0 - share, 1e-15))


def auc(features: NDArray[Any], y: ArrayLike) -> Array:
    """Return the area under the curve: the chance that a trial of the later class has the larger feature, ties half.

    With more than two classes it is the mean over pairs of ``max(auc, 1 - auc)``, so that 0.5 says nothing and 1 all.

    References
    ----------
    Hand & Till 2001, Mach. Learn. 45:171, DOI 10.1023/A:1010920819831.
    """
    flat, classes, targets = _flat(features, y)
    areas = []
    for a, b in combinations(range(len(classes)), 2):
        picked = (targets == a) | (targets == b)
        ranks = rankdata(flat[picked], axis=0)
        later = targets[picked] == b
        n_later, n_earlier = int(later.sum()), int((~later).sum())
        areas.append((ranks[later].sum(axis=0) - n_later * (n_later + 1) / 2.0) / (n_later * n_earlier))
    area = areas[0] if len(areas) == 1 else np.mean([np.maximum(a, 1.0 - a) for a in areas], axis=0)
    return np.asarray(area).reshape(np.shape(features)[1:])


def mutual_information(features: NDArray[Any], y: ArrayLike) -> Array:
    """Return the mutual information of feature and class, bits, by Parzen windows.

    Class densities are sums of Gaussians as wide as Silverman's rule says for that class; the posterior entropy is
    the mean over trials. Classes count as often as they occur.

    References
    ----------
    Ang et al. 2008, Filter bank common spatial pattern, Proc. IJCNN 2008:2390, DOI 10.1109/IJCNN.2008.4634130.
    Silverman 1986, Density estimation for statistics and data analysis.
    """
    flat, _, targets = _flat(features, y)
    n_trials, n_features = flat.shape
    n_classes = int(targets.max()) + 1
    joint = np.empty((n_classes, n_trials, n_features))
    spread = flat.std(axis=0)
    scaled = flat / np.where(spread > 0.0, spread, 1.0)
    for k in range(n_classes):
        own = scaled[targets == k]
        width = np.maximum(own.std(axis=0, ddof=1) * (4.0 / (3.0 * len(own))) ** 0.2, 1e-6)
        for start in range(0, n_features, 256):  # so that maps of thousands of cells fit in the memory
            part = slice(start, start + 256)
            z = (scaled[:, None, part] - own[None, :, part]) / width[part]
            joint[k, :, part] = np.exp(-0.5 * z**2).sum(axis=1) / width[part]
    joint /= n_trials
    posterior = joint / np.maximum(joint.sum(axis=0), 1e-300)
    entropy = (
        -np.where(posterior > 0.0, posterior * np.log2(np.maximum(posterior, 1e-300)), 0.0).sum(axis=0).mean(axis=0)
    )
    share = np.bincount(targets) / n_trials
    prior = -(share * np.log2(share)).sum()
    information = np.where(spread > 0.0, np.maximum(prior - entropy, 0.0), 0.0)
    return np.asarray(information).reshape(np.shape(features)[1:])


#: Scores by name; larger is better (`auc` as its distance from a half).
SCORES: Mapping[str, Callable[[NDArray[Any], ArrayLike], Array]] = {
    "r2": r2,
    "fisher": fisher_score,
    "mutual_information": mutual_information,
    "auc": lambda features, y: np.abs(auc(features, y) - 0.5),
}


@dataclass(frozen=True, slots=True, eq=False)
class PermutationMap:
    """An r² map with what chance reaches anywhere in it.

    Attributes
    ----------
    r2 : ndarray, shape of one trial's features
        Observed.
    p : ndarray, same shape
        Probability that the largest value of a map of permuted labels is at least as large: corrected for all cells.
    threshold : float
        The value whose corrected p is `alpha`.
    null_max : ndarray, shape (n_permutations,)
        Largest value of each permuted map.
    """

    r2: Array
    p: Array
    threshold: float
    null_max: Array


def permutation_map(
    features: NDArray[Any],
    y: ArrayLike,
    *,
    n_permutations: int = 1000,
    groups: ArrayLike | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> PermutationMap:
    """Return the r² map with p values corrected for all its cells, by the maximum of permuted maps.

    Parameters
    ----------
    features : ndarray, shape (n_trials, ...)
        Of any number of cells.
    y : array-like, shape (n_trials,)
        Labels.
    n_permutations : int
        The smallest p is ``1 / (n_permutations + 1)``.
    groups : array-like, shape (n_trials,), optional
        Runs; labels are permuted within each, so that drifts between runs explain nothing.
    alpha : float
        Level of `threshold`.
    seed : int
        Of the permutations.

    References
    ----------
    Nichols & Holmes 2002, Hum. Brain Mapp. 15:1, DOI 10.1002/hbm.1058.
    """
    if n_permutations < 1:
        raise ValueError(f"n_permutations: got {n_permutations}, it must be at least 1")
    flat, _, targets = _flat(features, y)
    runs = np.zeros(len(flat), np.intp) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if runs.shape != targets.shape:
        raise ValueError(f"groups: got shape {runs.shape}, expected {targets.shape}, one for each trial")
    observed = _between_share(flat, _indicators(targets))
    rng = np.random.default_rng(seed)
    indicators = _indicators(targets)
    null_max = np.empty(n_permutations)
    for start in range(0, n_permutations, 50):
        n = min(50, n_permutations - start)
        shuffled = np.tile(targets, (n, 1))
        for run in range(int(runs.max()) + 1):
            inside = np.flatnonzero(runs == run)
            shuffled[:, inside] = rng.permuted(shuffled[:, inside], axis=1)
        null_max[start : start + n] = _between_share(flat, indicators_of(shuffled, indicators.shape[1])).max(axis=1)
    ordered = np.sort(null_max)
    reached = n_permutations - np.searchsorted(ordered, observed * (1.0 - 1e-12), side="left")
    p = np.asarray((1.0 + reached) / (n_permutations + 1.0), np.float64)
    shape = np.shape(features)[1:]
    threshold = float(np.quantile(null_max, 1.0 - alpha, method="higher"))
    return PermutationMap(observed.reshape(shape), p.reshape(shape), threshold, null_max)


def indicators_of(targets: Targets, n_classes: int) -> Array:
    """Return zeros and ones, shape (*targets.shape, n_classes)."""
    return np.eye(n_classes)[targets]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One class's mean of each feature with its confidence band; shapes of one trial's features."""

    n_trials: int
    mean: Array
    low: Array
    high: Array


def class_profiles(features: NDArray[Any], y: ArrayLike, confidence: float = 0.95) -> dict[str, Profile]:
    """Return each class's mean and the band of Student's t around it; give it logarithms of power, not powers."""
    flat, classes, targets = _flat(features, y)
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: got {confidence}, it must be between 0 and 1")
    shape = np.shape(features)[1:]
    profiles = {}
    for k, label in enumerate(classes):
        own = flat[targets == k]
        mean = own.mean(axis=0)
        half = t.ppf(0.5 + confidence / 2.0, len(own) - 1) * own.std(axis=0, ddof=1) / np.sqrt(len(own))
        profiles[str(label)] = Profile(
            len(own), mean.reshape(shape), (mean - half).reshape(shape), (mean + half).reshape(shape)
        )
    return profiles
