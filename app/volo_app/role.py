"""What every process of Volo does first: one numeric thread, no answer to Ctrl+C, and a word about a crash.

Loads the standard library only, so that the thread counts are set before numpy is there.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import traceback
from contextlib import suppress
from typing import TextIO

__all__ = ["THREAD_COUNTS", "enter_role", "limit_threads", "lower_priority"]

#: Environment variables that numeric libraries read once, when they are loaded.
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

#: Kept open for as long as the process lives.
_CRASH_FILES: list[TextIO] = []


def limit_threads() -> None:
    """Give numeric libraries one thread, whatever the environment says; call before numpy is imported.

    Sums over several threads differ in their last bits with the number of threads, and replays could not equal live
    runs; and small matrices are slower on many threads.
    """
    for variable in THREAD_COUNTS:
        os.environ[variable] = "1"


def enter_role(name: str, folder: str = "") -> None:
    """Prepare this process, which the caller has spawned, for its role.

    Ctrl+C, and the closing of a terminal, reach all its processes; only the one that leads answers them and ends the
    others by closing their pipes.

    Parameters
    ----------
    name : str
        The role: ``"screen"``, ``"engine"``; the main thread is called ``volo-<name>``.
    folder : str
        Of the run: a crash of native code leaves its traceback there, in ``crash-<name>.txt``; empty for standard
        error.
    """
    limit_threads()
    for polite in ("SIGINT", "SIGHUP"):
        if hasattr(signal, polite):
            signal.signal(getattr(signal, polite), signal.SIG_IGN)
    threading.current_thread().name = f"volo-{name}"
    if folder:
        file = open(os.path.join(folder, f"crash-{name}.txt"), "a", encoding="utf-8")  # noqa: SIM115, PTH118, PTH123
        _CRASH_FILES.append(file)
        faulthandler.enable(file)
        threading.excepthook = _write_thread_crash
    else:
        faulthandler.enable()


def lower_priority() -> None:
    """Let the screen and the recorder go first; where the system knows no niceness, nothing changes."""
    with suppress(AttributeError, OSError):  # Windows has no os.nice
        os.nice(5)


def _write_thread_crash(args: threading.ExceptHookArgs) -> None:
    """Write how a thread died to the crash file, and to standard error as ever."""
    if args.exc_type is not SystemExit:
        traceback.print_exception(args.exc_type, args.exc_value, args.exc_traceback, file=_CRASH_FILES[-1])
        _CRASH_FILES[-1].flush()
    threading.__excepthook__(args)
