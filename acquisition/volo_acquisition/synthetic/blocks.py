"""The grid on which the head makes its noise, and the random numbers of each block of it.

A block is `BLOCK_SAMPLES` samples, anchored at sample index 0, whatever the chunks that are asked for.
"""

from __future__ import annotations

import numpy as np

__all__ = ["BLOCK_SAMPLES", "random_numbers"]

BLOCK_SAMPLES = 64


def random_numbers(seed: int, purpose: int, number: int) -> np.random.Generator:
    """Return a generator for one block or trial; a pure function of its arguments.

    Parameters
    ----------
    seed : int
        Of the run, from 0 up to 2**128 - 1.
    purpose : int
        Keeps streams apart.
    number : int
        Of the block or trial.
    """
    counter = (purpose << 192) | (number << 96)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))
