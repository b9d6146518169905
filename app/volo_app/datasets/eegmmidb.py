"""The motor movement and imagery recordings of PhysioNet (EEGMMIDB), as EDF files of one run each.

Schalk et al. 2004, IEEE Trans. Biomed. Eng. 51:1034, DOI 10.1109/TBME.2004.827072; Goldberger et al. 2000, Circulation
101:e215, DOI 10.1161/01.CIR.101.23.e215. Public: ODC-BY 1.0, https://doi.org/10.13026/C28G6P.

64 channels of EEG at 160 Hz; a target on the screen tells for 4 s what to move or to imagine (T1, T2), rests (T0) lie
between. Layout: folders ``SNNN`` or ``eegmmidb_SNNN``, each with files ``SNNNRrr.edf``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.types import Channel, Chunk, Item, Marker, StreamInfo

__all__ = ["TASKS", "ImageryRun", "Task", "load_run", "load_runs", "standard_name", "subjects"]


@dataclass(frozen=True, slots=True)
class Task:
    """What was done in some of the runs: their numbers, and what T1 and T2 mean in them."""

    runs: tuple[int, ...]
    classes: tuple[str, str]


TASKS = {
    "fists_feet": Task((6, 10, 14), ("fists", "feet")),
    "left_right": Task((4, 8, 12), ("left", "right")),
    "executed_fists_feet": Task((5, 9, 13), ("fists", "feet")),
    "executed_left_right": Task((3, 7, 11), ("left", "right")),
}
_FOLDER = re.compile(r"(?:eegmmidb_)?(S\d{3})")
_FILE = re.compile(r"(S\d{3})R(\d{2})\.edf")


@dataclass(frozen=True, slots=True, eq=False)
class ImageryRun:
    """One run of one subject.

    Attributes
    ----------
    subject, name : str
        E.g. ``"S001"`` and ``"R06"``.
    info : StreamInfo
        EEG channels with 10-10 names, microvolt.
    samples : ndarray, shape (n_samples, n_channels)
        As recorded.
    markers : tuple of Marker
        ``stimulus/onset`` at each cue, with trial number and target.
    """

    subject: str
    name: str
    info: StreamInfo
    samples: NDArray[np.float32]
    markers: tuple[Marker, ...]

    def items(self, chunk_samples: int) -> Iterator[Item]:
        """Yield the run as a source would: chunks of so many samples, each cue before the chunk that holds it."""
        markers = list(self.markers)
        for start in range(0, len(self.samples), chunk_samples):
            part = self.samples[start : start + chunk_samples]
            times = np.arange(start, start + len(part)) / self.info.rate_hz
            while markers and markers[0].time <= times[-1]:
                yield markers.pop(0)
            yield Chunk(self.info.stream_id, start, part, times)

    @property
    def targets(self) -> dict[int, str]:
        """The true class of each trial, by trial number."""
        return {int(marker.payload["trial"]): str(marker.payload["target"]) for marker in self.markers}


def subjects(data_root: Path) -> list[str]:
    """Return the subjects, e.g. ``["S001"]``, whose folders are in `data_root`, or whose folder it is.

    Raises
    ------
    FileError
        If there are none.
    """
    return sorted(_folders(data_root))


def load_runs(data_root: Path, subject: str, task: str = "fists_feet") -> list[ImageryRun]:
    """Return those runs of a task that are there, in the order they were recorded; perhaps none.

    Parameters
    ----------
    data_root : Path
        Holds the subjects' folders, or is one.
    subject : str
        ``"S001"``; ``"001"`` and ``"1"`` are understood.
    task : str
        One of `TASKS`.

    Raises
    ------
    FileError
        If the subject is not there, or a file is damaged or has no cues.
    """
    folders = _folders(data_root)
    wanted = f"S{int(subject):03d}" if subject.isascii() and subject.isdecimal() else subject
    if wanted not in folders:
        raise FileError(
            f"{data_root} holds no subject {wanted}",
            reason=Reason.NOT_FOUND,
            hint=f"subjects found: {', '.join(sorted(folders))}",
        )
    files = {number: path for _, number, path in _recordings(folders[wanted])}
    return [load_run(files[number], wanted, number, task) for number in TASKS[task].runs if number in files]


def standard_name(name: str) -> str:
    """Return a channel's name in the 10-10 system: ``"Fc5."`` is FC5, ``"Cz.."`` Cz, ``"Fp1."`` Fp1, ``"Iz.."`` Iz."""
    plain = name.rstrip(".").upper()
    return plain.replace("FP", "Fp").removesuffix("Z") + ("z" if plain.endswith("Z") else "")


def _folders(data_root: Path) -> dict[str, Path]:
    own = {subject for subject, _, _ in _recordings(data_root)}
    found = dict.fromkeys(own, data_root) if len(own) == 1 else {}
    for path in sorted(data_root.iterdir()) if data_root.is_dir() else ():
        match = _FOLDER.fullmatch(path.name)
        if match and any(subject == match.group(1) for subject, _, _ in _recordings(path)):
            found.setdefault(match.group(1), path)
    if not found:
        raise FileError(
            f"{data_root} holds no subject folder with recordings",
            reason=Reason.NOT_FOUND,
            hint="give the folder that contains S001/S001R06.edf or eegmmidb_S001/S001R06.edf as --data-root; "
            "docs/data.md tells where the recordings are published",
        )
    return found


def _recordings(folder: Path) -> list[tuple[str, int, Path]]:
    """Return subject, run number and path of the recordings in a folder."""
    matches = [(_FILE.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ())]
    return sorted((match.group(1), int(match.group(2)), path) for match, path in matches if match)


def load_run(path: Path, subject: str, number: int, task: str) -> ImageryRun:
    """Read one file.

    Parameters
    ----------
    path : Path
        The EDF file.
    subject, number : str, int
        ``"S001"`` and 6, as in its name.
    task : str
        One of `TASKS`: what T1 and T2 mean in it.

    Raises
    ------
    FileError
        If it is damaged or has no cues.
    """
    import mne

    try:
        raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    except Exception as error:  # MNE raises anything on damaged files
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise FileError(
            f"{path} could not be read: {first_line}", reason=Reason.DAMAGED, hint="fetch the recording again"
        ) from error
    codes = dict(zip(("T1", "T2"), TASKS[task].classes, strict=True))
    cues = [
        (float(onset), codes[str(code)])
        for onset, code in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        if str(code) in codes
    ]
    if not cues:
        raise FileError(
            f"{path} has no cues T1 or T2 among its annotations",
            reason=Reason.DAMAGED,
            hint="fetch the recording again; the EDF+ file itself holds them",
        )
    channels = tuple(Channel(standard_name(str(name)), unit="uV") for name in raw.ch_names)
    name = f"R{number:02d}"
    info = StreamInfo(
        f"eegmmidb-{subject}", "eeg", float(raw.info["sfreq"]), channels, "float32", f"eegmmidb {subject} {name}"
    )
    samples = np.ascontiguousarray(1e6 * raw.get_data().T, dtype=np.float32)
    markers = tuple(
        Marker(time, "stimulus/onset", {"trial": k, "target": target}, "external")
        for k, (time, target) in enumerate(cues)
    )
    return ImageryRun(subject, name, info, samples, markers)
