"""The runs a desk can order: watch a source, calibrate, spell. Not: processes, pipes, Qt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from volo_acquisition.clock import SessionClock
from volo_acquisition.sources.base import Source
from volo_acquisition.sources.spec import make_source, parse_spec
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Item, Marker, StreamInfo
from volo_app.desk.messages import Calibrate, Phase, Spell, Watch
from volo_app.desk.process import DeskSettings
from volo_app.desk.telemetry import Telemetry
from volo_app.engine import Engine, RunResult
from volo_app.presets import SPELLER_LENGTHS_S, VISUAL_LATENCY_S, ssvep_chain
from volo_app.rows import RunRecorder
from volo_app.session import Session, create_session
from volo_app.simulation import SimulatedParticipant
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.process import ScreenSettings
from volo_app.training import train_file
from volo_decoders.chain import ChainSpec
from volo_decoders.fitted import FittedChain
from volo_decoders.store import load_decoder, save_decoder
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.grammar import OFFSET
from volo_paradigms.layout import load_layout
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.types import Paradigm
from volo_paradigms.will import Will

__all__ = ["Runs"]

TASK = "ssvep"
#: Signal before the first trial, for the filters to settle, seconds.
LEAD_IN_S = 2.0


class Runs:
    """The runs of one desk, one after the other; they share a session and the last decoder.

    Parameters
    ----------
    settings : DeskSettings
        What holds for all runs.
    telemetry : Telemetry
        Told everything.
    on_engine : callable
        Told each engine before it runs, so that it can be stopped, and the screen if there is one.
    """

    def __init__(
        self,
        settings: DeskSettings,
        telemetry: Telemetry,
        on_engine: Callable[[Engine, ScreenProcess | None], None],
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._on_engine = on_engine
        self._session: Session | None = None
        self._fitted: FittedChain | None = None
        self._decoder_name = ""
        self._decoder_saved = False
        self._n_runs = 0

    def load_decoder(self) -> None:
        """Load the decoder named in the settings, if there is one."""
        if self._settings.decoder_folder:
            self._use(load_decoder(Path(self._settings.decoder_folder)), "given", saved=False)

    def watch(self, order: Watch) -> None:
        """Show a source's signal until stopped."""
        source = _Told(make_source(order.source, SessionClock()), self._telemetry)
        self._telemetry.begin(Phase.WATCHING)
        self._telemetry.log(f"Connected to {order.source}")
        self._run(Engine(source, SessionClock(), on_chunk=self._telemetry.chunk), None)

    def calibrate(self, order: Calibrate) -> None:
        """Record a calibration and train on it."""
        layout = load_layout(self._settings.layout)
        rate_hz = 250.0  # of the windows' lengths only; the chain is built for the stream's own rate
        longest_s = self._chain(rate_hz).window.lengths_s[-1]
        paradigm = SsvepCalibration(
            CalibrationSettings(
                layout=self._settings.layout,
                n_blocks=order.n_blocks,
                flicker_s=VISUAL_LATENCY_S + longest_s + 0.1,
                cue_s=self._settings.gaze_shift_s,
                rest_s=self._settings.rest_s,
            )
        )
        total = order.n_blocks * len(layout)

        def count(marker: Marker) -> None:
            if marker.label == OFFSET:
                self._telemetry.change(done=paradigm.n_complete)

        path, result, reason = self._recorded(
            order, Phase.CALIBRATING, paradigm, Will(layout), chain=None, watch=count, total=total
        )
        if reason != "finished":
            self._telemetry.log(f"Calibration {reason} after {paradigm.n_complete} of {total} trials")
            return
        self._telemetry.change(phase=Phase.TRAINING, done=0, total=order.n_blocks)
        self._telemetry.log(f"Calibrated with {total} trials; training {self._settings.decoder}")
        fitted = train_file(
            path,
            lambda info: self._chain(info.rate_hz),
            threshold=self._settings.threshold,
            progress=lambda done, of: self._telemetry.change(done=done, total=of),
        )
        self._use(fitted, f"{self._settings.decoder}-{path.stem.partition('_run-')[2].partition('_')[0]}", saved=False)
        self._telemetry.log(f"Trained {fitted.decoder_id}")
        self._telemetry.result({"calibration_file": str(path), "decoder": fitted.decoder_id, **_figures(result)})

    def _chain(self, rate_hz: float) -> ChainSpec:
        """Return the chain that a calibration trains."""
        lengths_s = tuple(length for length in SPELLER_LENGTHS_S if length <= self._settings.longest_window_s)
        layout = load_layout(self._settings.layout)
        return ssvep_chain(self._settings.decoder, layout, rate_hz, lengths_s=lengths_s)

    def spell(self, order: Spell) -> None:
        """Spell online with the decoder at hand."""
        if self._fitted is None:
            raise ValueError("spell: there is no decoder yet")
        layout = load_layout(self._settings.layout)
        simulated = _is_simulated(order.source)
        wanted = order.text if simulated and order.text else None
        paradigm = SsvepSpeller(
            SpellerSettings(
                layout=self._settings.layout,
                gaze_shift_s=self._settings.gaze_shift_s,
                max_trial_s=VISUAL_LATENCY_S + self._fitted.spec.window.lengths_s[-1] + 1.0,
                feedback_s=self._settings.rest_s,
                stop_text=wanted,
                max_selections=1000 if wanted is None else 4 * len(wanted) + 10,
            )
        )
        path, result, reason = self._recorded(
            order, Phase.SPELLING, paradigm, Will(layout, wanted), chain=self._fitted, text=""
        )
        self._telemetry.log(f"Spelling {reason}: {paradigm.text!r}")
        figures = {"text": paradigm.text, "target_text": wanted, "file": str(path), "sha256": result.sha256}
        self._telemetry.result({**figures, "session": str(self._session and self._session.folder), **_figures(result)})

    def _recorded(
        self,
        order: Calibrate | Spell,
        phase: Phase,
        paradigm: Paradigm,
        will: Will,
        *,
        chain: FittedChain | None,
        watch: Callable[[Marker], None] | None = None,
        **shown: object,
    ) -> tuple[Path, RunResult, str]:
        """Run a paradigm with the stimulus window; return the recording, what happened, and why it ended."""
        clock = SessionClock()
        self._n_runs += 1
        source = make_source(_with_seed(order.source, self._n_runs), clock)
        simulated = isinstance(source, SyntheticSource)
        participant = SimulatedParticipant(will, source.tell) if isinstance(source, SyntheticSource) else None
        told = _Told(source, self._telemetry)
        self._telemetry.begin(Phase.STARTING)

        def hear(marker: Marker) -> list[Marker]:
            self._telemetry.marker(marker)
            if watch is not None:
                watch(marker)
            return participant.hear(marker) if participant is not None else []

        with ExitStack() as stack:
            screen = stack.enter_context(ScreenProcess(ScreenSettings(self._settings.layout, self._settings.stimulus)))
            session = self._open_session()
            path = session.run_path(TASK, session.next_run(TASK))
            header = {"task": TASK, "simulated": str(simulated).lower(), **screen.info.header()}
            header["photosensitivity"] = order.acknowledged
            if chain is not None:
                header |= {"decoder": self._saved_decoder(session, chain), "decoder_id": chain.decoder_id}
            session.journal("run", file=path.name, phase=phase.value, photosensitivity=order.acknowledged)
            recorder = stack.enter_context(RunRecorder(path, header))
            engine = Engine(
                told,
                clock,
                recorder=recorder,
                chain=chain,
                paradigm=paradigm,
                screen=screen,
                hear=hear,
                on_decision=self._telemetry.decision,
                on_chunk=self._telemetry.chunk,
                lead_in_s=LEAD_IN_S,
            )
            self._telemetry.begin(phase, screen=screen.info.brief(), **shown)
            self._telemetry.log(f"Stimulus: {screen.info.line()}")
            self._telemetry.log(f"Recording {path.name}")
            result = self._run(engine, screen)
        for failure in (*result.failures, *([result.failure] if result.failure else [])):
            self._telemetry.log(failure)
        return path, result, engine.status.reason

    def _run(self, engine: Engine, screen: ScreenProcess | None) -> RunResult:
        self._telemetry.status = lambda: engine.status
        self._on_engine(engine, screen)
        try:
            return engine.run()
        finally:
            self._telemetry.change(status=engine.status)
            self._telemetry.status = None

    def _open_session(self) -> Session:
        if self._session is None:
            self._session = create_session(
                Path(self._settings.workspace), self._settings.participant, task=TASK, settings=asdict(self._settings)
            )
        return self._session

    def _use(self, fitted: FittedChain, name: str, *, saved: bool) -> None:
        self._fitted, self._decoder_name, self._decoder_saved = fitted, name, saved
        self._telemetry.change(decoder=fitted.decoder_id)

    def _saved_decoder(self, session: Session, chain: FittedChain) -> str:
        """Return the name of the decoder in the session's folder, where replay will find it."""
        if not self._decoder_saved:
            save_decoder(session.decoder_dir(self._decoder_name), chain)
            self._decoder_saved = True
        return self._decoder_name


