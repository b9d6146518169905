"""`volo protocol`: run a protocol file."""

from __future__ import annotations

import argparse
import sys
import threading

from volo_app.console import CommandFailed, Console, WrongUsage

HELP = "run a protocol file: blocks, breaks and questions, one session"
EXAMPLE = """examples:
  volo protocol study.toml --check
  volo protocol study.toml --virtual
  volo protocol study.toml --participant P001 --source lsl:name=EEG --stimulus full-screen"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("file", metavar="FILE", help="the protocol (.toml)")
    parser.add_argument("--check", action="store_true", help="only read the file, and tell all that is wrong with it")
    parser.add_argument("--participant", metavar="CODE", help="code of the participant (default P001, synthetic: SIM)")
    parser.add_argument("--source", default="synthetic", metavar="NAME", help="synthetic (default), lsl:name=EEG, ...")
    parser.add_argument("--virtual", action="store_true", help="synthetic: without a window, in virtual time")
    parser.add_argument(
        "--accept-unverified-timing",
        action="store_true",
        help="keep phase-based decoders though the timing is not verified; recorded",
    )
    parser.add_argument(
        "--confirm-flicker", action="store_true", help="the operator confirms what a flicker is warned of"
    )
    parser.add_argument(
        "--stimulus", choices=("auto", "full-screen", "window"), default="auto", help="where keys flicker"
    )
    parser.add_argument("--display", type=int, default=-1, metavar="N", help="which display, from 0 (default the last)")
    parser.add_argument("--profile", default="", metavar="FILE", help="profile of the display (.toml)")
    parser.add_argument("--patch", default="", metavar="CORNER", help="photodiode patch, e.g. lower-right")
    parser.add_argument("--notes", action="store_true", help="record lines of standard input as operator's notes")
    parser.add_argument("--workspace", metavar="DIR", help="where the session goes (default ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Run the protocol and return the figures of its blocks."""
    from pathlib import Path

    from volo_app.engine import Engine
    from volo_app.protocol_run import ProtocolOptions, ProtocolRun
    from volo_app.session import default_workspace
    from volo_app.stimulus.process import ScreenSettings
    from volo_paradigms.protocol import load_protocol

    protocol = load_protocol(Path(args.file))
    if args.check:
        names = [block.name for block in protocol.blocks]
        console.print(f"{protocol.name}: {len(names)} blocks, nothing wrong: {', '.join(names)}")
        return {"name": protocol.name, "blocks": names, "ok": True}
    try:
        screen = ScreenSettings(mode=args.stimulus, display=args.display, profile=args.profile, patch=args.patch)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    simulated = args.source.partition(":")[0].strip() == "synthetic"
    options = ProtocolOptions(
        workspace=Path(args.workspace) if args.workspace else default_workspace(),
        participant=args.participant or ("SIM" if simulated else "P001"),
        source=args.source,
        virtual=args.virtual,
        accept_timing=args.accept_unverified_timing,
        confirmed=args.confirm_flicker,
        screen=screen,
    )
    engines: list[Engine] = []
    protocol_run = ProtocolRun(protocol, options, console.print, engines.append)
    if args.notes:
        threading.Thread(target=_take_notes, args=(engines,), name="notes", daemon=True).start()
    result = protocol_run.run()
    if not result["complete"]:
        raise CommandFailed(result, "the protocol was not run to its end; what was recorded is in the session")
    console.print(f"Everything was recorded in {result['session']}")
    return result


def _take_notes(engines: list[object]) -> None:
    """Give each line of standard input to the engine that runs, as a note."""
    for line in sys.stdin:
        note = getattr(engines[-1], "note", None) if engines else None
        if note is not None and line.strip():
            note(line.strip())
