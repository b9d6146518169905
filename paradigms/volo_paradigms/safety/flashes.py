"""Counts flashes in a sequence of frames, as guidelines on photosensitive epilepsy do. Not: stimuli, screens.

A flash is a pair of opposing changes of relative luminance by at least a tenth of the full luminance, where the darker
of the two is below 0.8; or a pair of opposing changes to or from saturated red.

References
----------
WCAG 2.2, success criterion 2.3.1 and its definition of general and red flash thresholds. Harding et al. 2005, Epilepsia
46(9):1423, DOI 10.1111/j.1528-1167.2005.31305.x, for the area.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HAZARD_SR", "MAX_FLASHES_PER_S", "FlashReport", "count_flashes", "is_saturated_red", "relative_luminance"]

#: More flashes within a second than this are a hazard on a large area.
MAX_FLASHES_PER_S = 3
#: Area from which on flashes are a hazard, steradian.
HAZARD_SR = 0.006
#: Least change of luminance, and luminance of the darker state, that make a flash.
_STEP, _DARK = 0.1, 0.8
_RED_SHARE, _RED_STEP = 0.8, 20.0 / 320.0


@dataclass(frozen=True, slots=True)
class FlashReport:
    """What was found in a sequence of frames.

    Attributes
    ----------
    flashes_per_s : tuple of int
        Of each region: the most flashes within any second.
    red_flashes_per_s : tuple of int
        The same for changes to and from saturated red.
    """

    flashes_per_s: tuple[int, ...]
    red_flashes_per_s: tuple[int, ...]

    @property
    def worst(self) -> int:
        """The most flashes of any region within any second."""
        return max((*self.flashes_per_s, *self.red_flashes_per_s), default=0)


def count_flashes(frames: NDArray[np.float64], refresh_hz: float) -> FlashReport:
    """Count flashes in each region of a sequence of frames.

    Parameters
    ----------
    frames : ndarray, shape (n_frames, n_regions, 3)
        Linear red, green and blue of each region, 0 to 1.
    refresh_hz : float
        Frames a second.

    Raises
    ------
    ValueError
        If shapes or values make no sense.
    """
    if frames.ndim != 3 or frames.shape[2] != 3:
        raise ValueError(f"frames: got shape {frames.shape}, expected (n_frames, n_regions, 3)")
    if not (np.isfinite(refresh_hz) and refresh_hz > 0.0):
        raise ValueError(f"refresh_hz: got {refresh_hz}, it must be finite and above 0")
    window = max(1, round(refresh_hz))
    luminance = relative_luminance(frames)
    redness = np.maximum(0.0, frames[..., 0] - frames[..., 1] - frames[..., 2])
    red = is_saturated_red(frames)
    general = tuple(_most(_turns(luminance[:, n], _STEP, dark=True), window) for n in range(frames.shape[1]))
    reds = tuple(
        _most(_turns(redness[:, n], _RED_STEP, dark=False), window) if red[:, n].any() else 0
        for n in range(frames.shape[1])
    )
    return FlashReport(general, reds)


def relative_luminance(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative luminance of linear colours, shape (..., 3) to (...)."""
    return np.asarray(rgb @ np.array([0.2126, 0.7152, 0.0722]))


def is_saturated_red(rgb: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where red is at least four fifths of a colour's light, shape (..., 3) to (...)."""
    total = rgb.sum(axis=-1)
    return np.asarray((rgb[..., 0] >= _RED_SHARE * total) & (total > 0.0))


def _turns(values: NDArray[np.float64], step: float, *, dark: bool) -> list[int]:
    """Return the frames in which a change by at least `step` against the last one is complete."""
    turns: list[int] = []
    low = high = float(values[0]) if len(values) else 0.0
    way = 0
    for frame, value in enumerate(values.tolist()):
        low, high = min(low, value), max(high, value)
        if way <= 0 and value - low >= step and (not dark or low < _DARK):
            turns.append(frame)
            way, high, low = 1, value, value
        elif way >= 0 and high - value >= step and (not dark or value < _DARK):
            turns.append(frame)
            way, high, low = -1, value, value
    return turns


def _most(turns: list[int], window: int) -> int:
    """Return the most pairs of changes within any `window` frames."""
    most, first = 0, 0
    for last, frame in enumerate(turns):
        while frame - turns[first] >= window:
            first += 1
        most = max(most, (last - first + 1) // 2)
    return most
