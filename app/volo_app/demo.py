"""The main job in one call: a simulated participant calibrates a decoder, then spells a sentence online."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from volo_acquisition.clock import ManualClock
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Marker
from volo_app.engine import Engine, RunResult
from volo_app.outputs.base import Output
from volo_app.presets import VISUAL_LATENCY_S, ssvep_chain
from volo_app.rows import RunRecorder
from volo_app.session import Session
from volo_app.simulation import SimulatedParticipant
from volo_app.training import train_file
from volo_decoders.fitted import FittedChain
from volo_decoders.metrics import itr_bits_per_min
from volo_decoders.store import save_decoder
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.grammar import DECISION, ONSET
from volo_paradigms.layout import Layout, load_layout
from volo_paradigms.score import score_selections
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.types import Paradigm
from volo_paradigms.will import Will

__all__ = [
    "LEAD_IN_S",
    "TASK",
    "DemoSettings",
    "calibrate",
    "calibration_paradigm",
    "head_settings",
    "spell",
    "spelling_paradigm",
    "spelling_summary",
    "train_speller",
]

TASK = "ssvep"
#: Signal before the first trial, for the filters to settle, seconds.
LEAD_IN_S = 2.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What can be set.

    Attributes
    ----------
    text : str
        What the participant wants to write.
    participant : str
        ``"median"`` or a number: which simulated participant.
    seed : int
        Of its brain's noise and of the order of the cues.
    decoder : str
        ``"etrca"`` or ``"fbcca"``.
    layout : str
        Name of a layout.
    n_blocks : int
        Calibration blocks; each cues every key once.
    rate_hz : float
        Sampling rate.
    gaze_shift_s : float
        Time to move the eyes before each trial.
    threshold : float
        Confidence at which a letter is decided.
    """

    text: str = "I WILL SPEAK AGAIN"
    participant: str = "median"
    seed: int = 1
    decoder: str = "etrca"
    layout: str = "benchmark40"
    n_blocks: int = 5
    rate_hz: float = 250.0
    gaze_shift_s: float = 0.5
    threshold: float = 0.95

    def __post_init__(self) -> None:
        problems = []
        if not self.text:
            problems.append("text: got an empty text, it must have a character")
        if self.participant != "median" and not self.participant.isdecimal():
            problems.append(f"participant: got {self.participant!r}, it must be median or a whole number")
        least = 2 if self.decoder == "etrca" else 1
        if self.n_blocks < least:
            problems.append(f"blocks: got {self.n_blocks}, {self.decoder} needs at least {least}")
        if problems:
            raise ValueError("; ".join(problems))


def head_settings(
    settings: DemoSettings, seed: int, *, stream_id: str = "synthetic", latency_s: float = 0.0
) -> SyntheticSource.Settings:
    """Return the settings of the simulated participant's head."""
    participant = "median" if settings.participant == "median" else int(settings.participant)
    return SyntheticSource.Settings(
        participant=participant, seed=seed, rate_hz=settings.rate_hz, stream_id=stream_id, latency_s=latency_s
    )


def calibration_paradigm(settings: DemoSettings) -> SsvepCalibration:
    """Return the calibration that is long enough for the decoder."""
    layout = load_layout(settings.layout)
    longest_s = ssvep_chain(settings.decoder, layout, settings.rate_hz).window.lengths_s[-1]
    return SsvepCalibration(
        CalibrationSettings(
            layout=settings.layout,
            n_blocks=settings.n_blocks,
            flicker_s=VISUAL_LATENCY_S + longest_s + 0.1,
            cue_s=settings.gaze_shift_s,
            rest_s=0.0,
            seed=settings.seed,
        )
    )


def spelling_paradigm(settings: DemoSettings, fitted: FittedChain) -> SsvepSpeller:
    """Return the speller that ends when the text is written."""
    return SsvepSpeller(
        SpellerSettings(
            layout=settings.layout,
            gaze_shift_s=settings.gaze_shift_s,
            max_trial_s=VISUAL_LATENCY_S + fitted.spec.window.lengths_s[-1] + 1.0,
            stop_text=settings.text,
            max_selections=4 * len(settings.text) + 10,
        )
    )


def calibrate(session: Session, settings: DemoSettings, *, on_trial: Callable[[], None] | None = None) -> RunResult:
    """Record a calibration of the simulated participant as the session's first run, as fast as the machine computes.

    Parameters
    ----------
    session : Session
        Where it goes.
    settings : DemoSettings
        What to do.
    on_trial : callable or None
        Told at each flicker.
    """

    def count(marker: Marker) -> None:
        if on_trial is not None and marker.label == ONSET:
            on_trial()

    will = Will(load_layout(settings.layout))
    return _simulated_run(session, settings, 1, calibration_paradigm(settings), will, seed=settings.seed, watch=count)


