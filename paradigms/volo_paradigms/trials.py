"""The life of a flicker trial: gaze, flicker, rest. What speller and calibration share; not what a decision means.

::

    READY --advance--> GAZE --gaze_s--> FLICKER --decision or flicker_s--> REST --rest_s--> READY ...
                         |                 |                                 |
                         +------pause------+--> REST (given up)              +--> FINISHED (its scene is shown, done)

Durations count from the moment the screen has shown a scene, and a scene is asked for when it is due, so a trial is
never shorter than set; it is longer by the time between two calls of ``advance``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from enum import Enum
from typing import ClassVar

from volo_paradigms.grammar import OFFSET, ONSET, TRIAL_START
from volo_paradigms.layout import Layout
from volo_paradigms.machine import PhasedTrials
from volo_paradigms.types import Step

__all__ = ["FlickerTrials", "Phase"]


class Phase(Enum):
    """Where in a trial we are."""

    READY = "ready"
    GAZE = "gaze"
    FLICKER = "flicker"
    REST = "rest"
    FINISHED = "finished"


class FlickerTrials(PhasedTrials[Phase]):
    """A `volo_paradigms.types.Paradigm` of trials with a gaze shift, a flicker and a rest.

    Parameters
    ----------
    layout : Layout
        The keys.
    gaze_s : float
        From the start of a trial to its flicker.
    flicker_s : float
        Longest flicker.
    """

    LABELS: ClassVar[Mapping[Enum, str]] = {Phase.GAZE: TRIAL_START, Phase.FLICKER: ONSET, Phase.REST: OFFSET}

    def __init__(self, layout: Layout, gaze_s: float, flicker_s: float) -> None:
        super().__init__(Phase.READY, Phase.REST, Phase.FINISHED)
        self.layout = layout
        self._gaze_s = gaze_s
        self._flicker_s = flicker_s

    # What the paradigms add.

    @abstractmethod
    def _start_payload(self) -> dict[str, object]:
        """Return cue and text of the trial that starts now."""

    @abstractmethod
    def _target(self) -> str | None:
        """Return the true class of the current trial, where it is known."""

    @abstractmethod
    def _timed_out(self) -> list[Step]:
        """End the trial whose flicker has lasted `flicker_s`."""

    @abstractmethod
    def _rest_s(self) -> float:
        """Return how long the rest after the current trial lasts."""

    # What the machine asks for.

    def _step(self, now: float) -> list[Step]:
        if self._phase is Phase.READY:
            return self._begin()
        if self._shown_at is None or now - self._shown_at < self._duration_s():
            return []
        if self._phase is Phase.GAZE:
            return [self._scene(Phase.FLICKER, "flicker", {"trial": self._trial, "target": self._target()})]
        return self._timed_out() if self._phase is Phase.FLICKER else self._begin()

    # What the paradigms use.

    def _duration_s(self) -> float:
        """Return how long the current scene stays on if nothing happens."""
        if self._phase is Phase.GAZE:
            return self._gaze_s
        return self._flicker_s if self._phase is Phase.FLICKER else self._rest_s()

    def _begin(self) -> list[Step]:
        self._trial += 1
        return [self._scene(Phase.GAZE, "gaze", {"trial": self._trial, **self._start_payload()})]

    def _flickering(self, trial: int) -> bool:
        """Return whether the flicker of this trial is on the screen."""
        return self._phase is Phase.FLICKER and self._shown_at is not None and trial == self._trial
