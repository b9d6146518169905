"""The desk's one page. It shows the model, asks it for orders, and gives them to the engine."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from volo_app.desk.messages import Order
from volo_app.desk.model import WARNING, DeskModel
from volo_app.desk.panels import Card, CountersCard, DecisionCard, TracesCard, named_label
from volo_app.desk.theme import Theme

__all__ = ["DeskWindow"]

#: What the list of sources offers; anything `--source` takes may be typed.
SOURCES = ("synthetic", "synthetic:participant=3", "lsl", "brainflow:SYNTHETIC_BOARD")


class DeskWindow(QWidget):
    """The operator's window.

    Parameters
    ----------
    model : DeskModel
        What it shows.
    order : callable
        Takes the operator's orders.
    theme : Theme
        Its colours.
    """

    def __init__(self, model: DeskModel, order: Callable[[Order], None], theme: Theme) -> None:
        super().__init__()
        self._model = model
        self._order = order
        self.is_closed = False
        self.setWindowTitle("Volo")
        self.setAccessibleName("Volo, operator's desk")
        self._title = named_label("", "title", "State")
        self._error = named_label("", "error", "Error")
        self._error.hide()
        self._source = self._source_box()
        self._watch = self._button("Connect", "Show the signal of the source, without recording", model.watch)
        self._stop = self._button("Stop", "Stop the run and blank the stimuli, Escape", model.stop, "stop")
        self._accept = QCheckBox("The participant was asked, and has never had a seizure")
        self._accept.setAccessibleName("Acknowledge the warning of flicker")
        self._accept.setAccessibleDescription(WARNING)
        self._accept.setChecked(bool(model.acknowledged))
        self._accept.toggled.connect(self._acknowledge)
        self._traces = TracesCard(theme)
        self._decision = DecisionCard()
        self._counters = CountersCard()
        self._log = QPlainTextEdit()
        self._log.setReadOnly(True)
        self._log.setAccessibleName("Log")
        self._log.setMaximumBlockCount(400)
        self._log.setFixedHeight(96)
        self._calibration, self._spelling = self._calibration_card(), self._spelling_card()
        self._arrange()
        QShortcut(QKeySequence("Escape"), self, self._stop.click)
        self.resize(1240, 800)
        self.show_model()

    # Building.

    def _source_box(self) -> QComboBox:
        box = QComboBox()
        box.setEditable(True)
        box.addItems(SOURCES)
        box.setCurrentText(self._model.source)
        box.setAccessibleName("Source of the signal")
        box.setToolTip("As for --source: NAME or NAME:key=value,key=value")
        box.currentTextChanged.connect(self._set_source)
        return box

    def _button(self, text: str, description: str, make: Callable[[], Order], style: str = "") -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(style)
        button.setAccessibleName(text)
        button.setAccessibleDescription(description)
        button.setToolTip(description)
        button.clicked.connect(lambda: self._order(make()))
        return button

    def _calibration_card(self) -> Card:
        card = Card("1  Calibration")
        self._blocks = QSpinBox()
        self._blocks.setRange(3, 20)
        self._blocks.setValue(self._model.n_blocks)
        self._blocks.setAccessibleName("Calibration blocks")
        self._blocks.setSuffix(" blocks")
        self._blocks.valueChanged.connect(self._set_blocks)
        self._calibrate = self._button(
            "Calibrate", "Record a calibration and train the decoder on it", self._model.calibrate, "main"
        )
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName("Progress of the calibration")
        self._progress_words = named_label("", "muted", "Progress of the calibration in words")
        card.add(self._blocks, self._calibrate)
        card.add(self._progress)
        card.add(self._progress_words)
        return card

    def _spelling_card(self) -> Card:
        card = Card("2  Spelling")
        self._target = QLineEdit(self._model.target_text)
        self._target.setAccessibleName("Text the simulated participant is to write")
        self._target.setPlaceholderText("What the simulated participant writes")
        self._target.textChanged.connect(self._set_target)
        self._spell = self._button("Spell", "Spell online with the trained decoder", self._model.spell, "main")
        self._text = named_label("", "text", "Text spelled so far")
        card.add(self._target, self._spell)
        card.add(self._text)
        return card

    def _arrange(self) -> None:
        page = QVBoxLayout(self)
        page.setContentsMargins(18, 14, 18, 14)
        page.setSpacing(12)
        top = QHBoxLayout()
        top.setSpacing(10)
        source_label = named_label("Source")
        source_label.setWordWrap(False)
        source_label.setBuddy(self._source)
        self._source.setMinimumWidth(320)
        top.addWidget(self._title, 1)
        for widget in (source_label, self._source, self._watch, self._stop):
            top.addWidget(widget)
        page.addLayout(top)
        page.addWidget(self._error)
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(10)
        left.addWidget(self._traces, 1)
        left.addWidget(self._log)
        for card in (self._calibration, self._spelling, self._decision, self._counters):
            card.setFixedWidth(370)
            right.addWidget(card)
        right.addStretch(1)
        body = QHBoxLayout()
        body.setSpacing(12)
        body.addLayout(left, 1)
        body.addLayout(right)
        page.addLayout(body, 1)
        foot = QHBoxLayout()
        foot.setSpacing(16)
        foot.addWidget(named_label(WARNING, "muted", "Warning of flicker"), 1)
        foot.addWidget(self._accept)
        page.addLayout(foot)

    # Showing.

    def show_model(self) -> None:
        """Show what the model knows now."""
        model = self._model
        self._title.setText(model.title)
        self._error.setText(model.error)
        self._error.setVisible(bool(model.error))
        for widget, allowed in (
            (self._watch, model.can_start),
            (self._calibrate, model.can_calibrate),
            (self._spell, model.can_spell),
            (self._stop, model.can_stop),
            (self._source, model.can_start),
            (self._blocks, model.can_start),
            (self._target, model.can_start and model.is_simulated),
        ):
            widget.setEnabled(allowed)
        done, total, words = model.progress
        self._progress.setRange(0, max(1, total))
        self._progress.setValue(done)
        self._progress_words.setText(words)
        self._text.setText(f"{model.text}▏")
        self._traces.show_model(model)
        self._decision.show_model(model)
        self._counters.show_model(model)
        self._show_log()

    def _show_log(self) -> None:
        while self._model.unread:
            self._log.appendPlainText(self._model.unread.popleft())

    # What the operator does.

    def _set_source(self, text: str) -> None:
        self._model.source = text
        self.show_model()

    def _set_target(self, text: str) -> None:
        self._model.target_text = text
        self.show_model()

    def _set_blocks(self, value: int) -> None:
        self._model.n_blocks = value

    def _acknowledge(self, is_checked: bool) -> None:
        self._model.acknowledged = "acknowledged by the operator at the desk" if is_checked else ""
        self.show_model()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Take note that the operator wants to leave."""
        self.is_closed = True
        super().closeEvent(event)
