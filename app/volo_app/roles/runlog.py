"""The log of a run: one JSONL file beside the recording, written by the recorder alone.

It names no host, no home folder and no person.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from volo_acquisition.clock import Clock
from volo_app.json_values import dump_json, plain
from volo_app.session import without_home

__all__ = ["RunLog", "beside"]


def beside(recording: Path, what: str, ending: str) -> Path:
    """Return the name of a file beside a recording: ``X_eeg.xdf`` gives ``X_<what>.<ending>``."""
    stem = recording.name.removesuffix(".part").removesuffix(".xdf").removesuffix("_eeg")
    return recording.with_name(f"{stem}_{what}.{ending}")


class RunLog:
    """Appends lines, each whole; a disk that is full costs lines, never the run.

    Parameters
    ----------
    path : Path or None
        The file; None drops every line.
    clock : Clock
        Session clock: the ``time`` of each line.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        #: Lines that could not be written.
        self.n_lost = 0

    def line(self, kind: str, **fields: object) -> None:
        """Write a line: when, what, and its fields."""
        if self._path is None:
            return
        entry = without_home(plain({"schema": "volo.log/1", "time": self._clock.now(), "kind": kind, **fields}))
        self.n_lost += 1
        with suppress(OSError), self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(dump_json(entry) + "\n")
            self.n_lost -= 1
