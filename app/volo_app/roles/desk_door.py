"""Between a desk and its engine, in the recorder: bytes are passed on as they are, and a new desk may take over.

A desk that is stuck is not waited for: what it does not take is dropped. The door is a socket file (a named pipe on
Windows) in the temporary folder that only its owner may use, and asks for a key that only its owner may read.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from multiprocessing import AuthenticationError, connection
from multiprocessing.connection import Connection
from typing import Any

from volo_app.outbox import Outbox

__all__ = ["Desk"]

#: Snapshots that may wait for a desk.
_LIMIT = 64


class Desk:
    """The desk's place in the recorder. Used from one thread, but for the door.

    Parameters
    ----------
    pipe : Connection
        To the desk that started the recorder.

    Attributes
    ----------
    is_gone : bool
        Whether there is no desk now.
    address : str
        Where another may connect.
    key : bytes
        What it must know.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._to_desk = Outbox(pipe, limit=_LIMIT, name="volo-recorder-to-desk")
        self._engine: Connection | None = None
        self._to_engine: Outbox | None = None
        self.is_gone = False
        self.key = os.urandom(32)
        self._listener = connection.Listener(authkey=self.key)
        self.address = str(self._listener.address)
        if isinstance(self._listener.address, tuple):
            raise OSError(f"the door is open to the network: {self._listener.address}")
        self._came: deque[Any] = deque()
        # a daemon: waiting for a desk must not keep this process alive
        threading.Thread(target=self._wait_at_the_door, name="volo-recorder-door", daemon=True).start()

    def _wait_at_the_door(self) -> None:
        while True:
            try:
                self._came.append(self._listener.accept())
            except (AuthenticationError, EOFError):  # a stranger
                continue
            except OSError:  # closed
                return

    def join(self, engine: Connection) -> None:
        """Join the desk to a new engine."""
        if self._engine is not None:
            self._engine.close()
        self._engine = engine
        self._to_engine = Outbox(engine, limit=_LIMIT, name="volo-recorder-desk-to-engine")

    def connections(self) -> list[Any]:
        """Return what to wait on; a desk that has knocked takes the place of one that is gone, others are sent away."""
        while self._came:
            pipe = self._came.popleft()
            if not self.is_gone:
                pipe.close()
                continue
            self._pipe, self.is_gone = pipe, False
            self._to_desk = Outbox(pipe, limit=_LIMIT, name="volo-recorder-to-desk")
        ends: list[Any] = [] if self.is_gone else [self._pipe]
        return ends if self._engine is None else [*ends, self._engine]

    def pass_on(self, pipe: Any) -> None:
        """Pass on what has come from one end to the other."""
        try:
            while pipe.poll(0):
                message = pipe.recv_bytes()
                other = self._to_engine if pipe is self._pipe else self._to_desk
                if other is not None:
                    other.put(message)
        except (EOFError, OSError):
            self._lose(pipe)

    def _lose(self, pipe: Any) -> None:
        if pipe is self._pipe:
            self.is_gone = True
            self._to_desk.close(0.1)
        elif pipe is self._engine:
            self._engine = None
        with suppress(OSError):
            pipe.close()

    def close(self) -> None:
        """Close the door and both ends."""
        with suppress(OSError):
            self._listener.close()
        self._to_desk.close(0.2)
        if self._to_engine is not None:
            self._to_engine.close(0.2)
        for pipe in (self._pipe, self._engine):
            if pipe is not None:
                pipe.close()
