"""Spelling with stimuli that another program presents: its LSL markers say when a trial starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from volo_acquisition.clock import SessionClock
from volo_acquisition.sources.base import Source
from volo_acquisition.types import Chunk
from volo_app.engine import Engine, RunResult
from volo_app.rows import RunRecorder
from volo_app.session import Session, load_session
from volo_decoders.fitted import FittedChain
from volo_decoders.store import load_decoder
from volo_decoders.types import Decision
from volo_paradigms.layout import BACKSPACE, Layout, load_layout
from volo_paradigms.text import TextBuffer

if TYPE_CHECKING:
    from volo_app.roles.engine_process import EngineRole

__all__ = ["presented_work", "spell_with_presenter"]


def spell_with_presenter(
    session: Session,
    name: str,
    source: Source,
    fitted: FittedChain,
    *,
    layout: Layout,
    on_text: Callable[[str], None],
    duration_s: float | None = None,
    task: str = "ssvep",
) -> Mapping[str, object]:
    """Decode a live source until the presenter says ``run/stop``, the time is up, or the run is stopped (Ctrl+C).

    Parameters
    ----------
    session : Session
        Where the recording goes.
    name : str
        Of the decoder in the session's folder.
    source : Source
        Signal and markers; not opened yet, on the session clock.
    fitted : FittedChain
        Decodes.
    layout : Layout
        What each class writes.
    on_text : callable
        Told each character, or a backspace, as it is decided.
    duration_s : float or None
        Seconds of signal after which to end.

    Raises
    ------
    DeviceError
        If the source fails or falls silent.
    DecoderError
        If the decoder does not fit, or failed; in the latter case the signal was recorded to the end.
    """
    header, path = _recording(session, name, fitted, task)
    with RunRecorder(path, header) as recorder:
        done = _spell(source, recorder, fitted, layout, on_text=on_text, duration_s=duration_s)
    return _summary(session, path, *done)


def presented_work(
    role: EngineRole, *, folder: str, name: str, source: str, layout: str, duration_s: float | None
) -> Mapping[str, object]:
    """Do the same in an engine's process; the arguments are texts."""
    session = load_session(Path(folder))
    fitted = load_decoder(session.decoder_dir(name))
    header, path = _recording(session, name, fitted, session.task)
    rings, recorder = role.begin(str(path), header, [source])
    keys = load_layout(layout)
    done = _spell(rings, recorder, fitted, keys, on_text=role.say, duration_s=duration_s, on_engine=role.take_engine)
    role.end("finished")
    return _summary(session, path, *done)


def _recording(session: Session, name: str, fitted: FittedChain, task: str) -> tuple[dict[str, str], Path]:
    header = {"task": task, "decoder": name, "decoder_id": fitted.decoder_id, "simulated": "false"}
    return header, session.run_path(task, session.next_run(task))


def _spell(
    source: Source,
    recorder: RunRecorder,
    fitted: FittedChain,
    layout: Layout,
    *,
    on_text: Callable[[str], None],
    duration_s: float | None,
    on_engine: Callable[[Engine], None] = lambda engine: None,
) -> tuple[RunResult, str]:
    """Run to the end; return what happened and the text."""
    text = TextBuffer()

    def take(decision: Decision) -> None:
        nonlocal text
        if decision.label is None or decision.label not in layout:
            return
        character = layout.character(decision.label)
        text = text.delete() if character == BACKSPACE else text.type(character)
        on_text(character)

    def watch(chunk: Chunk) -> None:
        if duration_s is not None and chunk.stop / fitted.contract.rate_hz >= duration_s:
            engine.stop()

    engine = Engine(
        source,
        SessionClock(),
        recorder=recorder,
        chain=fitted,
        on_decision=take,
        on_chunk=watch,
        until_run_stop=True,
    )
    on_engine(engine)
    return engine.run(), text.text


def _summary(session: Session, path: Path, result: RunResult, text: str) -> Mapping[str, object]:
    result.require_decoder(path)
    return {
        "text": text,
        "n_predictions": result.n_predictions,
        "n_decisions": result.n_decisions,
        "decision_latency_ms": result.latency_ms(),
        "events": len(result.events),
        "sha256": result.sha256,
        "stopped_by_signal": result.stopped_by_signal,
        "session": str(session.folder),
        "file": str(path),
        "simulated": False,
    }
