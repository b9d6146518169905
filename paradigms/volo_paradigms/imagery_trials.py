"""The life of an imagery trial, in the timing of Graz: a cross, an arrow, imagery, rest. No keys, no flicker.

::

    READY --advance--> FIXATION --fixation_s--> CUE --cue_s--> IMAGERY --imagery_s--> REST --rest_s--> READY ...
                          |                      |                |                    |
                          +--------pause---------+----------------+--> REST            +--> FINISHED

Imagery begins with the cue: that is the marker ``stimulus/onset``, from which windows count, and from which `imagery_s`
counts too. The arrow goes after `cue_s` (``stimulus/cue-off``); ``stimulus/offset`` ends the imagery.
"""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.grammar import CUE_OFF, DECISION, OFFSET, ONSET, TRIAL_START
from volo_paradigms.machine import PhasedTrials
from volo_paradigms.types import Step

__all__ = ["ImageryPhase", "ImageryTiming", "ImageryTrials"]


class ImageryPhase(Enum):
    """Where in a trial we are."""

    READY = "ready"
    FIXATION = "fixation"
    CUE = "cue"
    IMAGERY = "imagery"
    REST = "rest"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class ImageryTiming:
    """How long things last, seconds.

    Attributes
    ----------
    fixation_s : float
        The cross, before the cue.
    cue_s : float
        The arrow.
    imagery_s : float
        From the arrow's first frame to the end of imagery; longer than `cue_s`.
    rest_s, rest_spread_s : float
        Rest after a trial: `rest_s` and a random part of `rest_spread_s`, so that cues cannot be foreseen.
    """

    fixation_s: float = 2.0
    cue_s: float = 1.25
    imagery_s: float = 4.0
    rest_s: float = 1.5
    rest_spread_s: float = 1.0

    def __post_init__(self) -> None:
        problems = []
        for name in ("fixation_s", "rest_s", "rest_spread_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                problems.append(f"{name}: got {value}, it must be finite and at least 0")
        if not 0.0 < self.cue_s < self.imagery_s < math.inf:
            problems.append(f"cue_s, imagery_s: got {self.cue_s} and {self.imagery_s}, expected 0 < cue_s < imagery_s")
        if problems:
            raise ValueError("; ".join(problems))


class ImageryTrials(PhasedTrials[ImageryPhase]):
    """A `volo_paradigms.types.Paradigm` of trials with cross, cue, imagery and rest.

    Parameters
    ----------
    classes : tuple of str
        What can be imagined.
    timing : ImageryTiming
        How long things last.
    seed : int
        Of the rests' random part.

    Raises
    ------
    ValueError
        If there are not 2 to 4 classes, or one comes twice.
    """

    LABELS: ClassVar[Mapping[Enum, str]] = {
        ImageryPhase.FIXATION: TRIAL_START,
        ImageryPhase.CUE: ONSET,
        ImageryPhase.IMAGERY: CUE_OFF,
        ImageryPhase.REST: OFFSET,
    }

    def __init__(self, classes: tuple[str, ...], timing: ImageryTiming, seed: int) -> None:
        super().__init__(ImageryPhase.READY, ImageryPhase.REST, ImageryPhase.FINISHED)
        if not 2 <= len(classes) <= 4 or len(set(classes)) != len(classes) or "" in classes:
            raise ValueError(f"classes: got {classes}, expected 2 to 4 different names")
        self.classes = tuple(classes)
        self._timing = timing
        self._seed = seed
        self._onset_s = math.nan

    # What the paradigms add.

    @abstractmethod
    def _target(self) -> str | None:
        """Return what is to be imagined in the current trial, None if that is free."""

    @abstractmethod
    def _timed_out(self) -> list[Step]:
        """End the trial whose imagery has lasted `imagery_s`."""

    # What the machine asks for.

    def _step(self, now: float) -> list[Step]:
        if self._phase is ImageryPhase.READY:
            return self._begin()
        if self._shown_at is None or now < self._ends_at(self._shown_at):
            return []
        if self._phase is ImageryPhase.FIXATION:
            return [self._scene(ImageryPhase.CUE, "cue", {"trial": self._trial, "target": self._target()})]
        if self._phase is ImageryPhase.CUE:
            return [self._scene(ImageryPhase.IMAGERY, "imagery", {"trial": self._trial})]
        return self._timed_out() if self._phase is ImageryPhase.IMAGERY else self._begin()

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that the scene with this marker is on the screen since ``marker.time``."""
        before = self._shown_at
        steps = super().shown(marker)
        if before is None and self._shown_at is not None and self._phase is ImageryPhase.CUE:
            self._onset_s = self._shown_at
        return steps

    # What the paradigms use.

    def _ends_at(self, shown_at: float) -> float:
        """Return when the current scene, shown at that time, is over if nothing happens."""
        timing = self._timing
        if self._phase is ImageryPhase.FIXATION:
            return shown_at + timing.fixation_s
        if self._phase is ImageryPhase.CUE:
            return shown_at + timing.cue_s
        if self._phase is ImageryPhase.IMAGERY:
            return self._onset_s + timing.imagery_s
        return shown_at + timing.rest_s + random.Random(f"{self._seed}/{self._trial}").uniform(0, timing.rest_spread_s)

    def _begin(self) -> list[Step]:
        self._trial += 1
        payload = {"trial": self._trial, "cue": self._target(), "text": ""}
        return [self._scene(ImageryPhase.FIXATION, "fixation", payload)]

    def _imagining(self, trial: int) -> bool:
        """Return whether this trial's cue has been shown and its imagery is not over."""
        cued = self._phase is ImageryPhase.IMAGERY or (self._phase is ImageryPhase.CUE and self._shown_at is not None)
        return cued and trial == self._trial

    def _noted(self, decision: Decision) -> Marker:
        """Return the marker of a decision, now or at its own time, whichever is later."""
        self._now = max(self._now, decision.time)
        payload = {"trial": self._trial, "key": decision.label, "confidence": float(decision.confidence), "text": ""}
        return Marker(self._now, DECISION, payload)
