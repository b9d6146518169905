"""`volo run`: an exported decoder on a source, and nothing else: numpy, onnxruntime and the source's driver."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from volo_app.console import CommandFailed, Console, WrongUsage

if TYPE_CHECKING:
    from volo_decoders.types import Decision

HELP = "run an exported decoder (.onnx) on a source; needs only numpy, onnxruntime and the source's driver"
EXAMPLE = """examples:
  volo run speller.onnx --source lsl:name=EEG,marker_name=Presenter
  volo run speller.onnx --source replay:FILE.xdf,speed=0 --json
  volo run speller.onnx --source lsl:name=EEG --lines"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("file", metavar="FILE", help="a file that `volo export` wrote (.onnx)")
    parser.add_argument(
        "--source",
        required=True,
        metavar="NAME",
        help="where samples and onset markers come from, as shown by volo devices: NAME or NAME:key=value,...",
    )
    parser.add_argument("--duration", type=float, metavar="S", help="end after so many seconds of signal")
    parser.add_argument("--lines", action="store_true", help="print each decision as one line of JSON, at once")
    parser.add_argument("--key", metavar="FILE", help="public key (PEM): refuse a file without a valid signature")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Run to the end of the source, the time, or Ctrl+C; return what was decided.

    Raises
    ------
    DecoderError, FileError
        If the file is refused, or does not fit the stream.
    DeviceError
        If the source cannot be opened or falls silent.
    """
    from pathlib import Path

    from volo_acquisition.clock import ManualClock, SessionClock
    from volo_acquisition.sources.spec import make_source, parse_spec
    from volo_acquisition.types import Chunk
    from volo_app.engine import Engine
    from volo_app.json_values import dump_json
    from volo_app.stopping import stop_signals
    from volo_decoders.onnx.exported import load_exported

    if args.duration is not None and not 0.0 < args.duration < float("inf"):
        raise WrongUsage(f"--duration: got {args.duration:g}, it must be a number of seconds above 0")
    if args.lines and args.json:
        raise WrongUsage("--lines and --json both want standard output: choose one")
    chain = load_exported(Path(args.file), key=Path(args.key) if args.key else None)
    # a recording as fast as it goes has no use for a wall clock; everything else has
    spec = parse_spec(args.source)
    as_fast_as_it_goes = spec.name == "replay" and ("speed", "0") in spec.values
    clock = ManualClock() if as_fast_as_it_goes else SessionClock()

    def tell(decision: Decision) -> None:
        fields = _fields(decision)
        if args.lines:
            console.write(dump_json(fields) + "\n")
        else:
            label = decision.label if decision.label is not None else "(abstained)"
            console.print(f"{decision.time:10.3f} s  {label}  {decision.confidence:.2f}")

    n_left = float("inf") if args.duration is None else args.duration * chain.contract.rate_hz

    def count(chunk: Chunk) -> None:
        nonlocal n_left
        n_left -= len(chunk)
        if n_left <= 0:
            engine.stop()

    engine = Engine(
        make_source(args.source, clock),
        clock,
        chain=chain,
        on_decision=tell,
        on_chunk=count,
        max_lag_s=None if as_fast_as_it_goes else 0.5,
        until_run_stop=True,
    )
    with stop_signals(engine.stop):
        result = engine.run()
    summary: dict[str, object] = {
        "file": str(Path(args.file).absolute()),
        "decoder": chain.decoder_id,
        "source": spec.name,
        "n_predictions": result.n_predictions,
        "n_decisions": result.n_decisions,
        "decisions": [_fields(decision) for decision in result.decisions],
        "events": len(result.events),
        "decision_latency_ms": result.latency_ms(),
        "sha256": result.sha256,
    }
    if not args.lines:
        latency = result.latency_ms()["p50"]
        took = "" if latency is None else f", {latency:.1f} ms from sample to decision (median)"
        console.print(f"{result.n_decisions} decisions, {result.n_predictions} windows{took}")
    onset = chain.spec.window.onset_label
    if not result.n_predictions and not any(marker.label == onset for marker in result.markers):
        raise CommandFailed(
            summary, f"nothing was decoded: no marker {onset!r} came; name the marker stream in --source"
        )
    return summary


def _fields(decision: Decision) -> dict[str, object]:
    return {
        "time": decision.time,
        "trial": decision.group,
        "label": decision.label,
        "confidence": decision.confidence,
        "stop_index": decision.stop_index,
        "windows": decision.n_windows,
    }
