"""Draws a picture with OpenGL: one call for all rectangles, one for the line of text.

Works with OpenGL 2.1 and with OpenGL ES 2. What is costly - writing text, sending images - is done when a picture is
prepared, between two frames; a frame sends one number for each corner and draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QOpenGLFunctions
from PySide6.QtOpenGL import QOpenGLBuffer, QOpenGLShader, QOpenGLShaderProgram, QOpenGLTexture

from volo_app.stimulus.ink import caption_image, labels_image
from volo_app.stimulus.picture import BACKGROUND, Picture, caption_place
from volo_paradigms.layout import Layout

__all__ = ["Renderer", "RendererError"]

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
varying vec2 ink_at;
varying vec3 fill;
void main() { vec4 ink = texture2D(sheet, ink_at); gl_FragColor = vec4(fill * (1.0 - ink.a) + ink.rgb, 1.0); }
"""
_GL_FLOAT, _GL_TRIANGLES, _GL_COLOR_BUFFER_BIT = 0x1406, 0x0004, 0x4000
_CORNER, _PLACE, _COLOR, _LEVEL = range(4)
#: The corners of two triangles that make a rectangle, as shares of its width and height.
_CORNERS = np.array([(0, 0), (1, 0), (0, 1), (0, 1), (1, 0), (1, 1)], np.float32)
_N_CORNERS, _N_COLUMNS = 6, 7
#: Lines of text kept as images: what is on, and what waits to be.
_KEPT_CAPTIONS = 8


class RendererError(RuntimeError):
    """The driver refuses what is needed; the message says what."""


class Renderer:
    """Owns shaders, buffers and images of one OpenGL context, which is current in every call.

    Parameters
    ----------
    functions : QOpenGLFunctions
        Of the context.
    layout : Layout
        The keys.

    Raises
    ------
    RendererError
        If the shaders do not compile.
    """

    def __init__(self, functions: QOpenGLFunctions, layout: Layout) -> None:
        self._gl = functions
        self._layout = layout
        self._place = caption_place(layout)
        self._size = (0, 0)
        self._program = _program()
        self._corners, self._levels = _buffer(), _buffer()
        self._labels: QOpenGLTexture | None = None
        self._captions: dict[str, QOpenGLTexture] = {}
        self._uploaded: Picture | None = None
        self._n = 0
        self._level = np.empty(0)
        self._level_of_corner = np.empty((0, _N_CORNERS), np.float32)

    def resize(self, width: int, height: int) -> None:
        """Take the size of the window in pixels, and write all labels anew."""
        if (width, height) == self._size:
            return
        self._size = (width, height)
        self._gl.glViewport(0, 0, width, height)
        if self._labels is not None:
            self._labels.destroy()
        self._labels = _texture(labels_image(self._layout, width, height))
        self._forget_captions(0)
        self._uploaded = None

    def prepare(self, picture: Picture) -> None:
        """Do between two frames what is costly about `picture`: write its text."""
        text = picture.caption
        if text:
            kept = self._captions.pop(text, None)
            self._captions[text] = kept if kept is not None else _texture(caption_image(text, self._place, *self._size))

    def draw(self, picture: Picture, frame: int) -> None:
        """Draw frame number `frame` of `picture`."""
        if picture is not self._uploaded:
            self._upload(picture)
        self._gl.glClearColor(BACKGROUND, BACKGROUND, BACKGROUND, 1.0)
        self._gl.glClear(_GL_COLOR_BUFFER_BIT)
        n_rectangles = len(picture.rectangles)
        caption = self._captions.get(picture.caption)
        if self._labels is None or not (n_rectangles or caption):
            return
        picture.levels(frame, self._level[:n_rectangles])
        self._level[n_rectangles:] = BACKGROUND
        self._level_of_corner[:] = self._level[:, None]
        self._program.bind()
        self._bind(self._level_of_corner.tobytes())
        if n_rectangles:
            self._labels.bind()
            self._gl.glDrawArrays(_GL_TRIANGLES, 0, _N_CORNERS * n_rectangles)
        if caption is not None:
            caption.bind()
            self._gl.glDrawArrays(_GL_TRIANGLES, _N_CORNERS * n_rectangles, _N_CORNERS)
        self._program.release()

    def _bind(self, levels: bytes) -> None:
        self._levels.bind()
        self._levels.allocate(levels, len(levels))
        self._program.setAttributeBuffer(_LEVEL, _GL_FLOAT, 0, 1)
        self._corners.bind()
        for attribute, offset, size in ((_CORNER, 0, 2), (_PLACE, 8, 2), (_COLOR, 16, 3)):
            self._program.setAttributeBuffer(attribute, _GL_FLOAT, offset, size, 4 * _N_COLUMNS)
        for attribute in (_CORNER, _PLACE, _COLOR, _LEVEL):
            self._program.enableAttributeArray(attribute)

    def _upload(self, picture: Picture) -> None:
        """Send the corners of a new picture, and of its line of text as the last rectangle."""
        self._forget_captions(_KEPT_CAPTIONS)
        r = self._place
        line = np.array([[r.x, r.y, r.width, r.height, 1.0, 1.0, 1.0]], np.float32)
        corners = _corner_rows(np.concatenate([picture.rectangles, line]))
        corners[-_N_CORNERS:, 2:4] = _CORNERS
        data = corners.tobytes()
        self._corners.bind()
        self._corners.allocate(data, len(data))
        self._uploaded = picture
        self._level = np.empty(len(corners) // _N_CORNERS)
        self._level_of_corner = np.empty((len(self._level), _N_CORNERS), np.float32)

    def close(self) -> None:
        """Give back what the driver gave; the context is still current."""
        self._forget_captions(0)
        if self._labels is not None:
            self._labels.destroy()
            self._labels = None
        self._corners.destroy()
        self._levels.destroy()
        self._program.removeAllShaders()

    def _forget_captions(self, keep: int) -> None:
        """Give back all but the `keep` newest lines of text."""
        for text in list(self._captions)[: max(0, len(self._captions) - keep)]:
            self._captions.pop(text).destroy()


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
