"""The folder of a run while it runs: rings, life signs, crash files, and what the run is, for those who look.

It lies in memory where the system offers that (a page of a mapped file that is being written to a stalled disk would
hold up the source), else in the temporary folder. Only its owner may read it. What a run that was killed has left is
swept at the next start. Loads the standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["STATE_NAME", "live_runs", "make_run_folder", "read_state", "runs_root", "sweep_runs", "write_state"]

#: What a run is; schema ``volo.run/1``.
STATE_NAME = "run.json"
_PREFIX = "volo-run-"
_LEAST_FREE_BYTES = 256 * 2**20


def runs_root() -> Path:
    """Return where folders of runs are made: VOLO_RUNS if it is set, else memory, else the temporary folder."""
    named = os.environ.get("VOLO_RUNS", "").strip()
    if named:
        return Path(named)
    memory = Path("/dev/shm")
    if sys.platform == "linux" and memory.is_dir() and os.access(memory, os.W_OK):
        with suppress(OSError):
            if shutil.disk_usage(memory).free >= _LEAST_FREE_BYTES:
                return memory
    return Path(tempfile.gettempdir())


def make_run_folder() -> Path:
    """Make the folder of a new run; what dead runs have left is swept first."""
    sweep_runs()
    root = runs_root()
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace what the run is; readers see the old or the new, whole."""
    new = folder / f"{STATE_NAME}.new"
    new.write_text(json.dumps({"schema": "volo.run/1", **state}), encoding="utf-8")
    new.replace(folder / STATE_NAME)


def read_state(folder: Path) -> dict[str, Any] | None:
    """Return what the run in `folder` is; None if it has not begun, or has ended."""
    try:
        state = json.loads((folder / STATE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and str(state.get("schema", "")) == "volo.run/1" else None


def live_runs() -> list[tuple[Path, dict[str, Any]]]:
    """Return the runs of this person whose recorder lives, oldest first: folder and state."""
    found = []
    for folder in runs_root().glob(f"{_PREFIX}*"):
        state = read_state(folder)
        if state is not None and _is_alive(_pid_of(folder)):
            found.append((folder, state))
    return sorted(found, key=lambda each: str(each[1].get("started_at", "")))


def sweep_runs() -> list[Path]:
    """Remove the folders of runs whose recorder is dead; what cannot be removed stays.

    A folder in which a process crashed is kept until the machine is restarted, without its rings.
    """
    swept = []
    for folder in runs_root().glob(f"{_PREFIX}*"):
        if not _is_alive(_pid_of(folder)):
            remove_run_folder(folder)
            swept.append(folder)
    return swept


def remove_run_folder(folder: Path) -> None:
    """Remove the folder of a run that is over."""
    shutil.rmtree(folder, ignore_errors=True)


def _pid_of(folder: Path) -> int:
    number = folder.name.removeprefix(_PREFIX).partition("-")[0]
    return int(number) if number.isdigit() else 0


def _is_alive(pid: int) -> bool:
    """Return whether a process of that number runs; another's number used again counts as alive."""
    if pid <= 0:
        return False
    if sys.platform == "win32":  # a signal would end it there
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another's
        return True
    return True
