"""Following a drifting signal without labels: the mean covariance moves with the windows, and each is seen against it.

Only the past and the window itself are looked at. What it may do is bounded: where the mean wanders further from the
calibration than the calibration's own trials scatter, or the decoder grows less sure than it was, it goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.imagery.manifold import geodesic, inverse_root, tangent_vector
from volo_decoders.scored import taken

__all__ = ["METHODS", "Calibrated", "Recentring"]

Array = NDArray[np.float64]
#: How the mean is taken and moved.
METHODS = ("riemann", "euclid")


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What adaptation may not leave.

    Attributes
    ----------
    mean : ndarray, shape (n, n)
        Mean covariance in calibration.
    radius : float
        How far the calibration's own trials lie from it: the 95th percentile of their distances.
    least_confidence : float
        The smallest mean confidence of so many trials in a row that calibration makes plausible.
    """

    mean: Array
    radius: float
    least_confidence: float


class Recentring:
    """A mean that moves with the trials, starting at the calibration's.

    Parameters
    ----------
    calibrated : Calibrated
        Start and bounds.
    method : {"riemann", "euclid"}
        The geodesic between mean and new matrix, or the straight line.
    k0 : float
        How many trials the calibration's mean counts for.

    References
    ----------
    Zanini et al. 2018, IEEE Trans. Biomed. Eng. 65:1107, DOI 10.1109/TBME.2017.2742541 (recentring).
    He & Wu 2020, IEEE Trans. Biomed. Eng. 67:399, DOI 10.1109/TBME.2019.2913914 (Euclidean alignment).
    Kumar, Yger & Lotte 2019, Proc. IEEE SMC 2019:3079, DOI 10.1109/SMC.2019.8914469 (online, unsupervised).
    """

    #: Trials whose mean confidence is compared with the calibration's.
    N_CONFIDENCE = 12

    def __init__(self, calibrated: Calibrated, method: str = "riemann", k0: float = 4.0) -> None:
        if method not in METHODS:
            raise ValueError(f"method: got {method!r}, allowed are {', '.join(METHODS)}")
        if not k0 > 0.0:
            raise ValueError(f"k0: got {k0}, it must be positive")
        self._calibrated, self._method, self._k0 = calibrated, method, k0
        self._home = inverse_root(calibrated.mean)
        #: How often it went back to the calibration.
        self.n_reverted = 0
        self._restart()

    def _restart(self) -> None:
        self._mean, self.n_trials = self._calibrated.mean, 0
        self._confidences: list[float] = []

    def whitener(self, matrix: Array) -> Array:
        """Return what whitens a window's covariance: the mean of the past and of this window, which is not kept."""
        moved = self._moved(matrix)
        return self._home if self._is_astray(moved) else inverse_root(moved)

    def commit(self, matrix: Array, confidence: float) -> None:
        """Keep a trial: its covariance, and how sure the decoder was of it, 0 to 1."""
        moved = self._moved(matrix)
        self._confidences = [*self._confidences, confidence][-self.N_CONFIDENCE :]
        unsure = (
            len(self._confidences) == self.N_CONFIDENCE
            and float(np.mean(self._confidences)) < self._calibrated.least_confidence
        )
        if unsure or self._is_astray(moved):
            self.n_reverted += 1
            self._restart()
        else:
            self._mean, self.n_trials = moved, self.n_trials + 1

    def _moved(self, matrix: Array) -> Array:
        share = 1.0 / (self.n_trials + 1.0 + self._k0)
        if self._method == "riemann":
            return geodesic(self._mean, matrix, share)
        straight: Array = (1.0 - share) * self._mean + share * matrix
        return straight

    def _is_astray(self, mean: Array) -> bool:
        return float(np.linalg.norm(tangent_vector(mean, self._home))) > self._calibrated.radius

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of what moved, as arrays."""
        return {
            "moving_mean": self._mean.copy(),
            "moving_counts": np.array([self.n_trials, self.n_reverted]),
            "moving_confidences": np.array(self._confidences, np.float64),
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take them again."""
        self._mean = taken(state, "moving_mean", 2, "f")
        self.n_trials, self.n_reverted = (int(n) for n in taken(state, "moving_counts", 1, "iu"))
        self._confidences = [float(c) for c in taken(state, "moving_confidences", 1, "f")]
