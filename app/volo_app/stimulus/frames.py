"""The numbers of frames, from time, and their log. Not: drawing, clocks.

Frame number n belongs to the time ``start + n / refresh``. A frame's number is computed from the time it is presented,
so one that is late costs one value of the flicker and not its phase.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from volo_paradigms.flicker import frame_index

__all__ = ["LATE_FACTOR", "FrameClock", "FrameLog", "measured_refresh_hz"]

#: A frame is late when the swap comes after so many frame durations since the last (PsychoPy's rule).
LATE_FACTOR = 1.2


class FrameClock:
    """The grid of frames.

    Parameters
    ----------
    refresh_hz : float
        Frames a second.
    start_s : float
        Presentation time of frame 0.
    gain : float
        How far a stamp that is off moves the grid, 0 to 1: 0 where frames are timed by the grid itself, little where
        the display times them, to follow its clock and not the jitter of the stamps.
    """

    def __init__(self, refresh_hz: float, start_s: float, gain: float = 0.0) -> None:
        if not (math.isfinite(refresh_hz) and refresh_hz > 0.0):
            raise ValueError(f"refresh_hz: got {refresh_hz}, it must be finite and above 0")
        if not 0.0 <= gain <= 1.0:
            raise ValueError(f"gain: got {gain}, allowed is 0 to 1")
        self.refresh_hz = refresh_hz
        self._start_s = start_s
        self._gain = gain

    @property
    def period_s(self) -> float:
        """Duration of a frame."""
        return 1.0 / self.refresh_hz

    def number(self, time_s: float) -> int:
        """Return the number of the frame presented at `time_s`."""
        return frame_index(time_s, self._start_s, self.refresh_hz)

    def time(self, number: int) -> float:
        """Return when frame `number` is to be presented."""
        return self._start_s + number / self.refresh_hz

    def next_after(self, time_s: float, last: int) -> float:
        """Return when the next frame is due that is after `last` and not over yet at `time_s`."""
        return self.time(max(last + 1, math.floor((time_s - self._start_s) * self.refresh_hz)))

    def follow(self, number: int, time_s: float) -> None:
        """Take note that frame `number` was presented at `time_s`; stamps off by half a frame or more are ignored."""
        off_s = time_s - self.time(number)
        if abs(off_s) < 0.5 * self.period_s:
            self._start_s += self._gain * off_s


class FrameLog:
    """Collects a row a frame: when its swap returned, its number, whether it was late, how many never came before it.

    Parameters
    ----------
    period_s : float
        Duration of a frame.
    capacity : int
        Rows kept until they are taken; older ones are overwritten, which `n_lost` counts.
    """

    def __init__(self, period_s: float, capacity: int = 4096) -> None:
        self._period_s = period_s
        self._rows = np.zeros((capacity, 4))
        self._n = 0
        self._last: tuple[int, float] | None = None
        self.n_lost = 0

    def __len__(self) -> int:
        return self._n

    def add(self, number: int, time_s: float) -> None:
        """Log that frame `number` was swapped at `time_s`."""
        late = missed = 0
        if self._last is not None:
            last, last_s = self._last
            late = time_s - last_s > LATE_FACTOR * self._period_s
            missed = max(0, number - last - 1)
        self._last = (number, time_s)
        if self._n == len(self._rows):
            self._n = 0
            self.n_lost += len(self._rows)
        self._rows[self._n] = (time_s, number, late, missed)
        self._n += 1

    def take(self) -> NDArray[np.float64]:
        """Return the rows since the last call, shape (n, 4)."""
        rows = self._rows[: self._n].copy()
        self._n = 0
        return rows


def measured_refresh_hz(swaps_s: NDArray[np.float64]) -> float:
    """Return the frames a second of swaps that nothing but the driver held back; the median resists hiccups.

    Raises
    ------
    ValueError
        If there are fewer than three swaps, or they do not increase.
    """
    durations = np.diff(swaps_s)
    if len(durations) < 2 or not np.all(durations > 0.0):
        raise ValueError("swaps_s: expected at least three increasing times")
    return float(1.0 / np.median(durations))
