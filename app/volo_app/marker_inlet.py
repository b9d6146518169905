"""A source of markers alone: an LSL marker stream beside a device that has none of its own.

The LSL source itself takes a marker stream along with a signal; this is for markers from one program and a signal
from elsewhere. pylsl is imported when it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from volo_acquisition.clock import Clock
from volo_acquisition.errors import ConfigError, DeviceError, Reason
from volo_acquisition.sources.lsl_link import LslLink, LslLostError, find_streams
from volo_acquisition.sources.spec import parse_spec, settings_from_texts
from volo_acquisition.types import Item, Marker, StreamInfo

__all__ = ["LslMarkerInlet", "MarkerSettings", "make_marker_inlet"]


@dataclass(frozen=True, slots=True)
class MarkerSettings:
    """Which marker stream to take.

    Attributes
    ----------
    name : str
        Name of the stream; empty means any.
    source_id : str
        Its unique id; empty means any.
    resolve_timeout_s : float
        How long to look for it.
    """

    name: str = ""
    source_id: str = ""
    resolve_timeout_s: float = 5.0

    def matches(self, info: Any) -> bool:
        """Say whether a resolved stream is the one: irregular, and of that name and id."""
        wishes = ((self.name, info.name()), (self.source_id, info.source_id()))
        return all(wish in ("", got) for wish, got in wishes) and not info.nominal_srate()


def make_marker_inlet(text: str, clock: Clock) -> LslMarkerInlet:
    """Make the inlet that `text` describes, e.g. ``lsl:NAME`` or ``lsl:source_id=abc``; it is not opened.

    Raises
    ------
    ConfigError
        If it is not an LSL stream, or a key is unknown.
    """
    spec = parse_spec(text)
    if spec.name != "lsl":
        raise ConfigError([f"--markers: got {text!r}, it must be lsl:NAME or lsl:source_id=ID"])
    values = [("name", spec.bare)] if spec.bare is not None else []
    return LslMarkerInlet(settings_from_texts(MarkerSettings, [*values, *spec.values], where="--markers lsl"), clock)


class LslMarkerInlet:
    """Yields the markers of one LSL stream, on the session clock.

    Parameters
    ----------
    settings : MarkerSettings
        Which stream.
    clock : Clock
        The session clock.
    """

    Settings = MarkerSettings

    def __init__(self, settings: MarkerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._link: LslLink | None = None
        self._offset_s = 0.0

    def open(self) -> tuple[StreamInfo, ...]:
        """Find the stream and connect; markers need no stream of their own, so none is returned.

        Raises
        ------
        DeviceError
            If it is absent, not the only one, or does not answer.
        """
        settings = self._settings
        found = [
            info for info in find_streams([settings.matches], settings.resolve_timeout_s) if settings.matches(info)
        ]
        asked = settings.name or settings.source_id or "any"
        if not found:
            raise DeviceError(
                f"absent stream: no LSL marker stream {asked!r} within {settings.resolve_timeout_s:g} s",
                reason=Reason.NOT_FOUND,
                hint="start the sending program, and allow it in the firewall",
            )
        if len(found) > 1:
            ids = ", ".join(f"{info.name()!r} (source_id {info.source_id()!r})" for info in found)
            raise DeviceError(
                f"{len(found)} LSL marker streams match {asked!r}: {ids}",
                reason=Reason.AMBIGUOUS,
                hint="name one by its source_id",
            )
        self._link = LslLink(found[0], self._clock)
        self._link.open()
        self._offset_s = self._link.offset_s()
        return ()

    def read(self, timeout_s: float) -> list[Item]:
        """Return the markers that are there; the raw stamp stays in the payload as ``source_time``."""
        if self._link is None:
            raise ValueError("LslMarkerInlet.read: the source is not open; call open() first")
        try:
            texts = self._link.pull_texts()
        except LslLostError:
            if self._link.found_again():
                self._offset_s = self._link.offset_s()
            texts = []
        if not texts:
            self._clock.sleep(timeout_s)
            return []
        return [self._marker(stamp, values) for stamp, values in texts]

    def close(self) -> None:
        """Disconnect."""
        if self._link is not None:
            self._link.close()
        self._link = None

    @property
    def exhausted(self) -> bool:
        """False: markers may always come."""
        return False

    def _marker(self, stamp: float, values: list[str]) -> Marker:
        marker = Marker.from_json(stamp + self._offset_s, values[0] if values else "")
        extra = {"values": values[1:]} if len(values) > 1 else {}
        return replace(marker, payload={**marker.payload, **extra, "source_time": stamp})
