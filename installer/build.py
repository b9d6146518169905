"""Builds Volo as an application in one folder that needs no Python: ``python installer/build.py --check``.

The wheel is built and installed with what builds it into a fresh environment, PyInstaller makes the folder from that,
and the environment is removed before anything is checked: what runs then, runs from the folder alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

import freeze
from check_build import ROOT, CheckError, Expected, check, executable_in

from volo_acquisition.clock import SessionClock  # found where check_build says

__all__ = ["BuildError", "Builder", "folder_bytes", "main", "put_in_place"]

INSTALLER = ROOT / "installer"
#: More than this is a mistake: something that Volo does not need came along.
_LARGEST_BYTES = 700 * 10**6


class BuildError(Exception):
    """The application could not be built; the text says why and what mends it."""


def tell(line: str) -> None:
    """Write a line to standard output at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Builder:
    """Builds in `work`, an empty folder that is removed afterwards."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._clock = SessionClock()
        self._venv = work / "environment"
        self._python = self._venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def build(self) -> tuple[Path, Expected]:
        """Build; return the application's folder, in `work`, and what the wheel says it must have."""
        pip = [str(self._python), "-m", "pip"]
        self._step("environment", [sys.executable, "-m", "venv", str(self._venv)])
        wheels = self._work / "wheels"
        self._step("wheel", [*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT)])
        wheel = next(wheels.glob("volo-*.whl"))
        pins = ["--constraint", str(ROOT / "constraints.txt"), "--requirement", str(INSTALLER / "requirements.txt")]
        self._step("packages", [*pip, "install", "--no-compile", *pins, str(wheel)])
        expected = self._expected()
        dist = self._work / "dist"
        folders = ["--distpath", str(dist), "--workpath", str(self._work / "parts")]
        spec = str(INSTALLER / "volo.spec")
        self._step("PyInstaller", [str(self._python), "-m", "PyInstaller", "--noconfirm", *folders, spec])
        return dist / "volo", expected

    def _step(self, name: str, command: Sequence[str]) -> None:
        log = self._work / f"{name}.log"
        start_s = self._clock.now()
        with log.open("wb") as out:
            done = subprocess.run(
                command,
                cwd=self._work,
                env=_build_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
            raise BuildError("\n".join([*last, f"{name}: ended with status {done.returncode}"]))
        tell(f"built {name:<16} {self._clock.now() - start_s:6.1f} s")

    def _expected(self) -> Expected:
        """Read what was installed, and remove from it where it came from: that names a folder of this machine."""
        site = next(self._venv.rglob("site-packages"))
        volo = next(iter(distributions(name="volo", path=[str(site)])))
        for path in volo.files or ():
            if path.name == "direct_url.json":
                Path(str(path.locate())).unlink()
        return Expected(
            version=volo.version,
            plugins=freeze.plugins(distributions(path=[str(site)])),
            data=tuple(
                path.relative_to(site).as_posix()
                for package in freeze.packages(ROOT)
                for path, _ in freeze.data_files(site, package)
            ),
            build_paths=(str(self._work),),
        )


def _build_environment(outer: Mapping[str, str]) -> dict[str, str]:
    """Return `outer` without what would let another Python's packages in; the same order of sets in every build."""
    kept = {key: value for key, value in outer.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def check_tools() -> None:
    """Refuse a machine that cannot build, and say what it lacks.

    Raises
    ------
    BuildError
        If Python is of the wrong version, or the tools for libraries are missing.
    """
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        found = ".".join(map(str, sys.version_info[:2]))
        raise BuildError(f"Python {found} runs this; Volo needs 3.11, 3.12 or 3.13")
    if sys.platform.startswith("linux"):
        missing = [name for name in ("ldd", "objdump", "objcopy") if shutil.which(name) is None]
        if missing:
            raise BuildError(f"missing: {', '.join(missing)}; try: apt-get install binutils libc-bin")


def put_in_place(built: Path, target: Path) -> None:
    """Move the folder `built` to `target`, in place of an earlier build only.

    Raises
    ------
    BuildError
        If `target` is there and is something else.
    """
    if target.exists():
        if not (executable_in(target).is_file() and (target / "_internal").is_dir()):
            raise BuildError(f"{target} is there and is no build of Volo: move it away, or choose another --out")
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(built, target)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in `folder`; a link counts nothing."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def main(argv: Sequence[str] | None = None) -> int:
    """Build, and check if asked to; return 0 if all went well."""
    parser = argparse.ArgumentParser(description="Build Volo as an application in one folder that needs no Python.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", metavar="DIR", help="where its folder, volo, goes (default: dist)"
    )
    parser.add_argument("--check", action="store_true", help="run it with an empty environment and check what it does")
    args = parser.parse_args(argv)
    target = args.out.absolute() / "volo"
    try:
        check_tools()
        with tempfile.TemporaryDirectory(prefix="volo-build-") as work:
            built, expected = Builder(Path(work).resolve()).build()
            put_in_place(built, target)
        return _report(target, expected, args.check)
    except (BuildError, CheckError) as problem:
        sys.stderr.write(f"installer: {problem}\n")
        return 1


def _report(target: Path, expected: Expected, with_check: bool) -> int:
    n_bytes = folder_bytes(target)
    tell(f"{target}: {n_bytes / 1e6:.0f} MB")
    if n_bytes > _LARGEST_BYTES:
        raise BuildError(f"{n_bytes / 1e6:.0f} MB is more than the {_LARGEST_BYTES / 1e6:.0f} MB it may have")
    if not with_check:
        return 0
    with tempfile.TemporaryDirectory(prefix="volo-check-") as place:
        failed = check(target, Path(place).resolve(), expected, tell)
    if failed:
        sys.stderr.write(f"installer: failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
