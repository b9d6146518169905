"""Where the process of the stimulus window begins. Loads the standard library only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from multiprocessing.connection import Connection

from volo_app.role import enter_role

__all__ = ["ScreenSettings", "screen_main"]


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """What can be set.

    Attributes
    ----------
    layout : str
        Name of a layout, or path of a layout file.
    mode : str
        ``"full-screen"`` (on the last display), ``"window"``, or ``"auto"``: full screen if there is a second display
        to be full on, else a window, so that the operator keeps a place to work.
    width, height : int
        Of the window, if it is one; points.
    timer_hz : float
        Frames a second where the driver does not wait for the display.
    """

    layout: str = "four"
    mode: str = "auto"
    width: int = 960
    height: int = 640
    timer_hz: float = 60.0

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "full-screen", "window"):
            raise ValueError(f"mode: got {self.mode!r}, allowed are auto, full-screen, window")
        if self.width < 64 or self.height < 64:
            raise ValueError(f"width, height: got {self.width} and {self.height}, at least 64 are needed")
        if not 20.0 <= self.timer_hz <= 1000.0:
            raise ValueError(f"timer_hz: got {self.timer_hz}, allowed is 20 to 1000")


def screen_main(pipe: Connection, settings: ScreenSettings) -> None:
    """Show the window until the pipe's other end is closed."""
    enter_role("screen")
    os.environ["QT_QPA_UPDATE_IDLE_TIME"] = "0"  # Qt would wait 5 ms before each frame
    from volo_app.stimulus.window import run_window

    run_window(pipe, settings)
