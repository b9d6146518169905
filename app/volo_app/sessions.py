"""The sessions of a workspace: which there are, what is in them, going on after a crash or a pause, and withdrawal.

When consent is withdrawn everything of a participant is removed, and the fact is written to ``tombstones.jsonl`` in the
workspace: the code, the date, how much was removed, and why; nothing of what it held. A code that was withdrawn, and
the number of a session that was deleted, are not used again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.leftovers import Leftover, leftover_parts
from volo_app.json_values import dump_json
from volo_app.session import SESSION_FILE, Session, check_code, load_session, tombstones_path, utc_now, without_home

__all__ = ["Removed", "RunFile", "delete", "list_sessions", "pick", "resume", "runs_of"]


@dataclass(frozen=True, slots=True)
class RunFile:
    """One recording of a session.

    Attributes
    ----------
    file : str
        Its name.
    size_bytes : int
        How large it is.
    state : str
        ``"complete"``, ``"ended early"``, ``"repaired"``, ``"unfinished"`` (volo sessions resume makes it whole) or
        ``"recording"``.
    """

    file: str
    size_bytes: int
    state: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed.

    Attributes
    ----------
    participant : str
        Code.
    sessions : tuple of int
        Their numbers.
    n_files, n_bytes : int
        How much it was.
    """

    participant: str
    sessions: tuple[int, ...]
    n_files: int
    n_bytes: int


def list_sessions(workspace: Path) -> list[Session]:
    """Return the sessions in a workspace, by participant and number; folders that are none are left out."""
    found = []
    for file in sorted(workspace.glob(f"sub-*/ses-*/{SESSION_FILE}")):
        try:
            found.append(load_session(file.parent))
        except FileError:
            continue
    return sorted(found, key=lambda session: (session.participant, session.number))


def pick(workspace: Path, label: str) -> Session:
    """Return the session called ``sub-P001_ses-02`` (or ``P001/2``).

    Raises
    ------
    FileError
        If the label is none (INVALID), or there is no such session (NOT_FOUND).
    """
    participant, number = _parse(label)
    if number is None:
        raise FileError(
            f"session: got {label!r}, which names a participant only",
            reason=Reason.INVALID,
            hint="as in sub-P001_ses-02",
        )
    return load_session(workspace.absolute() / f"sub-{participant}" / f"ses-{number:02d}")


def runs_of(session: Session) -> list[RunFile]:
    """Return the recordings of a session in the order of their names."""
    runs = []
    folder = session.folder / "sourcedata"
    for path in sorted([*folder.glob("*.xdf"), *folder.glob("*.xdf.part")]):
        runs.append(RunFile(path.name, path.stat().st_size, _state(path)))
    return runs


def resume(session: Session) -> list[Leftover]:
    """Make a session ready to go on after a crash or a pause: repair what was left unfinished, and write it down."""
    found = session.repair()
    session.journal("resumed", next_run=session.next_run(session.task))
    return found


def delete(workspace: Path, label: str, *, why: str) -> Removed:
    """Remove one session (``sub-P001_ses-02``), or everything of a participant (``sub-P001``), and log the fact.

    Raises
    ------
    FileError
        If the label is none or there is no reason (INVALID), there is nothing to remove (NOT_FOUND), it is being
        recorded (EXISTS), or not all could be removed (NOT_WRITABLE).
    """
    participant, number = _parse(label)
    if not why.strip():
        raise FileError("why: got nothing", reason=Reason.INVALID, hint="say why, as in: consent withdrawn")
    workspace = workspace.absolute()
    folder = workspace / f"sub-{participant}"
    target = folder if number is None else folder / f"ses-{number:02d}"
    if target.is_symlink() or not target.is_dir():
        raise FileError(f"{target}: there is no such folder", reason=Reason.NOT_FOUND, hint="see: volo sessions")
    busy = [part.name for part in target.rglob("*.xdf.part") if part not in leftover_parts(part.parent)]
    if busy:
        raise FileError(f"{busy[0]} is still being recorded", reason=Reason.EXISTS, hint="end that run first")
    numbers = tuple(sorted(_numbers(folder))) if number is None else (number,)
    files = [path for path in target.rglob("*") if path.is_file() or path.is_symlink()]
    removed = Removed(participant, numbers, len(files), sum(path.lstat().st_size for path in files))
    _bury(workspace, "begun", removed, number is None, why)
    try:
        shutil.rmtree(target)
    except OSError as error:
        raise FileError(
            f"{target}: not all could be removed: {error.strerror}",
            reason=Reason.NOT_WRITABLE,
            hint="close what uses it, then delete again",
        ) from error
    if number is not None and not any(folder.iterdir()):
        folder.rmdir()
    _bury(workspace, "done", removed, number is None, why)
    return removed


def _parse(label: str) -> tuple[str, int | None]:
    participant, separator, number = label.removeprefix("sub-").replace("_ses-", "/").partition("/")
    try:
        check_code("participant", participant)
        if separator and not (number.isascii() and number.isdigit() and len(number) <= 6 and int(number) >= 1):
            raise ValueError(f"session: got the number {number!r}")
    except ValueError as error:
        raise FileError(str(error), reason=Reason.INVALID, hint="as in sub-P001_ses-02 or sub-P001") from error
    return participant, int(number) if separator else None


def _state(path: Path) -> str:
    if path.suffix == ".part":
        return "unfinished" if path in leftover_parts(path.parent) else "recording"
    try:
        content = json.loads(path.with_name(path.name + ".manifest.json").read_bytes())
        ended = str(content["ended"])
    except (OSError, ValueError, KeyError, TypeError):
        return "complete"
    return {"closed": "complete", "repaired": "repaired"}.get(ended, "ended early")


def _numbers(folder: Path) -> Iterator[int]:
    for entry in folder.glob("ses-*"):
        digits = entry.name.removeprefix("ses-")
        if digits.isdigit():
            yield int(digits)


def _bury(workspace: Path, state: str, removed: Removed, whole: bool, why: str) -> None:
    """Append to the tombstones, and wait until the line is on the disk."""
    line = {
        "utc": utc_now(),
        "kind": "participant" if whole else "session",
        "state": state,
        "participant": removed.participant,
        "sessions": list(removed.sessions),
        "files": removed.n_files,
        "bytes": removed.n_bytes,
        "why": without_home(why.strip()),
    }
    path = tombstones_path(workspace)
    try:
        with path.open("a", encoding="utf-8", newline="\n") as log:
            log.write(dump_json(line) + "\n")
            log.flush()
            os.fsync(log.fileno())
    except OSError as error:
        raise FileError(
            f"{path}: cannot be written: {error.strerror}",
            reason=Reason.NOT_WRITABLE,
            hint="nothing is removed that cannot be logged",
        ) from error
