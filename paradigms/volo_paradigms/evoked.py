"""Spellers and calibrations whose keys follow binary codes (c-VEP) or flash in groups (P300).

They are the SSVEP speller and its calibration, on the same layouts, with another light: only what the keys do differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.codes import GOLD_DEGREES, gold_codes, m_sequence, shifts
from volo_paradigms.flash_groups import GROUPINGS, flash_groups
from volo_paradigms.layout import Layout, load_layout
from volo_paradigms.modulation import Codes, Flashes, Modulation
from volo_paradigms.speller import SpellerSettings, SsvepSpeller

__all__ = [
    "CvepCalibration",
    "CvepCalibrationSettings",
    "CvepSpeller",
    "CvepSpellerSettings",
    "P300Calibration",
    "P300CalibrationSettings",
    "P300Speller",
    "P300SpellerSettings",
    "code_bits",
]

#: From the last flash of a trial to the end of its response.
AFTER_FLASH_S = 0.8


def code_bits(layout: Layout, code: str, degree: int) -> tuple[tuple[int, ...], ...]:
    """Return the code of each key of a layout, in the order of the keys.

    Parameters
    ----------
    layout : Layout
        The keys.
    code : str
        ``"m"``: one maximum-length sequence at equal shifts; ``"gold"``: a Gold code for each key.
    degree : int
        A code has ``2**degree - 1`` bits.

    Raises
    ------
    ValueError
        If there is no such code, or not enough for all keys.
    """
    if code == "m":
        rows = shifts(m_sequence(degree), len(layout))
    elif code == "gold":
        if degree not in GOLD_DEGREES:
            raise ValueError(f"degree: got {degree}, Gold codes are there for {', '.join(map(str, GOLD_DEGREES))}")
        rows = gold_codes(degree, len(layout))
    else:
        raise ValueError(f"code: got {code!r}, allowed are m and gold")
    return tuple(tuple(int(bit) for bit in row) for row in rows)


@dataclass(frozen=True, slots=True)
class CvepSpellerSettings(SpellerSettings):
    """What can be set.

    Attributes
    ----------
    code : str
        ``"m"`` or ``"gold"``, see `code_bits`.
    degree : int
        A code has ``2**degree - 1`` bits.
    bit_rate_hz : float
        Bits a second; a code of 63 bits at 60 a second lasts 1.05 s.
    """

    code: str = "m"
    degree: int = 6
    bit_rate_hz: float = 60.0


@dataclass(frozen=True, slots=True)
class CvepCalibrationSettings(CalibrationSettings):
    """What can be set: see `CalibrationSettings` and `CvepSpellerSettings`; `flicker_s` is two codes of 63 bits."""

    flicker_s: float = 2.1
    code: str = "m"
    degree: int = 6
    bit_rate_hz: float = 60.0


class CvepSpeller(SsvepSpeller):
    """Write with the eyes on keys that follow binary codes.

    References
    ----------
    Bin et al. 2011, J. Neural Eng. 8(2) 025015, DOI 10.1088/1741-2560/8/2/025015; Thielen et al. 2015, PLoS ONE 10(7),
    DOI 10.1371/journal.pone.0133797 (Gold codes).
    """

    Settings = CvepSpellerSettings

    def __init__(self, settings: CvepSpellerSettings | None = None) -> None:
        chosen = settings or CvepSpellerSettings()
        super().__init__(chosen)
        bits = code_bits(self.layout, chosen.code, chosen.degree)
        self._codes = Codes(bits, chosen.bit_rate_hz)

    def _modulation(self) -> Modulation:
        return self._codes


class CvepCalibration(SsvepCalibration):
    """Collect labelled trials of keys that follow binary codes; with shifts of one code few blocks suffice."""

    Settings = CvepCalibrationSettings

    def __init__(self, settings: CvepCalibrationSettings | None = None) -> None:
        chosen = settings or CvepCalibrationSettings()
        super().__init__(chosen)
        self._codes = Codes(code_bits(self.layout, chosen.code, chosen.degree), chosen.bit_rate_hz)

    def _modulation(self) -> Modulation:
        return self._codes


@dataclass(frozen=True, slots=True)
class P300SpellerSettings(SpellerSettings):
    """What can be set.

    Attributes
    ----------
    grouping : str
        ``"row_column"`` or ``"random"``, see `flash_groups`.
    n_repetitions : int
        How often each key flashes twice in a trial.
    soa_s, on_s : float
        From flash to flash, and how long one lasts.
    flash_seed : int
        Of the order of the flashes.
    max_trial_s : float
        Longest trial; 0 takes what the flashes and the last response need.
    """

    layout: str = "alphabetical"
    gaze_shift_s: float = 1.5
    max_trial_s: float = 0.0
    grouping: str = "row_column"
    n_repetitions: int = 8
    soa_s: float = 0.175
    on_s: float = 0.1
    flash_seed: int = 0

    def __post_init__(self) -> None:
        _check_flashes(self.grouping, self.n_repetitions)
        if self.max_trial_s == 0.0:
            object.__setattr__(
                self, "max_trial_s", _trial_s(self.layout, self.grouping, self.n_repetitions, self.soa_s)
            )
        # the parent's own, by name: a slotted dataclass has no zero-argument super
        SpellerSettings.__post_init__(self)


@dataclass(frozen=True, slots=True)
class P300CalibrationSettings(CalibrationSettings):
    """What can be set: see `CalibrationSettings` and `P300SpellerSettings`; a `flicker_s` of 0 takes what is needed."""

    layout: str = "alphabetical"
    n_blocks: int = 1
    flicker_s: float = 0.0
    cue_s: float = 2.0
    grouping: str = "row_column"
    n_repetitions: int = 8
    soa_s: float = 0.175
    on_s: float = 0.1
    flash_seed: int = 0

    def __post_init__(self) -> None:
        _check_flashes(self.grouping, self.n_repetitions)
        if self.flicker_s == 0.0:
            object.__setattr__(self, "flicker_s", _trial_s(self.layout, self.grouping, self.n_repetitions, self.soa_s))
        CalibrationSettings.__post_init__(self)


class P300Speller(SsvepSpeller):
    """Write by attending to flashes; the screen tells each flash with its swap (``stimulus/flash``).

    References
    ----------
    Farwell & Donchin 1988, DOI 10.1016/0013-4694(88)90149-6.
    """

    Settings = P300SpellerSettings

    def __init__(self, settings: P300SpellerSettings | None = None) -> None:
        self._flashing = settings or P300SpellerSettings()
        super().__init__(self._flashing)

    def _modulation(self) -> Modulation:
        return _flashes(self.layout, self._flashing, self.trial)


class P300Calibration(SsvepCalibration):
    """Collect labelled trials of keys that flash in groups."""

    Settings = P300CalibrationSettings

    def __init__(self, settings: P300CalibrationSettings | None = None) -> None:
        self._flashing = settings or P300CalibrationSettings()
        super().__init__(self._flashing)

    def _modulation(self) -> Modulation:
        return _flashes(self.layout, self._flashing, self.trial)


def _flashes(layout: Layout, s: P300SpellerSettings | P300CalibrationSettings, trial: int) -> Flashes:
    groups = flash_groups(layout, s.grouping, s.n_repetitions, f"{s.flash_seed}/{trial}")
    return Flashes(groups, len(layout), s.soa_s, s.on_s)


def _check_flashes(grouping: str, n_repetitions: int) -> None:
    if grouping not in GROUPINGS:
        raise ValueError(f"grouping: got {grouping!r}, allowed are {', '.join(GROUPINGS)}")
    if n_repetitions < 1:
        raise ValueError(f"n_repetitions: got {n_repetitions}, it must be at least 1")


def _trial_s(layout: str, grouping: str, n_repetitions: int, soa_s: float) -> float:
    if not (math.isfinite(soa_s) and soa_s > 0.0):
        raise ValueError(f"soa_s: got {soa_s}, it must be finite and above 0")
    return len(flash_groups(load_layout(layout), grouping, n_repetitions, "0")) * soa_s + AFTER_FLASH_S
