"""Publishing over the Lab Streaming Layer: commands as an output, and chunks and markers for other programs."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from volo_acquisition.clock import Clock, SessionClock
from volo_acquisition.sources.foreign_clock import lsl_offset_s
from volo_acquisition.sources.lsl_driver import load_pylsl
from volo_acquisition.types import Channel, ChannelKind, Chunk, Correction, Marker, StreamInfo
from volo_paradigms.types import Command

__all__ = ["COUNTER_MODULUS", "ChunkOutlet", "LslOutput", "LslOutputSettings", "MarkerOutlet"]

#: Where the counter of our streams wraps: float32 holds whole numbers exactly up to here.
COUNTER_MODULUS = 2**24
#: liblsl sends from a thread of its own and drops what is left when an outlet is destroyed; real seconds.
_LINGER_S = 0.1
_SMALL_MODULUS = {"int8": 2**7, "int16": 2**15}


class _Outlet(ABC):
    """A stream on the network, from `open` to `close`."""

    def __init__(self, clock: Clock | None, source_id: str) -> None:
        self._clock = clock if clock is not None else SessionClock()
        self.source_id = source_id or f"volo-{uuid.uuid4().hex}"
        self._outlet: Any = None
        self._lsl_from_session_s = 0.0

    def _publish(self, lsl_info: Any) -> None:
        self._lsl_from_session_s = -lsl_offset_s(self._clock)
        self._outlet = load_pylsl().StreamOutlet(lsl_info)

    def _required(self) -> Any:
        if self._outlet is None:
            raise ValueError(f"{type(self).__name__}: the outlet is not open; call open() first")
        return self._outlet

    def has_consumers(self) -> bool:
        """Return True if another program is listening."""
        return bool(self._required().have_consumers())

    def wait_for_consumers(self, timeout_s: float) -> bool:
        """Wait, real seconds, until another program listens; return whether one does."""
        return bool(self._required().wait_for_consumers(timeout_s))

    def close(self) -> None:
        """Let what was sent last get out, and take the stream off the network; twice is harmless."""
        if self._outlet is not None and self._outlet.have_consumers():
            SessionClock().sleep(_LINGER_S)
        self._outlet = None  # its destructor does it

    def __enter__(self) -> Any:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def open(self) -> None:
        """Put the stream on the network."""


class ChunkOutlet(_Outlet):
    """Publishes the chunks of one stream.

    A stream without a counter channel gets one, so that whoever receives it can count lost samples exactly: the
    absolute index modulo `counter_modulus`, which is declared in the stream's description.

    Parameters
    ----------
    info : StreamInfo
        The stream; its id becomes the name.
    clock : Clock or None
        The session clock; None is `SessionClock`.
    source_id : str
        Unique id; empty for a new one.
    counter : bool
        Whether to add a counter channel where there is none.
    counter_modulus : int or None
        Where the stream's own counter channel wraps, if it has one; None is `COUNTER_MODULUS`, 0 is unknown.

    Raises
    ------
    ValueError
        If the stream carries texts.
    """

    def __init__(
        self,
        info: StreamInfo,
        clock: Clock | None = None,
        *,
        source_id: str = "",
        counter: bool = True,
        counter_modulus: int | None = None,
    ) -> None:
        if info.dtype == "string":
            raise ValueError("ChunkOutlet: got a stream of texts, samples are numbers; use MarkerOutlet for markers")
        super().__init__(clock, source_id)
        self.info = info
        own = any(channel.kind is ChannelKind.COUNTER for channel in info.channels)
        self._added = counter and not own
        self.counter_modulus = COUNTER_MODULUS if counter_modulus is None else counter_modulus
        if self._added:
            self.counter_modulus = _SMALL_MODULUS.get(info.dtype, COUNTER_MODULUS)
        self._declared = own or self._added
        self._offset_s = 0.0

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels as published."""
        added = (Channel("counter", ChannelKind.COUNTER, "count"),) if self._added else ()
        return (*self.info.channels, *added)

    def open(self) -> None:
        """Put the stream on the network."""
        info = self.info
        dtype = {"float64": "double64"}.get(info.dtype, info.dtype)
        lsl_info = load_pylsl().StreamInfo(
            info.stream_id, info.kind.upper(), len(self.channels), info.rate_hz, dtype, self.source_id
        )
        description = lsl_info.desc()
        elements = description.append_child("channels")
        for channel in self.channels:
            element = elements.append_child("channel")
            element.append_child_value("label", channel.name)
            element.append_child_value("type", channel.kind.upper())
            element.append_child_value("unit", {"uV": "microvolts"}.get(channel.unit, channel.unit))
            if channel.position is not None:
                location = element.append_child("location")
                for axis, metres in zip("XYZ", channel.position, strict=True):
                    location.append_child_value(axis, f"{1e3 * metres:g}")
        if self._declared and self.counter_modulus:
            description.append_child_value("counter_modulus", str(self.counter_modulus))
        description.append_child_value("manufacturer", "Volo")
        self._publish(lsl_info)

    def correct(self, correction: Correction) -> None:
        """Use a correction for the stamps of the chunks that follow."""
        if correction.stream_id == self.info.stream_id:
            self._offset_s = correction.offset_s

    def push(self, chunk: Chunk) -> None:
        """Send a chunk, stamped with its session times on LSL's clock.

        Raises
        ------
        ValueError
            If the chunk is not of this stream.
        """
        if chunk.stream_id != self.info.stream_id or chunk.samples.shape[1] != self.info.n_channels:
            raise ValueError(
                f"ChunkOutlet.push: got a chunk of {chunk.stream_id!r} with {chunk.samples.shape[1]} channels, "
                f"this is {self.info.stream_id!r} with {self.info.n_channels}"
            )
        outlet = self._required()
        if not len(chunk):
            return
        samples = chunk.samples
        if self._added:
            counter = np.arange(chunk.index, chunk.stop) % self.counter_modulus
            samples = np.column_stack((samples, counter.astype(samples.dtype)))
        stamps = chunk.times + (self._offset_s + self._lsl_from_session_s)
        outlet.push_chunk(np.ascontiguousarray(samples), stamps.tolist())


