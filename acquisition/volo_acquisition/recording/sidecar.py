"""The index beside a recording: for each chunk where it is, its CRC32C, whose it is, and how many samples there are.

``X.xdf.idx`` only grows, by 32 bytes for each chunk of ``X.xdf`` (or of ``X.xdf.part`` while it is recorded):
offset and samples of the stream so far (8 bytes each), length, CRC32C, stream number and the CRC32C of these 28 bytes
(4 bytes each), all little-endian. The first 32 bytes say what it is. The entries follow each other without a hole.
XDF itself has no checksum: with the index a flipped bit is found, and the chunk it is in is named.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.recording import xdf
from volo_acquisition.recording.crc32c import crc32c, crc32c_rows

__all__ = ["INDEX_SUFFIX", "Entry", "Index", "IndexLog", "index_path", "read_index"]

INDEX_SUFFIX = ".idx"

_MAGIC = b"VOLOIDX1"
_OF_A_STREAM = frozenset((xdf.Tag.STREAM_HEADER, xdf.Tag.SAMPLES, xdf.Tag.CLOCK_OFFSET, xdf.Tag.STREAM_FOOTER))
_FIELDS = struct.Struct("<QQIII")
_SIZE = _FIELDS.size + 4
_BLOCK = 512
_ROW = np.dtype(
    [("offset", "<u8"), ("count", "<u8"), ("length", "<u4"), ("crc", "<u4"), ("stream", "<u4"), ("check", "<u4")]
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index tells of one chunk.

    Attributes
    ----------
    offset, stop : int
        Its bytes in the recording.
    crc : int
        Their CRC32C.
    stream : int
        Number of its stream; 0 for what belongs to none.
    count : int
        Samples of that stream up to its end.
    """

    offset: int
    stop: int
    crc: int
    stream: int
    count: int


def index_path(recording: Path) -> Path:
    """Return where the index of ``X.xdf`` or ``X.xdf.part`` is."""
    return recording.with_name(recording.name.removesuffix(".part") + INDEX_SUFFIX)


class IndexLog:
    """The index while it grows: entries wait in memory until `take` gives them out."""

    def __init__(self) -> None:
        self._waiting = bytearray(_sealed(_MAGIC.ljust(_FIELDS.size, b"\0")))
        self._counts: dict[int, int] = {}
        self._size = 0

    def add(self, piece: bytes) -> None:
        """Take note of the next chunk of the recording; the first one comes with the file's magic before it."""
        number, n = _whose(piece)
        self._counts[number] = count = self._counts.get(number, 0) + n
        self._waiting += _sealed(_FIELDS.pack(self._size, count, len(piece), crc32c(piece), number))
        self._size += len(piece)

    @property
    def n_waiting_bytes(self) -> int:
        """How much waits to be given out."""
        return len(self._waiting)

    def take(self) -> bytes:
        """Return what was not given out yet."""
        waiting, self._waiting = self._waiting, bytearray()
        return bytes(waiting)

    def give_back(self, piece: bytes) -> None:
        """Take back what could not be written."""
        self._waiting[:0] = piece


def _sealed(fields: bytes) -> bytes:
    return fields + crc32c(fields).to_bytes(4, "little")


def _whose(piece: bytes) -> tuple[int, int]:
    """Return the stream of a whole chunk, and how many samples it brings."""
    at = len(xdf.MAGIC) if piece.startswith(xdf.MAGIC) else 0
    at += 1 + piece[at]
    tag = int.from_bytes(piece[at : at + 2], "little")
    if tag not in _OF_A_STREAM or len(piece) < at + 6:
        return 0, 0
    number = int.from_bytes(piece[at + 2 : at + 6], "little")
    if tag != xdf.Tag.SAMPLES:
        return number, 0
    n_bytes = piece[at + 6]
    return number, int.from_bytes(piece[at + 7 : at + 7 + n_bytes], "little")


