"""How an XDF file is spelled: chunks, headers, samples, footers as bytes; nothing here touches a disk.

XDF 1.0 (github.com/sccn/xdf, wiki "Specifications"): ``XDF:`` and then chunks ``[length][tag][content]``. Two habits
make our files load to the bit in other readers with their default settings: every sample carries its own stamp, and
each stream has exactly one clock offset, of value zero, and says that it can drop samples, so that nobody smooths its
stamps. A stream with corrections has those as its clock offsets instead, so that other readers put it on the clock of
the markers; our own reader takes the rows of corrections and ignores the offsets.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import StreamInfo

__all__ = [
    "BOUNDARY_UUID",
    "CHECKS",
    "CHECKS_NUMBER",
    "COMMANDS",
    "CORRECTIONS",
    "DECISIONS",
    "EVENTS",
    "FORMATS",
    "FRAMES",
    "INVALID",
    "MAGIC",
    "MARKERS",
    "OWN",
    "PREDICTIONS",
    "SCHEMA",
    "SEGMENTS",
    "Extent",
    "Tag",
    "boundary",
    "clock_offset",
    "file_header",
    "numeric_records",
    "record_dtype",
    "samples",
    "stream_footer",
    "stream_header",
    "string_records",
    "varlen",
]

MAGIC = b"XDF:"
BOUNDARY_UUID = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")

#: Version of what we put into an XDF file: names of our own streams, their rows, the header's fields.
SCHEMA = "1"

#: Streams of our own, by their full names: any other stream, whatever it is called, is a signal as received.
MARKERS, EVENTS, CORRECTIONS = "volo-markers", "volo-events", "volo-corrections"
SEGMENTS, INVALID, CHECKS = "volo-segments", "volo-invalid", "volo-checks"
PREDICTIONS, DECISIONS = "volo-predictions", "volo-decisions"
COMMANDS, FRAMES = "volo-commands", "volo-frames"
OWN = frozenset((MARKERS, EVENTS, CORRECTIONS, SEGMENTS, INVALID, CHECKS, PREDICTIONS, DECISIONS, COMMANDS, FRAMES))

#: The stream of checksums is always the file's first.
CHECKS_NUMBER = 1

#: Our sample formats and XDF's names for them.
FORMATS = {
    "float32": "float32",
    "float64": "double64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "string": "string",
}

_TYPES = {"eeg": "EEG", "markers": "Markers", "audio": "Audio"}
_UNITS = {"uV": "microvolts", "mV": "millivolts", "V": "volts"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Tag(IntEnum):
    """The kinds of chunk."""

    FILE_HEADER = 1
    STREAM_HEADER = 2
    SAMPLES = 3
    CLOCK_OFFSET = 4
    BOUNDARY = 5
    STREAM_FOOTER = 6


@dataclass(slots=True)
class Extent:
    """What a footer tells of a stream.

    Attributes
    ----------
    first, last : float
        First and last stamp, seconds; 0 if there are no samples.
    count : int
        Number of samples.
    offsets : list of (float, float)
        Clock offsets: when measured, seconds, and how much, seconds.
    """

    first: float
    last: float
    count: int
    offsets: list[tuple[float, float]]

    @classmethod
    def empty(cls) -> Extent:
        """Return the extent of a stream without samples."""
        return cls(0.0, 0.0, 0, [])

    def extend(self, times: NDArray[np.float64] | Sequence[float]) -> None:
        """Take note of more samples with these stamps."""
        if len(times) == 0:
            return
        if self.count == 0:
            self.first = float(times[0])
        self.last = float(times[-1])
        self.count += len(times)


def varlen(value: int) -> bytes:
    """Return `value` as XDF's variable-length integer."""
    if value < 1 << 8:
        return struct.pack("<BB", 1, value)
    if value < 1 << 32:
        return struct.pack("<BI", 4, value)
    return struct.pack("<BQ", 8, value)


def _chunk(tag: Tag, content: bytes) -> bytes:
    return varlen(len(content) + 2) + struct.pack("<H", tag) + content


def _element(name: str, text: str) -> str:
    bad = _NOT_XML.search(text)
    if bad is not None:
        raise ValueError(f"{name}: got the character U+{ord(bad.group()):04X}, which XML cannot hold; leave it out")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return f"<{name}>{text}</{name}>"


def _xml(body: str) -> bytes:
    return f'<?xml version="1.0"?><info>{body}</info>'.encode()


def file_header(header: Mapping[str, str]) -> bytes:
    """Return the FileHeader chunk with `header` as children of a ``volo`` element.

    Raises
    ------
    ValueError
        If a key is no XML name, or a text holds a character that XML cannot hold.
    """
    for key in header:
        if not _NAME.fullmatch(key):
            raise ValueError(f"header: got the key {key!r}, a key is letters, digits, '_', '-' and '.'")
    fields = "".join(_element(key, str(value)) for key, value in header.items())
    return _chunk(Tag.FILE_HEADER, _xml(f"<version>1.0</version><volo>{fields}</volo>"))


