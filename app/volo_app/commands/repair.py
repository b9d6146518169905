"""``volo repair``: what can be read of a damaged recording, as a whole one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

HELP = "Save what can be read of a damaged or unfinished recording to a whole one; the original is kept."
EXAMPLE = "volo repair recordings/synthetic_run-01_eeg.xdf.part"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="the recording")
