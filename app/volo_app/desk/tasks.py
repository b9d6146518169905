"""What a desk can calibrate and do online: flickering keys or imagined movement. Not: windows, processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from volo_acquisition.sources.spec import parse_spec
from volo_app.desk.settings import DeskSettings
from volo_app.imagery import FEEDBACK_LENGTHS_S, IMAGERY_OFFSET_S, imagery_chain
from volo_app.presets import LONG_LENGTHS_S, SPELLER_LENGTHS_S, VISUAL_LATENCY_S, ssvep_chain
from volo_app.simulation import Willing
from volo_app.stimulus.verdict import PHASE_BLIND
from volo_decoders.chain import ChainSpec
from volo_decoders.fitted import FittedChain
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.cursor import CursorSettings, ImageryCursor
from volo_paradigms.imagery import ImageryCue, ImagerySettings
from volo_paradigms.imagery_will import ImageryWill
from volo_paradigms.layout import load_layout
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.types import Paradigm
from volo_paradigms.will import Will

__all__ = ["IMAGERY_CHANNELS", "DeskTask", "ImageryTask", "SsvepTask", "is_simulated", "make_task"]

#: What the simulated participant's cap has where it imagines movements.
IMAGERY_CHANNELS = ("FC3", "FC4", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "CP3", "CP4")
#: Trials of each class in a block of an imagery calibration.
PER_CLASS = 4


class DeskTask(Protocol):
    """One kind of session.

    Attributes
    ----------
    name : str
        As in recordings' names.
    decoder : str
        What a calibration trains.
    dynamic : bool
        Whether it decides as soon as it is sure.
    """

    name: str
    decoder: str
    dynamic: bool

    def source(self, text: str) -> str:
        """Return the text of a source, with what a simulated participant needs for this."""
        ...

    def calibration(self, n_blocks: int) -> tuple[Paradigm, int, Willing]:
        """Return a calibration, its number of trials, and what a simulated participant wants in it."""
        ...

    def chain(self, rate_hz: float) -> ChainSpec:
        """Return the chain that a calibration trains."""
        ...

    def online(self, fitted: FittedChain, wish: str | None) -> tuple[Paradigm, Willing]:
        """Return what runs online, and what a simulated participant wants in it; `wish` is None for a real one."""
        ...

    def outcome(self, paradigm: Paradigm, wish: str | None) -> Mapping[str, object]:
        """Return the figures of an online run that are this task's own."""
        ...


class SsvepTask:
    """Keys that flicker: calibrate all of them, then spell."""

    name, dynamic = "ssvep", True

    def __init__(self, settings: DeskSettings) -> None:
        self._settings = settings
        self._layout = load_layout(settings.layout)
        self.decoder = settings.decoder

    def source(self, text: str) -> str:
        """Return it as it is: the simulated cap has the places for this."""
        return text

    def calibration(self, n_blocks: int) -> tuple[Paradigm, int, Willing]:
        """Return one trial of each key a block."""
        s = self._settings
        longest_s = self.chain(250.0).window.lengths_s[-1]  # lengths in seconds are the same at any rate
        timing = CalibrationSettings(
            layout=s.layout,
            n_blocks=n_blocks,
            flicker_s=VISUAL_LATENCY_S + longest_s + 0.1,
            cue_s=s.gaze_shift_s,
            rest_s=s.rest_s,
        )
        return SsvepCalibration(timing), n_blocks * len(self._layout), Will(self._layout)

    def chain(self, rate_hz: float) -> ChainSpec:
        """Return the speller's chain, with windows up to the longest that is wanted."""
        lengths_s = tuple(length for length in SPELLER_LENGTHS_S if length <= self._settings.longest_window_s)
        if self.decoder in PHASE_BLIND:  # which need long windows, as far as they were recorded
            lengths_s = tuple(length for length in LONG_LENGTHS_S if length <= lengths_s[-1]) or lengths_s[-1:]
        return ssvep_chain(self.decoder, self._layout, rate_hz, lengths_s=lengths_s)

    def online(self, fitted: FittedChain, wish: str | None) -> tuple[Paradigm, Willing]:
        """Return the speller; a simulated participant stops when its text is written."""
        s = self._settings
        speller = SpellerSettings(
            layout=s.layout,
            gaze_shift_s=s.gaze_shift_s,
            max_trial_s=VISUAL_LATENCY_S + fitted.spec.window.lengths_s[-1] + 1.0,
            feedback_s=s.rest_s,
            stop_text=wish,
            max_selections=1000 if wish is None else 4 * len(wish) + 10,
        )
        return SsvepSpeller(speller), Will(self._layout, wish)

    def outcome(self, paradigm: Paradigm, wish: str | None) -> Mapping[str, object]:
        """Return what was written."""
        return {"text": getattr(paradigm, "text", ""), "target_text": wish}