def train_speller(
    session: Session,
    settings: DemoSettings,
    *,
    cascaded: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> FittedChain:
    """Fit the decoder to run 1 of the session and keep it in the session's folder."""
    layout = load_layout(settings.layout)
    fitted = train_file(
        session.run_path(TASK, 1),
        lambda info: ssvep_chain(settings.decoder, layout, info.rate_hz, cascaded=cascaded),
        threshold=settings.threshold,
        progress=progress,
    )
    save_decoder(session.decoder_dir(settings.decoder), fitted)
    return fitted


def spell(
    session: Session, settings: DemoSettings, fitted: FittedChain, *, outputs: tuple[Output, ...] = ()
) -> tuple[RunResult, SsvepSpeller]:
    """Let the simulated participant spell, as the session's next run, as fast as the machine computes."""
    paradigm = spelling_paradigm(settings, fitted)
    result = _simulated_run(
        session,
        settings,
        session.next_run(TASK),
        paradigm,
        Will(load_layout(settings.layout), settings.text),
        seed=settings.seed + 1,
        chain=fitted,
        outputs=outputs,
    )
    return result, paradigm


def _simulated_run(
    session: Session,
    settings: DemoSettings,
    run: int,
    paradigm: Paradigm,
    will: Will,
    *,
    seed: int,
    chain: FittedChain | None = None,
    outputs: tuple[Output, ...] = (),
    watch: Callable[[Marker], None] | None = None,
) -> RunResult:
    header = {"task": TASK, "simulated": "true"}
    if chain is not None:
        header |= {"decoder": settings.decoder, "decoder_id": chain.decoder_id}
    clock = ManualClock()
    source = SyntheticSource(head_settings(settings, seed), clock)
    participant = SimulatedParticipant(will, source.tell)

    def hear(marker: Marker) -> list[Marker]:
        if watch is not None:
            watch(marker)
        return participant.hear(marker)

    with RunRecorder(session.run_path(TASK, run), header) as recorder:
        engine = Engine(
            source,
            clock,
            recorder=recorder,
            chain=chain,
            paradigm=paradigm,
            screen=VirtualScreen(60.0, clock.now()),
            outputs=outputs,
            hear=hear,
            lead_in_s=LEAD_IN_S,
            keep_recording=False,  # a simulated participant has nothing to lose
        )
        session.journal("run", run=run, task=TASK, realtime=False, decoder=chain.decoder_id if chain else None)
        result = engine.run()
        session.journal("run ended", run=run, n_decisions=result.n_decisions, events=len(result.events))
        return result


def spelling_summary(
    result: RunResult, speller_text: str, layout: Layout, settings: DemoSettings, session: Session
) -> Mapping[str, object]:
    """Return the figures of a spelling run, as `volo demo --json` prints them."""
    score = score_selections(result.markers)
    onsets = {m.payload["trial"]: m.time for m in result.markers if m.label == ONSET}
    spans = [d.time - onsets[d.group] for d in result.decisions if d.group in onsets]
    seconds = float(np.mean(spans)) + settings.gaze_shift_s if spans else float("nan")
    return {
        "text": speller_text,
        "target_text": layout.written(settings.text),
        "accuracy": score.accuracy,
        "selection_accuracy": score.selection_accuracy,
        "n_selections": score.n_selections,
        "itr_bits_per_min": (
            itr_bits_per_min(score.selection_accuracy, len(layout), seconds) if score.n_selections else None
        ),
        "itr_assumptions": {
            "formula": "Wolpaw",
            "n_classes": len(layout),
            "mean_window_s": seconds - settings.gaze_shift_s - VISUAL_LATENCY_S if spans else None,
            "visual_latency_s": VISUAL_LATENCY_S,
            "gaze_shift_s": settings.gaze_shift_s,
        },
        "chars_per_min_correct": score.characters_per_minute,
        "decision_latency_ms": result.latency_ms(),
        "n_predictions": result.n_predictions,
        "n_decisions": sum(m.label == DECISION for m in result.markers),
        "events": len(result.events),
        "stopped_by_signal": result.stopped_by_signal,
        "sha256": result.sha256,
        "session": str(session.folder),
        "simulated": True,
    }
