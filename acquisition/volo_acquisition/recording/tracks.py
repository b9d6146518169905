"""The streams of a recording while it is made: what is written of each, and what waits to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.recording import xdf
from volo_acquisition.types import Channel, ChannelKind, StreamInfo

__all__ = ["OWN_KINDS", "Track", "false_runs", "own_stream", "require_samples"]

#: The streams that the recorder itself writes, and their kinds.
OWN_KINDS = {
    xdf.MARKERS: "markers",
    xdf.EVENTS: "events",
    xdf.CORRECTIONS: "corrections",
    xdf.SEGMENTS: "segments",
    xdf.INVALID: "invalid",
    xdf.CHECKS: "checks",
}


@dataclass(slots=True, eq=False)
class Track:
    """One stream in the file: what is written, and what waits to be."""

    number: int
    info: StreamInfo
    layout: np.dtype[np.void] | None
    extent: xdf.Extent = field(default_factory=xdf.Extent.empty)
    next_index: int | None = None
    n_taken: int = 0
    pending: list[bytes] = field(default_factory=list)
    pending_times: list[NDArray[np.float64]] = field(default_factory=list)
    n_pending: int = 0

    def is_due(self, max_chunk_s: float) -> bool:
        """Return whether what waits is to be written now."""
        if self.info.rate_hz == 0.0:
            return True
        period_s = 1.0 / self.info.rate_hz
        span_s = abs(self.pending_times[-1][-1] - self.pending_times[0][0]) + period_s
        return not (span_s < max_chunk_s and self.n_pending * period_s < max_chunk_s)


def own_stream(name: str) -> StreamInfo:
    """Return what the stream `name`, one of those the recorder itself writes, is."""
    return StreamInfo(name, OWN_KINDS[name], 0.0, (Channel(name, ChannelKind.AUX, ""),), "string", "volo")


def require_samples(info: StreamInfo, values: NDArray[Any]) -> None:
    """Raise ValueError unless `values` are samples of this stream."""
    if values.ndim != 2 or values.shape[1] != info.n_channels:
        raise ValueError(f"{info.stream_id}: got samples of shape {values.shape}, expected (n, {info.n_channels})")
    if values.dtype != np.dtype(info.dtype):
        raise ValueError(f"{info.stream_id}: got samples of {values.dtype}, expected {info.dtype}")


def false_runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and length of each run of False."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], valid, [True])).astype(np.int8)))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
