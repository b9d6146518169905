"""The stimulus window: draws frames, stamps their swaps, and answers the engine. It decides nothing.

The paint path computes one number for each key and makes two drawing calls. Everything else - reading the pipe,
writing text, reporting - happens between frames.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent, QOpenGLContext, QSurfaceFormat
from PySide6.QtOpenGL import QOpenGLWindow

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import VoloError
from volo_acquisition.types import Marker
from volo_app.outbox import Outbox
from volo_app.stimulus.frames import FrameClock, FrameLog
from volo_app.stimulus.messages import Blank, Failed, Frames, Grab, Grabbed, Ready, ScreenInfo, Shown
from volo_app.stimulus.pace import Pace, PaceFinder
from volo_app.stimulus.picture import Director, Picture
from volo_app.stimulus.process import ScreenSettings
from volo_app.stimulus.renderer import Renderer, RendererError
from volo_paradigms.grammar import OPERATOR_STOP
from volo_paradigms.layout import Layout, load_layout
from volo_paradigms.types import Scene

__all__ = ["StimulusWindow", "run_window"]

#: Frames are reported this often, and with each scene that came on, seconds.
REPORT_S = 0.25
_GL_RENDERER = 0x1F01


@dataclass(slots=True)
class _Timed:
    """What exists once the frames are timed."""

    pace: Pace
    clock: FrameClock
    log: FrameLog
    director: Director
    reported_s: float


class StimulusWindow(QOpenGLWindow):
    """The one window of the screen's process.

    Parameters
    ----------
    pipe : Connection
        To the engine; its end of file means: leave.
    settings : ScreenSettings
        What to show, and where.
    layout : Layout
        The keys.
    """

    def __init__(self, pipe: Connection, settings: ScreenSettings, layout: Layout) -> None:
        super().__init__()
        self.setTitle("Volo stimulus")
        self._pipe = pipe
        self._settings = settings
        self._layout = layout
        self.outbox = Outbox(pipe, limit=10_000, name="volo-screen-outbox")
        self._clock = SessionClock()
        self._finder = PaceFinder()
        self._timed: _Timed | None = None
        self._renderer: Renderer | None = None
        self._driver = ""
        self._empty = self._on = Picture(np.empty((0, 7), np.float32), 0)
        self._on_since = 0
        self._coming: deque[Picture] = deque()
        self._number = 0
        self._answers: list[Marker] = []
        self._is_blanked = False
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.setTimerType(Qt.TimerType.PreciseTimer)
        self._next.timeout.connect(self.update)
        self._watch = QTimer(self)  # for the life pipe, also while no frame is swapped
        self._watch.timeout.connect(self._receive)
        self._watch.start(100)
        self.frameSwapped.connect(self._swapped)

    # The paint path.

    def initializeGL(self) -> None:  # noqa: N802 - Qt's name
        """Make what lives with the context."""
        functions = self.context().functions()
        functions.initializeOpenGLFunctions()
        self._driver = str(functions.glGetString(_GL_RENDERER) or "unknown")
        self._renderer = Renderer(functions, self._layout)

    def resizeGL(self, width: int, height: int) -> None:  # noqa: N802 - Qt's name
        """Take the new size."""
        ratio = self.devicePixelRatio()
        if self._renderer is not None:
            self._renderer.resize(round(width * ratio), round(height * ratio))

    def paintGL(self) -> None:  # noqa: N802 - Qt's name
        """Draw the frame whose number the time tells."""
        if self._renderer is None:
            return
        if self._timed is not None:
            expected_s = self._timed.pace.expected_s(self._clock.now(), self._timed.clock)
            self._number = self._timed.clock.number(expected_s)
            self._change(expected_s + 0.5 * self._timed.clock.period_s)
        self._renderer.draw(self._on, self._number - self._on_since)

    def _change(self, until_s: float) -> None:
        """Put the next picture on if it may be shown by now; each stays on for at least one frame."""
        if not self._coming:
            return
        scene = self._coming[0].scene
        if scene is not None and scene.time > until_s:
            return
        self._on = self._coming.popleft()
        self._on_since = self._number
        if scene is not None:
            self._answers.append(Marker(0.0, scene.label, scene.payload, "screen"))

    # Between frames.

    def _swapped(self) -> None:
        now = self._clock.now()
        if self._timed is None:
            self._find_pace(now)
            return
        timed = self._timed
        timed.pace.swapped_s = now
        timed.clock.follow(self._number, now)
        timed.log.add(self._number, now)
        if self._answers or now - timed.reported_s >= REPORT_S:
            self._report(now)
        self._receive()
        if timed.pace.is_vsync:
            self.update()
        else:
            wait_s = timed.clock.next_after(self._clock.now(), self._number) - self._clock.now()
            self._next.start(max(0, int(1e3 * wait_s)))

    def _find_pace(self, now: float) -> None:
        """Measure how fast frames come when nothing holds them back, then say so and begin."""
        self._finder.add(now)
        if not self._finder.is_done:
            self.update()
            return
        mode_hz = self.screen().refreshRate()
        pace = self._finder.pace(mode_hz, self._settings.timer_hz)
        clock = FrameClock(pace.refresh_hz, now, pace.gain)
        director = Director(self._layout, pace.refresh_hz, self.width() / max(1, self.height()))
        self._timed = _Timed(pace, clock, FrameLog(clock.period_s), director, now)
        ratio = self.devicePixelRatio()
        self.outbox.put(
            Ready(
                ScreenInfo(
                    renderer=self._driver,
                    platform=QGuiApplication.platformName(),
                    width=round(self.width() * ratio),
                    height=round(self.height() * ratio),
                    refresh_hz=pace.refresh_hz,
                    measured_hz=pace.measured_hz,
                    pacing="vsync" if pace.is_vsync else "timer",
                    timing_verified=False,
                    why_not=pace.why_not_verified(self._driver),
                )
            )
        )
        gc.collect()
        gc.freeze()
        gc.disable()
        self.update()

    def _report(self, now: float) -> None:
        """Send the rows of frames, and the markers of what has just come on."""
        if self._timed is None:
            return
        self._timed.reported_s = now
        self.outbox.put(Frames(self._timed.log.take()))
        for marker in self._answers:
            self.outbox.put(Shown(Marker(now, marker.label, marker.payload, marker.origin)))
        self._answers.clear()

    def _receive(self) -> None:
        """Take what the engine says; leave when it is gone."""
        try:
            while self._pipe.poll(0):
                self._take(self._pipe.recv())
        except (EOFError, OSError):
            self._leave()

    def _take(self, message: object) -> None:
        timed = self._timed
        if timed is None:
            return
        match message:
            case Scene() if not self._is_blanked:
                self._line_up(timed.director.scene(message))
                if message.kind != "flicker":
                    gc.collect()
            case Marker() if not self._is_blanked:
                picture = timed.director.note(message)
                if picture is not None:
                    self._line_up(picture)
            case Blank():
                self._blank()
            case Grab():
                self._grab(message)

    def _line_up(self, picture: Picture) -> None:
        if self._renderer is not None:
            self.makeCurrent()
            self._renderer.prepare(picture)
        self._coming.append(picture)

    def _blank(self) -> None:
        """Go grey with the next frame, and stay so."""
        self._is_blanked = True
        self._coming.clear()
        self._on = self._empty

    def _grab(self, request: Grab) -> None:
        if self._renderer is None:
            return
        self.makeCurrent()
        self._renderer.draw(self._on, self._number - self._on_since if request.frame is None else request.frame)
        image = self.grabFramebuffer()
        if request.path:
            image.save(request.path)
            self.outbox.put(Grabbed(None))
            return
        image = image.convertToFormat(image.Format.Format_RGBX8888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        pixels = rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)[..., :3]
        self.outbox.put(Grabbed(pixels.copy()))

    def _leave(self) -> None:
        self._watch.stop()
        self._next.stop()
        QGuiApplication.quit()

    def let_go(self) -> None:
        """Give back what the driver gave, and end the thread that sends."""
        if self._renderer is not None:
            self.makeCurrent()
            self._renderer.close()
            self.doneCurrent()
        self.outbox.close()

    # The operator.

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Blank the screen on Escape: the marker carries the swap of the first grey frame."""
        if event.key() == Qt.Key.Key_Escape:
            self._operator_stops()

    def event(self, event: QEvent) -> bool:
        """Take the closing of the window as the operator's wish to stop."""
        if event.type() == QEvent.Type.Close and not self._is_blanked:
            self._operator_stops()
            self._report(self._clock.now())
        return super().event(event)

    def _operator_stops(self) -> None:
        if not self._is_blanked:
            self._blank()
            self._answers.append(Marker(0.0, OPERATOR_STOP, {}, "operator"))


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
    except VoloError as error:
        pipe.send(Failed(error.message, error.hint))
        return
    if app.platformName() in ("offscreen", "minimal") or not QOpenGLContext().create():
        pipe.send(
            Failed(f"no OpenGL on Qt's platform {app.platformName()!r}", "start Volo on a desktop with a display")
        )
        return
    window = StimulusWindow(pipe, settings, layout)

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
    window.setScreen(displays[-1])
    where = displays[-1].geometry()
    if settings.mode == "full-screen" or (settings.mode == "auto" and len(displays) > 1):
        window.setCursor(Qt.CursorShape.BlankCursor)
        window.setGeometry(where)
        window.showFullScreen()
    else:
        width, height = min(settings.width, where.width()), min(settings.height, where.height())
        window.setGeometry(where.x() + where.width() - width, where.y(), width, height)
        window.show()
    window.requestActivate()
