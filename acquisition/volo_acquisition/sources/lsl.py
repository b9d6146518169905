"""A signal stream, and on request a marker stream, of the Lab Streaming Layer.

Stamps are handed on as received, without liblsl's own clock and jitter processing (its jitter filter is wrong for a
minute after lost samples); what maps them to the session clock is a `Correction`. Markers are mapped here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from volo_acquisition.clock import Clock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.continuity import Continuity, StallWatch
from volo_acquisition.sources.lsl_describe import LslDescription, describe, label, refuse_oversized
from volo_acquisition.sources.lsl_link import LslLink, LslLostError, find_streams
from volo_acquisition.types import Correction, Event, EventKind, Item, Marker, StreamInfo

__all__ = ["LslSettings", "LslSource"]

#: A clock offset that moved by this much is told, seconds.
CLOCK_JUMP_S = 1e-3
#: Stamps further from now than this are on no clock we know, seconds.
FOREIGN_STAMP_S = 5.0
_CHECK_EVERY_S = 1.0
_SLICE_S = 0.02


@dataclass(frozen=True, slots=True)
class LslSettings:
    """Which streams to take.

    Attributes
    ----------
    name : str
        Name of the signal stream; empty means any.
    source_id : str
        Its unique id; empty means any.
    type : str
        Its type, e.g. ``EEG``; empty means any.
    host : str
        Name of the machine it comes from; empty means any.
    marker_name : str
        Name of a marker stream to take too; empty means none.
    resolve_timeout_s : float
        How long to look for the streams.
    expected_rate_hz : float
        Refuse a stream with another declared rate; 0 accepts any.
    channels : tuple of str
        Channel names, for a stream that does not declare its own; empty keeps the declared ones.
    reconnect_s : float
        How long to wait for a lost stream to come back before it counts as gone for good.
    """

    name: str = ""
    source_id: str = ""
    type: str = ""
    host: str = ""
    marker_name: str = ""
    resolve_timeout_s: float = 5.0
    expected_rate_hz: float = 0.0
    channels: tuple[str, ...] = ()
    reconnect_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("resolve_timeout_s", "expected_rate_hz", "reconnect_s"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: got {getattr(self, name)}, it must be finite and at least 0")

    def matches(self, info: Any) -> bool:
        """Say whether a resolved stream is the signal asked for."""
        wishes = (self.name, self.source_id, self.type, self.host)
        got = (info.name(), info.source_id(), info.type(), info.hostname())
        return all(wish in ("", value) for wish, value in zip(wishes, got, strict=True)) and info.channel_format() != 3

    def asked(self) -> str:
        """Return what was asked for, for people."""
        wishes = (("name", self.name), ("source_id", self.source_id), ("type", self.type), ("host", self.host))
        return " and ".join(f"{key} {value!r}" for key, value in wishes if value) or "any signal"


class LslSource:
    """Yields one LSL signal stream and the markers of another.

    Parameters
    ----------
    settings : LslSettings
        Which streams.
    clock : Clock
        The session clock.
    """

    Settings = LslSettings

    def __init__(self, settings: LslSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._link: LslLink | None = None
        self._markers: LslLink | None = None
        self._lost_at: float | None = None
        self._checked_at = 0.0

    def open(self) -> tuple[StreamInfo, ...]:
        """Find the streams, connect, and return the signal's description.

        Raises
        ------
        DeviceError
            If a stream is absent, not the only one, does not answer, or has another rate or channels than asked for.
        """
        settings = self._settings
        wanted = [settings.matches]
        if settings.marker_name:
            wanted.append(self._is_marker)
        visible = find_streams(wanted, settings.resolve_timeout_s)
        signal = self._one(visible, [info for info in visible if settings.matches(info)], settings.asked())
        marker = None
        if settings.marker_name:
            candidates = [info for info in visible if self._is_marker(info) and info.uid() != signal.uid()]
            marker = self._one(visible, candidates, f"name {settings.marker_name!r} (markers)")
        refuse_oversized(signal)
        self._refuse_rate(signal)
        self._link = LslLink(signal, self._clock)
        self._link.open()
        self._description: LslDescription = describe(self._link.info, settings.channels)
        info = self._description.info
        self._continuity = Continuity(info.stream_id, info.rate_hz, self._description.law)
        self._offset_s = self._told_offset_s = self._link.offset_s()
        if marker is not None:
            self._markers = LslLink(marker, self._clock)
            self._markers.open()
            self._marker_offset_s = self._markers.offset_s()
        now = self._clock.now()
        self._stall = StallWatch(info.stream_id, now)
        self._checked_at = now
        self._corrected = False
        return (info,)

    def read(self, timeout_s: float) -> list[Item]:
        """Return what arrived since the last call, waiting at most `timeout_s` for the first item."""
        if self._link is None:
            raise ValueError("LslSource.read: the source is not open; call open() first")
        deadline = self._clock.now() + timeout_s
        budget_s = max(timeout_s, 0.0)
        while True:
            remaining_s = min(budget_s, deadline - self._clock.now())
            wait_s = min(max(remaining_s, 0.0), _SLICE_S)
            signal = self._read_signal(self._link, wait_s)
            items: list[Item] = [*self._read_markers(), *signal, *self._check_clock(self._link)]
            budget_s -= wait_s
            if items or remaining_s <= 0.0:
                return items

    def close(self) -> None:
        """Disconnect."""
        for link in (self._markers, self._link):
            if link is not None:
                link.close()
        self._link = self._markers = None

    @property
    def exhausted(self) -> bool:
        """False: the stream may always go on."""
        return False

    def _read_signal(self, link: LslLink, wait_s: float) -> list[Item]:
        stream_id, index = self._description.info.stream_id, self._continuity.next_index
        if not link.connected:
            return self._reconnect(link, wait_s)
        items: list[Item] = []
        while True:
            try:
                samples, stamps = link.pull(wait_s)
            except LslLostError:
                now = self._clock.now()
                self._lost_at = now
                items += self._continuity.settle(self._offset_s)
                return [*items, *self._stall.lost(now, self._continuity.next_index, "the outlet is gone")]
            now = self._clock.now()
            if not len(stamps):
                if items:
                    return items
                told = self._stall.silent(now, index)
                return [*self._continuity.settle(self._offset_s), *told] if told else []
            items += self._stall.arrived(now, self._continuity.next_index)
            if not self._corrected:
                items += self._first_correction(stream_id, float(stamps[-1]), now)
            column = self._description.counter_column
            counter = samples[:, column] if column >= 0 else None
            items += self._continuity.place(samples, stamps, counter, self._offset_s)
            wait_s = 0.0

    def _first_correction(self, stream_id: str, stamp: float, now: float) -> list[Item]:
        """Return the correction that is in force from here on; stamps of an unknown clock are anchored at arrival."""
        items: list[Item] = []
        index = self._continuity.next_index
        if abs(stamp + self._offset_s - now) > FOREIGN_STAMP_S:
            detail = f"stamps are {stamp + self._offset_s - now:+.1f} s from LSL's clock; anchored at their arrival"
            self._offset_s = now - stamp
            items.append(Event(EventKind.CLOCKJUMP, stream_id, index, now, 0, detail))
        self._corrected = True
        return [*items, Correction(stream_id, index, self._offset_s, now)]

    def _reconnect(self, link: LslLink, wait_s: float) -> list[Item]:
        """Look whether a lost stream is back.

        Raises
        ------
        DeviceError
            If it is not back in time, or not what it was.
        """
        now = self._clock.now()
        gone_s = now - (self._lost_at if self._lost_at is not None else now)
        if link.found_again():
            self._offset_s = self._told_offset_s = link.offset_s()
            self._corrected = False
            return []
        if gone_s >= self._settings.reconnect_s:
            raise DeviceError(
                f"LSL stream {self._description.info.stream_id!r} is gone since {gone_s:.0f} s",
                reason=Reason.NO_DATA,
                hint="restart the sending program, then start again",
            )
        self._clock.sleep(wait_s)
        return []

    def _read_markers(self) -> list[Marker]:
        """Return the markers that are there, on the session clock; the raw stamp stays in the payload."""
        if self._markers is None:
            return []
        try:
            texts = self._markers.pull_texts()
        except LslLostError:
            if self._markers.found_again():
                self._marker_offset_s = self._markers.offset_s()
            return []
        markers = []
        for stamp, values in texts:
            marker = Marker.from_json(stamp + self._marker_offset_s, values[0] if values else "")
            extra = {"values": values[1:]} if len(values) > 1 else {}
            markers.append(replace(marker, payload={**marker.payload, **extra, "source_time": stamp}))
        return markers

    def _check_clock(self, link: LslLink) -> list[Item]:
        """Compare the offset with the one in force, once a second.

        Streams of this machine keep their offset, which cannot drift; a jump is told. Those of another machine follow
        its drift in steps of a millisecond, each a new `Correction`.
        """
        now = self._clock.now()
        if not self._corrected or now - self._checked_at < _CHECK_EVERY_S or not link.connected:
            return []
        self._checked_at = now
        offset_s = link.offset_s(n_pairs=11)
        moved_s = offset_s - self._told_offset_s
        if abs(moved_s) < CLOCK_JUMP_S:
            return []
        self._told_offset_s = offset_s
        stream_id, index = self._description.info.stream_id, self._continuity.next_index
        items: list[Item] = []
        if link.is_local or abs(moved_s) >= 10 * CLOCK_JUMP_S:
            detail = f"LSL's clock moved by {1e3 * moved_s:+.2f} ms against the session clock"
            items.append(Event(EventKind.CLOCKJUMP, stream_id, index, now, 0, detail))
        if not link.is_local:
            self._offset_s += moved_s
            items.append(Correction(stream_id, index, self._offset_s, now))
        return items

    def _is_marker(self, info: Any) -> bool:
        return bool(info.name() == self._settings.marker_name and not info.nominal_srate())

    def _one(self, visible: list[Any], found: list[Any], asked: str) -> Any:
        """Return the only stream found; DeviceError if there is none or more than one."""
        if len(found) == 1:
            return found[0]
        if found:
            raise DeviceError(
                f"{len(found)} LSL streams match {asked}: {'; '.join(label(info) for info in found)}",
                reason=Reason.AMBIGUOUS,
                hint="name one by its source_id, or by its host if they share that",
            )
        seen = "; ".join(label(info) for info in visible)
        raise DeviceError(
            f"absent stream: no LSL stream with {asked} within {self._settings.resolve_timeout_s:g} s; "
            + (f"visible are {seen}" if seen else "none is visible"),
            reason=Reason.NOT_FOUND,
            hint="start the sending program, and allow it in the firewall",
        )

    def _refuse_rate(self, info: Any) -> None:
        wanted_hz = self._settings.expected_rate_hz
        if wanted_hz and not np.isclose(info.nominal_srate(), wanted_hz, rtol=1e-3):
            raise DeviceError(
                f"LSL stream {info.name()!r} declares {info.nominal_srate():g} Hz, expected are {wanted_hz:g} Hz",
                reason=Reason.WRONG_RATE,
                hint="set the device's rate, or change expected_rate_hz",
            )
