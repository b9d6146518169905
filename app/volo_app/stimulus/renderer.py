"""Draws a picture with OpenGL: one call for all rectangles, one for all words.

Works with OpenGL 2.1 and with OpenGL ES 2. What is costly - writing text, sending images - is done when a picture is
prepared, between two frames. A frame writes one number for each corner into memory that is there and draws: no array,
no object of Qt's and no buffer is made.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QOpenGLFunctions
from PySide6.QtOpenGL import QOpenGLBuffer, QOpenGLShader, QOpenGLShaderProgram, QOpenGLTexture
from shiboken6 import VoidPtr

from volo_app.stimulus.ink import labels_image, words_image
from volo_app.stimulus.picture import BACKGROUND, Picture, bounding, caption_place, patch_bit, patch_place
from volo_paradigms.layout import Layout, Rectangle

__all__ = ["MAX_DRAW_CALLS", "Renderer", "RendererError"]

_VERTEX = """
attribute vec2 corner;
attribute vec2 place;
attribute vec3 color;
attribute float level;
varying vec2 ink_at;
varying vec3 fill;
void main() { gl_Position = vec4(corner, 0.0, 1.0); ink_at = place; fill = color * level; }
"""
_FRAGMENT = """
#ifdef GL_ES
precision highp float;
#endif
uniform sampler2D sheet;
uniform float solid;
varying vec2 ink_at;
varying vec3 fill;
void main() {
    vec4 ink = texture2D(sheet, ink_at);
    float bare = solid * (1.0 - ink.a);
    gl_FragColor = vec4(fill * bare + ink.rgb, ink.a + bare);
}
"""
_GL_FLOAT, _GL_TRIANGLES, _GL_COLOR_BUFFER_BIT = 0x1406, 0x0004, 0x4000
_GL_BLEND, _GL_ONE, _GL_ONE_MINUS_SRC_ALPHA = 0x0BE2, 1, 0x0303
_CORNER, _PLACE, _COLOR, _LEVEL = range(4)
#: The corners of two triangles that make a rectangle, as shares of its width and height.
_CORNERS = np.array([(0, 0), (1, 0), (0, 1), (0, 1), (1, 0), (1, 1)], np.float32)
_N_CORNERS, _N_COLUMNS = 6, 7
#: Sheets of words, and of labels, kept as images: what is on, and what waits to be.
_KEPT_WORDS, _KEPT_LABELS = 8, 3
#: A frame makes at most so many draw calls.
MAX_DRAW_CALLS = 4
#: Steps of the table from luminance to drive level.
_DRIVE_STEPS = 4096


class RendererError(RuntimeError):
    """The driver refuses what is needed; the message says what."""


class Renderer:
    """Owns shaders, buffers and images of one OpenGL context, which is current in every call.

    Parameters
    ----------
    functions : QOpenGLFunctions
        Of the context.
    drive : ndarray of float64, shape (n,), or None
        Drive level for n luminances from 0 to 1, from a display's profile; None sets the luminance as drive level.
    patch : str
        Corner of a photodiode patch, e.g. ``"lower-right"``; empty for none.

    Attributes
    ----------
    draw_calls : int
        How many the last frame made.

    Raises
    ------
    RendererError
        If the shaders do not compile.
    """

    def __init__(
        self, functions: QOpenGLFunctions, *, drive: NDArray[np.float64] | None = None, patch: str = ""
    ) -> None:
        self._gl = functions
        self._patch = patch
        self._size = (0, 0)
        self._program = _program()
        self._solid = self._program.uniformLocation("solid")
        self._corners, self._levels = _buffer(), _buffer()
        self._nothing = _texture(labels_image(Layout("nothing", ()), 1, 1))
        self._labels: dict[object, QOpenGLTexture] = {}
        self._words: dict[object, tuple[QOpenGLTexture, Rectangle]] = {}
        self._labels_on = self._nothing
        self._words_on: QOpenGLTexture | None = None
        self._uploaded: Picture | None = None
        self._level = np.empty(0)
        self._scratch = np.empty(0)
        self._index = np.empty(0, np.intp)
        self._level_of_corner = np.empty((0, _N_CORNERS), np.float32)
        self._pointer: Any = VoidPtr(0)
        self._drive = (
            None
            if drive is None
            else np.interp(np.linspace(0.0, 1.0, _DRIVE_STEPS), np.linspace(0.0, 1.0, len(drive)), drive)
        )
        self.draw_calls = 0

    def resize(self, width: int, height: int) -> None:
        """Take the size of the window in pixels; what was written is forgotten."""
        if (width, height) == self._size:
            return
        self._size = (width, height)
        self._gl.glViewport(0, 0, width, height)
        self._forget(0, 0)
        self._uploaded = None

    def prepare(self, picture: Picture) -> None:
        """Do between two frames what is costly about `picture`: write its labels and words."""
        if self._size == (0, 0):
            return
        if picture.layout is not None:
            key = _labels_key(picture)
            kept = self._labels.pop(key, None)
            self._labels[key] = kept or _texture(labels_image(picture.layout, *self._size, picture.labels))
        words = _words_key(picture)
        if words is not None:
            sheet = self._words.pop(words, None)
            self._words[words] = self._written(picture) if sheet is None else sheet

    def draw(self, picture: Picture, frame: int, absolute: int = 0) -> None:
        """Draw frame number `frame` of `picture`; `absolute` is its number in the screen's own count."""
        if picture is not self._uploaded:
            self._upload(picture)
        gl = self._gl
        gl.glClearColor(BACKGROUND, BACKGROUND, BACKGROUND, 1.0)
        gl.glClear(_GL_COLOR_BUFFER_BIT)
        self.draw_calls = 0
        n = len(picture.rectangles)
        n_solid = n + bool(self._patch)
        words = self._words_on
        if not n_solid and words is None:
            return
        picture.levels(frame, self._level[:n])
        self._to_drive(n)
        if self._patch:
            self._level[n] = patch_bit(absolute)
        self._level_of_corner[:] = self._level[:, None]
        self._program.bind()
        self._bind()
        if n_solid:
            self._labels_on.bind()
            self._program.setUniformValue1f(self._solid, 1.0)
            gl.glDrawArrays(_GL_TRIANGLES, 0, _N_CORNERS * n_solid)
            self.draw_calls += 1
        if words is not None:
            words.bind()
            gl.glEnable(_GL_BLEND)
            gl.glBlendFunc(_GL_ONE, _GL_ONE_MINUS_SRC_ALPHA)
            self._program.setUniformValue1f(self._solid, 0.0)
            gl.glDrawArrays(_GL_TRIANGLES, _N_CORNERS * n_solid, _N_CORNERS)
            gl.glDisable(_GL_BLEND)
            self.draw_calls += 1
        self._program.release()

    def _to_drive(self, n: int) -> None:
        """Replace the levels of `n` rectangles by what has to be set for the display to shine that bright."""
        if self._drive is None:
            return
        np.multiply(self._level[:n], _DRIVE_STEPS - 1, out=self._scratch[:n])
        np.rint(self._scratch[:n], out=self._scratch[:n])
        self._index[:n] = self._scratch[:n]
        self._drive.take(self._index[:n], out=self._level[:n], mode="clip")

    def _bind(self) -> None:
        self._levels.bind()
        self._levels.write(0, self._pointer, self._level_of_corner.nbytes)
        self._program.setAttributeBuffer(_LEVEL, _GL_FLOAT, 0, 1)
        self._corners.bind()
        self._program.setAttributeBuffer(_CORNER, _GL_FLOAT, 0, 2, 4 * _N_COLUMNS)
        self._program.setAttributeBuffer(_PLACE, _GL_FLOAT, 8, 2, 4 * _N_COLUMNS)
        self._program.setAttributeBuffer(_COLOR, _GL_FLOAT, 16, 3, 4 * _N_COLUMNS)
        self._program.enableAttributeArray(_CORNER)
        self._program.enableAttributeArray(_PLACE)
        self._program.enableAttributeArray(_COLOR)
        self._program.enableAttributeArray(_LEVEL)

    def _upload(self, picture: Picture) -> None:
        """Send the corners of a new picture, of the patch, and of its words as the last rectangle."""
        self.prepare(picture)
        self._forget(_KEPT_WORDS, _KEPT_LABELS)
        key = _words_key(picture)
        self._words_on = None if key is None else self._words[key][0]
        self._labels_on = self._nothing if picture.layout is None else self._labels[_labels_key(picture)]
        rows = [picture.rectangles]
        if self._patch:
            p = patch_place(self._patch, self._size[0] / max(1, self._size[1]))
            rows.append(np.array([[p.x, p.y, p.width, p.height, 1.0, 1.0, 1.0]], np.float32))
        r = self._words[key][1] if key is not None else Rectangle(0.0, 0.0, 0.0, 0.0)
        rows.append(np.array([[r.x, r.y, r.width, r.height, 0.0, 0.0, 0.0]], np.float32))
        corners = _corner_rows(np.concatenate(rows))
        corners[-_N_CORNERS:, 2:4] = _CORNERS
        data = corners.tobytes()
        self._corners.bind()
        self._corners.allocate(data, len(data))
        self._uploaded = picture
        n = len(corners) // _N_CORNERS
        self._level, self._scratch, self._index = np.zeros(n), np.zeros(n), np.zeros(n, np.intp)
        self._level_of_corner = np.zeros((n, _N_CORNERS), np.float32)
        self._pointer = VoidPtr(cast(Any, self._level_of_corner))
        self._levels.bind()
        self._levels.allocate(self._level_of_corner.nbytes)

    def _written(self, picture: Picture) -> tuple[QOpenGLTexture, Rectangle]:
        caption = (picture.caption, caption_place(picture.layout)) if picture.caption else None
        places = [text.place for text in picture.texts] + [image.place for image in picture.images]
        place = bounding((*places, *((caption[1],) if caption else ())))
        image = words_image(place, self._size, caption, picture.texts, picture.images)
        return _texture(image), place

    def fence(self) -> None:
        """Wait until the driver has done all it was told, the swap included, so that a stamp comes after it."""
        self._gl.glFinish()

    def close(self) -> None:
        """Give back what the driver gave; the context is still current."""
        self._forget(0, 0)
        self._nothing.destroy()
        self._corners.destroy()
        self._levels.destroy()
        self._program.removeAllShaders()

    def _forget(self, n_words: int, n_labels: int) -> None:
        """Give back all but the newest sheets of words and of labels."""
        for words in list(self._words)[: max(0, len(self._words) - n_words)]:
            self._words.pop(words)[0].destroy()
        for labels in list(self._labels)[: max(0, len(self._labels) - n_labels)]:
            self._labels.pop(labels).destroy()


