"""The cursor that is steered, as a dot on a line."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from volo_app.desk.theme import Theme

__all__ = ["CursorBar"]


class CursorBar(QWidget):
    """A line with a dot on it: where the cursor is, from the left end to the right one."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._position = 0.0
        self.setMinimumHeight(34)
        self.setAccessibleName("Cursor")

    def show_position(self, position: float) -> None:
        """Move the dot; -1 is the left end, 1 the right one."""
        self._position = position
        self.setAccessibleDescription(f"at {position:+.2f} of -1 to 1")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the line, its ends, its middle, and the dot."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, radius = self.height() / 2, 10.0
        left, right = radius + 2.0, self.width() - radius - 2.0
        painter.setPen(QPen(QColor(self._theme.border), 3.0))
        painter.drawLine(QPointF(left, middle), QPointF(right, middle))
        for x in (left, (left + right) / 2, right):
            painter.drawLine(QPointF(x, middle - 7.0), QPointF(x, middle + 7.0))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.trace))
        painter.drawEllipse(QPointF(left + (right - left) * (self._position + 1.0) / 2.0, middle), radius, radius)
