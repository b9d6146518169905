"""The will of the simulated participant in imagery: it imagines what is cued, as long as imagery is asked for.

As in spelling, it learns of the run by its markers and answers with ``participant/attend``, from which a simulated
head makes signals.
"""

from __future__ import annotations

import math
import random

from volo_acquisition.types import Marker
from volo_paradigms.grammar import ATTEND, OFFSET, ONSET

__all__ = ["ImageryWill"]


class ImageryWill:
    """A participant that imagines movements.

    Parameters
    ----------
    wish : str or None
        What it imagines where nothing is cued; None imagines nothing there.
    seed : int
        Of lapses.
    lapse : float
        Probability that it imagines nothing in a trial.
    reaction_s : float
        From the cue to the beginning of imagery, and from the end of a trial to the end of it.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    def __init__(self, wish: str | None = None, *, seed: int = 0, lapse: float = 0.0, reaction_s: float = 0.25) -> None:
        if not 0.0 <= lapse <= 1.0:
            raise ValueError(f"lapse: got {lapse}, a probability is 0 to 1")
        if not (math.isfinite(reaction_s) and reaction_s >= 0.0):
            raise ValueError(f"reaction_s: got {reaction_s}, it must be finite and at least 0")
        self.wish = wish
        self._lapse = lapse
        self._reaction_s = reaction_s
        self._random = random.Random(seed)
        self._imagining = False

    def take(self, marker: Marker) -> list[Marker]:
        """Look at the screen: answer a cue with imagery and the end of a trial with the end of imagery."""
        if marker.label == ONSET:
            target = marker.payload.get("target")
            intended = self.wish if target is None else str(target)
            lapses = self._random.random() < self._lapse
            imagined = None if lapses else intended
            self._imagining = imagined is not None
            return [self._answer(marker, imagined, intended)]
        if marker.label == OFFSET and self._imagining:
            self._imagining = False
            return [self._answer(marker, None, None)]
        return []

    def _answer(self, marker: Marker, imagined: str | None, intended: str | None) -> Marker:
        payload: dict[str, object] = {
            "trial": marker.payload["trial"],
            "key": imagined,
            "frequency_hz": 0.0,
            "phase_rad": 0.0,
            "imagine": imagined,
        }
        if imagined != intended:
            payload["intended"] = intended
        return Marker(marker.time + self._reaction_s, ATTEND, payload, "participant")
