"""Where the process of the stimulus window begins. Loads the standard library only."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection

from volo_app.role import enter_role
from volo_app.stimulus.settings import PATCH_CORNERS, ScreenSettings

__all__ = ["PATCH_CORNERS", "ScreenSettings", "screen_main"]


def screen_main(pipe: Connection, settings: ScreenSettings) -> None:
    """Show the window until the pipe's other end is closed."""
    enter_role("screen")
    os.environ["QT_QPA_UPDATE_IDLE_TIME"] = "0"  # Qt would wait 5 ms before each frame
    from volo_app.stimulus.opening import run_window

    run_window(pipe, settings)
