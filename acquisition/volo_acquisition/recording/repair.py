"""Making a recording whole that was cut off or damaged."""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording import xdf
from volo_acquisition.recording.durable import DurableFile, publish, write_reason
from volo_acquisition.recording.rows import check_row
from volo_acquisition.recording.sealing import seal
from volo_acquisition.recording.space import is_recording
from volo_acquisition.recording.survey import Survey, survey
from volo_acquisition.recording.tracks import own_stream
from volo_acquisition.recording.verify import missing_parts
from volo_acquisition.recording.walk import Boundary, Damage, FileHead, Footer, Offset, Piece, Samples, StreamHead

__all__ = ["RepairReport", "repair"]

_BLOCK = 1 << 20
_BOUNDARY = xdf.boundary()


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What repair did.

    Attributes
    ----------
    path : Path
        The repaired recording.
    kept_bytes, dropped_bytes : int
        How much of the damaged file is sense, and how much is not.
    samples : dict of str to int
        Number of samples or rows of each stream.
    """

    path: Path
    kept_bytes: int
    dropped_bytes: int
    samples: dict[str, int]


def repair(part: Path) -> RepairReport:
    """Make a whole recording out of a leftover ``X.xdf.part``, or out of a damaged ``X.xdf``.

    The part becomes ``X.xdf`` and is itself kept as ``X.xdf.part.bak``; from a damaged ``X.xdf`` a new
    ``X.repaired.xdf`` is made. Everything before a torn end is kept to the byte. Damage in the middle is left out, and
    the samples behind it keep their absolute indices. Values that were changed where they stand cannot be told from
    right ones: they stay, and the chunk they are in (without an index: all samples up to the next checksum, about a
    second) is marked as not to be trusted (``RecordedStream.valid``).

    Raises
    ------
    FileError
        If there is no complete header to begin with (EMPTY, DAMAGED), there is nothing to repair (INVALID), a file is
        in the way (EXISTS), or the result cannot be written (DISK_FULL, NOT_WRITABLE).
    ValueError
        If the name ends neither in ``.xdf.part`` nor in ``.xdf``.
    """
    if part.name.endswith(".xdf.part"):
        target, backup = part.with_suffix(""), part.with_name(part.name + ".bak")
    elif part.suffix == ".xdf":
        target, backup = part.with_name(part.stem + ".repaired.xdf"), None
    else:
        raise ValueError(f"part: got {part.name!r}, expected a name that ends in '.xdf.part' or '.xdf'")
    if backup is not None and target.exists() and part.exists() and target.samefile(part):
        part.unlink()  # a whole recording, killed between the two steps of giving it its name
        return _report(survey(target), target)
    if backup is not None and target.exists() and backup.exists() and not part.exists():
        done = survey(target)
        if not done.problems and not missing_parts(done):
            raise FileError(
                f"{part.name} was already repaired: {target} is whole, the part is kept as {backup.name}",
                reason=Reason.EXISTS,
                hint="there is nothing to repair",
            )
    if backup is not None and is_recording(part):
        raise FileError(f"{part} is still being recorded", reason=Reason.EXISTS, hint="end that run first")
    for path in (target, backup):
        if path is not None and path.exists():
            raise FileError(f"{path} exists already", reason=Reason.EXISTS, hint="move it away, then volo repair again")
    plan = _Plan()
    view = survey(part, plan.take)
    if backup is None and not view.problems and not missing_parts(view):
        raise FileError(f"{part} is whole", reason=Reason.INVALID, hint="there is nothing to repair")
    _write(view, plan, target, backup)
    report = _report(view, target)
    try:
        seal(target)
    except OSError as error:
        raise FileError(
            f"{target} is repaired, but its index or manifest could not be written: {error.strerror}",
            reason=write_reason(error),
            hint="free space or choose a folder you may write to",
        ) from error
    return report


def _report(view: Survey, target: Path) -> RepairReport:
    dropped = sum(damage.stop - damage.offset for damage in view.damages)
    samples = {name: view.extents[number].count for number, name in view.names.items()}
    return RepairReport(target, view.size - dropped, dropped, samples)


class _Plan:
    """Which bytes to copy: stretches of the damaged file that make sense, neighbours joined.

    `signals` leaves out what our own files say of their own bytes and rows, which damage in the middle makes false.
    """

    def __init__(self) -> None:
        self.everything = [(0, len(xdf.MAGIC))]
        self.signals = [(0, len(xdf.MAGIC))]
        self.extents: dict[int, xdf.Extent] = {}
        self.has_header = False

    def take(self, view: Survey, piece: Piece) -> None:
        """Take note of the next piece; our own footers are written anew."""
        if isinstance(piece, Damage) or (view.own and isinstance(piece, Footer)):
            return
        self.has_header = self.has_header or isinstance(piece, FileHead)
        _join(self.everything, piece)
        if view.own and isinstance(piece, Samples) and view.names[piece.number] in (xdf.CHECKS, xdf.SEGMENTS):
            return
        if isinstance(piece, Boundary) and piece.raw != _BOUNDARY:  # whose file it is may be known only later
            return
        if view.own and piece.offset in view.senseless:
            return
        if not isinstance(piece, (FileHead, Boundary)) and _is_miscalled(view, piece.number):
            return
        _join(self.signals, piece)
        if isinstance(piece, StreamHead):
            self.extents[piece.number] = xdf.Extent.empty()
        elif isinstance(piece, Offset):
            self.extents[piece.number].offsets.append((piece.time, piece.value))
        elif isinstance(piece, Samples):
            self.extents[piece.number].extend(piece.times)


def _is_miscalled(view: Survey, number: int) -> bool:
    """Return whether this is our stream of checksums, with a header that calls it something else."""
    return view.own and number == xdf.CHECKS_NUMBER and view.heads[number].info.stream_id != xdf.CHECKS


def _join(stretches: list[tuple[int, int]], piece: Piece) -> None:
    start, stop = stretches[-1]
    if stop == piece.offset:
        stretches[-1] = start, piece.stop
    else:
        stretches.append((piece.offset, piece.stop))


def _write(view: Survey, plan: _Plan, target: Path, backup: Path | None) -> None:
    """Write the repaired file under another name, then give it its own."""
    unfinished = target.with_name(target.name + ".repairing")
    try:
        unfinished.unlink(missing_ok=True)  # of a repair that was itself cut off
        output = DurableFile(unfinished)
        try:
            _fill(view, plan, output)
            output.close()
            publish(unfinished, target)
            if backup is not None:
                publish(view.path, backup)
        finally:
            with contextlib.suppress(OSError):  # nothing left to do unless something failed, which is on its way up
                output.close()
                unfinished.unlink(missing_ok=True)
    except FileExistsError as error:
        raise FileError(
            f"{error.filename2 or error.filename} exists already",
            reason=Reason.EXISTS,
            hint="move it away, then volo repair again",
        ) from error
    except OSError as error:
        raise FileError(
            f"{target} could not be written: {error.strerror}; {view.path.name} is as it was",
            reason=write_reason(error),
            hint="free space or choose a folder you may write to, then volo repair again",
        ) from error


def _fill(view: Survey, plan: _Plan, output: DurableFile) -> None:
    if not view.problems and not missing_parts(view):
        _Copy(output, 0).copy(view.path, [(0, view.size)])
    elif not view.own:
        copy = _Copy(output, 0)
        copy.copy(view.path, plan.everything)
        copy.write_footers(view, [number for number in view.heads if number not in view.footers])
    elif plan.has_header and not view.changed and all(damage.torn for damage in view.damages):
        copy = _Copy(output, view.crc_start)
        copy.copy(view.path, plan.everything)
        _end(view, copy)
    else:
        copy = _Copy(output, 0)
        head, rest = plan.signals[0], plan.signals[1:]
        if plan.has_header:
            copy.copy(view.path, [head, *rest])
        else:
            copy.write(xdf.MAGIC + xdf.file_header({"schema": xdf.SCHEMA}))
            copy.copy(view.path, [(len(xdf.MAGIC), head[1]), *rest])
        if not all(damage.torn for damage in view.damages) and not view.vouched:
            view.doubt()
        if xdf.CHECKS_NUMBER in view.heads and _is_miscalled(view, xdf.CHECKS_NUMBER):
            del view.heads[xdf.CHECKS_NUMBER], view.names[xdf.CHECKS_NUMBER]  # they are written anew
        view.extents.update(plan.extents)
        _say_indices(view, copy)
        _say_doubts(view, copy)
        _end(view, copy)


class _Copy:
    """The repaired file while it is written, and the checksum of its bytes from `crc_start` on."""

    def __init__(self, output: DurableFile, crc_start: int) -> None:
        self._output = output
        self.crc_start, self.crc = crc_start, 0

    @property
    def size(self) -> int:
        return self._output.size

    def write(self, piece: bytes) -> None:
        self.crc = zlib.crc32(memoryview(piece)[max(0, self.crc_start - self.size) :], self.crc)
        self._output.write(piece)

    def copy(self, path: Path, stretches: list[tuple[int, int]]) -> None:
        with path.open("rb") as source:
            for start, stop in stretches:
                source.seek(start)
                for at in range(start, stop, _BLOCK):
                    self.write(source.read(min(_BLOCK, stop - at)))

    def write_row(self, view: Survey, name: str, text: str) -> None:
        """Write a row of one of our own streams, which is added if it is not there."""
        if name not in view.names.values():
            number = xdf.CHECKS_NUMBER if name == xdf.CHECKS else max(view.names, default=xdf.CHECKS_NUMBER) + 1
            view.names[number], view.extents[number] = name, xdf.Extent.empty()
            self.write(xdf.stream_header(number, own_stream(name), {}))
        number = view.number(name)
        extent = view.extents[number]
        time = extent.last
        if not extent.offsets:
            self.write(xdf.clock_offset(number, time, 0.0))
            extent.offsets.append((time, 0.0))
        self.write(xdf.samples(number, 1, xdf.string_records([time], [text])))
        extent.extend([time])

    def write_footers(self, view: Survey, numbers: list[int]) -> None:
        for number in numbers:
            self.write(xdf.stream_footer(number, view.extents[number]))


def _say_indices(view: Survey, copy: _Copy) -> None:
    """Write the absolute indices anew, for the rows as they are counted now."""
    for number, stream_id in list(view.names.items()):
        if number in view.heads and view.heads[number].info.dtype != "string":
            index = view.index[number].indices(0, view.extents[number].count)
            for row in np.flatnonzero(np.diff(index, prepend=-1) != 1).tolist():
                text = json.dumps({"stream": stream_id, "row": row, "index": int(index[row])}, ensure_ascii=False)
                copy.write_row(view, xdf.SEGMENTS, text)


def _say_doubts(view: Survey, copy: _Copy) -> None:
    """Mark the samples that no checksum vouched for as not to be trusted."""
    for number, start, stop in view.doubtful:
        index = view.index[number].indices(start, stop)
        edges = [0, *(np.flatnonzero(np.diff(index) != 1) + 1).tolist(), len(index)]
        for a, b in pairwise(edges):
            row = {"stream": view.names[number], "index": int(index[a]), "n": b - a}
            copy.write_row(view, xdf.INVALID, json.dumps(row, ensure_ascii=False))


def _end(view: Survey, copy: _Copy) -> None:
    """Vouch for the bytes copied, and write the footers."""
    rows = {}
    for number, head in view.heads.items():
        if head.info.dtype != "string":
            count = view.extents[number].count
            rows[view.names[number]] = [count, view.index[number].following(count)]
    if xdf.CHECKS not in view.names.values():
        view.names[xdf.CHECKS_NUMBER], view.extents[xdf.CHECKS_NUMBER] = xdf.CHECKS, xdf.Extent.empty()
        copy.write(xdf.stream_header(xdf.CHECKS_NUMBER, own_stream(xdf.CHECKS), {}))
    for number, extent in view.extents.items():
        if not extent.offsets and (extent.count or number == xdf.CHECKS_NUMBER):
            time = extent.first if extent.count else extent.last
            copy.write(xdf.clock_offset(number, time, 0.0))
            extent.offsets.append((time, 0.0))
    copy.write_row(view, xdf.CHECKS, check_row(copy.crc_start, copy.size, copy.crc, rows))
    copy.write(xdf.boundary())
    copy.write_footers(view, list(view.names))
