"""The desk's page, on no display."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from volo_app.desk.messages import (
    Calibrate,
    DecisionView,
    Order,
    Phase,
    Replay,
    Snapshot,
    Spell,
    Steer,
    Stop,
    StreamView,
    Watch,
)
from volo_app.desk.model import DeskModel
from volo_app.run_result import EngineStatus

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from volo_app.desk.window import DeskWindow

VIEW = StreamView("eeg", tuple(f"E{n}" for n in range(8)), 250.0, "µV")


class Page:
    """A window, its model, and the orders it gave."""

    def __init__(self, theme: str = "dark") -> None:
        from PySide6.QtWidgets import QApplication

        from volo_app.desk.theme import apply_theme
        from volo_app.desk.window import DeskWindow

        app = QApplication.instance()
        assert isinstance(app, QApplication)
        self.model = DeskModel()
        self.orders: list[Order] = []
        self.window: DeskWindow = DeskWindow(self.model, self.orders.append, apply_theme(app, theme))

    def take(self, snapshot: Snapshot) -> None:
        self.model.take(snapshot)
        self.window.show_model()

    def enabled(self) -> set[str]:
        w = self.window
        buttons = {"connect": w._watch, "calibrate": w._calibrate, "spell": w._go, "stop": w._stop}
        return {name for name, button in buttons.items() if button.isEnabled()}


@pytest.fixture
def page(qt_app: QApplication) -> Page:
    return Page()


def test_nothing_can_be_clicked_before_the_engine_has_spoken(page: Page) -> None:
    assert page.enabled() == set()
    page.take(Snapshot())
    assert page.enabled() == {"connect"}


def test_the_warning_has_to_be_acknowledged_before_anything_flickers(page: Page) -> None:
    page.take(Snapshot(decoder="etrca-1"))
    assert page.enabled() == {"connect"}
    page.window._accept.setChecked(True)
    assert page.enabled() == {"connect", "calibrate", "spell"}
    page.window._accept.setChecked(False)
    assert page.enabled() == {"connect"}


@pytest.mark.parametrize(
    ("phase", "enabled"),
    [
        (Phase.IDLE, {"connect", "calibrate", "spell"}),
        (Phase.STARTING, {"stop"}),
        (Phase.WATCHING, {"connect", "calibrate", "spell", "stop"}),
        (Phase.CALIBRATING, {"stop"}),
        (Phase.TRAINING, set()),
        (Phase.SPELLING, {"stop"}),
    ],
)
def test_buttons_follow_the_phase(page: Page, phase: Phase, enabled: set[str]) -> None:
    page.window._accept.setChecked(True)
    page.take(Snapshot(phase, decoder="etrca-1"))
    assert page.enabled() == enabled
    assert page.window._source.isEnabled() == ("connect" in enabled)


def test_clicks_become_orders(page: Page) -> None:
    w = page.window
    page.take(Snapshot(decoder="etrca-1"))
    w._accept.setChecked(True)
    w._source.setCurrentText("synthetic:participant=3")
    w._blocks.setValue(5)
    w._target.setText("B A")
    for button in (w._watch, w._calibrate, w._go):
        button.click()
    page.take(Snapshot(Phase.SPELLING))
    w._stop.click()
    by = "acknowledged by the operator at the desk"
    source = "synthetic:participant=3"
    assert page.orders == [Watch(source), Calibrate(source, 5, by), Spell(source, "B A", by), Stop()]


def test_an_error_is_one_line_in_the_window_and_goes_with_the_next_run(page: Page) -> None:
    page.window.show()
    assert not page.window._error.isVisible()
    page.take(Snapshot(error="there is no source 'nonsense' (known are: lsl, synthetic)"))
    assert page.window._error.isVisible()
    assert page.window._error.text() == "there is no source 'nonsense' (known are: lsl, synthetic)"
    page.take(Snapshot(Phase.STARTING))
    assert not page.window._error.isVisible()
    page.window.close()
    assert page.window.is_closed


def test_a_lost_engine_is_told(page: Page) -> None:
    page.take(Snapshot(Phase.SPELLING))
    page.model.lose()
    page.window.show_model()
    assert page.enabled() == set()
    assert "engine ended" in page.window._error.text()


def test_the_state_of_a_run_is_shown(page: Page) -> None:
    page.take(
        Snapshot(
            Phase.SPELLING,
            stream=VIEW,
            samples=np.random.default_rng(0).normal(0.0, 10.0, (500, 8)).astype(np.float32),
            status=EngineStatus("running", "", 500, 1, 0, 300, 12, 2),
            text="HELL",
            decision=DecisionView("L", 0.875, 0.002),
            decoder="etrca-1",
            lines=("Recording x.xdf",),
        )
    )
    w = page.window
    assert w._title.text() == "Spelling"
    assert w._text.text().startswith("HELL")
    assert w._decision._key.text() == "L"
    assert w._decision._bar.value() == 875
    assert len(w._traces._curves) == 8
    drawn = w._traces._curves[0].getData()[1]
    assert np.isfinite(drawn).sum() == 500
    assert w._log.toPlainText() == "Recording x.xdf"
    values = [label.text() for label in w._counters._values]
    assert values[:5] == ["500", "! 1", "0", "! 12 of 300", "! 2"]


def test_every_control_has_a_name_for_a_screen_reader(page: Page) -> None:
    from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QPlainTextEdit, QProgressBar, QSpinBox

    kinds = (QAbstractButton, QComboBox, QLineEdit, QPlainTextEdit, QProgressBar, QSpinBox)
    controls = [c for kind in kinds for c in page.window.findChildren(kind) if not c.objectName().startswith("qt_")]
    inner = (QComboBox, QSpinBox)
    unnamed = [c for c in controls if not c.accessibleName() and not isinstance(c.parent(), inner)]
    assert len(controls) >= 11
    assert unnamed == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_has_the_contrast_that_wcag_asks_for(qt_app: QApplication, theme: str) -> None:
    from PySide6.QtGui import QColor

    from volo_app.desk.theme import DARK, LIGHT

    def luminance(name: str) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in QColor(name).getRgbF()[:3]]
        return float(np.dot(parts, (0.2126, 0.7152, 0.0722)))

    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(a), luminance(b)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    t = DARK if theme == "dark" else LIGHT
    for front, back in (
        (t.text, t.window),
        (t.text, t.card),
        (t.muted, t.window),
        (t.muted, t.card),
        (t.accent, t.card),
        (t.on_accent, t.accent),
        (t.trouble, t.card),
        (t.trouble, t.trouble_field),
    ):
        assert contrast(front, back) >= 4.5, (front, back)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("error", ["", "there is no source 'nonsense' (known are: brainflow, lsl, replay, synthetic)"])
def test_nothing_is_clipped_at_the_size_it_opens_with(qt_app: QApplication, theme: str, error: str) -> None:
    from PySide6.QtWidgets import QLabel

    page = Page(theme)
    page.window.show()
    page.take(
        Snapshot(
            Phase.IDLE if error else Phase.SPELLING,
            error=error,
            stream=VIEW,
            samples=np.zeros((10, 8), np.float32),
            status=EngineStatus("running", "", 123_456, 10, 10, 10_000, 1_000, 100),
            decision=DecisionView("delete", 0.875, 0.002),
            decoder="etrca-0123456789ab",
            screen="59.94 Hz, unverified",
            text="ABABAB",
        )
    )
    qt_app.processEvents()
    assert page.window.height() <= 840
    clipped = [
        label.text()
        for label in page.window.findChildren(QLabel)
        if label.isVisible()
        and (
            label.height() < label.heightForWidth(label.width())
            or (not label.wordWrap() and label.width() < label.sizeHint().width())
            or (not label.wordWrap() and label.height() < label.fontMetrics().height())
        )
    ]
    assert clipped == []
    page.window.close()


def test_the_task_changes_what_is_asked_shown_and_ordered(page: Page) -> None:
    w = page.window
    page.take(Snapshot(decoder="csp_lda-1"))
    w.show()
    assert w._target.isVisible()
    assert w._accept.isVisible()
    assert not w._cursor.isVisible()
    w._task.setCurrentText("Imagined movement")
    assert not w._target.isVisible()
    assert not w._accept.isVisible()  # nothing flickers
    assert w._cursor.isVisible()
    assert page.enabled() == {"connect", "calibrate", "spell"}
    w._wish.setCurrentText("left")
    w._calibrate.click()
    w._go.click()
    nothing = "not needed: nothing flickers"
    assert page.orders == [Calibrate("synthetic", 4, nothing, "imagery"), Steer("synthetic", "left", nothing)]
    page.take(Snapshot(Phase.STEERING, cursor=-0.5, text="left", decoder="csp_lda-1"))
    assert "-0.50" in w._cursor.accessibleDescription()
    assert w._text.text() == "left"
    w.close()


def test_a_decoder_of_another_task_does_not_go_online(page: Page) -> None:
    page.window._accept.setChecked(True)
    page.take(Snapshot(decoder="csp_lda-1"))
    assert "spell" not in page.enabled()
    page.window._task.setCurrentText("Imagined movement")
    assert "spell" in page.enabled()


def test_a_recording_is_replayed_once_one_is_named(page: Page) -> None:
    w = page.window
    page.take(Snapshot())
    assert not w._replay.isEnabled()
    w._file.setText("run.xdf")
    assert w._replay.isEnabled()
    w._folder.setText("decoders/etrca")
    w._replay.click()
    assert page.orders == [Replay("run.xdf", "decoders/etrca")]
    page.take(Snapshot(Phase.REPLAYING))
    assert not w._replay.isEnabled()
    assert w._stop.isEnabled()