class _Told:
    """A source that tells the desk what its stream is."""

    def __init__(self, source: Source, telemetry: Telemetry) -> None:
        self._source = source
        self._telemetry = telemetry

    def open(self) -> tuple[StreamInfo, ...]:
        """Open it, and tell of its first signal stream."""
        infos = self._source.open()
        for info in [info for info in infos if info.rate_hz > 0.0 and info.dtype != "string"][:1]:
            self._telemetry.stream(info)
        return infos

    def read(self, timeout_s: float) -> list[Item]:
        """Read, and let the desk know that the engine is alive."""
        self._telemetry.send()
        return self._source.read(timeout_s)

    def close(self) -> None:
        """Close it."""
        self._source.close()

    @property
    def exhausted(self) -> bool:
        """True once a finite source has yielded everything."""
        return self._source.exhausted


def _is_simulated(source: str) -> bool:
    return source.partition(":")[0].strip() == "synthetic"


def _with_seed(source: str, seed: int) -> str:
    """Return the text of a source, where a simulated participant thinks of something else in each run."""
    if not _is_simulated(source) or any(key == "seed" for key, _ in parse_spec(source).values):
        return source
    return f"{source}{',' if ':' in source else ':'}seed={seed}"


def _figures(result: RunResult) -> Mapping[str, object]:
    return {
        "n_predictions": result.n_predictions,
        "n_decisions": result.n_decisions,
        "events": len(result.events),
    }
