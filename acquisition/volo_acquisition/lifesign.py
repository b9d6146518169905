"""Life signs of a run: a small mapped file in which each process beats, and any of them can stop the run.

Nobody waits for anybody: a process writes its own fields and looks at those of the others, at any time, without a
lock, a pipe or a system call. So the screen can go grey, and an output neutral, however the process that should have
told them hangs; and the file of a process killed at any moment stays readable.

A beat is a time of the session clock (`time.perf_counter`, which all processes of a machine share). A role that has
not begun, and one that has said that it leaves, is not missed. A stop is a latch: the first of each role stays.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from volo_acquisition.errors import FileError, Reason

__all__ = ["LIFE_NAME", "MISSED_S", "LifeSigns", "StopSign"]

#: Name of the file in a run's folder.
LIFE_NAME = "run.life"
#: A role whose last beat is older than this is missed, seconds.
MISSED_S = 0.5

_MAGIC = b"VOLOLIFE"
_VERSION = 1
_FIXED = 64  # magic, version, length of the names, each 8 bytes
_REASON_BYTES = 232
_FIELDS = np.dtype([("beat", "<f8"), ("stopped", "<f8"), ("length", "<i8"), ("reason", f"V{_REASON_BYTES}")])
_NEVER, _LEFT = 0.0, -1.0


@dataclass(frozen=True, slots=True)
class StopSign:
    """Who stopped the run, when, and why.

    Attributes
    ----------
    time : float
        Session clock, seconds.
    role : str
        Whose sign it is.
    reason : str
        For people; one line.
    """

    time: float
    role: str
    reason: str


class LifeSigns:
    """The life signs of a run, opened by one of its processes or by one that only looks.

    Each field has one writer: a process calls `beat`, `leave` and `stop` for its own role only. Any thread.

    Parameters
    ----------
    path : Path
        A file that `create` made.
    read_only : bool
        Whether this process only looks.

    Raises
    ------
    FileError
        If there is no such file (NOT_FOUND), it is not one of life signs (DAMAGED), or a newer one (NEWER_SCHEMA).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.roles = _read_roles(path)
        start = _start(self.roles)
        size = start + len(self.roles) * _FIELDS.itemsize
        whole = np.memmap(path, np.uint8, "r" if read_only else "r+", shape=(size,))
        self._rows = whole[start:].view(_FIELDS)
        self._number = {role: number for number, role in enumerate(self.roles)}
        self._fence = threading.Lock()

    @classmethod
    def create(cls, path: Path, roles: Sequence[str]) -> Self:
        """Make the file and open it; readers never see it half written.

        Parameters
        ----------
        path : Path
            Replaced if it is there; missing folders are made.
        roles : sequence of str
            All that may beat.

        Raises
        ------
        ValueError
            If a role has no name, or two have the same.
        FileError
            If it cannot be written.
        """
        if not roles or not all(roles) or len(set(roles)) < len(roles):
            raise ValueError(f"roles: got {list(roles)}, expected at least one name, each once")
        names = json.dumps(list(roles)).encode()
        head = _MAGIC + _VERSION.to_bytes(8, "little") + len(names).to_bytes(8, "little")
        content = (head.ljust(_FIXED, b"\0") + names).ljust(_start(roles), b"\0") + bytes(len(roles) * _FIELDS.itemsize)
        new = path.with_name(path.name + ".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(content)
            new.replace(path)
        except OSError as error:
            raise FileError(
                f"{path} cannot be written: {error.strerror}",
                reason=Reason.NOT_WRITABLE,
                hint="choose a folder you may write to",
            ) from error
        return cls(path)

    def beat(self, role: str, now: float) -> None:
        """Say that `role` is alive at `now`, session clock."""
        self._rows["beat"][self._of(role)] = now

    def leave(self, role: str) -> None:
        """Say that `role` ends as it should, and is not to be missed."""
        self._rows["beat"][self._of(role)] = _LEFT

    def age(self, role: str, now: float) -> float | None:
        """Return the seconds since the last beat of `role`; None if it has not begun or has left."""
        beat = float(self._rows["beat"][self._of(role)])
        return None if beat in (_NEVER, _LEFT) else max(0.0, now - beat)

    def has_left(self, role: str) -> bool:
        """Return whether `role` has said that it ends."""
        return float(self._rows["beat"][self._of(role)]) == _LEFT

    def missed(self, now: float, roles: Iterable[str] | None = None, limit_s: float = MISSED_S) -> tuple[str, ...]:
        """Return those of `roles`, or of all, that have begun and not beaten for `limit_s`."""
        ages = {role: self.age(role, now) for role in (self.roles if roles is None else roles)}
        return tuple(role for role, age in ages.items() if age is not None and age > limit_s)

    def stop(self, role: str, reason: str, now: float) -> None:
        """Stop the run for all who look, for good; a second call of the same role changes nothing.

        Parameters
        ----------
        role : str
            The caller's.
        reason : str
            One line for people; what is longer than 232 bytes is cut.
        now : float
            Session clock, seconds.
        """
        row = self._rows[self._of(role)]
        if row["stopped"] != 0.0:
            return
        text = " ".join(reason.split()).encode()[:_REASON_BYTES]
        row["reason"] = text.ljust(_REASON_BYTES, b"\0")
        row["length"] = len(text)
        self._order()  # the reason is there before the flag
        row["stopped"] = now if now != 0.0 else math.ulp(0.0)

    @property
    def stopped(self) -> StopSign | None:
        """The first stop of any role; None while the run may go on."""
        times = self._rows["stopped"].copy()
        if not times.any():
            return None
        return self.stop_of(self.roles[int(np.argmin(np.where(times != 0.0, times, np.inf)))])

    def stop_of(self, role: str) -> StopSign | None:
        """Return the stop of `role`; None if it has not stopped the run."""
        row = self._rows[self._of(role)]
        time = float(row["stopped"])
        if time == 0.0:
            return None
        self._order()
        text = bytes(row["reason"])[: int(row["length"])].decode(errors="ignore")
        return StopSign(time, role, text)

    def why_safe(self, now: float, roles: Iterable[str] | None = None, limit_s: float = MISSED_S) -> str:
        """Return why the screen must be grey and outputs neutral at `now`; empty while all is well.

        Parameters
        ----------
        now : float
            Session clock, seconds.
        roles : iterable of str or None
            Whose beats count; None means all.
        limit_s : float
            How old a beat may be.
        """
        stop = self.stopped
        if stop is not None:
            return f"stopped by {stop.role}: {stop.reason}"
        missed = self.missed(now, roles, limit_s)
        return f"no sign of life from {', '.join(missed)}" if missed else ""

    def close(self) -> None:
        """Let go of the file; it stays."""
        self._rows = np.zeros(len(self.roles), _FIELDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _of(self, role: str) -> int:
        if role not in self._number:
            raise ValueError(f"role: got {role!r}, this run has {', '.join(self.roles)}")
        return self._number[role]

    def _order(self) -> None:
        """Keep the order of stores; x86 does by itself, elsewhere a lock taken and let go is the fence."""
        with self._fence:
            pass


def _start(roles: Sequence[str]) -> int:
    """Return where the fields start: aligned, so that a number is never half written."""
    return -(-(_FIXED + len(json.dumps(list(roles)).encode())) // 64) * 64


def _read_roles(path: Path) -> tuple[str, ...]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(
            f"{path} cannot be read: {error.strerror}", reason=Reason.NOT_FOUND, hint="is the run still going on?"
        ) from error
    version, length = (int.from_bytes(content[at : at + 8], "little") for at in (8, 16))
    if content[:8] == _MAGIC and version > _VERSION:
        raise FileError(
            f"{path} is of version {version}, this program reads {_VERSION}",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    try:
        names = json.loads(content[_FIXED : _FIXED + length]) if content[:8] == _MAGIC else None
    except ValueError:
        names = None
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise FileError(f"{path} holds no life signs", reason=Reason.DAMAGED, hint="start the run again")
    roles = tuple(names)
    if len(content) < _start(roles) + len(roles) * _FIELDS.itemsize:
        raise FileError(f"{path} is cut short", reason=Reason.DAMAGED, hint="start the run again")
    return roles
