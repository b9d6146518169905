"""``volo verify``: says whether a recording is whole, and what is in it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_app.console import Console

HELP = "Check that a recording is whole: structure, checksums, stamps. The exit status is 1 if anything is wrong."
EXAMPLE = "volo verify recordings/synthetic_run-01_eeg.xdf"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="the recording (.xdf or a .xdf.part left by a crash)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Verify, and print what was found.

    Raises
    ------
    CommandFailed
        If the recording is not in order.
    """
    from pathlib import Path

    from volo_acquisition.recording.verify import verify
    from volo_app.console import CommandFailed
    from volo_app.json_values import plain

    path = Path(args.file).absolute()
    report = verify(path)
    fields: dict[str, object] = {"file": path, **plain(report)}
    for name, count in report.samples.items():
        console.print(f"{name}: {count} samples")
    console.print(f"{report.duration_s:.1f} s, {report.gaps} gaps")
    for problem in report.problems:
        console.print(f"problem: {problem}")
    if not report.ok:
        raise CommandFailed(fields, f"{path}: {len(report.problems)} problems (volo repair saves what can be read)")
    if report.complete:
        console.print("whole")
    elif any("ended early" in problem for problem in report.problems):
        console.print("in order, but the run ended early")
    else:
        console.print("in order, but not closed; volo repair completes it")
    return fields
