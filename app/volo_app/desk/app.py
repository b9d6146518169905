"""The desk's process: Qt, the window, and the link to the engine, 30 times a second."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from volo_acquisition.errors import DeviceError, Reason
from volo_app.desk.autopilot import Autopilot
from volo_app.desk.link import EngineLink
from volo_app.desk.messages import Order
from volo_app.desk.model import DeskModel
from volo_app.desk.settings import DeskSettings
from volo_app.desk.theme import apply_theme
from volo_app.desk.window import DeskWindow

__all__ = ["DeskOptions", "run_desk"]

#: How often the engine's snapshots are taken, milliseconds.
PULL_MS = 33
#: How often the page is drawn anew, in pulls.
PULLS_A_PAINT = 2


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """How a desk starts.

    Attributes
    ----------
    settings : DeskSettings
        Of its engine.
    source : str
        As in ``--source``.
    task : str
        ``"ssvep"`` or ``"imagery"``.
    text, wish : str
        What a simulated participant is to write, and to imagine.
    n_blocks : int
        Of the calibration.
    auto : bool
        Calibrate and spell without an operator, then leave.
    screenshot : str
        Image of the desk near the end of an automated run; the stimulus screen's is put beside it. Empty for none.
    theme : str
        ``"auto"``, ``"dark"`` or ``"light"``.
    """

    settings: DeskSettings
    source: str = "synthetic"
    task: str = "ssvep"
    text: str = "AB"
    wish: str = "right"
    n_blocks: int = 4
    auto: bool = False
    screenshot: str = ""
    theme: str = "auto"


class _Desk:
    """Joins model, window, engine and, in an automated run, the autopilot."""

    def __init__(self, app: QApplication, options: DeskOptions, link: EngineLink) -> None:
        self._app = app
        self._options = options
        self._link = link
        self.model = DeskModel(
            source=options.source,
            task=options.task,
            target_text=options.text,
            wish=options.wish,
            n_blocks=options.n_blocks,
        )
        if options.auto:
            self.model.acknowledged = "acknowledged with --auto; the participant is simulated"
        self.pilot = Autopilot(_beside(options.screenshot)) if options.auto else None
        self.window = DeskWindow(self.model, self._order, apply_theme(app, options.theme))
        self._n_pulls = 0
        self._has_image = False
        self.error: BaseException | None = None
        self._timer = QTimer()
        self._timer.timeout.connect(self._pull)
        self._timer.start(PULL_MS)

    def _order(self, order: Order) -> None:
        self._link.order(order)

    def _pull(self) -> None:
        for snapshot in self._link.snapshots():
            self.model.take(snapshot)
            if self.pilot is not None:
                self._step(self.pilot)
        if self._link.is_gone:
            self.model.lose()
            if self.pilot is not None:
                self._step(self.pilot)
        self._n_pulls += 1
        if self._n_pulls % PULLS_A_PAINT == 0:
            self.window.show_model()
        if self.window.is_closed or self.error is not None or (self.pilot is not None and self.pilot.is_done):
            self._timer.stop()
            self._app.quit()

    def _step(self, pilot: Autopilot) -> None:
        order = pilot.step(self.model)
        if order is not None:
            self._link.order(order)
        if self._options.screenshot and not self._has_image and (pilot.wants_desk_image or pilot.is_done):
            self._has_image = True
            self.window.show_model()
            self.window.grab().save(self._options.screenshot)


def run_desk(options: DeskOptions) -> dict[str, object]:
    """Show the desk until it is closed, or its automated run has ended; return the figures of the last runs.

    Raises
    ------
    DeviceError
        If there is no display, or the automated run failed.
    """
    _require_display()
    app = QApplication.instance() or QApplication(["volo"])
    if not isinstance(app, QApplication):
        raise RuntimeError("run_desk: another kind of Qt application is running in this process")
    app.setApplicationName("Volo")
    app.setQuitOnLastWindowClosed(True)
    link = EngineLink(options.settings)
    try:
        desk = _Desk(app, options, link)
        desk.window.show()
        with _leaving_on_signals(desk), _failing(desk):
            app.exec()
    finally:
        link.close()
    if desk.error is not None:
        raise desk.error
    if desk.pilot is not None and desk.pilot.error:
        raise DeviceError(f"the automated run failed: {desk.pilot.error}", reason=Reason.DRIVER)
    images = [options.screenshot, _beside(options.screenshot)] if options.screenshot else []
    return {**desk.model.result, "images": [image for image in images if Path(image).is_file()]}


@contextmanager
def _leaving_on_signals(desk: _Desk) -> Iterator[None]:
    """Close the window on Ctrl+C and when asked to end, as if the operator had closed it."""

    def leave(number: int, frame: FrameType | None) -> None:
        desk.window.close()

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _failing(desk: _Desk) -> Iterator[None]:
    """Let what is raised in Qt's callbacks, which Qt would only print, end the desk."""

    def keep(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        desk.error = error

    before, sys.excepthook = sys.excepthook, keep
    try:
        yield
    finally:
        sys.excepthook = before


def _beside(screenshot: str) -> str:
    """Return where the stimulus screen's image goes: ``x.png`` becomes ``x-screen.png``."""
    if not screenshot:
        return ""
    path = Path(screenshot)
    return str(path.with_name(f"{path.stem}-screen{path.suffix}").absolute())


def _require_display() -> None:
    """Refuse to start where Qt would end the process because there is no display."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise DeviceError(
            "there is no display", reason=Reason.NOT_FOUND, hint="start Volo on a desktop, or under xvfb-run"
        )