def _channels_xml(info: StreamInfo) -> str:
    parts = []
    for channel in info.channels:
        body = _element("label", channel.name) + _element("type", channel.kind.value.upper())
        body += _element("unit", _UNITS.get(channel.unit, channel.unit))
        parts.append(f"<channel>{body}</channel>")
    return f"<channels>{''.join(parts)}</channels>"


def _stream_json(info: StreamInfo) -> str:
    channels = [[c.name, c.kind.value, c.unit, c.position] for c in info.channels]
    return json.dumps({"kind": info.kind, "source": info.source, "channels": channels})


def stream_header(number: int, info: StreamInfo, desc: Mapping[str, Any], *, created_at: str = "0") -> bytes:
    """Return the StreamHeader chunk of stream `number`.

    Parameters
    ----------
    number : int
        The stream's number in the file.
    info : StreamInfo
        What it is; kept exactly, as JSON, beside the elements other readers know.
    desc : Mapping
        JSON-compatible details, kept under ``desc/volo``.
    created_at : str
        When the stream began, as text.

    Raises
    ------
    ValueError
        If a text holds a character that XML cannot hold.
    """
    body = _element("name", info.stream_id) + _element("type", _TYPES.get(info.kind, info.kind))
    body += _element("channel_count", str(info.n_channels)) + _element("channel_format", FORMATS[info.dtype])
    body += _element("source_id", info.source or info.stream_id) + _element("nominal_srate", repr(float(info.rate_hz)))
    body += _element("created_at", created_at)
    inner = _channels_xml(info) + "<synchronization><can_drop_samples>true</can_drop_samples></synchronization>"
    inner += _element("volo", json.dumps(dict(desc))) + _element("volo_stream", _stream_json(info))
    return _chunk(Tag.STREAM_HEADER, struct.pack("<I", number) + _xml(f"{body}<desc>{inner}</desc>"))


def record_dtype(dtype: str, n_channels: int) -> np.dtype[np.void]:
    """Return the layout of one numeric sample: flag, stamp, values; packed, little-endian."""
    return np.dtype([("flag", "u1"), ("time", "<f8"), ("values", np.dtype(dtype).newbyteorder("<"), (n_channels,))])


def numeric_records(layout: np.dtype[np.void], times: NDArray[np.float64], values: NDArray[Any]) -> bytes:
    """Return numeric samples as the bytes of a Samples chunk, each with its stamp.

    Parameters
    ----------
    layout : dtype
        From `record_dtype`.
    times : ndarray, shape (n_samples,)
        Stamps in seconds.
    values : ndarray, shape (n_samples, n_channels)
        Samples in the stream's own dtype.
    """
    records = np.empty(len(times), layout)
    records["flag"] = 8
    records["time"] = times
    records["values"] = values
    return records.tobytes()


def string_records(times: NDArray[np.float64] | Sequence[float], rows: Sequence[str]) -> bytes:
    """Return texts as the bytes of a Samples chunk of a one-channel string stream.

    Raises
    ------
    ValueError
        If a text cannot be encoded (it holds half a surrogate pair).
    """
    parts = []
    for time, row in zip(times, rows, strict=True):
        try:
            text = row.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"rows: got a text that UTF-8 cannot hold, {row[:60]!a}") from error
        parts.append(b"\x08" + struct.pack("<d", time) + varlen(len(text)) + text)
    return b"".join(parts)


def samples(number: int, count: int, records: bytes) -> bytes:
    """Return the Samples chunk of stream `number` with `count` samples already spelled as `records`."""
    return _chunk(Tag.SAMPLES, struct.pack("<I", number) + varlen(count) + records)


def clock_offset(number: int, time: float, value: float) -> bytes:
    """Return the ClockOffset chunk of stream `number`: `value` seconds, measured at `time`."""
    return _chunk(Tag.CLOCK_OFFSET, struct.pack("<Idd", number, time, value))


def boundary() -> bytes:
    """Return the Boundary chunk, from which a reader can pick up again after damage."""
    return _chunk(Tag.BOUNDARY, BOUNDARY_UUID)


def stream_footer(number: int, extent: Extent) -> bytes:
    """Return the StreamFooter chunk of stream `number`."""
    body = _element("first_timestamp", repr(extent.first)) + _element("last_timestamp", repr(extent.last))
    body += _element("sample_count", str(extent.count))
    offsets = "".join(
        f"<offset>{_element('time', repr(t))}{_element('value', repr(v))}</offset>" for t, v in extent.offsets
    )
    return _chunk(
        Tag.STREAM_FOOTER, struct.pack("<I", number) + _xml(f"{body}<clock_offsets>{offsets}</clock_offsets>")
    )
