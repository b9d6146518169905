"""The thin views of the desk: each shows a part of the model and knows nothing else."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QLayout, QProgressBar, QVBoxLayout, QWidget

from volo_app.desk.model import DeskModel
from volo_app.desk.theme import Theme
from volo_app.desk.traces import TraceBuffer

__all__ = ["Card", "CountersCard", "DecisionCard", "TracesCard", "named_label"]


def named_label(text: str = "", style: str = "", name: str = "") -> QLabel:
    """Return a label that wraps; `style` is a name in the style sheet, `name` what a screen reader says."""
    label = QLabel(text)
    label.setObjectName(style)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    if name:
        label.setAccessibleName(name)
    return label


class Card(QFrame):
    """A part of the page, with a heading."""

    def __init__(self, heading: str) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setAccessibleName(heading)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(14, 9, 14, 9)
        self.column.setSpacing(6)
        self.column.addWidget(named_label(heading, "heading"))

    def add(self, *widgets: QWidget | QLayout) -> None:
        """Add widgets in one row."""
        row = QHBoxLayout()
        row.setSpacing(8)
        for widget in widgets:
            if isinstance(widget, QLayout):
                row.addLayout(widget)
            else:
                row.addWidget(widget)
        self.column.addLayout(row)


class TracesCard(Card):
    """The signal of the last seconds."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Signal")
        self._theme = theme
        self._plot = pg.PlotWidget(background=theme.card)
        self._plot.setAccessibleName("Live traces of the signal, filtered for display from 1 to 40 Hz")
        self._plot.setMenuEnabled(False)
        self._plot.setMouseEnabled(x=False, y=False)
        self._plot.hideButtons()
        for side in ("left", "bottom"):
            axis = self._plot.getAxis(side)
            axis.setPen(theme.border)
            axis.setTextPen(theme.text)
        self._plot.setLabel("bottom", "seconds before now")
        self._plot.getAxis("left").setWidth(64)
        self._plot.getAxis("left").setTicks([[]])
        self._plot.setXRange(-5.0, 0.0, padding=0.0)
        self._curves: list[pg.PlotDataItem] = []
        self._shown: TraceBuffer | None = None
        self._note = named_label("No signal yet: connect a source", "muted", "Scale of the traces")
        self.add(self._plot)
        self.column.addWidget(self._note)
        self.column.setStretch(1, 1)

    def show_model(self, model: DeskModel) -> None:
        """Draw the traces anew."""
        traces = model.traces
        if traces is None:
            return
        if traces is not self._shown:
            self._take(traces)
        times = traces.times
        for curve, lane in zip(self._curves, traces.lanes(), strict=True):
            curve.setData(times, lane, connect="finite")
        view = traces.view
        note = (
            f"{view.name}: {len(view.channels)} channels at {view.rate_hz:g} Hz; lane ±{traces.scale:g} {view.unit}; "
        )
        self._note.setText(note + "filtered 1 to 40 Hz for display only")

    def _take(self, traces: TraceBuffer) -> None:
        self._shown = traces
        self._plot.clear()
        pen = pg.mkPen(self._theme.trace, width=1)
        self._curves = [self._plot.plot(pen=pen) for _ in traces.channels]
        n = len(traces.channels)
        self._plot.getAxis("left").setTicks([[(n - 1 - k, name) for k, name in enumerate(traces.channels)]])
        self._plot.setXRange(-traces.seconds, 0.0, padding=0.0)
        self._plot.setYRange(-0.75, n - 0.25, padding=0.0)


class DecisionCard(Card):
    """The last decision."""

    def __init__(self) -> None:
        super().__init__("Last decision")
        self._key = named_label("–", "key", "Key of the last decision")
        self._words = named_label("no decision yet", "muted", "Confidence of the last decision and time it took")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, 1000)
        self._bar.setAccessibleName("Confidence of the last decision")
        self._key.setWordWrap(False)
        self._key.setMinimumHeight(48)
        self.add(self._key)
        self.add(self._bar)
        self.add(self._words)

    def show_model(self, model: DeskModel) -> None:
        """Show the last decision."""
        key, words, confidence = model.decision
        self._key.setText(key)
        self._words.setText(words)
        self._bar.setValue(round(1000 * confidence))


class CountersCard(Card):
    """What was lost, late or left out."""

    def __init__(self) -> None:
        super().__init__("Counters")
        self._grid = QGridLayout()
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        self._values: list[QLabel] = []
        self.column.addLayout(self._grid)
        self.show_model(DeskModel())

    def show_model(self, model: DeskModel) -> None:
        """Show the counters; trouble stands out by weight and colour and says so to a screen reader."""
        for row, (name, value, is_trouble) in enumerate(model.counters):
            if row == len(self._values):
                label, heading = named_label(value), named_label(name)
                label.setWordWrap(False)
                heading.setWordWrap(False)
                heading.setMinimumHeight(heading.sizeHint().height())
                label.setAlignment(Qt.AlignmentFlag.AlignRight)
                self._values.append(label)
                self._grid.addWidget(heading, row, 0)
                self._grid.addWidget(label, row, 1)
            label = self._values[row]
            style = "trouble" if is_trouble else "value"
            if label.objectName() != style:
                label.setObjectName(style)
                label.style().unpolish(label)
                label.style().polish(label)
            label.setAccessibleName(f"{name}, needs attention" if is_trouble else name)
            label.setText(f"! {value}" if is_trouble else value)