class Index:
    """The index of a recording; entries are read as they are asked for.

    Parameters
    ----------
    path : Path
        The file.
    n_entries : int
        How many entries it has.
    sound : ndarray or None
        The entries, if some in the file are damaged.
    n_damaged : int
        How many those are.

    Attributes
    ----------
    size : int
        How many bytes of the recording it covers.
    n_damaged : int
        How many of its entries are damaged themselves.
    """

    def __init__(self, path: Path, n_entries: int, sound: NDArray[np.void] | None, n_damaged: int) -> None:
        self._path, self._n = path, n_entries
        self.n_damaged = n_damaged
        self._sound = sound
        self._block, self._rows = -1, [(0, 0, 0, 0, 0, 0)]
        self._hint = 0
        self.size = self.entry(self._n - 1).stop if self._n else 0

    def __len__(self) -> int:
        return self._n

    def entry(self, at: int) -> Entry:
        """Return the `at`-th entry."""
        block, place = divmod(at, _BLOCK)
        if block != self._block:
            first = block * _BLOCK
            rows = _rows_of(self._path, 1 + first, _BLOCK) if self._sound is None else self._sound[first:][:_BLOCK]
            self._block, self._rows = block, rows.tolist()
        offset, count, length, crc, stream, _ = self._rows[place]
        return Entry(offset, offset + length, crc, stream, count)

    def _at(self, offset: int) -> int:
        """Return which entry is the first that begins at byte `offset` or later."""
        for guess in (self._hint, self._hint + 1):  # mostly the walk goes from one to the next
            if guess < self._n and self.entry(guess).offset == offset:
                return guess
        return bisect_left(range(self._n), offset, key=lambda at: self.entry(at).offset)

    def between(self, start: int, stop: int) -> list[Entry]:
        """Return the entries of the chunks that begin from byte `start` to before byte `stop`."""
        at = self._hint = self._at(start)
        entries: list[Entry] = []
        while at < self._n and (entry := self.entry(at)).offset < stop:
            entries.append(entry)
            at += 1
        return entries

    def before(self, entry: Entry) -> int:
        """Return how many samples of the entry's stream come before it."""
        for at in range(self._at(entry.offset) - 1, -1, -1):
            earlier = self.entry(at)
            if earlier.stream == entry.stream:
                return earlier.count
        return 0


def _rows_of(path: Path, first: int, n: int) -> NDArray[np.void]:
    with path.open("rb") as file:
        file.seek(first * _SIZE)
        data = file.read(n * _SIZE)
    return np.frombuffer(data, _ROW, len(data) // _SIZE)


def _sound_rows(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    sound: NDArray[np.bool_] = crc32c_rows(rows.view(np.uint8).reshape(-1, _SIZE)[:, : _FIELDS.size]) == rows["check"]
    return sound


def read_index(recording: Path) -> Index | None:
    """Return the index beside a recording; None if there is none, or it is another recording's.

    Damaged entries are left out and counted. It is another recording's if of its first sixteen entries more than half
    do not fit.
    """
    path = index_path(recording)
    try:
        n, rest = divmod(path.stat().st_size, _SIZE)
        if n < 2:
            return None
        head = _rows_of(path, 0, 1)
        if _sound_rows(head)[0] and not head.tobytes().startswith(_MAGIC):
            return None
        n_damaged = int(not _sound_rows(head)[0]) + (rest != 0)
        n_bad = 0
        for first in range(1, n, _BLOCK):
            rows = _rows_of(path, first, min(_BLOCK, n - first))
            n_bad += int((~_sound_rows(rows)).sum())
        sound_rows = None
        if n_bad:
            whole = _rows_of(path, 1, n - 1)
            sound_rows = whole[_sound_rows(whole)]
        index = Index(path, n - 1 if sound_rows is None else len(sound_rows), sound_rows, n_damaged + n_bad)
        return index if _fits(index, recording) else None
    except OSError:
        return None


def _fits(index: Index, recording: Path) -> bool:
    """Return whether most of the first chunks are as the index says."""
    size = recording.stat().st_size
    first = [entry for at in range(min(16, len(index))) if (entry := index.entry(at)).stop <= size]
    fit = 0
    with recording.open("rb") as file:
        for entry in first:
            file.seek(entry.offset)
            fit += crc32c(file.read(entry.stop - entry.offset)) == entry.crc
    return 2 * fit >= len(first)
