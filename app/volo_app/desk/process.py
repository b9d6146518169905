"""Where the engine's process of the desk begins. Loads the standard library only."""

from __future__ import annotations

from multiprocessing.connection import Connection

from volo_app.desk.settings import DeskSettings
from volo_app.role import enter_role

__all__ = ["engine_main"]


def engine_main(pipe: Connection, settings: DeskSettings) -> None:
    """Do what the desk orders until its end of the pipe is closed."""
    enter_role("engine")
    from volo_app.desk.worker import Worker

    Worker(pipe, settings).run()
