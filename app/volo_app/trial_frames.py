"""Which trials had late or missed frames: from the rows of a screen's frames to markers. Not: clocks, drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Item, Marker
from volo_paradigms.grammar import OFFSET, ONSET, SCREEN_MISSED, TRIAL_FRAMES

__all__ = ["TrialFrames", "without_missed_frames"]


class TrialFrames:
    """Counts the frames of each trial's stimulus, and tells each stretch in which the light stood still.

    A stretch (``screen/missed``) is stamped with the swap that ended it; ``held_s`` is how much longer than a frame the
    one before it stayed on. A trial's count (``trial/frames``) comes with its offset and has its time.

    Parameters
    ----------
    refresh_hz : float
        Frames a second of the screen.
    latency_s : float
        What the screen's markers have added to the time of the swap.
    """

    def __init__(self, refresh_hz: float, latency_s: float = 0.0) -> None:
        self._period_s = 1.0 / refresh_hz
        self._latency_s = latency_s
        self._onset: Marker | None = None
        self._frames = self._late = self._missed = 0

    def take(self, rows: NDArray[np.float64], markers: Sequence[Marker]) -> list[Marker]:
        """Return what is to be told after these rows of frames and these markers of the screen.

        Parameters
        ----------
        rows : ndarray, shape (n, 4)
            Time of the swap, number, late, missed.
        markers : sequence of Marker
            What came on meanwhile; the frames that first show it are among the rows, now or before.
        """
        told: list[Marker] = []
        start = 0
        for marker in (m for m in markers if m.label in (ONSET, OFFSET)):
            # of the frame that first shows it, in spite of rounding
            swap_s = marker.time - self._latency_s + 1e-6
            stop = start + int(np.searchsorted(rows[start:, 0], swap_s, side="right"))
            if marker.label == OFFSET:
                told += self._through(rows[start:stop])
                told += self._count(marker)
            else:
                self._onset, self._frames, self._late, self._missed = marker, 0, 0, 0
            start = stop
        return told + self._through(rows[start:])

    def _through(self, rows: NDArray[np.float64]) -> list[Marker]:
        """Count rows of a flicker that is on."""
        if self._onset is None:
            return []
        told = []
        for time_s, _, late, missed in rows.tolist():
            self._frames += 1
            self._late += int(late)
            self._missed += int(missed)
            if missed:
                payload = {"trial": self._onset.payload["trial"], "missed": int(missed)}
                payload |= {"held_s": missed * self._period_s}
                told.append(Marker(time_s + self._latency_s, SCREEN_MISSED, payload, "screen"))
        return told

    def _count(self, offset: Marker) -> list[Marker]:
        if self._onset is None:
            return []
        payload = {"trial": self._onset.payload["trial"], "frames": self._frames, "late": self._late}
        self._onset = None
        return [Marker(offset.time, TRIAL_FRAMES, {**payload, "missed": self._missed}, "screen")]


def without_missed_frames(items: Iterable[Item], most: float = math.inf) -> tuple[list[Item], int]:
    """Return a recording's items without the onsets of trials that missed over `most` frames, and how many those are.

    Trials of recordings that do not count frames stay.
    """
    kept = list(items)
    bad = {
        item.payload["trial"]
        for item in kept
        if isinstance(item, Marker) and item.label == TRIAL_FRAMES and item.payload.get("missed", 0) > most
    }
    good = [
        item
        for item in kept
        if not (isinstance(item, Marker) and item.label == ONSET and item.payload.get("trial") in bad)
    ]
    return good, len(bad)
