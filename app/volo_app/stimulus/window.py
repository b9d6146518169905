"""The stimulus window: draws frames, stamps their swaps, and answers the engine. It decides nothing.

The paint path computes one number for each key and makes two drawing calls. Everything else - reading the pipe,
writing text, reporting - happens between frames.
"""

from __future__ import annotations

import gc
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtOpenGL import QOpenGLWindow

from volo_acquisition.clock import SessionClock
from volo_acquisition.types import Marker
from volo_app.outbox import Outbox
from volo_app.stimulus.bell import Bell
from volo_app.stimulus.director import Director
from volo_app.stimulus.frames import FrameClock, FrameLog, RefreshWatch
from volo_app.stimulus.guard import Guard
from volo_app.stimulus.messages import Blank, Failed, Frames, Grab, Grabbed, Leave, Ready, ScreenInfo, Shown
from volo_app.stimulus.pace import Pace, PaceFinder
from volo_app.stimulus.picture import Picture
from volo_app.stimulus.profile import DisplayProfile
from volo_app.stimulus.renderer import Renderer
from volo_app.stimulus.settings import ScreenSettings
from volo_paradigms.grammar import (
    FLASH,
    HELP,
    OPERATOR_ANSWER,
    OPERATOR_PAUSE,
    OPERATOR_RESUME,
    OPERATOR_STOP,
    SCREEN_GREY,
)
from volo_paradigms.layout import Layout
from volo_paradigms.types import Scene

__all__ = ["StimulusWindow"]

#: Frames are reported this often, and with each scene that came on, seconds.
REPORT_S = 0.25
#: The stop flag, the heartbeats and the pipe are looked at this often even if no frame is swapped, milliseconds.
WATCH_MS = 10
_GL_RENDERER = 0x1F01


