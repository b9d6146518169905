"""What one who only looks can tell of a run that is going on: from its ring files, life signs and state, read-only."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
from volo_acquisition.ring import RingReader
from volo_acquisition.types import Channel, ChannelKind, Chunk
from volo_app.roles.folder import live_runs, read_state

__all__ = ["ChannelState", "find_run", "judge", "observe"]

#: What rate and quality are judged on, seconds.
WINDOW_S = 2.0
#: A channel that spends so much of the window at its extreme value is at its rail.
RAIL_SHARE = 0.2
_MICROVOLTS = {"uV": 1.0, "µV": 1.0, "mV": 1e3, "V": 1e6}


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How one channel has been in the last two seconds.

    Attributes
    ----------
    name : str
        Its name.
    quality : str
        ``"ok"``, ``"flat"``, ``"rail"`` or ``"nan"``.
    amplitude : float
        Standard deviation, in microvolts or in its own unit.
    unit : str
        Of the amplitude.
    """

    name: str
    quality: str
    amplitude: float
    unit: str


def find_run(pid: int | None = None) -> Path:
    """Return the folder of the run that is going on, or of that whose recorder is process `pid`.

    Raises
    ------
    FileError
        If there is none (NOT_FOUND), or more than one and `pid` is None (AMBIGUOUS).
    """
    runs = [(folder, state) for folder, state in live_runs() if pid in (None, state.get("pid"))]
    if not runs:
        which = "" if pid is None else f" of process {pid}"
        raise FileError(
            f"no run{which} is going on", reason=Reason.NOT_FOUND, hint="start one: volo record, volo spell, volo gui"
        )
    if len(runs) > 1:
        known = ", ".join(str(state.get("pid")) for _, state in runs)
        raise FileError(
            f"{len(runs)} runs are going on, of processes {known}", reason=Reason.AMBIGUOUS, hint="name one with --pid"
        )
    return runs[0][0]


def judge(samples: NDArray[Any], channel: Channel) -> ChannelState:
    """Judge the samples of one channel, shape (n_samples,)."""
    factor = _MICROVOLTS.get(channel.unit)
    values = samples.astype(np.float64)
    finite = values[np.isfinite(values)]
    amplitude = float(finite.std()) * (factor or 1.0) if len(finite) else math.nan
    unit = "uV" if factor is not None else channel.unit
    quality = "ok"
    if len(finite) < len(values):
        quality = "nan"
    elif len(values) > 1 and channel.kind is not ChannelKind.COUNTER:
        if np.ptp(finite) == 0.0:
            quality = "flat"
        elif max(np.mean(finite == finite.max()), np.mean(finite == finite.min())) >= RAIL_SHARE:
            quality = "rail"
    return ChannelState(channel.name, quality, amplitude, unit)


def observe(folder: Path, clock: Clock) -> dict[str, Any] | None:
    """Return how the run in `folder` is now, JSON-compatible; None once it is over.

    Parameters
    ----------
    folder : Path
        Of the run.
    clock : Clock
        The session clock, for the ages of the beats.
    """
    state = read_state(folder)
    if state is None:
        return None
    state.pop("key", None)  # a door's key is nobody's to see
    state.pop("address", None)
    state.pop("schema", None)
    streams = [_stream(Path(ring)) for source in state["sources"] for ring in source["rings"] if ring]
    return {
        **state,
        "state": state.get("state", "running"),
        "streams": [stream for stream in streams if stream is not None],
        "beats": _beats(folder, clock.now()),
        "disk": state["disk"] | _disk(state),
    }


def _stream(ring: Path) -> dict[str, Any] | None:
    try:
        with RingReader(ring) as reader:
            info = reader.info
            n = max(2, math.ceil(WINDOW_S * info.rate_hz)) if info.rate_hz else 100
            chunk = reader.latest(n)
    except FileError:  # its process was replaced just now
        return None
    channels = [] if chunk is None else [judge(chunk.samples[:, k], c) for k, c in enumerate(info.channels)]
    return {
        "name": info.stream_id,
        "nominal_rate_hz": info.rate_hz,
        "rate_hz": None if chunk is None else _rate_hz(chunk),
        "last_index": None if chunk is None else chunk.stop - 1,
        "channels": [
            {"name": c.name, "quality": c.quality, "amplitude": c.amplitude, "unit": c.unit} for c in channels
        ],
    }


def _rate_hz(chunk: Chunk) -> float | None:
    span_s = float(chunk.times[-1] - chunk.times[0])
    return (len(chunk) - 1) / span_s if span_s > 0.0 else None


def _beats(folder: Path, now: float) -> dict[str, float | None]:
    try:
        with LifeSigns(folder / LIFE_NAME, read_only=True) as signs:
            ages = {role: signs.age(role, now) for role in signs.roles}
    except FileError:
        return {}
    return {role: age for role, age in ages.items() if age is not None}


def _disk(state: dict[str, Any]) -> dict[str, float | None]:
    """Return the space left where the recording goes, and for how many minutes it lasts at the pace so far."""
    path = Path(str(state.get("file", "")))
    part = path.with_name(path.name + ".part") if path.name else path
    duration_s = float(state["recorded"]["duration_s"])
    try:
        free = shutil.disk_usage(part.parent).free
        size = part.stat().st_size
    except OSError:
        return {"free_bytes": None, "minutes_left": None}
    pace = size / duration_s if duration_s > 1.0 else 0.0
    return {"free_bytes": free, "minutes_left": free / pace / 60.0 if pace else None}
