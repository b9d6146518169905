"""Text as it is decided, letter by letter, to whoever takes it."""

from __future__ import annotations

from collections.abc import Callable

from volo_paradigms.types import Command

__all__ = ["SaidOutput"]


class SaidOutput:
    """Passes on the value of each text command; a backspace comes as what takes a letter away on a terminal.

    Parameters
    ----------
    say : callable
        Told each piece of text.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def open(self) -> None:
        """Nothing to open."""

    def send(self, command: Command) -> None:
        """Say what the command says."""
        if command.target == "text":
            self._say("\b \b" if command.value == "\b" else command.value)

    def neutral(self) -> None:
        """Text needs no neutral state."""

    def close(self) -> None:
        """Nothing to close."""
