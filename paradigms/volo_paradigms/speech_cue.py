"""Cueing for speech: words to say aloud, to mouth or to imagine; and talkers to listen to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from volo_paradigms.grammar import CUE, OFFSET, ONSET, TRIAL_START
from volo_paradigms.imagery import balanced_order
from volo_paradigms.layout import Rectangle
from volo_paradigms.resting import positive
from volo_paradigms.show import GREEN, ORANGE, Show, Text, arrow, cross
from volo_paradigms.timeline import Stage, Timeline

__all__ = ["MODES", "SpeechCue", "SpeechCueSettings", "TalkerSettings", "Talkers"]

#: How a word can be said, and the word for it.
MODES = {"overt": "say aloud", "mouthed": "mouth without sound", "imagined": "only imagine"}
_MIDDLE, _BELOW = Rectangle(0.1, 0.4, 0.8, 0.2), Rectangle(0.2, 0.64, 0.6, 0.08)


@dataclass(frozen=True, slots=True)
class SpeechCueSettings:
    """What can be set.

    Attributes
    ----------
    words : tuple of str
        At least two different ones.
    modes : tuple of str
        ``"overt"``, ``"mouthed"``, ``"imagined"``: in each, every word comes equally often.
    n_per_word : int
        Trials of each word in each mode.
    fixation_s, cue_s, speak_s, rest_s, rest_spread_s : float
        The cross; the word to prepare; the time to say it, from the green cross on; the rest, and a random part of it.
    seed : int
        Of the order and of the rests.
    """

    words: tuple[str, ...] = ("yes", "no", "help", "water")
    modes: tuple[str, ...] = ("imagined",)
    n_per_word: int = 10
    fixation_s: float = 1.0
    cue_s: float = 1.5
    speak_s: float = 2.0
    rest_s: float = 1.5
    rest_spread_s: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if len(self.words) < 2 or len(set(self.words)) != len(self.words) or "" in self.words:
            problems.append(f"words: got {self.words}, expected at least two different words")
        if not self.modes or not set(self.modes) <= set(MODES) or len(set(self.modes)) != len(self.modes):
            problems.append(f"modes: got {self.modes}, allowed are {', '.join(MODES)}, each once")
        if self.n_per_word < 1:
            problems.append(f"n_per_word: got {self.n_per_word}, it must be at least 1")
        times = {n: getattr(self, n) for n in ("fixation_s", "cue_s", "speak_s", "rest_s", "rest_spread_s")}
        problems += positive(**times)
        if problems:
            raise ValueError("; ".join(problems))


class SpeechCue(Timeline):
    """Collect labelled trials of words; one mode after the other, the words in balanced order.

    The target of a trial is the word; the mode goes with its start as ``text``. The cross turns green when it is time,
    so that what is said begins with ``stimulus/onset`` and not with reading.
    """

    Settings = SpeechCueSettings

    def __init__(self, settings: SpeechCueSettings | None = None) -> None:
        self.settings = s = settings or SpeechCueSettings()
        self.classes = s.words
        self.order = tuple(
            (mode, word)
            for number, mode in enumerate(s.modes)
            for word in balanced_order(s.words, s.n_per_word, s.seed + number)
        )
        super().__init__(len(self.order))

    def _plan(self, number: int) -> Sequence[Stage]:
        s = self.settings
        mode, word = self.order[min(number, len(self.order) - 1)]
        rest_s = s.rest_s + random.Random(f"{s.seed}/{number}").uniform(0.0, s.rest_spread_s)
        how = Text(MODES[mode], _BELOW, 0.6)
        return (
            Stage("fixation", TRIAL_START, s.fixation_s, Show(boxes=cross()), {"cue": word, "text": mode}),
            Stage("cue", CUE, s.cue_s, Show(texts=(Text(word, _MIDDLE, 0.7, ORANGE), how))),
            Stage("imagery", ONSET, s.speak_s, Show(boxes=cross(0.12, GREEN)), {"target": word}),
            Stage("rest", OFFSET, rest_s, Show()),
        )


@dataclass(frozen=True, slots=True)
class TalkerSettings:
    """What can be set.

    Attributes
    ----------
    sounds : tuple of str
        Sound files (WAV, two channels: one talker in each ear), one a trial, in turn. Empty shows the cue only, for
        sounds that come from elsewhere.
    talkers : tuple of 2 str
        What is attended: the left and the right talker.
    n_trials : int
        How many; each talker is attended equally often, in random order.
    cue_s, listen_s, rest_s : float
        The cue; how long is listened; the rest.
    seed : int
        Of the order.
    """

    sounds: tuple[str, ...] = ()
    talkers: tuple[str, str] = ("left", "right")
    n_trials: int = 10
    cue_s: float = 2.0
    listen_s: float = 60.0
    rest_s: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if len(self.talkers) != 2 or self.talkers[0] == self.talkers[1]:
            problems.append(f"talkers: got {self.talkers}, expected two different names")
        if self.n_trials < 1:
            problems.append(f"n_trials: got {self.n_trials}, it must be at least 1")
        problems += positive(cue_s=self.cue_s, listen_s=self.listen_s, rest_s=self.rest_s)
        if problems:
            raise ValueError("; ".join(problems))


class Talkers(Timeline):
    """Attend to one of two talkers.

    References
    ----------
    O'Sullivan et al. 2015, Cereb. Cortex 25(7):1697, DOI 10.1093/cercor/bht355.
    """

    Settings = TalkerSettings

    def __init__(self, settings: TalkerSettings | None = None) -> None:
        self.settings = s = settings or TalkerSettings()
        self.classes = s.talkers
        n_each = -(-s.n_trials // 2)
        self.order = balanced_order(s.talkers, n_each, s.seed)[: s.n_trials]
        super().__init__(s.n_trials)

    def _plan(self, number: int) -> Sequence[Stage]:
        s = self.settings
        talker = self.order[min(number, s.n_trials - 1)]
        way = ("left", "right")[s.talkers.index(talker)]
        sound = s.sounds[number % len(s.sounds)] if s.sounds else ""
        words = Text(f"Listen to: {talker}", Rectangle(0.2, 0.68, 0.6, 0.1), 0.6)
        return (
            Stage("cue", TRIAL_START, s.cue_s, Show(boxes=arrow(way), texts=(words,)), {"cue": talker, "text": ""}),
            Stage("fixation", ONSET, s.listen_s, Show(boxes=cross(), sound=sound), {"target": talker}),
            Stage("rest", OFFSET, s.rest_s, Show(sound="silence")),
        )
