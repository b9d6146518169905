"""What the desk is told of a run, gathered in the engine's thread and sent at most 30 times a second. Never waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock
from volo_acquisition.types import Channel, ChannelKind, Chunk, Marker, StreamInfo
from volo_app.desk.messages import DecisionView, Phase, Snapshot, StreamView
from volo_app.outbox import Outbox
from volo_app.run_result import EngineStatus
from volo_decoders.types import Decision
from volo_paradigms.grammar import DECISION, OFFSET, TRIAL_START
from volo_paradigms.types import Command

__all__ = ["Telemetry"]

#: Snapshots a second, at most.
RATE_HZ = 30.0
#: Samples kept for a desk that lags, seconds.
KEEP_S = 5.0
_SHOWN_KINDS = (ChannelKind.EEG, ChannelKind.SEEG, ChannelKind.ECOG)
_MICROVOLTS = {"uV": 1.0, "µV": 1.0, "mV": 1e3, "V": 1e6}


class Telemetry:
    """Gathers and sends. Used from the engine's thread only.

    Parameters
    ----------
    outbox : Outbox
        To the desk; nothing new is put in while something waits, what is new is kept until then.
    clock : Clock
        Session clock.
    attend : callable
        Called often, in the engine's thread; returns how many frames of the stimulus screen were kept.
    """

    def __init__(self, outbox: Outbox, clock: Clock, attend: Callable[[], int]) -> None:
        self._outbox = outbox
        self._clock = clock
        self._attend = attend
        self._state = Snapshot()
        self._samples: list[NDArray[np.float32]] = []
        self._n_samples = 0
        self._lines: list[str] = []
        self._columns: list[int] = []
        self._factors = np.empty(0, np.float32)
        self._sent_s = float("-inf")
        #: Asked for the status of the run that is under way.
        self.status: Callable[[], EngineStatus] | None = None

    def begin(self, phase: Phase, **changes: object) -> None:
        """Start a phase; what belonged to the last run goes, unless `changes` says otherwise."""
        fresh: dict[str, object] = {"error": "", "status": None, "done": 0, "total": 0, "cue": "", "text": ""}
        fresh |= {"cursor": None, "decision": None, "marker": "", "screen": "", "stream": None}
        self._samples, self._n_samples = [], 0
        self.change(phase=phase, **(fresh | changes))

    def change(self, **changes: object) -> None:
        """Change fields of the snapshot, and send it as soon as the desk takes it."""
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        self.send(at_once=True)

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self._lines.append(line)

    def stream(self, info: StreamInfo) -> None:
        """Take the description of the stream that is shown: its brain signals, or all channels if it has none."""
        shown = [n for n, channel in enumerate(info.channels) if channel.kind in _SHOWN_KINDS]
        self._columns = shown or list(range(info.n_channels))
        channels = [info.channels[n] for n in self._columns]
        self._factors = np.array([_factor(channel) for channel in channels], np.float32)
        unit = "µV" if all(channel.unit in _MICROVOLTS for channel in channels) else channels[0].unit
        view = StreamView(info.stream_id, tuple(channel.name for channel in channels), info.rate_hz, unit)
        self.change(stream=view)

    def chunk(self, chunk: Chunk) -> None:
        """Take a chunk of the stream that is shown."""
        view = self._state.stream
        if view is None or chunk.stream_id != view.name:
            return
        self._samples.append(chunk.samples[:, self._columns].astype(np.float32) * self._factors)
        self._n_samples += len(chunk)
        while self._n_samples > KEEP_S * view.rate_hz and len(self._samples) > 1:
            self._n_samples -= len(self._samples.pop(0))

    def marker(self, marker: Marker) -> None:
        """Take a marker of the run."""
        changes: dict[str, object] = {"marker": marker.label}
        if marker.label == TRIAL_START:
            changes["cue"] = marker.payload.get("cue") or ""
        elif marker.label == OFFSET:
            changes["cue"] = ""
        elif marker.label == DECISION and self._state.cursor is None:
            changes["text"] = str(marker.payload.get("text", ""))
        self._state = replace(self._state, **changes)  # type: ignore[arg-type]

    def command(self, command: Command) -> None:
        """Take a command of the run: where the cursor is, and which end was selected."""
        if command.target == "cursor":
            self._state = replace(self._state, cursor=float(command.value))
        elif command.target == "select":
            self._state = replace(self._state, text=f"{self._state.text} {command.value}".strip())

    def decision(self, decision: Decision) -> None:
        """Take a decision of the run."""
        latency_s = self.status().latency_s if self.status is not None else None
        view = DecisionView(decision.label, decision.confidence, latency_s)
        self._state = replace(self._state, decision=view)

    def result(self, result: Mapping[str, object]) -> None:
        """Take the figures of a run that has finished."""
        self.change(result=dict(result))

    def send(self, *, at_once: bool = False) -> None:
        """Send a snapshot, if it is time and the desk has taken the last one.

        Parameters
        ----------
        at_once : bool
            Something important changed: send without regard to the rate, even if something waits.
        """
        grabbed = self._attend()
        now = self._clock.now()
        if not at_once and (now - self._sent_s < 1.0 / RATE_HZ or not self._outbox.is_free):
            return
        status = self.status() if self.status is not None else self._state.status
        samples = np.concatenate(self._samples) if self._samples else np.empty((0, 0), np.float32)
        snapshot = replace(self._state, samples=samples, status=status, lines=tuple(self._lines), grabbed=grabbed)
        if self._outbox.put(snapshot):
            self._sent_s = now
            self._samples, self._n_samples, self._lines = [], 0, []


def _factor(channel: Channel) -> float:
    return _MICROVOLTS.get(channel.unit, 1.0)
