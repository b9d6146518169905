"""Index and manifest for a recording that was made whole: whatever was there before is set aside, not overwritten."""

from __future__ import annotations

import os
from pathlib import Path

from volo_acquisition.recording import xdf
from volo_acquisition.recording.manifest import REPAIRED, manifest_path, write_manifest
from volo_acquisition.recording.sidecar import IndexLog, index_path
from volo_acquisition.recording.space import RESERVE_SUFFIX
from volo_acquisition.recording.survey import Survey, survey
from volo_acquisition.recording.walk import Damage, FileHead, Piece

__all__ = ["companions", "remove", "seal", "set_aside"]


def companions(recording: Path) -> tuple[Path, ...]:
    """Return where the files beside ``X.xdf`` are: index, manifest, room kept back."""
    reserve = recording.with_name(recording.name + RESERVE_SUFFIX)
    return index_path(recording), manifest_path(recording), reserve


def remove(recording: Path) -> None:
    """Remove ``X.xdf`` or ``X.xdf.part`` in which nothing was recorded, and the files beside it."""
    for path in (recording, *companions(recording.with_name(recording.name.removesuffix(".part")))):
        path.unlink(missing_ok=True)


def seal(recording: Path) -> None:
    """Write the index and the manifest of a repaired ``X.xdf``.

    Raises
    ------
    OSError
        If they cannot be written.
    FileError
        If the recording cannot be read.
    """
    index, manifest, reserve = companions(recording)
    reserve.unlink(missing_ok=True)
    for path in (index, manifest):
        if path.exists():
            set_aside(path)
    log = IndexLog()

    def note(_: Survey, piece: Piece) -> None:
        if not isinstance(piece, Damage):
            log.add(xdf.MAGIC + piece.raw if isinstance(piece, FileHead) else piece.raw)

    view = survey(recording, note)
    with index.open("xb") as file:
        file.write(log.take())
        file.flush()
        os.fsync(file.fileno())
    write_manifest(recording, REPAIRED, {name: view.extents[number].count for number, name in view.names.items()})


def set_aside(path: Path) -> Path:
    """Give a file the first free name ``X.bak``, ``X.bak2``, ...; return it."""
    n = 1
    while True:
        backup = path.with_name(f"{path.name}.bak{n if n > 1 else ''}")
        if not backup.exists():
            path.rename(backup)
            return backup
        n += 1
