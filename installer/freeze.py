"""What goes into the built application: read from the metadata of what is installed, written down nowhere twice.

Standard library only: `volo.spec`, `build.py` and the tests all read it.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path

__all__ = [
    "EXCLUDED",
    "data_files",
    "hidden_imports",
    "is_wanted",
    "native_libraries",
    "packages",
    "plugins",
]

#: Imported by a library for uses Volo has none of: other windows, training, tests. pyriemann does not load without
#: matplotlib.
EXCLUDED = ("torch", "tkinter", "_tkinter", "IPython", "pytest")
#: What is imported by name, or by no module of Volo with an import statement that a build would see.
_REQUIRED = ("array_api_compat.numpy.fft", "array_api_compat.numpy.linalg", "onnxruntime", "pyxdf")
_CODE = {".py", ".pyc", ".pyi", ".typed"}
_NATIVE = {"linux": ".so", "darwin": ".dylib", "win32": ".dll"}


def packages(root: Path) -> tuple[str, ...]:
    """Return the names of Volo's own packages, as the `pyproject.toml` in `root` lists them for the wheel."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return tuple(Path(path).name for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])


def plugins(distributions: Iterable[Distribution]) -> dict[str, dict[str, str]]:
    """Return the plug-ins that `distributions` register: for each ``volo.*`` group, each name's ``module:object``."""
    found: dict[str, dict[str, str]] = {}
    for distribution in distributions:
        for point in distribution.entry_points:
            if point.group.startswith("volo."):
                found.setdefault(point.group, {})[point.name] = point.value
    return found


def hidden_imports(distributions: Iterable[Distribution], version: tuple[int, int] = sys.version_info[:2]) -> list[str]:
    """Return the modules that are imported by name only: of every plug-in, and of libraries that others ask for.

    Parameters
    ----------
    distributions : iterable of Distribution
        What is installed.
    version : tuple of int
        Of the Python that will run the application: BrainFlow and `volo doctor` want setuptools' ``pkg_resources``
        before 3.12.
    """
    targets = {value.partition(":")[0] for group in plugins(distributions).values() for value in group.values()}
    setuptools = ("pkg_resources",) if version < (3, 12) else ()
    return sorted({*targets, *_REQUIRED, *setuptools})


def is_wanted(module: str) -> bool:
    """Say whether a module belongs into the application: not one of a library's own tests."""
    return not {"tests", "conftest"} & set(module.split("."))


def data_files(folder: Path, package: str) -> list[tuple[Path, str]]:
    """Return the files of `package`, a folder in `folder`, that are no code, each with the folder it goes into."""
    return [
        (path, path.parent.relative_to(folder).as_posix())
        for path in sorted((folder / package).rglob("*"))
        if path.is_file() and path.suffix not in _CODE
    ]


def native_libraries(folder: Path, platform: str = sys.platform) -> list[Path]:
    """Return the libraries in `folder` that run on `platform`; BrainFlow's wheel brings those of all systems.

    Parameters
    ----------
    folder : Path
        With libraries of several systems side by side.
    platform : str
        As `sys.platform`; 64-bit.
    """
    ending = _NATIVE.get(platform, ".so")
    foreign = ("32", "_x86", "-x86", "_raspberry")
    return [path for path in sorted(folder.glob(f"*{ending}")) if not path.stem.endswith(foreign)]
