"""Writing behind: pieces go to the disk on a thread of its own, so that a stalled disk holds nobody up."""

from __future__ import annotations

import errno
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["WriteBehind"]

#: How long a write waits for the disk before the disk counts as stalled, seconds.
PATIENCE_S = 0.1

#: How much may wait while the disk is stalled, bytes: 60 s of 256 channels of float32 at 4 kHz.
LIMIT_BYTES = 1 << 28

#: How long a write waits for room when so much waits already, seconds.
STUCK_S = 30.0


class WriteBehind:
    """Hands pieces, in order, to a function that writes them.

    As long as the disk keeps up, `write` returns when the piece is written. When it does not, pieces wait in memory and
    `write` returns at once, until the disk answers again. Used from one thread; its own is ``volo-recorder-write``.

    Parameters
    ----------
    write : callable
        Writes one piece; an OSError it raises is raised by the `write` that waits for it, or else by the next.

    Attributes
    ----------
    high_water_bytes : int
        The most that ever waited.
    n_stalls : int
        How often the disk stalled.
    is_stuck : bool
        Whether the disk still owed an answer when `drain` gave up.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.high_water_bytes = 0
        self.n_stalls = 0
        self.is_stuck = False
        self._write = write
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._answers = True
        self._n_written = 0
        self._leave = False
        self._error: OSError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name="volo-recorder-write", daemon=True)
        self._thread.start()

    def write(self, piece: bytes) -> None:
        """Have a piece written.

        Raises
        ------
        OSError
            If it, or one before it, could not be written, or too much waits for a stalled disk.
        """
        with self._changed:
            self._raise_error()
            if not self._changed.wait_for(lambda: self._has_room(len(piece)), STUCK_S):
                what = f"the disk does not answer and {self._waiting_bytes >> 20} MiB wait for it"
                raise TimeoutError(errno.ETIMEDOUT, what)
            self._raise_error()
            self._pieces.append(piece)
            self._waiting_bytes += len(piece)
            self.high_water_bytes = max(self.high_water_bytes, self._waiting_bytes)
            self._changed.notify_all()
            before = self._n_written
            if self._answers and not self._changed.wait_for(self._is_idle, PATIENCE_S) and self._n_written == before:
                self._answers = False
                self.n_stalls += 1
            self._raise_error()

    def _has_room(self, n_bytes: int) -> bool:
        return self._waiting_bytes + n_bytes <= LIMIT_BYTES or self._error is not None

    def drain(self, timeout_s: float) -> None:
        """Wait until everything is written, and end the thread.

        Raises
        ------
        OSError
            If something could not be written, or not in this time.
        """
        with self._changed:
            self.is_stuck = not self._changed.wait_for(self._is_idle, timeout_s)
            self._leave = True
            self._changed.notify_all()
            self._raise_error()
            if self.is_stuck:
                raise TimeoutError(errno.ETIMEDOUT, f"the disk did not answer within {timeout_s:g} s")
        self._thread.join()

    def _is_idle(self) -> bool:
        return not self._pieces or self._error is not None

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pieces or self._leave)
                if not self._pieces:
                    return
                piece = self._pieces[0]
            error = None
            try:
                self._write(piece)
            except (OSError, ValueError) as failed:  # ValueError: closed meanwhile
                error = failed if isinstance(failed, OSError) else OSError(errno.EBADF, str(failed))
            with self._changed:
                self._error = error
                if error is None:
                    self._pieces.popleft()
                    self._waiting_bytes -= len(piece)
                    self._n_written += 1
                    self._answers = True
                self._changed.notify_all()
                if error is not None:
                    return
