"""What an engine tells of a run: its state while it runs, and what happened when it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Event, Marker
from volo_decoders.types import Decision

__all__ = ["EngineStatus", "RunResult"]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What the engine shows the outside: one frozen value.

    Attributes
    ----------
    phase : str
        ``"ready"``, ``"running"`` or ``"ended"``.
    reason : str
        Why it ended, or empty.
    samples : int
        Samples taken from the decoded stream.
    gaps, skipped : int
        Gap events, and windows left out because they came too late.
    frames, late_frames, missed_frames : int
        Of a screen that logs its frames: how many came, came late, and never came.
    latency_s : float or None
        From the push of the deciding sample to the last decision; None before the first.
    """

    phase: str
    reason: str
    samples: int
    gaps: int
    skipped: int
    frames: int = 0
    late_frames: int = 0
    missed_frames: int = 0
    latency_s: float | None = None


@dataclass(slots=True)
class RunResult:
    """What happened in a run.

    Attributes
    ----------
    sha256 : str
        Fingerprint of predictions and decisions; empty without a decoder, or if it failed.
    n_predictions, n_decisions : int
        How many.
    samples : dict of str to int
        Samples a stream.
    markers : list of Marker
        All, in the order they came.
    decisions : list of Decision
        All.
    events : list of Event
        All.
    latencies_s : list of float
        From the push of the deciding sample to the decision, one a decision.
    failures : list of str
        Outputs that failed and were left out from then on, one line each.
    failure : str
        How the decoder failed, after which the run was only recorded; empty if it did not.
    stopped_by_signal : bool
        Whether Ctrl+C or another signal ended the run.
    """

    sha256: str = ""
    n_predictions: int = 0
    n_decisions: int = 0
    samples: dict[str, int] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failure: str = ""
    stopped_by_signal: bool = False

    def latency_ms(self) -> dict[str, float | None]:
        """Return median and 99th percentile from sample to decision, milliseconds; None without decisions."""
        if not self.latencies_s:
            return {"p50": None, "p99": None}
        p50, p99 = np.percentile(1e3 * np.array(self.latencies_s), [50, 99])
        return {"p50": float(p50), "p99": float(p99)}

    def require_decoder(self, kept: Path) -> None:
        """Refuse a run whose decoder failed, for a command to end with.

        Parameters
        ----------
        kept : Path
            The recording or its folder; the error names it as safe.

        Raises
        ------
        DecoderError
            If the decoder failed.
        """
        if self.failure:
            raise DecoderError(
                self.failure, reason=Reason.INVALID, hint=f"the recording went on to the end and is safe in {kept}"
            )
