"""The desk's one page. It shows the model, asks it for orders, and gives them to the engine."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from volo_app.converting import CONVERTED
from volo_app.desk.cursor_bar import CursorBar
from volo_app.desk.messages import Order
from volo_app.desk.model import TASKS, WARNING, WISHES, DeskModel
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
        self._log.setMinimumHeight(96)
        self._log.setMaximumHeight(132)
        self._task = self._task_box()
        self._calibration, self._online = self._calibration_card(), self._online_card(theme)
        self._replaying = self._replay_card()
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

    def _task_box(self) -> QComboBox:
        box = QComboBox()
        for name, title in TASKS.items():
            box.addItem(title, name)
        box.setCurrentIndex(list(TASKS).index(self._model.task))
        box.setAccessibleName("What is done")
        box.currentIndexChanged.connect(self._set_task)
        return box

    def _online_card(self, theme: Theme) -> Card:
        card = Card("2  Online")
        self._target = QLineEdit(self._model.target_text)
        self._target.setAccessibleName("Text the simulated participant is to write")
        self._target.setPlaceholderText("What the simulated participant writes")
        self._target.textChanged.connect(self._set_target)
        self._wish = QComboBox()
        self._wish.addItems(WISHES)
        self._wish.setCurrentText(self._model.wish)
        self._wish.setAccessibleName("What the simulated participant imagines")
        self._wish.currentTextChanged.connect(self._set_wish)
        self._go = self._button("Spell", "Go online with the trained decoder", self._model.go_online, "main")
        self._cursor = CursorBar(theme)
        self._text = named_label("", "text", "Text spelled so far")
        card.add(self._target, self._wish, self._go)
        card.column.addWidget(self._cursor)
        card.add(self._text)
        return card

    def _replay_card(self) -> Card:
        card = Card("3  Replay")
        self._file = self._path_field("Recording to decode again", "Recording", self._set_file)
        self._folder = self._path_field(
            "Decoder; empty takes the recording's own", "Decoder: its own", self._set_folder
        )
        browse = QPushButton("Open")
        browse.setAccessibleName("Choose a recording")
        browse.setToolTip("Choose a recording")
        browse.clicked.connect(self._browse)
        self._replay = self._button("Replay", "Decode the recording again", self._model.replay)
        card.add(self._file, browse)
        card.add(self._folder, self._replay)
        return card

    def _path_field(self, name: str, hint: str, changed: Callable[[str], None]) -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(name)
        field.setPlaceholderText(hint)
        field.setToolTip(name)
        field.textChanged.connect(changed)
        return field

    def _arrange(self) -> None:
        page = QVBoxLayout(self)
        page.setContentsMargins(18, 14, 18, 14)
        page.setSpacing(12)
        top = QHBoxLayout()
        top.setSpacing(10)
        self._source.setMinimumWidth(260)
        source_label = named_label("Source")
        source_label.setWordWrap(False)
        source_label.setBuddy(self._source)
        top.addWidget(self._title, 1)
        for widget in (self._task, source_label, self._source, self._watch, self._stop):
            top.addWidget(widget)
        page.addLayout(top)
        page.addWidget(self._error)
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(10)
        left.addWidget(self._traces, 1)
        below = QHBoxLayout()
        below.setSpacing(10)
        below.addWidget(self._log, 1)
        self._replaying.setFixedWidth(350)
        below.addWidget(self._replaying)
        left.addLayout(below)
        for card in (self._calibration, self._online, self._decision, self._counters):
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
        self._warning = named_label(WARNING, "muted", "Warning of flicker")
        foot.addWidget(self._warning, 1)
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
            (self._go, model.can_go_online),
            (self._replay, model.can_replay),
            (self._task, model.can_start),
            (self._wish, model.can_start and model.is_simulated),
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
        self._text.setText(f"{model.text}▏" if model.flickers else model.text)
        self._go.setText("Spell" if model.flickers else "Steer")
        self._target.setVisible(model.flickers)
        self._warning.setVisible(model.flickers)
        self._accept.setVisible(model.flickers)
        self._wish.setVisible(not model.flickers)
        self._cursor.setVisible(not model.flickers)
        self._cursor.show_position(model.cursor or 0.0)
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

    def _set_task(self, index: int) -> None:
        self._model.task = list(TASKS)[index]
        self.show_model()

    def _set_wish(self, text: str) -> None:
        self._model.wish = text

    def _set_file(self, text: str) -> None:
        self._model.replay_file = text
        self.show_model()

    def _set_folder(self, text: str) -> None:
        self._model.replay_decoder = text

    def _browse(self) -> None:
        kinds = " ".join(f"*{ending}" for ending in (".xdf", *CONVERTED))
        name, _ = QFileDialog.getOpenFileName(self, "Recording", self._model.replay_file, f"Recordings ({kinds})")
        if name:
            self._file.setText(name)

    def _set_blocks(self, value: int) -> None:
        self._model.n_blocks = value

    def _acknowledge(self, is_checked: bool) -> None:
        self._model.acknowledged = "acknowledged by the operator at the desk" if is_checked else ""
        self.show_model()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Take note that the operator wants to leave."""
        self.is_closed = True
        super().closeEvent(event)
