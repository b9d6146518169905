"""Recordings without a task: eyes open and closed, and free recording with the operator's own markers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from volo_paradigms.grammar import OFFSET, ONSET, TRIAL_START
from volo_paradigms.layout import Rectangle
from volo_paradigms.show import Show, Text, cross
from volo_paradigms.timeline import Stage, Timeline

__all__ = ["FreeRecording", "FreeRecordingSettings", "Resting", "RestingSettings"]

_MIDDLE = Rectangle(0.1, 0.35, 0.8, 0.3)
_WORDS = {
    "open": "Keep your eyes open\nlook at the cross",
    "closed": "Close your eyes\nopen them at the sound",
}


@dataclass(frozen=True, slots=True)
class RestingSettings:
    """What can be set.

    Attributes
    ----------
    conditions : tuple of str
        What comes one after the other: ``"open"``, ``"closed"``.
    n_repetitions : int
        How often all of them come.
    instruction_s, record_s, rest_s : float
        How long the words are shown, how long is recorded, and the rest afterwards.
    """

    conditions: tuple[str, ...] = ("open", "closed")
    n_repetitions: int = 2
    instruction_s: float = 4.0
    record_s: float = 60.0
    rest_s: float = 3.0

    def __post_init__(self) -> None:
        problems = []
        if not self.conditions or not set(self.conditions) <= set(_WORDS):
            problems.append(f"conditions: got {self.conditions}, allowed are open and closed")
        if self.n_repetitions < 1:
            problems.append(f"n_repetitions: got {self.n_repetitions}, it must be at least 1")
        problems += positive(instruction_s=self.instruction_s, record_s=self.record_s, rest_s=self.rest_s)
        if problems:
            raise ValueError("; ".join(problems))


class Resting(Timeline):
    """Record the resting state; the end of each stretch sounds, so that closed eyes know."""

    Settings = RestingSettings

    def __init__(self, settings: RestingSettings | None = None) -> None:
        self.settings = settings or RestingSettings()
        super().__init__(len(self.settings.conditions) * self.settings.n_repetitions)

    def _plan(self, number: int) -> Sequence[Stage]:
        s = self.settings
        condition = s.conditions[number % len(s.conditions)]
        words = Show(texts=(Text(_WORDS[condition], _MIDDLE, 0.5),))
        return (
            Stage("cue", TRIAL_START, s.instruction_s, words, {"cue": condition, "text": ""}),
            Stage("fixation", ONSET, s.record_s, Show(boxes=cross()), {"target": condition}),
            Stage("rest", OFFSET, s.rest_s, Show(sound="chime")),
        )


@dataclass(frozen=True, slots=True)
class FreeRecordingSettings:
    """What can be set.

    Attributes
    ----------
    duration_s : float
        How long is recorded, unless the operator ends it before.
    words : str
        Shown before, for `instruction_s`.
    instruction_s : float
        How long.
    """

    duration_s: float = 600.0
    words: str = "Recording"
    instruction_s: float = 2.0

    def __post_init__(self) -> None:
        problems = positive(duration_s=self.duration_s, instruction_s=self.instruction_s)
        if problems:
            raise ValueError("; ".join(problems))


class FreeRecording(Timeline):
    """Record, with a cross to look at; what happens is for the operator to note."""

    Settings = FreeRecordingSettings

    def __init__(self, settings: FreeRecordingSettings | None = None) -> None:
        self.settings = settings or FreeRecordingSettings()
        super().__init__(1)

    def _plan(self, number: int) -> Sequence[Stage]:
        s = self.settings
        words = Show(texts=(Text(s.words, _MIDDLE, 0.3),))
        return (
            Stage("cue", TRIAL_START, s.instruction_s, words, {"cue": None, "text": ""}),
            Stage("fixation", ONSET, s.duration_s, Show(boxes=cross()), {"target": None}),
            Stage("rest", OFFSET, 0.0, Show()),
        )


def positive(**values: float) -> list[str]:
    """Return what is wrong with times that must be finite and at least 0."""
    return [
        f"{name}: got {value}, it must be finite and at least 0"
        for name, value in values.items()
        if not (math.isfinite(value) and value >= 0.0)
    ]
