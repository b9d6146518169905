"""A cursor on a line, moved by imagining one of two things: a pure controller, and the trials that drive it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from volo_decoders.types import Decision, Prediction
from volo_paradigms.imagery_trials import ImageryTiming, ImageryTrials
from volo_paradigms.types import Command, Step

__all__ = ["Cursor", "CursorSettings", "ImageryCursor"]


class Cursor:
    """A position between -1 and 1 that two classes push to either end; staying at an end selects.

    Pure: it knows the times it is told and nothing else. Positions go out as commands for the target ``"cursor"``, with
    the position as text (``"-0.250"``); an end that was held goes out for the target ``"select"``, with its class, and
    the cursor returns to the middle.

    Parameters
    ----------
    classes : tuple of 2 str
        What pushes to -1 and to 1.
    gain : float
        How far one prediction or decision that is quite sure moves the cursor.
    dwell_s : float
        How long the cursor must stay at an end to select it.
    valid_for_s : float
        How long a command may wait to be executed.

    Raises
    ------
    ValueError
        If a number is out of range, or the classes are not two different ones.
    """

    def __init__(
        self, classes: tuple[str, str], gain: float = 0.5, dwell_s: float = 1.0, valid_for_s: float = 0.5
    ) -> None:
        if len(classes) != 2 or classes[0] == classes[1]:
            raise ValueError(f"classes: got {classes}, a line has two ends: expected two different names")
        if not 0.0 < gain <= 2.0:
            raise ValueError(f"gain: got {gain}, it must be above 0 and at most 2, the length of the line")
        if not (math.isfinite(dwell_s) and dwell_s >= 0.0):
            raise ValueError(f"dwell_s: got {dwell_s}, it must be finite and at least 0")
        if not (math.isfinite(valid_for_s) and valid_for_s > 0.0):
            raise ValueError(f"valid_for_s: got {valid_for_s}, it must be finite and above 0")
        self.classes = classes
        self._gain = gain
        self._dwell_s = dwell_s
        self._valid_for_s = valid_for_s
        self._position = 0.0
        self._since: float | None = None
        self._n_commands = 0

    @property
    def position(self) -> float:
        """Where the cursor is, -1 to 1."""
        return self._position

    def predict(self, prediction: Prediction, now: float) -> list[Command]:
        """Move by the difference of the two classes' probabilities, the softmax of the scores.

        Raises
        ------
        ValueError
            If the prediction's classes are not the cursor's.
        """
        if set(prediction.classes) != set(self.classes):
            raise ValueError(f"prediction.classes: got {prediction.classes}, the cursor has {self.classes}")
        scores = dict(zip(prediction.classes, prediction.scores, strict=True))
        return self._move(math.tanh(0.5 * float(scores[self.classes[1]] - scores[self.classes[0]])), now)

    def decide(self, decision: Decision, now: float) -> list[Command]:
        """Move towards the decided class, in proportion to the confidence; abstaining moves nothing.

        Raises
        ------
        ValueError
            If the label is not one of the cursor's.
        """
        if decision.label is None:
            return []
        if decision.label not in self.classes:
            raise ValueError(f"decision.label: got {decision.label!r}, the cursor has {' and '.join(self.classes)}")
        sign = 1.0 if decision.label == self.classes[1] else -1.0
        return self._move(sign * float(np.clip(decision.confidence, 0.0, 1.0)), now)

    def advance(self, now: float) -> list[Command]:
        """Let time pass: an end that was held long enough is selected, and the cursor returns to the middle."""
        if self._since is None or now - self._since < self._dwell_s:
            return []
        label = self.classes[1] if self._position > 0.0 else self.classes[0]
        self._position, self._since = 0.0, None
        return [self._command("select", label, now), self._command("cursor", _written(0.0), now)]

    def hold(self) -> None:
        """Begin the dwelling anew with the next movement, as after a pause."""
        self._since = None

    def _move(self, push: float, now: float) -> list[Command]:
        before = self._position
        self._position = min(1.0, max(-1.0, before + self._gain * push))
        at_end = abs(self._position) == 1.0
        if not at_end:
            self._since = None
        elif self._since is None or self._position != before:
            self._since = now
        return [self._command("cursor", _written(self._position), now)]

    def _command(self, target: str, value: str, now: float) -> Command:
        self._n_commands += 1
        return Command(now, self._n_commands - 1, self._valid_for_s, target, value)


def _written(position: float) -> str:
    return f"{position:+.3f}"


@dataclass(frozen=True, slots=True)
class CursorSettings:
    """What can be set.

    Attributes
    ----------
    classes : tuple of 2 str
        What moves the cursor to the left end and to the right end.
    n_trials : int
        End after so many trials.
    n_selections : int or None
        End earlier, after so many selections.
    continuous : bool
        Whether every prediction of a trial moves the cursor, by `step_gain`, and its decision only ends the trial;
        otherwise the decision moves it, by `gain`.
    gain, step_gain, dwell_s, valid_for_s : float
        See `Cursor`.
    fixation_s, cue_s, imagery_s, rest_s, rest_spread_s : float
        See `volo_paradigms.imagery_trials.ImageryTiming`; `imagery_s` is the longest a trial waits for its decision.
    """

    classes: tuple[str, str] = ("left", "right")
    n_trials: int = 100
    n_selections: int | None = None
    continuous: bool = False
    gain: float = 0.5
    step_gain: float = 0.08
    dwell_s: float = 1.0
    valid_for_s: float = 0.5
    fixation_s: float = 1.0
    cue_s: float = 0.5
    imagery_s: float = 4.0
    rest_s: float = 1.0
    rest_spread_s: float = 0.0

    def __post_init__(self) -> None:
        if self.n_trials < 1:
            raise ValueError(f"n_trials: got {self.n_trials}, it must be at least 1")
        if self.n_selections is not None and self.n_selections < 1:
            raise ValueError(f"n_selections: got {self.n_selections}, it must be at least 1, or absent")


class ImageryCursor(ImageryTrials):
    """Steer a cursor by imagery: each trial's decision ends it; predictions or decisions push the cursor.

    A pure trial machine, see `volo_paradigms.types.Paradigm`. What to imagine is free, so trials have no target. A
    pause stops the dwelling at an end.

    Parameters
    ----------
    settings : CursorSettings
        What can be set.

    Raises
    ------
    ValueError
        If classes, numbers or times make no sense.
    """

    Settings = CursorSettings

    def __init__(self, settings: CursorSettings | None = None) -> None:
        self.settings = s = settings or CursorSettings()
        self.cursor = Cursor(s.classes, s.step_gain if s.continuous else s.gain, s.dwell_s, s.valid_for_s)
        super().__init__(s.classes, ImageryTiming(s.fixation_s, s.cue_s, s.imagery_s, s.rest_s, s.rest_spread_s), 0)
        self._n_closed = 0
        self._n_selections = 0

    @property
    def n_selections(self) -> int:
        """How often an end was held long enough."""
        return self._n_selections

    def advance(self, now: float) -> list[Step]:
        """Let session time pass: an end may be selected, and at most one scene comes.

        Raises
        ------
        ValueError
            If `now` is not finite or before that of the last call.
        """
        steps = super().advance(now)
        if self.finished or self.paused:
            return steps
        commands = self.cursor.advance(self._now)
        if not commands:
            return steps
        self._n_selections += 1
        return [*steps, *commands, *(self.abort() if self._done() else ())]

    def predict(self, prediction: Prediction) -> list[Step]:
        """Move the cursor, where predictions are what moves it.

        Raises
        ------
        ValueError
            If the classes are not the cursor's.
        """
        if not self.settings.continuous or self.paused or not self._imagining(prediction.group):
            return []
        self._now = max(self._now, prediction.stop_time)
        return [*self.cursor.predict(prediction, self._now)]

    def decide(self, decision: Decision) -> list[Step]:
        """End the current trial, and move the cursor where decisions are what moves it.

        A decision for another trial, before the cue or after the end of the trial is ignored.

        Raises
        ------
        ValueError
            If the label is not one of the two classes.
        """
        if self.paused or not self._imagining(decision.group):
            return []
        marker = self._noted(decision)
        commands = [] if self.settings.continuous else self.cursor.decide(decision, self._now)
        self._n_closed += 1
        return [self._close("feedback"), marker, *commands]

    def pause(self) -> list[Step]:
        """Stop until `resume`; the cursor stays where it is."""
        self.cursor.hold()
        return super().pause()

    def _timed_out(self) -> list[Step]:
        self._n_closed += 1
        return [self._close("rest")]

    def _target(self) -> str | None:
        return None

    def _done(self) -> bool:
        enough = self.settings.n_selections
        return self._n_closed >= self.settings.n_trials or (enough is not None and self._n_selections >= enough)
