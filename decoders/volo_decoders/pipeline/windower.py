"""Cuts windows relative to stimulus onsets out of the processed stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Chunk, Marker
from volo_decoders.types import Window

__all__ = ["WindowSpec", "Windower"]


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """Where windows lie.

    Attributes
    ----------
    lengths_s : tuple of float
        Window lengths to be decoded one after the other, ascending, seconds.
    offset_s : float
        From the onset to the window's first sample (the visual latency), seconds.
    onset_label : str
        Label of the markers that start a trial; their payload may hold ``trial`` and ``target``. A ``trial`` that is
        no integer of 64 bits is as good as none: the index of the trial's first sample then is its number.
    """

    lengths_s: tuple[float, ...]
    offset_s: float = 0.14
    onset_label: str = "stimulus/onset"

    def __post_init__(self) -> None:
        lengths = self.lengths_s
        if not lengths or lengths[0] <= 0 or any(b <= a for a, b in pairwise(lengths)):
            raise ValueError(f"lengths_s: got {lengths}, expected ascending positive seconds")
        if self.offset_s < 0:
            raise ValueError(f"offset_s: got {self.offset_s}, it must be at least 0")

    def samples(self, rate_hz: float) -> tuple[int, ...]:
        """Return the lengths in samples."""
        return tuple(round(length * rate_hz) for length in self.lengths_s)


@dataclass(slots=True)
class _Trial:
    group: int
    label: str | None
    start: int
    next_length: int = 0


class Windower:
    """Keeps recent samples and yields each trial's windows as soon as their last sample is there.

    A window starts at the sample nearest to the onset, plus ``round(offset_s * rate)`` samples, so that it depends on
    samples, their times and the marker's time only. A marker may come before or after its samples, and in any order
    with others: the windows are the same.

    Parameters
    ----------
    spec : WindowSpec
        Where windows lie.
    keep_s : float
        How much of the past is kept for markers that come late, seconds, besides the longest window.
    """

    def __init__(self, spec: WindowSpec, keep_s: float = 10.0) -> None:
        self.spec = spec
        self._keep_s = keep_s

    def reset(self, rate_hz: float, n_channels: int) -> None:
        """Forget everything and take the processed stream's rate and width."""
        self._rate_hz = rate_hz
        self._offset = round(self.spec.offset_s * rate_hz)
        self._lengths = self.spec.samples(rate_hz)
        keep = int(self._keep_s * rate_hz) + self._offset + self._lengths[-1]
        self._capacity = 2 * keep
        self._keep = keep
        self._samples = np.zeros((self._capacity, n_channels), np.float32)
        self._times = np.zeros(self._capacity)
        self._valid = np.zeros(self._capacity, bool)
        self._first = 0  # absolute index of row 0
        self._n = 0  # rows filled
        self._begun = False
        self._pending: list[Marker] = []
        self._trials: list[_Trial] = []
        #: Markers that came after their samples were forgotten, or lie before the first; the caller empties it.
        self.lost: list[Marker] = []

    @property
    def stop(self) -> int:
        """Absolute index one past the newest sample."""
        return self._first + self._n

    def mark(self, marker: Marker) -> None:
        """Take note of a marker; those with another label are ignored."""
        if marker.label == self.spec.onset_label:
            self._pending.append(marker)

    def awaits(self, marker: Marker) -> bool:
        """Return whether a marker would start a trial among the samples that came already."""
        return marker.label == self.spec.onset_label and self._n > 0 and marker.time <= self._times[self._n - 1]

    def close(self, group: int) -> None:
        """Yield no further windows of trial `group`."""
        self._trials = [trial for trial in self._trials if trial.group != group]

    def push(self, chunk: Chunk, unsettled: int = 0) -> None:
        """Append processed samples; the first `unsettled` of them are not to be trusted.

        Missing samples before them become invalid zeros.
        """
        if not self._begun:
            self._first, self._begun = chunk.index, True
        missing = chunk.index - self.stop
        if missing > self._capacity - len(chunk):
            self._first, self._n = chunk.index, 0
        elif missing > 0:
            t0 = self._times[self._n - 1] if self._n else chunk.times[0]
            fill = t0 + (chunk.times[0] - t0) * np.arange(1, missing + 1) / (missing + 1)
            self._append(np.zeros((missing, self._samples.shape[1]), np.float32), fill, np.zeros(missing, bool))
        valid = np.ones(len(chunk), bool) if chunk.valid is None else chunk.valid.copy()
        valid[:unsettled] = False
        self._append(chunk.samples, chunk.times, valid)

    def _append(self, samples: NDArray[np.float32], times: NDArray[np.float64], valid: NDArray[np.bool_]) -> None:
        n = len(samples)
        if self._n + n > self._capacity:
            drop = min(self._n, max(self._n - self._keep, self._n + n - self._capacity))
            for array in (self._samples, self._times, self._valid):
                array[: self._n - drop] = array[drop : self._n]
            self._first += drop
            self._n -= drop
        rows = slice(self._n, self._n + n)
        self._samples[rows], self._times[rows], self._valid[rows] = samples, times, valid
        if self._n:  # stamps may jitter backwards; the search below needs them in order
            self._times[rows] = np.maximum(self._times[rows], self._times[self._n - 1])
        self._times[rows] = np.maximum.accumulate(self._times[rows])
        self._n += n

    def ready(self) -> Iterator[Window]:
        """Yield the windows whose last sample has come, in the order of their stop; each once."""
        self._open_trials()
        while True:
            due = [(t.start + self._lengths[t.next_length], t) for t in self._trials]
            due = [(stop, t) for stop, t in due if stop <= self.stop]
            if not due:
                return
            stop, trial = min(due, key=lambda pair: (pair[0], pair[1].group, pair[1].start))
            length = self._lengths[trial.next_length]
            trial.next_length += 1
            if trial.next_length == len(self._lengths):
                self._trials.remove(trial)
            a, b = stop - length - self._first, stop - self._first
            if a < 0:
                continue
            yield Window(
                stop,
                float(self._times[b - 1]),
                np.ascontiguousarray(self._samples[a:b].T),
                float(np.mean(self._valid[a:b])),
                trial.label,
                trial.group,
            )

    def _open_trials(self) -> None:
        due = [marker for marker in self._pending if self.awaits(marker)]
        if not due:
            return
        self._pending = [marker for marker in self._pending if not self.awaits(marker)]
        times = self._times[: self._n]
        for marker in sorted(due, key=lambda marker: marker.time):
            k = int(np.searchsorted(times, marker.time))
            if k == 0 and marker.time < times[0] - 0.5 / self._rate_hz:
                self.lost.append(marker)
                continue
            if k and marker.time - times[k - 1] <= times[k] - marker.time:
                k -= 1
            target = marker.payload.get("target")
            start = self._first + k + self._offset
            group = _group(marker.payload.get("trial"), start)
            self._trials.append(_Trial(group, None if target is None else str(target), start))


def _group(trial: object, start: int) -> int:
    """Return the number a marker gives its trial, else one that does not depend on the order markers came in."""
    if isinstance(trial, int) and not isinstance(trial, bool) and -(2**63) <= trial < 2**63:
        return trial
    return start
