"""What every process of Volo does first: one numeric thread, no answer to Ctrl+C, and a word about a crash.

Loads the standard library only, so that the thread counts are set before numpy is there.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading

__all__ = ["THREAD_COUNTS", "enter_role", "limit_threads"]

#: Environment variables that numeric libraries read once, when they are loaded.
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def limit_threads() -> None:
    """Give numeric libraries one thread, whatever the environment says; call before numpy is imported.

    Sums over several threads differ in their last bits with the number of threads, and replays could not equal live
    runs; and small matrices are slower on many threads.
    """
    for variable in THREAD_COUNTS:
        os.environ[variable] = "1"


def enter_role(name: str) -> None:
    """Prepare this process, which the caller has spawned, for its role.

    Ctrl+C reaches all processes of a terminal; only the one that leads answers it and ends the others by closing
    their pipes.

    Parameters
    ----------
    name : str
        The role: ``"screen"``, ``"engine"``; the main thread is called ``volo-<name>``.
    """
    limit_threads()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.current_thread().name = f"volo-{name}"
    faulthandler.enable()
