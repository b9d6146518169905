"""Verifying that a recording is whole, and that it is what was written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.recording import xdf
from volo_acquisition.recording.indexing import correct
from volo_acquisition.recording.manifest import ended_early, manifest_problems
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.sidecar import index_path
from volo_acquisition.recording.survey import Survey, survey
from volo_acquisition.recording.walk import Piece, Samples
from volo_acquisition.types import Correction

__all__ = ["VerifyReport", "missing_parts", "verify"]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found.

    Attributes
    ----------
    ok : bool
        No byte is damaged or torn, and all checksums that are there agree.
    complete : bool
        The recording was ended: each stream has a footer that agrees with what is there, nothing comes after the
        footers, and, in our own files, checksums cover everything.
    samples : dict of str to int
        Number of samples or rows of each stream.
    last_time : float or None
        Largest stamp of a signal stream, corrections applied, seconds; None without samples.
    gaps : int
        How often the absolute index of a signal stream jumps; 0 in files that keep no absolute indices.
    duration_s : float
        From the smallest to the largest such stamp, seconds.
    problems : tuple of str
        What is not as it should be, one line each.
    """

    ok: bool
    complete: bool
    samples: dict[str, int]
    last_time: float | None
    gaps: int
    duration_s: float
    problems: tuple[str, ...]


def verify(path: Path) -> VerifyReport:
    """Read a whole recording and check it.

    The memory this takes does not grow with the length of our own recordings; another program's are read as a whole.

    Parameters
    ----------
    path : Path
        An ``.xdf`` or ``.xdf.part`` file.

    Raises
    ------
    FileError
        If there is nothing to check: no such file (NOT_FOUND), empty (EMPTY), not XDF or without complete header
        (DAMAGED), of a newer version (NEWER_SCHEMA).
    """
    spans: dict[int, tuple[float, float]] = {}

    def note_span(_: Survey, piece: Piece) -> None:
        if isinstance(piece, Samples):
            _widen(spans, piece.number, piece.times)

    view = survey(path, note_span)
    if view.corrections:
        spans = _corrected_spans(view)
    elif not view.own:
        spans = _foreign_spans(view)
    damaged = [*view.problems, *_sidecar_problems(view)]
    missing = missing_parts(view)
    if early := ended_early(path):
        missing.append(early)
    signals = view.numbers(signals=True)
    found = [spans[number] for number in signals if number in spans]
    first, last = min((a for a, _ in found), default=math.nan), max((b for _, b in found), default=math.nan)
    return VerifyReport(
        ok=not damaged,
        complete=not damaged and not missing,
        samples={name: view.extents[number].count for number, name in view.names.items()},
        last_time=last if found else None,
        gaps=sum(view.index[number].n_jumps(view.extents[number].count) for number in signals),
        duration_s=last - first if found else 0.0,
        problems=(*damaged, *missing),
    )


def _sidecar_problems(view: Survey) -> list[str]:
    """Return what is wrong with the index and the manifest beside a recording, one line each."""
    lines = []
    index = view.sidecar
    if index is not None:
        name = index_path(view.path).name
        if index.n_damaged:
            lines.append(f"{name}: {index.n_damaged} of its entries are damaged")
        if index.size > view.size:
            lines.append(f"{name}: tells of {index.size - view.size} bytes more than the recording has")
    if view.path.suffix == ".xdf":
        lines += manifest_problems(view.path)
    return lines


def _widen(spans: dict[int, tuple[float, float]], number: int, times: NDArray[np.float64]) -> None:
    finite = times[np.isfinite(times)]
    if len(finite):
        low, high = float(finite.min()), float(finite.max())
        a, b = spans.get(number, (low, high))
        spans[number] = min(a, low), max(b, high)


def _corrected_spans(view: Survey) -> dict[int, tuple[float, float]]:
    """Walk again, now that all corrections are known."""
    corrections: dict[str, list[Correction]] = {}
    for correction in view.corrections:
        corrections.setdefault(correction.stream_id, []).append(correction)
    spans: dict[int, tuple[float, float]] = {}
    counts: dict[int, int] = {}

    def note_span(_: Survey, piece: Piece) -> None:
        if not isinstance(piece, Samples):
            return
        start = counts.get(piece.number, 0)
        counts[piece.number] = stop = start + len(piece.times)
        index = view.index[piece.number].indices(start, stop)
        times = correct(index, piece.times, corrections.get(view.names[piece.number], []))
        _widen(spans, piece.number, times)

    survey(view.path, note_span)
    return spans


def _foreign_spans(view: Survey) -> dict[int, tuple[float, float]]:
    """Return the spans by another program's clock offsets, which are known only when all stamps are."""
    recording = Recording.open(view.path)
    spans: dict[int, tuple[float, float]] = {}
    for number in view.numbers(signals=True):
        times = recording.streams[view.names[number]].session_times(recording.corrections)
        _widen(spans, number, times)
    return spans


def missing_parts(view: Survey) -> list[str]:
    """Return what an ended recording has and this one has not, one line each."""
    lines = []
    for number, name in view.names.items():
        count = view.extents[number].count
        if number not in view.footers:
            lines.append(f"{name}: no footer, the recording was not ended")
        elif view.footers[number] not in (None, count):
            lines.append(f"{name}: the footer tells {view.footers[number]} samples, the file holds {count}")
    if view.own and xdf.CHECKS not in view.names.values():
        lines.append("no checksums")
    elif view.own and not view.vouched:
        lines.append(f"no checksum from byte {view.crc_start} on")
    return lines
