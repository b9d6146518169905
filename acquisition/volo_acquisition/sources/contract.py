"""What every source must keep, as one check that authors of sources can run on their own.

In a test: ``check_source(lambda: MySource(MySource.Settings(), SessionClock()))``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, is_dataclass

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import SessionClock
from volo_acquisition.sources.base import Source
from volo_acquisition.types import Chunk, Correction, Event, EventKind, Item, Marker, StreamInfo

__all__ = ["SourceContractError", "SourceReport", "check_source"]


class SourceContractError(AssertionError):
    """A source broke its promises; the message lists which."""


@dataclass(slots=True)
class SourceReport:
    """What a source yielded while it was checked.

    Attributes
    ----------
    infos : tuple of StreamInfo
        Its streams.
    items : list
        Everything, in order.
    n_samples : int
        Samples of all streams.
    problems : list of str
        Broken promises.
    """

    infos: tuple[StreamInfo, ...] = ()
    items: list[Item] = field(default_factory=list)
    n_samples: int = 0
    problems: list[str] = field(default_factory=list)


def check_source(
    factory: Callable[[], Source], *, least_samples: int = 100, patience_s: float = 30.0, slack_s: float = 2.0
) -> SourceReport:
    """Run a source through its life and check what `Source` promises.

    Parameters
    ----------
    factory : callable
        Returns a new, unopened source; called twice.
    least_samples : int
        Read until this many samples came, or a finite source is exhausted.
    patience_s : float
        Give up after this long without enough samples, real seconds.
    slack_s : float
        How much longer than its timeout a ``read``, or than 3 s a ``close``, may take on a busy machine.

    Raises
    ------
    SourceContractError
        Listing every broken promise.
    """
    clock = SessionClock()
    report = SourceReport()
    unopened = factory()
    unopened.close()
    source = factory()
    settings_class = getattr(type(source), "Settings", None)
    if not isinstance(settings_class, type) or not is_dataclass(settings_class):
        report.problems.append("the class has no dataclass named Settings")
    elif not settings_class.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        report.problems.append("Settings is not frozen")
    try:
        report.infos = source.open()
        limits = _Limits(least_samples, patience_s, slack_s)
        _read_all(source, report, clock, limits)
    finally:
        before = clock.now()
        source.close()
        source.close()
        if clock.now() - before > 3.0 + slack_s:
            report.problems.append(f"close took {clock.now() - before:.1f} s, allowed are 3 s")
    report.problems += _check_infos(report.infos) + _check_items(report)
    if report.problems:
        raise SourceContractError("; ".join(dict.fromkeys(report.problems)))
    return report


@dataclass(frozen=True, slots=True)
class _Limits:
    least_samples: int
    patience_s: float
    slack_s: float


def _read_all(source: Source, report: SourceReport, clock: SessionClock, limits: _Limits) -> None:
    """Read until there is enough; check timeouts, that nothing handed out changes later, and the end."""
    started = clock.now()
    copies: list[tuple[Chunk, NDArray[np.generic]]] = []
    timeouts_s = (0.0, 0.1)
    n_reads = 0
    while not source.exhausted and report.n_samples < limits.least_samples:
        if clock.now() - started > limits.patience_s:
            report.problems.append(f"only {report.n_samples} samples came in {limits.patience_s:g} s")
            break
        timeout_s = timeouts_s[n_reads % 2]
        n_reads += 1
        before = clock.now()
        items = source.read(timeout_s)
        if clock.now() - before > timeout_s + limits.slack_s:
            report.problems.append(f"read({timeout_s}) took {clock.now() - before:.1f} s")
        report.items += items
        for item in items:
            if isinstance(item, Chunk):
                report.n_samples += len(item)
                copies.append((item, item.samples.copy()))
    if source.exhausted and source.read(0.01):
        report.problems.append("read returned items after the source was exhausted")
    if any(chunk.samples.tobytes() != copy.tobytes() for chunk, copy in copies):
        report.problems.append("a chunk changed after it was handed out")


def _check_infos(infos: tuple[StreamInfo, ...]) -> list[str]:
    problems = [] if infos else ["open returned no stream"]
    ids = [info.stream_id for info in infos]
    if len(set(ids)) < len(ids):
        problems.append(f"stream ids are not unique: {ids}")
    for info in infos:
        if len(set(info.channel_names)) < info.n_channels:
            problems.append(f"{info.stream_id}: channel names are not unique")
    return problems


def _check_items(report: SourceReport) -> list[str]:
    """Check types, order, gaps, formats and read-only arrays."""
    infos = {info.stream_id: info for info in report.infos}
    next_index = dict.fromkeys(infos, 0)
    announced: dict[str, int] = dict.fromkeys(infos, 0)
    problems: list[str] = []
    for item in report.items:
        if isinstance(item, Marker):
            try:
                json.loads(item.to_json())
            except TypeError as error:
                problems.append(f"marker {item.label!r} has a payload that is not JSON: {error}")
            continue
        if not isinstance(item, Chunk | Event | Correction):
            problems.append(f"read returned a {type(item).__name__}")
        elif item.stream_id not in infos:
            if not isinstance(item, Event):
                problems.append(f"{type(item).__name__} of unknown stream {item.stream_id!r}")
        elif isinstance(item, Event) and item.kind is EventKind.GAP:
            announced[item.stream_id] += item.n
        elif isinstance(item, Chunk):
            stream_id = item.stream_id
            problems += _check_chunk(item, infos[stream_id])
            jump = item.index - next_index[stream_id]
            if jump < 0:
                problems.append(f"{stream_id}: chunk at {item.index} overlaps, expected {next_index[stream_id]}")
            elif jump != announced[stream_id] and next_index[stream_id]:
                problems.append(f"{stream_id}: a jump of {jump} samples, GAP events said {announced[stream_id]}")
            next_index[stream_id], announced[stream_id] = item.stop, 0
    return problems


def _check_chunk(chunk: Chunk, info: StreamInfo) -> list[str]:
    problems = []
    if chunk.samples.shape[1] != info.n_channels:
        problems.append(f"{chunk.stream_id}: {chunk.samples.shape[1]} channels, declared are {info.n_channels}")
    if chunk.samples.dtype.name != info.dtype:
        problems.append(f"{chunk.stream_id}: dtype {chunk.samples.dtype.name}, declared is {info.dtype}")
    if chunk.samples.flags.writeable or chunk.times.flags.writeable:
        problems.append(f"{chunk.stream_id}: the arrays of a chunk can be written to")
    if not np.isfinite(chunk.times).all():
        problems.append(f"{chunk.stream_id}: stamps are not finite")
    return problems
