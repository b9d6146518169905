"""The checks of ``volo doctor``: what a machine needs, whether it has it, and the command that mends it.

Libraries are imported in a child process, since some abort the process that loads them. Nothing here changes the
machine, but for a file written to the workspace and removed again.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from volo_acquisition.clock import Clock, SessionClock

__all__ = ["Check", "check_clocks", "check_machine", "check_packages", "check_python", "check_workspace"]

_PIP = "python -m pip install"
_PROBE_TIMEOUT_S = 120.0
_FREE_WARN_BYTES = 5 * 2**30
_FREE_FAIL_BYTES = 200 * 2**20
#: Import names that differ from the (lower-case) name of the distribution.
_IMPORT_NAMES = {
    "scikit-learn": "sklearn",
    "pyside6-essentials": "PySide6.QtCore",
    "tomli-w": "tomli_w",
    "setuptools": "pkg_resources",
}
_APT = "apt-get install libgl1 libegl1 libxkbcommon-x11-0 libxcb-cursor0"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the report.

    Attributes
    ----------
    name : str
        What was looked at.
    status : str
        ``"ok"``, ``"warn"`` or ``"fail"``.
    detail : str
        What was found.
    mend : str
        The command or step that mends it; empty if all is well.
    """

    name: str
    status: str
    detail: str
    mend: str = ""


def check_machine(workspace: Path) -> list[Check]:
    """Make all checks; takes some seconds, most of them for imports."""
    packages = check_packages()
    lsl_loads = any(check.name == "library lsl" and check.status == "ok" for check in packages)
    return [
        check_python(),
        *packages,
        *check_workspace(workspace),
        *check_clocks(SessionClock(), with_lsl=lsl_loads),
        _check_display(),
    ]


def check_python(found: tuple[int, int] | None = None) -> Check:
    """Check the version of Python; `found` stands for the running one in tests."""
    major, minor = found or sys.version_info[:2]
    detail = f"{major}.{minor}" if found else f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= (major, minor) < (3, 14):
        return Check("python", "ok", detail)
    return Check("python", "fail", f"{detail}; Volo needs 3.11, 3.12 or 3.13", "install Python 3.12")


def check_packages() -> list[Check]:
    """Check that every dependency of the installed distribution is there, new enough, and imports."""
    try:
        requirements = [_parse(text) for text in requires("volo") or [] if "extra ==" not in text]
    except PackageNotFoundError:
        return [Check("volo", "fail", "the package is not installed", _install("-e ."))]
    wanted = [requirement for requirement in requirements if requirement is not None]
    probes = [_IMPORT_NAMES.get(name.lower(), name) for name, _ in wanted]
    native = ["library:lsl", "library:brainflow", "library:gl"]
    answers = probe_imports([*probes, *native])
    checks = [_check_package(name, spec, answers[probe]) for (name, spec), probe in zip(wanted, probes, strict=True)]
    return [*checks, *(_check_library(name, answers[name]) for name in native)]


def _install(what: str) -> str:
    """Return the step that installs `what`; a built application has no pip, it comes whole or not."""
    if getattr(sys, "frozen", False):
        return "copy the application's folder anew, it is not whole"
    return f"{_PIP} {what}"


def _parse(requirement: str) -> tuple[str, str] | None:
    """Return name and version bounds of a requirement, None if its marker excludes this Python."""
    text, _, marker = requirement.partition(";")
    bound = re.search(r"python_version\s*<\s*['\"](\d+)\.(\d+)['\"]", marker)
    if bound and sys.version_info[:2] >= (int(bound[1]), int(bound[2])):
        return None
    match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*(.*)", text)
    return (match[1], match[2].strip().strip("()")) if match else None


def _check_package(name: str, spec: str, answer: dict[str, str]) -> Check:
    mend = _install(f'"{name}{spec}"')
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name, "fail", "not installed", mend)
    if not _satisfies(found, spec):
        return Check(name, "fail", f"{found}, but {spec} is needed", mend)
    if answer["error"]:
        anew = _install(f'"{name}{spec}" --force-reinstall')
        return Check(name, "fail", f"{found} does not import: {answer['error']}", anew)
    return Check(name, "ok", found)


