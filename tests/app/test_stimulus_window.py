"""The stimulus window as the engine meets it: a process with a real OpenGL window, on a display in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DeviceError
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.verify import verify
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Marker
from volo_app.engine import Engine
from volo_app.rows import FRAMES, RunRecorder
from volo_app.showing import LiveScreen
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.messages import Shown
from volo_app.stimulus.pace import N_SWAPS
from volo_app.stimulus.process import ScreenSettings
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.flicker import drive_level
from volo_paradigms.grammar import OPERATOR_STOP
from volo_paradigms.layout import load_layout
from volo_paradigms.types import Scene

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

WINDOW = ScreenSettings(layout="four", mode="window", width=480, height=320, ramp_s=0.0)
GREY = 51  # 0.2 of 255


@pytest.fixture
def screen(display: str) -> Iterator[ScreenProcess]:
    with ScreenProcess(WINDOW) as screen:
        yield screen


def wait_for(screen: ScreenProcess, done: Callable[[list[Marker]], bool], seconds: float = 20.0) -> list[Marker]:
    """Poll until it is `done`, or fail after long."""
    clock = SessionClock()
    give_up = clock.now() + seconds
    markers: list[Marker] = []
    while not done(markers):
        assert clock.now() < give_up, f"not after {seconds} s: {markers}"
        markers += screen.poll()
        clock.sleep(0.005)
    return markers


def pixels(screen: ScreenProcess, frame: int | None = None) -> np.ndarray:
    n = screen.grabbed
    screen.grab(frame=frame)
    wait_for(screen, lambda _: screen.grabbed > n)
    assert screen.pixels is not None
    return screen.pixels


def corner_of(key: str, image: np.ndarray) -> np.ndarray:
    """Pixels of a key, beside its label."""
    r = load_layout("four").key(key).rectangle
    height, width = image.shape[:2]
    y, x = int((r.y + 0.04) * height), int((r.x + 0.02) * width)
    return image[y : y + 3, x : x + 3]


def test_the_pixels_of_each_key_are_the_levels_of_the_flicker(screen: ScreenProcess) -> None:
    assert isinstance(screen, LiveScreen)
    layout = load_layout("four")
    screen.present(Scene("flicker", 0, 0.0, "stimulus/onset", {"trial": 0, "target": None}), 0.0)
    wait_for(screen, lambda markers: any(m.label == "stimulus/onset" for m in markers))
    for frame in (0, 1, 2, 5, 17, 59, 1234):
        image = pixels(screen, frame)
        assert image.shape == (screen.info.height, screen.info.width, 3)
        for key in layout.keys:
            level = drive_level(frame, [key.frequency_hz], [key.phase_rad], screen.info.refresh_hz)[0]
            seen = corner_of(key.label, image)
            assert np.all(np.abs(seen.astype(float) / 255.0 - level) <= 1.0 / 255.0 + 1e-9), (frame, key.label)
        assert np.all(image[-2:, -2:] == GREY)


def test_scenes_are_answered_in_order_with_the_swap_of_their_first_frame(screen: ScreenProcess) -> None:
    clock = SessionClock()
    asked = clock.now()
    scenes = [
        Scene("gaze", 0, 0.0, "trial/start", {"trial": 0, "cue": "A", "text": ""}),
        Scene("flicker", 0, 0.0, "stimulus/onset", {"trial": 0, "target": "A"}),
        Scene("rest", 0, asked + 0.5, "stimulus/offset", {"trial": 0}),
    ]
    for scene in scenes:
        screen.present(scene, asked)
    markers = wait_for(screen, lambda markers: len(markers) >= 3)
    assert [(m.label, m.payload, m.origin) for m in markers] == [(s.label, s.payload, "screen") for s in scenes]
    assert asked < markers[0].time < markers[1].time
    assert markers[2].time > asked + 0.5 - 1.0 / screen.info.refresh_hz
    rows = screen.take_frames()
    assert {m.time for m in markers} <= set(rows[:, 0].tolist())
    assert np.all(np.diff(rows[:, 0]) > 0.0)
    assert np.all(np.diff(rows[:, 1]) >= 0.0)


def test_a_cue_and_a_decision_are_seen(screen: ScreenProcess) -> None:
    screen.present(Scene("gaze", 0, 0.0, "trial/start", {"trial": 0, "cue": "A", "text": ""}), 0.0)
    wait_for(screen, lambda markers: len(markers) == 1)
    cued = pixels(screen)
    r = load_layout("four").key("A").rectangle
    y, x = int((r.y + 0.1) * cued.shape[0]), int(r.x * cued.shape[1]) - 2
    assert cued[y, x, 0] > cued[y, x, 2] + 100  # orange
    assert cued[: int(0.19 * cued.shape[0])].max() > 200  # "Look at A"
    screen.present(Scene("rest", 0, 0.0, "stimulus/offset", {"trial": 0}), 0.0)
    wait_for(screen, lambda markers: len(markers) == 1)
    screen.note(Marker(0.0, "trial/decision", {"trial": 0, "key": "B", "confidence": 1.0, "text": "B"}))
    r = load_layout("four").key("B").rectangle
    x = int(r.x * cued.shape[1]) - 2
    wait_for(screen, lambda _: int(pixels(screen)[y, x, 1]) > int(pixels(screen)[y, x, 0]) + 80)  # green


def test_blanking_takes_everything_off_for_good(screen: ScreenProcess) -> None:
    screen.present(Scene("flicker", 0, 0.0, "stimulus/onset", {"trial": 0, "target": None}), 0.0)
    wait_for(screen, lambda markers: len(markers) == 1)
    screen.blank()
    assert np.all(pixels(screen) == GREY)
    screen.present(Scene("flicker", 1, 0.0, "stimulus/onset", {"trial": 1, "target": None}), 0.0)
    assert np.all(pixels(screen) == GREY)
    assert screen.poll() == []


def test_the_display_is_described_and_its_timing_not_called_verified(screen: ScreenProcess) -> None:
    info = screen.info
    assert info.renderer
    assert info.refresh_hz > 0.0
    assert info.timing_verified is False
    assert info.header()["timing_verified"] == "false"
    if "llvmpipe" in info.renderer:
        assert info.pacing == "timer"
        assert "unverified: drawn by software" in info.line()


def test_the_window_leaves_when_the_engine_is_gone(display: str) -> None:
    with ScreenProcess(WINDOW) as screen:
        screen._pipe.close()
        screen._process.join(10.0)
        assert screen._process.exitcode == 0


def test_a_layout_that_is_not_there_is_told_in_one_line(display: str) -> None:
    with (
        pytest.raises(DeviceError, match="screen failed: unknown layout 'none'"),
        ScreenProcess(ScreenSettings("none")),
    ):
        pass


def test_a_platform_without_opengl_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    with pytest.raises(DeviceError, match="no OpenGL on Qt's platform 'offscreen'"), ScreenProcess(WINDOW):
        pass


def test_a_window_killed_in_mid_flicker_ends_the_run_by_name_with_the_file_whole(display: str, tmp_path: Path) -> None:
    clock = SessionClock()
    source = SyntheticSource(SyntheticSource.Settings(), clock)
    paradigm = SsvepCalibration(CalibrationSettings(layout="four", n_blocks=1, flicker_s=5.0, cue_s=0.2))
    path = tmp_path / "run.xdf"
    with ScreenProcess(WINDOW) as screen:

        def hear(marker: Marker) -> list[Marker]:
            if marker.label == "stimulus/onset":
                screen._process.kill()
            return []

        with (
            pytest.raises(DeviceError, match="the stimulus screen ended unexpectedly"),
            RunRecorder(path, {"task": "test", **screen.info.header()}) as recorder,
        ):
            Engine(source, clock, recorder=recorder, paradigm=paradigm, screen=screen, hear=hear).run()
    report = verify(path)
    assert report.ok
    assert report.complete
    recording = Recording.open(path)
    assert [m.label for m in recording.markers] == ["trial/start", "stimulus/onset"]
    assert recording.header["timing_verified"] == "false"
    assert len(recording.rows(FRAMES)[0]) > 0
    assert len(recording.streams["synthetic"]) > 0


@pytest.mark.parametrize("close", [False, True], ids=["escape", "closing the window"])
def test_the_operator_blanks_the_screen_at_once_and_it_is_told(qt_app: QApplication, close: bool) -> None:
    """In this process, without OpenGL: the key's way from the event to the pipe."""
    from PySide6.QtCore import QCoreApplication, QEvent, Qt
    from PySide6.QtGui import QCloseEvent, QKeyEvent

    from volo_app.stimulus.window import StimulusWindow

    ours, theirs = get_context("spawn").Pipe()
    window = StimulusWindow(theirs, WINDOW, load_layout("four"))
    try:
        for n in range(N_SWAPS):
            window._find_pace(float(n))
        ours.send(Scene("flicker", 0, 0.0, "stimulus/onset", {"trial": 0, "target": None}))
        window._receive()
        assert len(window._coming) == 1
        key = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
        QCoreApplication.sendEvent(window, QCloseEvent() if close else key)
        assert not window._coming
        assert window._on is window._empty
        before = window._clock.now()
        window._swapped()
        window.outbox.close()
        told = []
        while ours.poll(0.0):
            told.append(ours.recv())
        (stop,) = [m.marker for m in told if isinstance(m, Shown)]
        assert (stop.label, stop.origin) == (OPERATOR_STOP, "operator")
        assert close or stop.time >= before
    finally:
        window._watch.stop()
        window._next.stop()
        window.outbox.close()
        gc.enable()
        ours.close()
        theirs.close()
