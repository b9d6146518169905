"""The life of a flicker trial: gaze, flicker, rest. What speller and calibration share; not what a decision means.

::

    READY --advance--> GAZE --gaze_s--> FLICKER --decision or flicker_s--> REST --rest_s--> READY ...
                         |                 |                                 |
                         +------pause------+--> REST (given up)              +--> FINISHED (its scene is shown, done)

Durations count from the moment the screen has shown a scene, and a scene is asked for when it is due, so a trial is
never shorter than set; it is longer by the time between two calls of ``advance``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.grammar import OFFSET, ONSET, TRIAL_START
from volo_paradigms.layout import Layout
from volo_paradigms.types import Scene, Step

__all__ = ["FlickerTrials", "Phase"]


class Phase(Enum):
    """Where in a trial we are."""

    READY = "ready"
    GAZE = "gaze"
    FLICKER = "flicker"
    REST = "rest"
    FINISHED = "finished"


_LABELS = {Phase.GAZE: TRIAL_START, Phase.FLICKER: ONSET, Phase.REST: OFFSET}


class FlickerTrials(ABC):
    """A `volo_paradigms.types.Paradigm` of trials with a gaze shift, a flicker and a rest.

    If the screen never reports a scene as shown, nothing more comes: that is for the engine to notice.

    Parameters
    ----------
    layout : Layout
        The keys.
    gaze_s : float
        From the start of a trial to its flicker.
    flicker_s : float
        Longest flicker.
    """

    def __init__(self, layout: Layout, gaze_s: float, flicker_s: float) -> None:
        self.layout = layout
        self._gaze_s = gaze_s
        self._flicker_s = flicker_s
        self._phase = Phase.READY
        self._trial = -1
        self._now = -math.inf
        self._latest_advance = -math.inf
        self._shown_at: float | None = None
        self._paused = False

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

    @abstractmethod
    def _done(self) -> bool:
        """Return whether no further trial is to come."""

    @abstractmethod
    def decide(self, decision: Decision) -> list[Step]:
        """Take a decision; one that belongs to another trial than the current is ignored."""

    # What the engine calls.

    @property
    def phase(self) -> Phase:
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
        return self._phase is Phase.FINISHED

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
        if self._phase is Phase.READY:
            return self._begin()
        if self._shown_at is None or now - self._shown_at < self._duration_s():
            return []
        if self._phase is Phase.GAZE:
            return [self._scene(Phase.FLICKER, "flicker", {"trial": self._trial, "target": self._target()})]
        return self._timed_out() if self._phase is Phase.FLICKER else self._begin()

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that the scene with this marker is on the screen since ``marker.time``."""
        awaited = _LABELS.get(self._phase)
        if self._shown_at is None and marker.label == awaited and marker.payload.get("trial") == self._trial:
            self._shown_at = marker.time
            if self._phase is Phase.REST and self._done():
                self._phase = Phase.FINISHED
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
        """End for good, at once; if keys are on the screen, the last scene takes them off."""
        if self.finished:
            return []
        steps = self._give_up("end")
        self._phase = Phase.FINISHED
        return steps

    # What the paradigms use.

    def _duration_s(self) -> float:
        """Return how long the current scene stays on if nothing happens."""
        if self._phase is Phase.GAZE:
            return self._gaze_s
        return self._flicker_s if self._phase is Phase.FLICKER else self._rest_s()

    def _begin(self) -> list[Step]:
        self._trial += 1
        return [self._scene(Phase.GAZE, "gaze", {"trial": self._trial, **self._start_payload()})]

    def _close(self, kind: str) -> Scene:
        """Return the scene that ends the flicker; `kind` becomes ``"end"`` after the last trial."""
        return self._scene(Phase.REST, "end" if self._done() else kind, {"trial": self._trial})

    def _give_up(self, kind: str) -> list[Step]:
        if self._phase not in (Phase.GAZE, Phase.FLICKER):
            return []
        return [self._scene(Phase.REST, kind, {"trial": self._trial})]

    def _scene(self, phase: Phase, kind: str, payload: Mapping[str, object]) -> Scene:
        self._phase = phase
        self._shown_at = None
        return Scene(kind, self._trial, self._now, _LABELS[phase], payload)

    def _flickering(self, trial: int) -> bool:
        """Return whether the flicker of this trial is on the screen."""
        return self._phase is Phase.FLICKER and self._shown_at is not None and trial == self._trial
