"""Where a command's words go: text to the person, one JSON object to the program, and how a command says it failed.

Loads the standard library only; the progress bar is imported when it is first shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from volo_app.json_values import dump_json

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

__all__ = ["CommandFailed", "Console", "OutputClosed", "Progress", "WrongUsage"]


class CommandFailed(Exception):  # noqa: N818 - not an error: an answer
    """Raised by a command that did its work, but whose answer is "no": the result is printed, the exit status is 1.

    Parameters
    ----------
    result : Mapping
        The fields of the JSON object, as `run` would have returned them.
    message : str
        One line for the person.
    """

    def __init__(self, result: Mapping[str, object], message: str) -> None:
        super().__init__(message)
        self.result = dict(result)
        self.message = message


class WrongUsage(Exception):  # noqa: N818 - told as argparse tells it
    """Raised by a command whose options do not go together: usage is printed, the exit status is 2."""


class OutputClosed(Exception):  # noqa: N818 - the wish of whoever read it
    """Nobody reads the output any more, as after ``volo devices | head -1``."""


class Progress(Protocol):
    """How far a long piece of work is."""

    def advance(self, amount: float = 1.0) -> None:
        """Add `amount` to what is done."""
        ...


class _NoProgress:
    def advance(self, amount: float = 1.0) -> None:
        """Show nothing."""


class Console:
    """The output of one command.

    Parameters
    ----------
    json_mode : bool
        Standard output is kept for one JSON object; everything else goes to standard error.
    quiet : bool
        Print no text and no progress; warnings, errors and JSON still come.
    """

    def __init__(self, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet

    @property
    def _text(self) -> TextIO:
        return sys.stderr if self.json_mode else sys.stdout

    def print(self, text: str = "") -> None:
        """Print `text` and a new line."""
        if not self.quiet:
            _put(self._text, text + "\n")

    def write(self, text: str) -> None:
        """Print `text` as it is and at once: letter by letter, where letters come one by one."""
        if not self.quiet:
            _put(self._text, text)

    def warn(self, text: str) -> None:
        """Print one line of warning on standard error, also when quiet."""
        _put(sys.stderr, f"volo: warning: {text}\n")

    def error(self, text: str) -> None:
        """Print one line of error on standard error, also when quiet."""
        _put(sys.stderr, f"volo: error: {text}\n")

    def result(self, fields: Mapping[str, object]) -> None:
        """Print `fields` as the one JSON object, if JSON was asked for."""
        if self.json_mode:
            _put(sys.stdout, dump_json(fields) + "\n")

    @contextmanager
    def progress(self, description: str, total: float | None = None) -> Iterator[Progress]:
        """Show a bar on standard error while the block runs.

        Nothing is shown when quiet, in JSON mode, or when standard error is not a terminal.

        Parameters
        ----------
        description : str
            What is being done.
        total : float or None
            How much there is to do; None if unknown.

        Yields
        ------
        Progress
            To be told of each step.
        """
        if self.quiet or self.json_mode or not sys.stderr.isatty():
            yield _NoProgress()
            return
        from rich import progress
        from rich.console import Console as RichConsole

        with progress.Progress(console=RichConsole(stderr=True), transient=True) as bar:
            yield _Bar(bar, bar.add_task(description, total=total))


class _Bar:
    """One task of a rich progress bar."""

    def __init__(self, bar: RichProgress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def advance(self, amount: float = 1.0) -> None:
        """Move the bar."""
        self._bar.advance(self._task, amount)


def _put(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError as error:
        raise OutputClosed from error
