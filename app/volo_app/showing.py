"""Between the engine and a screen: scenes go out, markers come back, at once or later.

A virtual screen answers at once; a real one, in a process of its own, answers when the frame has been swapped. Not:
drawing, Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.types import Marker
from volo_app.trial_frames import TrialFrames
from volo_paradigms.grammar import OPERATOR_STOP
from volo_paradigms.types import Command, Scene

__all__ = ["CURSOR", "FRAME_COLUMNS", "LiveScreen", "Screen", "Showing"]

#: A frame's row: when its swap returned, its number, and whether it and how many frames before it were late or missed.
FRAME_COLUMNS = ("time", "index", "late", "missed")
#: Target of commands that move a cursor, and label of what tells a screen where it is.
CURSOR = "cursor"
#: A screen that has not shown a scene after this is given up, seconds.
PATIENCE_S = 3.0


class Screen(Protocol):
    """What puts scenes on."""

    def present(self, scene: Scene, now: float) -> Marker | None:
        """Show `scene` from the next frame on; return its marker if its time is known at once."""
        ...


@runtime_checkable
class LiveScreen(Screen, Protocol):
    """A screen with frames of its own.

    Every scene is answered by one marker with the scene's label and payload, origin ``"screen"``, stamped with the
    swap of the first frame that shows it. Used from one thread; no call but `poll` raises.
    """

    def poll(self) -> list[Marker]:
        """Return the markers that have come since the last call.

        Raises
        ------
        DeviceError
            If the screen is gone.
        """
        ...

    def take_frames(self) -> NDArray[np.float64]:
        """Return the rows of frames since the last call, shape (n, 4), see `FRAME_COLUMNS`."""
        ...

    def note(self, marker: Marker) -> None:
        """Let the screen show what was decided."""
        ...

    def blank(self) -> None:
        """Take all stimuli off, for good."""
        ...


class Showing:
    """Keeps account of a screen, whichever kind it is.

    Parameters
    ----------
    screen : Screen
        Answers `present` at once, or is a `LiveScreen`.
    patience_s : float
        How long a live screen may take to show a scene.

    Attributes
    ----------
    frames, late_frames, missed_frames : int
        How many frames were logged, were late, and never came.
    """

    def __init__(self, screen: Screen, patience_s: float = PATIENCE_S) -> None:
        self._screen = screen
        self._live = screen if isinstance(screen, LiveScreen) else None
        self._patience_s = patience_s
        self._awaited: tuple[Scene, float] | None = None
        info = getattr(screen, "info", None)
        refresh_hz, latency_ms = getattr(info, "refresh_hz", 60.0), getattr(info, "latency_ms", 0.0)
        self._trials = TrialFrames(refresh_hz, 1e-3 * latency_ms)
        self.frames = self.late_frames = self.missed_frames = 0

    @property
    def is_live(self) -> bool:
        """Whether the screen answers later and logs its frames."""
        return self._live is not None

    def present(self, scene: Scene, now: float) -> Marker | None:
        """Show `scene`; return its marker if it is known at once.

        Raises
        ------
        DeviceError
            If the screen answers nothing and can answer nothing later.
        """
        marker = self._screen.present(scene, now)
        if marker is None:
            if self._live is None:
                raise DeviceError(f"the screen did not show {scene.label!r}", reason=Reason.DRIVER)
            self._awaited = (scene, max(now, scene.time))
        return marker

    def poll(self, now: float) -> list[Marker]:
        """Return what the screen has shown since the last call.

        Raises
        ------
        DeviceError
            If the screen is gone, or a scene has been due for too long.
        """
        if self._live is None:
            due: Callable[[float], list[Marker]] | None = getattr(self._screen, "due", None)
            return [] if due is None else due(now)
        markers = self._live.poll()
        if self._awaited is not None:
            scene, since = self._awaited
            if any(marker.label == scene.label and marker.payload == scene.payload for marker in markers):
                self._awaited = None
            elif now - since > self._patience_s and not any(m.label == OPERATOR_STOP for m in markers):
                raise DeviceError(
                    f"the screen has not shown {scene.label!r} for {self._patience_s:g} s",
                    reason=Reason.DRIVER,
                    hint="check that the stimulus window is visible; what was recorded is safe",
                )
        return markers

    def take_frames(self) -> NDArray[np.float64]:
        """Return the rows of frames since the last call and count them."""
        if self._live is None:
            return np.empty((0, len(FRAME_COLUMNS)))
        rows = self._live.take_frames()
        self.frames += len(rows)
        self.late_frames += int(rows[:, 2].sum())
        self.missed_frames += int(rows[:, 3].sum())
        return rows

    def trial_frames(self, rows: NDArray[np.float64], markers: Sequence[Marker]) -> list[Marker]:
        """Return what rows of frames and markers of the screen, both new, say of the trials' frames."""
        return self._trials.take(rows, markers)

    def note(self, marker: Marker) -> None:
        """Let a live screen show what was decided."""
        if self._live is not None:
            self._live.note(marker)

    def command(self, command: Command) -> None:
        """Let a live screen show where a cursor is; other commands are not for it."""
        if self._live is not None and command.target == CURSOR:
            self._live.note(Marker(command.time, CURSOR, {"value": command.value}))

    def blank(self) -> None:
        """Take the stimuli off a live screen; no scene is awaited any more."""
        self._awaited = None
        if self._live is not None:
            self._live.blank()
