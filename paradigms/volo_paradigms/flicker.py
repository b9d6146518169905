"""The luminance of each key at each frame: a pure function of the frame's number. Not: drawing, clocks.

The number of a frame is computed from the time it is presented, never counted up, so a dropped frame costs one value
and not the phase.
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Flicker", "drive_level", "frame_index"]


@overload
def frame_index(time_s: float, first_frame_s: float, refresh_hz: float) -> int: ...
@overload
def frame_index(time_s: NDArray[np.float64], first_frame_s: float, refresh_hz: float) -> NDArray[np.int64]: ...
def frame_index(
    time_s: float | NDArray[np.float64], first_frame_s: float, refresh_hz: float
) -> int | NDArray[np.int64]:
    """Return the number of the frame presented at `time_s`, 0 for the first frame of the flicker.

    Parameters
    ----------
    time_s : float or ndarray
        Presentation time, session clock.
    first_frame_s : float
        Presentation time of the first frame.
    refresh_hz : float
        Measured refresh rate, not rounded.

    Returns
    -------
    int or ndarray of int64
        ``round((time_s - first_frame_s) * refresh_hz)``: right as long as stamps are less than half a frame off.

    Raises
    ------
    ValueError
        If a value is not finite or the rate not above 0.
    """
    _check_refresh(refresh_hz)
    frames = (np.asarray(time_s, dtype=np.float64) - first_frame_s) * refresh_hz
    if not np.all(np.isfinite(frames)):
        raise ValueError(f"time_s, first_frame_s: got {time_s}, {first_frame_s}, they must be finite")
    index = np.rint(frames).astype(np.int64)
    return int(index) if index.ndim == 0 else index


def drive_level(
    frame_index: ArrayLike, frequency_hz: ArrayLike, phase_rad: ArrayLike, refresh_hz: float
) -> NDArray[np.float64]:
    """Return the sampled sinusoid ``0.5 * (1 + sin(2 pi f k / R + phi))``; arguments broadcast.

    Parameters
    ----------
    frame_index : array_like of int
        Frame number ``k``; for all frames of all targets, shape (n_frames, 1).
    frequency_hz, phase_rad : array_like, shape (n_targets,)
        Flicker of each target.
    refresh_hz : float
        Measured refresh rate ``R``.

    Returns
    -------
    ndarray of float64
        Share of the full luminance, 0 to 1.

    Raises
    ------
    ValueError
        If a frequency is not above 0 or is above half the refresh rate, or a value is not finite.

    References
    ----------
    Chen et al. 2015, "High-speed spelling with a noninvasive brain-computer interface", PNAS 112(44),
    DOI 10.1073/pnas.1508080112.
    """
    flicker = Flicker(frequency_hz, phase_rad, refresh_hz)
    k = np.asarray(frame_index, dtype=np.float64)
    if not np.all(np.isfinite(k)):
        raise ValueError(f"frame_index: got {frame_index!r}, it must be finite")
    return np.asarray(flicker.level(k))


class Flicker:
    """The flicker of several targets, checked once, so that a paint path only computes.

    Parameters
    ----------
    frequency_hz, phase_rad : array_like, shape (n_targets,)
        Flicker of each target.
    refresh_hz : float
        Measured refresh rate.

    Raises
    ------
    ValueError
        If a frequency is not above 0 or is above half the refresh rate, or a value is not finite.
    """

    def __init__(self, frequency_hz: ArrayLike, phase_rad: ArrayLike, refresh_hz: float) -> None:
        _check_refresh(refresh_hz)
        frequencies = np.asarray(frequency_hz, dtype=np.float64)
        phases = np.asarray(phase_rad, dtype=np.float64)
        wrong = frequencies[~((frequencies > 0.0) & (frequencies <= refresh_hz / 2.0))]
        if wrong.size:
            raise ValueError(
                f"frequency_hz: got {', '.join(f'{f:g}' for f in wrong.ravel())}; a screen at {refresh_hz:g} Hz "
                f"shows above 0 and at most {refresh_hz / 2.0:g} Hz"
            )
        if not np.all(np.isfinite(phases)):
            raise ValueError(f"phase_rad: got {phase_rad!r}, it must be finite")
        self._cycles_per_frame = frequencies / refresh_hz
        self._phases = phases

    def level(
        self, frame_index: int | NDArray[np.float64], out: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return the level of each target at a frame, 0 to 1; with `out`, shape (n_targets,), nothing is allocated."""
        angle = np.multiply(self._cycles_per_frame, frame_index, out=out)
        angle = np.multiply(angle, 2.0 * np.pi, out=out)
        angle = np.add(angle, self._phases, out=out)
        level = np.sin(angle, out=out)
        level = np.add(level, 1.0, out=out)
        return np.multiply(level, 0.5, out=out)


def _check_refresh(refresh_hz: float) -> None:
    if not (np.isfinite(refresh_hz) and refresh_hz > 0.0):
        raise ValueError(f"refresh_hz: got {refresh_hz}, it must be finite and above 0")
