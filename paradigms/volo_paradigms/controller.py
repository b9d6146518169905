"""Steering with the eyes: each trial's decision is a step in one of four directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from volo_paradigms.layout import HELP_KEY
from volo_paradigms.show import Show
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.types import Step

__all__ = ["FourWayController", "FourWaySettings"]


@dataclass(frozen=True, slots=True)
class FourWaySettings(SpellerSettings):
    """What can be set: see `SpellerSettings`; the layout has directions instead of letters.

    Attributes
    ----------
    command_valid_s : float
        How long a step may wait to be executed; short, since steps that come late harm.
    """

    layout: str = "four_way"
    max_trial_s: float = 4.0
    command_valid_s: float = 0.3


class FourWayController(SsvepSpeller):
    """Send the chosen key as a command for the target ``"move"``; nothing is written, abstaining moves nothing."""

    Settings = FourWaySettings

    def __init__(self, settings: FourWaySettings | None = None) -> None:
        chosen = settings or FourWaySettings()
        if chosen.stop_text is not None:
            raise ValueError(f"stop_text: got {chosen.stop_text!r}, a controller writes nothing; leave it out")
        super().__init__(chosen)

    def _looks(self, kind: str, payload: Mapping[str, Any]) -> Show:
        return replace(super()._looks(kind, payload), caption="")

    def _press(self, key: str) -> list[Step]:
        return super()._press(key) if key == HELP_KEY else [self._command("move", key)]
