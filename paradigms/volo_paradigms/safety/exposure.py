"""Judges a flicker before it is shown: how large it is seen, how fast it is, whether it is red. Not: files, screens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from volo_paradigms.layout import Layout, Rectangle
from volo_paradigms.modulation import Codes, Flashes, Modulation, Sines
from volo_paradigms.safety.flashes import HAZARD_SR, is_saturated_red

__all__ = ["Exposure", "Viewing", "judge_flicker"]

#: Frequencies that provoke seizures most often, Hz (Harding et al. 2005, DOI 10.1111/j.1528-1167.2005.31305.x).
PROVOCATIVE_HZ = (15.0, 25.0)


@dataclass(frozen=True, slots=True)
class Viewing:
    """How a screen is seen; the default is a 24 inch display from 60 cm.

    Attributes
    ----------
    width_mm, height_mm, distance_mm : float
        Of the lit area, and of the eyes from its middle.
    is_assumed : bool
        Whether nobody measured that.
    """

    width_mm: float = 531.0
    height_mm: float = 299.0
    distance_mm: float = 600.0
    is_assumed: bool = True

    def steradians(self, places: Sequence[Rectangle]) -> float:
        """Return the solid angle of places on the screen that do not overlap.

        The closed form for a rectangle seen from a point off its axis: Khadjavi 1968, J. Opt. Soc. Am. 58(10):1417,
        DOI 10.1364/JOSA.58.001417.
        """
        return sum(self._solid_angle(place) for place in places)

    def degrees(self, share_of_width: float) -> float:
        """Return the visual angle of a part of the width in the middle of the screen."""
        return math.degrees(2.0 * math.atan2(0.5 * share_of_width * self.width_mm, self.distance_mm))

    def _solid_angle(self, r: Rectangle) -> float:
        d = self.distance_mm
        x = [(edge - 0.5) * self.width_mm for edge in (r.x, r.x + r.width)]
        y = [(edge - 0.5) * self.height_mm for edge in (r.y, r.y + r.height)]

        def corner(a: float, b: float) -> float:
            return math.atan(a * b / (d * math.sqrt(a * a + b * b + d * d)))

        return corner(x[1], y[1]) - corner(x[0], y[1]) - corner(x[1], y[0]) + corner(x[0], y[0])


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a person will be exposed to.

    Attributes
    ----------
    area_sr : float
        Solid angle of all that flickers.
    lowest_hz, highest_hz : float
        Range of the frequencies; of a code its bit rate, of flashes their rate.
    warnings : tuple of str
        What the operator has to confirm.
    refusals : tuple of str
        What is not shown at all.
    """

    area_sr: float
    lowest_hz: float
    highest_hz: float
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]


def judge_flicker(
    layout: Layout,
    modulation: Modulation,
    viewing: Viewing,
    color: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Exposure:
    """Judge what the keys of a layout will do.

    Warned of: 15 to 25 Hz on an area from which on flicker is a hazard, and any flicker on more than a quarter of the
    screen. Refused: saturated red.
    """
    area_sr = viewing.steradians([key.rectangle for key in layout.keys])
    share = sum(key.rectangle.width * key.rectangle.height for key in layout.keys)
    frequencies = _frequencies(modulation)
    low, high = PROVOCATIVE_HZ
    provocative = [f for f in frequencies if low <= f <= high]
    seen = f"{area_sr:.3f} sr" + (" on an assumed 24 inch screen at 60 cm" if viewing.is_assumed else "")
    warnings, refusals = [], []
    if provocative and area_sr >= HAZARD_SR:
        listed = (
            f"{min(provocative):g} to {max(provocative):g} Hz" if len(provocative) > 1 else f"{provocative[0]:g} Hz"
        )
        warnings.append(f"flicker at {listed}, the range that provokes seizures most often, on {seen}")
    if share > 0.25:
        warnings.append(f"{100.0 * share:.0f} % of the screen flickers, {seen}")
    if bool(is_saturated_red(np.array(color))):
        refusals.append("saturated red flickers: choose another colour")
    return Exposure(area_sr, min(frequencies), max(frequencies), tuple(warnings), tuple(refusals))


def _frequencies(modulation: Modulation) -> tuple[float, ...]:
    match modulation:
        case Sines():
            return modulation.frequencies_hz
        case Codes():
            # a code holds all frequencies up to half its bit rate
            return (
                modulation.bit_rate_hz / len(modulation.bits[0]),
                modulation.bit_rate_hz / 3.0,
                modulation.bit_rate_hz / 2.0,
            )
        case Flashes():
            return (1.0 / modulation.soa_s,)
