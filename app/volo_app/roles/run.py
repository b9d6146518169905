"""A run as the recorder keeps it: source processes, the file, life signs, the log, and what onlookers may read.

Loads the standard library only until `Run.open`, so that the sources are under way before numpy is loaded here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volo_app.roles.folder import make_run_folder, remove_run_folder, write_state
from volo_app.roles.remote_source import RING_S, RemoteSource

if TYPE_CHECKING:
    from volo_acquisition.lifesign import LifeSigns
    from volo_acquisition.types import Item, StreamInfo
    from volo_app.capture import Tally
    from volo_app.roles.messages import Ended, Note, Opened
    from volo_app.roles.writing import File, Writing

__all__ = ["MOST_SOURCES", "OTHER_ROLES", "Run", "make_signs"]

#: Who may give life signs beside the recorder and the sources.
OTHER_ROLES = ("engine", "screen", "desk")
#: How many sources a run may have.
MOST_SOURCES = 8
#: How often what onlookers read is written anew, seconds.
STATE_EVERY_S = 0.5


def make_signs(folder: Path) -> LifeSigns:
    """Open the life signs in the folder of a run; they are made if they are not there."""
    from volo_acquisition.lifesign import LIFE_NAME, LifeSigns

    path = folder / LIFE_NAME
    sources = [f"source-{number}" for number in range(1, MOST_SOURCES + 1)]
    return LifeSigns(path) if path.exists() else LifeSigns.create(path, ("recorder", *sources, *OTHER_ROLES))


class Run:
    """One run in the recorder's process. Used from one thread.

    Parameters
    ----------
    sources : sequence of str
        As for `RemoteSource`; the first is the main one. Their processes start at once.
    folder : Path or None
        Of the run, made by `make_run_folder`; None makes one. It is removed when the run is closed.
    idle : callable or None
        Waits for at most so many seconds while there is nothing to read; None sleeps.
    on_message : callable
        Told what sources say, to pass it on.
    ring_s : float
        How much a ring holds, seconds.
    """

    def __init__(
        self,
        sources: Sequence[str],
        *,
        folder: Path | None = None,
        idle: Callable[[float], None] | None = None,
        on_message: Callable[[int, Opened | Note | Ended], None] = lambda number, message: None,
        ring_s: float = RING_S,
    ) -> None:
        self.folder = folder or make_run_folder()
        self._idle = idle
        self.sources = [
            RemoteSource(text, number, str(self.folder), idle=self._wait, on_message=on_message, ring_s=ring_s)
            for number, text in enumerate(sources, 1)
        ]
        self._extra: dict[str, Any] = {}
        self._path: Path | None = None
        self._writing: Writing | None = None
        self._result: Path | None = None
        self._is_open = False
        self._state_due_s = 0.0
        self._is_closed = False

    def open(self) -> tuple[StreamInfo, ...]:
        """Open the sources; return their streams.

        Raises
        ------
        VoloError
            As a source raised it.
        """
        from volo_acquisition.clock import SessionClock
        from volo_app.capture import Tally, open_all
        from volo_app.roles.runlog import RunLog
        from volo_app.session import utc_now

        self.clock = SessionClock()
        self.signs = make_signs(self.folder)
        self.log = RunLog(None, self.clock)
        self.tally: Tally = Tally()
        self._started_at = utc_now()
        self._is_open = True
        self.signs.beat("recorder", self.clock.now())
        return open_all(self.sources)

    def _wait(self, seconds: float) -> None:
        """Wait for what may be read, alive."""
        self.signs.beat("recorder", self.clock.now())
        (self._idle or self.clock.sleep)(seconds)

    def record(self, file: File, path: Path, **fields: object) -> None:
        """Record to `file` from now on; its log lies beside `path`, and begins with `fields`."""
        from volo_app.roles.runlog import RunLog, beside
        from volo_app.roles.writing import Writing

        self._path = path
        self._writing = Writing(file, self.clock)
        self.log = RunLog(beside(path, "log", "jsonl"), self.clock)
        self.log.line("run", file=path.name, sources=[source.text for source in self.sources], **fields)
        self.tell_onlookers(file=str(path))

    def capture(self, *, stopped: Callable[[], bool], **options: Any) -> None:
        """Record until `stopped`; the options are those of `volo_app.capture.capture`."""
        from volo_app.capture import capture

        def tick() -> bool:
            self.beat()
            return stopped()

        capture(self.sources, self, self.clock, self.tally, stopped=tick, **options)

    def beat(self) -> None:
        """Give a sign of life; every half second, tell onlookers how it goes."""
        now = self.clock.now()
        self.signs.beat("recorder", now)
        if now >= self._state_due_s:
            self._state_due_s = now + STATE_EVERY_S
            self.tell_onlookers()

    # A sink of `volo_app.capture`.

    def write_item(self, item: Item) -> None:
        """Record an item, and log it if it tells of trouble."""
        from volo_acquisition.types import Event

        if self._writing is not None:
            self._writing.write_item(item)
        if isinstance(item, Event):
            told = {"event": item.kind.value, "stream": item.stream_id, "index": item.index, "n": item.n}
            self.log.line("event", **told, detail=item.detail)

    def add_stream(self, info: StreamInfo) -> None:
        """Add a stream to the file."""
        if self._writing is not None:
            self._writing.add_stream(info)

    def write_rows(self, stream_id: str, times: Any, rows: Any) -> None:
        """Record rows of a stream that was added."""
        if self._writing is not None:
            self._writing.write_rows(stream_id, times, rows)

    def tell_state(self, state: str) -> None:
        """Let onlookers, and the log, know how the run is: ``"running"``, ``"paused"``, ``"engine lost"``."""
        if self._extra.get("state") != state:
            self.log.line("state", state=state)
            self.tell_onlookers(state=state)

    def tell_onlookers(self, **more: object) -> None:
        """Write what those who look at the run may know; `more` is kept for the next times."""
        self._extra |= more
        writing, tally = self._writing, self.tally
        state = {
            "pid": os.getpid(),
            "started_at": self._started_at,
            "sources": [
                {
                    "role": source.role,
                    "text": source.text,
                    "pid": source.pid,
                    "state": source.state,
                    "restarts": source.restarts,
                    "rings": list(source.rings),
                    "high_water_s": source.high_water_s,
                }
                for source in self.sources
            ],
            "recorded": {
                "duration_s": tally.duration_s,
                "samples": dict(tally.samples),
                "markers": tally.markers,
                "events": dict(tally.events),
                "lost": tally.lost,
            },
            "disk": {
                "longest_write_s": writing.longest_write_s if writing is not None else 0.0,
                "write_lag_s": writing.lag_s if writing is not None else 0.0,
                "waiting": writing.n_waiting if writing is not None else 0,
            },
            **self._extra,
        }
        with suppress(OSError):  # memory is full: onlookers see the old state
            write_state(self.folder, state)

    def close(self) -> Path | None:
        """End the sources, record what they left, close the file and return its path; None if nothing was recorded.

        Raises
        ------
        FileError
            If something could not be written.
        """
        if self._is_closed:
            return self._result
        self._is_closed = True
        for source in self.sources:
            source.hang_up()
        for source in self.sources:
            source.close()
        try:
            return self._finish()
        finally:
            self._let_go()

    def _finish(self) -> Path | None:
        if self._writing is None:
            return None
        try:
            for source in self.sources:
                for item in source.drain():
                    self.tally.count(item)
                    self.write_item(item)
        finally:
            self._result = self._writing.close()
        self.log.line(
            "run ended",
            duration_s=self.tally.duration_s,
            samples=dict(self.tally.samples),
            events=dict(self.tally.events),
            restarts={source.role: source.restarts for source in self.sources},
            high_water_s=max((source.high_water_s for source in self.sources), default=0.0),
            longest_write_s=self._writing.longest_write_s,
            file_is_closed=self._result is not None,
        )
        return self._result

    def _let_go(self) -> None:
        self._keep_crashes()
        if self._is_open:
            self.signs.leave("recorder")
            self.signs.close()
        remove_run_folder(self.folder)

    def _keep_crashes(self) -> None:
        """Put what a crash of native code has left beside the recording."""
        for crash in self.folder.glob("crash-*.txt"):
            with suppress(OSError):
                text = crash.read_text(encoding="utf-8", errors="replace")
                if text and self._path is not None:
                    from volo_app.roles.runlog import beside

                    beside(self._path, crash.stem, "txt").write_text(text, encoding="utf-8")
