"""Text as it is decided, letter by letter, on the command's console."""

from __future__ import annotations

from volo_app.console import Console
from volo_paradigms.types import Command

__all__ = ["ConsoleOutput"]


class ConsoleOutput:
    """Writes the value of each text command; a backspace takes the last letter away on a terminal too.

    Parameters
    ----------
    console : Console
        Of the command that runs.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def open(self) -> None:
        """Nothing to open."""

    def send(self, command: Command) -> None:
        """Write what the command says."""
        if command.target == "text":
            self._console.write("\b \b" if command.value == "\b" else command.value)

    def neutral(self) -> None:
        """Text needs no neutral state."""

    def close(self) -> None:
        """Nothing to close."""