def _labels_key(picture: Picture) -> object:
    return (picture.layout, picture.labels)


def _words_key(picture: Picture) -> object | None:
    """Return what tells one sheet of words from another, None if there are no words."""
    if not (picture.caption or picture.texts or picture.images):
        return None
    return (picture.caption, picture.layout if picture.caption else None, picture.texts, picture.images)


def _corner_rows(rectangles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each corner x, y (-1 to 1, upwards), its place on the sheet (0 to 1, downwards) and its colour."""
    places = rectangles[:, None, :2] + _CORNERS[None] * rectangles[:, None, 2:4]
    rows = np.empty((len(rectangles), _N_CORNERS, _N_COLUMNS), np.float32)
    rows[..., 0] = 2.0 * places[..., 0] - 1.0
    rows[..., 1] = 1.0 - 2.0 * places[..., 1]
    rows[..., 2:4] = places
    rows[..., 4:] = rectangles[:, None, 4:]
    return rows.reshape(-1, _N_COLUMNS)


def _program() -> QOpenGLShaderProgram:
    program = QOpenGLShaderProgram()
    names = ("corner", "place", "color", "level")
    compiled = program.addShaderFromSourceCode(
        QOpenGLShader.ShaderTypeBit.Vertex, _VERTEX
    ) and program.addShaderFromSourceCode(QOpenGLShader.ShaderTypeBit.Fragment, _FRAGMENT)
    for location, name in enumerate(names):
        program.bindAttributeLocation(name, location)
    if not (compiled and program.link()):
        raise RendererError(f"the shaders do not compile: {program.log().strip()}")
    return program


def _buffer() -> QOpenGLBuffer:
    buffer = QOpenGLBuffer()
    if not buffer.create():
        raise RendererError("the driver gives no buffer")
    buffer.setUsagePattern(QOpenGLBuffer.UsagePattern.DynamicDraw)
    return buffer


def _texture(image: QImage) -> QOpenGLTexture:
    texture = QOpenGLTexture(image, QOpenGLTexture.MipMapGeneration.DontGenerateMipMaps)
    texture.setMinMagFilters(QOpenGLTexture.Filter.Nearest, QOpenGLTexture.Filter.Nearest)
    texture.setWrapMode(QOpenGLTexture.WrapMode.ClampToEdge)
    return texture
