"""`volo gui`: the operator's desk."""

from __future__ import annotations

import argparse

from volo_app.console import Console, WrongUsage

HELP = "open the desk: live signal, calibration, spelling with a stimulus window"
EXAMPLE = """examples:
  volo gui
  volo gui --source lsl:name=EEG --participant P001 --layout benchmark40 --stimulus full-screen
  volo gui --auto --text "AB" --screenshot desk.png
  volo gui --task imagery --auto --screenshot steering.png"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--source", default="synthetic", metavar="NAME", help="synthetic (default), lsl:name=EEG, brainflow:BOARD, ..."
    )
    parser.add_argument(
        "--task",
        choices=("ssvep", "imagery"),
        default="ssvep",
        help="flickering keys (ssvep, default), or imagined movement that steers a cursor",
    )
    parser.add_argument(
        "--imagine", choices=("left", "right"), default="right", help="what a simulated participant imagines"
    )
    parser.add_argument(
        "--imagery", type=float, default=4.0, metavar="S", help="how long each trial is imagined (default 4 s)"
    )
    parser.add_argument("--workspace", metavar="DIR", help="where the session goes (default ~/Volo)")
    parser.add_argument("--participant", help="code of the participant, never a name (default P001, synthetic: SIM)")
    parser.add_argument("--layout", default="four", help="keys: a layout's name or file (default four)")
    parser.add_argument("--decoder", metavar="DIR", help="folder that `volo train` wrote, to spell with at once")
    parser.add_argument("--text", default="AB", help="what a simulated participant is to write (default AB)")
    parser.add_argument("--blocks", type=int, default=4, metavar="N", help="calibration blocks (default 4)")
    parser.add_argument(
        "--longest-window", type=float, default=2.0, metavar="S", help="longest window to train for (default 2 s)"
    )
    parser.add_argument(
        "--gaze-shift", type=float, default=0.7, metavar="S", help="time to move the eyes before a trial (default 0.7)"
    )
    parser.add_argument("--rest", type=float, default=0.5, metavar="S", help="rest after a trial (default 0.5)")
    parser.add_argument(
        "--stimulus",
        choices=("auto", "full-screen", "window"),
        default="auto",
        help="where the keys flicker; auto (default) fills a second display, or else opens a window",
    )
    parser.add_argument(
        "--accept-unverified-timing",
        action="store_true",
        help="train a phase-based decoder though the screen's timing is not verified; recorded",
    )
    parser.add_argument("--theme", choices=("auto", "dark", "light"), default="auto", help="colours (default auto)")
    parser.add_argument(
        "--auto",
        action="store_true",
        help="let the simulated participant calibrate and spell through both windows, then leave; things flicker",
    )
    parser.add_argument(
        "--screenshot", metavar="FILE", help="with --auto: keep images of both windows near the end, FILE.png"
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Open the desk and return the figures of its last runs."""
    from pathlib import Path

    simulated = args.source.partition(":")[0].strip() == "synthetic"
    _check(args, simulated)

    from volo_app.desk.app import DeskOptions, run_desk
    from volo_app.desk.settings import DeskSettings
    from volo_app.session import default_workspace
    from volo_paradigms.layout import load_layout

    layout = load_layout(args.layout)
    if simulated:
        try:
            layout.spell(args.text)
        except ValueError as error:
            raise WrongUsage(str(error)) from error
    workspace = Path(args.workspace) if args.workspace else default_workspace()
    settings = DeskSettings(
        workspace=str(workspace.absolute()),
        participant=args.participant or ("SIM" if simulated else "P001"),
        layout=args.layout,
        decoder_folder=args.decoder or "",
        longest_window_s=args.longest_window,
        gaze_shift_s=args.gaze_shift,
        rest_s=args.rest,
        imagery_s=args.imagery,
        stimulus=args.stimulus,
        accept_timing=args.accept_unverified_timing,
    )
    if args.auto:
        does = "steers a cursor" if args.task == "imagery" else "spells; keys will flicker"
        console.print(f"A simulated participant calibrates and {does}. Escape stops.")
    figures = run_desk(
        DeskOptions(
            settings=settings,
            source=args.source,
            task=args.task,
            text=args.text,
            wish=args.imagine,
            n_blocks=args.blocks,
            auto=args.auto,
            screenshot=str(Path(args.screenshot).absolute()) if args.screenshot else "",
            theme=args.theme,
        )
    )
    if args.auto:
        if args.task == "imagery":
            outcome = f"Held the end of the line {figures['n_selections']} times"
        else:
            outcome = f"Spelled {figures['text']!r}"
        console.print(f"{outcome}; everything was recorded in {figures['session']}")
    return {**figures, "simulated": simulated}


def _check(args: argparse.Namespace, simulated: bool) -> None:
    """Refuse options that are out of range or do not go together."""
    from pathlib import Path

    if args.auto and not simulated:
        raise WrongUsage("--auto is for the simulated participant: leave --source, or give synthetic")
    if args.screenshot and not args.auto:
        raise WrongUsage("--screenshot goes with --auto")
    if args.screenshot and Path(args.screenshot).suffix.lower() != ".png":
        raise WrongUsage(f"--screenshot: got {args.screenshot!r}, the name of an image ends in .png")
    if not args.longest_window >= 0.4:
        raise WrongUsage(f"--longest-window: got {args.longest_window:g}, it must be at least 0.4")
    if not 3 <= args.blocks <= 20:
        raise WrongUsage(f"--blocks: got {args.blocks}, allowed is 3 to 20")
    if not args.imagery >= 2.0:
        raise WrongUsage(f"--imagery: got {args.imagery:g}, it must be at least 2")
    if not (args.gaze_shift >= 0.0 and args.rest >= 0.0):
        raise WrongUsage("--gaze-shift and --rest must be at least 0")
