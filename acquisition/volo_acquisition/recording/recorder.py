"""The recorder: one run, one file that is whole at any moment.

Regular streams are written one complete chunk of about 50 ms at a time, everything else at once; after a kill the file
lacks at most what had not been written yet. Once a second (of stamps; the recorder has no clock) a row of checksums
vouches for everything since the one before.

A correction is also written as a clock offset, for other readers; a signal without one gets its single offset, zero,
when the recording is closed, since a reader puts a line through all it finds.
"""

from __future__ import annotations

import contextlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording import xdf
from volo_acquisition.recording.durable import publish, write_reason
from volo_acquisition.recording.indexing import cuts
from volo_acquisition.recording.manifest import CLOSED, DISK_FULL, write_manifest
from volo_acquisition.recording.output import RecordingFile
from volo_acquisition.recording.rows import check_row, item_row
from volo_acquisition.recording.tracks import OWN_KINDS, Track, false_runs, own_stream, require_samples
from volo_acquisition.types import Chunk, Correction, Event, EventKind, Item, StreamInfo

__all__ = ["XdfRecorder"]

#: Data of a stream that fell silent are written when other streams are this much further, seconds.
STALE_S = 0.1

#: How often checksums and a boundary are written, seconds.
BOUNDARY_S = 1.0

#: The stamps in one chunk of the file span at most this, however long the chunks are that come, seconds.
SPAN_S = 0.1


