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
from volo_app.commands.replay import told
from volo_app.desk.messages import Calibrate, Phase, Replay, Spell, Steer, Watch
from volo_app.desk.settings import DeskSettings
from volo_app.desk.tasks import DeskTask, ImageryTask, SsvepTask, is_simulated, make_task
from volo_app.desk.telemetry import Telemetry
from volo_app.engine import Engine, RunResult
from volo_app.redecoding import redecode
from volo_app.replay import Onlooker
from volo_app.rows import RunRecorder
from volo_app.run_life import RunLife
from volo_app.session import Session, create_session
from volo_app.simulation import SimulatedParticipant, Willing
from volo_app.stimulus.certificate import load_certificate, rig_folder, rig_id
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.messages import ScreenInfo
from volo_app.stimulus.process import ScreenSettings
from volo_app.stimulus.verdict import Verdict, choose_decoder, judge_timing
from volo_app.training import train_file
from volo_decoders.fitted import FittedChain
from volo_decoders.store import load_decoder, save_decoder
from volo_decoders.types import Decision
from volo_paradigms.grammar import OFFSET
from volo_paradigms.types import Command, Paradigm

__all__ = ["Runs"]

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
        self._verdict = Verdict(("nothing was shown yet",))
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
        task = make_task(order.task, self._settings)
        paradigm, total, will = task.calibration(order.n_blocks)

        def count(marker: Marker) -> None:
            if marker.label == OFFSET:
                self._telemetry.change(done=_n_complete(paradigm))

        path, result, reason = self._recorded(
            order, task, Phase.CALIBRATING, paradigm, will, chain=None, watch=count, total=total
        )
        if reason != "finished":
            self._telemetry.log(f"Calibration {reason} after {_n_complete(paradigm)} of {total} trials")
            return
        self._telemetry.change(phase=Phase.TRAINING, done=0, total=order.n_blocks)
        if isinstance(task, SsvepTask) and (name := choose_decoder(task.decoder, self._verdict)) != task.decoder:
            self._telemetry.log(f"{name} in place of {task.decoder}: it needs no phase, and timing is unverified")
            task.decoder = name
        self._telemetry.log(f"Calibrated with {total} trials; training {task.decoder}")
        fitted = train_file(
            path,
            lambda info: task.chain(info.rate_hz),
            threshold=self._settings.threshold,
            dynamic=task.dynamic,
            progress=lambda done, of: self._telemetry.change(done=done, total=of),
        )
        self._use(fitted, f"{task.decoder}-{path.stem.partition('_run-')[2].partition('_')[0]}", saved=False)
        self._telemetry.log(f"Trained {fitted.decoder_id}")
        self._telemetry.result({"calibration_file": str(path), "decoder": fitted.decoder_id, **_figures(result)})

    def spell(self, order: Spell) -> None:
        """Spell online with the decoder at hand."""
        self._online(order, SsvepTask(self._settings), order.text, Phase.SPELLING)

    def steer(self, order: Steer) -> None:
        """Steer a cursor online with the decoder at hand."""
        self._online(order, ImageryTask(self._settings), order.wish, Phase.STEERING)

    def _online(self, order: Spell | Steer, task: DeskTask, wanted: str, phase: Phase) -> None:
        if self._fitted is None:
            raise ValueError(f"{phase.value}: there is no decoder yet")
        wish = wanted if wanted and is_simulated(order.source) else None
        paradigm, will = task.online(self._fitted, wish)
        path, result, reason = self._recorded(order, task, phase, paradigm, will, chain=self._fitted)
        outcome = dict(task.outcome(paradigm, wish))
        self._telemetry.log(f"{phase.value.capitalize()} {reason}: {next(iter(outcome.values()))!r}")
        figures = {"file": str(path), "sha256": result.sha256, "session": str(self._session and self._session.folder)}
        self._telemetry.result({**outcome, **figures, **_figures(result)})

    def replay(self, order: Replay) -> None:
        """Decode a recording again, as fast as it goes."""
        self._telemetry.begin(Phase.REPLAYING)
        self._telemetry.log(f"Decoding {Path(order.file).name} again")
        labels: list[str] = []

        def decided(decision: Decision) -> None:
            labels.append(decision.label or "–")
            self._telemetry.decision(decision)
            self._telemetry.change(text=" ".join(labels[-24:]))

        def take(engine: Engine) -> None:
            self._telemetry.status = lambda: engine.status
            self._on_engine(engine, None)

        look = Onlooker(lambda source: _Told(source, self._telemetry), take, decided, self._telemetry.chunk)
        try:
            found = redecode(Path(order.file), decoder=Path(order.decoder) if order.decoder else None, onlooker=look)
        finally:
            self._telemetry.status = None
        for line in told(found):
            self._telemetry.log(line)
        if "decisions" not in found:
            self._telemetry.change(text=told(found)[0])
        self._telemetry.result({"replayed": dict(found)})

    def _recorded(
        self,
        order: Calibrate | Spell | Steer,
        task: DeskTask,
        phase: Phase,
        paradigm: Paradigm,
        will: Willing,
        *,
        chain: FittedChain | None,
        watch: Callable[[Marker], None] | None = None,
        **shown: object,
    ) -> tuple[Path, RunResult, str]:
        """Run a paradigm with the stimulus window; return the recording, what happened, and why it ended."""
        clock = SessionClock()
        self._n_runs += 1
        source = make_source(_with_seed(task.source(order.source), self._n_runs), clock)
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
            session = self._open_session()
            path = session.run_path(task.name, session.next_run(task.name))
            life = stack.enter_context(RunLife(path, clock))
            settings = ScreenSettings(self._settings.layout, self._settings.stimulus, lifesign=str(life.path))
            screen = stack.enter_context(ScreenProcess(settings))
            self._verdict = self._judge(screen.info)
            header = {"task": task.name, "simulated": str(simulated).lower(), **screen.info.header()}
            header |= self._verdict.header()
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
                outputs=(_Commands(self._telemetry),),
                hear=hear,
                on_decision=self._telemetry.decision,
                on_chunk=self._telemetry.chunk,
                on_step=lambda: life.step(engine),
                lead_in_s=LEAD_IN_S,
            )
            stack.callback(life.leave)
            self._telemetry.begin(phase, screen=screen.info.brief(), **shown)
            self._telemetry.log(f"Stimulus: {screen.info.line()}")
            self._telemetry.log(f"Recording {path.name}")
            result = self._run(engine, screen)
        for failure in (*result.failures, *([result.failure] if result.failure else [])):
            self._telemetry.log(failure)
        return path, result, engine.status.reason

    def _judge(self, info: ScreenInfo) -> Verdict:
        """Return what is known of the screen's timing."""
        folder = rig_folder(Path(self._settings.workspace), rig_id(info))
        return judge_timing(info, load_certificate(folder), accept=self._settings.accept_timing)

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
                Path(self._settings.workspace), self._settings.participant, task="desk", settings=asdict(self._settings)
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


class _Commands:
    """An output that tells the desk of the commands."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def open(self) -> None:
        """Do nothing."""

    def send(self, command: Command) -> None:
        """Tell of a command."""
        self._telemetry.command(command)

    def neutral(self) -> None:
        """Do nothing: what is shown is neutral."""

    def close(self) -> None:
        """Do nothing."""


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


def _n_complete(paradigm: Paradigm) -> int:
    """Return how many trials of a calibration are done."""
    return int(getattr(paradigm, "n_complete", 0))


def _with_seed(source: str, seed: int) -> str:
    """Return the text of a source, where a simulated participant thinks of something else in each run."""
    if not is_simulated(source) or any(key == "seed" for key, _ in parse_spec(source).values):
        return source
    return f"{source}{',' if ':' in source else ':'}seed={seed}"


def _figures(result: RunResult) -> Mapping[str, object]:
    return {
        "n_predictions": result.n_predictions,
        "n_decisions": result.n_decisions,
        "events": len(result.events),
    }
