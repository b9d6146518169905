"""`volo demo`: the main job, with no amplifier, no screen and no questions."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from volo_app.console import Console, WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

    from volo_decoders.types import Decision

HELP = "watch text being spelled from brain signals: simulated ones, or recorded ones with --real"
EXAMPLE = """examples:
  volo demo
  volo demo --text "HELLO WORLD" --participant 3
  volo demo --realtime
  volo demo --real --data-root DIR --subject 07 --session 2"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--text", help="what the simulated participant wants to write")
    parser.add_argument("--participant", help="which simulated participant: median (default) or a number")
    parser.add_argument("--seed", type=int, help="of the simulated brain's noise (default 1)")
    parser.add_argument("--decoder", choices=("etrca", "fbcca"), help="decoder to train (default etrca)")
    parser.add_argument("--blocks", type=int, metavar="N", help="calibration blocks of 40 trials (default 5)")
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="spell at 1x, samples going out and coming back over a real LSL stream (calibration stays accelerated)",
    )
    parser.add_argument(
        "--realtime-calibration", action="store_true", help="with --realtime: calibrate at 1x over LSL too"
    )
    parser.add_argument("--real", action="store_true", help="decode a recorded person, streamed over real LSL")
    parser.add_argument("--data-root", metavar="DIR", help="with --real: folder that contains ssvep_exo")
    parser.add_argument("--subject", default="01", help="with --real: two digits (default 01)")
    parser.add_argument("--session", type=int, default=1, help="with --real: from 1 (default 1)")
    parser.add_argument("--window", type=float, default=3.0, help="with --real: seconds (default 3)")
    parser.add_argument("--speed", type=float, default=10.0, help="with --real: times real time (default 10)")
    parser.add_argument("--workspace", metavar="DIR", help="where the session goes (default ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Run the demo and return its figures."""
    from pathlib import Path

    from volo_app.session import default_workspace

    workspace = Path(args.workspace) if args.workspace else default_workspace()
    if args.real:
        return _real(args, console, workspace)
    return _simulated(args, console, workspace)


def _simulated(args: argparse.Namespace, console: Console, workspace: Path) -> dict[str, object]:
    from dataclasses import asdict

    from volo_app.demo import DemoSettings, calibrate, spell, spelling_summary, train_speller
    from volo_app.outputs.console import ConsoleOutput
    from volo_app.realtime import calibrate_realtime, spell_realtime
    from volo_app.session import create_session
    from volo_paradigms.layout import load_layout

    given = {
        "text": args.text,
        "participant": args.participant,
        "seed": args.seed,
        "decoder": args.decoder,
        "n_blocks": args.blocks,
    }
    try:
        settings = DemoSettings(**{key: value for key, value in given.items() if value is not None})
        layout = load_layout(settings.layout)
        layout.spell(settings.text)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    session = create_session(workspace, "DEMO", task="ssvep", settings=asdict(settings))
    console.print(f"A simulated participant ({settings.participant}) looks at 40 flickering keys; no amplifier needed.")
    n_trials = settings.n_blocks * len(layout)
    with console.progress("Calibration", n_trials) as bar:
        if args.realtime_calibration:
            was_stopped = "stopped_by_signal" in calibrate_realtime(session, settings, bar.advance)
        else:
            was_stopped = calibrate(session, settings, on_trial=bar.advance).stopped_by_signal
    if was_stopped:
        raise KeyboardInterrupt  # with the recording closed; half a calibration trains nothing
    with console.progress("Training", settings.n_blocks) as bar:
        fitted = train_speller(session, settings, progress=lambda done, total: bar.advance())
    console.print(f"Calibrated {fitted.decoder_id} on {n_trials} simulated trials. It now reads what is spelled:")
    console.write("  ")
    if args.realtime:
        summary = spell_realtime(session, settings, on_text=console.write, on_warning=console.warn)
        console.print()
    else:
        result, paradigm = spell(session, settings, fitted, outputs=(ConsoleOutput(console),))
        console.print()
        result.require_decoder(session.folder)
        summary = dict(spelling_summary(result, paradigm.text, layout, settings, session))
    _tell(summary, console)
    console.print("Simulated: this shows that every part works, not how well a brain is decoded.")
    return summary


def _real(args: argparse.Namespace, console: Console, workspace: Path) -> dict[str, object]:
    from dataclasses import asdict

    from volo_app.real_demo import RealDemoSettings, run_real
    from volo_app.session import create_session

    if not args.data_root:
        raise WrongUsage("--real needs --data-root, the folder that contains ssvep_exo (docs/data.md tells where from)")
    if not (args.speed > 0 and args.window > 0):
        raise WrongUsage("--speed and --window must be above 0")
    settings = RealDemoSettings(args.data_root, args.subject, args.session, args.window, args.speed)
    session = create_session(workspace, "EXO" + args.subject, task="ssvep", settings=asdict(settings))
    console.print(f"Subject {args.subject}, session {args.session}, streamed over LSL at {args.speed:g}x:")
    right = 0

    def show(decision: Decision, target: str) -> None:
        nonlocal right
        right += decision.label == target
        mark = "right" if decision.label == target else "wrong"
        console.print(f"  trial {decision.group:2d}: decided {decision.label} Hz, looked at {target} Hz  {mark}")

    summary = dict(run_real(session, settings, show))
    _tell(summary, console)
    return summary


def _tell(summary: Mapping[str, object], console: Console) -> None:
    def number(key: str, form: str) -> str:
        value = summary.get(key)
        return format(value, form) if isinstance(value, int | float) and math.isfinite(value) else "n/a"

    assumptions = summary["itr_assumptions"]
    latency = summary["decision_latency_ms"]
    console.print(f"Accuracy of first selections: {number('accuracy', '.1%')}")
    if isinstance(assumptions, dict):
        told = ", ".join(
            f"{key.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{key.replace('_', ' ')} {value}"
            for key, value in assumptions.items()
            if value is not None
        )
        console.print(f"Information transfer rate:    {number('itr_bits_per_min', '.0f')} bits/min ({told})")
    console.print(f"Right characters a minute:    {number('chars_per_min_correct', '.1f')}")
    if isinstance(latency, dict) and latency["p50"] is not None:
        console.print(
            f"From sample to decision:      median {latency['p50']:.2f} ms, 99th percentile {latency['p99']:.2f} ms"
        )
    console.print(f"Everything was recorded in    {summary['session']}")
