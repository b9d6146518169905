"""Ring files: the last minute of one stream, mapped into memory, one writer, any number of readers.

A ring is a plain file. The writer says which rows it is about to overwrite, writes them, and then says that they are
there; a reader copies, then looks which rows were about to be overwritten meanwhile, and counts those as lost. So the
writer never waits, and no reader ever gets a sample that is half old and half new. A writer killed at any moment
leaves a consistent ring.

The order of the writer's stores is kept by processors of the x86 family as it is; on others a lock taken and let go
between them is the fence.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo

__all__ = ["RING_SUFFIX", "RingReader", "RingWriter", "sweep"]

#: Ring files end in this, so that leftovers can be swept.
RING_SUFFIX = ".ring"

_MAGIC = b"VOLORING"
_VERSION = 1
_FIXED = 64  # magic, version, length of the description, and the counters, each 8 bytes
_ALIGNMENT = 4096
_IRREGULAR_ROWS = 4096
_BLOCK = bytes(1 << 20)
_TRIES = 16

# The counters: rows announced, rows there, 1 once the writer has closed, and what was told beside the samples
_ANNOUNCED, _THERE, _CLOSED, _TOLD = 0, 1, 2, 3


class _Layout:
    """Where things are in the file of a stream; made by the writer, read back by the reader."""

    def __init__(self, info: StreamInfo, n_rows: int) -> None:
        self.info, self.n_rows = info, n_rows
        self.description = _describe(info, n_rows).encode()
        self.row = np.dtype(
            [("index", "<i8"), ("time", "<f8"), ("valid", "?"), ("samples", info.dtype, (info.n_channels,))],
            align=True,
        )
        used = _FIXED + len(self.description)
        self.start = -(-used // _ALIGNMENT) * _ALIGNMENT
        self.size = self.start + n_rows * self.row.itemsize

    def maps(self, path: Path, mode: str) -> tuple[NDArray[np.int64], NDArray[np.void]]:
        """Return the counters and the rows."""
        whole = np.memmap(path, np.uint8, "r+" if mode == "r+" else "r", shape=(self.size,))
        return whole[24:56].view("<i8"), whole[self.start :].view(self.row)


class RingWriter:
    """Creates a ring file and writes a stream into it; used from one thread.

    Parameters
    ----------
    path : Path
        The file to create; ends in ``.ring``. Missing folders are created.
    info : StreamInfo
        The stream; not one of strings.
    seconds : float
        How much it holds, at the nominal rate; an irregular stream gets 4096 rows.

    Raises
    ------
    FileError
        If the file exists already (EXISTS), or cannot be created whole (DISK_FULL, NOT_WRITABLE).
    ValueError
        If the stream cannot be kept in a ring.
    """

    def __init__(self, path: Path, info: StreamInfo, seconds: float = 60.0) -> None:
        if path.suffix != RING_SUFFIX:
            raise ValueError(f"path: got {path.name!r}, a ring's name ends in {RING_SUFFIX!r}")
        if info.dtype == "string" or info.n_channels == 0:
            raise ValueError(f"info: got {info.n_channels} channels of {info.dtype}, expected at least one of numbers")
        if not (seconds > 0.0 and math.isfinite(seconds)):
            raise ValueError(f"seconds: got {seconds}, it must be more than 0")
        self.path, self.info = path, info
        n_rows = max(1, math.ceil(seconds * info.rate_hz)) if info.rate_hz else _IRREGULAR_ROWS
        layout = _Layout(info, n_rows)
        _create(path, layout)
        self._fence = threading.Lock()
        self._n_rows = n_rows
        self._counters, self._rows = layout.maps(path, "r+")
        with path.open("r+b") as file:  # last, so that no reader takes a file that is not ready
            file.write(_MAGIC)
        self._open = True

    @property
    def n_rows(self) -> int:
        """How many samples it holds."""
        return self._n_rows

    def write(self, chunk: Chunk) -> None:
        """Write a chunk; never waits for a reader.

        Raises
        ------
        ValueError
            If the chunk is of another stream, has not its channels or dtype, or the ring is closed.
        """
        info = self.info
        if not self._open:
            raise ValueError(f"{self.path.name}: written to after it was closed")
        if chunk.stream_id != info.stream_id or chunk.samples.shape[1] != info.n_channels:
            got = f"{chunk.stream_id!r} with {chunk.samples.shape[1]} channels"
            raise ValueError(f"chunk: got {got}, expected {info.stream_id!r} with {info.n_channels}")
        if chunk.samples.dtype != np.dtype(info.dtype):
            raise ValueError(f"chunk: got samples of {chunk.samples.dtype}, expected {info.dtype}")
        for start in range(chunk.index, chunk.stop, self._n_rows):
            self._write(chunk.part(start, min(start + self._n_rows, chunk.stop)))

    def _write(self, chunk: Chunk) -> None:
        there = int(self._counters[_THERE])
        announced = there + len(chunk)
        self._counters[_ANNOUNCED] = announced
        self._order()
        first = there % self._n_rows
        n = min(len(chunk), self._n_rows - first)
        for slot, part in ((first, slice(0, n)), (0, slice(n, len(chunk)))):
            rows = self._rows[slot : slot + part.stop - part.start]
            rows["index"] = np.arange(chunk.index + part.start, chunk.index + part.stop)
            rows["time"] = chunk.times[part]
            rows["valid"] = True if chunk.valid is None else chunk.valid[part]
            rows["samples"] = chunk.samples[part]
        self._order()
        self._counters[_THERE] = announced

    def tell(self, n_told: int) -> None:
        """Say how many things, by a way of their own, were told before whatever is written next (`RingReader.n_told`).

        Raises
        ------
        ValueError
            If the ring is closed.
        """
        if not self._open:
            raise ValueError(f"{self.path.name}: written to after it was closed")
        self._counters[_TOLD] = n_told
        self._order()

    def _order(self) -> None:
        with self._fence:
            pass

    def close(self) -> None:
        """Say that nothing more will come, and let go; the file stays for its readers, until it is swept."""
        if self._open:
            self._open = False
            self._counters[_CLOSED] = 1
            del self._counters, self._rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RingReader:
    """Reads a ring file from the beginning, or from now on; used from one thread.

    Parameters
    ----------
    path : Path
        The file.
    from_now : bool
        Whether to begin with what is written next, instead of with the first sample.

    Attributes
    ----------
    info : StreamInfo
        The stream.

    Raises
    ------
    FileError
        If there is no such ring (NOT_FOUND), its writer has not finished creating it (NO_DATA), it is no ring or
        damaged (DAMAGED), or of a newer version (NEWER_SCHEMA).
    """

    def __init__(self, path: Path, *, from_now: bool = False) -> None:
        self.path = path
        layout = _read_layout(path)
        self.info = layout.info
        self._n_rows = layout.n_rows
        self._counters, self._rows = layout.maps(path, "r")
        self._fence = threading.Lock()
        self._next = int(self._counters[_THERE]) if from_now else 0
        self._open = True

    @property
    def closed_by_writer(self) -> bool:
        """Whether the writer has said that nothing more will come."""
        self._require_open()
        return bool(self._counters[_CLOSED])

    @property
    def n_told(self) -> int:
        """How many things the writer has told, by a way of their own, before the rows that were read last, or since."""
        self._require_open()
        return int(self._counters[_TOLD])

    @property
    def n_waiting(self) -> int:
        """How many samples were written since the last read, lost ones included."""
        self._require_open()
        return int(self._counters[_THERE]) - self._next

    def read(self, max_samples: int | None = None) -> tuple[Chunk | None, int]:
        """Return what came since the last call, up to the next jump of the index.

        Parameters
        ----------
        max_samples : int or None
            Return at most so many.

        Returns
        -------
        chunk : Chunk or None
            None if nothing new is there; call again until it is None to get everything.
        n_lost : int
            How many samples just before this chunk were overwritten before they could be read: tell it as OVERFLOW.

        Raises
        ------
        ValueError
            If `max_samples` is less than 1, or the reader is closed.
        """
        if max_samples is not None and max_samples < 1:
            raise ValueError(f"max_samples: got {max_samples}, it must be at least 1 or None")
        self._require_open()
        n_lost = 0
        for _ in range(_TRIES):
            there = int(self._counters[_THERE])
            start = max(self._next, there - self._n_rows)
            stop = there if max_samples is None else min(there, start + max_samples)
            n_lost += start - self._next
            self._next = start
            if start == stop:
                return None, n_lost
            rows, n_torn = self._copy(start, stop)
            n_lost += n_torn
            self._next += n_torn
            if len(rows):
                chunk = self._chunk(_head(rows))
                self._next += len(chunk)
                return chunk, n_lost
        return None, n_lost

    def latest(self, n: int) -> Chunk | None:
        """Return the newest `n` samples, fewer if there are fewer since the last jump of the index.

        It does not change what `read` returns next.

        Raises
        ------
        ValueError
            If `n` is less than 1, or the reader is closed.
        """
        if n < 1:
            raise ValueError(f"n: got {n}, it must be at least 1")
        self._require_open()
        for _ in range(_TRIES):
            there = int(self._counters[_THERE])
            start = max(0, there - min(n, self._n_rows))
            if start == there:
                return None
            rows, _ = self._copy(start, there)
            if len(rows):
                jumps = np.flatnonzero(np.diff(rows["index"]) != 1)
                return self._chunk(rows[int(jumps[-1]) + 1 if len(jumps) else 0 :])
        return None

    def close(self) -> None:
        """Let go of the file; twice is harmless."""
        if self._open:
            self._open = False
            del self._counters, self._rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if not self._open:
            raise ValueError(f"{self.path.name}: read from after it was closed")

    def _copy_rows(self, start: int, stop: int) -> NDArray[np.void]:
        first, n = start % self._n_rows, stop - start
        return np.concatenate([self._rows[first : first + n], self._rows[: max(0, first + n - self._n_rows)]])

    def _copy(self, start: int, stop: int) -> tuple[NDArray[np.void], int]:
        """Copy rows; return those the writer cannot have touched meanwhile, and how many it may have."""
        with self._fence:
            pass
        rows = self._copy_rows(start, stop)
        with self._fence:
            pass
        oldest = int(self._counters[_ANNOUNCED]) - self._n_rows
        n_torn = min(max(0, oldest - start), stop - start)
        return rows[n_torn:], n_torn

    def _chunk(self, rows: NDArray[np.void]) -> Chunk:
        valid = rows["valid"].copy()
        return Chunk(
            self.info.stream_id,
            int(rows["index"][0]),
            rows["samples"].copy(),
            rows["time"].copy(),
            None if valid.all() else valid,
        )


def sweep(folder: Path) -> list[Path]:
    """Remove the ring files left in a folder; those still in use (Windows does not let go of them) stay.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for path in sorted(folder.glob(f"*{RING_SUFFIX}")):
        with contextlib.suppress(OSError):  # in use, or not ours to remove
            path.unlink()
            removed.append(path)
    return removed


