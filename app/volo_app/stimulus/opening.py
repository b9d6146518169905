"""Opens the stimulus window on its display, and tells through the pipe what goes wrong."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QOpenGLContext, QSurfaceFormat

from volo_acquisition.errors import VoloError
from volo_app.stimulus.messages import Failed
from volo_app.stimulus.profile import load_display
from volo_app.stimulus.renderer import RendererError
from volo_app.stimulus.settings import ScreenSettings
from volo_app.stimulus.window import StimulusWindow
from volo_paradigms.layout import load_layout

__all__ = ["run_window"]


def run_window(pipe: Connection, settings: ScreenSettings) -> None:
    """Show the window until the engine is gone; what goes wrong is told through the pipe."""
    form = QSurfaceFormat()
    form.setSwapInterval(1)
    form.setSwapBehavior(QSurfaceFormat.SwapBehavior.DoubleBuffer)
    QSurfaceFormat.setDefaultFormat(form)
    app = QGuiApplication(["volo-screen"])
    app.setApplicationName("Volo")
    try:
        layout = load_layout(settings.layout)
        profile = load_display(Path(settings.profile)) if settings.profile else None
    except VoloError as error:
        pipe.send(Failed(error.message, error.hint))
        return
    n_displays = len(app.screens())
    if not -1 <= settings.display < n_displays:
        pipe.send(Failed(f"display {settings.display} is not there", f"displays are counted 0 to {n_displays - 1}"))
        return
    if app.platformName() in ("offscreen", "minimal") or not QOpenGLContext().create():
        pipe.send(
            Failed(f"no OpenGL on Qt's platform {app.platformName()!r}", "start Volo on a desktop with a display")
        )
        return
    window = StimulusWindow(pipe, settings, layout, profile)

    def fail(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        hint = "update the graphics driver" if isinstance(error, RendererError) else ""
        window.outbox.put(Failed(f"{kind.__name__}: {error}", hint))
        app.exit(1)

    sys.excepthook = fail  # what is raised in Qt's callbacks ends here
    _place(window, settings)
    app.exec()
    window.let_go()


def _place(window: StimulusWindow, settings: ScreenSettings) -> None:
    displays = QGuiApplication.screens()
    display = displays[settings.display]
    window.setScreen(display)
    where = display.geometry()
    if settings.mode == "full-screen" or (settings.mode == "auto" and len(displays) > 1):
        window.setCursor(Qt.CursorShape.BlankCursor)
        window.setGeometry(where)
        window.showFullScreen()
    else:
        width, height = min(settings.width, where.width()), min(settings.height, where.height())
        window.setGeometry(where.x() + where.width() - width, where.y(), width, height)
        window.show()
    window.requestActivate()
