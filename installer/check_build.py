"""Runs a built application as a stranger's machine would: no Python, another home, nothing in the environment."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "acquisition"))  # only clock modules read time, and this one needs nothing installed

from volo_acquisition.clock import SessionClock  # noqa: E402

__all__ = ["Application", "CheckError", "Expected", "check", "clean_environment", "executable_in", "plugin_problems"]

_TIMEOUT_S = 240.0
_N_STARTS = 5


class CheckError(Exception):
    """The application does not do what it should; the text says what."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the wheel says the application must have.

    Attributes
    ----------
    version : str
        Of Volo.
    plugins : mapping of str to mapping of str to str
        For each group, each plug-in's name and ``module:object``.
    data : tuple of str
        The data files of Volo's packages, relative to the folder of modules.
    build_paths : tuple of str
        Folders of the machine that built it: nothing may name them.
    """

    version: str
    plugins: Mapping[str, Mapping[str, str]]
    data: tuple[str, ...]
    build_paths: tuple[str, ...]


def executable_in(folder: Path) -> Path:
    """Return the path of the program in the application's `folder`."""
    return folder / ("volo.exe" if sys.platform == "win32" else "volo")


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment with a home and nothing else; Windows cannot start a process without its two."""
    kept = ("SYSTEMROOT", "TEMP") if sys.platform == "win32" else ()
    nothing = home / "nothing-on-the-path"
    fixed = {"HOME": str(home), "USERPROFILE": str(home), "PATH": str(nothing)}
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **fixed}


class Application:
    """A built application in `folder`, run in `place`, an empty folder."""

    def __init__(self, folder: Path, place: Path) -> None:
        self.folder = folder.absolute()
        self.place = place
        self._program = str(executable_in(self.folder))
        self._home = place / "home"
        self._home.mkdir()

    def run(self, *words: str) -> str:
        """Run the application and return its standard output.

        Raises
        ------
        CheckError
            If it ends with another status than 0, or not at all.
        """
        try:
            done = subprocess.run(
                [self._program, *words],
                cwd=self.place,
                env=clean_environment(self._home),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise CheckError(f"not done after {_TIMEOUT_S:.0f} s") from late
        except OSError as error:
            raise CheckError(f"cannot be started: {error}") from error
        if done.returncode != 0:
            last = "; ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
            raise CheckError(f"ended with status {done.returncode}: {last}")
        return done.stdout

    def json(self, *words: str) -> dict[str, Any]:
        """Run the application with ``--json`` and return its object."""
        text = self.run(*words, "--json")
        try:
            told = json.loads(text)
        except json.JSONDecodeError as error:
            raise CheckError(f"standard output is no JSON: {error}") from error
        if not isinstance(told, dict):
            raise CheckError("standard output is no JSON object")
        return told


def plugin_problems(wanted: Mapping[str, Mapping[str, str]], told: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Compare the plug-ins of the wheel with those the application told of; return what is wrong.

    Parameters
    ----------
    wanted : mapping
        For each group, each name's target.
    told : mapping
        For each group, each name's error, empty if it imports.
    """
    problems = []
    for group in sorted({*wanted, *told}):
        have, want = told.get(group, {}), wanted.get(group, {})
        problems += [f"{group} {name} is missing" for name in sorted(set(want) - set(have))]
        problems += [f"{group} {name} is not in the wheel" for name in sorted(set(have) - set(want))]
        problems += [f"{group} {name}: {error}" for name, error in sorted(have.items()) if error]
    return problems


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise CheckError(problem)


def check(folder: Path, place: Path, expected: Expected, tell: Callable[[str], None]) -> list[str]:
    """Make all checks of the application in `folder`; return the names of those that failed.

    Parameters
    ----------
    folder : Path
        With the program in it.
    place : Path
        An empty folder that the application runs in and writes to.
    expected : Expected
        What the wheel has.
    tell : callable
        Told a line about each check.
    """
    application = Application(folder, place)
    clock = SessionClock()
    failed = []
    for name, make in _checks(application, expected, clock):
        start_s = clock.now()
        try:
            mark, detail = "ok", make()
        except CheckError as problem:
            mark, detail = "FAIL", str(problem)
            failed.append(name)
        tell(f"{mark:<5} {name:<16} {clock.now() - start_s:6.1f} s  {detail}")
    return failed


