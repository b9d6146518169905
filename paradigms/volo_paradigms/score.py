"""How well a run was read: what the participant meant against what was decided."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from volo_acquisition.types import Marker
from volo_paradigms.grammar import ATTEND, DECISION, RUN_START, TRIAL_START
from volo_paradigms.layout import DELETE

__all__ = ["SelectionScore", "score_selections"]


@dataclass(frozen=True, slots=True)
class SelectionScore:
    """What became of the participant's intentions.

    A *selection* is a trial that ended with a key while the participant wanted one. The *first selection* of a position
    of the text is the first one while the participant wants the character there: retries, and deletions, are not.

    Attributes
    ----------
    n_trials : int
        Trials that were decided, or timed out, while the participant wanted a key.
    n_abstained : int
        Those that ended without a key; they cost time, and are no selections.
    n_selections, n_correct : int
        All selections, deletions and retries included, and those that were what the participant meant.
    first_selections, first_selections_correct : int
        The same for first selections.
    n_correct_characters : int
        Characters that stand right at the end.
    n_unwanted : int
        Trials that ended with a key while the participant wanted none.
    duration_s : float
        From the first start of a trial to the last decision; 0 without decisions.
    text : str
        What was written at the end.
    """

    n_trials: int
    n_abstained: int
    n_selections: int
    n_correct: int
    first_selections: int
    first_selections_correct: int
    n_correct_characters: int
    n_unwanted: int
    duration_s: float
    text: str

    @property
    def accuracy(self) -> float:
        """Share of first selections that were right; NaN if there were none."""
        return _share(self.first_selections_correct, self.first_selections)

    @property
    def selection_accuracy(self) -> float:
        """Share of all selections that were right; NaN if there were none."""
        return _share(self.n_correct, self.n_selections)

    @property
    def abstained_share(self) -> float:
        """Share of trials that ended without a key; NaN if there were none."""
        return _share(self.n_abstained, self.n_trials)

    @property
    def characters_per_minute(self) -> float:
        """Right characters for each minute of the run, pauses included; NaN if it took no time."""
        return _share(60.0 * self.n_correct_characters, self.duration_s)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else math.nan


@dataclass(slots=True)
class _Tally:
    """The counts while the markers of a run go by."""

    n_trials: int = 0
    n_abstained: int = 0
    n_selections: int = 0
    n_correct: int = 0
    n_first: int = 0
    n_first_correct: int = 0
    n_right_characters: int = 0
    n_unwanted: int = 0

    def count(self, intended: str | None, key: str | None, first: bool) -> None:
        if intended is None:
            self.n_unwanted += key is not None
            return
        self.n_trials += 1
        if key is None:
            self.n_abstained += 1
            return
        self.n_selections += 1
        self.n_correct += key == intended
        self.n_first += first
        self.n_first_correct += first and key == intended

    def follow(self, intended: str | None, key: str | None) -> None:
        """Keep the length of the right beginning; whoever wants to delete has something wrong behind it."""
        if key is None or intended == DELETE:
            return
        if key == DELETE:
            self.n_right_characters = max(0, self.n_right_characters - 1)
        elif key == intended:
            self.n_right_characters += 1


def score_selections(markers: Iterable[Marker]) -> SelectionScore:
    """Compare intentions (``participant/attend``) with decisions (``trial/decision``) of one run.

    The intention is the attended key, or ``intended`` where the participant looked elsewhere than it meant to. Trials
    without an intention marker, and trials given up, do not count.

    Parameters
    ----------
    markers : iterable of Marker
        Of one run, in order; after a further ``run/start`` the text is a new one.

    Raises
    ------
    ValueError
        If a marker of the grammar lacks a field it needs.
    """
    tally = _Tally()
    intentions: dict[int, str | None] = {}
    texts: dict[int, str] = {}
    attempted: set[int] = set()
    started_s: float | None = None
    decided_s = 0.0
    text = ""
    for marker in markers:
        if marker.label == RUN_START:
            intentions, texts, attempted = {}, {}, set()
        elif marker.label == TRIAL_START:
            started_s = marker.time if started_s is None else started_s
            texts[_trial(marker)] = str(marker.payload.get("text", ""))
        elif marker.label == ATTEND:
            intentions[_trial(marker)] = marker.payload.get("intended", marker.payload.get("key"))
        elif marker.label == DECISION:
            trial = _trial(marker)
            key = marker.payload.get("key")
            text, decided_s = str(marker.payload.get("text", "")), marker.time
            if trial not in intentions:
                continue
            intended = intentions[trial]
            position = len(texts.get(trial, ""))
            first = intended is not None and intended != DELETE and key is not None and position not in attempted
            if first:
                attempted.add(position)
            tally.count(intended, key, first)
            tally.follow(intended, key)
    return SelectionScore(
        tally.n_trials,
        tally.n_abstained,
        tally.n_selections,
        tally.n_correct,
        tally.n_first,
        tally.n_first_correct,
        tally.n_right_characters,
        tally.n_unwanted,
        0.0 if started_s is None else max(0.0, decided_s - started_s),
        text,
    )


def _trial(marker: Marker) -> int:
    trial = marker.payload.get("trial")
    if not isinstance(trial, int):
        raise ValueError(f"{marker.label} at {marker.time}: trial is {trial!r}, expected a whole number")
    return trial
