"""Sends over a pipe without ever waiting for whoever reads it."""

from __future__ import annotations

import threading
from collections import deque
from multiprocessing.connection import Connection

__all__ = ["Outbox"]


class Outbox:
    """A thread that sends what is put in; the one who puts never waits.

    Parameters
    ----------
    pipe : Connection
        Where to; closed by whoever made it, after `close`.
    limit : int
        Messages that may wait; what comes on top is dropped and counted.
    name : str
        Of the thread.

    Attributes
    ----------
    n_dropped : int
        How many messages were dropped.
    """

    def __init__(self, pipe: Connection, *, limit: int, name: str) -> None:
        self._pipe = pipe
        self._limit = limit
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.n_dropped = 0
        # a daemon: a reader that has stopped reading must not keep this process alive
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def put(self, message: object) -> bool:
        """Send `message` as soon as the pipe takes it, bytes as they are; return whether it was taken."""
        with self._changed:
            if self._closed or len(self._waiting) >= self._limit:
                self.n_dropped += 1
                return False
            self._waiting.append(message)
            self._changed.notify()
        return True

    def close(self, timeout_s: float = 1.0) -> None:
        """Send what waits, for at most `timeout_s`, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                message = self._waiting[0]
            try:
                if isinstance(message, bytes):
                    self._pipe.send_bytes(message)
                else:
                    self._pipe.send(message)
            except (OSError, ValueError):  # the reader is gone, or the pipe was closed here: nobody wants it any more
                with self._changed:
                    self._closed = True
                    self._waiting.clear()
                return
            with self._changed:
                self._waiting.popleft()
