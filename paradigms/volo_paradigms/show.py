"""What a scene shows beside keys, as data: boxes, texts, images. Places are fractions of the screen. Not: drawing."""

from __future__ import annotations

from dataclasses import dataclass

from volo_paradigms.layout import Rectangle
from volo_paradigms.modulation import Modulation

__all__ = [
    "ARROWS",
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "WHITE",
    "Box",
    "Image",
    "Show",
    "Text",
    "arrow",
    "bar",
    "cross",
    "cursor",
]

Color = tuple[float, float, float]
#: Colours that no scene's safety check minds; there is no red among them.
WHITE, ORANGE, GREEN, BLUE, GREY = (
    (1.0, 1.0, 1.0),
    (1.0, 0.62, 0.11),
    (0.3, 0.8, 0.45),
    (0.35, 0.6, 1.0),
    (0.45, 0.45, 0.45),
)


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    place: Rectangle
    color: Color = WHITE


@dataclass(frozen=True, slots=True)
class Text:
    """Words in a place; as large as `share` of its height allows, smaller if they are long."""

    text: str
    place: Rectangle
    share: float = 0.6
    color: Color = WHITE


@dataclass(frozen=True, slots=True)
class Image:
    """A picture from a file, as large as its place allows without distortion."""

    path: str
    place: Rectangle


@dataclass(frozen=True, slots=True)
class Show:
    """All there is to see in a scene.

    Attributes
    ----------
    layout : str
        Name or file of the keys; empty shows none.
    modulation : Modulation or None
        Of the keys; None keeps them steady.
    cue : str or None
        Label of a key to look at: framed.
    chosen : str or None
        Label of a key that was decided: framed in another colour.
    caption : str
        The line of text.
    labels : tuple of (str, str)
        Other words for some keys, by their labels, e.g. predicted words.
    boxes, texts, images : tuple
        What else is seen, in this order.
    sound : str
        What is heard from the first frame on: a file, ``"chime"``, or ``"silence"`` to end a sound; empty changes
        nothing.
    """

    layout: str = ""
    modulation: Modulation | None = None
    cue: str | None = None
    chosen: str | None = None
    caption: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    boxes: tuple[Box, ...] = ()
    texts: tuple[Text, ...] = ()
    images: tuple[Image, ...] = ()
    sound: str = ""


#: Which way the arrow of an imagery class points; other classes are shown as words.
ARROWS = {"left": "left", "right": "right", "feet": "down", "tongue": "up", "up": "up", "down": "down"}
#: Shape of a screen for which crosses and arrows are drawn; on others they are a little longer one way.
_ASPECT = 16.0 / 9.0


def cross(size: float = 0.08, color: Color = WHITE) -> tuple[Box, ...]:
    """Return a fixation cross in the middle, `size` of the screen's height."""
    thin, half = 0.012, size / 2.0
    wide, high = half / _ASPECT, thin / 2.0
    return (
        Box(Rectangle(0.5 - wide, 0.5 - high, 2.0 * wide, thin), color),
        Box(Rectangle(0.5 - high / _ASPECT, 0.5 - half, thin / _ASPECT, size), color),
    )


def arrow(way: str, color: Color = ORANGE) -> tuple[Box, ...]:
    """Return an arrow from the middle: a shaft, and a head of steps that narrow to its tip.

    Raises
    ------
    ValueError
        If `way` is not left, right, up or down.
    """
    if way not in ("left", "right", "up", "down"):
        raise ValueError(f"way: got {way!r}, allowed are left, right, up, down")
    n = 8
    steps = [(0.2 + 0.1 * step / n, 0.2 + 0.1 * (step + 1) / n, 0.06 * (1.0 - step / n)) for step in range(n)]
    return tuple(Box(_along(way, near, far, half), color) for near, far, half in ((0.06, 0.2, 0.02), *steps))


def _along(way: str, near: float, far: float, half: float) -> Rectangle:
    """Return a place between two distances from the middle, in shares of the height, `half` to either side."""
    low = -far if way in ("left", "up") else near
    if way in ("up", "down"):
        return Rectangle(0.5 - half / _ASPECT, 0.5 + low, 2.0 * half / _ASPECT, far - near)
    return Rectangle(0.5 + low / _ASPECT, 0.5 - half, (far - near) / _ASPECT, 2.0 * half)


def bar(value: float, color: Color = BLUE) -> tuple[Box, ...]:
    """Return the feedback bar: from the middle to the left for -1, to the right for 1."""
    value = min(1.0, max(-1.0, value))
    length = 0.3 * abs(value)
    rail = Box(Rectangle(0.2, 0.68, 0.6, 0.02), GREY)
    if length < 1e-3:
        return (rail,)
    return (rail, Box(Rectangle(0.5 - length if value < 0.0 else 0.5, 0.66, length, 0.06), color))


def cursor(x: float, y: float = 0.0, color: Color = BLUE) -> tuple[Box, ...]:
    """Return a square cursor at x and y, -1 to 1 from left to right and from top to bottom, with the four ends."""
    x, y = (min(1.0, max(-1.0, value)) for value in (x, y))
    size = 0.05
    ends = [Box(Rectangle(0.08 if end < 0 else 0.9, 0.4, 0.02, 0.2), GREY) for end in (-1, 1)]
    place = Rectangle(0.5 + 0.38 * x - size / 2.0 / _ASPECT, 0.5 + 0.32 * y - size / 2.0, size / _ASPECT, size)
    return (*ends, Box(place, color))