@dataclass(slots=True)
class _Timed:
    """What exists once the frames are timed."""

    pace: Pace
    clock: FrameClock
    log: FrameLog
    watch: RefreshWatch
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
    profile : DisplayProfile or None
        What is known of the display.
    """

    def __init__(
        self, pipe: Connection, settings: ScreenSettings, layout: Layout, profile: DisplayProfile | None = None
    ) -> None:
        super().__init__()
        self.setTitle("Volo stimulus")
        self._pipe = pipe
        self._settings = settings
        self._layout = layout
        self._profile = profile
        self._latency_s = 0.0 if profile is None else 1e-3 * profile.latency_ms
        self.outbox = Outbox(pipe, limit=10_000, name="volo-screen-outbox")
        self._clock = SessionClock()
        self._bell = Bell()
        self._guard = Guard(settings.lifesign)
        self._finder = PaceFinder()
        self._timed: _Timed | None = None
        self._renderer: Renderer | None = None
        self._driver = ""
        self._empty = self._on = Picture(np.empty((0, 7), np.float32), 0)
        self._on_since = 0
        self._coming: deque[Picture] = deque()
        self._number = 0
        self._n_flashed = 0
        self._sound = ""
        self._answers: list[Marker] = []
        self._is_blanked = self._is_paused = self._is_alone = False
        self._next = QTimer(self)
        self._next.setSingleShot(True)
        self._next.setTimerType(Qt.TimerType.PreciseTimer)
        self._next.timeout.connect(self.update)
        self._watch = QTimer(self)  # for the life pipe and the stop flag, also while no frame is swapped
        self._watch.setTimerType(Qt.TimerType.PreciseTimer)
        self._watch.timeout.connect(self._look_around)
        self._watch.start(WATCH_MS)
        self.frameSwapped.connect(self._swapped)

    # The paint path.

    def initializeGL(self) -> None:  # noqa: N802 - Qt's name
        """Make what lives with the context."""
        functions = self.context().functions()
        functions.initializeOpenGLFunctions()
        self._driver = str(functions.glGetString(_GL_RENDERER) or "unknown")
        drive = None if self._profile is None else self._profile.drive_table()
        self._renderer = Renderer(functions, drive=drive, patch=self._settings.patch)

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
        self._renderer.draw(self._on, self._number - self._on_since, self._number)

    def _change(self, until_s: float) -> None:
        """Put the next picture on if it may be shown by now; each stays on for at least one frame."""
        if not self._coming:
            return
        scene = self._coming[0].scene
        if scene is not None and scene.time > until_s:
            return
        self._on = self._coming.popleft()
        self._on_since = self._number
        self._n_flashed = 0
        if scene is not None:
            self._answers.append(Marker(0.0, scene.label, scene.payload, "screen"))
        self._sound = self._on.sound

    # Between frames.

    def _swapped(self) -> None:
        if self._renderer is not None:
            self._renderer.fence()
        now = self._clock.now()
        if self._timed is None:
            self._find_pace(now)
            return
        timed = self._timed
        timed.pace.swapped_s = now
        presented = self._number
        if timed.pace.is_vsync:
            presented = timed.clock.number(now)
            timed.clock.follow(presented, now)
            if timed.watch.add(now):
                self._go_grey("the display's refresh rate changed")
        timed.log.add(self._number, now, presented)
        self._tell_flashes(self._number - self._on_since)
        if self._sound:
            self._bell.play(self._sound)
            self._sound = ""
        if self._answers or now - timed.reported_s >= REPORT_S:
            self._report(now)
        self._look_around()
        if timed.pace.is_vsync:
            self.update()
        else:
            wait_s = timed.clock.next_after(self._clock.now(), self._number) - self._clock.now()
            self._next.start(max(0, int(1e3 * wait_s)))

    def _tell_flashes(self, frame: int) -> None:
        """Answer each flash that has begun by now; one whose frames were all missed comes with the next."""
        flashes, scene = self._on.flashes, self._on.scene
        while scene is not None and self._n_flashed < len(flashes) and flashes[self._n_flashed][0] <= frame:
            payload = {"trial": scene.trial, "flash": self._n_flashed, "keys": list(flashes[self._n_flashed][1])}
            self._answers.append(Marker(0.0, FLASH, payload, "screen"))
            self._n_flashed += 1

    def _find_pace(self, now: float) -> None:
        """Measure how fast frames come when nothing holds them back, then say so and begin."""
        self._finder.add(now)
        if not self._finder.is_done:
            self.update()
            return
        pace = self._finder.pace(self.screen().refreshRate(), self._settings.timer_hz)
        clock = FrameClock(pace.refresh_hz, now, pace.gain)
        aspect = self.width() / max(1, self.height())
        try:
            director = Director(self._layout, pace.refresh_hz, aspect, self._settings.ramp_s)
        except ValueError as error:
            self.outbox.put(Failed(str(error), "choose a layout for this refresh rate"))
            self._leave()
            return
        watch = RefreshWatch(pace.refresh_hz)
        self._timed = _Timed(pace, clock, FrameLog(clock.period_s), watch, director, now)
        self.outbox.put(Ready(self._info(pace)))
        gc.collect()
        gc.freeze()
        gc.disable()
        self.update()

    def _info(self, pace: Pace) -> ScreenInfo:
        ratio = self.devicePixelRatio()
        return ScreenInfo(
            renderer=self._driver,
            platform=QGuiApplication.platformName(),
            width=round(self.width() * ratio),
            height=round(self.height() * ratio),
            refresh_hz=pace.refresh_hz,
            measured_hz=pace.measured_hz,
            pacing="vsync" if pace.is_vsync else "timer",
            timing_verified=False,
            why_not=pace.why_not_verified(self._driver),
            fenced=self._renderer is not None,
            jitter_ms=pace.jitter_ms,
            latency_ms=1e3 * self._latency_s,
            display=self.screen().name(),
            queue_frames=pace.queue_frames,
        )

    def _report(self, now: float) -> None:
        """Send the rows of frames, and the markers of what has just come on, with the light's latency added."""
        if self._timed is None:
            return
        self._timed.reported_s = now
        self.outbox.put(Frames(self._timed.log.take()))
        lit_s = now + self._latency_s
        for marker in self._answers:
            self.outbox.put(Shown(Marker(lit_s, marker.label, marker.payload, marker.origin)))
        self._answers.clear()

    def _look_around(self) -> None:
        """Watch the stop flag, the heartbeats and the pipe."""
        reason = self._guard.trouble(self._clock.now())
        if reason:
            self._go_grey(reason)
        self._receive()

    def _receive(self) -> None:
        """Take what the engine says; when it is gone, stay grey for as long as the run is recorded, then leave."""
        if self._is_alone:
            if not self._guard.is_run_on(self._clock.now()):
                self._leave()
            return
        try:
            while self._pipe.poll(0):
                self._take(self._pipe.recv())
        except (EOFError, OSError):
            self._is_alone = True
            self._go_grey("the engine is gone")

    def _take(self, message: object) -> None:
        if isinstance(message, Leave):
            self._leave()
        timed = self._timed
        if timed is None:
            return
        match message:
            case Scene() if not self._is_blanked:
                timed.director.refresh_hz = timed.clock.refresh_hz
                self._line_up(timed.director.scene(message))
                if message.kind != "flicker":
                    gc.collect()
            case Marker(label=label) if label == HELP:
                self._bell.ring()
            case Marker() if not self._is_blanked:
                picture = timed.director.note(message)
                if picture is not None:
                    self._line_up(picture)
            case Blank():
                self._blank()
            case Grab():
                self._grab(message)

    def _line_up(self, picture: Picture) -> None:
        self._bell.load(picture.sound)
        if self._renderer is not None:
            self.makeCurrent()
            self._renderer.prepare(picture)
        self._coming.append(picture)

    def _blank(self) -> None:
        """Go grey with the next frame, and stay so."""
        self._is_blanked = True
        self._coming.clear()
        self._on = self._empty
        self.update()

    def _go_grey(self, reason: str) -> None:
        """Go grey because something else is wrong, and tell it with the first grey frame."""
        if not self._is_blanked:
            self._blank()
            self._answers.append(Marker(0.0, SCREEN_GREY, {"reason": reason}, "screen"))

    def _grab(self, request: Grab) -> None:
        if self._renderer is None:
            return
        self.makeCurrent()
        frame = self._number - self._on_since if request.frame is None else request.frame
        self._renderer.draw(self._on, frame, self._number)
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
        self._guard.close()
        self.outbox.close()

    # The operator, and the participant's switch.

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Escape blanks the screen, P pauses and goes on, F1 and H call for help, digits answer questions."""
        if event.isAutoRepeat():
            return
        match event.key():
            case Qt.Key.Key_Escape:
                self._operator_stops()
            case Qt.Key.Key_F1 | Qt.Key.Key_H:
                self._bell.ring()
                self._answers.append(Marker(0.0, HELP, {}, "participant"))
            case Qt.Key.Key_P:
                self._is_paused = not self._is_paused
                label = OPERATOR_PAUSE if self._is_paused else OPERATOR_RESUME
                self._answers.append(Marker(0.0, label, {}, "operator"))
            case key if Qt.Key.Key_1 <= key <= Qt.Key.Key_9:
                self._answers.append(Marker(0.0, OPERATOR_ANSWER, {"value": chr(key)}, "operator"))

    def event(self, event: QEvent) -> bool:
        """Take the closing of the window as the operator's wish to stop."""
        if event.type() == QEvent.Type.Close and not self._is_blanked:
            self._operator_stops()
            self._report(self._clock.now())
        return super().event(event)

    def _operator_stops(self) -> None:
        if not self._is_blanked:
            self._guard.stop("escape at the screen", self._clock.now())
            self._blank()
            self._answers.append(Marker(0.0, OPERATOR_STOP, {}, "operator"))
