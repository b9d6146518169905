"""Spread of a figure over subjects, and bootstrap intervals of means and of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Spread", "bootstrap_interval", "paired_interval", "spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """How a figure is spread over subjects.

    Attributes
    ----------
    mean, sd : float
        Mean of the subjects and standard deviation (n - 1); the deviation of one subject is 0.
    worst_tenth : float
        The tenth percentile, linearly interpolated.
    """

    mean: float
    sd: float
    worst_tenth: float


def spread(values: Sequence[float]) -> Spread:
    """Return mean, deviation and worst tenth of one figure for each subject.

    Raises
    ------
    ValueError
        If there are none, or one is not finite.
    """
    figures = _finite(values)
    sd = float(figures.std(ddof=1)) if len(figures) > 1 else 0.0
    return Spread(float(figures.mean()), sd, float(np.percentile(figures, 10)))


def bootstrap_interval(
    values: Sequence[float], *, confidence: float = 0.95, n_draws: int = 10000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean over subjects; whole subjects are drawn.

    Parameters
    ----------
    values : sequence of float
        One figure for each subject, at least two.
    confidence : float
        Coverage, 0 to 1.
    n_draws, seed : int
        Resamples, and the seed that makes them the same each time.

    Raises
    ------
    ValueError
        If there are fewer than two subjects, a figure is not finite, or a parameter is out of its range.

    References
    ----------
    Efron 1979, Ann. Statist. 7:1, DOI 10.1214/aos/1176344552.
    """
    figures = _finite(values)
    if len(figures) < 2:
        raise ValueError(f"values: got {len(figures)} subject, an interval over subjects needs at least 2")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: got {confidence}, it must be between 0 and 1")
    if n_draws < 1:
        raise ValueError(f"n_draws: got {n_draws}, it must be at least 1")
    drawn = np.random.default_rng(seed).integers(0, len(figures), (n_draws, len(figures)))
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(figures[drawn].mean(axis=1), [tail, 100.0 - tail])
    return float(low), float(high)


def paired_interval(
    values: Sequence[float],
    baseline: Sequence[float],
    *,
    confidence: float = 0.95,
    n_draws: int = 10000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of ``values - baseline``, subject by subject.

    Raises
    ------
    ValueError
        As `bootstrap_interval`, or if the two are not of the same subjects.
    """
    if len(values) != len(baseline):
        raise ValueError(f"baseline: got {len(baseline)} subjects for {len(values)}, they must be the same ones")
    gains = _finite(values) - _finite(baseline)
    return bootstrap_interval(list(gains), confidence=confidence, n_draws=n_draws, seed=seed)


def _finite(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    figures = np.array([float(v) for v in values])
    if not len(figures):
        raise ValueError("values: got no subjects, at least one is needed")
    if not np.isfinite(figures).all():
        raise ValueError("values: each must be finite")
    return figures
