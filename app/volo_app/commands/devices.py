"""``volo devices``: what could be recorded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_app.console import Console

HELP = "List what can be recorded, each with the text to write after --source; no hardware is touched."
EXAMPLE = "volo devices --lsl-wait 2"

_PRESENT = {True: "here", None: "?", False: "absent"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--lsl-wait",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds to look for LSL streams; 0: do not (default: 1)",
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """List the devices."""
    from volo_acquisition.sources.listing import list_devices
    from volo_app.console import WrongUsage

    if not 0.0 <= args.lsl_wait <= 60.0:
        raise WrongUsage(f"argument --lsl-wait: got {args.lsl_wait}, it must be from 0 to 60 seconds")
    rows = list_devices(args.lsl_wait)
    width = max((len(row.spec) for row in rows), default=0)
    for row in rows:
        console.print(f"{_PRESENT[row.present]:<6}  {row.spec:<{width}}  {row.description}")
    return {"devices": rows}
