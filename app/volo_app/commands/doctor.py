"""``volo doctor``: looks at the machine and says what mends it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_app.console import Console

HELP = "Check this machine: Python, libraries, drivers, clocks, folders; each problem with the command that mends it."
EXAMPLE = "volo doctor --json"

_SIGNS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--workspace", metavar="DIR", help="folder to check (default: $VOLO_WORKSPACE, else ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Make all checks and print them.

    Raises
    ------
    CommandFailed
        If any check failed.
    """
    from pathlib import Path

    from volo_app.console import CommandFailed
    from volo_app.health import check_machine
    from volo_app.session import default_workspace

    workspace = Path(args.workspace).absolute() if args.workspace else default_workspace()
    checks = check_machine(workspace)
    width = max(len(check.name) for check in checks)
    for check in checks:
        console.print(f"{_SIGNS[check.status]}  {check.name:<{width}}  {check.detail}")
        if check.mend and check.status != "ok":
            console.print(f"      {'':<{width}}  mend: {check.mend}")
    failed = [check.name for check in checks if check.status == "fail"]
    warned = sum(check.status == "warn" for check in checks)
    fields: dict[str, object] = {"ok": not failed, "failed": len(failed), "warned": warned, "checks": checks}
    if failed:
        raise CommandFailed(fields, f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")
    return fields