class ImageryTask:
    """Imagined movement of the left and the right hand: cued trials, then a cursor on a line."""

    name, dynamic = "imagery", False
    classes = ("left", "right")

    def __init__(self, settings: DeskSettings) -> None:
        self._settings = settings
        self.decoder = settings.imagery_decoder

    def source(self, text: str) -> str:
        """Return it with electrodes over the motor areas, where a simulated participant has none named."""
        if not is_simulated(text) or any(key == "channels" for key, _ in parse_spec(text).values):
            return text
        return f"{text}{',' if ':' in text else ':'}channels={','.join(IMAGERY_CHANNELS)}"

    def calibration(self, n_blocks: int) -> tuple[Paradigm, int, Willing]:
        """Return cued trials, as many of each side."""
        s = self._settings
        n = PER_CLASS * n_blocks
        cues = ImagerySettings(
            self.classes, n, fixation_s=1.0, imagery_s=s.imagery_s, rest_s=s.rest_s, rest_spread_s=0.5
        )
        return ImageryCue(cues), len(self.classes) * n, ImageryWill()

    def chain(self, rate_hz: float) -> ChainSpec:
        """Return the chain whose windows grow ten times a second, for the cursor to follow."""
        longest_s = self._settings.imagery_s - IMAGERY_OFFSET_S - 0.2
        lengths_s = tuple(length for length in FEEDBACK_LENGTHS_S if length <= longest_s) or FEEDBACK_LENGTHS_S[:1]
        return imagery_chain(self.decoder, lengths_s=lengths_s)

    def online(self, fitted: FittedChain, wish: str | None) -> tuple[Paradigm, Willing]:
        """Return the cursor, moved by each prediction; a simulated participant wants to one side, three times."""
        s = self._settings
        cursor = CursorSettings(
            self.classes,
            n_trials=100 if wish is None else 20,
            n_selections=None if wish is None else 3,
            continuous=True,
            dwell_s=0.3,
            imagery_s=IMAGERY_OFFSET_S + fitted.spec.window.lengths_s[-1] + 0.5,
            rest_s=s.rest_s,
        )
        return ImageryCursor(cursor), ImageryWill(wish)

    def outcome(self, paradigm: Paradigm, wish: str | None) -> Mapping[str, object]:
        """Return how often an end was held."""
        return {"n_selections": getattr(paradigm, "n_selections", 0), "wish": wish}


def make_task(name: str, settings: DeskSettings) -> DeskTask:
    """Return the task ``"ssvep"`` or ``"imagery"``.

    Raises
    ------
    ValueError
        If there is no such task.
    """
    if name == SsvepTask.name:
        return SsvepTask(settings)
    if name == ImageryTask.name:
        return ImageryTask(settings)
    raise ValueError(f"task: got {name!r}, allowed are {SsvepTask.name}, {ImageryTask.name}")


def is_simulated(source: str) -> bool:
    """Return whether the text of a source names the simulated participant."""
    return source.partition(":")[0].strip() == "synthetic"
