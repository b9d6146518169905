"""What every source promises."""

from __future__ import annotations

from typing import Protocol

from volo_acquisition.types import Item, StreamInfo

__all__ = ["Source"]


class Source(Protocol):
    """A device, a network stream, a simulation or a recording that yields items.

    Call order: ``open`` once, ``read`` as often as wanted, ``close`` once (also after a failed ``open``; twice is
    harmless). Used from one thread. A constructor takes ``(settings, clock)``; the class attribute ``Settings`` is a
    frozen dataclass whose fields have defaults wherever a default makes sense, and documents each field.
    """

    def open(self) -> tuple[StreamInfo, ...]:
        """Connect, start, and return the streams it will yield.

        Raises
        ------
        DeviceError
            If the device is absent, ambiguous, silent or not what the settings ask for.
        """
        ...

    def read(self, timeout_s: float) -> list[Item]:
        """Return what arrived since the last call, waiting at most `timeout_s` for the first item.

        Chunks of one stream come in order and never overlap; lost samples are jumps of ``Chunk.index`` announced by
        a GAP event just before. The first chunk of a stream is preceded by its `Correction` where one is needed.
        An empty list means nothing came in time, which is not an error.

        Raises
        ------
        DeviceError
            If the device is gone for good.
        """
        ...

    def close(self) -> None:
        """Stop and let go; bounded to 3 s; never raises for a device that is already gone."""
        ...

    @property
    def exhausted(self) -> bool:
        """True once a finite source has yielded everything; always False for a live one."""
        ...
