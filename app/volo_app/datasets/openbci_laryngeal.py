"""Imagined and executed humming and arm movements, recorded with an OpenBCI Cyton and Daisy (MIT licence).

Layout: ``openbci_laryngeal/win_mi/r_l_imagined/_raw.fif.gz`` and so on, one recording a task of 20 trials of 5 s, told
by annotations (``left``, ``right``; ``low``, ``high``). 16 channels, 125 Hz; the values are microvolt though the files
say volt; electrodes drift by millivolts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.types import Channel, Marker, StreamInfo
from volo_app.datasets.eegmmidb import ImageryRun

__all__ = ["CLASSES", "TASKS", "load_run"]

#: Tasks and where they lie.
TASKS = {
    "imagined_arms": "win_mi/r_l_imagined",
    "executed_arms": "win_mi/r_l_actual_not_imagined",
    "imagined_humming": "win_li/imagined",
    "executed_humming": "win_li/actual_not_imagined",
}
CLASSES = {task: ("left", "right") if task.endswith("arms") else ("high", "low") for task in TASKS}


def load_run(data_root: Path, task: str) -> ImageryRun:
    """Return the recording of a task of `TASKS`, each trial marked at its begin.

    Raises
    ------
    FileError
        If the file is not there, damaged, or without trials.
    """
    import mne

    places = [data_root / "openbci_laryngeal" / TASKS[task], data_root / TASKS[task]]
    files = [folder / name for folder in places for name in ("_raw.fif.gz", "_raw.fif")]
    path = next((p for p in files if p.is_file()), None)
    if path is None:
        raise FileError(
            f"{files[0]} is missing",
            reason=Reason.NOT_FOUND,
            hint="give the folder that contains openbci_laryngeal as --data-root; docs/data.md tells where it is",
        )
    try:
        raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
    except (ValueError, OSError, RuntimeError, EOFError) as error:
        raise FileError(f"{path} could not be read: {error}", reason=Reason.DAMAGED, hint="fetch it again") from error
    cues = [
        (float(onset) - raw.first_time, str(what))
        for onset, what in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        if str(what) in CLASSES[task]
    ]
    if not cues:
        raise FileError(f"{path} has no trials among its annotations", reason=Reason.DAMAGED, hint="fetch it again")
    channels = tuple(Channel(str(name), unit="uV") for name in raw.ch_names)
    rate_hz = float(raw.info["sfreq"])
    info = StreamInfo(f"openbci_laryngeal-{task}", "eeg", rate_hz, channels, "float32", f"openbci_laryngeal {task}")
    samples = np.ascontiguousarray(raw.get_data().T, dtype=np.float32)
    markers = tuple(
        Marker(time, "stimulus/onset", {"trial": k, "target": target}, "external")
        for k, (time, target) in enumerate(cues)
    )
    return ImageryRun("01", task, info, samples, markers)
