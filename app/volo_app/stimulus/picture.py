"""What is on the screen in a scene: rectangles, their colours and levels, and one line of text. Not: drawing, Qt.

Each frame is a pure function of the scene and of the frame's number since the scene came on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Marker
from volo_paradigms.flicker import Flicker
from volo_paradigms.grammar import DECISION
from volo_paradigms.layout import Key, Layout, Rectangle
from volo_paradigms.types import Scene

__all__ = ["BACKGROUND", "STEADY", "Director", "Picture", "caption_place"]

#: Grey of the background, of the blank screen, and level of keys that do not flicker.
BACKGROUND, STEADY = 0.2, 0.5
_WHITE = (1.0, 1.0, 1.0)
_CUE = (1.0, 0.62, 0.11)
_DECIDED = (0.30, 0.80, 0.45)
#: Width of the frame around a key, as a share of the screen's height.
_FRAME = 0.012


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One scene.

    Attributes
    ----------
    rectangles : ndarray of float32, shape (n, 7)
        x, y, width, height as fractions of the screen from its upper left corner, and red, green, blue; drawn in this
        order. The keys come last.
    n_keys : int
        How many of the last rectangles are keys.
    flicker : Flicker or None
        Levels of the keys; None keeps them steady.
    caption : str
        The line of text.
    scene : Scene or None
        What asked for it; None for a change of what is on.
    """

    rectangles: NDArray[np.float32]
    n_keys: int
    flicker: Flicker | None = None
    caption: str = ""
    scene: Scene | None = None

    def levels(self, frame: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Write the level of each rectangle in frame number `frame` of the scene, 0 to 1, to `out`, shape (n,)."""
        n_others = len(self.rectangles) - self.n_keys
        out[:n_others] = 1.0
        if self.flicker is None:
            out[n_others:] = STEADY
        else:
            self.flicker.level(frame, out=out[n_others:])
        return out


class Director:
    """Turns scenes, and decisions that are made meanwhile, into pictures.

    Parameters
    ----------
    layout : Layout
        The keys.
    refresh_hz : float
        Frames a second.
    aspect : float
        Width of the screen over its height.

    Raises
    ------
    ValueError
        If a key flickers too fast for the screen.
    """

    def __init__(self, layout: Layout, refresh_hz: float, aspect: float) -> None:
        self._layout = layout
        self._flicker = Flicker(
            [key.frequency_hz for key in layout.keys], [key.phase_rad for key in layout.keys], refresh_hz
        )
        self._aspect = aspect
        self._cue: str | None = None
        self._decided: str | None = None
        self._caption = ""
        self._ended = False

    def blank(self) -> Picture:
        """Return the grey screen."""
        return Picture(np.empty((0, 7), np.float32), 0)

    def scene(self, scene: Scene) -> Picture:
        """Return the picture of a scene."""
        payload = scene.payload
        if scene.kind == "gaze":
            self._decided = None
            self._cue = payload.get("cue")
            self._caption = _written(payload) if self._cue is None else f"Look at   {self._cue}"
        self._ended = scene.kind == "end"
        return self._picture(scene)

    def note(self, marker: Marker) -> Picture | None:
        """Return the changed picture if `marker` is a decision, which goes with a scene without flicker."""
        if marker.label != DECISION:
            return None
        self._decided = marker.payload.get("key")
        self._caption = _written(marker.payload)
        return self._picture(None)

    def _picture(self, scene: Scene | None) -> Picture:
        if self._ended:
            return Picture(np.empty((0, 7), np.float32), 0, None, self._caption, scene)
        flickers = scene is not None and scene.kind == "flicker"
        framed = [(self._cue, _CUE), (None if flickers else self._decided, _DECIDED)]
        rows = [self._frame(self._layout.key(label), color) for label, color in framed if label is not None]
        for key in self._layout.keys:
            r = key.rectangle
            rows.append((r.x, r.y, r.width, r.height, *_WHITE))
        return Picture(
            np.array(rows, np.float32),
            len(self._layout.keys),
            self._flicker if flickers else None,
            self._caption,
            scene,
        )

    def _frame(self, key: Key, color: tuple[float, float, float]) -> tuple[float, ...]:
        """Return a rectangle a little larger than the key, to be drawn under it."""
        r, high, wide = key.rectangle, _FRAME, _FRAME / self._aspect
        return (r.x - wide, r.y - high, r.width + 2 * wide, r.height + 2 * high, *color)


def _written(payload: Mapping[str, Any]) -> str:
    """Return what is written so far, with a cursor."""
    return f"{payload.get('text', '')}_"


def caption_place(layout: Layout) -> Rectangle:
    """Return where the line of text goes: above the keys, or below them if there is more room."""
    top = min(key.rectangle.y for key in layout.keys)
    bottom = max(key.rectangle.y + key.rectangle.height for key in layout.keys)
    room = max(top, 1.0 - bottom)
    height = min(0.1, max(0.02, 0.7 * room))
    y = (top - height) / 2.0 if top >= 1.0 - bottom else bottom + (1.0 - bottom - height) / 2.0
    return Rectangle(0.03, max(0.0, min(y, 1.0 - height)), 0.94, height)
