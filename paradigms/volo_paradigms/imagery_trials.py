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
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.grammar import CUE_OFF, DECISION, OFFSET, ONSET, TRIAL_START
from volo_paradigms.types import Scene, Step

__all__ = ["ImageryPhase", "ImageryTiming", "ImageryTrials"]


class ImageryPhase(Enum):
    """Where in a trial we are."""

    READY = "ready"
    FIXATION = "fixation"
    CUE = "cue"
    IMAGERY = "imagery"
    REST = "rest"
    FINISHED = "finished"


_LABELS = {
    ImageryPhase.FIXATION: TRIAL_START,
    ImageryPhase.CUE: ONSET,
    ImageryPhase.IMAGERY: CUE_OFF,
    ImageryPhase.REST: OFFSET,
}
_UNDER_WAY = (ImageryPhase.FIXATION, ImageryPhase.CUE, ImageryPhase.IMAGERY)


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


class ImageryTrials(ABC):
    """A `volo_paradigms.types.Paradigm` of trials with cross, cue, imagery and rest.

    If the screen never reports a scene as shown, nothing more comes: that is for the engine to notice.

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

    def __init__(self, classes: tuple[str, ...], timing: ImageryTiming, seed: int) -> None:
        if not 2 <= len(classes) <= 4 or len(set(classes)) != len(classes) or "" in classes:
            raise ValueError(f"classes: got {classes}, expected 2 to 4 different names")
        self.classes = tuple(classes)
        self._timing = timing
        self._seed = seed
        self._phase = ImageryPhase.READY
        self._trial = -1
        self._now = -math.inf
        self._latest_advance = -math.inf
        self._shown_at: float | None = None
        self._onset_s = math.nan
        self._paused = False

    # What the paradigms add.

    @abstractmethod
    def _target(self) -> str | None:
        """Return what is to be imagined in the current trial, None if that is free."""

    @abstractmethod
    def _timed_out(self) -> list[Step]:
        """End the trial whose imagery has lasted `imagery_s`."""

    @abstractmethod
    def _done(self) -> bool:
        """Return whether no further trial is to come."""

    @abstractmethod
    def decide(self, decision: Decision) -> list[Step]:
        """Take a decision; one that belongs to another trial than the current is ignored."""

    # What the engine calls.

    @property
    def phase(self) -> ImageryPhase:
        """Where in a trial we are."""
        return self._phase

    @property
    def trial(self) -> int:
        """Number of the current trial, -1 before the first."""
        return self._trial

    @property
    def paused(self) -> bool:
        """Whether a pause is on."""
        return self._paused

    @property
    def finished(self) -> bool:
        """True when nothing more will come; only after the last scene is shown, so that its marker is recorded."""
        return self._phase is ImageryPhase.FINISHED

    def advance(self, now: float) -> list[Step]:
        """Let session time pass; at most one scene comes of one call.

        Raises
        ------
        ValueError
            If `now` is not finite or before that of the last call.
        """
        if not (math.isfinite(now) and now >= self._latest_advance):
            raise ValueError(f"now: got {now}, times must be finite and not before the last, {self._latest_advance}")
        self._latest_advance = now
        self._now = max(self._now, now)
        if self._paused or self.finished:
            return []
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
        awaited = _LABELS.get(self._phase)
        if self._shown_at is None and marker.label == awaited and marker.payload.get("trial") == self._trial:
            self._shown_at = marker.time
            if self._phase is ImageryPhase.CUE:
                self._onset_s = marker.time
            if self._phase is ImageryPhase.REST and self._done():
                self._phase = ImageryPhase.FINISHED
        return []

    def pause(self) -> list[Step]:
        """Stop until `resume`; a trial that is under way is given up and the screen goes to rest."""
        if self._paused or self.finished:
            return []
        self._paused = True
        return self._give_up("rest")

    def resume(self) -> list[Step]:
        """Go on after a pause, with a new trial once the rest has been shown and is over."""
        self._paused = False
        return []

    def abort(self) -> list[Step]:
        """End for good, at once; if a trial is under way, the last scene ends it."""
        if self.finished:
            return []
        steps = self._give_up("end")
        self._phase = ImageryPhase.FINISHED
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

    def _close(self, kind: str) -> Scene:
        """Return the scene that ends the imagery; `kind` becomes ``"end"`` after the last trial."""
        return self._scene(ImageryPhase.REST, "end" if self._done() else kind, {"trial": self._trial})

    def _give_up(self, kind: str) -> list[Step]:
        return [self._scene(ImageryPhase.REST, kind, {"trial": self._trial})] if self._phase in _UNDER_WAY else []

    def _scene(self, phase: ImageryPhase, kind: str, payload: Mapping[str, object]) -> Scene:
        self._phase = phase
        self._shown_at = None
        return Scene(kind, self._trial, self._now, _LABELS[phase], payload)

    def _imagining(self, trial: int) -> bool:
        """Return whether this trial's cue has been shown and its imagery is not over."""
        cued = self._phase is ImageryPhase.IMAGERY or (self._phase is ImageryPhase.CUE and self._shown_at is not None)
        return cued and trial == self._trial

    def _noted(self, decision: Decision) -> Marker:
        """Return the marker of a decision, now or at its own time, whichever is later."""
        self._now = max(self._now, decision.time)
        payload = {"trial": self._trial, "key": decision.label, "confidence": float(decision.confidence), "text": ""}
        return Marker(self._now, DECISION, payload)
