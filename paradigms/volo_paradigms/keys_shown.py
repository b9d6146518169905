"""How trials with keys look: which keys, what they do, what is framed and written. Not: when, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from volo_paradigms.layout import Layout
from volo_paradigms.modulation import Modulation, Sines
from volo_paradigms.show import Show
from volo_paradigms.trials import FlickerTrials, Phase
from volo_paradigms.types import Scene

__all__ = ["KeyTrials", "sines_of"]


class KeyTrials(FlickerTrials):
    """Trials with keys that say how they look.

    Parameters
    ----------
    layout : Layout
        The keys.
    layout_name : str
        Name or file by which a screen finds them.
    gaze_s, flicker_s : float
        See `FlickerTrials`.
    """

    def __init__(self, layout: Layout, layout_name: str, gaze_s: float, flicker_s: float) -> None:
        super().__init__(layout, gaze_s, flicker_s)
        self._layout_name = layout_name
        self._look = Show(layout_name)

    def _modulation(self) -> Modulation:
        """Return what the keys of the current trial do; sinusoids unless a paradigm says otherwise."""
        return sines_of(self.layout)

    def _labels(self) -> tuple[tuple[str, str], ...]:
        """Return other words for some keys."""
        return ()

    def _scene(self, phase: Phase, kind: str, payload: Mapping[str, object]) -> Scene:
        scene = super()._scene(phase, kind, payload)
        self._look = self._looks(kind, payload)
        return replace(scene, show=self._look)

    def _looks(self, kind: str, payload: Mapping[str, Any]) -> Show:
        if kind == "gaze":
            cue = payload.get("cue")
            caption = f"{payload.get('text', '')}_" if cue is None else f"Look at   {cue}"
            return Show(self._layout_name, cue=cue, caption=caption, labels=self._labels())
        if kind == "flicker":
            return replace(self._look, modulation=self._modulation())
        if kind == "end":
            return Show(caption=self._look.caption)
        return replace(self._look, modulation=None)


def sines_of(layout: Layout) -> Sines:
    """Return the sinusoids of a layout's keys."""
    return Sines(layout.frequencies_hz, layout.phases_rad)
