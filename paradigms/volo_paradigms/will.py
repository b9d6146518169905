"""The will of the simulated participant: what it wants to write, looks at, and corrects. Not its brain signals.

It sees the markers of a run, as a person sees the screen, and answers with ``participant/attend`` markers, from which a
simulated head makes signals. It can be misread, and then takes the character back, as a person would.
"""

from __future__ import annotations

import math
import random

from volo_acquisition.types import Marker
from volo_paradigms.grammar import ATTEND, TRIAL_START
from volo_paradigms.layout import DELETE, Key, Layout
from volo_paradigms.score import SelectionScore, score_selections
from volo_paradigms.text import characters

__all__ = ["SelectionScore", "Will", "score_selections"]


class Will:
    """A participant's intention.

    In calibration it attends the cued key. In spelling it compares what is written with what it wants and attends the
    next key, or ``"delete"`` while something wrong is written; on a layout without that key it lets errors stand. When
    all is written, and in free spelling with no text, it attends nothing.

    Parameters
    ----------
    layout : Layout
        The keys.
    text : str or None
        What it wants to write; capitals stand in for small letters without a key.
    seed : int
        Of lapses and slips.
    lapse : float
        Probability that it attends nothing in a trial.
    wrong_target_probability : float
        Probability that it looks at a neighbouring key instead.
    reaction_s : float
        From the start of a trial to the eyes being on the key; should be less than the gaze shift.

    Raises
    ------
    ValueError
        If the layout cannot write the text, or a number is out of range.
    """

    def __init__(
        self,
        layout: Layout,
        text: str | None = None,
        *,
        seed: int = 0,
        lapse: float = 0.0,
        wrong_target_probability: float = 0.0,
        reaction_s: float = 0.2,
    ) -> None:
        for name, value in (("lapse", lapse), ("wrong_target_probability", wrong_target_probability)):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}: got {value}, a probability is 0 to 1")
        if lapse + wrong_target_probability > 1.0:
            raise ValueError(f"lapse + wrong_target_probability: got {lapse + wrong_target_probability}, at most 1")
        if not (math.isfinite(reaction_s) and reaction_s >= 0.0):
            raise ValueError(f"reaction_s: got {reaction_s}, it must be finite and at least 0")
        self.layout = layout
        self.text = None if text is None else layout.written(text)
        labels = layout.spell(self.text or "")
        pieces = [layout.character(label) for label in labels]
        #: What to press next after each right beginning; None after the whole text.
        self._next: dict[str, str | None] = {"".join(pieces[:n]): label for n, label in enumerate((*labels, None))}
        self._lapse = lapse
        self._slip = wrong_target_probability
        self._reaction_s = reaction_s
        self._random = random.Random(seed)

    def take(self, marker: Marker) -> list[Marker]:
        """Look at the screen: answer the start of a trial with what is attended, anything else with nothing."""
        if marker.label != TRIAL_START:
            return []
        cue = marker.payload.get("cue")
        intended = cue if cue is not None else self.wants(str(marker.payload.get("text", "")))
        attended = self._attended(intended)
        key = None if attended is None else self.layout.key(attended)
        payload: dict[str, object] = {
            "trial": marker.payload["trial"],
            "key": attended,
            "frequency_hz": 0.0 if key is None else key.frequency_hz,
            "phase_rad": 0.0 if key is None else key.phase_rad,
        }
        if attended != intended:
            payload["intended"] = intended
        return [Marker(marker.time + self._reaction_s, ATTEND, payload, "participant")]

    def wants(self, written: str) -> str | None:
        """Return the key to press when `written` is what stands there, None if there is nothing left to do."""
        if self.text is None:
            return None
        if written in self._next:
            return self._next[written]
        if DELETE in self.layout:
            return DELETE
        labels = self.layout.spell(self.text)[len(characters(written)) :]
        return labels[0] if labels else None

    def _attended(self, intended: str | None) -> str | None:
        """Return where the eyes go: to the intended key, to nothing (a lapse), or to a neighbour (a slip)."""
        chance = self._random.random()
        if intended is None or chance < self._lapse:
            return None
        if chance < self._lapse + self._slip:
            return self._random.choice(self._neighbours(self.layout.key(intended)))
        return intended

    def _neighbours(self, key: Key) -> list[str]:
        """Return the keys around `key`, or all others if none is next to it, or itself if it is alone."""
        others = [other for other in self.layout.keys if other.label != key.label]
        near = [other for other in others if abs(other.row - key.row) <= 1 and abs(other.column - key.column) <= 1]
        return [other.label for other in near or others or [key]]
