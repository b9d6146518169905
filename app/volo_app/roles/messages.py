"""What the processes of a run say to each other over their pipes. Loads the standard library only.

Samples do not travel here, they are in ring files. What a source notices (`Note`) carries a number, and the ring says
how many notes were told before its newest row: so a reader can give out both in order, whichever came first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from volo_acquisition.types import Event, Item, Marker, StreamInfo

__all__ = [
    "Begin",
    "Begun",
    "Closed",
    "Done",
    "End",
    "Ended",
    "Failed",
    "Go",
    "LastRow",
    "LogLine",
    "NewStream",
    "Note",
    "Opened",
    "Passed",
    "Prepare",
    "Prepared",
    "Rows",
    "Said",
    "SourceEnded",
    "StopRun",
    "Tell",
    "Took",
    "Warned",
]


# Recorder to source.


@dataclass(frozen=True, slots=True)
class LastRow:
    """Where a stream stood when its source died: the next index, and the last stamp and count of its counter."""

    next_index: int
    time: float
    count: float | None


@dataclass(frozen=True, slots=True)
class Go:
    """Open the source and write its rings into `folder`.

    Attributes
    ----------
    folder : str
        Of the run.
    prefix : str
        Ring files are called ``<prefix>-<number>.ring``.
    seconds : float
        How much a ring holds.
    before : Mapping of str to (StreamInfo, LastRow)
        The streams of the process this one replaces; empty for the first.
    """

    folder: str
    prefix: str
    seconds: float
    before: Mapping[str, tuple[StreamInfo, LastRow]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tell:
    """A marker of the run, for a source that listens: the simulated participant's head."""

    marker: Marker


# Source to recorder, and from there to the engine.


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open; its streams, and the ring file of each (empty: its rows come as notes)."""

    infos: tuple[StreamInfo, ...]
    rings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """The `number`-th thing a source has to tell beside its samples, from 1."""

    number: int
    item: Item


@dataclass(frozen=True, slots=True)
class Failed:
    """A process cannot go on; `kind` is the name of a class of ``volo_acquisition.errors``, empty for a defect."""

    kind: str
    message: str
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A finite source has yielded everything: `n_notes` notes, and what is in the rings."""

    n_notes: int


# Engine to recorder.


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the folder of a run; answered by `Prepared`."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Start a run.

    Attributes
    ----------
    path : str
        The recording; empty to record nothing.
    header : Mapping
        Of the recording.
    sources : tuple of str
        As after ``--source``; the first is the main one.
    keep_recording : bool
        Whether the recording goes on when the engine is gone.
    ring_s : float
        How much a ring holds, seconds.
    """

    path: str
    header: Mapping[str, str]
    sources: tuple[str, ...]
    keep_recording: bool = True
    ring_s: float = 60.0


@dataclass(frozen=True, slots=True)
class NewStream:
    """A stream of the engine's own: predictions, decisions, commands, frames."""

    info: StreamInfo


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of such a stream: stamps of shape (n,), and texts or numbers of shape (n, n_channels)."""

    stream_id: str
    times: NDArray[np.float64]
    rows: list[str] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Took:
    """A marker or an event of the engine's own."""

    item: Marker | Event


@dataclass(frozen=True, slots=True)
class Said:
    """Text for whoever started the run: a letter that was decided."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something whoever started the run should know; one line."""

    text: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the run's log."""

    kind: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """The run is over for the engine.

    Attributes
    ----------
    reason : str
        Why.
    is_wanted : bool
        Whether the recorder is to close the file; False if the engine went neutral because something was wrong with
        another process: then the recording goes on until it is stopped.
    """

    reason: str
    is_wanted: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The engine's work is done; what came of it, JSON-compatible."""

    result: Mapping[str, Any]


# Recorder to engine.


@dataclass(frozen=True, slots=True)
class Prepared:
    """The folder of the run, with its life signs."""

    folder: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A source is open, for the first time or again; the answer to `Begin` is one for each of its sources."""

    source: int
    opened: Opened


@dataclass(frozen=True, slots=True)
class Passed:
    """A note of source number `source`."""

    source: int
    note: Note


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """Source number `source` has yielded everything, or is gone for good."""

    source: int
    ended: Ended | Failed


@dataclass(frozen=True, slots=True)
class Closed:
    """The run is over and its file closed; what was recorded, JSON-compatible."""

    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StopRun:
    """Come to an end."""

    reason: str
