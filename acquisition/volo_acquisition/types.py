"""The values that flow through Volo's lowest floor: streams, chunks, markers, events, corrections.

All are frozen and picklable; the arrays in them are read-only, also after unpickling.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Channel", "ChannelKind", "Chunk", "Correction", "Event", "EventKind", "Item", "Marker", "StreamInfo"]

#: Sample formats a stream may have, with their size on disk; "string" has none.
DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "string")


class ChannelKind(StrEnum):
    """What a channel measures."""

    EEG = "eeg"
    SEEG = "seeg"
    ECOG = "ecog"
    SPIKES = "spikes"
    EOG = "eog"
    EMG = "emg"
    AUDIO = "audio"
    AUX = "aux"
    COUNTER = "counter"


class EventKind(StrEnum):
    """The kinds of trouble in a stream; an Event is the only way trouble is told."""

    GAP = "GAP"
    DUP = "DUP"
    LATE = "LATE"
    STALL = "STALL"
    RESUME = "RESUME"
    RATE = "RATE"
    RAIL = "RAIL"
    FLAT = "FLAT"
    NAN = "NAN"
    CLOCKJUMP = "CLOCKJUMP"
    OVERFLOW = "OVERFLOW"
    SKIP = "SKIP"
    DISK = "DISK"


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a stream.

    Attributes
    ----------
    name : str
        Name, for EEG in the 10-20 or 10-10 system.
    kind : ChannelKind
        What it measures.
    unit : str
        Unit of the values as received, e.g. ``"uV"``, ``"V"``, ``"mV"``, ``"count"``, ``"arbitrary"``.
    position : tuple of 3 float or None
        Position in head coordinates, metres.
    """

    name: str
    kind: ChannelKind = ChannelKind.EEG
    unit: str = "uV"
    position: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream is.

    Attributes
    ----------
    stream_id : str
        Unique within a run; also the stream's name in a recording.
    kind : str
        ``"eeg"``, ``"markers"``, ``"audio"``, ...
    rate_hz : float
        Nominal sampling rate; 0 means irregular.
    channels : tuple of Channel
        In the order of the columns of ``Chunk.samples``.
    dtype : str
        One of ``DTYPES``: the format as received.
    source : str
        Which device or program it comes from, for people.
    """

    stream_id: str
    kind: str
    rate_hz: float
    channels: tuple[Channel, ...]
    dtype: str = "float32"
    source: str = ""

    def __post_init__(self) -> None:
        if not self.stream_id:
            raise ValueError("StreamInfo.stream_id: got an empty text; a stream needs a name")
        if self.dtype not in DTYPES:
            raise ValueError(f"StreamInfo.dtype: got {self.dtype!r}, allowed are {', '.join(DTYPES)}")
        if not (self.rate_hz >= 0.0 and np.isfinite(self.rate_hz)):
            raise ValueError(f"StreamInfo.rate_hz: got {self.rate_hz}, it must be finite and at least 0")

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.channels)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in order."""
        return tuple(channel.name for channel in self.channels)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view of `array`; the caller's array keeps its own flags."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A run of consecutive samples of one stream, as received.

    Attributes
    ----------
    stream_id : str
        The stream it belongs to.
    index : int
        Absolute number of its first sample in the stream; lost samples are counted, so it jumps at a gap.
    samples : ndarray, shape (n_samples, n_channels)
        In the stream's own dtype and unit.
    times : ndarray, shape (n_samples,)
        Raw stamps in seconds; add the stream's `Correction` to get the session clock.
    valid : ndarray of bool, shape (n_samples,), or None
        False where a sample is not to be trusted; None means all are valid.
    """

    stream_id: str
    index: int
    samples: NDArray[Any]
    times: NDArray[np.float64]
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.samples.ndim != 2:
            raise ValueError(f"Chunk.samples: got {self.samples.ndim} dimensions, expected (n_samples, n_channels)")
        n = len(self.samples)
        if self.times.shape != (n,):
            raise ValueError(f"Chunk.times: got shape {self.times.shape}, expected ({n},)")
        if self.valid is not None and self.valid.shape != (n,):
            raise ValueError(f"Chunk.valid: got shape {self.valid.shape}, expected ({n},)")
        if self.index < 0:
            raise ValueError(f"Chunk.index: got {self.index}, it must be at least 0")
        object.__setattr__(self, "samples", read_only(self.samples))
        object.__setattr__(self, "times", read_only(self.times))
        if self.valid is not None:
            object.__setattr__(self, "valid", read_only(self.valid))

    def __reduce__(self) -> tuple[type[Chunk], tuple[Any, ...]]:
        return Chunk, tuple(getattr(self, f.name) for f in fields(self))

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def stop(self) -> int:
        """Absolute index one past the last sample."""
        return self.index + len(self.samples)

    def part(self, start: int, stop: int) -> Chunk:
        """Return the samples from absolute index `start` up to, not including, `stop`; views, no copies."""
        a, b = start - self.index, stop - self.index
        if not 0 <= a <= b <= len(self):
            raise ValueError(f"Chunk.part: got {start} to {stop}, the chunk holds {self.index} to {self.stop}")
        valid = None if self.valid is None else self.valid[a:b]
        return Chunk(self.stream_id, start, self.samples[a:b], self.times[a:b], valid)


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened at a moment: a stimulus, a phase, a note.

    Attributes
    ----------
    time : float
        Session clock, seconds.
    label : str
        What happened, e.g. ``"stimulus/onset"``.
    payload : Mapping
        JSON-compatible details.
    origin : str
        ``"paradigm"``, ``"screen"``, ``"operator"``, ``"device"``, ``"participant"`` or ``"external"``.
    """

    time: float
    label: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "paradigm"

    def to_json(self) -> str:
        """Return label, payload and origin as one line of JSON (the time travels as the stamp)."""
        return json.dumps(
            {"label": self.label, "payload": dict(self.payload), "origin": self.origin}, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, time: float, text: str) -> Marker:
        """Read a marker written by `to_json`; any other text becomes the label of an external marker."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):  # foreign text may be anything, a number of 5,000 digits too
            data = None
        if not isinstance(data, dict) or not isinstance(data.get("label"), str):
            return cls(time, text, {}, "external")
        payload = data.get("payload")
        return cls(
            time, data["label"], payload if isinstance(payload, dict) else {}, str(data.get("origin", "external"))
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Trouble in a stream, told by whoever notices.

    Attributes
    ----------
    kind : EventKind
        Which trouble.
    stream_id : str
        Where.
    index : int
        Absolute sample index at which it starts; for SKIP the stop index of the skipped window.
    time : float
        Session clock, seconds.
    n : int
        How many samples it concerns, 0 if that makes no sense.
    detail : str
        For people.
    """

    kind: EventKind
    stream_id: str
    index: int
    time: float
    n: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Correction:
    """What to add to a stream's raw stamps to get the session clock, from a sample index on.

    Replay applies recorded corrections and never estimates again.

    Attributes
    ----------
    stream_id : str
        Which stream.
    index : int
        First absolute sample index it holds for.
    offset_s : float
        Seconds to add.
    time : float
        Session clock when it was decided.
    """

    stream_id: str
    index: int
    offset_s: float
    time: float


#: What a source yields.
Item = Chunk | Marker | Event | Correction
