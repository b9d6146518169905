"""How good decisions were: accuracy and its bounds, confusion, and information transfer rate.

Abstentions are ``None`` among the predictions; they count as not right.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri

__all__ = ["accuracy", "chance_upper", "confusion_matrix", "itr_bits_per_min", "wilson_interval"]


def itr_bits_per_min(accuracy: float, n_classes: int, seconds_per_selection: float) -> float:
    """Return the information transfer rate of a speller, after Wolpaw.

    ``(log2 M + P log2 P + (1 - P) log2((1 - P) / (M - 1))) * 60 / T``. Publish the accuracy beside it: the formula
    takes all classes for equally likely and all errors for evenly spread, and the rate of a mean accuracy is not the
    mean of the rates.

    Parameters
    ----------
    accuracy : float
        Share of selections that were right, 0 to 1; at chance (``1 / n_classes``) or below, the rate is 0.
    n_classes : int
        Number of targets, at least 2.
    seconds_per_selection : float
        From one selection to the next: window, gaze shift, and whatever else passes.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    Wolpaw et al. 2002, Clin. Neurophysiol. 113:767, DOI 10.1016/S1388-2457(02)00057-3.
    """
    _check_classes(n_classes)
    if not 0.0 <= accuracy <= 1.0:
        raise ValueError(f"accuracy: got {accuracy}, it must be between 0 and 1")
    if not (math.isfinite(seconds_per_selection) and seconds_per_selection > 0.0):
        raise ValueError(f"seconds_per_selection: got {seconds_per_selection}, it must be positive")
    if accuracy <= 1.0 / n_classes:
        return 0.0
    bits = math.log2(n_classes) + accuracy * math.log2(accuracy)
    if accuracy < 1.0:
        bits += (1.0 - accuracy) * math.log2((1.0 - accuracy) / (n_classes - 1))
    return max(bits, 0.0) * 60.0 / seconds_per_selection


def chance_upper(n_trials: int, n_classes: int, alpha: float = 0.05) -> float:
    """Return the smallest accuracy that is significantly above chance.

    It is ``k / n_trials`` with the smallest k that guessing among `n_classes` reaches or passes with probability below
    `alpha` (one-sided binomial test); infinity where even all right would prove nothing.

    References
    ----------
    Mueller-Putz et al. 2008, Better than random?, Int. J. Bioelectromagn. 10:52.
    Combrisson & Jerbi 2015, J. Neurosci. Methods 250:126, DOI 10.1016/j.jneumeth.2015.01.010.
    """
    _check_classes(n_classes)
    if n_trials < 1:
        raise ValueError(f"n_trials: got {n_trials}, it must be at least 1")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha: got {alpha}, it must be between 0 and 1")
    k = np.arange(1, n_trials + 1)
    reached = betainc(k, n_trials - k + 1, 1.0 / n_classes)  # P(at least k right)
    enough = np.flatnonzero(reached < alpha)
    return float(k[enough[0]] / n_trials) if len(enough) else math.inf


def wilson_interval(n_right: int, n_trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of an accuracy.

    Parameters
    ----------
    n_right, n_trials : int
        Right trials, and all.
    confidence : float
        Coverage, 0 to 1.

    Returns
    -------
    low, high : float
        Bounds within 0 to 1.

    References
    ----------
    Wilson 1927, J. Am. Stat. Assoc. 22:209, DOI 10.1080/01621459.1927.10502953.
    """
    if n_trials < 1:
        raise ValueError(f"n_trials: got {n_trials}, it must be at least 1")
    if not 0 <= n_right <= n_trials:
        raise ValueError(f"n_right: got {n_right}, it must be between 0 and n_trials = {n_trials}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: got {confidence}, it must be between 0 and 1")
    z = float(ndtri(0.5 + confidence / 2.0))
    share = n_right / n_trials
    centre = share + z * z / (2.0 * n_trials)
    half = z * math.sqrt(share * (1.0 - share) / n_trials + z * z / (4.0 * n_trials * n_trials))
    scale = 1.0 + z * z / n_trials
    low = 0.0 if n_right == 0 else max((centre - half) / scale, 0.0)
    high = 1.0 if n_right == n_trials else min((centre + half) / scale, 1.0)
    return low, high


def accuracy(y_true: Sequence[Any] | NDArray[Any], y_pred: Sequence[Any] | NDArray[Any]) -> float:
    """Return the share of `y_pred` that equals `y_true`; an abstention (None) is not right.

    Raises
    ------
    ValueError
        If there are no trials, or not one prediction for each.
    """
    true, pred = _pairs(y_true, y_pred)
    return sum(1 for a, b in zip(true, pred, strict=True) if a == b) / len(true)


def confusion_matrix(
    y_true: Sequence[Any] | NDArray[Any],
    y_pred: Sequence[Any] | NDArray[Any],
    labels: Sequence[Hashable] | NDArray[Any],
    abstained: bool = False,
) -> NDArray[np.int64]:
    """Count how often each class was taken for each.

    Parameters
    ----------
    y_true, y_pred : sequence of labels, shape (n_trials,)
        What was and what was decided.
    labels : sequence
        Classes, in the order of rows and columns.
    abstained : bool
        Add a last column that counts abstentions (None); without it they are an error.

    Returns
    -------
    counts : ndarray of int64, shape (n_classes, n_classes) or (n_classes, n_classes + 1)
        Row: true class; column: predicted class.

    Raises
    ------
    ValueError
        If a label is not among `labels`, or one is there twice.
    """
    order = {_plain(label): i for i, label in enumerate(labels)}
    n = len(labels)
    if len(order) != n:
        raise ValueError(f"labels: got {list(labels)}, each must be there once")
    columns = {**order, None: n} if abstained else order
    true, pred = _pairs(y_true, y_pred)
    unknown = {repr(a) for a in true if a not in order} | {repr(b) for b in pred if b not in columns}
    if unknown:
        raise ValueError(f"got labels {', '.join(sorted(unknown))}, known are {list(order)}")
    counts = np.zeros((n, n + abstained), dtype=np.int64)
    np.add.at(counts, ([order[a] for a in true], [columns[b] for b in pred]), 1)
    return counts


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _pairs(y_true: Sequence[Any] | NDArray[Any], y_pred: Sequence[Any] | NDArray[Any]) -> tuple[list[Any], list[Any]]:
    true, pred = [_plain(v) for v in y_true], [_plain(v) for v in y_pred]
    if not true:
        raise ValueError("y_true: got no trials, at least one is needed")
    if len(true) != len(pred):
        raise ValueError(f"y_pred: got {len(pred)} predictions for {len(true)} trials")
    return true, pred


def _check_classes(n_classes: int) -> None:
    if n_classes < 2:
        raise ValueError(f"n_classes: got {n_classes}, it must be at least 2")
