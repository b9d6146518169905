"""What muscles and eyes add to the signal: blinks and a clenched jaw, at random moments, block by block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES
from volo_acquisition.synthetic.parameters import ParticipantParameters
from volo_acquisition.synthetic.scalp import bump

__all__ = ["Artefacts"]

_TEMPLES = ((-0.8, 0.0), (0.8, 0.0))
_FOREHEAD = (0.0, 0.8)

Array = NDArray[np.float64]


class Artefacts:
    """Eye blinks and jaw clenching, at random moments.

    Parameters
    ----------
    parameters : ParticipantParameters
        Whose.
    rate_hz : float
        Sampling rate.
    where : ndarray, shape (n_channels, 2)
        Positions of the channels.
    """

    def __init__(self, parameters: ParticipantParameters, rate_hz: float, where: Array) -> None:
        p = parameters
        per_block_min = BLOCK_SAMPLES / rate_hz / 60.0
        self._blinks_per_block = p.blink_rate_per_min * per_block_min
        self._jaws_per_block = p.jaw_rate_per_min * per_block_min
        self._rate_hz = rate_hz
        self._blink_s, self._jaw_s = p.blink_duration_s, p.jaw_duration_s
        # The field of the eyes falls off towards the back of the head, where a few per cent of it are left.
        self._blink_pattern = p.blink_amplitude_uv * (0.03 + 0.97 * bump(where, _FOREHEAD, 0.4))
        temples = sum((bump(where, place, 0.5) for place in _TEMPLES), np.zeros(len(where)))
        self._jaw_pattern = p.jaw_rms_uv * np.minimum(1.0, 0.1 + temples)
        longest = max(2.0 * p.blink_duration_s, 3.0 * p.jaw_duration_s)
        self._ahead = np.zeros((BLOCK_SAMPLES + math.ceil(longest * rate_hz) + 1, 2))

    def block(self, random: np.random.Generator) -> Array:
        """Return the next block, shape (BLOCK_SAMPLES, n_channels), microvolt."""
        for _ in range(random.poisson(self._blinks_per_block)):
            first, stretch, size = random.integers(BLOCK_SAMPLES), random.uniform(0.7, 1.4), random.normal(0.0, 0.2)
            self._add(0, int(first), self._blink_s * stretch, math.exp(size))
        for _ in range(random.poisson(self._jaws_per_block)):
            first, stretch, size = random.integers(BLOCK_SAMPLES), random.uniform(0.5, 1.5), random.normal(0.0, 0.3)
            self._add(1, int(first), self._jaw_s * stretch, math.exp(size))
        now = self._ahead[:BLOCK_SAMPLES]
        out: Array = now[:, :1] * self._blink_pattern
        if now[:, 1].any():
            # Differences of white noise: the broad, high-frequency hump of surface muscle.
            white = random.standard_normal((BLOCK_SAMPLES + 1, out.shape[1]))
            out += now[:, 1:] * self._jaw_pattern * (np.diff(white, axis=0) / math.sqrt(2.0))
        self._ahead[:-BLOCK_SAMPLES] = self._ahead[BLOCK_SAMPLES:].copy()
        self._ahead[-BLOCK_SAMPLES:] = 0.0
        return out

    def _add(self, column: int, first: int, duration_s: float, size: float) -> None:
        n = max(2, round(duration_s * self._rate_hz))
        shape = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
        self._ahead[first : first + n, column] += size * shape