def _head(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Return the rows up to the first jump of the index."""
    jumps = np.flatnonzero(np.diff(rows["index"]) != 1)
    return rows[: int(jumps[0]) + 1 if len(jumps) else len(rows)]


def _describe(info: StreamInfo, n_rows: int) -> str:
    channels = [[c.name, c.kind.value, c.unit, c.position] for c in info.channels]
    fields: dict[str, Any] = {"stream_id": info.stream_id, "kind": info.kind, "rate_hz": info.rate_hz}
    return json.dumps(fields | {"channels": channels, "dtype": info.dtype, "source": info.source, "n_rows": n_rows})


def _create(path: Path, layout: _Layout) -> None:
    """Create the file with all its bytes on the disk, since a mapped write cannot be told that the disk is full."""
    numbers = _VERSION.to_bytes(8, "little") + len(layout.description).to_bytes(8, "little")
    head = (bytes(8) + numbers).ljust(_FIXED, b"\0") + layout.description
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb", buffering=0) as file:
            try:
                _fill(file.fileno(), head, layout.size)
            except OSError:
                path.unlink()
                raise
    except FileExistsError as error:
        raise FileError(
            f"{path} exists already", reason=Reason.EXISTS, hint="another run uses it, or it is to be swept"
        ) from error
    except OSError as error:
        raise FileError(
            f"{path} cannot be created with {layout.size} bytes: {error.strerror}",
            reason=Reason.DISK_FULL if error.errno in (errno.ENOSPC, errno.EFBIG) else Reason.NOT_WRITABLE,
            hint="free space or choose a folder you may write to",
        ) from error


def _fill(fd: int, head: bytes, size: int) -> None:
    done = 0
    while done < size:
        piece = memoryview(head)[done:] if done < len(head) else memoryview(_BLOCK)[: size - done]
        done += os.write(fd, piece)


def _read_layout(path: Path) -> _Layout:
    try:
        with path.open("rb") as file:
            fixed = file.read(_FIXED)
            version, length = (int.from_bytes(fixed[at : at + 8], "little") for at in (8, 16))
            text = file.read(length) if fixed[:8] == _MAGIC and length < 1 << 24 else b""
            size = path.stat().st_size
    except OSError as error:
        raise FileError(
            f"{path} cannot be read: {error.strerror}", reason=Reason.NOT_FOUND, hint="is its source running?"
        ) from error
    if fixed[:8] in (b"", bytes(8)[: len(fixed)]):
        raise FileError(f"{path} is not ready yet", reason=Reason.NO_DATA, hint="try again")
    if fixed[:8] == _MAGIC and version > _VERSION:
        raise FileError(
            f"{path} is a ring of version {version}, this program reads {_VERSION}",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    try:
        data = json.loads(text)
        channels = tuple(
            Channel(name, ChannelKind(kind), unit, None if position is None else tuple(position))
            for name, kind, unit, position in data["channels"]
        )
        rate_hz, dtype, source = float(data["rate_hz"]), str(data["dtype"]), str(data["source"])
        info = StreamInfo(str(data["stream_id"]), str(data["kind"]), rate_hz, channels, dtype, source)
        layout = _Layout(info, int(data["n_rows"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileError(f"{path} is not a ring file", reason=Reason.DAMAGED, hint="sweep it") from error
    if layout.size != size or layout.n_rows < 1:
        raise FileError(
            f"{path} is damaged: {size} bytes, expected {layout.size}", reason=Reason.DAMAGED, hint="sweep it"
        )
    return layout
