"""Text and images as sheets: the labels of all keys on one of the screen's size, all other words on another."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen

from volo_paradigms.layout import Layout, Rectangle
from volo_paradigms.show import Image, Text

__all__ = ["labels_image", "words_image"]

_FORMAT = QImage.Format.Format_RGBA8888_Premultiplied


def labels_image(layout: Layout, width: int, height: int, labels: Sequence[tuple[str, str]] = ()) -> QImage:
    """Return the labels of all keys in their places, on nothing; `width` and `height` in pixels.

    `labels` are other words for some keys.
    """
    other = dict(labels)
    image = _empty(width, height)
    painter = _painter(image)
    for key in layout.keys:
        _write(painter, other.get(key.label, key.label), _scaled(key.rectangle, width, height), 0.42)
    painter.end()
    return image


def words_image(
    place: Rectangle,
    size: tuple[int, int],
    caption: tuple[str, Rectangle] | None,
    texts: Sequence[Text] = (),
    images: Sequence[Image] = (),
) -> QImage:
    """Return the caption, texts and images in `place`, as large as it is on a screen of `size` pixels (width, height).

    A caption that is too long is cut at its beginning. An image that cannot be read is replaced by its file's name.
    """
    width, height = size
    image = _empty(max(1, round(place.width * width)), max(1, round(place.height * height)))
    painter = _painter(image)
    painter.translate(-place.x * width, -place.y * height)
    for picture in images:
        _draw_image(painter, picture, _scaled(picture.place, width, height))
    if caption is not None:
        room = _scaled(caption[1], width, height)
        font = _font(0.62 * room.height())
        shown = QFontMetricsF(font).elidedText(caption[0], Qt.TextElideMode.ElideLeft, room.width())
        _write(painter, shown, room, 0.62)
    for text in texts:
        _write(painter, text.text, _scaled(text.place, width, height), text.share, QColor.fromRgbF(*text.color))
    painter.end()
    return image


def _scaled(r: Rectangle, width: int, height: int) -> QRectF:
    return QRectF(r.x * width, r.y * height, r.width * width, r.height * height)


def _draw_image(painter: QPainter, picture: Image, place: QRectF) -> None:
    image = QImage(picture.path)
    if image.isNull():
        _write(painter, picture.path.replace("\\", "/").rpartition("/")[2], place, 0.2)
        return
    scale = min(place.width() / image.width(), place.height() / image.height())
    size = QRectF(0.0, 0.0, scale * image.width(), scale * image.height())
    size.moveCenter(place.center())
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(size, image)


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


def _write(painter: QPainter, text: str, place: QRectF, share: float, color: QColor | None = None) -> None:
    """Write `text` in the middle of `place`, `share` of its height tall or less, with a dark edge.

    So it can be read on every level between black and white. Lines are separated by newlines.
    """
    lines = text.split("\n")
    room = place.height() / len(lines)
    font = _font(share * room)
    width = max(QFontMetricsF(font).horizontalAdvance(line) for line in lines)
    if width > 0.84 * place.width():
        font = _font(font.pixelSize() * 0.84 * place.width() / width)
    metrics = QFontMetricsF(font)
    path = QPainterPath()
    for number, line in enumerate(lines):
        middle = place.top() + (number + 0.5) * room
        start = QPointF(place.center().x() - metrics.horizontalAdvance(line) / 2.0, middle + metrics.capHeight() / 2.0)
        path.addText(start, font, line)
    edge = QPen(QColor(20, 20, 20), max(1.5, 0.09 * font.pixelSize()))
    edge.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.strokePath(path, edge)
    painter.fillPath(path, color or QColor(255, 255, 255))
