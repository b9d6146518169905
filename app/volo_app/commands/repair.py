"""``volo repair``: what can be read of a damaged recording, as a whole one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_app.console import Console

HELP = "Save what can be read of a damaged or unfinished recording to a whole one; the original is kept."
EXAMPLE = "volo repair recordings/synthetic_run-01_eeg.xdf.part"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="a .xdf.part left by a crash, or a damaged .xdf")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Repair one recording.

    Raises
    ------
    FileError
        If there is nothing to save or nothing to repair, or the result cannot be written.
    """
    from pathlib import Path

    from volo_acquisition.errors import FileError, Reason
    from volo_acquisition.recording.repair import repair

    path = Path(args.file).absolute()
    if not path.name.endswith((".xdf", ".xdf.part")):
        raise FileError(
            f"{path}: got a file that ends neither in .xdf nor in .xdf.part",
            reason=Reason.UNSUPPORTED,
            hint="only XDF recordings can be repaired",
        )
    report = repair(path)
    console.print(f"{report.path}: {report.kept_bytes} bytes kept, {report.dropped_bytes} left out")
    for name, count in report.samples.items():
        console.print(f"{name}: {count} samples")
    return {
        "file": report.path,
        "kept_bytes": report.kept_bytes,
        "dropped_bytes": report.dropped_bytes,
        "samples": report.samples,
    }
