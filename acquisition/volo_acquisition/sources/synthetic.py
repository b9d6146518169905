"""The simulated amplifier on the simulated participant's head: paced by the clock, with scripted faults.

Numpy and the standard library only, so that there is data within moments of the start of the process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from volo_acquisition.clock import Clock
from volo_acquisition.errors import ConfigError
from volo_acquisition.synthetic.faults import FaultScript, parse_faults
from volo_acquisition.synthetic.head import DEFAULT_CHANNELS, Head
from volo_acquisition.synthetic.parameters import PARAMETERS_VERSION, parameters_sha256, participant
from volo_acquisition.types import Channel, ChannelKind, Chunk, Event, EventKind, Item, Marker, StreamInfo

__all__ = ["SyntheticSource"]

#: A source that is behind returns at most this much at a time, so that its process stays responsive.
CATCH_UP_S = 1.0


class SyntheticSource:
    """Yields EEG of a simulated participant, one chunk after the other at the times an amplifier would.

    Stamps are session times: sample n is taken at the opening time plus n over the true rate, and delivered when its
    chunk is complete, `Settings.latency_s` later. When the reader is late, nothing is lost: it catches up.

    Parameters
    ----------
    settings : SyntheticSource.Settings
        What to simulate.
    clock : Clock
        Session clock; with a `ManualClock` waiting takes no time.

    Raises
    ------
    ConfigError
        Listing all that is wrong with the settings.
    """

    @dataclass(frozen=True)
    class Settings:
        """What to simulate.

        Attributes
        ----------
        participant : int or str
            ``"median"``, or a number for one drawn from the population.
        seed : int
            Of this run: background and trial-to-trial jitter.
        rate_hz : float
            Nominal sampling rate.
        chunk_samples : int
            Samples a chunk.
        channels : tuple of str
            10-10 names.
        stream_id : str
            Name of the stream.
        faults : str or tuple of str
            Scripted trouble, e.g. ``"gap at_s=10 duration_s=0.2; drift ppm=80"`` (`volo_acquisition.synthetic.faults`).
        latency_s : float
            From a chunk's last sample to its delivery.
        duration_s : float or None
            Length in nominal samples over nominal rate; None does not end.
        """

        participant: int | str = "median"
        seed: int = 0
        rate_hz: float = 250.0
        chunk_samples: int = 10
        channels: tuple[str, ...] = DEFAULT_CHANNELS
        stream_id: str = "synthetic"
        faults: str | tuple[str, ...] = ()
        latency_s: float = 0.0
        duration_s: float | None = None

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._check()
        try:
            self._script = FaultScript(parse_faults(settings.faults), settings.rate_hz, settings.channels)
            self._head = Head(
                participant(settings.participant),
                seed=settings.seed,
                rate_hz=settings.rate_hz,
                channel_names=settings.channels,
            )
        except ValueError as error:
            raise ConfigError([f"source synthetic: {error}"]) from error
        self._true_rate_hz = settings.rate_hz * self._script.speed
        self._n_total = None if settings.duration_s is None else round(settings.duration_s * settings.rate_hz)
        self._start_s: float | None = None
        self._next = 0

    def _check(self) -> None:
        s = self._settings
        problems = []
        if s.chunk_samples < 1:
            problems.append(f"source synthetic: chunk_samples: got {s.chunk_samples}, it must be at least 1")
        if not 0.0 <= s.latency_s < math.inf:
            problems.append(f"source synthetic: latency_s: got {s.latency_s}, it must be at least 0")
        if s.duration_s is not None and not 0.0 < s.duration_s < math.inf:
            problems.append(f"source synthetic: duration_s: got {s.duration_s}, it must be above 0, or absent")
        if not s.stream_id:
            problems.append("source synthetic: stream_id: got an empty text, a stream needs a name")
        if problems:
            raise ConfigError(problems)

    def open(self) -> tuple[StreamInfo, ...]:
        """Start the stream now and return its description."""
        if self._start_s is not None:
            raise RuntimeError("SyntheticSource.open: it is open already, or was; make another one")
        self._start_s = self._clock.now()
        s = self._settings
        channels = (*map(Channel, s.channels), Channel("counter", ChannelKind.COUNTER, "count"))
        source = (
            f"simulated participant {self._head.parameters.code}, seed {s.seed} "
            f"(population {PARAMETERS_VERSION}, {parameters_sha256()[:12]})"
        )
        return (StreamInfo(s.stream_id, "eeg", s.rate_hz, channels, "float32", source),)

    def tell(self, marker: Marker) -> None:
        """Let the simulated participant see a marker: attended target, onset, offset; others are ignored."""
        self._head.tell(marker)

    def read(self, timeout_s: float) -> list[Item]:
        """Return what is due, waiting at most `timeout_s` for the first item.

        Raises
        ------
        RuntimeError
            If it has not been opened.
        """
        if self._start_s is None:
            raise RuntimeError("SyntheticSource.read: call open first")
        deadline = self._clock.now() + timeout_s
        stop_after = self._next + round(CATCH_UP_S * self._settings.rate_hz)
        items: list[Item] = []
        while not self.exhausted and self._next < stop_after:
            stop = self._next_stop()
            due = self._due(self._next, stop)
            if items and due > self._clock.now():
                break
            if not self._wait(due, deadline):
                break
            items += self._step(self._next, stop)
            self._next = stop
        return items

    def close(self) -> None:
        """End the stream; harmless at any time."""
        self._n_total = self._next

    @property
    def exhausted(self) -> bool:
        """True once all of ``duration_s`` has been yielded, or the source was closed."""
        return self._n_total is not None and self._next >= self._n_total

    def _next_stop(self) -> int:
        size = self._settings.chunk_samples
        stop = (self._next // size + 1) * size
        return stop if self._n_total is None else min(stop, self._n_total)

    def _time(self, index: int) -> float:
        return (self._start_s or 0.0) + index / self._true_rate_hz

    def _due(self, start: int, stop: int) -> float:
        """Return when the samples from `start` to `stop` arrive."""
        due = self._time(stop - 1)
        for first, on_time, delay_s in self._script.late:
            if first < stop and start < on_time:
                due = max(due, self._time(first) + delay_s)
        return due + self._settings.latency_s

    def _wait(self, due: float, deadline: float) -> bool:
        """Sleep until `due` or `deadline`, whichever is first; return whether `due` is reached."""
        while (now := self._clock.now()) < due:
            if now >= deadline:
                return False
            self._clock.sleep(min(due, deadline) - now)
        return True

    def _step(self, start: int, stop: int) -> list[Item]:
        """Return the items of the samples from `start` to `stop`, in the order a driver yields them."""
        items: list[Item] = []
        for first, on_time, delay_s in self._script.late:
            if start <= first < stop:
                n = len(range(first, self._end(on_time)))
                items.append(self._event(EventKind.LATE, first, n, f"delivery stopped for {delay_s:g} s"))
        parts = self._script.kept(start, stop)
        gaps = [(a, self._end(b)) for a, b in self._script.gaps if a < stop and start < self._end(b) <= stop]
        for first, last in sorted([*((a, b) for a, b in parts), *gaps]):
            if (first, last) in gaps:
                items.append(self._event(EventKind.GAP, first, last - first, "samples lost"))
            else:
                items.append(self._chunk(first, last))
        for first, last in self._script.duplicates:
            if start < self._end(last) <= stop and first < stop:
                n = sum(b - a for a, b in self._script.kept(first, self._end(last)))
                items.append(self._event(EventKind.DUP, first, n, "samples sent twice, dropped"))
        return items

    def _end(self, index: int) -> int:
        return index if self._n_total is None else min(index, self._n_total)

    def _event(self, kind: EventKind, index: int, n: int, detail: str) -> Event:
        return Event(kind, self._settings.stream_id, index, self._time(index), n, detail)

    def _chunk(self, start: int, stop: int) -> Chunk:
        times = (self._start_s or 0.0) + np.arange(start, stop) / self._true_rate_hz
        samples = self._head.generate(start, times)
        self._script.spoil(start, samples)
        return Chunk(self._settings.stream_id, start, samples, times)
