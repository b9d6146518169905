"""What a recorder writes to: the file, the index beside it, the room kept back, and the queue before a slow disk."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from volo_acquisition.errors import Reason
from volo_acquisition.recording import durable
from volo_acquisition.recording.behind import WriteBehind
from volo_acquisition.recording.durable import DurableFile, write_reason
from volo_acquisition.recording.sidecar import IndexLog, index_path
from volo_acquisition.recording.space import RESERVE_SUFFIX, Reserve, is_recording

__all__ = ["IndexFile", "RecordingFile"]


#: Entries are written once a second, or when this many bytes of them wait.
_MUCH_BYTES = 8192


class IndexFile:
    """The index beside a recording, on the disk; it never stands in the recording's way.

    Parameters
    ----------
    path : Path
        The file to create.

    Raises
    ------
    OSError
        If it exists or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = IndexLog()
        self._lock = threading.Lock()
        self._file = path.open("xb", buffering=0)

    def add(self, piece: bytes) -> None:
        """Take note of the next chunk of the recording."""
        with self._lock:
            self._log.add(piece)
            is_much = self._log.n_waiting_bytes >= _MUCH_BYTES
        if is_much:
            self.flush()

    def flush(self) -> None:
        """Write what waits; what cannot be written goes on waiting."""
        with self._lock:
            waiting = self._log.take()
            if not waiting or self._file.closed:
                return
            start, done = self._file.tell(), 0
            try:
                while done < len(waiting):
                    done += self._file.write(memoryview(waiting)[done:]) or 0
            except OSError:
                with contextlib.suppress(OSError):
                    self._file.truncate(start)
                    self._file.seek(start)
                self._log.give_back(waiting)

    def sync(self, how: Callable[[int], object]) -> None:
        """Write what waits and have the disk keep it."""
        self.flush()
        if not self._file.closed:
            how(self._file.fileno())

    def close(self) -> None:
        """Let go."""
        with contextlib.suppress(OSError):
            self._file.close()


class RecordingFile:
    """A recording while it is made: ``X.xdf.part``, ``X.xdf.idx`` and ``X.xdf.reserve``.

    Parameters
    ----------
    part : Path
        The file to create.

    Attributes
    ----------
    size : int
        Bytes handed over so far, whether or not a stalled disk has taken them.
    alarm : OSError or None
        Set once the disk is full and the room kept back is being used up: end the run.

    Raises
    ------
    FileExistsError
        If there is such a file already.
    OSError
        If it cannot be created.
    """

    def __init__(self, part: Path) -> None:
        self.size = 0
        self._closed = False
        self.alarm: OSError | None = None
        self._digest = hashlib.sha256()
        self._reserve = _reserve(part.with_suffix(""))
        self._index: IndexFile | None = None
        with contextlib.suppress(OSError):  # of an earlier recording whose file was moved away: do without
            self._index = IndexFile(index_path(part))
        try:
            self._file = DurableFile(part, self._index)
        except OSError:
            self._reserve.release()
            if self._index is not None:
                self._index.close()
                self._index.path.unlink()
            raise
        self._behind = WriteBehind(self._write_now)

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written."""
        return self._digest.hexdigest()

    @property
    def high_water_bytes(self) -> int:
        """The most that ever waited for the disk."""
        return self._behind.high_water_bytes

    @property
    def n_stalls(self) -> int:
        """How often the disk stalled."""
        return self._behind.n_stalls

    def write(self, piece: bytes) -> None:
        """Append one whole chunk; see `WriteBehind.write`.

        Raises
        ------
        OSError
            If it, or something before it, could not be written.
        ValueError
            If the file is closed.
        """
        self._file.require_open()
        self._behind.write(piece)
        self.size += len(piece)

    def _write_now(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            if write_reason(error) is not Reason.DISK_FULL or not self._reserve.release():
                raise
            self._file.write(piece)
            self.alarm = error
        self._digest.update(piece)
        if self._index is not None:
            self._index.add(piece)

    def close(self) -> None:
        """Wait until all is on the disk, and let go; the second call does nothing.

        Raises
        ------
        OSError
            If the disk reports an error, or does not answer within 3 s.
        """
        if self._closed:
            return
        self._closed = True
        self._reserve.release()
        each_s = 0.45 * durable.CLOSE_TIMEOUT_S
        try:
            self._behind.drain(each_s)
        except OSError:
            self._let_go(each_s)
            raise
        self._file.close(each_s)

    def _let_go(self, timeout_s: float) -> None:
        """Close what can be closed after an error that is on its way up."""
        if self._behind.is_stuck:
            self._file.abandon()
            return
        with contextlib.suppress(OSError):
            self._file.close(timeout_s)

    def discard(self) -> None:
        """Remove everything: nothing was recorded."""
        with contextlib.suppress(OSError):
            self.close()
        for path in (self._file.path, *([self._index.path] if self._index else [])):
            with contextlib.suppress(OSError):
                path.unlink()


def _reserve(recording: Path) -> Reserve:
    """Keep room back; a reserve left by a run that died is taken away."""
    try:
        return Reserve(recording)
    except FileExistsError:
        part = recording.with_name(recording.name + ".part")
        if part.exists() or is_recording(part):
            raise
        recording.with_name(recording.name + RESERVE_SUFFIX).unlink()
        return Reserve(recording)
