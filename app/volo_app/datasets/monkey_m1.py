"""Spike counts of a monkey's motor cortex and what its hand did: 95 channels of M1 in bins of 100 ms.

Layout: ``monkey_m1/<any name>.npz`` with ``counts`` (n_bins, n_channels), ``kinematics`` (n_bins, 4): x, y, vx, vy, and
``bin_s``. Trials follow one another without what was between them: position and activity jump at the joins. No unit of
position is declared; velocity is position per second.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo

__all__ = ["KINEMATICS", "SPIKES", "VELOCITIES", "MonkeySession", "load_file", "load_session", "write_recording"]

#: Names of the streams in a recording.
SPIKES, KINEMATICS = "monkey_m1-spikes", "monkey_m1-kinematics"
#: The columns of the kinematics.
COLUMNS = ("x", "y", "vx", "vy")
#: Those that are decoded.
VELOCITIES = COLUMNS[2:]
_CHUNK_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class MonkeySession:
    """One recording.

    Attributes
    ----------
    name : str
        Of the file.
    counts : ndarray of int16, shape (n_bins, n_channels)
        Spikes in each bin.
    kinematics : ndarray of float64, shape (n_bins, 4)
        x, y, vx, vy.
    bin_s : float
        Length of a bin.
    """

    name: str
    counts: NDArray[np.int16]
    kinematics: NDArray[np.float64]
    bin_s: float

    @property
    def velocity(self) -> NDArray[np.float64]:
        """Vx and vy, shape (n_bins, 2)."""
        return self.kinematics[:, 2:]

    @property
    def spikes_info(self) -> StreamInfo:
        """The stream of counts."""
        width = len(str(self.counts.shape[1] - 1))
        names = (f"M1-{k:0{width}d}" for k in range(self.counts.shape[1]))
        channels = tuple(Channel(name, ChannelKind.SPIKES, "count") for name in names)
        return StreamInfo(SPIKES, "spikes", 1.0 / self.bin_s, channels, "int16", f"monkey_m1 {self.name}")

    @property
    def kinematics_info(self) -> StreamInfo:
        """The stream of positions and velocities."""
        channels = tuple(Channel(name, ChannelKind.AUX, "arbitrary") for name in COLUMNS)
        return StreamInfo(KINEMATICS, "kinematics", 1.0 / self.bin_s, channels, "float64", f"monkey_m1 {self.name}")


def load_session(data_root: Path) -> MonkeySession:
    """Read the recording in ``data_root/monkey_m1``.

    Raises
    ------
    FileError
        If there is none (NOT_FOUND) or more than one (AMBIGUOUS), or it is not of the expected layout (DAMAGED).
    """
    folder = data_root / "monkey_m1"
    files = sorted(folder.glob("*.npz"))
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "none"
        raise FileError(
            f"{folder} must hold one .npz file, it holds {names}",
            reason=Reason.AMBIGUOUS if files else Reason.NOT_FOUND,
            hint="give the folder that contains monkey_m1/*.npz as --data-root",
        )
    return load_file(files[0])


def load_file(path: Path) -> MonkeySession:
    """Read one file.

    Raises
    ------
    FileError
        If it is not of the expected layout (DAMAGED).
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            counts, kinematics = np.asarray(stored["counts"]), np.asarray(stored["kinematics"], np.float64)
            bin_s = float(stored["bin_s"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    if counts.ndim != 2 or len(counts) == 0 or kinematics.shape != (len(counts), len(COLUMNS)):
        raise _damaged(path, f"counts of shape {counts.shape} and kinematics of shape {kinematics.shape}")
    whole = counts.astype(np.int16)
    if not np.array_equal(whole, counts) or whole.min() < 0:
        raise _damaged(path, "counts that are no whole numbers from 0 to 32767")
    if not np.isfinite(kinematics).all() or not 0.0 < bin_s < np.inf:
        raise _damaged(path, f"kinematics that are not finite, or bins of {bin_s} s")
    return MonkeySession(path.stem, whole, kinematics, bin_s)


def _damaged(path: Path, what: str) -> FileError:
    return FileError(
        f"{path}: got {what}",
        reason=Reason.DAMAGED,
        hint="expected counts (n_bins, n_channels), kinematics (n_bins, 4) and bin_s; fetch the recording again",
    )


def write_recording(
    session: MonkeySession, path: Path, *, start: int = 0, stop: int | None = None, shift_bins: int = 0
) -> None:
    """Write a stretch as an XDF recording with two streams, stamped with the bins' ends from the session's start.

    Parameters
    ----------
    session : MonkeySession
        What to write.
    path : Path
        A new file that ends in ``.xdf``.
    start, stop : int, int or None
        First bin and one past the last; None is the end.
    shift_bins : int
        Turn the counts of the stretch by so many bins against the kinematics: the control.

    Raises
    ------
    FileError
        If the file exists or cannot be written.
    """
    rows = slice(start, len(session.counts) if stop is None else stop)
    streams = (
        (session.spikes_info, np.roll(session.counts[rows], shift_bins, axis=0)),
        (session.kinematics_info, session.kinematics[rows]),
    )
    header = {"task": "monkey_m1", "imported_from": session.name, "shifted_bins": str(shift_bins)}
    with XdfRecorder(path, header=header) as recorder:
        for info, _ in streams:
            recorder.add_stream(info)
        for a in range(0, len(streams[0][1]), _CHUNK_BINS):
            for info, values in streams:
                part = values[a : a + _CHUNK_BINS]
                times = np.arange(start + a + 1, start + a + 1 + len(part), dtype=np.float64) * session.bin_s
                recorder.write_chunk(Chunk(info.stream_id, start + a, part, times))
