"""The command line: finds the command, imports only its module, and turns every ending into an exit status.

Loads the standard library only. A command is a module in the table below with ``HELP``, ``EXAMPLE``,
``configure(parser)`` and ``run(args, console)``; it imports what is heavy inside ``run``. ``run`` returns the fields
of the command's JSON object, without ``schema``.

Exit status: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from typing import NamedTuple, NoReturn

from volo_app.console import CommandFailed, Console, OutputClosed, WrongUsage
from volo_app.failures import Failure, describe, write_crash_log
from volo_app.role import limit_threads

__all__ = ["COMMANDS", "Command", "build_parser", "main"]


class Command(NamedTuple):
    """Where a command lives and what it is for."""

    module: str
    help: str


#: The commands, in the order of the help text.
COMMANDS: Mapping[str, Command] = {
    "gui": Command("volo_app.commands.gui", "open the desk: live signal, calibration, spelling with a stimulus window"),
    "demo": Command("volo_app.commands.demo", "spell a word with a simulated participant, from signal to text"),
    "devices": Command("volo_app.commands.devices", "list the amplifiers and streams that can be recorded"),
    "profiles": Command("volo_app.commands.profiles", "list, show and check hardware profiles"),
    "doctor": Command("volo_app.commands.doctor", "check this machine, and say what mends it"),
    "record": Command("volo_app.commands.record", "record a source to an XDF file"),
    "monitor": Command("volo_app.commands.monitor", "watch a run that is going on, from outside"),
    "verify": Command("volo_app.commands.verify", "check that a recording is whole"),
    "repair": Command("volo_app.commands.repair", "save what can be read from a damaged recording"),
    "sessions": Command("volo_app.commands.sessions", "list sessions, go on after a crash, delete on withdrawal"),
    "import": Command("volo_app.commands.import_", "turn a recording of another program into XDF"),
    "train": Command("volo_app.commands.train", "fit a decoder to a calibration recording"),
    "export": Command("volo_app.commands.export", "write a trained decoder as one ONNX file"),
    "run": Command("volo_app.commands.run", "run an exported decoder (.onnx) on a source"),
    "spell": Command("volo_app.commands.spell", "spell live with a fitted decoder"),
    "replay": Command("volo_app.commands.replay", "run a recording through the online pipeline again"),
    "evaluate": Command("volo_app.commands.evaluate", "measure a decoder's accuracy on a data set"),
    "certify": Command("volo_app.commands.certify", "measure how well this rig keeps time, and keep a certificate"),
    "protocol": Command("volo_app.commands.protocol", "run a protocol: blocks, breaks, questions, one session"),
    "screening": Command("volo_app.commands.screening", "ask what comes before any flicker, and keep the answers"),
    "scenes": Command("volo_app.commands.scenes", "draw every scene of every paradigm, and judge what flickers"),
    "spiking": Command("volo_app.commands.spiking", "train and stream a spiking decoder of hand velocity"),
    "attend": Command("volo_app.commands.attend", "tell which of two simulated talkers is attended"),
}


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Refuse wrong usage."""
        raise WrongUsage(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str or None
        The arguments without the program's name; None takes them from the process.

    Returns
    -------
    int
        The exit status.
    """
    if getattr(sys, "frozen", False):
        import multiprocessing

        multiprocessing.freeze_support()
    limit_threads()
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a console without a letter's glyph must not end a run
    try:
        return _dispatch(words)
    except OutputClosed:
        return _leave_closed_output()


def _dispatch(words: list[str]) -> int:
    name = words[0] if words else ""
    if name in {"-h", "--help"}:
        Console().write(_overview().format_help())
        return 0
    if name == "--version":
        Console().print(f"volo {_version()}")
        return 0
    if name in COMMANDS:
        return _command(name, words[1:])
    console = Console("--json" in words)
    if not name:
        message, hint = "no command given", "see: volo --help"
    elif name.startswith("-"):
        message, hint = f"unknown option {name!r}", "options follow the command; see: volo --help"
    else:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        message = f"unknown command {name!r}"
        hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(COMMANDS)}"
    return _fail(console, "volo.cli/1", Failure(message, "usage", hint), status=2)


def build_parser(name: str) -> argparse.ArgumentParser:
    """Import the module of command `name` and return its parser."""
    module = importlib.import_module(COMMANDS[name].module)
    parser = _Parser(
        prog=f"volo {name}",
        description=module.HELP,
        epilog=_example(module.EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.configure(parser)
    common = parser.add_argument_group("output")
    common.add_argument("--json", action="store_true", help="print one JSON object, and all else on standard error")
    common.add_argument("--quiet", action="store_true", help="print no text and no progress")
    common.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="warning",
        metavar="LEVEL",
        help="how much to log on standard error: debug, info, warning (default) or error",
    )
    common.add_argument("--debug", action="store_true", help="show the traceback of an unexpected error")
    return parser


def _example(text: str) -> str:
    """Return the examples of a command, under a heading of their own if they bring none."""
    return text if text.startswith("example") else f"example:\n  {text}"


def _command(name: str, words: list[str]) -> int:
    schema = f"volo.{name}/1"
    console = Console("--json" in words, "--quiet" in words)
    args = argparse.Namespace()
    usage = ""
    try:
        parser = build_parser(name)
        usage = parser.format_usage()
        parser.parse_args(words, args)
        _set_log_level(args.log_level)
        with _json_has_stdout() if args.json else nullcontext():
            fields = importlib.import_module(COMMANDS[name].module).run(args, console)
        console.result({"schema": schema, **fields})
        return 0
    except SystemExit as leaving:  # argparse after --help
        return leaving.code if isinstance(leaving.code, int) else 0
    except WrongUsage as wrong:
        sys.stderr.write(usage)
        return _fail(console, schema, Failure(str(wrong), "usage", f"see: volo {name} --help"), status=2)
    except CommandFailed as failed:
        console.result({"schema": schema, **failed.result})
        console.error(failed.message)
        return 1
    except KeyboardInterrupt:
        return _fail(console, schema, Failure("interrupted", "interrupted"))
    except OutputClosed:
        raise
    except Exception as error:  # noqa: BLE001 - the single top handler of this process
        return _fail(console, schema, _failure(error, args))


def _failure(error: Exception, args: argparse.Namespace) -> Failure:
    """Return what to tell of `error`; what is not foreseen leaves a crash log."""
    place = str(getattr(args, "out", None) or getattr(args, "workspace", None) or "")
    if getattr(args, "debug", False):
        traceback.print_exception(error)
    known = describe(error, place)
    if known is not None:
        return known
    log = write_crash_log(error)
    hint = f"this is a defect of Volo; please report it with the log in {log}" if log else "this is a defect of Volo"
    return Failure(f"unexpected {type(error).__name__}: {error}", "internal", hint)


def _fail(console: Console, schema: str, failure: Failure, status: int = 1) -> int:
    """Tell of a failure once to the person and once to the program; return the exit status."""
    console.result({"schema": schema, "error": failure._asdict()})
    console.error(failure.line())
    return status


@contextmanager
def _json_has_stdout() -> Iterator[None]:
    """Send what is written to standard output meanwhile, by Python or by a driver's own code, to standard error."""
    try:
        out, err = sys.stdout.fileno(), sys.stderr.fileno()
        sys.stdout.flush()
        kept = os.dup(out)
    except (OSError, ValueError):  # not files of the operating system, as when called from another program
        with redirect_stdout(sys.stderr):
            yield
        return
    try:
        os.dup2(err, out)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, out)
        os.close(kept)


def _leave_closed_output() -> int:
    """Point standard output at nothing, so that the interpreter's last flush does not fail as well."""
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    return 1


def _set_log_level(level: str) -> None:
    import logging

    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("volo")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    parser = _Parser(
        prog="volo",
        usage="volo [--help] [--version] COMMAND ...",
        description="Real-time brain-computer interfaces: record, decode, spell and replay.",
        epilog="\n".join(["commands:", *lines, "", "volo COMMAND --help tells all about one command."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    return parser


if __name__ == "__main__":
    sys.exit(main())
