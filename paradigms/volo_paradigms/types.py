"""The values a paradigm makes: scenes to show, commands to send; and what every paradigm promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from volo_acquisition.types import Marker
from volo_decoders.types import Decision, Prediction
from volo_paradigms.show import Show

__all__ = ["Command", "Paradigm", "Scene", "Step", "TakesPredictions"]


@dataclass(frozen=True, slots=True)
class Command:
    """Something the outside is asked to do.

    Attributes
    ----------
    time : float
        Session clock, seconds.
    sequence : int
        Counts up by one with each command of a run.
    valid_for_s : float
        After this it must not be executed any more.
    target : str
        What it addresses, e.g. ``"text"``.
    value : str
        What to do with it, e.g. the letter.
    """

    time: float
    sequence: int
    valid_for_s: float
    target: str
    value: str


@dataclass(frozen=True, slots=True)
class Scene:
    """What is shown from the next frame on; stimuli as data.

    Attributes
    ----------
    kind : str
        ``"rest"``, ``"gaze"`` (keys steady, the eyes move), ``"flicker"``, ``"feedback"``, ``"end"``.
    trial : int
        Trial number, -1 outside trials.
    time : float
        Not to be shown before this session time, seconds.
    label : str
        The marker the screen emits when the scene's first frame is on, e.g. ``"stimulus/onset"``.
    payload : Mapping
        Details for that marker: cue, target, text so far.
    show : Show or None
        What is to be seen; None leaves it to the screen, which then goes by `kind` and `payload`.
    """

    kind: str
    trial: int
    time: float
    label: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    show: Show | None = None


#: What a paradigm returns from each call.
Step = Scene | Command | Marker


class Paradigm(Protocol):
    """A pure trial machine: no clock, no device, no screen; only the times and decisions it is told.

    Call order: ``advance`` with non-decreasing times; ``shown`` when the screen has put a scene on; ``decide`` with
    each decision. Each returns what is to be shown, sent or noted now.
    """

    def advance(self, now: float) -> list[Step]:
        """Let session time pass."""
        ...

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that the scene with this marker is on the screen since ``marker.time``."""
        ...

    def decide(self, decision: Decision) -> list[Step]:
        """Take a decision; one that belongs to another trial than the current is ignored."""
        ...

    @property
    def finished(self) -> bool:
        """True when nothing more will come."""
        ...


@runtime_checkable
class TakesPredictions(Protocol):
    """What a paradigm has besides, if it acts on every prediction and not on decisions alone, as a cursor does.

    Predictions come in the order in which windows end, each before the decision it may lead to.
    """

    def predict(self, prediction: Prediction) -> list[Step]:
        """Take a prediction; one that belongs to another trial than the current is ignored."""
        ...
