"""Signals that ask a process to end, turned into a clean stop of what it is doing.

Loads the standard library only.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["STOP_SIGNALS", "stop_signals"]

#: What ends a process politely; each system has some of them.
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` for Ctrl+C and for whatever else ends a process politely, and restore the old handlers afterwards.

    A signal that is ignored stays ignored (`nohup`). Nothing is changed outside the main thread, where Python handles
    no signals, and in the processes that Volo has spawned, which the one that leads ends.

    Parameters
    ----------
    stop : callable
        Called in the main thread between two instructions, once a signal; must only set a flag.
    """
    from multiprocessing import parent_process  # not needed before: commands must load fast

    if threading.current_thread() is not threading.main_thread() or parent_process() is not None:
        yield
        return

    def take(number: int, frame: FrameType | None) -> None:
        stop()

    numbers = [number for name in STOP_SIGNALS if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    # None: a handler that Python did not install and could not restore
    changed = {number: old for number, old in before.items() if old is not None and old != signal.SIG_IGN}
    try:
        for number in changed:
            signal.signal(number, take)
        yield
    finally:
        for number, old in changed.items():
            signal.signal(number, old)
