"""Text as images: the labels of all keys on one sheet of the screen's size, and the line of text."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen

from volo_paradigms.layout import Layout, Rectangle

__all__ = ["caption_image", "labels_image"]

_FORMAT = QImage.Format.Format_RGBA8888_Premultiplied


def labels_image(layout: Layout, width: int, height: int) -> QImage:
    """Return the labels of all keys in their places, on nothing; `width` and `height` in pixels."""
    image = _empty(width, height)
    painter = _painter(image)
    for key in layout.keys:
        r = key.rectangle
        place = QRectF(r.x * width, r.y * height, r.width * width, r.height * height)
        _write(painter, key.label, place, 0.42)
    painter.end()
    return image


def caption_image(text: str, place: Rectangle, width: int, height: int) -> QImage:
    """Return the line of text, as large as `place` on a screen of `width` by `height` pixels.

    A text that is too long is cut at its beginning.
    """
    image = _empty(max(1, round(place.width * width)), max(1, round(place.height * height)))
    painter = _painter(image)
    room = QRectF(0.0, 0.0, image.width(), image.height())
    font = _font(0.62 * room.height())
    shown = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideLeft, room.width())
    _write(painter, shown, room, 0.62)
    painter.end()
    return image


def _empty(width: int, height: int) -> QImage:
    image = QImage(width, height, _FORMAT)
    image.fill(QColor(0, 0, 0, 0))
    return image


def _painter(image: QImage) -> QPainter:
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    return painter


def _font(pixels: float) -> QFont:
    font = QFont()
    font.setStyleHint(QFont.StyleHint.SansSerif)
    font.setPixelSize(max(6, round(pixels)))
    font.setWeight(QFont.Weight.DemiBold)
    return font


def _write(painter: QPainter, text: str, place: QRectF, share: float) -> None:
    """Write `text` in the middle of `place`, `share` of its height tall or less; white with a dark edge.

    So it can be read on every level between black and white.
    """
    font = _font(share * place.height())
    width = QFontMetricsF(font).horizontalAdvance(text)
    if width > 0.84 * place.width():
        font = _font(font.pixelSize() * 0.84 * place.width() / width)
    metrics = QFontMetricsF(font)
    start = QPointF(
        place.center().x() - metrics.horizontalAdvance(text) / 2.0,
        place.center().y() + metrics.capHeight() / 2.0,
    )
    path = QPainterPath()
    path.addText(start, font, text)
    edge = QPen(QColor(20, 20, 20), max(1.5, 0.09 * font.pixelSize()))
    edge.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.strokePath(path, edge)
    painter.fillPath(path, QColor(255, 255, 255))
