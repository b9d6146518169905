"""`volo screening`: the questions and the consent that come before any flicker."""

from __future__ import annotations

import argparse

from volo_app.console import CommandFailed, Console, WrongUsage

HELP = "record a participant's answers and consent, without which nothing flickers"
EXAMPLE = """examples:
  volo screening --participant P001
  volo screening --participant P001 --operator AB --no all --consent
  volo screening --participant P001 --operator AB --no all --yes sleep --confirm sleep --consent"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--participant", required=True, metavar="CODE", help="code of the participant, never a name")
    parser.add_argument("--operator", metavar="CODE", help="code of who asked; needed to record answers")
    parser.add_argument("--no", action="append", default=[], metavar="NAME", help="answered with no; or all")
    parser.add_argument("--yes", action="append", default=[], metavar="NAME", help="answered with yes")
    parser.add_argument(
        "--confirm", action="append", default=[], metavar="NAME", help="the operator confirms that a yes is no obstacle"
    )
    parser.add_argument("--consent", action="store_true", help="the text of consent was agreed to")
    parser.add_argument(
        "--language", default="en", metavar="CODE", help="in which the questions were asked (default en)"
    )
    parser.add_argument("--workspace", metavar="DIR", help="where the sessions are (default ~/Volo)")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Show the questions, or keep the answers; fail while something stands in the way."""
    from pathlib import Path

    from volo_app.screening import load_screening, save_screening
    from volo_app.session import default_workspace
    from volo_paradigms.safety.screening import CONSENT, QUESTIONS, VERSION, Screening

    workspace = Path(args.workspace) if args.workspace else default_workspace()
    names = [question.name for question in QUESTIONS]
    for option in ("no", "yes", "confirm"):
        wrong = [name for name in getattr(args, option) if name not in (*names, *(("all",) if option == "no" else ()))]
        if wrong:
            raise WrongUsage(f"--{option}: got {wrong[0]!r}, known are {', '.join(names)}")
    if args.no or args.yes or args.consent:
        if not args.operator:
            raise WrongUsage("answers need --operator: the code of who asked")
        answers = dict.fromkeys(names if "all" in args.no else args.no, False) | dict.fromkeys(args.yes, True)
        given = Screening(answers, args.consent, tuple(args.confirm), args.language)
        console.print(f"kept in {save_screening(workspace, args.participant, given, operator=args.operator)}")
    for question in QUESTIONS:
        console.print(f"{question.name:<16} {question.text}{' (yes: no flicker)' if question.excludes else ''}")
    console.print(f"\nconsent: {CONSENT}\n")
    screening = load_screening(workspace, args.participant)
    obstacles = ["not asked yet"] if screening is None else screening.obstacles()
    result: dict[str, object] = {"participant": args.participant, "version": VERSION, "may_flicker": not obstacles}
    result["obstacles"] = obstacles
    if obstacles:
        raise CommandFailed(result, f"nothing may flicker: {'; '.join(obstacles)}")
    console.print("Nothing stands in the way.")
    return result
