"""Workspace and session folders: where a run's files go, and who took part, by code.

A session folder is the unit that can be copied to another machine and still be understood: ``session.toml`` says what
ran with which settings and versions, ``journal.jsonl`` what happened. Neither names the host, the user or the home
folder. This module knows names and folders only; recordings and decoders are written by their own modules.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volo_acquisition.errors import FileError, Reason
from volo_app.json_values import dump_json, plain

if TYPE_CHECKING:
    from volo_acquisition.recording.leftovers import Leftover

__all__ = [
    "SCHEMA",
    "SESSION_FILE",
    "Session",
    "check_code",
    "create_session",
    "default_workspace",
    "find_session",
    "load_session",
    "utc_now",
    "versions",
    "without_home",
]

#: What ``session.toml`` follows; a newer one is refused by name.
SCHEMA = "volo.session/1"

_CODE = re.compile(r"[A-Za-z0-9]{1,32}")
_NUMBERED = re.compile(r"ses-(\d{2,})")
#: In every session's folder.
SESSION_FILE = "session.toml"
_VERSIONS_OF = ("volo", "numpy", "scipy", "scikit-learn", "mne", "brainflow", "pylsl", "pyxdf", "onnxruntime", "torch")


@dataclass(frozen=True, slots=True)
class Session:
    """One session of one participant: a folder.

    Attributes
    ----------
    folder : Path
        ``<workspace>/sub-<participant>/ses-<number>``, absolute.
    participant : str
        Code of the participant, never a name.
    number : int
        Counts up from 1 for each participant.
    task : str
        What the session is about, e.g. ``"ssvep"``.
    """

    folder: Path
    participant: str
    number: int
    task: str

    @property
    def label(self) -> str:
        """How the session is called in file names: ``sub-P001_ses-01``."""
        return f"sub-{self.participant}_ses-{self.number:02d}"

    def run_path(self, task: str, run: int) -> Path:
        """Return where the recording of run `run` (from 1) of `task` belongs; its folder exists afterwards.

        Raises
        ------
        ValueError
            If `task` is not of letters and digits, or `run` is below 1.
        FileError
            If the folder cannot be made.
        """
        check_code("task", task)
        if run < 1:
            raise ValueError(f"run: got {run}, the first run is 1")
        folder = _make_folder(self.folder / "sourcedata")
        return folder / f"{self.label}_task-{task}_run-{run:02d}_eeg.xdf"

    def next_run(self, task: str) -> int:
        """Return the first run number of `task` that has no recording yet."""
        run = 1
        while (path := self.run_path(task, run)).exists() or path.with_name(path.name + ".part").exists():
            run += 1
        return run

    def repair(self) -> list[Leftover]:
        """Make whole what a crash left of the recordings, and write it down; what is being recorded is left alone.

        Raises
        ------
        FileError
            If the journal cannot be written.
        """
        from volo_acquisition.recording.leftovers import repair_leftovers

        found = repair_leftovers(self.folder / "sourcedata")
        for leftover in found:
            report = leftover.report
            what: dict[str, object] = {"why": leftover.problem}
            if report is not None:
                what = {"dropped_bytes": report.dropped_bytes, "samples": report.samples}
            self.journal("repaired" if report else "not_repaired", file=leftover.part.name, **what)
        return found

    def decoder_dir(self, name: str) -> Path:
        """Return the folder of the decoder `name`, which exists afterwards.

        Raises
        ------
        ValueError
            If `name` has anything but letters, digits and inner ``-``, ``_``.
        """
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", name):
            raise ValueError(f"name: got {name!r}, allowed are up to 64 letters, digits and inner - or _")
        return _make_folder(self.folder / "decoders" / name)

    def journal(self, kind: str, **fields: object) -> None:
        """Append one line to ``journal.jsonl``: the date, `kind` and `fields`.

        Raises
        ------
        FileError
            If the journal cannot be written.
        """
        entry = {"utc": utc_now(), "kind": kind, **fields}
        line = dump_json(without_home(plain(entry))) + "\n"
        path = self.folder / "journal.jsonl"
        try:
            with path.open("a", encoding="utf-8", newline="\n") as journal:
                journal.write(line)
        except OSError as error:
            raise _not_writable(path, error) from error


def default_workspace() -> Path:
    """Return the folder named by the environment variable VOLO_WORKSPACE, else ``Volo`` in the home folder.

    Raises
    ------
    FileError
        If there is neither.
    """
    named = os.environ.get("VOLO_WORKSPACE", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    try:
        return Path.home() / "Volo"
    except RuntimeError as error:
        raise FileError(
            "the home folder is unknown", reason=Reason.NOT_FOUND, hint="name a folder with --workspace"
        ) from error


def create_session(workspace: Path, participant: str, *, task: str, settings: Mapping[str, Any]) -> Session:
    """Make the next session folder of `participant` and write its ``session.toml``; repair what crashes left before.

    Parameters
    ----------
    workspace : Path
        Made if it is not there.
    participant : str
        Code of 1 to 32 letters and digits.
    task : str
        What the session is about; 1 to 32 letters and digits.
    settings : Mapping
        The full settings, kept as a snapshot; what is None is left out, since TOML has no word for it.

    Raises
    ------
    FileError
        If a code is not allowed, or its person withdrew (INVALID), or the folder cannot be written (NOT_WRITABLE).
    """
    for name, code in (("participant", participant), ("task", task)):
        try:
            check_code(name, code)
        except ValueError as error:
            raise FileError(str(error), reason=Reason.INVALID, hint="a code, never a person's name") from error
    workspace = workspace.absolute()
    buried = _buried_number(workspace, participant)
    of_participant = _make_folder(workspace / f"sub-{participant}")
    _repair_earlier(of_participant)
    folder, number = _next_folder(of_participant, buried)
    session = Session(folder, participant, number, task)
    content = {
        "schema": SCHEMA,
        "participant": participant,
        "session": number,
        "task": task,
        "created_utc": utc_now(),
        "versions": versions(),
        "settings": _without_none(without_home(plain(settings))),
    }
    import tomli_w

    path = folder / SESSION_FILE
    try:
        path.write_text(tomli_w.dumps(content), encoding="utf-8", newline="\n")
    except OSError as error:
        raise _not_writable(path, error) from error
    return session


def _repair_earlier(participant_folder: Path) -> None:
    """Make whole what crashes left in the earlier sessions of a participant."""
    for folder in sorted({part.parents[1] for part in participant_folder.glob("ses-*/sourcedata/*.xdf.part")}):
        with contextlib.suppress(FileError):  # it must not keep a new session from beginning
            load_session(folder).repair()


def load_session(folder: Path) -> Session:
    """Read the session in `folder`.

    Raises
    ------
    FileError
        If there is no ``session.toml``, it is damaged, or it was written by a newer Volo.
    """
    path = folder / SESSION_FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileError(f"{folder}: holds no {SESSION_FILE}", reason=Reason.NOT_FOUND) from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}", reason=Reason.NOT_FOUND) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: is damaged: {error}", reason=Reason.DAMAGED) from error
    _check_schema(path, content.get("schema"))
    participant, number, task = content.get("participant"), content.get("session"), content.get("task")
    if not (isinstance(participant, str) and isinstance(number, int) and isinstance(task, str)):
        raise FileError(
            f"{path}: participant, session or task is missing or of the wrong kind",
            reason=Reason.DAMAGED,
            hint="restore the file from a copy",
        )
    return Session(folder.absolute(), participant, number, task)


def find_session(path: Path) -> Session:
    """Return the session that the recording or folder `path` belongs to, looking upwards.

    Raises
    ------
    FileError
        If no folder above holds a ``session.toml``, or the nearest cannot be read.
    """
    start = path.absolute()
    for folder in (start, *start.parents):
        if (folder / SESSION_FILE).is_file():
            return load_session(folder)
    raise FileError(
        f"{path}: belongs to no session: there is no {SESSION_FILE} in any folder above it",
        reason=Reason.NOT_FOUND,
        hint="name a recording inside a session folder",
    )


def _check_schema(path: Path, schema: object) -> None:
    family, _, number = str(schema).partition("/")
    if family != SCHEMA.partition("/")[0] or not number.isdigit():
        raise FileError(f"{path}: schema is {schema!r}, expected {SCHEMA!r}", reason=Reason.DAMAGED)
    if int(number) > int(SCHEMA.partition("/")[2]):
        raise FileError(
            f"{path}: schema is {schema!r}, this version reads up to {SCHEMA!r}",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )


def check_code(name: str, code: str) -> None:
    """Raise ValueError unless `code` is of 1 to 32 letters and digits, which leads out of no folder."""
    if not _CODE.fullmatch(code):
        raise ValueError(f"{name}: got {code!r}, allowed are 1 to 32 of the letters A-Z, a-z and digits")


def tombstones_path(workspace: Path) -> Path:
    """Return where a workspace keeps the log of what was deleted."""
    return workspace / "tombstones.jsonl"


def _buried_number(workspace: Path, participant: str) -> int:
    """Return the highest number among the deleted sessions of a participant, which is not used again.

    Raises
    ------
    FileError
        If the participant withdrew.
    """
    try:
        lines = tombstones_path(workspace).read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    highest = 0
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["participant"].lower() != participant.lower():
                continue
            highest = max([highest, *(int(number) for number in entry["sessions"])])
            withdrew = entry["kind"] == "participant"
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if withdrew:
            raise FileError(
                f"participant: got {participant!r}, whose person withdrew and whose data were deleted",
                reason=Reason.INVALID,
                hint="give the person a new code",
            )
    return highest


def _next_folder(participant_folder: Path, buried: int) -> tuple[Path, int]:
    """Make the folder after the last session; two programs at once get two folders."""
    taken = [int(match[1]) for entry in participant_folder.iterdir() if (match := _NUMBERED.fullmatch(entry.name))]
    number = max([buried, *taken]) + 1
    while True:
        folder = participant_folder / f"ses-{number:02d}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _not_writable(folder, error) from error
        else:
            return folder, number


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return folder


def _not_writable(path: Path, error: OSError) -> FileError:
    return FileError(
        f"{path}: cannot be written: {(error.strerror or str(error)).lower()}",
        reason=Reason.NOT_WRITABLE,
        hint="choose another folder with --workspace",
    )


def utc_now() -> str:
    """Return date and time as ISO text, for people; nothing is measured by it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Return the versions of Python, the kind of system, Volo and what it computes with; nothing is imported."""
    found = {"python": platform.python_version(), "system": platform.system()}
    for name in _VERSIONS_OF:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value if item is not None]
    return value


def without_home(value: Any) -> Any:
    """Return plain `value` with the home folder, which tells the user's name, written as ``~`` in every text."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return value
    if len(Path(home).parts) < 2:
        return value
    if isinstance(value, dict):
        return {without_home(key): without_home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_home(item) for item in value]
    return value.replace(home, "~") if isinstance(value, str) else value
