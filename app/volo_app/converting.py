"""Recordings of other programs as Volo's own, so that whatever can be decoded is decoded in one way.

Known by their names: FIF files of MNE (with the events beside them), runs of EEGMMIDB (EDF), and the spike counts of
``monkey_m1`` (npz). An XDF file is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Item, StreamInfo

__all__ = ["CONVERTED", "as_recording"]

#: Endings of the files that are understood besides ``.xdf``.
CONVERTED = (".fif", ".fif.gz", ".edf", ".npz")
_CHUNK = 25
_EEGMMIDB = re.compile(r"(S\d{3})R(\d{2})\.edf")


def as_recording(path: Path, folder: Path) -> Path:
    """Return a recording of Volo's with what is in `path`: itself if it is one, else a new file in `folder`.

    Raises
    ------
    FileError
        If the file cannot be read, or is of a kind that is not understood.
    """
    name = path.name.lower()
    if name.endswith(".xdf"):
        return path
    target = folder / f"{_plain(path.name)}.xdf"
    if name.endswith((".fif", ".fif.gz")):
        _from_fif(path, target)
    elif name.endswith(".edf"):
        _from_eegmmidb(path, target)
    elif name.endswith(".npz"):
        from volo_app.datasets import monkey_m1

        monkey_m1.write_recording(monkey_m1.load_file(path), target)
    else:
        raise FileError(
            f"{path} is of a kind that is not understood",
            reason=Reason.UNSUPPORTED,
            hint=f"give a file that ends in .xdf, {', '.join(CONVERTED)}",
        )
    return target


def _plain(name: str) -> str:
    """Return a file's name without its ending, of letters, digits and hyphens."""
    bare = re.sub(r"\.(fif(\.gz)?|edf|npz)$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9]+", "-", bare).strip("-") or "recording"


def _from_fif(path: Path, target: Path) -> None:
    from volo_app.datasets import fif, ssvep_exo

    stem = path.name.partition(".fif")[0].removesuffix("_raw").removesuffix("-raw")
    beside = path.with_name(f"{stem}-eve.fif")
    if stem.startswith("record-[") and beside.exists():
        session = ssvep_exo.load_session(path)
        _write(target, session.info, session.items(_CHUNK), path)
        return
    recording = fif.read_fif(path, beside if beside.exists() else None)
    _write(target, recording.info, recording.items(), path)


def _from_eegmmidb(path: Path, target: Path) -> None:
    from volo_app.datasets import eegmmidb

    match = _EEGMMIDB.fullmatch(path.name)
    task = next((name for name, t in eegmmidb.TASKS.items() if match and int(match.group(2)) in t.runs), None)
    if match is None or task is None:
        raise FileError(
            f"{path} is no run of EEGMMIDB with a task",
            reason=Reason.UNSUPPORTED,
            hint="EDF files named SNNNRrr.edf, runs 3 to 14, are understood yet",
        )
    run = eegmmidb.load_run(path, match.group(1), int(match.group(2)), task)
    _write(target, run.info, run.items(_CHUNK), path)


def _write(target: Path, info: StreamInfo, items: Iterable[Item], source: Path) -> None:
    header = {"task": "import", "imported_from": source.name, "simulated": "false"}
    with XdfRecorder(target, header=header) as recorder:
        recorder.add_stream(info)
        for item in items:
            recorder.write_item(item)
