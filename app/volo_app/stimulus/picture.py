"""What is on the screen in a scene: rectangles, their colours and levels, and what is written. Not: drawing, Qt.

Each frame is a pure function of the scene and of the frame's number since the scene came on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from volo_paradigms.codes import m_sequence
from volo_paradigms.layout import Layout, Rectangle
from volo_paradigms.modulation import Modulator
from volo_paradigms.show import Image, Text
from volo_paradigms.types import Scene

__all__ = ["BACKGROUND", "PATCH_BITS", "STEADY", "Picture", "caption_place", "patch_bit", "patch_place"]

#: Grey of the background, of the blank screen, and level of keys that do not flicker.
BACKGROUND, STEADY = 0.2, 0.5
#: The photodiode patch counts frames: the bit of frame n is the n-th of this sequence, repeated.
PATCH_BITS: tuple[int, ...] = tuple(int(bit) for bit in m_sequence(7))


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
    modulator : Modulator or None
        Levels of the keys; None keeps them steady.
    caption : str
        The line of text.
    scene : Scene or None
        What asked for it; None for a change of what is on.
    layout : Layout or None
        The keys, whose labels are written on them.
    labels : tuple of (str, str)
        Other words for some keys.
    texts, images : tuple
        What else is seen.
    ramp_frames : int
        Over so many frames the contrast of the keys rises from nothing.
    sound : str
        What begins with the first frame.
    flashes : tuple of (int, tuple of str)
        In which frame a flash begins, and the labels of the keys it lights; to be told with the swap.
    """

    rectangles: NDArray[np.float32]
    n_keys: int
    modulator: Modulator | None = None
    caption: str = ""
    scene: Scene | None = None
    layout: Layout | None = None
    labels: tuple[tuple[str, str], ...] = ()
    texts: tuple[Text, ...] = ()
    images: tuple[Image, ...] = ()
    ramp_frames: int = 0
    sound: str = ""
    flashes: tuple[tuple[int, tuple[str, ...]], ...] = field(default=())

    def levels(self, frame: int, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Write the level of each rectangle in frame number `frame` of the scene, 0 to 1, to `out`, shape (n,)."""
        n_others = len(self.rectangles) - self.n_keys
        out[:n_others] = 1.0
        keys = out[n_others:]
        if self.modulator is None:
            keys[:] = STEADY
            return out
        self.modulator.level(frame, keys)
        if frame < self.ramp_frames:
            share = max(0.0, frame / self.ramp_frames)
            np.multiply(keys, share, out=keys)
            np.add(keys, STEADY * (1.0 - share), out=keys)
        return out


def patch_bit(frame: int) -> float:
    """Return the level of the photodiode patch in a frame of the screen's own count: 0 or 1."""
    return float(PATCH_BITS[frame % len(PATCH_BITS)])


def patch_place(corner: str, aspect: float, size: float = 0.06) -> Rectangle:
    """Return the place of a square patch in a corner, `size` of the screen's height.

    Raises
    ------
    ValueError
        If there is no such corner.
    """
    vertical, _, horizontal = corner.partition("-")
    if vertical not in ("upper", "lower") or horizontal not in ("left", "right"):
        raise ValueError(f"patch: got {corner!r}, allowed are upper-left, upper-right, lower-left, lower-right")
    width = size / aspect
    return Rectangle(
        0.0 if horizontal == "left" else 1.0 - width, 0.0 if vertical == "upper" else 1.0 - size, width, size
    )


def caption_place(layout: Layout | None) -> Rectangle:
    """Return where the line of text goes: above the keys, or below them if there is more room."""
    if layout is None:
        return Rectangle(0.03, 0.82, 0.94, 0.1)
    top = min(key.rectangle.y for key in layout.keys)
    bottom = max(key.rectangle.y + key.rectangle.height for key in layout.keys)
    room = max(top, 1.0 - bottom)
    height = min(0.1, max(0.02, 0.7 * room))
    y = (top - height) / 2.0 if top >= 1.0 - bottom else bottom + (1.0 - bottom - height) / 2.0
    return Rectangle(0.03, max(0.0, min(y, 1.0 - height)), 0.94, height)


def bounding(places: tuple[Rectangle, ...]) -> Rectangle:
    """Return the smallest rectangle on the screen around all of them."""
    left, top = (max(0.0, min(values)) for values in zip(*((r.x, r.y) for r in places), strict=True))
    right = min(1.0, max(r.x + r.width for r in places))
    bottom = min(1.0, max(r.y + r.height for r in places))
    return Rectangle(left, top, max(right - left, math.ulp(1.0)), max(bottom - top, math.ulp(1.0)))
