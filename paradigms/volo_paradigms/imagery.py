"""Cued imagery: each class is cued equally often, in an order that cannot be foreseen."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from volo_acquisition.types import Marker
from volo_decoders.types import Decision, Prediction
from volo_paradigms.grammar import FEEDBACK
from volo_paradigms.imagery_trials import ImageryTiming, ImageryTrials
from volo_paradigms.types import Step

__all__ = ["ImageryCue", "ImagerySettings", "balanced_order"]

#: Trials of each class within which the order is balanced: few enough for drifts, enough not to be guessed.
BLOCK_PER_CLASS = 5


@dataclass(frozen=True, slots=True)
class ImagerySettings:
    """What can be set.

    Attributes
    ----------
    classes : tuple of str
        What is imagined, 2 to 4 names, e.g. ``"left"``, ``"right"``, ``"feet"``, ``"tongue"``.
    n_per_class : int
        Trials of each class.
    fixation_s, cue_s, imagery_s, rest_s, rest_spread_s : float
        See `ImageryTiming`.
    seed : int
        Of the order of the cues and of the rests.
    feedback : bool
        Whether a bar shows what each prediction tells: to the right for the cued class, or, of two classes, towards the
        second.
    """

    classes: tuple[str, ...] = ("left", "right")
    n_per_class: int = 20
    fixation_s: float = 2.0
    cue_s: float = 1.25
    imagery_s: float = 4.0
    rest_s: float = 1.5
    rest_spread_s: float = 1.0
    seed: int = 0
    feedback: bool = False

    def __post_init__(self) -> None:
        if self.n_per_class < 1:
            raise ValueError(f"n_per_class: got {self.n_per_class}, it must be at least 1")

    @property
    def timing(self) -> ImageryTiming:
        """How long things last."""
        return ImageryTiming(self.fixation_s, self.cue_s, self.imagery_s, self.rest_s, self.rest_spread_s)


class ImageryCue(ImageryTrials):
    """Collect labelled trials: a pure trial machine, see `volo_paradigms.types.Paradigm`.

    A decision that comes during imagery is noted (``trial/decision``) and the rest becomes feedback; it changes
    nothing else. A trial given up by a pause is cued again under a new number.

    Parameters
    ----------
    settings : ImagerySettings
        What can be set.

    Raises
    ------
    ValueError
        If classes or times make no sense.

    References
    ----------
    Pfurtscheller & Neuper 2001, Proc. IEEE 89:1123, DOI 10.1109/5.939829.
    """

    Settings = ImagerySettings

    def __init__(self, settings: ImagerySettings | None = None) -> None:
        self.settings = settings or ImagerySettings()
        super().__init__(self.settings.classes, self.settings.timing, self.settings.seed)
        self._order = balanced_order(self.classes, self.settings.n_per_class, self.settings.seed)
        self._n_complete = 0
        self._decided = -1

    @property
    def order(self) -> tuple[str, ...]:
        """The cues of the run."""
        return self._order

    @property
    def n_complete(self) -> int:
        """How many cues are done."""
        return self._n_complete

    def predict(self, prediction: Prediction) -> list[Step]:
        """Show on the bar what a prediction of the current trial tells, where feedback is wanted.

        Raises
        ------
        ValueError
            If the classes are not the paradigm's.
        """
        if not self.settings.feedback or self.paused or not self._imagining(prediction.group):
            return []
        if set(prediction.classes) != set(self.classes):
            raise ValueError(f"prediction.classes: got {prediction.classes}, the paradigm has {self.classes}")
        scores = dict(zip(prediction.classes, (float(s) for s in prediction.scores), strict=True))
        cued = self.classes[1] if len(self.classes) == 2 else str(self._target())
        top = max(scores.values())
        share = {label: math.exp(score - top) for label, score in scores.items()}
        value = 2.0 * share[cued] / sum(share.values()) - 1.0
        self._now = max(self._now, prediction.stop_time)
        return [Marker(self._now, FEEDBACK, {"trial": self._trial, "value": round(value, 4)})]

    def decide(self, decision: Decision) -> list[Step]:
        """Note the current trial's first decision."""
        if self.paused or not self._imagining(decision.group) or self._decided == decision.group:
            return []
        self._decided = decision.group
        return [self._noted(decision)]

    def _timed_out(self) -> list[Step]:
        self._n_complete += 1
        return [self._close("feedback" if self._decided == self._trial else "rest")]

    def _target(self) -> str | None:
        return self._order[self._n_complete]

    def _done(self) -> bool:
        return self._n_complete >= len(self._order)


def balanced_order(classes: tuple[str, ...], n_per_class: int, seed: int) -> tuple[str, ...]:
    """Return each class so many times, shuffled within blocks of at most five of each.

    A class may follow itself: with two classes that must take turns, the last cue would tell the next.
    """
    generator = random.Random(seed)
    order: list[str] = []
    for done in range(0, n_per_class, BLOCK_PER_CLASS):
        block = list(classes) * min(BLOCK_PER_CLASS, n_per_class - done)
        generator.shuffle(block)
        order += block
    return tuple(order)
