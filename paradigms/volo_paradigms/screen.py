"""A screen without a display: stamps each scene with the time of the frame that would show it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from volo_acquisition.types import Marker
from volo_paradigms.grammar import FLASH
from volo_paradigms.layout import Layout, load_layout
from volo_paradigms.modulation import Flashes
from volo_paradigms.types import Scene

__all__ = ["VirtualScreen"]


class VirtualScreen:
    """Frames at ``start_s + k / refresh_hz``; reads no clock, so the same calls give the same stamps.

    Parameters
    ----------
    refresh_hz : float
        Refresh rate.
    start_s : float
        Session time of frame 0.
    latency_s : float
        Declared time from swap to light, added to each stamp.
    missed : iterable of int
        Numbers of frames that never come; a scene due on one waits for the next.

    Attributes
    ----------
    n_late : int
        How many scenes had to wait because of missed frames.
    """

    def __init__(
        self, refresh_hz: float = 60.0, start_s: float = 0.0, latency_s: float = 0.0, *, missed: Iterable[int] = ()
    ) -> None:
        if not (math.isfinite(refresh_hz) and refresh_hz > 0.0):
            raise ValueError(f"refresh_hz: got {refresh_hz}, it must be finite and above 0")
        if not math.isfinite(start_s):
            raise ValueError(f"start_s: got {start_s}, it must be finite")
        if not (math.isfinite(latency_s) and latency_s >= 0.0):
            raise ValueError(f"latency_s: got {latency_s}, it must be finite and at least 0")
        self.refresh_hz = float(refresh_hz)
        self.start_s = float(start_s)
        self.latency_s = float(latency_s)
        self.n_late = 0
        self._missed = frozenset(missed)
        self._last_frame = -1
        self._flashes: list[Marker] = []

    def frame_time(self, frame: int) -> float:
        """Return the session time of the swap of frame number `frame`."""
        return self.start_s + frame / self.refresh_hz

    def present(self, scene: Scene, now: float) -> Marker:
        """Return the scene's marker, stamped with the first frame at or after both `now` and ``scene.time``.

        Each scene stays on for at least one frame, so stamps increase strictly.

        Raises
        ------
        ValueError
            If a time is not finite.
        """
        earliest = max(now, scene.time)
        if not (math.isfinite(now) and math.isfinite(scene.time)):
            raise ValueError(f"now, scene.time: got {now}, {scene.time}, they must be finite")
        frame = max(self._first_frame(earliest), self._last_frame + 1)
        wanted = frame
        while frame in self._missed:
            frame += 1
        self.n_late += frame > wanted
        self._last_frame = frame
        shown = Marker(self.frame_time(frame) + self.latency_s, scene.label, scene.payload, "screen")
        self._flashes = [flash for flash in self._flashes if flash.time < shown.time]
        self._flashes += self._flashes_of(scene, frame)
        return shown

    def due(self, now: float) -> list[Marker]:
        """Return the flashes of scenes with flashing keys that have come on by `now`, each once."""
        due = [flash for flash in self._flashes if flash.time <= now]
        self._flashes = self._flashes[len(due) :]
        return due

    def _flashes_of(self, scene: Scene, first: int) -> list[Marker]:
        """Return a marker for each flash of a scene that comes on with frame `first`, at the first frame not missed."""
        flashes = None if scene.show is None else scene.show.modulation
        layout = self._layout(scene.show.layout) if scene.show is not None and isinstance(flashes, Flashes) else None
        if not isinstance(flashes, Flashes) or layout is None:
            return []
        markers = []
        for number, group in enumerate(flashes.groups):
            frame = first + flashes.frame_of(number, self.refresh_hz)
            while frame in self._missed:
                frame += 1
            payload = {"trial": scene.trial, "flash": number, "keys": [layout.labels[key] for key in group]}
            markers.append(Marker(self.frame_time(frame) + self.latency_s, FLASH, payload, "screen"))
        return markers

    @staticmethod
    @lru_cache(maxsize=4)
    def _layout(name: str) -> Layout:
        return load_layout(name)

    def _first_frame(self, time_s: float) -> int:
        """Return the first frame at or after `time_s`, exact in spite of rounding."""
        frame = max(0, math.ceil((time_s - self.start_s) * self.refresh_hz))
        while frame > 0 and self.frame_time(frame - 1) >= time_s:
            frame -= 1
        while self.frame_time(frame) < time_s:
            frame += 1
        return frame
