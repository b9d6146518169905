"""`volo replay`: decode a recording again, with its own decoder or another."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from volo_app.console import Console, WrongUsage

HELP = "decode a recording again; with its own decoder the result is the live one to the bit"
EXAMPLE = """examples:
  volo replay ~/Volo/sub-DEMO/ses-01/sourcedata/sub-DEMO_ses-01_task-ssvep_run-02_eeg.xdf
  volo replay FILE.xdf --speed 10 --chunk 7
  volo replay FILE.xdf --decoder ~/Volo/sub-P001/ses-02/decoders/etrca
  volo replay S001R10.edf --decoder my-imagery
  volo replay monkey_m1_first70.npz --decoder m1.onnx"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("file", metavar="FILE", help="a recording: .xdf, .fif, .edf of EEGMMIDB, .npz")
    parser.add_argument(
        "--decoder",
        metavar="DIR",
        help="another decoder: its folder, an exported .onnx file, or a spiking decoder's",
    )
    parser.add_argument("--speed", type=float, default=0.0, help="times real time; 0 (default) is unthrottled")
    parser.add_argument("--chunk", type=int, default=0, metavar="N", help="samples a chunk (default 25)")
    parser.add_argument("--stream", default="", help="which signal stream, if there are several")
    parser.add_argument("--ideal", action="store_true", help="decode also windows that were skipped live as too late")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Replay the file and return the figures."""
    from pathlib import Path

    from volo_app.redecoding import redecode

    if not 0 <= args.speed < float("inf") or args.chunk < 0:
        raise WrongUsage("--speed and --chunk must be finite and at least 0")
    with console.progress("Replay", None):
        summary = dict(
            redecode(
                Path(args.file),
                decoder=Path(args.decoder) if args.decoder else None,
                speed=args.speed,
                chunk_samples=args.chunk,
                stream=args.stream,
                ideal=args.ideal,
            )
        )
    for line in told(summary):
        console.print(line)
    console.print(f"sha256 {summary['sha256']}")
    return summary


def told(summary: Mapping[str, object]) -> list[str]:
    """Return what a person is told of a recording that was decoded again."""
    r2 = summary.get("r2")
    if isinstance(r2, dict):
        values = ", ".join(f"{name} {'not recorded' if v is None else format(v, '.3f')}" for name, v in r2.items())
        seen = summary.get("trained_bins")
        warning = f"; the decoder was trained on {seen} bins of some recording" if seen else ""
        return [f"R2 of {summary['n_scored']} bins: {values}{warning}"]
    running = summary.get("running")
    if isinstance(running, dict):
        right = "n/a" if running["accuracy"] is None else f"{running['accuracy']:.1%}"
        return [f"{summary['decoder']}: {right} of {running['n']} windows of {running['window_s']:g} s right"]
    lines = []
    decisions = summary["decisions"]
    if isinstance(decisions, list):
        lines.append("decided: " + " ".join(str(d["label"]) for d in decisions))
    if summary["n_known"]:
        lines.append(f"{summary['n_right']} of {summary['n_known']} decisions with a known target are right")
    speed = summary["speed"]
    if isinstance(speed, float):
        lines.append(
            f"{summary['n_predictions']} predictions, {summary['n_decisions']} decisions, {speed:.0f}x real time"
        )
    return lines
