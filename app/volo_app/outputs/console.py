"""Text as it is decided, letter by letter, on the command's console."""

from __future__ import annotations

from volo_app.console import Console
from volo_app.outputs.said import SaidOutput

__all__ = ["ConsoleOutput"]


class ConsoleOutput(SaidOutput):
    """Writes the value of each text command; a backspace takes the last letter away on a terminal too.

    Parameters
    ----------
    console : Console
        Of the command that runs.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console.write)
