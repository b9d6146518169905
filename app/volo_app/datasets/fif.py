"""Recordings of MNE-Python (FIF files) as Volo's own values: one signal stream and stimulus markers.

Not a converter of any FIF there is: continuous recordings only, and the events that were saved beside them.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.types import Channel, ChannelKind, Chunk, Marker, StreamInfo

__all__ = ["FifRecording", "parse_event_map", "read_fif"]

_KINDS = {
    "eeg": ChannelKind.EEG,
    "seeg": ChannelKind.SEEG,
    "ecog": ChannelKind.ECOG,
    "dbs": ChannelKind.SEEG,
    "eog": ChannelKind.EOG,
    "emg": ChannelKind.EMG,
}
#: The units MNE keeps signals in, by the number it writes to the file.
_UNITS = {107: "V", 112: "T", 201: "T/m"}
#: Kind of the first tag of every FIF file: the file's id.
_FIRST_TAG = b"\x00\x00\x00\x64"
#: A tag's head: kind, type, size of its data, where the next one is (0: right behind, -1: there is none).
_TAG = struct.Struct(">iiii")
#: Kinds a whole file may end with: the end of a block, and no operation.
_CLOSING_TAGS = frozenset({105, 108})
_CHUNK_S = 1.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class FifRecording:
    """What a FIF file holds.

    Attributes
    ----------
    info : StreamInfo
        The signal stream, in the precision the file has.
    samples : ndarray, shape (n_samples, n_channels)
        In the unit of the channels.
    markers : tuple of Marker
        ``stimulus/onset`` for events in the map, ``event/<code>`` for the others, by time.
    recorded_utc : str
        Date of the recording as ISO text; empty if the file does not tell.
    """

    info: StreamInfo
    samples: NDArray[Any]
    markers: tuple[Marker, ...]
    recorded_utc: str

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return len(self.samples) / self.info.rate_hz

    def chunks(self) -> list[Chunk]:
        """Return the signal in chunks of one second; the first sample is at 0 s."""
        rows = max(1, round(self.info.rate_hz * _CHUNK_S))
        parts = []
        for start in range(0, len(self.samples), rows):
            part = self.samples[start : start + rows]
            times = np.arange(start, start + len(part), dtype=np.float64) / self.info.rate_hz
            parts.append(Chunk(self.info.stream_id, start, part, times))
        return parts

    def items(self) -> list[Chunk | Marker]:
        """Return all in the order in which it would have come: a marker after the chunk that reaches its time."""
        placed: list[Chunk | Marker] = []
        left = list(self.markers)
        for chunk in self.chunks():
            placed.append(chunk)
            while left and left[0].time <= chunk.times[-1]:
                placed.append(left.pop(0))
        return placed + left


def parse_event_map(text: str) -> dict[int, str]:
    """Read ``2=13,3=21``: event code = class label.

    Raises
    ------
    ValueError
        If it is not of that form, or names a code twice.
    """
    codes: dict[int, str] = {}
    for part in text.split(","):
        code, equals, label = (word.strip() for word in part.partition("="))
        if not equals or not label or not code.isdecimal():
            raise ValueError(f"event map: got {part!r}, expected CODE=LABEL, as in 2=13,3=21,4=17")
        if int(code) in codes:
            raise ValueError(f"event map: code {code} is named twice")
        codes[int(code)] = label
    return codes


def read_fif(
    path: Path, events: Path | None = None, event_map: Mapping[int, str] | None = None, unit: str | None = None
) -> FifRecording:
    """Read a continuous FIF recording.

    Parameters
    ----------
    path : Path
        The ``.fif`` or ``.fif.gz`` file.
    events : Path or None
        Event file of MNE (``-eve.fif``); its sample numbers count as the recording's do.
    event_map : Mapping or None
        Which event codes are stimuli, and their class label; None takes every code as its own label.
    unit : str or None
        Unit of the values where the file's is known to be wrong, e.g. ``"arbitrary"``; None takes the file's.

    Raises
    ------
    FileError
        If a file is missing, empty, damaged, or of another kind.
    """
    raw = _parsed(path, lambda: _read_raw(path, unit))
    if raw.data.shape[1] == 0:
        raise FileError(f"{path}: holds no samples", reason=Reason.EMPTY)
    samples = _in_own_precision(raw.data.T)
    info = StreamInfo(_stem(path), "eeg", raw.rate_hz, raw.channels, samples.dtype.name, "FIF file")
    markers: tuple[Marker, ...] = ()
    if events is not None:
        rows = _parsed(events, lambda: _read_events(events))
        markers = _markers(rows, raw.first_sample, len(samples), raw.rate_hz, event_map)
    return FifRecording(info, samples, markers, raw.recorded_utc)


class _Raw(NamedTuple):
    data: NDArray[np.float64]  # (n_channels, n_samples)
    channels: tuple[Channel, ...]
    rate_hz: float
    first_sample: int
    recorded_utc: str


def _stem(path: Path) -> str:
    return path.name.split(".fif")[0].removesuffix("_raw") or "recording"


def _parsed(path: Path, parse: Callable[[], _T]) -> _T:
    """Return what `parse` makes of the file, in plain words if it makes nothing of it."""
    _must_be_fif(path)
    try:
        return parse()
    except Exception as error:  # MNE raises anything, even a bare Exception, on damaged files
        raise _unreadable(path, error) from error


def _read_raw(path: Path, unit: str | None) -> _Raw:
    import mne

    raw = mne.io.read_raw_fif(path, preload=True, verbose="error", on_split_missing="raise")
    date = raw.info["meas_date"]
    return _Raw(
        raw.get_data(),
        _channels(raw, unit),
        float(raw.info["sfreq"]),
        int(raw.first_samp),
        date.isoformat() if date is not None else "",
    )


def _read_events(path: Path) -> NDArray[np.int64]:
    import mne

    events: NDArray[np.int64] = mne.read_events(path, verbose="error")
    return events


def _must_be_fif(path: Path) -> None:
    """Look at the first bytes, so that any other file is refused in plain words."""
    if not path.is_file():
        raise FileError(f"{path}: there is no such file", reason=Reason.NOT_FOUND, hint="check the path")
    if path.stat().st_size == 0:
        raise FileError(f"{path}: the file is empty", reason=Reason.EMPTY, hint="copy it again from where it came")
    opener = gzip.open if path.suffix == ".gz" else Path.open
    try:
        with opener(path, "rb") as file:
            start = file.read(len(_FIRST_TAG))
            whole = _is_whole(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _unreadable(path, error) from error
    if start != _FIRST_TAG:
        raise _unreadable(path, ValueError("it does not start as a FIF file does"))
    if not whole:
        raise _unreadable(path, ValueError("it is cut off"))


def _is_whole(file: gzip.GzipFile | BufferedReader) -> bool:
    """Follow the tags: a file cut between two buffers reads well, but has no closing tag."""
    position, kind, following = 0, 0, 0
    while following >= 0:
        file.seek(position)
        head = file.read(_TAG.size)
        if not head:
            break
        if len(head) < _TAG.size:
            return False
        kind, _, size, following = _TAG.unpack(head)
        step = following if following > 0 else position + _TAG.size + size
        if step <= position:
            break  # a pointer back, as no writer known makes it: the parser shall judge
        position = step
    return following < 0 or kind in _CLOSING_TAGS


def _unreadable(path: Path, error: Exception) -> FileError:
    first_line = next(iter(str(error).splitlines()), type(error).__name__)
    return FileError(
        f"{path}: cannot be read as FIF: {first_line}",
        reason=Reason.DAMAGED,
        hint="give a continuous recording of MNE (_raw.fif) and an event file (-eve.fif)",
    )


def _in_own_precision(data: NDArray[np.float64]) -> NDArray[Any]:
    """Return `data` as float32 if no value changes by that (the file had no more), else as it is."""
    single = data.astype(np.float32)
    same = np.array_equal(single.astype(np.float64), data, equal_nan=True)
    return np.ascontiguousarray(single if same else data)


def _channels(raw: Any, unit: str | None) -> tuple[Channel, ...]:
    kinds = raw.get_channel_types()
    return tuple(
        Channel(str(name), _KINDS.get(kind, ChannelKind.AUX), unit or _UNITS.get(int(entry["unit"]), "arbitrary"))
        for name, kind, entry in zip(raw.ch_names, kinds, raw.info["chs"], strict=True)
    )


def _markers(
    events: NDArray[np.int64], first_sample: int, n_samples: int, rate_hz: float, event_map: Mapping[int, str] | None
) -> tuple[Marker, ...]:
    """Return the events inside the recording as markers, trials counted from 0."""
    markers = []
    trial = 0
    for sample, _, code in events[np.argsort(events[:, 0], kind="stable")]:
        index = int(sample) - first_sample
        if not 0 <= index < n_samples:
            continue
        time = index / rate_hz
        if event_map is not None and int(code) not in event_map:
            markers.append(Marker(time, f"event/{int(code)}", {}, "external"))
            continue
        target = str(int(code)) if event_map is None else event_map[int(code)]
        markers.append(Marker(time, "stimulus/onset", {"trial": trial, "target": target}, "external"))
        trial += 1
    return tuple(markers)
