"""What the desk orders, and the snapshots its engine sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from volo_app.run_result import EngineStatus

__all__ = [
    "Calibrate",
    "DecisionView",
    "GrabScreen",
    "Order",
    "Phase",
    "Replay",
    "Snapshot",
    "Spell",
    "Steer",
    "Stop",
    "StreamView",
    "Watch",
]


class Phase(StrEnum):
    """What the engine's process is doing."""

    IDLE = "idle"
    STARTING = "starting"
    WATCHING = "watching"
    CALIBRATING = "calibrating"
    TRAINING = "training"
    SPELLING = "spelling"
    STEERING = "steering"
    REPLAYING = "replaying"


@dataclass(frozen=True, slots=True)
class Watch:
    """Show the signal of a source, without recording it."""

    source: str


@dataclass(frozen=True, slots=True)
class Calibrate:
    """Record a calibration of a task and train on it. `acknowledged` says who took note of the warning of flicker."""

    source: str
    n_blocks: int
    acknowledged: str
    task: str = "ssvep"


@dataclass(frozen=True, slots=True)
class Spell:
    """Spell; `text` is what a simulated participant wants to write."""

    source: str
    text: str
    acknowledged: str


@dataclass(frozen=True, slots=True)
class Steer:
    """Move a cursor by imagined movement; `wish` is what a simulated participant imagines."""

    source: str
    wish: str
    acknowledged: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """Decode a recording again, with the decoder in a folder or file; empty: the recording's own."""

    file: str
    decoder: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """End what is under way."""


@dataclass(frozen=True, slots=True)
class GrabScreen:
    """Keep the frame that is on the stimulus screen as an image."""

    path: str


Order = Watch | Calibrate | Spell | Steer | Replay | Stop | GrabScreen


@dataclass(frozen=True, slots=True)
class StreamView:
    """What a stream is, for the display.

    Attributes
    ----------
    name : str
        Its id.
    channels : tuple of str
        Names of the channels that are sent.
    rate_hz : float
        Sampling rate.
    unit : str
        Of the samples that are sent.
    """

    name: str
    channels: tuple[str, ...]
    rate_hz: float
    unit: str


@dataclass(frozen=True, slots=True)
class DecisionView:
    """The last decision: its key (None: abstained), how sure it is, and how long the computer took."""

    key: str | None
    confidence: float
    latency_s: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The state of the engine's process, and what is new since the last snapshot.

    Attributes
    ----------
    phase : Phase
        What it is doing.
    error : str
        Why the last run failed, one line; empty if it did not.
    stream : StreamView or None
        The stream shown.
    samples : ndarray of float32, shape (n_samples, n_channels)
        New ones.
    status : EngineStatus or None
        Of the run.
    done, total : int
        Progress of a calibration or a training.
    cue : str
        The key to look at; empty for none.
    text : str
        What is spelled so far.
    cursor : float or None
        Where a cursor is that is steered, from -1 to 1; None without one.
    decision : DecisionView or None
        The last one of this run.
    decoder : str
        Id of the decoder that spelling would use; empty without one.
    screen : str
        What the stimulus screen found out about its display.
    marker : str
        Label of the last marker.
    lines : tuple of str
        New lines of the log.
    result : Mapping
        Figures of the last finished run.
    grabbed : int
        How many frames of the stimulus screen were kept.
    """

    phase: Phase = Phase.IDLE
    error: str = ""
    stream: StreamView | None = None
    samples: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    status: EngineStatus | None = None
    done: int = 0
    total: int = 0
    cue: str = ""
    text: str = ""
    cursor: float | None = None
    decision: DecisionView | None = None
    decoder: str = ""
    screen: str = ""
    marker: str = ""
    lines: tuple[str, ...] = ()
    result: Mapping[str, object] = field(default_factory=dict)
    grabbed: int = 0