def _satisfies(found: str, spec: str) -> bool:
    """Judge the bounds that Volo's own requirements use: ``>=``, ``<``, ``!=`` and ``==``."""
    have = _numbers(found)
    for operator, wanted in re.findall(r"(>=|<=|==|!=|<|>)\s*([0-9][0-9.]*)", spec):
        want = _numbers(wanted)
        width = max(len(have), len(want))
        a, b = have + (0,) * (width - len(have)), want + (0,) * (width - len(want))
        holds = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b}[operator]
        if not holds:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _check_library(name: str, answer: dict[str, str]) -> Check:
    label = name.replace(":", " ")
    if not answer["error"]:
        return Check(label, "ok", answer["detail"])
    if name == "library:gl":
        mend = _APT if sys.platform.startswith("linux") else "install the graphics driver"
        return Check(label, "warn", f"{answer['error']}; windows need it, the command line does not", mend)
    package = {"library:lsl": "pylsl", "library:brainflow": "brainflow"}[name]
    return Check(label, "fail", answer["error"], _install(f"--force-reinstall {package}"))


def probe_imports(names: list[str]) -> dict[str, dict[str, str]]:
    """Import `names` in child processes.

    Returns
    -------
    dict
        For each name: ``detail`` and ``error`` (empty if it went well). A name that kills its process is said to.
    """
    answers: dict[str, dict[str, str]] = {}
    left = list(names)
    while left:
        ending = "took longer than two minutes"
        try:
            child = subprocess.run(
                [sys.executable, "-m", "volo_app.import_probe", *left],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=_PROBE_TIMEOUT_S,
                check=False,
            )
            output, ending = child.stdout, f"ended its process with status {child.returncode}"
        except subprocess.TimeoutExpired as late:
            output = late.stdout.decode("utf-8", "replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        for line in output.splitlines():
            answer = json.loads(line)
            answers[answer["name"]] = answer
        left = [name for name in left if name not in answers]
        if left:
            answers[left[0]] = {"name": left[0], "detail": "", "error": ending}
            left = left[1:]
    return answers


def check_workspace(workspace: Path) -> list[Check]:
    """Check that the workspace, or the folder it would be made in, can be written, and has room."""
    folder = workspace
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    mend = "name another folder with --workspace or VOLO_WORKSPACE"
    try:
        with tempfile.NamedTemporaryFile(prefix=".volo-check-", dir=folder) as trial:
            trial.write(b"volo")
            trial.flush()
            os.fsync(trial.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return [Check("workspace", "fail", f"{workspace}: {(error.strerror or str(error)).lower()}", mend)]
    found = str(workspace) if folder == workspace else f"{workspace} (will be made)"
    detail = f"{free / 2**30:.1f} GiB free"
    if free < _FREE_FAIL_BYTES:
        space = Check("disk space", "fail", detail, "free some space, or " + mend)
    elif free < _FREE_WARN_BYTES:
        space = Check("disk space", "warn", f"{detail}; an hour of 64 channels at 1 kHz takes 1 GiB", "free some space")
    else:
        space = Check("disk space", "ok", detail)
    return [Check("workspace", "ok", found), space]


def check_clocks(clock: Clock, with_lsl: bool = True, wait_s: float = 0.2) -> list[Check]:
    """Check the session clock's resolution, and that its distance to LSL's clock stands still.

    Parameters
    ----------
    clock : Clock
        The session clock.
    with_lsl : bool
        False if liblsl does not load.
    wait_s : float
        Between the two measurements of the distance.
    """
    resolution = time.get_clock_info("perf_counter").resolution
    status = "ok" if resolution <= 1e-6 else "warn"
    mend = "" if status == "ok" else "use another machine for stimulus timing"
    checks = [Check("clock resolution", status, f"{resolution * 1e9:.0f} ns", mend)]
    if not with_lsl:
        return checks
    first, error_s = _lsl_offset(clock)
    clock.sleep(wait_s)
    second, _ = _lsl_offset(clock)
    moved = abs(second - first)
    detail = f"offset {first * 1e6:.1f} us, known to {error_s * 1e6:.1f} us, moved {moved * 1e6:.1f} us"
    if moved > 1e-3:
        return [*checks, Check("clock against LSL", "fail", detail, "stop whatever steps the machine's clock")]
    return [*checks, Check("clock against LSL", "ok", detail)]


def _lsl_offset(clock: Clock) -> tuple[float, float]:
    """Return LSL's clock minus `clock` and its uncertainty, from the fastest of 50 readings, seconds."""
    from pylsl import local_clock

    best = (0.0, float("inf"))
    for _ in range(50):
        before = clock.now()
        theirs = local_clock()
        after = clock.now()
        if after - before < best[1]:
            best = (theirs - (before + after) / 2.0, after - before)
    return best


def _check_display() -> Check:
    if not sys.platform.startswith("linux"):
        return Check("display", "ok", platform.system())
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(name):
            return Check("display", "ok", f"{name}={os.environ[name]}")
    return Check("display", "warn", "none; windows need one, the command line does not", "xvfb-run -a volo ...")
