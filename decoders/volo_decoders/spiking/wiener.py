"""The peer: a Wiener filter, which is ridge regression on the last few bins of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_decoders.spiking.scoring import r_squared
from volo_decoders.spiking.split import Part, Split

__all__ = ["RIDGES", "WienerFilter", "fit_wiener", "lagged"]

#: Ridge penalties the validation part chooses from, in counts squared summed over the bins.
RIDGES = (1.0, 10.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)


def lagged(counts: NDArray[Any], n_lags: int) -> NDArray[np.float64]:
    """Return every bin with those before it side by side, newest first, zeros before the start.

    Returns
    -------
    ndarray, shape (n_bins, n_lags * n_channels)
    """
    n, n_channels = counts.shape
    wide = np.zeros((n, n_lags, n_channels))
    for lag in range(min(n_lags, n)):
        wide[lag:, lag] = counts[: n - lag]
    return wide.reshape(n, n_lags * n_channels)


@dataclass(frozen=True, slots=True, eq=False)
class WienerFilter:
    """A fitted filter.

    Attributes
    ----------
    weights : ndarray, shape (n_lags * n_channels, n_outputs)
        Output per count.
    offset : ndarray, shape (n_outputs,)
        Output without any spike.
    n_lags : int
        Bins looked at, the newest included.
    ridge : float
        The penalty it was fitted with.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]
    n_lags: int
    ridge: float

    def decode(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return the outputs, shape (n_bins, n_outputs), each from counts up to its own bin."""
        outputs: NDArray[np.float64] = lagged(counts, self.n_lags) @ self.weights + self.offset
        return outputs


def fit_wiener(
    counts: NDArray[Any],
    outputs: NDArray[np.floating[Any]],
    split: Split,
    *,
    n_lags: int = 10,
    ridges: Sequence[float] = RIDGES,
) -> WienerFilter:
    """Choose the penalty on the validation part, then fit on the whole training part; the test part is not touched.

    Parameters
    ----------
    counts : ndarray, shape (n_bins, n_channels)
        Spike counts.
    outputs : ndarray, shape (n_bins, n_outputs)
        What to decode.
    split : Split
        Parts of these bins.
    n_lags : int
        Bins looked at, the newest included.
    ridges : sequence of float
        Penalties to choose from; weights are penalised, the offset is not.

    References
    ----------
    Carmena et al., PLoS Biology 2003, DOI 10.1371/journal.pbio.0000042.
    """
    wide = lagged(counts[split.training.rows], n_lags)
    truth = outputs[split.training.rows].astype(np.float64)

    def fit(part: Part, penalties: Sequence[float]) -> list[WienerFilter]:
        x, y = wide[part.start + n_lags : part.stop], truth[part.start + n_lags : part.stop]
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        gram, cross = x.T @ x - len(x) * np.outer(x_mean, x_mean), x.T @ y - len(x) * np.outer(x_mean, y_mean)
        made = []
        for ridge in penalties:
            weights = np.linalg.solve(gram + ridge * np.eye(len(gram)), cross)
            made.append(WienerFilter(weights, y_mean - x_mean @ weights, n_lags, float(ridge)))
        return made

    rows = split.validation.rows
    scores = [np.mean(r_squared(truth[rows], wide[rows] @ f.weights + f.offset)) for f in fit(split.fit, ridges)]
    (chosen,) = fit(split.training, [ridges[int(np.argmax(scores))]])
    return chosen
