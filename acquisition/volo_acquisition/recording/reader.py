"""Reading a recording: ours, finished or not, or another program's XDF file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.recording.indexing import correct, corrections_from_offsets
from volo_acquisition.recording.rows import marker_from
from volo_acquisition.recording.survey import Survey, survey
from volo_acquisition.recording.walk import Piece, Samples
from volo_acquisition.types import Chunk, Correction, Event, Marker, StreamInfo, read_only

__all__ = ["RecordedStream", "Recording"]

#: Stamps and samples of one chunk in the file.
_Part = tuple[NDArray[np.float64], NDArray[Any] | list[tuple[str, ...]]]

#: Stamps and rows of a stream.
_Rows = tuple[NDArray[np.float64], list[str] | NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class RecordedStream:
    """One signal stream as it was received.

    Attributes
    ----------
    info : StreamInfo
        What it is.
    index : ndarray of int64, shape (n_samples,)
        Absolute indices; they jump where samples were lost.
    times : ndarray of float64, shape (n_samples,)
        Raw stamps, seconds.
    samples : ndarray, shape (n_samples, n_channels)
        In the stream's own dtype and unit.
    valid : ndarray of bool, shape (n_samples,)
        False where a sample is not to be trusted.
    """

    info: StreamInfo
    index: NDArray[np.int64]
    times: NDArray[np.float64]
    samples: NDArray[Any]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for name in ("index", "times", "samples", "valid"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.index)

    def chunks(self, n_samples: int) -> Iterator[Chunk]:
        """Cut the stream into chunks of at most `n_samples`, never across a jump of the index.

        Raises
        ------
        ValueError
            If `n_samples` is less than 1.
        """
        if n_samples < 1:
            raise ValueError(f"n_samples: got {n_samples}, it must be at least 1")
        jumps = np.flatnonzero(np.diff(self.index) != 1) + 1
        edges = [0, *jumps.tolist(), len(self)]
        for start, stop in pairwise(edges):
            for a in range(start, stop, n_samples):
                part = slice(a, min(a + n_samples, stop))
                valid = self.valid[part]
                yield Chunk(
                    self.info.stream_id,
                    int(self.index[a]),
                    self.samples[part],
                    self.times[part],
                    None if valid.all() else valid,
                )

    def session_times(self, corrections: Sequence[Correction]) -> NDArray[np.float64]:
        """Return the stamps on the session clock.

        Parameters
        ----------
        corrections : sequence of Correction
            In the order of their making, e.g. `Recording.corrections`; those of other streams are ignored.

        Returns
        -------
        ndarray, shape (n_samples,)
            Seconds.
        """
        return correct(self.index, self.times, [c for c in corrections if c.stream_id == self.info.stream_id])


class Recording:
    """Read-only view of one run; `open` makes it.

    Attributes
    ----------
    path : Path
        The file.
    header : dict of str to str
        Fields of its header.
    streams : dict of str to RecordedStream
        Signals as received, by name; not our own streams, whose names begin with ``volo-``, and no strings.
    markers, events, corrections : list
        In the order of the file. In another program's recording the markers are the rows of all its string streams,
        in the order of their times, which are corrected by that recording's clock offsets; the offsets of its signal
        streams are the corrections.
    own : bool
        Whether this program recorded it.
    problems : tuple of str
        What is damaged, one line each; empty for a sound file.
    """

    def __init__(self, view: Survey, data: dict[int, list[_Part]]) -> None:
        self.path = view.path
        self.own = view.own
        self.header: dict[str, str] = dict(view.header)
        self.problems = tuple(view.problems)
        self.events: list[Event] = view.events
        self.corrections: list[Correction] = view.corrections
        self.markers: list[Marker] = view.markers
        self._rows: dict[str, _Rows] = {}
        self._desc: dict[str, dict[str, Any]] = {}
        self._infos: dict[str, StreamInfo] = {}
        for number, name in view.names.items():
            head = view.heads[number]
            self._infos[name] = _renamed(head.info, name)
            self._desc[name] = head.desc
            self._rows[name] = _joined(head.info, data.pop(number, []))
        if not view.own:
            self._use_offsets(view)
        self.streams: dict[str, RecordedStream] = {}
        for number in view.numbers(signals=True):
            self.streams[view.names[number]] = self._stream(view, number)

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Read the recording at `path`; what is damaged is left out and told in `problems`.

        Raises
        ------
        FileError
            If there is no such file (NOT_FOUND), it is empty (EMPTY), it is not an XDF file or its header is
            incomplete (DAMAGED), or it is of a newer version of this program (NEWER_SCHEMA).
        """
        data: dict[int, list[_Part]] = {}

        def keep(_: Survey, piece: Piece) -> None:
            if isinstance(piece, Samples):
                data.setdefault(piece.number, []).append((piece.times, piece.values))

        return cls(survey(path, keep), data)

    @property
    def stream_ids(self) -> tuple[str, ...]:
        """Names of all streams, our own included."""
        return tuple(self._rows)

    def info(self, stream_id: str) -> StreamInfo:
        """Return what a stream is; raise KeyError if there is none of this name."""
        return self._infos[stream_id]

    def rows(self, stream_id: str) -> _Rows:
        """Return the stamps and rows of any stream.

        Returns
        -------
        times : ndarray, shape (n,)
            Raw stamps, seconds.
        rows : list of str, or ndarray, shape (n, n_channels)
            Texts, or numbers in the stream's dtype. The texts of a string stream with several channels are JSON
            lists.

        Raises
        ------
        KeyError
            If there is no stream of this name.
        """
        return self._rows[stream_id]

    def desc(self, stream_id: str) -> dict[str, Any]:
        """Return the details kept with a stream; empty for other programs' streams.

        Raises
        ------
        KeyError
            If there is no stream of this name.
        """
        return self._desc[stream_id]

    def _stream(self, view: Survey, number: int) -> RecordedStream:
        name = view.names[number]
        times, values = self._rows[name]
        index = view.index[number].indices(0, len(times))
        valid = np.ones(len(times), np.bool_)
        for stream_id, start, n in view.invalid:
            if stream_id == name:
                valid[_between(index, start, start + n)] = False
        return RecordedStream(self._infos[name], index, times, np.asarray(values), valid)

    def _use_offsets(self, view: Survey) -> None:
        """Put another program's markers and signals on one clock."""
        corrections: dict[str, list[Correction]] = {}
        for number, name in view.names.items():
            times, _ = self._rows[name]
            corrections[name] = corrections_from_offsets(name, times, view.extents[number].offsets)
        self.corrections = [c for n in view.numbers(signals=True) for c in corrections[view.names[n]]]
        self.markers = []
        for number, name in view.names.items():
            times, rows = self._rows[name]
            if view.heads[number].info.dtype == "string":
                index = np.arange(len(times), dtype=np.int64)
                session = correct(index, times, corrections[name]).tolist()
                several = view.heads[number].info.n_channels != 1
                self.markers += [_external(t, row, several) for t, row in zip(session, rows, strict=True)]
        self.markers.sort(key=lambda marker: marker.time)


