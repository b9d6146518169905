"""What a screen watches by itself: the run's stop flag, and whether the others are alive. Not: Qt, clocks.

No pipe and no lock: however the process that should have told the screen hangs, the screen sees it.
"""

from __future__ import annotations

from pathlib import Path

from volo_acquisition.lifesign import MISSED_S, LifeSigns

__all__ = ["ROLE", "Guard"]

#: The screen's own role in a run's life signs.
ROLE = "screen"
#: Who keeps the run.
RECORDER = "recorder"
#: A recorder silent for so long is gone, seconds.
GONE_S = 3.0


class Guard:
    """Looks at a run's life signs, and gives the screen's own.

    The stop flag and every role but the sources count: a source that falls silent is for the engine to judge, and is
    restarted while the run goes on.

    Parameters
    ----------
    path : str
        File of the life signs; empty for a screen that nobody else watches over.
    limit_s : float
        How old a beat may be.
    """

    def __init__(self, path: str, limit_s: float = MISSED_S) -> None:
        self._life = LifeSigns(Path(path)) if path else None
        self._limit_s = limit_s
        roles = self._life.roles if self._life is not None else ()
        self._has_role = ROLE in roles
        self._watched = tuple(role for role in roles if role != ROLE and not role.startswith("source"))

    def trouble(self, now: float) -> str:
        """Beat, and return why the screen must be grey at `now`, session clock; empty while all is well."""
        if self._life is None:
            return ""
        if self._has_role:
            self._life.beat(ROLE, now)
        return self._life.why_safe(now, self._watched, self._limit_s)

    def is_run_on(self, now: float) -> bool:
        """Return whether the recorder lives: then the window stays, grey, though the engine is gone."""
        if self._life is None or RECORDER not in self._life.roles:
            return False
        age_s = self._life.age(RECORDER, now)
        return age_s is not None and age_s < GONE_S

    def stop(self, reason: str, now: float) -> None:
        """Raise the stop flag, for all who look."""
        if self._life is not None and self._has_role:
            self._life.stop(ROLE, reason, now)

    def close(self) -> None:
        """Say that the screen leaves as it should."""
        if self._life is not None:
            if self._has_role:
                self._life.leave(ROLE)
            self._life.close()
            self._life = None
