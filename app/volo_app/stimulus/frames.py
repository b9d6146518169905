"""The numbers of frames, from time, and their log. Not: drawing, clocks.

Frame number n belongs to a time on a grid that follows the display. A frame's number is computed from the time it is
presented, so one that is late costs one value of the flicker and not its phase.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["LATE_FACTOR", "FrameClock", "FrameLog", "RefreshWatch", "measured_refresh_hz"]

#: A frame is late when the swap comes after so many frame durations since the last (PsychoPy's rule).
LATE_FACTOR = 1.2


class FrameClock:
    """The grid of frames: a loop that is locked to the phase and the rate of the swaps.

    The loop begins as a least-squares line through all swaps and narrows until its gains reach their floor, from where
    on it forgets: an alpha-beta filter. So the rate is measured, not believed, and gets more precise as frames come.

    Parameters
    ----------
    refresh_hz : float
        Frames a second, to begin with.
    start_s : float
        Presentation time of frame 0.
    gain : float
        Least share of a stamp's deviation that moves the grid, 0 to 1. 0 keeps the grid as it is, where frames are
        timed by the grid itself; where the display times them little, to follow it and not the jitter of the stamps.
    """

    def __init__(self, refresh_hz: float, start_s: float, gain: float = 0.0) -> None:
        if not (math.isfinite(refresh_hz) and refresh_hz > 0.0):
            raise ValueError(f"refresh_hz: got {refresh_hz}, it must be finite and above 0")
        if not 0.0 <= gain <= 1.0:
            raise ValueError(f"gain: got {gain}, allowed is 0 to 1")
        self._period_s = 1.0 / refresh_hz
        self._anchor, self._anchor_s = 0, start_s
        self._gain = gain
        self._rate_gain = gain * gain / (2.0 - gain)
        self._n_followed = 0

    @property
    def period_s(self) -> float:
        """Duration of a frame, as measured until now."""
        return self._period_s

    @property
    def refresh_hz(self) -> float:
        """Frames a second, as measured until now, not rounded."""
        return 1.0 / self._period_s

    def number(self, time_s: float) -> int:
        """Return the number of the frame presented at `time_s`."""
        return self._anchor + round((time_s - self._anchor_s) / self._period_s)

    def time(self, number: int) -> float:
        """Return when frame `number` is to be presented."""
        return self._anchor_s + (number - self._anchor) * self._period_s

    def next_after(self, time_s: float, last: int) -> float:
        """Return when the next frame is due that is after `last` and not over yet at `time_s`."""
        running = self._anchor + math.floor((time_s - self._anchor_s) / self._period_s)
        return self.time(max(last + 1, running))

    def follow(self, number: int, time_s: float) -> None:
        """Take note that frame `number` was presented at `time_s`; stamps off by half a frame or more are ignored."""
        if not self._gain:
            return
        expected_s = self.time(number)
        off_s = time_s - expected_s
        if abs(off_s) >= 0.5 * self._period_s:
            return
        n = self._n_followed
        gain = max(self._gain, 2.0 * (2 * n + 1) / ((n + 1) * (n + 2)))
        rate_gain = max(self._rate_gain, 6.0 / ((n + 1) * (n + 2)))
        if n < 2:  # two stamps are a line already, but of two jitters: the rate that was given is better
            gain, rate_gain = 0.5, 0.0
        self._n_followed += 1
        self._period_s += rate_gain * off_s / max(1, number - self._anchor)
        self._anchor, self._anchor_s = number, expected_s + gain * off_s


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
        self._late_s = LATE_FACTOR * period_s
        self._rows = np.zeros((capacity, 4))
        self._n = 0
        self._last: tuple[int, float] | None = None
        self.n_lost = 0

    def __len__(self) -> int:
        return self._n

    def add(self, number: int, time_s: float, presented: int | None = None) -> None:
        """Log that frame `number` was swapped at `time_s`.

        Parameters
        ----------
        number : int
            Which frame was drawn.
        time_s : float
            When its swap returned.
        presented : int or None
            Number of the grid's frame at that time; another than `number` if the frame was late. None: the same.
        """
        if presented is None:
            presented = number
        late = missed = 0
        if self._last is not None:
            last, last_s = self._last
            late = time_s - last_s > self._late_s
            missed = max(0, presented - last - 1)
        self._last = (presented, time_s)
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


class RefreshWatch:
    """Notices within half a second that a display runs at another rate than it did.

    Parameters
    ----------
    refresh_hz : float
        The rate it should run at.
    tolerance : float
        Relative deviation that is another rate.
    """

    #: Frames the rate is measured over.
    N = 20

    def __init__(self, refresh_hz: float, tolerance: float = 0.008) -> None:
        self._refresh_hz = refresh_hz
        self._tolerance = tolerance
        self._times = [0.0] * self.N
        self._frames = [0] * self.N
        self._n = 0
        self._total = 0

    def add(self, time_s: float) -> bool:
        """Take note of a swap; return whether the last ones came at another rate. Missed frames do not count."""
        if self._n:
            passed_s = time_s - self._times[(self._n - 1) % self.N]
            self._total += max(1, round(passed_s * self._refresh_hz))
        slot = self._n % self.N
        first_s, first = self._times[slot], self._frames[slot]
        is_full = self._n >= self.N
        self._times[slot], self._frames[slot] = time_s, self._total
        self._n += 1
        if not is_full or time_s <= first_s:
            return False
        seen_hz = (self._total - first) / (time_s - first_s)
        return abs(seen_hz / self._refresh_hz - 1.0) > self._tolerance


def measured_refresh_hz(swaps_s: NDArray[np.float64]) -> float:
    """Return the frames a second of swaps that nothing but the driver held back.

    A least-squares line through the swaps, numbered with the help of the median duration: it resists hiccups, and its
    error falls with the number of swaps to the power of 1.5.

    Raises
    ------
    ValueError
        If there are fewer than three swaps, or they do not increase.
    """
    durations = np.diff(swaps_s)
    if len(durations) < 2 or not np.all(durations > 0.0):
        raise ValueError("swaps_s: expected at least three increasing times")
    median_s = float(np.median(durations))
    numbers = np.concatenate([[0.0], np.cumsum(np.maximum(1.0, np.rint(durations / median_s)))])
    return float(1.0 / np.polyfit(numbers, swaps_s - swaps_s[0], 1)[0])