def _between(index: NDArray[np.int64], start: int, stop: int) -> NDArray[np.bool_] | slice:
    """Select the samples with absolute indices from `start` to `stop`."""
    a, b = np.searchsorted(index, (start, stop))
    if b - a == stop - start and np.array_equal(index[a:b], np.arange(start, stop)):
        return slice(int(a), int(b))
    selected: NDArray[np.bool_] = (index >= start) & (index < stop)
    return selected


def _external(time: float, row: str, several: bool) -> Marker:
    """Return the marker in a row of another program's string stream."""
    texts = json.loads(row) if several else [row]
    marker = marker_from(time, texts[0] if texts else "")
    payload = {**marker.payload, "channels": texts[1:]} if several else marker.payload
    return Marker(time, marker.label, payload, "external")


def _renamed(info: StreamInfo, name: str) -> StreamInfo:
    return StreamInfo(name, info.kind, info.rate_hz, info.channels, info.dtype, info.source)


def _joined(info: StreamInfo, parts: list[_Part]) -> _Rows:
    times = np.concatenate([np.empty(0), *(stamps for stamps, _ in parts)])
    if info.dtype == "string":
        rows = [row for _, values in parts if isinstance(values, list) for row in values]
        return times, [row[0] if len(row) == 1 else json.dumps(row, ensure_ascii=False) for row in rows]
    empty = np.empty((0, info.n_channels), info.dtype)
    return times, np.concatenate([empty, *(values for _, values in parts if isinstance(values, np.ndarray))])
