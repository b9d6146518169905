"""The speller: one flicker trial for each character, ended by a decision or by time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.grammar import DECISION, HELP
from volo_paradigms.keys_shown import KeyTrials
from volo_paradigms.language import load_language
from volo_paradigms.layout import BACKSPACE, HELP_KEY, WORD_KEY, load_layout
from volo_paradigms.predicting import Predictor
from volo_paradigms.text import TextBuffer
from volo_paradigms.types import Command, Step

__all__ = ["SpellerSettings", "SsvepSpeller"]


@dataclass(frozen=True, slots=True)
class SpellerSettings:
    """What can be set.

    Attributes
    ----------
    layout : str
        Name of a layout, or path of a layout file.
    gaze_shift_s : float
        Time to move the eyes before the flicker, at least 0.
    max_trial_s : float
        Longest flicker; a trial without a decision by then is one that abstained. It must be longer than the longest
        window and its offset from the onset.
    feedback_s : float
        Rest after a trial, to see what was written.
    n_selections : int or None
        End after so many keys were selected; abstaining does not count.
    stop_text : str or None
        End as soon as this is the text written; capitals stand in for small letters without a key.
    max_selections : int or None
        End after so many trials, abstaining ones included, whatever came of them.
    command_valid_s : float
        How long a command may wait to be executed.
    language : str
        ``"en"``, or a text file (``.txt``): words are predicted on the keys ``word1`` to ``word9`` of layouts that have
        them, and likely letters are weighed into decisions. Empty for neither.
    language_weight : float
        How much the language counts in decisions, 0 (only words are predicted) to 1.
    """

    layout: str = "benchmark40"
    gaze_shift_s: float = 0.5
    max_trial_s: float = 6.0
    feedback_s: float = 0.0
    n_selections: int | None = None
    stop_text: str | None = None
    max_selections: int | None = 1000
    command_valid_s: float = 1.0
    language: str = ""
    language_weight: float = 0.0

    def __post_init__(self) -> None:
        problems = []
        for name, least in (("gaze_shift_s", 0.0), ("feedback_s", 0.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= least):
                problems.append(f"{name}: got {value}, it must be finite and at least {least:g}")
        for name in ("max_trial_s", "command_valid_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                problems.append(f"{name}: got {value}, it must be finite and above 0")
        for name in ("n_selections", "max_selections"):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"{name}: got {value}, it must be at least 1, or absent")
        if not 0.0 <= self.language_weight <= 1.0:
            problems.append(f"language_weight: got {self.language_weight}, allowed is 0 to 1")
        if self.language_weight > 0.0 and not self.language:
            problems.append("language_weight: there is no language to weigh; name one, e.g. en")
        if self.stop_text == "":
            problems.append("stop_text: got an empty text, it must have a character, or be absent")
        if problems:
            raise ValueError("; ".join(problems))


class SsvepSpeller(KeyTrials):
    """Write with the eyes: a pure trial machine, see `volo_paradigms.types.Paradigm`.

    Parameters
    ----------
    settings : SpellerSettings
        What can be set; the defaults spell without an end.

    Raises
    ------
    ValueError
        If `stop_text` has characters that the layout cannot write.
    FileError, ConfigError
        If the layout is absent or wrong.
    """

    Settings = SpellerSettings

    def __init__(self, settings: SpellerSettings | None = None) -> None:
        self.settings = settings or SpellerSettings()
        s = self.settings
        super().__init__(load_layout(s.layout), s.layout, s.gaze_shift_s, s.max_trial_s)
        stop_text = self.settings.stop_text
        self._stop_text = None if stop_text is None else self.layout.written(stop_text)
        self._predictor: Predictor | None = None
        if s.language:
            self._predictor = Predictor(load_language(s.language), self.layout, s.language_weight)
        self._buffer = TextBuffer()
        self._n_commands = 0
        self._n_selections = 0
        self._n_closed = 0

    @property
    def text(self) -> str:
        """What has been written."""
        return self._buffer.text

    @property
    def n_selections(self) -> int:
        """How many keys have been selected; abstaining does not count."""
        return self._n_selections

    @property
    def n_abstained(self) -> int:
        """How many trials ended without a key."""
        return self._n_closed - self._n_selections

    def decide(self, decision: Decision) -> list[Step]:
        """End the current trial with what was decided, and write it.

        A decision for another trial, before the onset or after the end of the trial is ignored. A decision without a
        label (abstaining) ends the trial and writes nothing.

        Raises
        ------
        ValueError
            If the label is not one of the layout's.
        """
        if self.paused or not self._flickering(decision.group):
            return []
        if decision.label is not None and decision.label not in self.layout:
            raise ValueError(
                f"decision.label: got {decision.label!r}, the layout {self.layout.name!r} has "
                f"{' '.join(self.layout.labels)}"
            )
        self._now = max(self._now, decision.time)
        if self._predictor is not None:
            decision = self._predictor.weigh(decision, self.text)
        return self._end(decision.label, decision.confidence)

    def _end(self, key: str | None, confidence: float) -> list[Step]:
        self._n_closed += 1
        commands: list[Step] = []
        if key is not None:
            self._n_selections += 1
            commands += self._press(key)
        payload = {"trial": self._trial, "key": key, "confidence": float(confidence), "text": self.text}
        scene = self._close("feedback" if self.settings.feedback_s > 0.0 else "rest")
        return [scene, Marker(self._now, DECISION, payload), *commands]

    def _press(self, key: str) -> list[Step]:
        """Return what pressing a key sends, having written it."""
        if key == HELP_KEY:
            return [Marker(self._now, HELP), self._command("help", "call")]
        character = self.layout.character(key)
        if key.startswith(WORD_KEY) and self._predictor is not None:
            character = self._predictor.completion(self.text, key)
        self._buffer = self._buffer.delete() if character == BACKSPACE else self._buffer.type(character)
        return [self._command("text", character)]

    def _labels(self) -> tuple[tuple[str, str], ...]:
        return () if self._predictor is None else self._predictor.labels(self.text)

    def _command(self, target: str, value: str) -> Command:
        self._n_commands += 1
        return Command(self._now, self._n_commands - 1, self.settings.command_valid_s, target, value)

    def _timed_out(self) -> list[Step]:
        return self._end(None, 0.0)

    def _start_payload(self) -> dict[str, object]:
        return {"cue": None, "text": self.text}

    def _target(self) -> str | None:
        return None

    def _rest_s(self) -> float:
        return self.settings.feedback_s

    def _done(self) -> bool:
        enough, limit = self.settings.n_selections, self.settings.max_selections
        return (
            (enough is not None and self._n_selections >= enough)
            or (limit is not None and self._n_closed >= limit)
            or (self._stop_text is not None and self.text == self._stop_text)
        )
