"""A file that only grows, by whole pieces, and that is on the disk within about a second."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from volo_acquisition.errors import Reason

__all__ = ["Companion", "DurableFile", "publish", "sync_folder", "write_reason"]

#: How often the helper thread asks the disk to keep what was written, seconds.
SYNC_PERIOD_S = 1.0

#: How long closing waits for the disk, seconds.
CLOSE_TIMEOUT_S = 3.0

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}

# macOS and Windows have no fdatasync; fsync does the same and a little more
_datasync: Callable[[int], object] = getattr(os, "fdatasync", os.fsync)


class Companion(Protocol):
    """A file that goes with another."""

    def sync(self, how: Callable[[int], object]) -> None:
        """Write what waits, and call `how` on the descriptor."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class DurableFile:
    """A new file, written unbuffered and piece by piece; a piece is there whole or not at all.

    A helper thread named ``volo-recorder-sync`` asks the disk once a second to keep what was written. An error it
    meets is raised by the next `write`.

    Parameters
    ----------
    path : Path
        The file to create.
    companion : Companion or None
        Another file that is synced and closed together with this one, on the helper thread.

    Raises
    ------
    FileExistsError
        If there is such a file already.
    OSError
        If it cannot be created.
    """

    def __init__(self, path: Path, companion: Companion | None = None) -> None:
        self.path = path
        self._companion = companion
        self.size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(path, flags, 0o644)
        self._synced = 0
        self._sync_error: OSError | None = None
        self._leave = threading.Event()
        self._abandoned = False
        self._thread = threading.Thread(target=self._sync_loop, name="volo-recorder-sync", daemon=True)
        self._thread.start()

    def write(self, piece: bytes) -> None:
        """Append `piece`; if that fails, the file ends where it ended before.

        Raises
        ------
        OSError
            If the disk is full, gone or read-only, or an earlier write did not reach it.
        ValueError
            If the file is closed.
        """
        self.require_open()
        if self._sync_error is not None:
            raise self._sync_error
        view, done = memoryview(piece), 0
        try:
            while done < len(view):
                n = os.write(self._fd, view[done:])
                if n == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += n
            self.size += done
        finally:
            if done < len(view):
                self._roll_back()

    def require_open(self) -> None:
        """Raise ValueError if the file is closed."""
        if self._leave.is_set() and not self._abandoned:
            raise ValueError(f"{self.path.name}: written to after it was closed")

    def abandon(self) -> None:
        """Stop asking the disk, which does not answer; a write under way may still go through."""
        self._abandoned = True
        self._leave.set()

    def close(self, timeout_s: float | None = None) -> None:
        """Wait until all is on the disk, and let go; the second call does nothing.

        Parameters
        ----------
        timeout_s : float or None
            How long to wait; None is 3 s.

        Raises
        ------
        OSError
            If the disk reports an error, or does not answer in this time.
        """
        if self._leave.is_set():
            return
        wait_s = CLOSE_TIMEOUT_S if timeout_s is None else timeout_s
        self._leave.set()
        self._thread.join(wait_s)
        if self._thread.is_alive():
            raise TimeoutError(errno.ETIMEDOUT, f"the disk did not answer within {wait_s:g} s")
        if self._sync_error is not None:
            raise self._sync_error

    def _roll_back(self) -> None:
        with contextlib.suppress(OSError):  # then the torn piece stays, and repair drops it
            os.ftruncate(self._fd, self.size)
            os.lseek(self._fd, self.size, os.SEEK_SET)

    def _sync_loop(self) -> None:
        while not self._leave.wait(SYNC_PERIOD_S):
            size = self.size
            if size != self._synced and self._sync(_datasync):
                self._synced = size
        if not self._abandoned:
            self._sync(os.fsync)
        if self._companion is not None:
            self._companion.close()
        if self._abandoned:
            return  # a write may still be under way
        with contextlib.suppress(OSError):  # everything is synced or reported already
            os.close(self._fd)

    def _sync(self, how: Callable[[int], object]) -> bool:
        try:
            if self._companion is not None:
                self._companion.sync(how)
            how(self._fd)
        except OSError as error:
            self._sync_error = error
            return False
        return True


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the folder's list of names; a no-operation on Windows, which has no such call."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(part: Path, final: Path) -> None:
    """Rename `part` to `final`, never over an existing file.

    A link and an unlink do it in one step that cannot overwrite; on file systems without links (and on Windows, whose
    rename refuses by itself) it is a rename after a look.

    Raises
    ------
    FileExistsError
        If `final` exists.
    OSError
        If the file system refuses.
    """
    if os.name == "posix":
        try:
            os.link(part, final)
        except FileExistsError:
            raise
        except OSError:
            if final.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from None
            part.rename(final)
        else:
            part.unlink()
    else:
        part.rename(final)
    sync_folder(final.parent)


def write_reason(error: OSError) -> Reason:
    """Return what an error while writing means: DISK_FULL or NOT_WRITABLE."""
    return Reason.DISK_FULL if error.errno in _FULL else Reason.NOT_WRITABLE
