"""Recorded people instead of a simulated one: a session is streamed over real LSL and decoded online."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from volo_acquisition.clock import Clock, SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.lsl import LslSource
from volo_acquisition.types import Chunk, Marker
from volo_app.datasets import ssvep_exo
from volo_app.engine import Engine, RunResult
from volo_app.evaluation import CHUNK_SAMPLES, EXO_OFFSET_S, exo_chain
from volo_app.role import enter_role
from volo_app.rows import RunRecorder
from volo_app.session import Session
from volo_decoders.metrics import chance_upper, itr_bits_per_min
from volo_decoders.store import save_decoder
from volo_decoders.training import fit_chain
from volo_decoders.types import Decision
from volo_paradigms.grammar import RUN_STOP

if TYPE_CHECKING:
    from volo_app.outputs.lsl import ChunkOutlet, MarkerOutlet

__all__ = ["RealDemoSettings", "run_real"]


@dataclass(frozen=True, slots=True)
class RealDemoSettings:
    """What can be set.

    Attributes
    ----------
    data_root : str
        Folder that holds ``ssvep_exo``.
    subject : str
        Two digits.
    session : int
        Which of the subject's sessions, from 1, in time order.
    window_s : float
        Window from 0.5 s after the cue.
    speed : float
        How many times faster than it was recorded the session is streamed.
    """

    data_root: str
    subject: str = "01"
    session: int = 1
    window_s: float = 3.0
    speed: float = 10.0


def run_real(
    session: Session, settings: RealDemoSettings, on_decision: Callable[[Decision, str], None]
) -> Mapping[str, object]:
    """Stream one recorded session over LSL, decode it online, and return the figures.

    Parameters
    ----------
    session : Session
        Where the recording of the run goes.
    settings : RealDemoSettings
        What to do.
    on_decision : callable
        Told each decision with the true label.

    Raises
    ------
    FileError
        If the recording is not there.
    DecoderError
        If the decoder failed; what was streamed is recorded to the end.
    """
    recorded = _recorded(settings)
    rate_hz = recorded.info.rate_hz
    fitted = fit_chain(exo_chain("fbcca", settings.window_s, rate_hz), recorded.info, (), dynamic=False)
    save_decoder(session.decoder_dir("fbcca"), fitted)
    name = f"recorded-{os.getpid()}"
    targets = recorded.targets
    context = get_context("spawn")
    pipe, child = context.Pipe()
    player = context.Process(target=_player_main, args=(child, settings, name), name="volo-source-player", daemon=True)
    player.start()
    child.close()
    try:
        if not pipe.poll(60.0):
            raise DeviceError("the player did not start", reason=Reason.DRIVER, hint="run `volo doctor` to check LSL")
        clock = SessionClock()
        source = LslSource(LslSource.Settings(source_id=name, marker_name=f"{name}-markers"), clock)
        header = {"task": "ssvep", "decoder": "fbcca", "decoder_id": fitted.decoder_id, "simulated": "false"}
        header |= {"subject": recorded.subject, "record": recorded.name}
        path = session.run_path("ssvep", 1)
        with RunRecorder(path, header) as recorder:
            engine = Engine(
                source,
                clock,
                recorder=recorder,
                chain=fitted,
                on_decision=lambda decision: on_decision(decision, targets.get(decision.group, "?")),
                max_lag_s=None if settings.speed != 1.0 else 0.5,
                until_run_stop=True,
            )
            result = engine.run()
    finally:
        pipe.close()
        player.join(5.0)
        if player.is_alive():
            player.terminate()
            player.join(3.0)
    result.require_decoder(path)
    return _summary(result, targets, settings, session)


def _recorded(settings: RealDemoSettings) -> ssvep_exo.ExoSession:
    sessions = ssvep_exo.load_sessions(Path(settings.data_root), settings.subject)
    if not 1 <= settings.session <= len(sessions):
        raise DeviceError(
            f"subject {settings.subject} has no session {settings.session}",
            reason=Reason.NOT_FOUND,
            hint=f"choose 1 to {len(sessions)}",
        )
    return sessions[settings.session - 1]


def _player_main(pipe: Connection, settings: RealDemoSettings, name: str) -> None:
    """Play the recorded session into LSL outlets, with stamps of when its samples would have been taken."""
    from volo_app.outputs.lsl import ChunkOutlet, MarkerOutlet

    enter_role("source-player")
    recorded = _recorded(settings)
    clock = SessionClock()
    with (
        suppress(EOFError, OSError),  # the other end of the pipe is gone: nobody listens any more
        ChunkOutlet(replace(recorded.info, stream_id=name), source_id=name) as outlet,
        MarkerOutlet(f"{name}-markers") as markers,
    ):
        pipe.send(True)
        for published in (outlet, markers):
            if not _is_heard(published, pipe, clock):
                return
        start_s, time_s = clock.now(), 0.0
        for item in recorded.items(CHUNK_SAMPLES):
            match item:
                case Marker():
                    markers.push(replace(item, time=item.time + start_s))
                case Chunk():
                    time_s = float(item.times[-1])
                    _sleep(pipe, start_s + time_s / settings.speed - clock.now())
                    outlet.push(Chunk(name, item.index, item.samples, item.times + start_s))
        markers.push(Marker(start_s + time_s, RUN_STOP, {}, "external"))
        _sleep(pipe, 60.0)


def _sleep(pipe: Connection, seconds: float) -> None:
    """Return after `seconds`; EOFError at once when the engine has closed its end of the pipe, or is no more."""
    if pipe.poll(max(0.0, seconds)):
        pipe.recv()


def _is_heard(outlet: ChunkOutlet | MarkerOutlet, pipe: Connection, clock: Clock) -> bool:
    """Wait for a listener; False if none comes within 30 s."""
    end_s = clock.now() + 30.0
    while not outlet.wait_for_consumers(0.2):
        if clock.now() > end_s:
            return False
        _sleep(pipe, 0.0)
    return True


def _summary(
    result: RunResult, targets: Mapping[int, str], settings: RealDemoSettings, session: Session
) -> Mapping[str, object]:
    scored = [(d.label, targets[d.group]) for d in result.decisions if d.group in targets]
    accuracy = float(np.mean([label == target for label, target in scored])) if scored else float("nan")
    seconds = EXO_OFFSET_S + settings.window_s
    itr = itr_bits_per_min(accuracy, len(ssvep_exo.CLASSES), seconds) if scored else None
    return {
        "text": " ".join(str(label) for label, _ in scored),
        "target_text": " ".join(target for _, target in scored),
        "accuracy": accuracy,
        "chance_upper": chance_upper(len(scored), len(ssvep_exo.CLASSES)) if scored else None,
        "n_trials": len(scored),
        "itr_bits_per_min": itr,
        "itr_assumptions": {
            "formula": "Wolpaw",
            "n_classes": len(ssvep_exo.CLASSES),
            "window_s": settings.window_s,
            "from_cue_to_window_s": EXO_OFFSET_S,
        },
        "chars_per_min_correct": 60.0 * accuracy / seconds if scored else None,
        "decision_latency_ms": result.latency_ms(),
        "subject": settings.subject,
        "recorded_session": settings.session,
        "n_predictions": result.n_predictions,
        "n_decisions": result.n_decisions,
        "events": len(result.events),
        "sha256": result.sha256,
        "stopped_by_signal": result.stopped_by_signal,
        "session": str(session.folder),
        "simulated": False,
    }
