"""What every output promises."""

from __future__ import annotations

from typing import Protocol

from volo_paradigms.types import Command

__all__ = ["Output"]


class Output(Protocol):
    """Something that carries out commands: text on a terminal, a network stream, a device.

    Call order: ``open`` once, ``send`` and ``neutral`` as often as wanted, ``close`` once (also after a failed
    ``open``; twice is harmless). Used from one thread; no call blocks for longer than a few milliseconds. A
    constructor takes ``(settings, clock)``; the class attribute ``Settings`` is a frozen dataclass. Expired commands
    are not sent to outputs: the engine drops them.
    """

    def open(self) -> None:
        """Get ready.

        Raises
        ------
        DeviceError
            If what it writes to cannot be reached.
        """
        ...

    def send(self, command: Command) -> None:
        """Carry out a command, or start to."""
        ...

    def neutral(self) -> None:
        """Go to the safe state: paused, stopped, or decisions stopped coming; may be called again and again."""
        ...

    def close(self) -> None:
        """Go neutral and let go; never raises for what is already gone."""
        ...
