"""Trials out of conditioned streams, and attention followed through them window by window.

Streams are lined up by their times: a trial begins, in each of them, at the sample nearest to its onset marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Marker
from volo_decoders.speech.attention import AttentionModel
from volo_decoders.speech.streaming import Track
from volo_decoders.speech.trf import pearson
from volo_decoders.types import Decision, Prediction

__all__ = ["AttentionTracker", "Line", "Reading", "TrialSpan", "Trials"]

Array = NDArray[np.float64]
ONSET, OFFSET = "stimulus/onset", "stimulus/offset"
DECODER_ID = "backward_trf"


class Line:
    """A stream's recent past at the common rate; missing samples are there as invalid zeros.

    Parameters
    ----------
    n_channels : int
        Width.
    """

    def __init__(self, n_channels: int) -> None:
        self._first = -1
        self._joined = Track(0, np.empty(0), np.empty((0, n_channels)), np.empty(0, bool))
        self._waiting: list[Track] = []
        self._stop = -1
        #: Time of the newest sample; minus infinity before the first.
        self.last_s = float("-inf")

    @property
    def stop(self) -> int:
        """One past the newest sample."""
        return self._stop

    def append(self, track: Track) -> None:
        """Take what comes next."""
        if self._first < 0:
            self._first = self._stop = track.index
        missing = track.index - self._stop
        if missing < 0:
            raise ValueError(f"Line.append: got index {track.index}, samples up to {self._stop} are there already")
        if missing:
            times = self.last_s + (track.times[0] - self.last_s) * np.arange(1, missing + 1) / (missing + 1)
            nothing = np.zeros((missing, track.samples.shape[1]))
            self._waiting.append(Track(self._stop, times, nothing, np.zeros(missing, bool)))
        self._waiting.append(track)
        self._stop = track.index + len(track)
        self.last_s = float(track.times[-1])

    def _all(self) -> Track:
        """Return everything that is kept, as one."""
        if self._waiting:
            parts = [self._joined, *self._waiting]
            self._joined = Track(
                self._first,
                np.concatenate([part.times for part in parts]),
                np.concatenate([part.samples for part in parts]),
                np.concatenate([part.valid for part in parts]),
            )
            self._waiting = []
        return self._joined

    def forget(self, before_s: float, at_least: int) -> None:
        """Let samples before this time go, if they are `at_least` so many."""
        if self._stop - self._first <= at_least:
            return
        kept = self._all()
        drop = int(np.searchsorted(kept.times, before_s))
        if drop >= at_least:
            self._first += drop
            self._joined = Track(self._first, kept.times[drop:], kept.samples[drop:], kept.valid[drop:])

    def nearest(self, time_s: float) -> int | None:
        """Return the sample nearest to `time_s`; None if the stream has not come so far."""
        if self.last_s < time_s:
            return None
        times = self._all().times
        k = int(np.searchsorted(times, time_s))
        if k and time_s - times[k - 1] <= times[k] - time_s:
            k -= 1
        return self._first + k

    def part(self, start: int, stop: int) -> tuple[Array, float, float] | None:
        """Return samples `start` to `stop`, their valid share and the time of the last; None if some are gone."""
        kept = self._all()
        a, b = start - self._first, stop - self._first
        if a < 0 or b > len(kept):
            return None
        return np.ascontiguousarray(kept.samples[a:b]), float(kept.valid[a:b].mean()), float(kept.times[b - 1])


@dataclass(frozen=True, slots=True)
class Reading:
    """What one window said.

    Attributes
    ----------
    window : int
        Which of the tracker's windows.
    prediction : Prediction or None
        Scores are the correlations with the talkers; None if too little of the window is valid.
    decision : Decision
        The talker; the label is None for abstaining.
    """

    window: int
    prediction: Prediction | None
    decision: Decision


@dataclass(slots=True)
class TrialSpan:
    """One trial: from when to when."""

    trial: int
    target: str | None
    onset_s: float
    offset_s: float = float("inf")
    starts: tuple[int, ...] | None = None
    done: list[int] = field(default_factory=list)


class Trials:
    """Trials as their markers come."""

    def __init__(self) -> None:
        self.spans: list[TrialSpan] = []

    def mark(self, marker: Marker) -> None:
        """Take a marker; other labels than onset and offset are ignored."""
        if marker.label == ONSET:
            target = marker.payload.get("target")
            trial = int(marker.payload.get("trial", len(self.spans)))
            self.spans.append(TrialSpan(trial, None if target is None else str(target), marker.time))
        elif marker.label == OFFSET and self.spans:
            self.spans[-1].offset_s = marker.time


class AttentionTracker:
    """Follows the attended talker: correlates reconstruction and envelopes over windows, and decides each.

    Parameters
    ----------
    model : AttentionModel
        Turns correlations into confidence.
    talkers : sequence of 2 str
        Labels, in the order of the envelopes.
    windows : sequence of (float, float)
        Length of a window, and from one to the next, seconds.
    rate_hz : float
        The common rate.
    least_valid_fraction : float
        Windows with less are abstained from.
    """

    def __init__(
        self,
        model: AttentionModel,
        talkers: Sequence[str],
        windows: Sequence[tuple[float, float]] = ((5.0, 1.0),),
        *,
        rate_hz: float = 64.0,
        least_valid_fraction: float = 0.9,
    ) -> None:
        if len(talkers) != 2 or talkers[0] == talkers[1]:
            raise ValueError(f"talkers: got {list(talkers)}, expected two different labels")
        lengths = [(round(w * rate_hz), round(h * rate_hz)) for w, h in windows]
        if not lengths or min(min(pair) for pair in lengths) < 1:
            raise ValueError(f"windows: got {list(windows)}, expected lengths and hops of at least a sample")
        self._model = model
        self._talkers = (str(talkers[0]), str(talkers[1]))
        self._windows = lengths
        self._rate_hz = rate_hz
        self._least_valid = least_valid_fraction
        self._keep_s = max(w for w, _ in lengths) / rate_hz + 5.0
        self._lines = tuple(Line(1) for _ in range(3))
        self._trials = Trials()
        self._current = 0

    def mark(self, marker: Marker) -> None:
        """Take a marker: trials are between ``stimulus/onset`` and ``stimulus/offset``."""
        self._trials.mark(marker)

    def push(self, line: int, tracks: Sequence[Track]) -> list[Reading]:
        """Take what is new of the reconstruction (line 0) or a talker's envelope (1, 2); return what it completes.

        Readings come in the order of their trial and stop, however the three arrive; none reaches beyond its trial.
        """
        readings: list[Reading] = []
        for track in tracks:
            self._lines[line].append(track)
            while (reading := self._next()) is not None:
                readings.append(reading)
        slowest_s = min(one.last_s for one in self._lines)
        for one in self._lines:
            one.forget(slowest_s - self._keep_s, at_least=round(self._keep_s * self._rate_hz))
        return readings

    def _next(self) -> Reading | None:
        """Return the next reading that is due."""
        while self._current < len(self._trials.spans):
            span = self._trials.spans[self._current]
            if span.starts is None:
                starts = [line.nearest(span.onset_s) for line in self._lines]
                if any(start is None for start in starts):
                    return None
                span.starts = tuple(start for start in starts if start is not None)
                span.done = [0] * len(self._windows)
            length = round(min((span.offset_s - span.onset_s) * self._rate_hz, 1e15))
            due = [
                (done * hop + n, n, k) for k, ((n, hop), done) in enumerate(zip(self._windows, span.done, strict=True))
            ]
            due = [entry for entry in due if entry[0] <= length]
            if not due:
                self._current += 1
                continue
            stop, n, which = min(due)
            if any(start + stop > line.stop for start, line in zip(span.starts, self._lines, strict=True)):
                return None
            span.done[which] += 1
            return self._read(span, which, stop - n, stop)
        return None

    def _read(self, span: TrialSpan, which: int, start: int, stop: int) -> Reading:
        starts = span.starts or ()
        parts = [line.part(first + start, first + stop) for first, line in zip(starts, self._lines, strict=True)]
        stop_index = starts[0] + stop
        whole = [part for part in parts if part is not None]
        if len(whole) < len(parts) or min(valid for _, valid, _ in whole) < self._least_valid:
            time_s = span.onset_s + (stop - 1) / self._rate_hz
            return Reading(which, None, Decision(time_s, stop_index, None, 0.0, 0, span.trial))
        (heard, _, time_s), (a, _, _), (b, _, _) = whole
        scores = np.array([pearson(heard[:, 0], a[:, 0]), pearson(heard[:, 0], b[:, 0])])
        p = self._model.probability(scores[0], scores[1], (stop - start) / self._rate_hz)
        label = None if scores[0] == scores[1] else self._talkers[0 if scores[0] > scores[1] else 1]
        prediction = Prediction(stop_index, time_s, span.trial, stop - start, self._talkers, scores, DECODER_ID)
        return Reading(which, prediction, Decision(time_s, stop_index, label, max(p, 1.0 - p), 1, span.trial))
