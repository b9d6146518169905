"""The SSVEP exoskeleton recordings (Kalunga, Chevallier, Barthelemy 2016, DOI 10.1016/j.neucom.2016.01.007).

Layout: ``ssvep_exo/subjectNN/<record>_raw.fif`` with ``<record>-eve.fif`` beside it. LEDs flicker all the time at
13, 17 and 21 Hz; the event is the cue that tells which to look at, or to rest. The stimuli are not phase-locked to the
events. Values are not volts. CC0; the public archive is the repository ``sylvchev/dataset-ssvep-exoskeleton``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.types import Channel, Chunk, Item, Marker, StreamInfo

__all__ = ["CLASSES", "ExoSession", "load_session", "load_sessions", "subjects"]

#: Event codes; 3 is 21 Hz and 4 is 17 Hz, not the other way round.
CODES = {1: "rest", 2: "13", 3: "21", 4: "17"}
#: The classes that are decoded (rest is confounded with time), as frequency in Hz.
CLASSES = ("13", "17", "21")


@dataclass(frozen=True, slots=True, eq=False)
class ExoSession:
    """One session of one subject.

    Attributes
    ----------
    subject, name : str
        Two-digit subject and the record's name.
    info : StreamInfo
        Eight EEG channels, 256 Hz, float32.
    samples : ndarray, shape (n_samples, n_channels)
        In the recording's own unit (about a millivolt, not declared).
    markers : tuple of Marker
        ``stimulus/onset`` at each cue, with trial number and target; rest cues have the label ``rest/onset``.
    """

    subject: str
    name: str
    info: StreamInfo
    samples: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    markers: tuple[Marker, ...]

    def items(self, chunk_samples: int) -> Iterator[Item]:
        """Yield the session as a source would: chunks of so many samples, each cue before the chunk that holds it."""
        rate_hz = self.info.rate_hz
        markers = list(self.markers)
        for start in range(0, len(self.samples), chunk_samples):
            part = self.samples[start : start + chunk_samples]
            times = np.arange(start, start + len(part)) / rate_hz
            while markers and markers[0].time <= times[-1]:
                yield markers.pop(0)
            yield Chunk(self.info.stream_id, start, part, times)

    @property
    def targets(self) -> dict[int, str]:
        """The true class of each trial, by trial number; rest excluded."""
        return {
            int(marker.payload["trial"]): str(marker.payload["target"])
            for marker in self.markers
            if marker.label == "stimulus/onset"
        }


def subjects(data_root: Path) -> list[str]:
    """Return the two-digit subject numbers found under ``data_root/ssvep_exo``.

    Raises
    ------
    FileError
        If there are none.
    """
    folder = data_root / "ssvep_exo"
    found = sorted(
        match.group(1)
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := re.fullmatch(r"subject(\d+)", path.name)) and any(path.glob("*_raw.fif"))
    )
    if not found:
        raise FileError(
            f"{folder} holds no subject folder with recordings",
            reason=Reason.NOT_FOUND,
            hint="give the folder that contains ssvep_exo/subject01/*_raw.fif as --data-root; "
            "docs/data.md tells where the recordings are published",
        )
    return found


def load_sessions(data_root: Path, subject: str) -> list[ExoSession]:
    """Return all sessions of a subject, in time order.

    Raises
    ------
    FileError
        If the subject is not there, or a file is damaged or lacks its events.
    """
    folder = data_root / "ssvep_exo" / f"subject{subject}"
    files = sorted(folder.glob("*_raw.fif"))
    if not files:
        raise FileError(
            f"{folder} holds no recording",
            reason=Reason.NOT_FOUND,
            hint=f"subjects found: {', '.join(subjects(data_root))}",
        )
    return [load_session(path, subject) for path in files]


def load_session(path: Path, subject: str = "") -> ExoSession:
    """Read one file and the events beside it.

    Parameters
    ----------
    path : Path
        The file ``..._raw.fif``.
    subject : str
        Whose it is; empty takes the last two letters of its folder's name.

    Raises
    ------
    FileError
        If it is damaged, or has no events beside it.
    """
    import mne

    subject = subject or path.parent.name[-2:]

    name = path.name.removesuffix("_raw.fif")
    events_path = path.with_name(f"{name}-eve.fif")
    if not events_path.exists():
        raise FileError(f"{events_path} is missing", reason=Reason.NOT_FOUND, hint="fetch the recording again")
    try:
        with mne.utils.use_log_level("error"):
            raw = mne.io.read_raw_fif(path, preload=True)
            events = mne.read_events(events_path)
    except (ValueError, OSError, RuntimeError) as error:
        raise FileError(
            f"{path} could not be read: {error}", reason=Reason.DAMAGED, hint="fetch the recording again"
        ) from error
    samples = np.ascontiguousarray(raw.get_data().T, dtype=np.float32)
    rate_hz = float(raw.info["sfreq"])
    channels = tuple(Channel(channel, unit="arbitrary") for channel in raw.ch_names)
    info = StreamInfo(f"ssvep_exo-{subject}", "eeg", rate_hz, channels, "float32", f"ssvep_exo {name}")
    markers = tuple(
        Marker(
            (int(sample) - int(raw.first_samp)) / rate_hz,
            "rest/onset" if int(code) == 1 else "stimulus/onset",
            {"trial": k, "target": CODES[int(code)]},
            "external",
        )
        for k, (sample, _, code) in enumerate(events)
        if int(code) in CODES
    )
    return ExoSession(subject, name, info, samples, markers)
