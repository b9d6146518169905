"""What went wrong, as one line for the person and three fields for the program.

Loads the standard library only; Volo's own errors are recognised when they come.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import traceback
from typing import NamedTuple

__all__ = ["Failure", "describe", "from_os_error", "write_crash_log"]


class Failure(NamedTuple):
    """A failure in the words of the operator.

    Attributes
    ----------
    message : str
        What was wrong and what came; one line.
    reason : str
        Why, as data: a value of ``volo_acquisition.errors.Reason``, or ``usage``, ``interrupted``, ``internal``.
    hint : str
        The way out; may be empty.
    """

    message: str
    reason: str
    hint: str = ""

    def line(self) -> str:
        """Return the failure as one line."""
        text = f"{self.message} ({self.hint})" if self.hint else self.message
        return " ".join(text.split())


#: What the operating system's error numbers mean to an operator: reason, hint.
_OS_ERRORS = {
    errno.ENOENT: ("not_found", "check the path"),
    errno.EACCES: ("not_writable", "choose a place you may read and write"),
    errno.EPERM: ("not_writable", "choose a place you may read and write"),
    errno.EROFS: ("not_writable", "choose a place that is not read-only"),
    errno.ENOTDIR: ("not_writable", "a part of the path is a file, not a folder; choose another path"),
    errno.EISDIR: ("invalid", "name a file, not a folder"),
    errno.EEXIST: ("exists", "choose another name"),
    errno.ENOSPC: ("disk_full", "free some space, or choose another disk"),
    getattr(errno, "EDQUOT", errno.ENOSPC): ("disk_full", "free some space, or choose another disk"),
}


def describe(error: Exception, place: str = "") -> Failure | None:
    """Return `error` in the operator's words, or None if it is a defect of the program.

    Parameters
    ----------
    error : Exception
        What was raised.
    place : str
        The folder the command was writing to, named when the error does not name any.
    """
    from volo_acquisition.errors import VoloError

    if isinstance(error, VoloError):
        return Failure(error.message, error.reason.value, error.hint)
    if isinstance(error, OSError) and error.errno is not None:
        return from_os_error(error, place)
    if isinstance(error, ImportError):
        return Failure(f"a part of Volo could not be imported: {error}", "driver", "run: volo doctor")
    if isinstance(error, MemoryError):
        return Failure("the machine has no memory left", "memory", "close other programs, or work on a shorter piece")
    return None


def from_os_error(error: OSError, place: str = "") -> Failure:
    """Return an error of the operating system in the operator's words; it names the path, where one is known."""
    reason, hint = _OS_ERRORS.get(error.errno or 0, ("invalid", ""))
    what = (error.strerror or str(error)).lower()
    path = error.filename if isinstance(error.filename, str) else place
    path = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else path
    if reason == "disk_full":
        what = "the disk is full"
    return Failure(f"{path}: {what}" if path else what, reason, hint)


def write_crash_log(error: BaseException) -> str:
    """Write the traceback of `error` to a new file in the temporary folder and return its path; "" if that fails."""
    lines = [f"volo crashed on Python {platform.python_version()}, {platform.platform()}\n"]
    lines += traceback.format_exception(error)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="volo-crash-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
        ) as log:
            log.writelines(lines)
    except OSError as problem:
        sys.stderr.write(f"volo: the crash log could not be written: {problem}\n")
        return ""
    return log.name