class MarkerOutlet(_Outlet):
    """Publishes markers as one line of JSON each.

    Parameters
    ----------
    name : str
        Name of the stream.
    clock : Clock or None
        The session clock; None is `SessionClock`.
    source_id : str
        Unique id; empty for a new one.
    """

    def __init__(self, name: str, clock: Clock | None = None, *, source_id: str = "") -> None:
        super().__init__(clock, source_id)
        self.name = name

    def open(self) -> None:
        """Put the stream on the network."""
        self._publish(load_pylsl().StreamInfo(self.name, "Markers", 1, 0.0, "string", self.source_id))

    def push(self, marker: Marker) -> None:
        """Send a marker, stamped with its session time on LSL's clock."""
        self._required().push_sample([marker.to_json()], marker.time + self._lsl_from_session_s)


@dataclass(frozen=True, slots=True)
class LslOutputSettings:
    """How the command stream is called.

    Attributes
    ----------
    name : str
        Name of the stream.
    source_id : str
        Unique id; empty for a new one each run.
    """

    name: str = "volo-commands"
    source_id: str = ""


class LslOutput:
    """Sends each command as a marker ``command`` with all its fields, and ``command/neutral`` for the safe state.

    A receiver must not carry out a command after ``time + valid_for_s`` of the command, which is on the session
    clock; the marker's stamp is the same moment on LSL's clock.

    Parameters
    ----------
    settings : LslOutputSettings
        How the stream is called.
    clock : Clock
        The session clock.
    """

    Settings = LslOutputSettings

    def __init__(self, settings: LslOutputSettings, clock: Clock) -> None:
        self._clock = clock
        self._outlet = MarkerOutlet(settings.name, clock, source_id=settings.source_id)
        self._is_open = False
        self._is_neutral = True

    @property
    def outlet(self) -> MarkerOutlet:
        """The stream the commands go to."""
        return self._outlet

    def open(self) -> None:
        """Put the command stream on the network."""
        self._outlet.open()
        self._is_open, self._is_neutral = True, False

    def send(self, command: Command) -> None:
        """Send a command."""
        payload = {
            "sequence": command.sequence,
            "time": command.time,
            "valid_for_s": command.valid_for_s,
            "target": command.target,
            "value": command.value,
        }
        self._outlet.push(Marker(command.time, "command", payload))
        self._is_neutral = False

    def neutral(self) -> None:
        """Tell receivers to go to their safe state; said once until the next command."""
        if self._is_open and not self._is_neutral:
            self._outlet.push(Marker(self._clock.now(), "command/neutral"))
            self._is_neutral = True

    def close(self) -> None:
        """Go neutral and take the stream off the network."""
        self.neutral()
        self._is_open = False
        self._outlet.close()
