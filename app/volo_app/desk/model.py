"""What the desk knows and what may be done now; the window shows it. No Qt."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from volo_app.desk.messages import Calibrate, Order, Phase, Replay, Snapshot, Spell, Steer, Stop, Watch
from volo_app.desk.traces import TraceBuffer
from volo_app.run_result import EngineStatus

__all__ = ["TASKS", "WARNING", "WISHES", "DeskModel"]

#: What is to be acknowledged before anything flickers.
WARNING = (
    "The keys flicker at 8 to 16 Hz. Flickering light can trigger seizures in people with photosensitive epilepsy. "
    "Do not start if the participant has ever had a seizure; Escape or Stop ends the flicker at once."
)
_RUNNING = (Phase.CALIBRATING, Phase.SPELLING, Phase.STEERING, Phase.REPLAYING)
_TITLES: Mapping[Phase, str] = {
    Phase.IDLE: "Ready",
    Phase.STARTING: "Starting",
    Phase.WATCHING: "Signal only, not recorded",
    Phase.CALIBRATING: "Calibrating",
    Phase.TRAINING: "Training the decoder",
    Phase.SPELLING: "Spelling",
    Phase.STEERING: "Steering",
    Phase.REPLAYING: "Decoding a recording again",
}
#: What can be done, and how it is called.
TASKS: Mapping[str, str] = {"ssvep": "Flickering keys", "imagery": "Imagined movement"}
#: What a simulated participant can imagine.
WISHES = ("left", "right")
N_LOG_LINES = 200
#: Noted in place of an acknowledgement of flicker.
NOTHING_FLICKERS = "not needed: nothing flickers"
#: How the names of the decoders of a task begin.
_DECODERS: Mapping[str, tuple[str, ...]] = {
    "ssvep": ("etrca", "fbcca", "trca", "tdca", "cca", "ecca", "ms_"),
    "imagery": ("csp", "band_power"),
}


@dataclass(slots=True)
class DeskModel:
    """The state of the desk.

    Attributes
    ----------
    source : str
        As in ``--source``.
    task : str
        One of `TASKS`.
    target_text, wish : str
        What a simulated participant is to write, and to imagine.
    replay_file, replay_decoder : str
        The recording to decode again, and with which decoder; empty: its own.
    n_blocks : int
        Of the next calibration.
    acknowledged : str
        Who took note of the warning of flicker and how; empty: nobody.
    snapshot : Snapshot
        The last one.
    traces : TraceBuffer or None
        Of the stream shown.
    unread : deque of str
        Lines of the log that were not shown yet; whoever shows them takes them out.
    result : dict
        Figures of the runs so far, newer ones over older ones.
    is_lost, is_connected : bool
        Whether the engine's process has ended; whether it has said anything yet.
    """

    source: str = "synthetic"
    task: str = "ssvep"
    target_text: str = "AB"
    wish: str = "right"
    replay_file: str = ""
    replay_decoder: str = ""
    n_blocks: int = 4
    acknowledged: str = ""
    snapshot: Snapshot = field(default_factory=Snapshot)
    traces: TraceBuffer | None = None
    unread: deque[str] = field(default_factory=lambda: deque(maxlen=N_LOG_LINES))
    result: dict[str, object] = field(default_factory=dict)
    is_lost: bool = False
    is_connected: bool = False

    def take(self, snapshot: Snapshot) -> None:
        """Take a snapshot of the engine."""
        self.is_connected = True
        self.snapshot = snapshot
        self.unread.extend(snapshot.lines)
        self.result |= snapshot.result
        if snapshot.stream is not None:
            if self.traces is None or self.traces.view != snapshot.stream:
                self.traces = TraceBuffer(snapshot.stream)
            self.traces.push(snapshot.samples)

    def lose(self) -> None:
        """Take note that the engine's process has ended."""
        if not self.is_lost:
            self.is_lost = True
            self.unread.append("The engine ended unexpectedly")

    # What may be done.

    @property
    def can_start(self) -> bool:
        """Whether something may be started on a source."""
        quiet = self.snapshot.phase in (Phase.IDLE, Phase.WATCHING)
        return self.is_connected and not self.is_lost and quiet and bool(self.source.strip())

    @property
    def can_calibrate(self) -> bool:
        """Whether a calibration may start: what flickers needs the warning acknowledged."""
        return self.can_start and (bool(self.acknowledged) or not self.flickers)

    @property
    def can_go_online(self) -> bool:
        """Whether spelling or steering may start: a decoder is there, and a simulated participant knows what to do."""
        wanted = bool(self.target_text.strip()) or not self.is_simulated or not self.flickers
        fits = (not self.snapshot.decoder) or self.snapshot.decoder.startswith(_DECODERS[self.task])
        return self.can_calibrate and bool(self.snapshot.decoder) and fits and wanted

    @property
    def can_replay(self) -> bool:
        """Whether a recording may be decoded again."""
        quiet = self.snapshot.phase in (Phase.IDLE, Phase.WATCHING)
        return self.is_connected and not self.is_lost and quiet and bool(self.replay_file.strip())

    @property
    def flickers(self) -> bool:
        """Whether the task's stimuli flicker."""
        return self.task == "ssvep"

    @property
    def can_stop(self) -> bool:
        """Whether there is something to stop."""
        stoppable = (Phase.STARTING, Phase.WATCHING, *_RUNNING)
        return self.is_connected and not self.is_lost and self.snapshot.phase in stoppable

    @property
    def is_simulated(self) -> bool:
        """Whether the source is the simulated participant."""
        return self.source.strip().partition(":")[0] == "synthetic"

    # What is ordered.

    def watch(self) -> Order:
        """Return the order to show the source's signal."""
        return Watch(self.source.strip())

    def calibrate(self) -> Order:
        """Return the order to calibrate."""
        return Calibrate(self.source.strip(), self.n_blocks, self.acknowledged or NOTHING_FLICKERS, self.task)

    def go_online(self) -> Order:
        """Return the order to spell or to steer."""
        if self.task == "imagery":
            wish = self.wish if self.is_simulated else ""
            return Steer(self.source.strip(), wish, self.acknowledged or NOTHING_FLICKERS)
        return Spell(self.source.strip(), self.target_text if self.is_simulated else "", self.acknowledged)

    def replay(self) -> Order:
        """Return the order to decode a recording again."""
        return Replay(self.replay_file.strip(), self.replay_decoder.strip())

    def stop(self) -> Order:
        """Return the order to stop."""
        return Stop()

    # What is shown.

    @property
    def title(self) -> str:
        """What is going on, in a few words."""
        if self.is_lost:
            return "The engine is gone"
        return _TITLES[self.snapshot.phase] if self.is_connected else "Starting the engine"

    @property
    def error(self) -> str:
        """What went wrong, one line; empty if nothing did."""
        if self.is_lost:
            return "The engine ended unexpectedly; what was recorded is safe. Close this window and start it again."
        return self.snapshot.error

    @property
    def progress(self) -> tuple[int, int, str]:
        """What is done, of how much, and of what."""
        s = self.snapshot
        if s.phase is Phase.CALIBRATING:
            cue = f"; {'look at' if self.flickers else 'imagine'} {s.cue}" if s.cue else ""
            return s.done, s.total, f"Trial {min(s.done + 1, s.total)} of {s.total}{cue}"
        if s.phase is Phase.TRAINING:
            return s.done, s.total, "Training"
        return (1, 1, f"Decoder: {s.decoder}") if s.decoder else (0, 1, "No decoder yet: calibrate first")

    @property
    def text(self) -> str:
        """What is spelled, selected or decoded so far."""
        return self.snapshot.text

    @property
    def cursor(self) -> float | None:
        """Where the cursor is, -1 to 1; None where none is steered."""
        return self.snapshot.cursor if self.task == "imagery" else None

    @property
    def decision(self) -> tuple[str, str, float]:
        """The last decision: the key, the words around it, and its confidence from 0 to 1."""
        decision = self.snapshot.decision
        if decision is None:
            return "–", "no decision yet", 0.0
        key = "no answer" if decision.key is None else decision.key
        took = "" if decision.latency_s is None else f", computed in {1e3 * decision.latency_s:.1f} ms"
        return key, f"confidence {decision.confidence:.0%}{took}", decision.confidence

    @property
    def counters(self) -> tuple[tuple[str, str, bool], ...]:
        """Name, value, and whether it is trouble, of each counter."""
        status = self.snapshot.status or EngineStatus("ready", "", 0, 0, 0)
        frames = max(1, status.frames)
        late = f"{status.late_frames} of {status.frames}" if status.frames else "–"
        missed = str(status.missed_frames) if status.frames else "–"
        return (
            ("Samples", f"{status.samples:,}".replace(",", " "), False),
            ("Gaps in the signal", str(status.gaps), status.gaps > 0),
            ("Windows skipped", str(status.skipped), status.skipped > 0),
            ("Late frames", late, status.late_frames > 0.01 * frames and status.frames > 0),
            ("Missed frames", missed, status.missed_frames > 0),
            ("Screen timing", self.snapshot.screen or "–", False),
        )
