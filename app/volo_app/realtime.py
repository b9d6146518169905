"""The demonstration at 1x, by all processes of a real run: the simulated headset sends over LSL, a source receives it.

`calibrate_realtime` and `spell_realtime` are called where the person is; the two ``_work`` functions run in the
engine's process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from volo_acquisition.clock import SessionClock
from volo_acquisition.types import Marker
from volo_app.demo import (
    LEAD_IN_S,
    TASK,
    DemoSettings,
    calibration_paradigm,
    head_settings,
    spelling_paradigm,
    spelling_summary,
)
from volo_app.engine import Engine, RunResult
from volo_app.outputs.said import SaidOutput
from volo_app.roles.engine_process import EngineRole
from volo_app.roles.link import run_in_roles
from volo_app.session import Session, load_session
from volo_app.simulation import Headset, SimulatedParticipant
from volo_decoders.fitted import FittedChain
from volo_decoders.store import load_decoder
from volo_paradigms.grammar import ONSET
from volo_paradigms.layout import load_layout
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Paradigm
from volo_paradigms.will import Will

__all__ = ["calibrate_realtime", "calibration_work", "spell_realtime", "spelling_work"]

#: Samples are sent so late, as an amplifier's are, so that the screen's markers are there before them, seconds.
HEADSET_LATENCY_S = 0.03


def calibrate_realtime(session: Session, settings: DemoSettings, on_trial: Callable[[], None]) -> dict[str, Any]:
    """Record a calibration of the simulated participant as the session's first run, at its own speed.

    Returns
    -------
    dict
        ``n_trials``, and ``stopped_by_signal`` if a signal ended it.
    """
    work = f"{__name__}:calibration_work"
    arguments, workspace = _arguments(session, settings), str(session.folder.parent.parent)
    return run_in_roles(work, arguments, workspace=workspace, on_text=lambda _: on_trial())


def spell_realtime(
    session: Session,
    settings: DemoSettings,
    *,
    on_text: Callable[[str], None],
    on_warning: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Let the simulated participant spell at its own speed with the session's decoder; return the figures.

    Raises
    ------
    DecoderError
        If the decoder failed.
    DeviceError
        If a process of the run was lost.
    """
    work = f"{__name__}:spelling_work"
    arguments, workspace = _arguments(session, settings), str(session.folder.parent.parent)
    return run_in_roles(work, arguments, workspace=workspace, on_text=on_text, on_warning=on_warning)


def _arguments(session: Session, settings: DemoSettings) -> dict[str, Any]:
    return {"folder": str(session.folder), "settings": asdict(settings)}


def calibration_work(role: EngineRole, *, folder: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Calibrate, in the engine's process."""
    demo = DemoSettings(**settings)

    def count(marker: Marker) -> None:
        if marker.label == ONSET:
            role.say(".")

    paradigm = calibration_paradigm(demo)
    will = Will(load_layout(demo.layout))
    session = load_session(Path(folder))
    _run(role, session, demo, 1, paradigm=paradigm, will=will, seed=demo.seed, watch=count)
    return {"n_trials": paradigm.n_complete}


def spelling_work(role: EngineRole, *, folder: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Spell, in the engine's process."""
    demo, session = DemoSettings(**settings), load_session(Path(folder))
    fitted = load_decoder(session.decoder_dir(demo.decoder))
    layout, paradigm = load_layout(demo.layout), spelling_paradigm(demo, fitted)
    run = session.next_run(TASK)
    will = Will(layout, demo.text)
    result = _run(role, session, demo, run, paradigm=paradigm, will=will, seed=demo.seed + 1, chain=fitted)
    result.require_decoder(session.folder)
    file = str(session.run_path(TASK, run))
    return {**spelling_summary(result, paradigm.text, layout, demo, session), "file": file}


def _run(
    role: EngineRole,
    session: Session,
    settings: DemoSettings,
    run: int,
    *,
    paradigm: Paradigm,
    will: Will,
    seed: int,
    chain: FittedChain | None = None,
    watch: Callable[[Marker], None] = lambda marker: None,
) -> RunResult:
    header = {"task": TASK, "simulated": "true"}
    if chain is not None:
        header |= {"decoder": settings.decoder, "decoder_id": chain.decoder_id}
    clock = SessionClock()
    name = f"headset-{os.getpid()}-{run}"
    with Headset(head_settings(settings, seed, stream_id=name, latency_s=HEADSET_LATENCY_S)) as headset:
        participant = SimulatedParticipant(will, headset.tell)

        def hear(marker: Marker) -> list[Marker]:
            watch(marker)
            return participant.hear(marker)

        path = session.run_path(TASK, run)
        # a simulated participant has nothing to lose: nothing is recorded on without the engine
        source, recorder = role.begin(str(path), header, [f"lsl:source_id={name}"], keep_recording=False)
        engine = Engine(
            source,
            clock,
            recorder=recorder,
            chain=chain,
            paradigm=paradigm,
            screen=VirtualScreen(60.0, clock.now()),
            outputs=() if chain is None else (SaidOutput(role.say),),
            hear=hear,
            lead_in_s=LEAD_IN_S,
            keep_recording=False,
        )
        role.take_engine(engine)
        session.journal("run", run=run, task=TASK, realtime=True, decoder=chain.decoder_id if chain else None)
        result = engine.run()
        role.end(engine.status.reason)
        session.journal("run ended", run=run, n_decisions=result.n_decisions, events=len(result.events))
        return result
