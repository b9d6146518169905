"""Which sample is which: absolute indices from package counters or stamps, and the events that tell of trouble.

A live driver hands over rows, stamps and (where the device has one) a package counter; `Continuity` returns chunks
whose indices count lost samples, each jump announced by a GAP event. With a counter the loss is exact; several whole
turns of the counter are resolved by the stamps. Without a counter a loss is estimated from the stamps, and only if it
lasts at least `GAP_S`. The stamps of a burst that was held up somewhere are late, never early: the earliest of the
recent ones say when a sample was due, so a delay alone is not taken for a loss. Such a burst may arrive in parts: rows
that look like the first after a loss are held back until the stamps went on for `CATCH_UP_S`, or the rows that seemed
lost are there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Chunk, Event, EventKind

__all__ = ["CATCH_UP_S", "GAP_S", "Continuity", "CounterLaw", "StallWatch"]

#: Without a counter, shorter losses are not told from late stamps, seconds.
GAP_S = 0.1
#: Without a counter, a loss is told when the stamps went on for so long after it, seconds.
CATCH_UP_S = 0.1
#: How far back the earliest arrivals are remembered, seconds.
_MEMORY_S = 2.0
#: A counter this little behind is a repeated or late packet; further behind, the counter was restarted.
_LATE_MAX = 64
#: Regular steps that an undeclared counter must show before it is believed.
_PROOF = 50
#: The rate is compared with the declared one over this long, seconds, and reported beyond this deviation.
_RATE_WINDOW_S = 10.0
_RATE_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class CounterLaw:
    """How a package counter counts.

    Attributes
    ----------
    modulus : int
        It runs from 0 to ``modulus - 1`` and starts again; 0 means it never does.
    step : int
        How much it grows from one sample to the next.
    declared : bool
        False if the law is a guess: it is then believed only after a while of regular steps.
    """

    modulus: int
    step: int = 1
    declared: bool = True

    def __post_init__(self) -> None:
        if self.step < 1 or self.modulus < 0 or self.modulus % self.step:
            raise ValueError(f"CounterLaw: got modulus {self.modulus}, step {self.step}; the step must divide it")

    @property
    def turn(self) -> int:
        """Samples in one turn of the counter, 0 if it never turns."""
        return self.modulus // self.step


class Continuity:
    """Places received rows on the stream's absolute index.

    Parameters
    ----------
    stream_id : str
        Goes into chunks and events.
    rate_hz : float
        Declared rate; 0 (irregular) switches every estimate from stamps off.
    law : CounterLaw or None
        The stream's counter, if it has one.
    """

    def __init__(self, stream_id: str, rate_hz: float, law: CounterLaw | None = None) -> None:
        self._stream_id = stream_id
        self._rate_hz = rate_hz
        self._law = law
        self._proof = _PROOF if law is not None and law.declared else 0
        self._next = 0  # index after the last sample given out
        self._at = -1  # index of the last sample received, also if it was dropped
        self._last_stamp = 0.0
        self._last_count = 0
        self._due: deque[tuple[float, float]] = deque()  # stamp, earliest (stamp - index / rate) of a batch
        self._held: tuple[NDArray[np.generic], NDArray[np.float64]] | None = None  # rows after what may be a loss
        self._rate_from: tuple[float, int] | None = None
        self._rate_told: float | None = None

    @property
    def next_index(self) -> int:
        """Absolute index the next sample has if none is lost."""
        return self._next

    def place(
        self,
        samples: NDArray[np.generic],
        stamps: NDArray[np.float64],
        counter: NDArray[np.generic] | None,
        offset_s: float,
    ) -> list[Chunk | Event]:
        """Return the chunks and events of one batch of received rows, in order.

        Parameters
        ----------
        samples : ndarray, shape (n_samples, n_channels)
            Not kept: a copy is taken.
        stamps : ndarray, shape (n_samples,)
            Raw stamps, seconds.
        counter : ndarray, shape (n_samples,), or None
            The counter's values; needed if a law was given.
        offset_s : float
            Correction in force, for the times of events.
        """
        if len(stamps) == 0:
            return []
        if self._held is not None:
            samples, stamps = np.concatenate([self._held[0], samples]), np.concatenate([self._held[1], stamps])
            self._held = None
        return self._place(samples, stamps, self._counts(counter, len(stamps)), offset_s, may_hold=self._law is None)

    def settle(self, offset_s: float) -> list[Chunk | Event]:
        """Give out the rows that are held back, if any: nothing more will come before a break or the end."""
        if self._held is None:
            return []
        (samples, stamps), self._held = self._held, None
        return self._place(samples, stamps, None, offset_s, may_hold=False)

    def _place(
        self,
        samples: NDArray[np.generic],
        stamps: NDArray[np.float64],
        counts: NDArray[np.int64] | None,
        offset_s: float,
        *,
        may_hold: bool,
    ) -> list[Chunk | Event]:
        items: list[Chunk | Event] = []
        for start, stop, broken in self._runs(stamps, counts):
            index = self._at + 1
            early = broken and may_hold and stamps[-1] - stamps[start] < CATCH_UP_S
            if early and self._position(stamps[start:stop], None) > self._next:
                self._held = samples[start:].copy(), stamps[start:].copy()
                break
            if broken:
                index = self._position(stamps[start:stop], None if counts is None else int(counts[start]))
            self._at = index + (stop - start) - 1
            drop = min(max(self._next - index, 0), stop - start)
            if drop:
                items.append(self._event(EventKind.DUP, stamps[start] + offset_s, drop, "repeated or late packets"))
            if drop < stop - start:
                if index > self._next:
                    due = (self._last_stamp + 1.0 / self._rate_hz) if self._rate_hz else float(stamps[start])
                    detail = "counted" if counts is not None else "estimated from the stamps"
                    items.append(self._event(EventKind.GAP, due + offset_s, index - self._next, detail))
                first = start + drop
                kept = slice(first, stop)
                items.append(Chunk(self._stream_id, index + drop, samples[kept].copy(), stamps[kept].copy()))
                self._next = index + (stop - start)
                self._remember(stamps[kept])
            self._last_stamp = float(stamps[stop - 1])
            if counts is not None:
                self._last_count = int(counts[stop - 1])
        return [*items, *self._rate_events(offset_s)]

    def _event(self, kind: EventKind, time: float, n: int, detail: str) -> Event:
        return Event(kind, self._stream_id, self._next, float(time), n, detail)

    def _counts(self, counter: NDArray[np.generic] | None, n: int) -> NDArray[np.int64] | None:
        """Return the counter as integers, or None as long as there is no counter to believe."""
        if self._law is None or counter is None:
            return None
        values = np.asarray(counter, dtype=np.float64)
        if not np.isfinite(values).all():
            self._last_count += self._law.step * n
            return None
        counts = np.rint(values).astype(np.int64)
        if self._proof < _PROOF:
            steps = np.diff(counts, prepend=self._last_count)
            regular = int(np.argmax(steps[::-1] != self._law.step)) if (steps != self._law.step).any() else n
            self._proof = self._proof + n if regular == n else regular
            self._last_count = int(counts[-1])
            return None
        return counts

    def _runs(self, stamps: NDArray[np.float64], counts: NDArray[np.int64] | None) -> Iterator[tuple[int, int, bool]]:
        """Yield the stretches within which nothing can be lost or repeated, and whether something can before them."""
        first = self._at < 0
        intervals = np.diff(stamps, prepend=stamps[0] if first else self._last_stamp)
        period_s = 1.0 / self._rate_hz if self._rate_hz else np.inf
        if counts is not None and self._law is not None:
            steps = np.diff(counts, prepend=counts[0] - self._law.step if first else self._last_count)
            regular = self._law.step
            if modulus := self._law.modulus:
                steps, regular = steps % modulus, regular % modulus
            breaks = steps != regular
            if self._law.turn and self._rate_hz:
                breaks |= intervals > 0.5 * self._law.turn * period_s
        else:
            breaks = intervals > GAP_S + 1.5 * period_s
        starts = [0, *(int(i) for i in np.flatnonzero(breaks) if i > 0)]
        for start, stop in zip(starts, [*starts[1:], len(stamps)], strict=True):
            yield start, stop, bool(breaks[start])

    def _position(self, stamps: NDArray[np.float64], count: int | None) -> int:
        """Return the absolute index of the first sample of a run that something may be missing before."""
        by_stamps = self._advance_by_stamps(stamps)
        if count is None or self._law is None:
            lost = round(by_stamps) - 1
            return self._next + (lost if lost > 0 and lost >= GAP_S * self._rate_hz else 0)
        advance = (count - self._last_count) // self._law.step
        if turn := self._law.turn:
            advance %= turn
            advance += turn * max(round((by_stamps - advance) / turn), -1)
        if advance > 0:
            return self._at + advance
        if advance >= -min(_LATE_MAX, turn // 8 if turn else _LATE_MAX):
            return max(self._at + advance, 0)
        lost = round(by_stamps) - 1  # the counter was restarted: only the stamps can tell
        return self._next + (lost if lost > 0 and lost >= GAP_S * self._rate_hz else 0)

    def _advance_by_stamps(self, stamps: NDArray[np.float64]) -> float:
        """Return how many samples after the last received one a run starts, judged by the earliest arrivals."""
        if not self._rate_hz or not self._due:
            return 1.0
        arrival = float(np.min(stamps - np.arange(len(stamps)) / self._rate_hz))
        due = min(lateness for _, lateness in self._due)
        return (arrival - due) * self._rate_hz - self._at

    def _remember(self, stamps: NDArray[np.float64]) -> None:
        """Note the earliest arrival of the samples just given out."""
        if not self._rate_hz:
            return
        indices = np.arange(self._next - len(stamps), self._next)
        self._due.append((float(stamps[-1]), float(np.min(stamps - indices / self._rate_hz))))
        while self._due[0][0] < self._due[-1][0] - _MEMORY_S:
            self._due.popleft()

    def _rate_events(self, offset_s: float) -> list[Event]:
        """Return a RATE event when the stamps contradict the declared rate; once, until it changes again."""
        if not self._rate_hz:
            return []
        if self._rate_from is None:
            self._rate_from = (self._last_stamp, self._next)
            return []
        stamp, index = self._rate_from
        if self._last_stamp - stamp < _RATE_WINDOW_S:
            return []
        measured_hz = (self._next - index) / (self._last_stamp - stamp)
        self._rate_from = (self._last_stamp, self._next)
        reference_hz = self._rate_hz if self._rate_told is None else self._rate_told
        if abs(measured_hz / reference_hz - 1.0) <= _RATE_TOLERANCE:
            return []
        self._rate_told = measured_hz
        detail = f"declared {self._rate_hz:g} Hz, measured {measured_hz:.2f} Hz"
        return [self._event(EventKind.RATE, self._last_stamp + offset_s, 0, detail)]


class StallWatch:
    """Tells when a live stream falls silent, and when it comes back.

    Drivers do not: a frozen board or outlet looks like one that has nothing to say. Silence is no data for three
    usual intervals between arrivals, at least `least_s`.
    """

    def __init__(self, stream_id: str, now: float, least_s: float = 0.5) -> None:
        self._stream_id = stream_id
        self._least_s = least_s
        self._last = now
        self._usual_s = 0.0
        self._stalled = False

    def arrived(self, now: float, index: int) -> list[Event]:
        """Take note of data; RESUME if it had been missing."""
        interval = now - self._last
        self._last = now
        if self._stalled:
            self._stalled = False
            return [Event(EventKind.RESUME, self._stream_id, index, now, 0, f"after {interval:.1f} s")]
        self._usual_s = max(interval, 0.95 * self._usual_s)
        return []

    def silent(self, now: float, index: int) -> list[Event]:
        """Take note that there was nothing; STALL if that lasts too long."""
        if self._stalled or now - self._last <= max(self._least_s, 3.0 * min(self._usual_s, 1.0)):
            return []
        return self.lost(now, index, f"no data for {now - self._last:.1f} s")

    def lost(self, now: float, index: int, detail: str) -> list[Event]:
        """Take note that the connection is gone; STALL unless that was told before."""
        if self._stalled:
            return []
        self._stalled = True
        return [Event(EventKind.STALL, self._stream_id, index, now, 0, detail)]
