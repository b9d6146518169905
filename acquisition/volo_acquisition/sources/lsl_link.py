"""Finding LSL streams and holding on to one: resolve, pull, clock offset, and finding it again after a loss."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.foreign_clock import lsl_offset_s
from volo_acquisition.sources.lsl_describe import DTYPE_OF_FORMAT, describe, label
from volo_acquisition.sources.lsl_driver import load_pylsl

__all__ = ["LslLink", "LslLostError", "find_streams"]

_CONNECT_S = 5.0
_MAX_BUFFER_S = 360
_MIN_ROWS = 1024


class LslLostError(Exception):
    """The outlet is gone; `LslLink.found_again` may bring it back."""


def find_streams(wanted: Sequence[Callable[[Any], bool]], timeout_s: float) -> list[Any]:
    """Return all streams visible on the network, waiting until each wish is met by one or the time is up.

    Parameters
    ----------
    wanted : sequence of callables
        Each takes a ``pylsl.StreamInfo`` (without its ``desc``) and says whether that is the one.
    timeout_s : float
        How long to look, real seconds; a look takes 1 s, so that slow answers are seen too.
    """
    pylsl = load_pylsl()
    seen: dict[str, Any] = {}
    looks = max(1, math.ceil(timeout_s))
    for _ in range(looks):
        for info in pylsl.resolve_streams(min(1.0, max(timeout_s, 0.1))):
            seen[info.uid()] = info
        if all(any(test(info) for info in seen.values()) for test in wanted):
            break
    return sorted(seen.values(), key=lambda info: (info.name(), info.source_id(), info.uid()))


def _identity(info: Any) -> tuple[str, str, str, str]:
    """Return what a stream that comes back has in common with the one that was lost."""
    return info.name(), info.type(), info.source_id(), info.hostname()


class LslLink:
    """A connection to one outlet.

    liblsl's own recovery is off: it would accept another sampling rate and say nothing of what was lost.

    Parameters
    ----------
    resolved : pylsl.StreamInfo
        As `find_streams` returns it.
    clock : Clock
        The session clock.
    """

    def __init__(self, resolved: Any, clock: Clock) -> None:
        self._clock = clock
        self._resolved = resolved
        self._inlet: Any = None
        self._resolver: Any = None
        self._dead: set[str] = set()
        self._rows: NDArray[Any] | None = None
        self.info: Any = None

    @property
    def connected(self) -> bool:
        """True while there is an outlet at the other end, as far as is known."""
        return self._inlet is not None

    def open(self) -> None:
        """Connect and read the full description.

        Raises
        ------
        DeviceError
            If the outlet does not answer.
        """
        inlet = load_pylsl().StreamInlet(self._resolved, max_buflen=_MAX_BUFFER_S, recover=False)
        try:
            self.info = inlet.info(_CONNECT_S)
            inlet.open_stream(_CONNECT_S)
        except RuntimeError as error:  # pylsl's TimeoutError, LostError and InternalError
            raise DeviceError(
                f"LSL stream {self._resolved.name()!r} was seen but does not answer: {error}",
                reason=Reason.NO_DATA,
                hint="restart the sending program, or allow it in the firewall of its machine",
            ) from error
        dtype = DTYPE_OF_FORMAT[self.info.channel_format()]
        if dtype != "string":
            n_rows = max(_MIN_ROWS, math.ceil(self.info.nominal_srate()))
            self._rows = np.empty((n_rows, self.info.channel_count()), dtype)
        self._inlet = inlet

    def pull(self, wait_s: float) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the samples that are there, waiting at most `wait_s` for the first.

        Returns
        -------
        samples : ndarray, shape (n_samples, n_channels)
            A view that the next call overwrites.
        stamps : ndarray, shape (n_samples,)
            As received, seconds.

        Raises
        ------
        LslLostError
            If the outlet is gone. What liblsl had received but not handed out by then is lost with it.
        """
        if self._rows is None or self._inlet is None:
            raise LslLostError
        rows = self._rows
        stamps: list[float] = []
        try:
            _, stamps = self._inlet.pull_chunk(timeout=wait_s, max_samples=1, dest_obj=rows[:1])
            if stamps:
                _, more = self._inlet.pull_chunk(timeout=0.0, max_samples=len(rows) - 1, dest_obj=rows[1:])
                stamps = [*stamps, *more]
        except RuntimeError as error:
            if not stamps:
                self._drop()
                raise LslLostError from error
        return rows[: len(stamps)], np.array(stamps, dtype=np.float64)

    def pull_texts(self) -> list[tuple[float, list[str]]]:
        """Return stamps and values, as texts, of the samples of a marker stream that are there; never waits.

        Raises
        ------
        LslLostError
            If the outlet is gone.
        """
        if self._inlet is None:
            raise LslLostError
        try:
            samples, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=_MIN_ROWS)
        except RuntimeError as error:
            self._drop()
            raise LslLostError from error
        return [(stamp, [str(value) for value in sample]) for sample, stamp in zip(samples, stamps, strict=True)]

    def offset_s(self, n_pairs: int = 101) -> float:
        """Return what to add to the stream's stamps to get the session clock, seconds.

        Raises
        ------
        DeviceError
            If the clock of the stream's machine cannot be read.
        """
        offset = lsl_offset_s(self._clock, n_pairs)
        if self.is_local or self._inlet is None:
            return offset
        try:
            return offset + float(self._inlet.time_correction(_CONNECT_S))
        except RuntimeError as error:
            raise DeviceError(
                f"the clock of LSL stream {self.info.name()!r} on {self.info.hostname()!r} cannot be read: {error}",
                reason=Reason.NO_DATA,
                hint="allow the sending program's UDP ports 16572 to 16604 in the firewall",
            ) from error

    @property
    def is_local(self) -> bool:
        """True if the outlet is on this machine and so shares its clock."""
        return bool(self._resolved.hostname() == socket.gethostname())

    def found_again(self) -> bool:
        """Look, without waiting, whether the outlet is back; connect and return True if so.

        One of the same name and source_id on another machine is another stream, and passed over.

        Raises
        ------
        DeviceError
            If what came back has another format, rate, or other channels, by number, name, order, kind or unit.
        """
        if self._resolver is None:
            self._resolver = load_pylsl().ContinuousResolver(forget_after=2.0)
        old, described = self._resolved, self.info
        for info in self._resolver.results():
            if _identity(info) != _identity(old) or info.uid() in self._dead:
                continue
            self._refuse_other(old, info)
            self._resolved = info
            try:
                self.open()
            except DeviceError:
                self._dead.add(info.uid())
                self._resolved = old
                continue
            self._resolver = None
            self._refuse_other_channels(described)
            return True
        return False

    def close(self) -> None:
        """Disconnect; twice is harmless."""
        self._drop()
        self._resolver = None

    def _drop(self) -> None:
        if self._inlet is not None:
            self._dead.add(self._resolved.uid())
            self._inlet = None  # its destructor disconnects

    def _refuse_other_channels(self, before: Any) -> None:
        """Disconnect and raise DeviceError if the channels are not those of the description `before`."""
        if self._rows is None:  # a stream of texts
            return
        old, new = describe(before).info.channels, describe(self.info).info.channels
        changed = [f"{a.name} ({a.unit}) is {b.name} ({b.unit})" for a, b in zip(old, new, strict=True) if a != b]
        if changed:
            self._drop()
            raise DeviceError(
                f"LSL stream {label(self.info)} came back with other channels: {', '.join(changed[:4])}",
                reason=Reason.WRONG_CHANNELS,
                hint="stop, and start a new run with the new settings of the device",
            )

    @staticmethod
    def _refuse_other(old: Any, new: Any) -> None:
        """Raise DeviceError if a stream that came back is not what it was."""
        if new.nominal_srate() != old.nominal_srate():
            raise DeviceError(
                f"LSL stream {label(new)} came back at another rate: it was {old.nominal_srate():g} Hz",
                reason=Reason.WRONG_RATE,
                hint="stop, and start a new run with the new settings of the device",
            )
        before, after = (old.channel_count(), old.channel_format()), (new.channel_count(), new.channel_format())
        if before != after:
            raise DeviceError(
                f"LSL stream {label(new)} came back with other channels or another sample format",
                reason=Reason.WRONG_CHANNELS,
                hint="stop, and start a new run with the new settings of the device",
            )
