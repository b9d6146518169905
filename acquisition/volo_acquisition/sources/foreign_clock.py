"""Where other clocks stand against the session clock: LSL's and the wall clock that BrainFlow stamps with."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from volo_acquisition.clock import Clock
from volo_acquisition.sources.lsl_driver import load_pylsl

__all__ = ["lsl_offset_s", "unix_offset_s"]


def lsl_offset_s(clock: Clock, n_pairs: int = 101) -> float:
    """Return what to add to LSL's local clock to get the session clock, seconds.

    Parameters
    ----------
    clock : Clock
        The session clock.
    n_pairs : int
        How many paired readings the median is taken of; a few suffice for a later check.
    """
    return _offset_s(clock, load_pylsl().local_clock, n_pairs)


def unix_offset_s(clock: Clock, n_pairs: int = 101) -> float:
    """Return what to add to Unix time to get the session clock, seconds."""
    return _offset_s(clock, time.time, n_pairs)  # noqa: TID251


def _offset_s(clock: Clock, other: Callable[[], float], n_pairs: int) -> float:
    """Median over pairs of the middle of two session readings minus the foreign reading between them."""
    offsets = []
    for _ in range(n_pairs):
        before = clock.now()
        foreign = other()
        after = clock.now()
        offsets.append(0.5 * (before + after) - foreign)
    return median(offsets)
