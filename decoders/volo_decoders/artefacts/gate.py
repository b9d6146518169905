"""A gate for strong movement and muscle: such samples are marked invalid, with the reason, and pass unchanged."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from volo_acquisition.types import Chunk, StreamInfo
from volo_decoders.pipeline.sosbank import SosBank

__all__ = ["ArtefactGate"]

#: Stretches are remembered for the reasons of windows that are cut later, so many.
_REMEMBERED = 256


class ArtefactGate:
    """Mark samples invalid while a channel is too strong, or holds too much muscle.

    A decoder leaves out windows whose share of valid samples is below the least it accepts: it abstains, and `reason`
    tells why. Put the gate before the filters that need clean signal, after `select`.

    Parameters
    ----------
    amplitude_uv : float
        Largest size of a channel above 1 Hz that is still brain; 0 for no limit.
    muscle_uv : float
        Largest root mean square, over about a tenth of a second, of a channel above 30 Hz; 0 for no limit.
    hold_s : float
        Samples stay invalid so long after the last strong one: filters behind the gate ring.
    """

    mergeable = True

    def __init__(self, amplitude_uv: float = 150.0, muscle_uv: float = 20.0, hold_s: float = 0.2) -> None:
        if amplitude_uv < 0.0 or muscle_uv < 0.0 or hold_s < 0.0:
            raise ValueError(f"ArtefactGate: got {amplitude_uv} uV, {muscle_uv} uV, {hold_s} s; none may be negative")
        self.amplitude_uv = amplitude_uv
        self.muscle_uv = muscle_uv
        self.hold_s = hold_s
        self._slow: SosBank | None = None

    @property
    def settle_s(self) -> float:
        """Samples pass unchanged: nothing to settle."""
        return 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        """Design for the stream's rate; the description stays."""
        rate_hz = info.rate_hz
        self._names = info.channel_names
        self._hold = round(self.hold_s * rate_hz)
        self._slow = SosBank([signal.butter(1, 1.0, "highpass", fs=rate_hz, output="sos")], hop_samples)
        low = min(30.0, 0.3 * rate_hz)
        self._fast = SosBank([signal.butter(2, low, "highpass", fs=rate_hz, output="sos")], hop_samples)
        self._mean = SosBank([signal.butter(1, 3.0, "lowpass", fs=rate_hz, output="sos")], hop_samples)
        self._left = 0
        self._told: deque[tuple[int, int, str]] = deque(maxlen=_REMEMBERED)
        return info

    def push(self, chunk: Chunk) -> Chunk:
        """Return the same samples, with those marked that are too strong."""
        if self._slow is None:
            raise ValueError("ArtefactGate.push: called before reset")
        x = chunk.samples.astype(np.float64)
        sizes = np.abs(self._slow.filter(x, chunk.index)[0])
        muscle = np.sqrt(np.maximum(self._mean.filter(self._fast.filter(x, chunk.index)[0] ** 2, chunk.index)[0], 0.0))
        bad = np.zeros(len(x), bool)
        for limit, values, what in ((self.amplitude_uv, sizes, "amplitude"), (self.muscle_uv, muscle, "muscle")):
            if limit > 0.0:
                over = values > limit
                bad |= over.any(axis=1)
                self._remember(chunk.index, over, values, what)
        held = self._held(bad)
        if not held.any():
            return chunk
        valid: NDArray[np.bool_] = ~held if chunk.valid is None else chunk.valid & ~held
        return Chunk(chunk.stream_id, chunk.index, chunk.samples, chunk.times, valid)

    def reason(self, start_index: int, stop_index: int) -> str:
        """Return what was wrong between two absolute sample indices, "" if nothing that is remembered."""
        found = [what for start, stop, what in self._told if start < stop_index and stop + self._hold > start_index]
        return "; ".join(dict.fromkeys(found))

    def _remember(self, index: int, over: NDArray[np.bool_], values: NDArray[np.float64], what: str) -> None:
        columns = np.flatnonzero(over.any(axis=0))
        if not len(columns):
            return
        rows = np.flatnonzero(over.any(axis=1))
        names = ", ".join(self._names[k] for k in columns[:3]) + (" and others" if len(columns) > 3 else "")
        largest = float(values[:, columns].max())
        self._told.append((index + int(rows[0]), index + int(rows[-1]) + 1, f"{what} of {largest:.0f} uV at {names}"))

    def _held(self, bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the bad samples and those within the hold after them, across chunks."""
        n = len(bad)
        if not n:
            return bad
        # Distance to the last bad sample; before the chunk it lies hold - left samples back.
        last = np.maximum.accumulate(np.where(bad, np.arange(n), -n - self._hold - 1))
        earlier = self._left - np.arange(n)  # above 0 while the hold of an earlier chunk lasts
        held: NDArray[np.bool_] = (np.arange(n) - last <= self._hold) | (earlier > 0)
        gone = n - 1 - int(last[-1])
        self._left = max(self._hold - gone, self._left - n, 0)
        return held
