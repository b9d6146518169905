"""Linear discriminant analysis of few trials: one covariance for all classes, shrunk, and equal priors.

References
----------
Fisher 1936, Ann. Eugenics 7:179, DOI 10.1111/j.1469-1809.1936.tb02137.x.
Ledoit & Wolf 2004, J. Multivar. Anal. 88:365, DOI 10.1016/S0047-259X(03)00096-4.
Blankertz et al. 2011, NeuroImage 56:814, DOI 10.1016/j.neuroimage.2010.06.048 (shrinkage for single trials).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.covariance import ledoit_wolf

from volo_decoders.scored import checked_labels, taken

__all__ = ["ShrinkageLda", "class_targets"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ShrinkageLda:
    """A fitted discriminant.

    Attributes
    ----------
    mean, scale : ndarray, shape (n_features,)
        Features are shifted and divided by these: the mean of the class means, the spread within classes.
    weights : ndarray, shape (n_classes, n_features)
        Of the shifted and divided features.
    bias : ndarray, shape (n_classes,)
        Added to the weighted sums.
    """

    mean: Array
    scale: Array
    weights: Array
    bias: Array

    @classmethod
    def fit(cls, features: Array, targets: NDArray[np.intp]) -> ShrinkageLda:
        """Fit to features, shape (n_trials, n_features), of classes ``targets`` 0, 1, ..., shape (n_trials,).

        Classes count equally, however many trials each has: in cued trials the counts are the experimenter's choice,
        and in leaving trials out they point away from the class that was left out.
        """
        n_classes = int(targets.max()) + 1
        means = np.stack([features[targets == k].mean(axis=0) for k in range(n_classes)])
        within = features - means[targets]
        scale = np.sqrt((within**2).mean(axis=0))
        scale[scale == 0.0] = 1.0
        covariance, _ = ledoit_wolf(within / scale, assume_centered=True)
        mean = means.mean(axis=0)
        centres = (means - mean) / scale
        # a feature that never varied has variance 0 here; the ridge only matters then
        covariance += 1e-12 * np.eye(len(scale))
        weights = np.linalg.solve(covariance, centres.T).T
        return cls(mean, scale, np.ascontiguousarray(weights), -0.5 * (weights * centres).sum(axis=1))

    def scores(self, features: Array) -> Array:
        """Return scores, shape (n_classes,), of one trial's features; their softmax is the posterior probability."""
        out: Array = self.weights @ ((features - self.mean) / self.scale) + self.bias
        return out

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of the arrays."""
        return {
            "lda_mean": self.mean.copy(),
            "lda_scale": self.scale.copy(),
            "lda_weights": self.weights.copy(),
            "lda_bias": self.bias.copy(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> ShrinkageLda:
        """Take arrays as `state` returned them."""
        return cls(
            taken(state, "lda_mean", 1, "f"),
            taken(state, "lda_scale", 1, "f"),
            taken(state, "lda_weights", 2, "f"),
            taken(state, "lda_bias", 1, "f"),
        )


def class_targets(y: ArrayLike | None, n_trials: int) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Return the classes, sorted, and each trial's index into them.

    Raises
    ------
    ValueError
        If there are fewer than two classes, or a class has fewer than two trials.
    """
    labels = checked_labels(y, n_trials).astype(np.str_)
    classes, targets, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"y: got {len(classes)} classes ({', '.join(classes)}), at least two are needed: record the others"
        )
    rare = classes[counts < 2]
    if len(rare):
        raise ValueError(f"y: got a single trial of {', '.join(rare)}, each class needs at least two: record more")
    return classes, targets.astype(np.intp)
