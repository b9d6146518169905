"""Trials that are a row of timed stages: what cueing, resting and listening share. Not: what the stages are.

Durations count from the moment the screen has shown a scene, so a stage is never shorter than set. One of the stages
begins with ``stimulus/onset``, a later one with ``stimulus/offset``: between the two lies what is recorded for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.grammar import OFFSET
from volo_paradigms.machine import TrialMachine
from volo_paradigms.show import Show
from volo_paradigms.types import Scene, Step

__all__ = ["Stage", "Timeline"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One scene of a trial, and how long it lasts.

    Attributes
    ----------
    kind : str
        Of the scene.
    label : str
        The marker of its first frame.
    seconds : float
        How long it lasts.
    show : Show
        What is seen, and heard.
    payload : Mapping
        Of the marker, beside the trial's number.
    """

    kind: str
    label: str
    seconds: float
    show: Show
    payload: Mapping[str, object] = field(default_factory=dict)


class Timeline(TrialMachine):
    """A `volo_paradigms.types.Paradigm` of trials that run by themselves; decisions change nothing.

    A trial given up by a pause comes again under a new number.
    """

    def __init__(self, n_trials: int) -> None:
        if n_trials < 1:
            raise ValueError(f"n_trials: got {n_trials}, it must be at least 1")
        super().__init__()
        self._n_trials = n_trials
        self._n_complete = 0
        self._stages: Sequence[Stage] = ()
        self._stage = 0
        self._awaits = self._finished = False

    @abstractmethod
    def _plan(self, number: int) -> Sequence[Stage]:
        """Return the stages of the trial that is complete as number `number` from 0; the last one is the rest."""

    @property
    def n_complete(self) -> int:
        """How many trials are done."""
        return self._n_complete

    @property
    def finished(self) -> bool:
        """True when nothing more will come; only after the last scene is shown, so that its marker is recorded."""
        return self._finished

    def _step(self, now: float) -> list[Step]:
        if self._trial < 0:
            return [self._begin()]
        if self._shown_at is None or now - self._shown_at < self._stages[self._stage].seconds:
            return []
        if self._stage + 1 == len(self._stages):
            return [self._begin()]
        if self._stage + 2 == len(self._stages):
            self._n_complete += 1
        return [self._go(self._stage + 1)]

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that the scene with this marker is on the screen since ``marker.time``."""
        if not self._awaits or self._trial < 0 or marker.payload.get("trial") != self._trial:
            return []
        if marker.label == self._stages[self._stage].label:
            self._shown_at, self._awaits = marker.time, False
            if self._stage + 1 == len(self._stages) and self._n_complete >= self._n_trials:
                self._finished = True
        return []

    def decide(self, decision: Decision) -> list[Step]:
        """Ignore the decision."""
        return []

    def _finish(self) -> None:
        self._finished = True

    def _begin(self) -> Scene:
        self._trial += 1
        self._stages = self._plan(self._n_complete)
        return self._go(0)

    def _go(self, stage: int, kind: str = "") -> Scene:
        self._stage = stage
        self._shown_at, self._awaits = None, True
        s = self._stages[stage]
        is_last = stage + 1 == len(self._stages) and self._n_complete >= self._n_trials
        payload = {"trial": self._trial, **s.payload}
        return Scene(kind or ("end" if is_last else s.kind), self._trial, self._now, s.label, payload, s.show)

    def _give_up(self, kind: str) -> list[Step]:
        if self._trial < 0 or self._stage + 1 >= len(self._stages):
            return []
        # jumped over: stages that a trial which is given up never comes to; the last one takes all off the screen
        last = len(self._stages) - 1
        if self._stages[last].label != OFFSET:
            raise ValueError(f"stages: the last is {self._stages[last].label!r}, expected {OFFSET!r}")
        return [self._go(last, kind)]
