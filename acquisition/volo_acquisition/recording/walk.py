"""Going through an XDF file, ours or another program's, chunk by chunk, past whatever is damaged.

The file is read once, in order, one chunk in memory at a time. What cannot be read becomes a `Damage`; after it the
walk goes on at the next chunk where the lengths still fit, else behind the next boundary.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.recording.crc32c import crc32c
from volo_acquisition.recording.headers import file_header, footer_count, stream_header
from volo_acquisition.recording.sidecar import Index
from volo_acquisition.recording.xdf import BOUNDARY_UUID, CHECKS, CHECKS_NUMBER, MAGIC, Tag, record_dtype
from volo_acquisition.types import StreamInfo

__all__ = ["Boundary", "Damage", "FileHead", "Footer", "Offset", "Piece", "Samples", "StreamHead", "walk"]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the file from byte `offset` to byte `stop`."""

    offset: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Whole(_Piece):
    """A complete chunk with its bytes."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class FileHead(_Whole):
    """The file's header; `own` if this program wrote it."""

    header: dict[str, str]
    own: bool


@dataclass(frozen=True, slots=True)
class StreamHead(_Whole):
    """A stream's header."""

    number: int
    info: StreamInfo
    desc: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Samples(_Whole):
    """Samples: values of shape (n, n_channels) in the stream's dtype, or for each sample a tuple of texts."""

    number: int
    times: NDArray[np.float64]
    values: NDArray[Any] | list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Offset(_Whole):
    """A clock offset: seconds to add to the stream's stamps, and when it was measured."""

    number: int
    time: float
    value: float


@dataclass(frozen=True, slots=True)
class Boundary(_Whole):
    """A boundary, or a chunk of a kind this program does not know."""


@dataclass(frozen=True, slots=True)
class Footer(_Whole):
    """A stream's footer; `count` is None if it tells none."""

    number: int
    count: int | None


@dataclass(frozen=True, slots=True)
class Damage(_Piece):
    """Bytes that make no sense; `torn` if it is the file's end."""

    what: str
    torn: bool


Piece = FileHead | StreamHead | Samples | Offset | Boundary | Footer | Damage


class _TornError(ValueError):
    """The file ends inside a chunk."""


def walk(file: BinaryIO, size: int, index: Index | None = None) -> Iterator[Piece]:
    """Go through an XDF file.

    Parameters
    ----------
    file : binary file
        Positioned at its beginning.
    size : int
        Its size in bytes; what lies behind is not looked at.
    index : Index or None
        Where chunks are; after damage the walk goes on at the next one that is as it was written.

    Yields
    ------
    Piece
        In the order of the file, without gaps from byte 4 to `size`; nothing if the file does not begin with
        ``XDF:``.
    """
    if file.read(len(MAGIC)) != MAGIC:
        return
    walker = _Walker(file, size, index)
    position = len(MAGIC)
    while position < size:
        piece = walker.next_piece(position)
        yield piece
        position = piece.stop


