"""Recordings through the same engine as live: the same predictions to the bit, or those of another decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from volo_acquisition.clock import Clock, ManualClock, SessionClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.base import Source
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.types import Chunk, EventKind
from volo_app.engine import Engine
from volo_app.run_result import RunResult
from volo_app.session import find_session
from volo_app.training import require_whole
from volo_decoders.fitted import FittedChain
from volo_decoders.pipeline.decoding import LATE_MARKER
from volo_decoders.store import load_decoder
from volo_decoders.types import Decision

__all__ = ["Onlooker", "find_decoder", "replay"]


def find_decoder(path: Path, recording: Recording) -> FittedChain:
    """Return the decoder a recording was made with, from its session's folder.

    Raises
    ------
    FileError
        If the recording names none, or it is not there.
    """
    name = recording.header.get("decoder")
    if not name:
        raise FileError(
            f"{path} was recorded without a decoder",
            reason=Reason.NOT_FOUND,
            hint="choose one with --decoder FOLDER",
        )
    return load_decoder(find_session(path).folder / "decoders" / name)


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Who looks on while a recording is decoded again.

    Attributes
    ----------
    source : callable
        May put something around the source.
    engine : callable
        Told the engine before it runs, so that it can be stopped.
    decision, chunk : callable or None
        As for `Engine`.
    """

    source: Callable[[Source], Source] = lambda source: source
    engine: Callable[[Engine], None] = lambda engine: None
    decision: Callable[[Decision], None] | None = None
    chunk: Callable[[Chunk], None] | None = None


def replay(
    path: Path,
    *,
    decoder: Path | None = None,
    speed: float = 0.0,
    chunk_samples: int = 0,
    stream: str = "",
    ideal: bool = False,
    onlooker: Onlooker | None = None,
) -> Mapping[str, object]:
    """Decode a recording again and return the figures, as `volo replay --json` prints them.

    Parameters
    ----------
    path : Path
        The recording.
    decoder : Path or None
        Folder of a decoder, or an exported ``.onnx`` file; None takes the decoder in the recording's session.
    speed : float
        Times real time; 0 is as fast as the machine computes.
    chunk_samples : int
        How the samples are chunked; the result does not depend on it. 0 takes 25.
    stream : str
        Which signal stream, needed if there are several.
    ideal : bool
        Decode also what was left out live: windows that were skipped, and trials whose marker came too late.
    onlooker : Onlooker or None
        Who looks on.

    Raises
    ------
    FileError, DecoderError
        If the file or the decoder is absent, damaged, or does not fit.
    """
    recording = Recording.open(path)
    require_whole(recording)
    fitted = find_decoder(path, recording) if decoder is None else load_decoder(decoder)
    skipped = [(e.index, e.n) for e in recording.events if e.kind is EventKind.SKIP]
    lost = [
        (event.time, event.detail.removeprefix(LATE_MARKER))
        for event in recording.events
        if event.kind is EventKind.LATE and event.detail.startswith(LATE_MARKER)
    ]
    clock: Clock = SessionClock() if speed else ManualClock()
    settings = ReplaySource.Settings(file=str(path), speed=speed, chunk_samples=chunk_samples, stream=stream)
    onlooker = onlooker or Onlooker()
    engine = Engine(
        onlooker.source(ReplaySource(settings, clock, () if ideal else lost)),
        clock,
        chain=fitted,
        max_lag_s=None,
        skipped=() if ideal else skipped,
        on_decision=onlooker.decision,
        on_chunk=onlooker.chunk,
    )
    onlooker.engine(engine)
    stopwatch = SessionClock()
    t0 = stopwatch.now()
    result = engine.run()
    wall_s = stopwatch.now() - t0
    seconds = max((len(s.times) / s.info.rate_hz for s in recording.streams.values() if s.info.rate_hz), default=0.0)
    return {
        "file": str(path.absolute()),
        "decoder": fitted.decoder_id,
        "sha256": result.sha256,
        "n_predictions": result.n_predictions,
        "n_decisions": result.n_decisions,
        "decisions": [
            {"trial": d.group, "label": d.label, "confidence": d.confidence, "stop_index": d.stop_index}
            for d in result.decisions
        ],
        **_scored(result, fitted.spec.window.onset_label),
        "skipped": 0 if ideal else len(skipped),
        "duration_s": seconds,
        "speed": seconds / wall_s if wall_s > 0 else None,
        "simulated": recording.header.get("simulated") == "true",
    }


def _scored(result: RunResult, onset_label: str) -> dict[str, object]:
    """Return how many decisions of trials with a known target there are, and how many of them are right."""
    targets = {m.payload.get("trial"): m.payload.get("target") for m in result.markers if m.label == onset_label}
    known = [(d.label, targets[d.group]) for d in result.decisions if targets.get(d.group) is not None]
    return {"n_known": len(known), "n_right": sum(label == str(target) for label, target in known)}
