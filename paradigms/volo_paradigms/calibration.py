"""Calibration: every key is cued once a block, in a shuffled order, and flickers for a fixed time."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from volo_decoders.types import Decision
from volo_paradigms.keys_shown import KeyTrials
from volo_paradigms.layout import load_layout
from volo_paradigms.types import Step

__all__ = ["CalibrationSettings", "SsvepCalibration"]


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """What can be set.

    Attributes
    ----------
    layout : str
        Name of a layout, or path of a layout file.
    n_blocks : int
        How often each key is cued.
    flicker_s : float
        How long the keys flicker.
    cue_s : float
        How long the cue is shown before the flicker, for the eyes to move.
    rest_s : float
        Rest after a trial.
    block_rest_s : float
        Rest after the last trial of a block, instead of `rest_s` if that is shorter.
    seed : int
        Of the order of the cues.
    """

    layout: str = "benchmark40"
    n_blocks: int = 5
    flicker_s: float = 2.0
    cue_s: float = 0.5
    rest_s: float = 0.5
    block_rest_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        problems = []
        if self.n_blocks < 1:
            problems.append(f"n_blocks: got {self.n_blocks}, it must be at least 1")
        if not (math.isfinite(self.flicker_s) and self.flicker_s > 0.0):
            problems.append(f"flicker_s: got {self.flicker_s}, it must be finite and above 0")
        for name in ("cue_s", "rest_s", "block_rest_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                problems.append(f"{name}: got {value}, it must be finite and at least 0")
        if problems:
            raise ValueError("; ".join(problems))


class SsvepCalibration(KeyTrials):
    """Collect labelled trials: a pure trial machine, see `volo_paradigms.types.Paradigm`.

    A trial given up by a pause is cued again under a new number.

    Parameters
    ----------
    settings : CalibrationSettings
        What can be set.

    Raises
    ------
    FileError, ConfigError
        If the layout is absent or wrong.
    """

    Settings = CalibrationSettings

    def __init__(self, settings: CalibrationSettings | None = None) -> None:
        self.settings = settings or CalibrationSettings()
        s = self.settings
        super().__init__(load_layout(s.layout), s.layout, s.cue_s, s.flicker_s)
        self._order = _block_order(self.layout.labels, self.settings.n_blocks, self.settings.seed)
        self._n_complete = 0

    @property
    def order(self) -> tuple[str, ...]:
        """The cues of the run, block after block."""
        return self._order

    @property
    def n_complete(self) -> int:
        """How many cues are done."""
        return self._n_complete

    def decide(self, decision: Decision) -> list[Step]:
        """Ignore the decision: calibration learns, it does not obey."""
        return []

    def _timed_out(self) -> list[Step]:
        self._n_complete += 1
        return [self._close("rest")]

    def _start_payload(self) -> dict[str, object]:
        return {"cue": self._target(), "text": ""}

    def _target(self) -> str | None:
        return self._order[self._n_complete]

    def _rest_s(self) -> float:
        block_ended = self._n_complete > 0 and self._n_complete % len(self.layout) == 0
        return max(self.settings.rest_s, self.settings.block_rest_s) if block_ended else self.settings.rest_s

    def _done(self) -> bool:
        return self._n_complete >= len(self._order)


def _block_order(labels: tuple[str, ...], n_blocks: int, seed: int) -> tuple[str, ...]:
    """Return each label once a block, shuffled; no label comes twice running across blocks."""
    generator = random.Random(seed)
    order: list[str] = []
    for _ in range(n_blocks):
        block = list(labels)
        generator.shuffle(block)
        if order and len(block) > 1 and block[0] == order[-1]:
            other = generator.randrange(1, len(block))
            block[0], block[other] = block[other], block[0]
        order += block
    return tuple(order)
