"""One instance a workspace: the first holds a lock that the system lets go of however its process ends.

The lock is that of an SQLite file, since it works the same on all systems and survives no process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volo_acquisition.errors import FileError, Reason

__all__ = ["LOCK_NAME", "hold_workspace"]

#: The file in the workspace.
LOCK_NAME = ".volo.lock"


@contextmanager
def hold_workspace(workspace: Path) -> Iterator[None]:
    """Be the only one who works in `workspace` while the block runs.

    Raises
    ------
    FileError
        If another does (EXISTS), or the workspace cannot be written (NOT_WRITABLE).
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(workspace / LOCK_NAME, timeout=0.0, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise FileError(
            f"{workspace} cannot be written: {error}",
            reason=Reason.NOT_WRITABLE,
            hint="choose another folder with --workspace",
        ) from error
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise FileError(
                f"another run works in {workspace}",
                reason=Reason.EXISTS,
                hint="watch it with volo monitor, join it with volo gui --attach, or name another with --workspace",
            ) from error
        yield
    finally:
        lock.close()
