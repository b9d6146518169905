"""What all trial machines share: time that only goes forward, pause, resume, abort, and phases that scenes begin.

Not: which phases there are, what is shown in them, or what a decision means.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum
from typing import ClassVar, Generic, TypeVar

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.types import Scene, Step

__all__ = ["PhasedTrials", "TrialMachine"]


class TrialMachine(ABC):
    """A `volo_paradigms.types.Paradigm` of trials that can be paused and ended.

    If the screen never reports a scene as shown, nothing more comes: that is for the engine to notice.
    """

    def __init__(self) -> None:
        self._trial = -1
        self._now = self._latest_advance = -math.inf
        self._shown_at: float | None = None
        self._paused = False

    # What the machines add.

    @property
    @abstractmethod
    def finished(self) -> bool:
        """True when nothing more will come; only after the last scene is shown, so that its marker is recorded."""

    @abstractmethod
    def shown(self, marker: Marker) -> list[Step]:
        """Take note that the scene with this marker is on the screen since ``marker.time``."""

    @abstractmethod
    def decide(self, decision: Decision) -> list[Step]:
        """Take a decision; one that belongs to another trial than the current is ignored."""

    @abstractmethod
    def _step(self, now: float) -> list[Step]:
        """Go on, if it is time; at most one scene."""

    @abstractmethod
    def _give_up(self, kind: str) -> list[Step]:
        """Return the scene of that kind which takes a trial that is under way off the screen, if one is."""

    @abstractmethod
    def _finish(self) -> None:
        """Be finished from now on."""

    # What the engine calls.

    @property
    def trial(self) -> int:
        """Number of the current trial, -1 before the first."""
        return self._trial

    @property
    def paused(self) -> bool:
        """Whether a pause is on."""
        return self._paused

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
        return [] if self._paused or self.finished else self._step(now)

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
        """End for good, at once; if a trial is under way, the last scene takes it off the screen."""
        if self.finished:
            return []
        steps = self._give_up("end")
        self._finish()
        return steps


_P = TypeVar("_P", bound=Enum)


class PhasedTrials(TrialMachine, Generic[_P]):
    """A machine of named phases, of which each but the first and the last is a scene with a marker of its own.

    Attributes
    ----------
    LABELS : Mapping
        The marker that each phase's scene begins with, in the order of a trial; the last of them is the rest.
    """

    LABELS: ClassVar[Mapping[Enum, str]]

    def __init__(self, ready: _P, rest: _P, finished: _P) -> None:
        super().__init__()
        self._phase = self._ready = ready
        self._rest, self._finished = rest, finished

    @abstractmethod
    def _done(self) -> bool:
        """Return whether no further trial is to come."""

    @property
    def phase(self) -> _P:
        """Where in a trial we are."""
        return self._phase

    @property
    def finished(self) -> bool:
        """True when nothing more will come; only after the last scene is shown, so that its marker is recorded."""
        return self._phase is self._finished

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that the scene with this marker is on the screen since ``marker.time``."""
        awaited = self.LABELS.get(self._phase)
        if self._shown_at is None and marker.label == awaited and marker.payload.get("trial") == self._trial:
            self._shown_at = marker.time
            if self._phase is self._rest and self._done():
                self._finish()
        return []

    def _finish(self) -> None:
        self._phase = self._finished

    def _close(self, kind: str) -> Scene:
        """Return the scene of the rest; `kind` becomes ``"end"`` after the last trial."""
        return self._scene(self._rest, "end" if self._done() else kind, {"trial": self._trial})

    def _give_up(self, kind: str) -> list[Step]:
        under_way = self._phase in self.LABELS and self._phase is not self._rest
        return [self._scene(self._rest, kind, {"trial": self._trial})] if under_way else []

    def _scene(self, phase: _P, kind: str, payload: Mapping[str, object]) -> Scene:
        self._phase = phase
        self._shown_at = None
        return Scene(kind, self._trial, self._now, self.LABELS[phase], payload)
