"""A child process that imports one thing after another and tells how it went, one JSON line each.

``python -m volo_app.import_probe numpy scipy``. It exists because some libraries abort the whole process when they
cannot be loaded: then the parent still has the lines before, and knows which name it was.
"""

from __future__ import annotations

import ctypes.util
import importlib
import json
import sys
import warnings
from collections.abc import Callable

__all__ = ["LIBRARIES", "main"]


def _load_liblsl() -> str:
    import pylsl

    number = pylsl.library_version()
    return f"{number // 100}.{number % 100}"


def _load_brainflow() -> str:
    from brainflow.board_shim import BoardShim

    return str(BoardShim.get_version())


def _load_gl() -> str:
    name = ctypes.util.find_library("GL") or ctypes.util.find_library("OpenGL") or ctypes.util.find_library("opengl32")
    if name is None:
        raise OSError("no OpenGL library found")
    ctypes.CDLL(name)
    return name


#: Native libraries, by the name the probe is asked with.
LIBRARIES: dict[str, Callable[[], str]] = {
    "library:lsl": _load_liblsl,
    "library:brainflow": _load_brainflow,
    "library:gl": _load_gl,
}


def main(names: list[str]) -> int:
    """Import each of `names` and print a line about each."""
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr
    for name in names:
        answer = {"name": name, "detail": "", "error": ""}
        try:
            answer["detail"] = LIBRARIES[name]() if name in LIBRARIES else _import(name)
        except Exception as error:  # noqa: BLE001 - whatever an import raises is the answer
            answer["error"] = f"{type(error).__name__}: {error}"
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return 0


def _import(name: str) -> str:
    return str(getattr(importlib.import_module(name), "__version__", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