class _Walker:
    """Reads pieces; knows the streams seen so far, and their last stamps."""

    def __init__(self, file: BinaryIO, size: int, index: Index | None) -> None:
        self._file, self._size, self._index = file, size, index
        self._position = len(MAGIC)
        self._own = False
        self._streams: dict[int, StreamInfo] = {}
        self._layouts: dict[int, np.dtype[np.void]] = {}
        self._last: dict[int, float] = {}

    def next_piece(self, offset: int) -> Piece:
        """Return the piece that begins at `offset`."""
        stop = 0
        try:
            raw, head = self._read_raw(offset)
            stop = offset + len(raw)
            return self._decode(offset, stop, raw, head)
        except _TornError as error:
            return self._damage(offset, str(error))
        except (ValueError, struct.error, ET.ParseError) as error:
            if stop and self._is_chunk(stop):
                return Damage(offset, stop, str(error), stop == self._size)
            return self._damage(offset, str(error))

    def _read(self, offset: int, n: int) -> bytes:
        if offset != self._position:
            self._file.seek(offset)
        data = self._file.read(n)
        self._position = offset + len(data)
        return data

    def _read_length(self, offset: int) -> tuple[bytes, int]:
        """Return the bytes of a chunk's length, and the length."""
        first = self._read(offset, 1)
        n_bytes = first[0] if first else 0
        if n_bytes not in (1, 4, 8):
            raise ValueError(f"a length of {n_bytes} bytes, expected 1, 4 or 8")
        if offset + 1 + n_bytes > self._size:
            raise _TornError("the file ends inside a chunk's length")
        digits = self._read(offset + 1, n_bytes)
        return first + digits, int.from_bytes(digits, "little")

    def _read_raw(self, offset: int) -> tuple[bytes, int]:
        """Return a whole chunk and where in it the content begins."""
        prefix, length = self._read_length(offset)
        if length < 2:
            raise ValueError(f"a chunk of {length} bytes, expected at least 2")
        start = offset + len(prefix)
        if start + length > self._size:
            raise _TornError(f"the file ends inside a chunk: {self._size - start} of {length} bytes")
        return prefix + self._read(start, length), len(prefix) + 2

    def _is_chunk(self, offset: int) -> bool:
        """Return whether what begins at `offset` looks like a chunk, or is the file's end."""
        if offset == self._size:
            return True
        try:
            prefix, length = self._read_length(offset)
        except ValueError:
            return False
        start = offset + len(prefix)
        tag = int.from_bytes(self._read(start, 2), "little")
        return start + length <= self._size and length >= 2 and 1 <= tag <= len(Tag)

    def _damage(self, offset: int, what: str) -> Damage:
        """Return the damage from `offset` to the next chunk the index vouches for, if it comes before a boundary."""
        damage = self._damage_to_boundary(offset, what)
        for entry in self._index.between(offset + 1, min(damage.stop, self._size)) if self._index else ():
            if entry.stop <= self._size and crc32c(self._read(entry.offset, entry.stop - entry.offset)) == entry.crc:
                return Damage(offset, entry.offset, what, torn=False)
        return damage

    def _damage_to_boundary(self, offset: int, what: str) -> Damage:
        """Return the damage from `offset` to behind the next boundary, or to the file's end."""
        block, overlap = 1 << 20, len(BOUNDARY_UUID) - 1
        position = offset
        while position < self._size:
            data = self._read(position, min(block, self._size - position))
            found = data.find(BOUNDARY_UUID)
            if found >= 0:
                return Damage(offset, position + found + len(BOUNDARY_UUID), what, torn=False)
            position += max(1, len(data) - overlap)
            if len(data) <= overlap:
                break
        return Damage(offset, self._size, what, torn=True)

    def _decode(self, offset: int, stop: int, raw: bytes, head: int) -> Piece:
        tag = int.from_bytes(raw[head - 2 : head], "little")
        content = memoryview(raw)[head:]
        if tag == Tag.FILE_HEADER:
            if offset != len(MAGIC):
                raise ValueError("a second file header")
            header, self._own = file_header(bytes(content))
            return FileHead(offset, stop, raw, header, self._own)
        if tag == Tag.BOUNDARY:
            if content != BOUNDARY_UUID:
                raise ValueError("a boundary that is none")
            return Boundary(offset, stop, raw)
        if not Tag.FILE_HEADER <= tag <= Tag.STREAM_FOOTER:
            if self._own:
                raise ValueError(f"a chunk of kind {tag}, expected 1 to {len(Tag)}")
            return Boundary(offset, stop, raw)
        return self._decode_stream(offset, stop, raw, tag, content)

    def _decode_stream(self, offset: int, stop: int, raw: bytes, tag: int, content: memoryview) -> Piece:
        """Decode a chunk that belongs to a stream."""
        (number,) = struct.unpack_from("<I", content)
        content = content[4:]
        if tag == Tag.STREAM_HEADER:
            if number in self._streams:
                raise ValueError(f"a second header of stream {number}")
            info, desc = stream_header(bytes(content), number)
            self._streams[number] = info
            self._own = self._own or (number == CHECKS_NUMBER and info.stream_id == CHECKS)
            if info.dtype != "string":
                self._layouts[number] = record_dtype(info.dtype, info.n_channels)
            return StreamHead(offset, stop, raw, number, info, desc)
        if number not in self._streams:
            raise ValueError(f"something of stream {number}, which has no header")
        if tag == Tag.CLOCK_OFFSET:
            time, value = struct.unpack("<dd", content)
            return Offset(offset, stop, raw, number, time, value)
        if tag == Tag.STREAM_FOOTER:
            return Footer(offset, stop, raw, number, footer_count(bytes(content)))
        times, values = self._samples(number, content)
        return Samples(offset, stop, raw, number, times, values)

    def _samples(
        self, number: int, content: memoryview
    ) -> tuple[NDArray[np.float64], NDArray[Any] | list[tuple[str, ...]]]:
        count, start = _varlen(content, 0)
        if number not in self._layouts:
            return self._strings(number, content, start, count)
        layout = self._layouts[number]
        if len(content) - start == count * layout.itemsize:
            records = np.frombuffer(content, layout, count, start)
            if (records["flag"] == 8).all():
                if count:
                    self._last[number] = float(records["time"][-1])
                values = records["values"].astype(records["values"].dtype.newbyteorder("="))
                return records["time"].astype(np.float64), values
        if self._own:
            raise ValueError(f"samples of stream {number} that do not fit their chunk")
        return self._elided(number, content, start, count)

    def _stamp(self, number: int, content: memoryview, at: int) -> tuple[float, int]:
        """Read or deduce one stamp."""
        flag = content[at] if at < len(content) else -1
        if flag == 8:
            (time,) = struct.unpack_from("<d", content, at + 1)
            at += 9
        elif flag == 0 and not self._own:
            rate_hz = self._streams[number].rate_hz
            time = self._last.get(number, 0.0) + (1.0 / rate_hz if rate_hz else 0.0)
            at += 1
        else:
            raise ValueError(f"a stamp of {flag} bytes, expected 8" + ("" if self._own else " or 0"))
        self._last[number] = time
        return time, at

    def _elided(
        self, number: int, content: memoryview, at: int, count: int
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Read numeric samples some of which have no stamp: last stamp plus nominal interval, as in pyxdf."""
        info = self._streams[number]
        dtype = np.dtype(info.dtype).newbyteorder("<")
        size = dtype.itemsize * info.n_channels
        if count > len(content):
            raise ValueError(f"{count} samples in {len(content)} bytes")
        times, parts = np.empty(count), []
        for k in range(count):
            times[k], at = self._stamp(number, content, at)
            parts.append(content[at : at + size])
            at += size
        if at != len(content):
            raise ValueError(f"samples of stream {number} that do not fit their chunk")
        values = np.frombuffer(b"".join(parts), dtype).reshape(count, info.n_channels)
        return times, values.astype(dtype.newbyteorder("="))

    def _strings(
        self, number: int, content: memoryview, at: int, count: int
    ) -> tuple[NDArray[np.float64], list[tuple[str, ...]]]:
        n_channels = self._streams[number].n_channels
        if count > len(content):
            raise ValueError(f"{count} samples in {len(content)} bytes")
        times, rows = np.empty(count), []
        for k in range(count):
            times[k], at = self._stamp(number, content, at)
            row = []
            for _ in range(n_channels):
                length, at = _varlen(content, at)
                if at + length > len(content):
                    raise ValueError("a text longer than its chunk")
                row.append(str(content[at : at + length], "utf-8", "strict" if self._own else "replace"))
                at += length
            rows.append(tuple(row))
        if at != len(content):
            raise ValueError(f"samples of stream {number} that do not fit their chunk")
        return times, rows


def _varlen(content: memoryview, at: int) -> tuple[int, int]:
    """Read a variable-length integer at `at`; return it and where it ends."""
    n_bytes = content[at] if at < len(content) else 0
    if n_bytes not in (1, 4, 8) or at + 1 + n_bytes > len(content):
        raise ValueError(f"a length of {n_bytes} bytes, expected 1, 4 or 8")
    return int.from_bytes(content[at + 1 : at + 1 + n_bytes], "little"), at + 1 + n_bytes
