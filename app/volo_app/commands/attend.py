"""`volo attend`: which of two talkers a simulated listener attends to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from volo_app.console import Console, WrongUsage

HELP = "reconstruct speech from simulated EEG and tell which of two talkers is attended"
EXAMPLE = """examples:
  volo attend
  volo attend --trials 12 --seconds 30 --seed 7 --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--trials", type=int, metavar="N", help="how many trials (default 24)")
    parser.add_argument(
        "--train", type=int, metavar="N", help="the first N train, the rest are decoded (default: half)"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="length of a trial (default 60)")
    parser.add_argument("--window", type=float, metavar="S", help="window of the running decisions (default 5)")
    parser.add_argument("--hop", type=float, metavar="S", help="from one running decision to the next (default 1)")
    parser.add_argument("--seed", type=int, help="of the simulation (default 1)")
    parser.add_argument(
        "--chunk", type=int, metavar="N", help="samples a chunk when decoding (default 16); same result"
    )
    parser.add_argument("--workspace", metavar="DIR", help="where the session goes (default ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Simulate, train, decode, and return the figures."""
    from dataclasses import asdict
    from pathlib import Path

    from volo_app.attention import AttendSettings, attend
    from volo_app.session import create_session, default_workspace

    given = {
        "n_trials": args.trials,
        "n_train": args.train if args.train is not None or args.trials is None else args.trials // 2,
        "trial_s": args.seconds,
        "window_s": args.window,
        "hop_s": args.hop,
        "seed": args.seed,
        "chunk_samples": args.chunk,
    }
    try:
        settings = AttendSettings(**{key: value for key, value in given.items() if value is not None})
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    workspace = Path(args.workspace) if args.workspace else default_workspace()
    session = create_session(workspace, "LISTENER", task="attend", settings=asdict(settings))
    console.print(
        f"A simulated listener attends to one of two talkers: {settings.n_train} trials of {settings.trial_s:g} s to "
        f"train, {settings.n_trials - settings.n_train} to decode."
    )
    with console.progress("Trials", settings.n_trials) as bar:
        summary = dict(attend(session, settings, bar.advance))
    _tell(summary, console)
    return summary


def _tell(summary: Mapping[str, Any], console: Console) -> None:
    def number(value: float | None, form: str) -> str:
        return "n/a" if value is None else format(value, form)

    r = summary["reconstruction_r"]
    console.print(
        f"Reconstruction: r = {number(r['attended']['mean'], '.3f')} with the attended envelope, "
        f"{number(r['ignored']['mean'], '.3f')} with the other (whole trials)."
    )
    console.print("Window   right   of   above chance from   confidence   other trials' sound")
    for row in summary["windows"]:
        console.print(
            f"{row['window_s']:4g} s  {number(row['accuracy'], '6.1%')} {row['n']:4d}   "
            f"{number(row['chance_upper'], '17.1%')}   {number(row['mean_confidence'], '10.1%')}   "
            f"{number(row['mismatched_accuracy'], '19.1%')}"
        )
    running = summary["running"]
    console.print(
        f"Running: {number(running['accuracy'], '.1%')} of {running['n']} windows of {running['window_s']:g} s, one "
        f"every {running['hop_s']:g} s (they overlap, so they prove less than their number)."
    )
    console.print("Simulated: this shows that every part works, not how well a brain is decoded.")
    console.print(f"Everything was recorded in {summary['session']}")
