"""How keys change their light, as data: sinusoids, binary codes, flashes. Each becomes levels at a refresh rate.

A modulation is small, frozen and can be sent to another process; ``at(...)`` turns it into a `Modulator`, which gives
the level of every key in a frame without allocating anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from volo_paradigms.flicker import Flicker

__all__ = ["Codes", "Flashes", "Modulation", "Modulator", "Sines"]


class Modulator(Protocol):
    """Levels of several keys: a pure function of the frame's number since the scene came on."""

    def level(self, frame_index: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Write the level of each key in a frame, 0 to 1, to `out`, shape (n_keys,), and return it."""
        ...


@dataclass(frozen=True, slots=True)
class Sines:
    """Sampled sinusoids ``0.5 (1 + depth sin(2 pi f k / R + phi))``.

    Attributes
    ----------
    frequencies_hz, phases_rad : tuple of float
        Of each key.
    depth : float
        Share of the full contrast, above 0 to 1.
    """

    frequencies_hz: tuple[float, ...]
    phases_rad: tuple[float, ...]
    depth: float = 1.0

    def __post_init__(self) -> None:
        if len(self.frequencies_hz) != len(self.phases_rad):
            raise ValueError(
                f"phases_rad: got {len(self.phases_rad)}, there are {len(self.frequencies_hz)} frequencies"
            )
        _check_depth(self.depth)

    def at(self, refresh_hz: float) -> Modulator:
        """Return the levels at a measured refresh rate; ValueError if the screen is too slow."""
        flicker = Flicker(self.frequencies_hz, self.phases_rad, refresh_hz)
        return flicker if self.depth == 1.0 else _Shallow(flicker, self.depth)


@dataclass(frozen=True, slots=True)
class Codes:
    """Binary codes, repeated as long as the scene is on.

    Attributes
    ----------
    bits : tuple of tuple of int
        0 and 1, one row a key, all of one length.
    bit_rate_hz : float
        Bits a second; a bit is shown in the frames whose middle falls into it.
    depth : float
        Share of the full contrast, above 0 to 1.
    """

    bits: tuple[tuple[int, ...], ...]
    bit_rate_hz: float = 60.0
    depth: float = 1.0

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.bits}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"bits: got rows of {sorted(lengths)} bits, expected rows of one length, above 0")
        if any(bit not in (0, 1) for row in self.bits for bit in row):
            raise ValueError("bits: got something else than 0 and 1")
        if not (math.isfinite(self.bit_rate_hz) and self.bit_rate_hz > 0.0):
            raise ValueError(f"bit_rate_hz: got {self.bit_rate_hz}, it must be finite and above 0")
        _check_depth(self.depth)

    def at(self, refresh_hz: float) -> Modulator:
        """Return the levels at a measured refresh rate; ValueError if bits would be skipped."""
        _check_refresh(refresh_hz)
        if self.bit_rate_hz > 1.02 * refresh_hz:
            raise ValueError(
                f"bit_rate_hz: got {self.bit_rate_hz:g}, a screen at {refresh_hz:g} Hz shows at most that many bits"
            )
        return _Steps(np.array(self.bits, np.float64), _bits_per_frame(self.bit_rate_hz, refresh_hz), self.depth)


@dataclass(frozen=True, slots=True)
class Flashes:
    """Groups of keys lit one after the other, as in the P300 speller.

    Attributes
    ----------
    groups : tuple of tuple of int
        Numbers of the keys lit by each flash, in order.
    n_keys : int
        How many keys there are.
    soa_s : float
        From the start of a flash to that of the next.
    on_s : float
        How long a flash lasts; at most `soa_s`.
    """

    groups: tuple[tuple[int, ...], ...]
    n_keys: int
    soa_s: float = 0.175
    on_s: float = 0.1

    def __post_init__(self) -> None:
        if not self.groups:
            raise ValueError("groups: got none, there must be a flash")
        wrong = [key for group in self.groups for key in group if not 0 <= key < self.n_keys]
        if wrong:
            raise ValueError(f"groups: got key {wrong[0]}, there are {self.n_keys} keys, counted from 0")
        if not 0.0 < self.on_s <= self.soa_s < math.inf:
            raise ValueError(f"on_s, soa_s: got {self.on_s} and {self.soa_s}, expected 0 < on_s <= soa_s")

    @property
    def duration_s(self) -> float:
        """From the first flash to the end of the last one's interval."""
        return len(self.groups) * self.soa_s

    def frame_of(self, flash: int, refresh_hz: float) -> int:
        """Return in which frame of the scene a flash begins."""
        return math.ceil(flash * self.soa_s * refresh_hz - 1e-6)

    def at(self, refresh_hz: float) -> Modulator:
        """Return the levels at a measured refresh rate; ValueError if a flash would not be seen."""
        _check_refresh(refresh_hz)
        if self.on_s * refresh_hz < 0.99:
            raise ValueError(f"on_s: got {self.on_s:g}, a frame lasts {1.0 / refresh_hz:.4f} s")
        return _Flashing(self, refresh_hz)


Modulation = Sines | Codes | Flashes

#: Level of keys that are not lit, and of those that are, in a flash.
_DIM, _BRIGHT = 0.35, 1.0


class _Shallow:
    """Another modulator at less contrast around its middle."""

    def __init__(self, inner: Modulator, depth: float) -> None:
        self._inner = inner
        self._depth = depth

    def level(self, frame_index: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        self._inner.level(frame_index, out)
        np.multiply(out, self._depth, out=out)
        return np.add(out, 0.5 * (1.0 - self._depth), out=out)


class _Steps:
    """Rows of levels that are stepped through, a column a step."""

    def __init__(self, bits: NDArray[np.float64], steps_per_frame: float, depth: float) -> None:
        self._columns = np.ascontiguousarray(0.5 + depth * (bits.T - 0.5))
        self._steps_per_frame = steps_per_frame

    def level(self, frame_index: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        step = math.floor((frame_index + 0.5) * self._steps_per_frame)
        out[:] = self._columns[step % len(self._columns)]
        return out


class _Flashing:
    def __init__(self, flashes: Flashes, refresh_hz: float) -> None:
        n = len(flashes.groups)
        self._first = [flashes.frame_of(flash, refresh_hz) for flash in range(n)]
        n_on = max(1, round(flashes.on_s * refresh_hz))
        self._last = [first + n_on for first in self._first]
        self._per_frame = 1.0 / (flashes.soa_s * refresh_hz)
        self._rows = np.full((n + 1, flashes.n_keys), _DIM)
        for flash, group in enumerate(flashes.groups):
            self._rows[flash, list(group)] = _BRIGHT

    def level(self, frame_index: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        flash = min(len(self._first) - 1, max(0, int(frame_index * self._per_frame)))
        while flash + 1 < len(self._first) and self._first[flash + 1] <= frame_index:
            flash += 1
        while flash > 0 and self._first[flash] > frame_index:
            flash -= 1
        lit = self._first[flash] <= frame_index < self._last[flash]
        out[:] = self._rows[flash if lit else -1]
        return out


def _bits_per_frame(bit_rate_hz: float, refresh_hz: float) -> float:
    """Return the bits a frame; one that is all but a whole number of frames a bit is made just that.

    So a code made for 60 Hz takes exactly one frame a bit on a screen at 59.94 Hz.
    """
    frames_per_bit = refresh_hz / bit_rate_hz
    whole = max(1, round(frames_per_bit))
    return 1.0 / whole if abs(frames_per_bit / whole - 1.0) <= 0.02 else 1.0 / frames_per_bit


def _check_depth(depth: float) -> None:
    if not 0.0 < depth <= 1.0:
        raise ValueError(f"depth: got {depth}, allowed is above 0 to 1")


def _check_refresh(refresh_hz: float) -> None:
    if not (math.isfinite(refresh_hz) and refresh_hz > 0.0):
        raise ValueError(f"refresh_hz: got {refresh_hz}, it must be finite and above 0")
