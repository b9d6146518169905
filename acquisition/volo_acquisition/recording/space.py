"""Room on the disk: what a run will take, and a file that keeps some of it back for the end of a run.

``X.xdf.reserve`` is deleted when the disk is full, so that what was received can be written and the file be completed.
It also says which process records, so that nobody repairs a recording that is still being made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import numpy as np

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.types import StreamInfo

__all__ = ["RESERVE_SUFFIX", "Reserve", "check_space", "free_bytes", "is_recording", "rate_bytes_per_s"]

RESERVE_SUFFIX = ".reserve"

#: How much is kept back; on a small disk an eighth of what is free.
RESERVE_BYTES = 64 << 20

#: Below this nothing can be recorded, bytes.
LEAST_BYTES = 128 << 10

#: Less free space than this is worth a warning, bytes.
COMFORT_BYTES = 1 << 30

#: A planned run needs this many times its size.
MARGIN = 1.2

_STAMP_BYTES = 9
_PER_S_BYTES = 1500  # boundaries, checksums, index, markers
_PID = re.compile(rb"recorded by process (\d{1,10})\n")


class Reserve:
    """Room kept back beside a recording.

    Parameters
    ----------
    recording : Path
        The ``.xdf`` it is for.

    Raises
    ------
    FileExistsError
        If there is a reserve file already.
    OSError
        If there is no room, or the folder cannot be written.
    """

    def __init__(self, recording: Path) -> None:
        self.path = recording.with_name(recording.name + RESERVE_SUFFIX)
        free = free_bytes(recording.parent)
        if free < LEAST_BYTES:
            raise OSError(errno.ENOSPC, f"only {free >> 10} KiB are free")
        self.size = min(RESERVE_BYTES, free // 8)
        with self.path.open("xb", buffering=0) as file:
            file.write(b"recorded by process %d\n" % os.getpid())
            _allocate(file, self.size)

    def release(self) -> bool:
        """Give the room back; return whether there was any to give."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


def _allocate(file: FileIO, size: int) -> None:
    """Take up room on the disk; under a limit on the size of files less, or none."""
    block = bytes(1 << 20)
    with contextlib.suppress(OSError):
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            return
        for at in range(file.tell(), size, len(block)):
            file.write(block[: size - at])


def free_bytes(folder: Path) -> int:
    """Return how many bytes may still be written in `folder`."""
    return shutil.disk_usage(folder).free


def is_recording(part: Path) -> bool:
    """Return whether the process that records ``X.xdf.part`` is still there, as far as can be told.

    On Windows an open file can be neither renamed nor removed, so there nobody need ask.
    """
    reserve = part.with_name(part.name.removesuffix(".part") + RESERVE_SUFFIX)
    try:
        with reserve.open("rb") as file:
            found = _PID.match(file.read(64))
    except OSError:
        return False
    if found is None or os.name != "posix":
        return False
    try:
        os.kill(int(found[1]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _is_dead(int(found[1]))


def _is_dead(pid: int) -> bool:
    """Return whether a process has ended and only its parent has not taken note yet; told on Linux only."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[:1] == [b"Z"]


def rate_bytes_per_s(infos: Sequence[StreamInfo]) -> float:
    """Return how many bytes a second of these streams takes in a recording, about."""
    total = float(_PER_S_BYTES)
    for info in infos:
        if info.dtype != "string":
            total += info.rate_hz * (_STAMP_BYTES + info.n_channels * np.dtype(info.dtype).itemsize)
    return total


def check_space(folder: Path, infos: Sequence[StreamInfo], duration_s: float | None) -> str:
    """Refuse a run that cannot fit, and return a warning if room is short.

    Parameters
    ----------
    folder : Path
        Where it is to be recorded; need not be there yet.
    infos : sequence of StreamInfo
        What is to be recorded.
    duration_s : float or None
        For how long; None if that is open.

    Returns
    -------
    str
        What to tell the operator; empty if there is room enough.

    Raises
    ------
    FileError
        If the run needs more than there is (DISK_FULL).
    """
    there = next((place for place in (folder, *folder.parents) if place.is_dir()), Path.cwd())
    free, rate = free_bytes(there), rate_bytes_per_s(infos)
    needed = LEAST_BYTES + MARGIN * rate * (duration_s or 0.0)
    if free < needed:
        raise FileError(
            f"{folder}: the run needs {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free",
            reason=Reason.DISK_FULL,
            hint="free space, choose another folder or a shorter run",
        )
    lasts_s = free / rate
    if free < COMFORT_BYTES or lasts_s < 600.0:
        return f"{folder}: {free / 1e6:.0f} MB are free, enough for {lasts_s / 60.0:.0f} minutes"
    return ""
