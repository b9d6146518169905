"""Writes to the recording in a thread of its own, so that a disk that stalls holds up nothing but itself.

Numpy and the standard library only.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from volo_acquisition.clock import Clock
from volo_acquisition.errors import FileError, Reason, VoloError
from volo_acquisition.types import Chunk, Item, StreamInfo

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["File", "Writing"]

#: Samples and rows that wait for a stalled disk may take so much memory.
LIMIT_BYTES = 512 * 2**20
#: How long closing waits for a disk that stalls, seconds.
CLOSE_S = 1.2


class File(Protocol):
    """What a recorder does that matters here (`volo_acquisition.recording.recorder.XdfRecorder`)."""

    def add_stream(self, info: StreamInfo) -> None:
        """Add a stream."""
        ...

    def write_item(self, item: Item) -> None:
        """Write a chunk, marker, event or correction."""
        ...

    def write_rows(self, stream_id: str, times: NDArray[np.float64], rows: Any) -> None:
        """Write rows of a stream."""
        ...

    def close(self) -> Path:
        """Complete the file."""
        ...


class Writing:
    """Takes what is to be recorded and never waits; the first error of the disk comes back with the next call.

    Parameters
    ----------
    file : File
        Used from the writing thread only, from now on.
    clock : Clock
        For how long the disk takes.

    Attributes
    ----------
    longest_write_s : float
        The longest that one write took.
    """

    def __init__(self, file: File, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._n_put = self._n_written = 0  # bytes; each has one writer
        self._changed = threading.Condition()
        self._closing = False
        self._error: VoloError | ValueError | None = None
        self.longest_write_s = 0.0
        self._busy_since: float | None = None
        # a daemon: a disk that never answers must not keep this process alive
        self._thread = threading.Thread(target=self._run, name="volo-recorder-writing", daemon=True)
        self._thread.start()

    @property
    def lag_s(self) -> float:
        """How long the write that is under way has taken so far, seconds."""
        since = self._busy_since
        return 0.0 if since is None else self._clock.now() - since

    @property
    def n_waiting(self) -> int:
        """How many writes wait."""
        return len(self._waiting)

    def add_stream(self, info: StreamInfo) -> None:
        """Add a stream."""
        self._put(lambda: self._file.add_stream(info), 0)

    def write_item(self, item: Item) -> None:
        """Take one item.

        Raises
        ------
        FileError
            If something before it could not be written.
        """
        self._put(lambda: self._file.write_item(item), item.samples.nbytes if isinstance(item, Chunk) else 0)

    def write_rows(self, stream_id: str, times: NDArray[np.float64], rows: Sequence[str] | NDArray[Any]) -> None:
        """Take rows of a stream that was added."""
        self._put(lambda: self._file.write_rows(stream_id, times, rows), times.nbytes * 8)

    def _put(self, write: Callable[[], None], n_bytes: int) -> None:
        with self._changed:
            if self._error is not None:
                raise self._error
            if self._n_put - self._n_written > LIMIT_BYTES:
                raise FileError(
                    f"the disk has not taken {self._n_put - self._n_written >> 20} MiB that wait",
                    reason=Reason.NOT_WRITABLE,
                    hint="record to another disk",
                )
            self._n_put += n_bytes

            def counted() -> None:
                write()
                self._n_written += n_bytes

            self._waiting.append(counted)
            self._changed.notify()

    def close(self) -> Path | None:
        """Write what waits, complete the file and return its path; None if the disk does not answer within 1.2 s.

        Raises
        ------
        FileError
            If something could not be written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            return None
        path = self._file.close()
        if self._error is not None:
            raise self._error
        return path

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                batch = list(self._waiting)
                self._waiting.clear()
            for write in batch:
                began = self._clock.now()
                self._busy_since = began
                try:
                    write()
                except (VoloError, ValueError) as error:
                    with self._changed:
                        self._error = self._error or error
                    return
                finally:
                    self._busy_since = None
                    self.longest_write_s = max(self.longest_write_s, self._clock.now() - began)
