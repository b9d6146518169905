"""``volo monitor``: a run that is going on, seen from outside."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group

    from volo_app.console import Console

HELP = "watch a run that is going on: rate, gaps, quality, disk, ring and heartbeats; it is only looked at"
EXAMPLE = """examples:
  volo monitor
  volo monitor --json"""

_COLOURS = {"ok": "green", "flat": "red", "rail": "red", "nan": "red"}
_EVERY_S = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--pid", type=int, metavar="N", help="process of the recorder, if several runs are going on")
    parser.add_argument(
        "--for", dest="seconds", type=float, metavar="S", help="leave after so long (default: when it is over)"
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Show the run until it is over; with --json, one look.

    Raises
    ------
    FileError
        If no run is going on, or several are and none is named.
    """
    from volo_acquisition.clock import SessionClock
    from volo_acquisition.errors import FileError, Reason
    from volo_app.console import WrongUsage
    from volo_app.monitor import find_run, observe

    if args.seconds is not None and not 0.0 < args.seconds < math.inf:
        raise WrongUsage(f"--for: got {args.seconds}, it must be a number of seconds above 0")
    clock = SessionClock()
    folder = find_run(args.pid)
    seen = observe(folder, clock)
    if seen is None:
        raise FileError("the run is over", reason=Reason.NOT_FOUND, hint="see: volo verify FILE")
    if args.json or console.quiet:
        return seen

    from rich.live import Live

    end = math.inf if args.seconds is None else clock.now() + args.seconds
    try:
        with Live(_view(seen), auto_refresh=False) as live:
            while clock.now() < end:
                clock.sleep(_EVERY_S)
                now = observe(folder, clock)
                if now is None:
                    break
                seen = now
                live.update(_view(seen), refresh=True)
    except KeyboardInterrupt:  # the one who watches has seen enough
        return seen
    return seen


def _view(seen: dict[str, Any]) -> Group:
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    recorded, disk = seen["recorded"], seen["disk"]
    head = Table.grid(padding=(0, 2))
    lines = {
        "run": f"{seen.get('file', 'not recorded')}  ({seen['state']}, process {seen['pid']})",
        "recorded": f"{recorded['duration_s']:.1f} s, {sum(recorded['samples'].values())} samples, "
        f"{recorded['markers']} markers",
        "trouble": ", ".join(f"{kind} {n}" for kind, n in recorded["events"].items()) or "none",
        "lost": f"{recorded['lost']} samples",
        "disk": f"{_size(disk['free_bytes'])} free, {_minutes(disk['minutes_left'])}, "
        f"longest write {1e3 * disk['longest_write_s']:.0f} ms",
        "alive": ", ".join(f"{role} {age:.1f} s ago" for role, age in seen["beats"].items()),
    }
    for name, text in lines.items():
        head.add_row(f"[bold]{name}[/bold]", escape(text))
    sources = Table("source", "state", "restarts", "high water", box=None)
    for source in seen["sources"]:
        sources.add_row(
            escape(source["text"]), source["state"], str(source["restarts"]), f"{source['high_water_s']:.2f} of 60 s"
        )
    return Group(head, "", sources, "", *(_stream(stream) for stream in seen["streams"]))


def _stream(stream: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    rate = "silent" if stream["rate_hz"] is None else f"{stream['rate_hz']:.2f} of {stream['nominal_rate_hz']:g} Hz"
    table = Table("channel", "quality", "amplitude", title=f"{stream['name']}: {rate}", box=None, title_justify="left")
    for channel in stream["channels"]:
        colour = _COLOURS[channel["quality"]]
        table.add_row(
            escape(channel["name"]),
            f"[{colour}]{channel['quality']}[/{colour}]",
            f"{channel['amplitude']:.1f} {channel['unit']}",
        )
    return table


def _size(n_bytes: float | None) -> str:
    return "?" if n_bytes is None else f"{n_bytes / 2**30:.1f} GiB"


def _minutes(minutes: float | None) -> str:
    return "time left unknown" if minutes is None else f"{minutes:.0f} min left"