class XdfRecorder:
    """Records streams, markers, events and corrections into one XDF file.

    Used from one thread. While it records the file is called ``X.xdf.part``; closing completes it and renames it.

    Parameters
    ----------
    path : Path
        The file it is to become; ends in ``.xdf``. Missing folders are created.
    header : Mapping of str to str
        Kept in the file's header: versions, task, participant code.
    max_chunk_s : float
        Samples of regular streams are collected for this long, by their stamps, before they are written.

    Raises
    ------
    FileError
        If the file exists already, finished or not (EXISTS), or cannot be created (NOT_WRITABLE, DISK_FULL).
    ValueError
        If the name does not end in ``.xdf`` or the header cannot be kept.
    """

    def __init__(self, path: Path, *, header: Mapping[str, str] = {}, max_chunk_s: float = 0.05) -> None:
        if path.suffix != ".xdf":
            raise ValueError(f"path: got {path.name!r}, a recording's name ends in '.xdf'")
        if not max_chunk_s > 0.0:
            raise ValueError(f"max_chunk_s: got {max_chunk_s}, it must be more than 0")
        if header.get("schema", xdf.SCHEMA) != xdf.SCHEMA:
            raise ValueError(f"header: got schema {header['schema']!r}, this recorder writes {xdf.SCHEMA!r}; leave it")
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self._max_chunk_s = max_chunk_s
        self._created_at = str(header.get("created_at", "0"))
        self._tracks: dict[str, Track] = {}
        self._offsets: dict[str, float] = {}
        self._now: float | None = None
        self._since_boundary: dict[str, float] = {}
        self._crc, self._crc_start = 0, 0
        self._failure: FileError | None = None
        self._result: Path | None = None
        self._n_stalls = 0
        first = xdf.MAGIC + xdf.file_header({"schema": xdf.SCHEMA, **header})
        track, checks = self._new_track(own_stream(xdf.CHECKS), {})
        self._file = self._create()
        try:
            self._append(first)
            self._append(checks)
        except FileError:
            self._file.discard()
            raise
        self._tracks[xdf.CHECKS] = track

    def add_stream(self, info: StreamInfo, desc: Mapping[str, Any] = {}) -> None:
        """Add a stream; legal at any time.

        Parameters
        ----------
        info : StreamInfo
            What it is. The names in ``xdf.OWN`` are for streams of our own: predictions, frames.
        desc : Mapping
            JSON-compatible details to keep with it.

        Raises
        ------
        ValueError
            If there is such a stream already, it has no channels, a string stream has several, or a text in it
            cannot be kept.
        FileError
            If it could not be written.
        """
        if info.stream_id in OWN_KINDS:
            raise ValueError(f"stream_id: got {info.stream_id!r}, which the recorder itself writes")
        if info.stream_id in self._tracks:
            raise ValueError(f"stream_id: got {info.stream_id!r}, which this recording has already")
        if info.n_channels == 0 or (info.dtype == "string" and info.n_channels != 1):
            raise ValueError(
                f"{info.stream_id}: got {info.n_channels} channels, expected exactly one of strings or at least one"
            )
        track, head = self._new_track(info, desc)
        self._append(head)
        self._tracks[info.stream_id] = track

    def write_chunk(self, chunk: Chunk) -> None:
        """Take a chunk; its samples are in the file once they span ``max_chunk_s``.

        Raises
        ------
        ValueError
            If the stream is unknown, or the samples have not its channels or dtype.
        FileError
            If it, or something before it, could not be written.
        """
        track = self._numeric_track(chunk.stream_id)
        require_samples(track.info, chunk.samples)
        self._require_healthy()
        if len(chunk) == 0:
            return
        offset_s = self._offsets.get(chunk.stream_id, 0.0)
        first, last = float(chunk.times[0]) + offset_s, float(chunk.times[-1]) + offset_s
        if chunk.index != track.next_index:
            row = {"stream": chunk.stream_id, "row": track.n_taken, "index": chunk.index}
            self._note(xdf.SEGMENTS, first, json.dumps(row, ensure_ascii=False))
            track.next_index = chunk.index
        if chunk.valid is not None:
            for start, n in false_runs(chunk.valid):
                row = {"stream": chunk.stream_id, "index": chunk.index + start, "n": n}
                self._note(xdf.INVALID, first, json.dumps(row, ensure_ascii=False))
        self._take(track, chunk.times, chunk.samples)
        if track.is_due(self._max_chunk_s):
            self._flush(track)
        self._advance(chunk.stream_id, last)

    def write_rows(self, stream_id: str, times: ArrayLike, rows: Sequence[str] | NDArray[Any]) -> None:
        """Write rows of a stream at once.

        Parameters
        ----------
        stream_id : str
            A stream that was added.
        times : array-like, shape (n,)
            Stamps in seconds.
        rows : sequence of str, or ndarray, shape (n, n_channels)
            Texts for a string stream, else numbers of the stream's dtype.

        Raises
        ------
        ValueError
            If the stream is unknown, or times and rows do not fit it or each other.
        FileError
            If it, or something before it, could not be written.
        """
        track = self._tracks.get(stream_id)
        if track is None or stream_id in OWN_KINDS:
            raise ValueError(f"stream_id: got {stream_id!r}, add_stream it first")
        stamps = np.atleast_1d(np.asarray(times, np.float64))
        if stamps.shape != (len(rows),):
            raise ValueError(f"times: got shape {stamps.shape}, expected ({len(rows)},), one for each row")
        self._require_healthy()
        if len(rows) == 0:
            return
        if track.layout is None:
            texts = [str(row) for row in rows]
            track.pending.append(xdf.string_records(stamps, texts))
            self._took(track, stamps)
        else:
            values = np.asarray(rows)
            require_samples(track.info, values)
            self._take(track, stamps, values)
        self._flush(track)
        self._advance(stream_id, float(stamps[-1]) + self._offsets.get(stream_id, 0.0))

    def write_item(self, item: Item) -> None:
        """Write whatever a source yields; markers, events and corrections are in the file when this returns.

        Raises
        ------
        ValueError
            If a chunk does not fit its stream, or a text cannot be encoded.
        TypeError
            If a marker's payload is not JSON.
        FileError
            If it, or something before it, could not be written.
        """
        if isinstance(item, Chunk):
            self.write_chunk(item)
            return
        self._require_healthy()
        name, time, text = item_row(item)
        self._note(name, time, text)
        if isinstance(item, Correction):
            self._offsets[item.stream_id] = item.offset_s
            self._tell_offset(item)
        self._advance(name, time)

    def flush(self) -> None:
        """Write everything that waits.

        Raises
        ------
        FileError
            If it could not be written.
        """
        self._require_healthy()
        for track in list(self._tracks.values()):
            self._flush(track)

    def close(self) -> Path:
        """Complete the file, wait until it is on the disk, and give it its name.

        Returns
        -------
        Path
            The recording; the ``.part`` if an earlier write had failed, which `repair` completes. A second call
            returns the same.

        Raises
        ------
        FileError
            If completing it failed; the ``.part`` is left.
        """
        if self._result is not None:
            return self._result
        result = self.part
        try:
            if self._failure is None:
                self._complete(CLOSED)
                result = self.path
        except OSError as error:
            self._fail(error)
        finally:
            self._result = result
            with contextlib.suppress(OSError):  # a no-operation unless something failed, which is told already
                self._file.close()
        return result

    @property
    def high_water_bytes(self) -> int:
        """The most that ever waited for the disk; a few chunks, unless it stalled."""
        return self._file.high_water_bytes

    @property
    def n_stalls(self) -> int:
        """How often the disk stalled."""
        return self._file.n_stalls

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            with contextlib.suppress(FileError):  # the error on its way out is the one to tell
                self.close()

    def _create(self) -> RecordingFile:
        existing = self.path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                existing = self.part
                return RecordingFile(self.part)
        except OSError as error:
            if not (isinstance(error, FileExistsError) and existing is self.part):
                raise FileError(
                    f"{self.part} cannot be created: {error.strerror}",
                    reason=write_reason(error),
                    hint="choose a folder you may write to, with space left",
                ) from error
        raise FileError(
            f"{existing} exists already",
            reason=Reason.EXISTS,
            hint="choose another run number, or volo repair a leftover .part",
        )

    def _new_track(self, info: StreamInfo, desc: Mapping[str, Any]) -> tuple[Track, bytes]:
        number = xdf.CHECKS_NUMBER + len(self._tracks)
        layout = None if info.dtype == "string" else xdf.record_dtype(info.dtype, info.n_channels)
        head = xdf.stream_header(number, info, desc, created_at=self._created_at)
        return Track(number, info, layout), head

    def _numeric_track(self, stream_id: str) -> Track:
        track = self._tracks.get(stream_id)
        if track is None:
            raise ValueError(f"stream_id: got {stream_id!r}, add_stream it first")
        if track.layout is None:
            raise ValueError(f"stream_id: got {stream_id!r}, a stream of strings; use write_rows")
        return track

    def _note(self, name: str, time: float, text: str) -> None:
        """Write one row of one of our own streams, which is added if need be."""
        records = xdf.string_records([time], [text])
        track = self._tracks.get(name)
        if track is None:
            track, head = self._new_track(own_stream(name), {})
            self._append(head)
            self._tracks[name] = track
        track.pending.append(records)
        self._took(track, np.array([time]))
        self._flush(track)

    def _take(self, track: Track, times: NDArray[np.float64], values: NDArray[Any]) -> None:
        if track.layout is None:
            raise ValueError(f"{track.info.stream_id}: got numbers for a stream of strings")
        track.pending.append(xdf.numeric_records(track.layout, times, values))
        self._took(track, times.copy())
        track.next_index = len(times) + (track.n_taken - len(times) if track.next_index is None else track.next_index)

    def _took(self, track: Track, times: NDArray[np.float64]) -> None:
        track.pending_times.append(times)
        track.n_pending += len(times)
        track.n_taken += len(times)

    def _flush(self, track: Track) -> None:
        """Write what waits of one stream as one chunk."""
        if track.n_pending == 0:
            return
        times, records = np.concatenate(track.pending_times), b"".join(track.pending)
        if track.layout is None:
            self._offset(track, float(times[0]), 0.0)
            pieces = [(times, records)]
        else:
            size = track.layout.itemsize
            pieces = [(times[a:b], records[a * size : b * size]) for a, b in cuts(times, *self._longest(track))]
        for stamps, piece in pieces:
            self._append(xdf.samples(track.number, len(stamps), piece))
            track.extent.extend(stamps)
        track.pending, track.pending_times, track.n_pending = [], [], 0

    def _longest(self, track: Track) -> tuple[float, int | None]:
        """Return how long one chunk in the file may be: seconds, and samples for a regular stream."""
        span_s, rate_hz = max(SPAN_S, self._max_chunk_s), track.info.rate_hz
        return span_s, max(1, int(span_s * rate_hz + 1e-6)) if rate_hz else None

    def _offset(self, track: Track, time: float, value: float) -> None:
        """Write a clock offset unless the stream has one; a reader puts a line through several."""
        if not track.extent.offsets:
            self._append_offset(track, time, value)

    def _append_offset(self, track: Track, time: float, value: float) -> None:
        self._append(xdf.clock_offset(track.number, time, value))
        track.extent.offsets.append((time, value))

    def _tell_offset(self, correction: Correction) -> None:
        """Tell other readers of a correction, unless it changes nothing."""
        track = self._tracks.get(correction.stream_id)
        value = correction.offset_s
        if track is None or track.layout is None or not math.isfinite(value) or not math.isfinite(correction.time):
            return
        if not track.extent.offsets or track.extent.offsets[-1][1] != value:
            self._append_offset(track, correction.time - value, value)

    def _advance(self, source: str, now: float) -> None:
        """Take note that `source` has come to `now`: write what grew old, and a boundary once a second."""
        self._now = now
        for name, track in list(self._tracks.items()):
            if track.n_pending and abs(now - track.pending_times[0][0] - self._offsets.get(name, 0.0)) > STALE_S:
                self._flush(track)
        # each source by its own clock: before they are corrected, clocks may differ by hours
        if abs(now - self._since_boundary.setdefault(source, now)) >= BOUNDARY_S:
            self._vouch()
            self._append(xdf.boundary())
            self._since_boundary = {source: now}
        self._watch_disk()

    def _vouch(self) -> None:
        """Write everything that waits, and the checksum of all since the last one."""
        self.flush()
        rows = {
            name: [track.extent.count, track.extent.count if track.next_index is None else track.next_index]
            for name, track in self._tracks.items()
            if track.layout is not None
        }
        checks = self._tracks[xdf.CHECKS]
        self._offset(checks, self._now or 0.0, 0.0)  # now, so that it is vouched for as well
        text = check_row(self._crc_start, self._file.size, self._crc, rows)
        self._crc, self._crc_start = 0, self._file.size
        self._note(xdf.CHECKS, self._now or 0.0, text)

    def _finish(self) -> None:
        self.flush()
        for name, track in self._tracks.items():
            if track.extent.count:  # only now: a correction would have told it
                self._offset(track, track.extent.first, self._offsets.get(name, 0.0))
            if len(track.extent.offsets) > 1:  # so that the line through them does not run away
                self._append_offset(track, track.extent.last, track.extent.offsets[-1][1])
        self._vouch()
        self._append(xdf.boundary())
        for track in self._tracks.values():
            self._append(xdf.stream_footer(track.number, track.extent))

    def _complete(self, ended: str) -> None:
        """Write what is missing, give the file its name, and say in the manifest what it is."""
        self._finish()
        self._file.close()
        publish(self.part, self.path)
        samples = {name: track.extent.count for name, track in self._tracks.items()}
        with contextlib.suppress(OSError):  # the recording is whole and vouches for itself
            write_manifest(self.path, ended, samples, self._file.sha256)

    def _watch_disk(self) -> None:
        """Tell of a disk that stalled; end the run on one that is full, while there is room kept back."""
        now = self._now or 0.0
        if self._file.n_stalls > self._n_stalls:
            self._n_stalls = self._file.n_stalls
            detail = f"the disk did not keep up: {self._file.high_water_bytes} bytes waited at most"
            self._note(*item_row(Event(EventKind.DISK, "recorder", 0, now, 0, detail)))
        if self._file.alarm is None or self._result is not None:
            return
        try:
            detail = "the disk is full: the run ends here"
            self._note(*item_row(Event(EventKind.DISK, "recorder", 0, now, 0, detail)))
            self._complete(DISK_FULL)
        except OSError as error:
            self._fail(error)
        self._result = self.path
        self._failure = FileError(
            f"{self.path}: the disk is full, the run ended early; all {self._safe_s():.1f} s up to here are safe",
            reason=Reason.DISK_FULL,
            hint="free space, then begin the next run",
        )
        raise self._failure from self._file.alarm

    def _append(self, piece: bytes) -> None:
        self._require_healthy()
        try:
            self._file.write(piece)
        except OSError as error:
            self._fail(error)
        self._crc = zlib.crc32(piece, self._crc)

    def _require_healthy(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._result is not None:
            raise ValueError(f"{self.path.name}: written to after it was closed")

    def _fail(self, error: OSError) -> None:
        """Remember and raise what happened to the disk."""
        if isinstance(error, FileExistsError):
            self._failure = FileError(
                f"{self.path} exists already, so {self.part.name} keeps its name; it is whole",
                reason=Reason.EXISTS,
                hint=f"move {self.path.name} away, then volo repair {self.part.name}",
            )
        else:
            self._failure = FileError(
                f"{self.part} could not be written: {error.strerror}; {self._safe_s():.1f} s are safe",
                reason=write_reason(error),
                hint=f"free space, then volo repair {self.part.name}",
            )
        raise self._failure from error

    def _safe_s(self) -> float:
        """Return how many seconds of signal the file holds."""
        extents = [t.extent for name, t in self._tracks.items() if name not in xdf.OWN and t.extent.count]
        return max((extent.last - extent.first for extent in extents), default=0.0)
