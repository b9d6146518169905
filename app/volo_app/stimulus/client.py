"""The engine's side of the stimulus window: starts its process, sends scenes, collects markers and frames. No Qt."""

from __future__ import annotations

from multiprocessing import get_context
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock, SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.types import Marker
from volo_app.showing import FRAME_COLUMNS
from volo_app.stimulus.messages import (
    Blank,
    Failed,
    Frames,
    Grab,
    Grabbed,
    Leave,
    Ready,
    ScreenInfo,
    Shown,
    ToScreen,
    as_message,
)
from volo_app.stimulus.process import ScreenSettings, screen_main
from volo_paradigms.types import Scene

__all__ = ["ScreenProcess"]

#: A window that is not on by then is given up, seconds.
START_S = 30.0
#: A window that does not leave by itself is ended, seconds.
LEAVE_S = 3.0


class ScreenProcess:
    """A stimulus window in a process of its own: a `volo_app.showing.LiveScreen`, and a context manager.

    Parameters
    ----------
    settings : ScreenSettings
        What to show, and where.
    clock : Clock
        For waiting at the start only.

    Attributes
    ----------
    info : ScreenInfo
        What the window found out about its display; from the start on.
    pixels : ndarray of uint8, shape (height, width, 3), or None
        The last frame that was asked for with `grab`.
    grabbed : int
        How many frames asked for with `grab` have been kept.
    """

    info: ScreenInfo

    def __init__(self, settings: ScreenSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SessionClock()
        context = get_context("spawn")
        self._pipe, self._child = context.Pipe()
        self._process = context.Process(
            target=screen_main, args=(self._child, settings), name="volo-screen", daemon=True
        )
        self._frames: list[NDArray[np.float64]] = []
        self._markers: list[Marker] = []
        self._is_gone = False
        self.pixels: NDArray[np.uint8] | None = None
        self.grabbed = 0

    def __enter__(self) -> Self:
        try:
            self._process.start()
            self._child.close()
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Number of the window's process."""
        return self._process.pid

    def present(self, scene: Scene, now: float) -> None:
        """Show `scene` from the next frame on; its marker comes with `poll`."""
        self._send(scene)

    def poll(self) -> list[Marker]:
        """Return the markers that have come since the last call.

        Raises
        ------
        DeviceError
            If the window is gone; what came before is returned first.
        """
        self._receive()
        markers, self._markers = self._markers, []
        if self._is_gone and not markers:
            raise DeviceError(
                f"the stimulus screen ended unexpectedly{self._how()}",
                reason=Reason.DRIVER,
                hint="what was recorded is safe; start the run again",
            )
        return markers

    def take_frames(self) -> NDArray[np.float64]:
        """Return the rows of frames since the last call, shape (n, 4), see `volo_app.showing.FRAME_COLUMNS`."""
        rows, self._frames = self._frames, []
        return np.concatenate(rows) if rows else np.empty((0, len(FRAME_COLUMNS)))

    def note(self, marker: Marker) -> None:
        """Let the window show what was decided."""
        self._send(marker)

    def blank(self) -> None:
        """Take all stimuli off, for good."""
        self._send(Blank())

    def grab(self, path: str = "", frame: int | None = None) -> None:
        """Draw a frame aside and keep it: in the file `path`, or in `pixels` once `poll` has brought it.

        Parameters
        ----------
        path : str
            An image file; empty for `pixels`.
        frame : int or None
            Number of the frame since the scene came on; None takes the one that is on.
        """
        self._send(Grab(path, frame))

    def close(self) -> None:
        """Let the window leave; it has 3 s."""
        self._send(Leave())
        self._pipe.close()
        self._child.close()
        self._is_gone = True
        if self._process.pid is not None:
            self._process.join(LEAVE_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(LEAVE_S)

    def _send(self, message: ToScreen) -> None:
        if self._is_gone:
            return
        try:
            self._pipe.send(message)
        except OSError:  # told by the next poll
            self._is_gone = True

    def _receive(self) -> None:
        try:
            while not self._is_gone and self._pipe.poll(0):
                self._take(as_message(self._pipe.recv()))
        except (EOFError, OSError):
            self._is_gone = True

    def _take(self, message: object) -> None:
        match message:
            case Ready():
                self.info = message.info
            case Frames():
                self._frames.append(message.rows)
            case Shown():
                self._markers.append(message.marker)
            case Grabbed():
                self.pixels = message.pixels
                self.grabbed += 1
            case Failed():
                raise DeviceError(
                    f"the stimulus screen failed: {message.message}", reason=Reason.DRIVER, hint=message.hint
                )

    def _wait_until_ready(self) -> None:
        give_up = self._clock.now() + START_S
        while not hasattr(self, "info"):
            self._receive()
            if self._is_gone:
                raise DeviceError(
                    f"the stimulus screen did not open{self._how()}",
                    reason=Reason.DRIVER,
                    hint="run `volo doctor` to check the display",
                )
            if self._clock.now() > give_up:
                raise DeviceError(
                    f"the stimulus screen showed no frame for {START_S:g} s",
                    reason=Reason.DRIVER,
                    hint="check that its window is visible",
                )
            self._clock.sleep(0.01)

    def _how(self) -> str:
        self._process.join(1.0)
        code = self._process.exitcode
        return "" if code is None else f" (exit code {code})"
