"""Writes the spelled text, letter by letter, to a text stream."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from typing import TextIO

from volo_acquisition.clock import Clock
from volo_paradigms.types import Command

__all__ = ["TerminalOutput", "TerminalSettings"]

_BACKSPACE = "\b"


@dataclass(frozen=True, slots=True)
class TerminalSettings:
    """What to write.

    Attributes
    ----------
    target : str
        Only commands with this target are written.
    """

    target: str = "text"


class TerminalOutput:
    """Appends each command's value to a stream; a backspace takes the last one back.

    On a terminal the letters are erased; a file keeps the backspace character, since what is written cannot be taken
    back there.

    Parameters
    ----------
    settings : TerminalSettings
        What to write.
    clock : Clock
        The session clock; not used.
    stream : text stream or None
        Where to; None is the standard output at the time of `open`.
    """

    Settings = TerminalSettings

    def __init__(self, settings: TerminalSettings, clock: Clock, stream: TextIO | None = None) -> None:
        self._settings = settings
        self._given = stream
        self._stream: TextIO | None = None
        self._units: list[str] = []

    def open(self) -> None:
        """Take hold of the stream."""
        self._stream = self._given if self._given is not None else sys.stdout
        self._units = []

    def send(self, command: Command) -> None:
        """Write the command's value."""
        if self._stream is None:
            raise ValueError("TerminalOutput.send: the output is not open; call open() first")
        if command.target != self._settings.target or not command.value:
            return
        if command.value == _BACKSPACE:
            if self._units:
                unit = self._units.pop()
                self._stream.write("\b \b" * _columns(unit) if self._stream.isatty() else _BACKSPACE)
        else:
            self._units.append(command.value)
            self._stream.write(command.value)
        self._stream.flush()

    def neutral(self) -> None:
        """Do nothing: text that stands is neutral."""

    def close(self) -> None:
        """End the line, if one was begun."""
        stream, self._stream = self._stream, None
        if stream is not None and self._units and not stream.closed:
            stream.write("\n")
            stream.flush()


def _columns(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    widths = (0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return sum(widths)
