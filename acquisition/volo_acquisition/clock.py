"""The session clock, and a manual one for tests, simulation and unthrottled replay.

Only modules named ``clock`` read the machine's time; everything else is given a clock.
"""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SessionClock"]


class Clock(Protocol):
    """A monotonic clock in seconds that one can wait on."""

    def now(self) -> float:
        """Return the time in seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once if that is not positive."""
        ...


class SessionClock:
    """`time.perf_counter`: monotonic, shared by all processes of a machine."""

    def now(self) -> float:
        """Return the time in seconds."""
        return time.perf_counter()  # noqa: TID251

    def sleep(self, seconds: float) -> None:
        """Wait."""
        if seconds > 0.0:
            time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told to: sleeping advances it at once.

    Parameters
    ----------
    start_s : float
        Its first time.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now = float(start_s)

    def now(self) -> float:
        """Return the time in seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance by `seconds`, at once."""
        if seconds > 0.0:
            self._now += seconds

    def set(self, time_s: float) -> None:
        """Move to `time_s`.

        Raises
        ------
        ValueError
            If that would be backwards.
        """
        if time_s < self._now:
            raise ValueError(f"ManualClock.set: got {time_s}, the clock already shows {self._now}")
        self._now = time_s
