"""The frame of the command line: exit statuses, one JSON object, one line of error; commands are small fakes here."""

from __future__ import annotations

import argparse
import errno
import json
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.errors import ConfigError, DeviceError, Reason
from volo_app import cli
from volo_app.console import CommandFailed, Console, OutputClosed, WrongUsage

Run = Callable[[argparse.Namespace, Console], dict[str, object]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Put a command named ``fake`` into the table."""

    def install(run: Run) -> None:
        module = types.ModuleType("fake_command")
        module.HELP, module.EXAMPLE, module.run = "A fake.", "volo fake", run
        module.configure = lambda parser: parser.add_argument("--out")
        monkeypatch.setitem(sys.modules, "fake_command", module)
        monkeypatch.setitem(cli.COMMANDS, "fake", cli.Command("fake_command", "a fake"))

    return install


def raising(error: BaseException) -> Run:
    def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
        raise error

    return run


def test_a_result_is_one_json_object_on_stdout_and_all_else_is_on_stderr(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
        console.print("text")
        console.write("a")
        sys.stdout.write("a library prints\n")
        with console.progress("work", 2) as bar:
            bar.advance()
        return {"x": 1}

    command(run)
    assert cli.main(["fake", "--json"]) == 0
    out, err = capsys.readouterr()
    assert out == '{"schema": "volo.fake/1", "x": 1}\n'
    assert err == "text\naa library prints\n"


def test_json_knows_no_nan_no_numpy_and_no_paths(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {
        "nan": math.nan,
        "inf": [np.float64("inf"), -math.inf],
        "numbers": np.arange(3, dtype=np.int16),
        "holes": np.array([1.0, np.nan]),
        "one": np.float32(0.5),
        "truth": np.bool_(True),
        "path": Path("a") / "b",
        "reason": Reason.EMPTY,
        "row": cli.Command("m", "h"),
        "text": "µ ü\n",
    }
    command(lambda args, console: fields)
    assert cli.main(["fake", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1

    def refuse(constant: str) -> float:
        raise AssertionError(constant)

    assert json.loads(out, parse_constant=refuse) == {
        "schema": "volo.fake/1",
        "nan": None,
        "inf": [None, None],
        "numbers": [0, 1, 2],
        "holes": [1.0, None],
        "one": 0.5,
        "truth": True,
        "path": str(Path("a") / "b"),
        "reason": "empty",
        "row": ["m", "h"],
        "text": "µ ü\n",
    }


FAILURES = [
    (DeviceError("no stream", reason=Reason.NOT_FOUND, hint="start it"), "not_found", "no stream (start it)"),
    (ConfigError(["a: wrong", "b: wrong"]), "invalid", "a: wrong; b: wrong"),
    (KeyboardInterrupt(), "interrupted", "interrupted"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk_full", "place: the disk is full (free some space"),
    (FileNotFoundError(errno.ENOENT, "No such file", "gone.xdf"), "not_found", "gone.xdf: no such file (check"),
    (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/x"), "not_writable", "f/x: not a directory"),
    (ModuleNotFoundError("No module named 'x'"), "driver", "No module named 'x' (run: volo doctor)"),
]


@pytest.mark.parametrize(("error", "reason", "line"), FAILURES)
def test_a_failure_is_one_line_one_object_and_status_1(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str], error: BaseException, reason: str, line: str
) -> None:
    command(raising(error))
    assert cli.main(["fake", "--json", "--out", "place"]) == 1
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["schema"] == "volo.fake/1"
    assert answer["error"]["reason"] == reason
    assert set(answer["error"]) == {"message", "reason", "hint"}
    assert err.startswith("volo: error: ")
    assert line in err
    assert err.count("\n") == 1


def test_an_unexpected_error_leaves_a_crash_log_and_no_traceback(
    command: Callable[[Run], None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command(raising(KeyError("lost")))
    assert cli.main(["fake"]) == 1
    out, err = capsys.readouterr()
    (log,) = tmp_path.glob("volo-crash-*.txt")
    assert (out, err.count("\n")) == ("", 1)
    assert "unexpected KeyError" in err
    assert str(log) in err
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert cli.main(["fake", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_crash_log_that_cannot_be_written_changes_nothing_else(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    command(raising(KeyError("lost")))
    assert cli.main(["fake"]) == 1
    assert "unexpected KeyError" in capsys.readouterr().err


def test_a_no_is_a_result_with_status_1(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    command(raising(CommandFailed({"ok": False}, "not whole")))
    assert cli.main(["fake", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": "volo.fake/1", "ok": False}
    assert err == "volo: error: not whole\n"


@pytest.mark.parametrize("words", [["--nope"], ["--out"], ["stray"], ["--log-level", "loud"]])
def test_wrong_usage_is_status_2_with_the_usage(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    command(lambda args, console: {})
    assert cli.main(["fake", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: volo fake")
    assert "volo fake --help" in err


def test_a_command_may_refuse_options_that_do_not_go_together(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(WrongUsage("--a needs --b")))
    assert cli.main(["fake", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["reason"] == "usage"
    assert "--a needs --b" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [([], "no command"), (["--json"], "unknown option"), (["verfiy"], "did you mean 'verify'"), (["x"], "known are: ")],
)
def test_an_unknown_command_is_wrong_usage(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    assert told in capsys.readouterr().err


def test_help_and_version_are_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text and command.help in text for name, command in cli.COMMANDS.items())
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("volo ")
    assert cli.main(["verify", "--help"]) == 0
    assert "usage: volo verify" in capsys.readouterr().out


def test_quiet_leaves_warnings_and_errors_only(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
        console.print("text")
        console.write("letters")
        console.warn("careful")
        return {}

    command(run)
    assert cli.main(["fake", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "volo: warning: careful\n")


def test_closed_output_ends_the_command_quietly(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(OutputClosed()))
    assert cli.main(["fake"]) == 1
    assert capsys.readouterr() == ("", "")


def test_a_bar_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("work", 1) as bar:
        bar.advance()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Console().progress("work", 1) as bar:
        bar.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert "work" in err
