"""Scripted trouble for the simulated amplifier: the same faults at the same samples, every time.

A script is written as text, one fault after the other, or as a list of such texts::

    gap at_s=10 duration_s=0.2; rail channel=Oz at_s=12 duration_s=1; drift ppm=80

Times count from the first sample, in nominal samples (``round(at_s * rate_hz)``). Gaps, duplicates and lateness are
what a driver notices: the source tells them as events. Spoiled values are what nobody tells: the quality checks must
find them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import ConfigError

__all__ = [
    "Drift",
    "Duplicate",
    "Fault",
    "FaultScript",
    "Flat",
    "Gap",
    "Late",
    "NaNs",
    "Rail",
    "RateError",
    "parse_faults",
]


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples are lost: from `at_s` on for `duration_s`."""

    at_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The amplifier sends the samples from `at_s` on for `duration_s` a second time."""

    at_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Late:
    """Delivery stops at `at_s` for `delay_s`, then everything arrives at once; stamps stay right."""

    at_s: float
    delay_s: float


@dataclass(frozen=True, slots=True)
class NaNs:
    """Values of `channel` are not numbers."""

    channel: str
    at_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Rail:
    """`channel` sits at the end of the amplifier's range, `value_uv`."""

    channel: str
    at_s: float
    duration_s: float
    value_uv: float = 187_500.0


@dataclass(frozen=True, slots=True)
class Flat:
    """`channel` does not move from `value_uv`."""

    channel: str
    at_s: float
    duration_s: float
    value_uv: float = 0.0


@dataclass(frozen=True, slots=True)
class RateError:
    """The amplifier samples at `ratio` times its nominal rate; stamps are true."""

    ratio: float


@dataclass(frozen=True, slots=True)
class Drift:
    """The amplifier's crystal is fast by `ppm` parts per million; stamps are true."""

    ppm: float


Fault = Gap | Duplicate | Late | NaNs | Rail | Flat | RateError | Drift
_KINDS: dict[str, type[Fault]] = {
    kind.__name__.lower(): kind for kind in (Gap, Duplicate, Late, NaNs, Rail, Flat, RateError, Drift)
}


def parse_faults(script: str | Iterable[str | Fault]) -> tuple[Fault, ...]:
    """Read a script of faults.

    Parameters
    ----------
    script : str or iterable of str or Fault
        Text as in the module's description, faults separated by ``;`` or line ends; or a list of such texts and of
        faults.

    Raises
    ------
    ConfigError
        Naming every entry that cannot be read.
    """
    faults: list[Fault] = []
    problems: list[str] = []
    for entry in [script] if isinstance(script, str) else script:
        if not isinstance(entry, str):
            faults.append(entry)
            continue
        for text in entry.replace("\n", ";").split(";"):
            if text.strip():
                try:
                    faults.append(_parse_one(text.strip()))
                except ValueError as error:
                    problems.append(f"faults: {text.strip()!r}: {error}")
    if problems:
        raise ConfigError(problems, hint="e.g. gap at_s=10 duration_s=0.2; rail channel=Oz at_s=12 duration_s=1")
    return tuple(faults)


def _parse_one(text: str) -> Fault:
    name, *pairs = text.split()
    kind = _KINDS.get(name.lower())
    if kind is None:
        raise ValueError(f"got the kind {name!r}, allowed are {', '.join(_KINDS)}")
    values: dict[str, str | float] = {}
    allowed = {field.name: field for field in fields(kind)}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or key not in allowed:
            raise ValueError(f"got {pair!r}, expected key=value with the keys {', '.join(allowed)}")
        values[key] = value if key == "channel" else float(value)
    missing = [key for key, field in allowed.items() if key not in values and field.default is MISSING]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
    return kind(**values)  # type: ignore[arg-type]


def _problems(faults: Sequence[Fault], channel_names: Sequence[str]) -> list[str]:
    found = []
    for fault in faults:
        numbers = [getattr(fault, f.name) for f in fields(fault) if f.name != "channel"]
        if not all(math.isfinite(number) for number in numbers):
            found.append(f"faults: {fault}: every number must be finite")
        elif isinstance(fault, RateError | Drift):
            if not 0.01 <= _speed(fault) <= 100.0:
                found.append(f"faults: {fault}: the true rate must be between 0.01 and 100 times the nominal one")
        elif fault.at_s < 0.0 or (fault.delay_s if isinstance(fault, Late) else fault.duration_s) <= 0.0:
            found.append(f"faults: {fault}: at_s must be at least 0, the duration or delay above 0")
        if isinstance(fault, NaNs | Rail | Flat) and fault.channel not in channel_names:
            found.append(f"faults: {fault}: there is no such channel, there are {', '.join(channel_names)}")
    return found


def _speed(fault: RateError | Drift) -> float:
    return fault.ratio if isinstance(fault, RateError) else 1.0 + 1e-6 * fault.ppm


class FaultScript:
    """Faults laid out on the sample grid of one stream.

    Parameters
    ----------
    faults : sequence of Fault
        What goes wrong.
    rate_hz : float
        Nominal sampling rate.
    channel_names : sequence of str
        Columns that can be spoiled, in order.

    Attributes
    ----------
    speed : float
        True over nominal rate.
    gaps : tuple of (int, int)
        First sample lost and first sample back, in order, merged where they touch.
    duplicates : tuple of (int, int)
        First sample sent again and the one after the last.
    late : tuple of (int, int, float)
        First sample held back, first sample on time again, delay of the first in seconds.

    Raises
    ------
    ConfigError
        Naming every fault that makes no sense for this stream.
    """

    def __init__(self, faults: Sequence[Fault], rate_hz: float, channel_names: Sequence[str]) -> None:
        problems = _problems(faults, channel_names)
        if problems:
            raise ConfigError(problems)
        self._rate_hz = rate_hz
        self.speed = math.prod(_speed(f) for f in faults if isinstance(f, RateError | Drift))
        self.gaps = _merged([self._span(f.at_s, f.duration_s) for f in faults if isinstance(f, Gap)])
        self.duplicates = tuple(sorted(self._span(f.at_s, f.duration_s) for f in faults if isinstance(f, Duplicate)))
        late = [(*self._span(f.at_s, f.delay_s * self.speed), f.delay_s) for f in faults if isinstance(f, Late)]
        self.late = tuple(sorted(late))
        self._spoiled = [
            (*self._span(f.at_s, f.duration_s), list(channel_names).index(f.channel), value)
            for f in faults
            if isinstance(f, NaNs | Rail | Flat)
            for value in [np.float32(np.nan if isinstance(f, NaNs) else f.value_uv)]
        ]

    def _span(self, at_s: float, duration_s: float) -> tuple[int, int]:
        first = round(at_s * self._rate_hz)
        return first, first + max(1, round(duration_s * self._rate_hz))

    def kept(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of ``start`` to ``stop`` that are not lost, in order."""
        parts, index = [], start
        for first, back in self.gaps:
            if first < stop and back > index:
                if first > index:
                    parts.append((index, first))
                index = back
        if index < stop:
            parts.append((index, stop))
        return parts

    def spoil(self, start_index: int, samples: NDArray[np.float32]) -> None:
        """Overwrite what is spoiled in `samples`, shape (n_samples, n_columns), in place."""
        for first, stop, column, value in self._spoiled:
            a, b = max(first - start_index, 0), min(stop - start_index, len(samples))
            if a < b:
                samples[a:b, column] = value


def _merged(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for first, stop in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((first, stop))
    return tuple(merged)
