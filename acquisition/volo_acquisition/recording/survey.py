"""What a recording holds, seen in one walk through the file that keeps no signals.

Reading, verifying and repairing all begin here, so that they agree on what is there.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording import xdf
from volo_acquisition.recording.crc32c import crc32c
from volo_acquisition.recording.indexing import MAX_INDEX, IndexMap
from volo_acquisition.recording.rows import check_row, correction_from, event_from, marker_from, parse_object
from volo_acquisition.recording.sidecar import Entry, Index, read_index
from volo_acquisition.recording.walk import (
    Boundary,
    Damage,
    FileHead,
    Footer,
    Offset,
    Piece,
    Samples,
    StreamHead,
    walk,
)
from volo_acquisition.types import Correction, Event, Marker

__all__ = ["Survey", "survey"]

_MAX_PROBLEMS = 20


@dataclass(slots=True, eq=False)
class Survey:
    """What is in a file.

    Attributes
    ----------
    path, size
        Which file, and its bytes.
    own : bool
        Whether this program recorded it.
    header : dict of str to str
        Fields of the file's header.
    heads : dict of int to StreamHead
        Streams by number.
    names : dict of int to str
        Their names, made unique.
    extents : dict of int to Extent
        What their footers should tell.
    footers : dict of int to (int or None)
        The counts their footers do tell.
    index : dict of int to IndexMap
        Absolute indices of their samples.
    markers, events, corrections : list
        As recorded, in the order of the file; empty for another program's file.
    invalid : list of (str, int, int)
        Stream, index and number of samples not to be trusted.
    damages : list of Damage
        Stretches that make no sense.
    changed : list of str
        What else is not as it was written.
    lost : list of str
        Which samples the damages cost, as far as the index tells.
    doubtful : list of (int, int, int)
        Stream number, first row and row behind the last of numeric samples that no checksum vouches for although one
        should.
    senseless : set of int
        Where the chunks with rows of our own begin that make no sense.
    crc, crc_start : int
        CRC-32 of the bytes since the last row of checksums, and where they begin.
    vouched : bool
        Whether a row of checksums covers everything but boundaries and footers.
    sidecar : Index or None
        The index beside the file.
    """

    path: Path
    size: int
    own: bool = False
    header: dict[str, str] = field(default_factory=dict)
    heads: dict[int, StreamHead] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    extents: dict[int, xdf.Extent] = field(default_factory=dict)
    footers: dict[int, int | None] = field(default_factory=dict)
    index: dict[int, IndexMap] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    invalid: list[tuple[str, int, int]] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    crc: int = field(default_factory=lambda: zlib.crc32(xdf.MAGIC))
    crc_start: int = 0
    doubtful: list[tuple[int, int, int]] = field(default_factory=list)
    senseless: set[int] = field(default_factory=set)
    vouched: bool = False
    sidecar: Index | None = None
    lost: list[str] = field(default_factory=list)
    _unsure: list[tuple[int, int, int]] = field(default_factory=list)
    _n_hurt_since_check: int = 0
    _untimed: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _suspects: dict[int, int] = field(default_factory=dict)
    _damaged_since_check: bool = False

    @property
    def problems(self) -> list[str]:
        """Return what is damaged, one line each, at most twenty."""
        lines = self.changed + [f"bytes {d.offset} to {d.stop}: {d.what}" for d in self.damages] + self.lost
        more = len(lines) - _MAX_PROBLEMS
        return lines if more <= 0 else [*lines[:_MAX_PROBLEMS], f"and {more} more"]

    def numbers(self, *, signals: bool) -> list[int]:
        """Return the numbers of signal streams, or of all others."""
        return [n for n, name in self.names.items() if signals == self._is_signal(n, name)]

    def _is_signal(self, number: int, name: str) -> bool:
        return self.heads[number].info.dtype != "string" and not (self.own and name in xdf.OWN)

    def take(self, piece: Piece) -> None:
        """Take note of the next piece of the file."""
        entry = self._compare(piece)
        if isinstance(piece, Damage):
            self._take_damage(piece)
            return
        if isinstance(piece, Samples) and self.own and piece.number == xdf.CHECKS_NUMBER:
            self._take_checks(piece)
        self.crc = zlib.crc32(piece.raw, self.crc)
        match piece:
            case FileHead():
                self.header, self.own = dict(piece.header), piece.own
            case StreamHead():
                self._take_head(piece)
            case Offset():
                self.extents[piece.number].offsets.append((piece.time, piece.value))
            case Footer():
                self._take_footer(piece)
            case Boundary():
                if self.own and piece.raw != xdf.boundary():
                    self.changed.append(f"bytes {piece.offset} to {piece.stop}: a boundary spelled otherwise")
            case Samples():
                self._take_samples(piece, entry)
        if not isinstance(piece, (Boundary, Footer)):
            self.vouched = isinstance(piece, Samples) and self.own and piece.number == xdf.CHECKS_NUMBER

    def _compare(self, piece: Piece) -> Entry | None:
        """Return what the index vouches for of this piece; name what is not as it was written."""
        if self.sidecar is None:
            return None
        start = 0 if isinstance(piece, FileHead) else piece.offset
        entries = self.sidecar.between(start, piece.stop)
        if isinstance(piece, Damage):
            self.lost += [self._named(entry, piece, "cannot be read") for entry in entries if entry.stream]
            return None
        raw = xdf.MAGIC + piece.raw if start == 0 else piece.raw
        if len(entries) == 1 and (entries[0].offset, entries[0].stop) == (start, piece.stop):
            if crc32c(raw) == entries[0].crc:
                return entries[0]
            self.changed.append(self._named(entries[0], piece, "not as it was written"))
            self._n_hurt_since_check += 1
        elif piece.offset < self.sidecar.size:
            self.changed.append(f"bytes {piece.offset} to {piece.stop}: no chunk that the index knows")
            self._n_hurt_since_check += 1
        return None

    def _named(self, entry: Entry, piece: Piece, what: str) -> str:
        """Return in words which chunk this is: its stream, samples and time."""
        where = f"bytes {entry.offset} to {entry.stop}"
        if entry.stream not in self.names:
            return f"{where}: {what}"
        name, extent = self.names[entry.stream], self.extents[entry.stream]
        before = self.sidecar.before(entry) if self.sidecar is not None else 0
        n = entry.count - before
        if n <= 0:
            return f"{where}: of {name}: {what}"
        first = self.index[entry.stream].at(before)
        rate_hz = self.heads[entry.stream].info.rate_hz
        begin = extent.last + (1.0 / rate_hz if rate_hz else 0.0)
        if extent.count == 0:  # its own stamps if they can be read, else those that come after it
            begin = math.nan
            if isinstance(piece, Samples) and len(piece.times):
                steps = np.arange(len(piece.times)) / rate_hz if rate_hz else 0.0
                begin = float(np.median(piece.times - steps))  # one of them may be what was changed
        begin += max(0, before - extent.count - self.index[entry.stream].n_lost) / rate_hz if rate_hz else 0.0
        end = begin + ((n - 1) / rate_hz if rate_hz else 0.0)
        when = f"{begin:.3f} s to {end:.3f} s" if rate_hz else f"after {begin:.3f} s"
        line = f"{where}: {name}, samples {first} to {first + n - 1}, "
        if math.isnan(begin) and rate_hz:
            self._untimed[line] = entry.stream, before, n
            return f"{line}{what}"
        return f"{line}{when}: {what}"

    def settle(self) -> None:
        """Tell the times of damage before a stream's first readable stamp, now that it is known."""
        for k, text in enumerate(self.lost):
            line = text[: text.rfind(", ") + 2]
            if line not in self._untimed:
                continue
            number, before, n = self._untimed[line]
            extent, rate_hz = self.extents[number], self.heads[number].info.rate_hz
            if extent.count:
                begin = extent.first - (self.index[number].written(0) - before) / rate_hz
                what = text.removeprefix(line)
                self.lost[k] = f"{line}{begin:.3f} s to {begin + (n - 1) / rate_hz:.3f} s: {what}"

    def _take_damage(self, piece: Damage) -> None:
        self.damages.append(piece)
        self._damaged_since_check = True
        for number, extent in self.extents.items():
            self._suspects.setdefault(number, extent.count)

    def _take_head(self, piece: StreamHead) -> None:
        name = piece.info.stream_id
        if name in self.names.values():
            name = f"{name}-{piece.number}"
        if not self.own and piece.number == xdf.CHECKS_NUMBER and name == xdf.CHECKS:
            self.own = True  # ours, with a damaged file header
        if self.own and piece.number == xdf.CHECKS_NUMBER and name != xdf.CHECKS:
            self.changed.append(f"bytes {piece.offset} to {piece.stop}: the checksums are called {name!r}")
            name = xdf.CHECKS
        self.heads[piece.number], self.names[piece.number] = piece, name
        self.extents[piece.number] = xdf.Extent.empty()
        self.index[piece.number] = IndexMap()

    def _take_footer(self, piece: Footer) -> None:
        self.footers[piece.number] = piece.count
        if self.own and not self.damages and piece.raw != xdf.stream_footer(piece.number, self.extents[piece.number]):
            self.changed.append(f"the footer of {self.names[piece.number]} does not tell what the file holds")

    def _take_samples(self, piece: Samples, entry: Entry | None) -> None:
        extent = self.extents[piece.number]
        start = extent.count
        if entry is not None and self.sidecar is not None and self._damaged_since_check:
            missing = self.sidecar.before(entry) - start - self.index[piece.number].n_lost
            if missing > 0:
                self.index[piece.number].lost(start, missing)
        extent.extend(piece.times)
        if not isinstance(piece.values, list):
            if entry is None and self.own:
                self._unsure.append((piece.number, start, extent.count))
            return
        name = self.names[piece.number]
        for time, row in zip(piece.times.tolist(), piece.values, strict=True):
            if self.own and name in xdf.OWN:
                try:
                    self._take_own_row(name, time, row[0])
                except (ValueError, KeyError, TypeError, OverflowError) as error:
                    self.changed.append(f"a row of {name} makes no sense: {error}")
                    self.senseless.add(piece.offset)

    def _take_own_row(self, name: str, time: float, text: str) -> None:
        if name == xdf.MARKERS:
            self.markers.append(marker_from(time, text))
        elif name == xdf.EVENTS:
            self.events.append(event_from(time, text))
        elif name == xdf.CORRECTIONS:
            self.corrections.append(correction_from(time, text))
        elif name == xdf.SEGMENTS:
            data = parse_object(text)
            self.index[self.number(data["stream"])].jump(int(data["row"]), int(data["index"]))
        elif name == xdf.INVALID:
            data = parse_object(text)
            self.invalid.append((str(data["stream"]), int(data["index"]), int(data["n"])))

    def number(self, name: str) -> int:
        """Return the number of the stream with this name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for number, other in self.names.items():
            if other == name:
                return number
        raise KeyError(name)

    def _take_checks(self, piece: Samples) -> None:
        """Compare the bytes since the last row of checksums with this one, and find what damage swallowed."""
        texts = [row[0] for row in piece.values if isinstance(row, tuple)]
        try:
            data = parse_object(texts[0])
            start, stop, crc = int(data["start"]), int(data["stop"]), int(data["crc32"])
            rows = {str(name): (int(row), int(index)) for name, (row, index) in data["rows"].items()}
            if any(not 0 <= n < MAX_INDEX for pair in rows.values() for n in pair):
                raise ValueError("a count that cannot be")
            again = check_row(start, stop, crc, {name: list(pair) for name, pair in rows.items()})
            spelled = xdf.samples(piece.number, 1, xdf.string_records(piece.times, [again]))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            self.changed.append(f"bytes {piece.offset} to {piece.stop}: a row of checksums makes no sense: {error}")
            self.doubt()
        else:
            as_written = (start, stop, crc) == (self.crc_start, piece.offset, self.crc)
            if self._damaged_since_check or not as_written:
                self.doubt()
            if self._damaged_since_check:
                self._place_losses(rows)
            elif not as_written and not self._n_hurt_since_check:
                self.changed.append(f"bytes {self.crc_start} to {piece.offset} are not as they were written")
            elif as_written and (spelled != piece.raw or rows != self._counts()):
                self.changed.append(f"bytes {piece.offset} to {piece.stop} are not as they were written")
            self._damaged_since_check = False
            self._suspects.clear()
        self.crc, self.crc_start = 0, piece.offset
        self._unsure.clear()
        self._n_hurt_since_check = 0

    def doubt(self) -> None:
        """Take note that the samples since the last row of checksums are vouched for by the index or not at all."""
        joined: dict[int, list[tuple[int, int]]] = {}
        for number, start, stop in self._unsure:
            runs = joined.setdefault(number, [])
            if runs and runs[-1][1] == start:
                runs[-1] = runs[-1][0], stop
            else:
                runs.append((start, stop))
        self.doubtful += [(number, start, stop) for number, runs in joined.items() for start, stop in runs]

    def _counts(self) -> dict[str, tuple[int, int]]:
        """Return how many samples of each numeric stream there are, and the index of the next."""
        counts = {}
        for number, head in self.heads.items():
            if head.info.dtype != "string":
                n, index = self.extents[number].count, self.index[number]
                counts[self.names[number]] = n + index.n_lost, index.following(n)
        return counts

    def _place_losses(self, rows: dict[str, tuple[int, int]]) -> None:
        for number, name in self.names.items():
            if name not in rows or number not in self._suspects:
                continue
            written, next_index = rows[name]
            index, count, suspect = self.index[number], self.extents[number].count, self._suspects[number]
            n = written - (count + index.n_lost)
            if n > 0:
                index.lost(suspect, n)
            first = suspect + index.n_lost
            misplaced = n > 0 or (n == 0 and count > 0 and index.following(count) != next_index)
            if misplaced and not index.jumps_between(first, written):
                index.jump(first, next_index - (written - first))


def survey(path: Path, on_piece: Callable[[Survey, Piece], None] | None = None) -> Survey:
    """Walk through a recording.

    Parameters
    ----------
    path : Path
        The file.
    on_piece : callable or None
        Called with the survey so far and each piece, after the survey has taken note of it.

    Raises
    ------
    FileError
        If there is no such file (NOT_FOUND), it is empty (EMPTY), it is not an XDF file or its header is incomplete
        (DAMAGED), or it is of a newer version of this program (NEWER_SCHEMA).
    """
    try:
        with path.open("rb", buffering=1 << 18) as file:
            size = path.stat().st_size
            result = Survey(path, size, sidecar=read_index(path))
            if size == 0:
                raise FileError(
                    f"{path} is empty: nothing was recorded", reason=Reason.EMPTY, hint="volo repair cannot help here"
                )
            for piece in walk(file, size, result.sidecar):
                result.take(piece)
                if isinstance(piece, FileHead) and not result.changed:  # else the index says that it was another
                    _require_schema(path, piece)
                if on_piece is not None:
                    on_piece(result, piece)
            result.settle()
    except OSError as error:
        reason = Reason.NOT_FOUND if isinstance(error, FileNotFoundError) else Reason.INVALID
        raise FileError(f"{path} cannot be read: {error.strerror}", reason=reason, hint="check the name") from error
    if not result.header and not result.heads:
        if result.damages or size <= len(xdf.MAGIC):
            what, hint = "has no complete header", "volo repair cannot help here: the file ends before any data"
        else:
            what, hint = "is not an XDF file", "volo repair is for recordings, which begin with 'XDF:'"
        raise FileError(f"{path} {what}", reason=Reason.DAMAGED, hint=hint)
    return result


def _require_schema(path: Path, head: FileHead) -> None:
    schema = head.header.get("schema", xdf.SCHEMA) if head.own else xdf.SCHEMA
    if schema != xdf.SCHEMA:
        raise FileError(
            f"{path} was recorded with schema {schema}, this program reads {xdf.SCHEMA}",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
