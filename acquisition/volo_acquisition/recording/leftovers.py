"""What a crash left in a folder of recordings, made whole at the next start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from volo_acquisition.errors import FileError
from volo_acquisition.recording.repair import RepairReport, repair
from volo_acquisition.recording.space import RESERVE_SUFFIX, is_recording

__all__ = ["Leftover", "leftover_parts", "repair_leftovers"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What became of one leftover.

    Attributes
    ----------
    part : Path
        The ``.xdf.part``.
    report : RepairReport or None
        How it was repaired; the original is kept as ``.xdf.part.bak``.
    problem : str
        Why it was not; it stays as it is.
    """

    part: Path
    report: RepairReport | None
    problem: str = ""


def leftover_parts(folder: Path) -> list[Path]:
    """Return the unfinished recordings in a folder that no process is recording any more."""
    return [part for part in sorted(folder.glob("*.xdf.part")) if not is_recording(part)]


def repair_leftovers(folder: Path) -> list[Leftover]:
    """Repair every unfinished recording in a folder; never raises for what is damaged, and overwrites nothing."""
    found = []
    for part in leftover_parts(folder):
        try:
            found.append(Leftover(part, repair(part)))
        except FileError as error:
            found.append(Leftover(part, None, str(error)))
    for reserve in folder.glob(f"*.xdf{RESERVE_SUFFIX}"):  # of runs that left nothing else
        part = reserve.with_name(reserve.name.removesuffix(RESERVE_SUFFIX) + ".part")
        if not part.exists() and not is_recording(part):
            reserve.unlink(missing_ok=True)
    return found
