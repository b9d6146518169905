"""Turns scenes, and decisions that are made meanwhile, into pictures. Not: drawing, Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from volo_acquisition.types import Marker
from volo_app.showing import CURSOR
from volo_app.stimulus.picture import Picture
from volo_paradigms.grammar import DECISION, FEEDBACK
from volo_paradigms.layout import Key, Layout, Rectangle, load_layout
from volo_paradigms.modulation import Flashes, Sines
from volo_paradigms.show import ARROWS, GREEN, ORANGE, WHITE, Show, Text, arrow, bar, cross, cursor
from volo_paradigms.types import Scene

__all__ = ["Director"]

#: Width of the frame around a key, as a share of the screen's height.
_FRAME = 0.012
_KINDS_WITH_KEYS = ("gaze", "flicker")


class Director:
    """Makes pictures.

    Parameters
    ----------
    layout : Layout
        The keys of scenes that name no other.
    refresh_hz : float
        Frames a second; may be set anew whenever it is known better.
    aspect : float
        Width of the screen over its height.
    ramp_s : float
        Over so long the contrast of the first flicker rises from nothing.

    Raises
    ------
    ValueError
        If a key flickers too fast for the screen.
    """

    def __init__(self, layout: Layout, refresh_hz: float, aspect: float, ramp_s: float = 0.0) -> None:
        self._layout = layout
        self.refresh_hz = refresh_hz
        _sines(layout).at(refresh_hz)
        self._aspect = aspect
        self._ramp_s = ramp_s
        self._show = Show()
        self._has_keys = True
        self._without_feedback = self._show.boxes
        self._cue: str | None = None
        self._caption = ""

    def blank(self, caption: str = "") -> Picture:
        """Return the grey screen."""
        return Picture(np.empty((0, 7), np.float32), 0, caption=caption)

    def scene(self, scene: Scene) -> Picture:
        """Return the picture of a scene.

        Raises
        ------
        ValueError
            If what flickers is too fast for the screen.
        """
        if scene.show is None:
            self._show = self._by_kind(scene)
        else:
            self._show = scene.show
            self._has_keys = bool(scene.show.layout) or (self._has_keys and scene.kind == "end")
        self._without_feedback = self._show.boxes
        return self._picture(self._show, scene)

    def note(self, marker: Marker) -> Picture | None:
        """Return the changed picture if `marker` is a decision, which goes with a scene without flicker."""
        if marker.label in (FEEDBACK, CURSOR):
            return self._moved(marker)
        if marker.label != DECISION or not self._has_keys:
            return None
        self._show = replace(
            self._show, modulation=None, chosen=marker.payload.get("key"), caption=_written(marker.payload)
        )
        self._caption = self._show.caption
        return self._picture(self._show, None)

    def _moved(self, marker: Marker) -> Picture | None:
        """Return the picture with the feedback bar or the cursor where it is now; not on keys."""
        if self._has_keys:
            return None
        value = float(marker.payload["value"])
        boxes = bar(value) if marker.label == FEEDBACK else cursor(value)
        self._show = replace(self._show, boxes=(*self._without_feedback, *boxes))
        return self._picture(self._show, None)

    def _by_kind(self, scene: Scene) -> Show:
        """Return what a scene that says nothing of its looks shows."""
        kind, payload = scene.kind, scene.payload
        if kind in _KINDS_WITH_KEYS:
            self._has_keys = True
        elif kind in ("fixation", "cue", "imagery"):
            self._has_keys = False
        if not self._has_keys:
            return self._without_keys(kind, payload)
        chosen = self._show.chosen if kind not in _KINDS_WITH_KEYS else None
        if kind == "gaze":
            self._cue = payload.get("cue")
            self._caption = _written(payload) if self._cue is None else f"Look at   {self._cue}"
        if kind == "end":
            return Show(caption=self._caption)
        name = self._layout.name
        sines = _sines(self._layout) if kind == "flicker" else None
        return Show(name, sines, self._cue, chosen, self._caption)

    def _without_keys(self, kind: str, payload: Mapping[str, Any]) -> Show:
        if kind == "cue":
            target = payload.get("target")
            if target is None:
                return Show(boxes=cross(color=ORANGE))
            if target in ARROWS:
                return Show(boxes=(*cross(), *arrow(ARROWS[target])))
            return Show(texts=(Text(str(target), Rectangle(0.2, 0.42, 0.6, 0.16), 0.6, ORANGE),))
        return Show(boxes=cross()) if kind in ("fixation", "imagery") else Show()

    def _picture(self, show: Show, scene: Scene | None) -> Picture:
        layout = self._layout_of(show)
        rows = []
        keys = layout.keys if layout is not None else ()
        if layout is not None:
            framed = ((show.cue, ORANGE), (show.chosen, GREEN))
            rows += [self._frame(layout.key(label), color) for label, color in framed if label]
        rows += [(b.place.x, b.place.y, b.place.width, b.place.height, *b.color) for b in show.boxes]
        for key in keys:
            r = key.rectangle
            rows.append((r.x, r.y, r.width, r.height, *WHITE))
        flickers = show.modulation is not None and layout is not None
        ramp_frames = round(self._ramp_s * self.refresh_hz) if flickers else 0
        if ramp_frames:
            self._ramp_s = 0.0
        return Picture(
            np.array(rows, np.float32).reshape(-1, 7),
            len(keys),
            show.modulation.at(self.refresh_hz) if show.modulation is not None else None,
            show.caption,
            scene,
            layout,
            show.labels,
            show.texts,
            show.images,
            ramp_frames,
            show.sound,
            self._flashes(show, layout),
        )

    def _layout_of(self, show: Show) -> Layout | None:
        if not show.layout:
            return None
        return self._layout if show.layout == self._layout.name else _loaded(show.layout)

    def _flashes(self, show: Show, layout: Layout | None) -> tuple[tuple[int, tuple[str, ...]], ...]:
        if not isinstance(show.modulation, Flashes) or layout is None:
            return ()
        flashes, labels = show.modulation, layout.labels
        return tuple(
            (flashes.frame_of(number, self.refresh_hz), tuple(labels[key] for key in group))
            for number, group in enumerate(flashes.groups)
        )

    def _frame(self, key: Key, color: tuple[float, float, float]) -> tuple[float, ...]:
        """Return a rectangle a little larger than the key, to be drawn under it."""
        r, high, wide = key.rectangle, _FRAME, _FRAME / self._aspect
        return (r.x - wide, r.y - high, r.width + 2 * wide, r.height + 2 * high, *color)


def _sines(layout: Layout) -> Sines:
    return Sines(layout.frequencies_hz, layout.phases_rad)


@lru_cache(maxsize=8)
def _loaded(name: str) -> Layout:
    return load_layout(name)


def _written(payload: Mapping[str, Any]) -> str:
    """Return what is written so far, with a cursor."""
    return f"{payload.get('text', '')}_"