def _checks(app: Application, expected: Expected, clock: SessionClock) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "files", lambda: _files(app, expected)
    yield "version", lambda: _version(app, expected)
    yield "start", lambda: _start(app, clock)
    yield "plug-ins", lambda: _plugins(app, expected)
    yield "devices", lambda: _devices(app)
    yield "doctor", lambda: _doctor(app)
    yield "demo, replay", lambda: _demo(app)
    yield "record, verify", lambda: _record(app)
    yield "demo over LSL", lambda: _realtime(app)


def _files(app: Application, expected: Expected) -> str:
    present = {path.relative_to(app.folder).as_posix() for path in app.folder.rglob("*") if path.is_file()}
    missing = [name for name in expected.data if not any(path.endswith("/" + name) for path in present)]
    _require(not missing, f"missing: {', '.join(missing)}")
    needles = [path.encode() for path in expected.build_paths]
    naming = [name for name in present if any(needle in (app.folder / name).read_bytes() for needle in needles)]
    _require(not naming, f"name a folder of this machine: {', '.join(sorted(naming))}")
    return f"{len(present)} files, all {len(expected.data)} data files among them"


def _version(app: Application, expected: Expected) -> str:
    told = app.run("--version").strip()
    _require(told == f"volo {expected.version}", f"got {told!r}, the wheel is {expected.version}")
    return told


def _start(app: Application, clock: SessionClock) -> str:
    took_s = []
    for _ in range(_N_STARTS):
        start_s = clock.now()
        app.run("--version")
        took_s.append(clock.now() - start_s)
    return f"volo --version takes {statistics.median(took_s):.2f} s (median of {_N_STARTS})"


def _plugins(app: Application, expected: Expected) -> str:
    problems = plugin_problems(expected.plugins, json.loads(app.run("--plugins")))
    _require(not problems, "; ".join(problems))
    return f"{sum(map(len, expected.plugins.values()))}, the same as in the wheel, all import"


def _devices(app: Application) -> str:
    rows = app.json("devices")["devices"]
    here = {row["spec"] for row in rows if row["present"]}
    _require({"synthetic", "brainflow:SYNTHETIC_BOARD"} <= here, f"usable are only: {', '.join(sorted(here))}")
    return f"{len(rows)} listed"


def _doctor(app: Application) -> str:
    told = app.json("doctor")
    worth_telling = [f"{row['name']}: {row['detail']}" for row in told["checks"] if row["status"] != "ok"]
    return f"{len(told['checks'])} checks, none failed; warnings: {', '.join(worth_telling) or 'none'}"


def _demo(app: Application) -> str:
    told = app.json("demo", "--workspace", "demo")
    _require(told["text"] == told["target_text"], f"spelled {told['text']!r} instead of {told['target_text']!r}")
    last = max(Path(app.place / told["session"] / "sourcedata").glob("*.xdf"))
    again = app.json("replay", str(last))
    _require(again["sha256"] == told["sha256"], "the replay of the demo does not equal it")
    return f"spelled {told['text']!r}; its replay is the same to the bit"


def _record(app: Application) -> str:
    told = app.json("record", "--source", "brainflow:SYNTHETIC_BOARD", "--duration", "2", "--out", "recorded")
    samples = sum(told["samples"].values())
    _require(samples > 0, "no samples came")
    app.json("verify", told["file"])
    return f"{samples} samples of BrainFlow's synthetic board, {told['gaps']} gaps; the file is whole"


def _realtime(app: Application) -> str:
    told = app.json("demo", "--realtime", "--text", "HI", "--workspace", "realtime")
    _require(told["text"] == "HI", f"spelled {told['text']!r} instead of 'HI'")
    return f"spelled 'HI' from a spawned headset over LSL, {told['n_selections']} selections"
