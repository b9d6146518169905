"""Which of two talkers is attended: correlation with both envelopes, and how sure that makes one.

Not here: the reconstruction itself (`volo_decoders.speech.trf`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from volo_decoders.speech.trf import pearson

__all__ = ["AttentionModel", "fit_attention", "margin"]

Array = NDArray[np.float64]
#: Correlations are kept this far from +-1, where Fisher's transform is infinite.
_EDGE = 1e-9


def margin(r_a: float, r_b: float) -> float:
    """Return the difference of two correlations after Fisher's transform; positive speaks for the first."""
    limit = 1.0 - _EDGE
    return math.atanh(min(max(r_a, -limit), limit)) - math.atanh(min(max(r_b, -limit), limit))


@dataclass(frozen=True, slots=True)
class AttentionModel:
    """How the margin is distributed when the first talker is attended: normal, mean up, spread with the window.

    With the second talker attended it is the mirror image. The mean does not depend on the window's length, the
    variance goes with one over it, so one window length tells of all.

    Attributes
    ----------
    mean : float
        Of the margin in favour of the attended talker.
    sd : float
        Its standard deviation in windows of `window_s`.
    window_s : float
        Length of the windows it was fitted to.

    References
    ----------
    A Gaussian model of Fisher-transformed correlations that predicts accuracy from one window length: arXiv:2503.09349.
    """

    mean: float
    sd: float
    window_s: float

    def probability(self, r_a: float, r_b: float, window_s: float) -> float:
        """Return the probability that the first talker is attended, both being equally likely beforehand."""
        if not self.mean > 0.0:
            return 0.5  # training found nothing that tells the talkers apart
        exponent = 2.0 * self.mean * margin(r_a, r_b) * window_s / (self.sd**2 * self.window_s)
        return 1.0 / (1.0 + math.exp(-min(max(exponent, -700.0), 700.0)))

    def accuracy(self, window_s: float) -> float:
        """Return the share of right decisions the model expects of windows of this length."""
        return float(ndtr(self.mean / self.sd * math.sqrt(window_s / self.window_s)))


def fit_attention(
    reconstructed: Sequence[Array],
    attended: Sequence[Array],
    ignored: Sequence[Array],
    *,
    rate_hz: float,
    window_s: float = 5.0,
) -> AttentionModel:
    """Fit the model to trials whose reconstruction did not see them (`BackwardTRF.left_out`).

    Parameters
    ----------
    reconstructed, attended, ignored : sequence of ndarray, shape (n_samples,)
        One a trial.
    rate_hz : float
        Their rate.
    window_s : float
        Windows that do not overlap are cut so long.

    Raises
    ------
    ValueError
        If there are fewer than 2 windows.
    """
    n = round(window_s * rate_hz)
    margins = []
    for s, a, b in zip(reconstructed, attended, ignored, strict=True):
        for start in range(0, len(s) - n + 1, n):
            part = slice(start, start + n)
            margins.append(margin(pearson(s[part], a[part]), pearson(s[part], b[part])))
    if len(margins) < 2:
        raise ValueError(f"trials: they hold {len(margins)} windows of {window_s:g} s, at least 2 are needed")
    return AttentionModel(float(np.mean(margins)), max(float(np.std(margins, ddof=1)), _EDGE), window_s)
