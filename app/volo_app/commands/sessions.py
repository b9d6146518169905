"""``volo sessions``: which there are, what is in one, going on after a crash, and deleting on withdrawal of consent."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volo_app.console import Console

HELP = "List sessions, show one, make one ready to go on after a crash, or delete what a person withdrew."
EXAMPLE = """examples:
  volo sessions
  volo sessions show sub-P001_ses-02
  volo sessions resume sub-P001_ses-02
  volo sessions delete sub-P001 --why "consent withdrawn" --yes"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    actions = ("list", "show", "resume", "delete")
    parser.add_argument("action", nargs="?", choices=actions, default="list", help="list is default")
    parser.add_argument(
        "session", nargs="?", metavar="LABEL", help="sub-P001_ses-02; for delete also sub-P001: everything of a person"
    )
    parser.add_argument(
        "--workspace", metavar="DIR", help="where the sessions are (default: VOLO_WORKSPACE, else ~/Volo)"
    )
    parser.add_argument("--why", metavar="TEXT", default="", help="why it is deleted; kept in tombstones.jsonl")
    parser.add_argument("--yes", action="store_true", help="really delete")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """List, show, resume or delete.

    Raises
    ------
    WrongUsage
        If the words do not go together.
    FileError
        If there is no such session, or it cannot be removed.
    """
    from volo_app.console import WrongUsage
    from volo_app.session import default_workspace
    from volo_app.sessions import list_sessions, pick, runs_of

    if (args.action == "list") == (args.session is not None):
        raise WrongUsage("sessions list takes no name; show, resume and delete need one, as in sub-P001_ses-02")
    workspace = Path(args.workspace).absolute() if args.workspace else default_workspace()
    if args.action == "list":
        rows = [
            {
                "label": s.label,
                "task": s.task,
                "runs": len(runs := runs_of(s)),
                "bytes": sum(r.size_bytes for r in runs),
            }
            for s in list_sessions(workspace)
        ]
        for row in rows:
            console.print(f"{row['label']}  {row['task']}  {row['runs']} runs, {int(str(row['bytes'])) / 1e6:.1f} MB")
        if not rows:
            console.print(f"no sessions in {workspace}")
        return {"workspace": workspace, "sessions": rows}
    if args.action == "delete":
        return _delete(args, workspace, console)
    session = pick(workspace, args.session)
    if args.action == "resume":
        return _resume(session.label, workspace, console)
    runs = runs_of(session)
    console.print(f"{session.label}, task {session.task}: {session.folder}")
    for found in runs:
        console.print(f"{found.file}  {found.size_bytes / 1e6:.1f} MB  {found.state}")
    return {"label": session.label, "folder": session.folder, "task": session.task, "runs": runs}


def _resume(label: str, workspace: Path, console: Console) -> dict[str, object]:
    from volo_app.sessions import pick, resume

    session = pick(workspace, label)
    found = resume(session)
    for leftover in found:
        if leftover.report is None:
            console.warn(leftover.problem)
        else:
            console.print(f"{leftover.report.path.name}: repaired, {leftover.report.dropped_bytes} bytes left out")
    run = session.next_run(session.task)
    console.print(f"{session.label} can go on with run {run}")
    return {
        "label": session.label,
        "folder": session.folder,
        "repaired": [found.report.path for found in found if found.report is not None],
        "problems": [found.problem for found in found if found.report is None],
        "next_run": run,
    }


def _delete(args: argparse.Namespace, workspace: Path, console: Console) -> dict[str, object]:
    from volo_app.console import WrongUsage
    from volo_app.sessions import delete

    if not (args.yes and args.why.strip()):
        raise WrongUsage("sessions delete needs --why TEXT and --yes: what is deleted cannot be brought back")
    removed = delete(workspace, args.session, why=args.why)
    console.print(
        f"sub-{removed.participant}: {len(removed.sessions)} sessions removed, {removed.n_files} files, "
        f"{removed.n_bytes / 1e6:.1f} MB; noted in tombstones.jsonl"
    )
    return {
        "participant": removed.participant,
        "removed": removed.sessions,
        "files": removed.n_files,
        "bytes": removed.n_bytes,
    }
