"""A signal any language can make exactly, by which a file is checked where it is loaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["noise_of_integers"]


def noise_of_integers(n_samples: int, n_channels: int) -> NDArray[np.float64]:
    """Return noise from integers: sample n of channel c is ``((7919 n^2 + 104729 n (c + 1)) mod 2003) / 100 - 10``.

    Returns
    -------
    samples : ndarray of float64, shape (n_samples, n_channels)
        Between -10 and 10.03, flat in frequency, in the stream's own unit.
    """
    n = np.arange(n_samples, dtype=np.int64)[:, None]
    c = np.arange(1, n_channels + 1, dtype=np.int64)
    return (7919 * n * n + 104729 * n * c) % 2003 / 100.0 - 10.0
