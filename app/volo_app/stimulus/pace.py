"""What holds the frames back: the display, or a timer of ours. Measured, not believed. Not: Qt, clocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from volo_app.stimulus.frames import FrameClock, measured_refresh_hz

__all__ = ["Pace", "PaceFinder", "is_software"]

#: Swaps watched; the first ones, while drivers and windows settle, do not count.
N_SWAPS, N_IGNORED = 60, 20
#: A driver waits for the display if frames come this close to the display's rate.
TOLERANCE = 0.05
#: The display's own word on its rate is taken if the measurement agrees this well; it is the more precise then.
AGREEMENT = 0.002
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "basic render")


@dataclass(slots=True)
class Pace:
    """How frames are timed.

    Attributes
    ----------
    refresh_hz : float
        Frames a second.
    measured_hz : float
        Frames a second when nothing but the driver held them back.
    is_vsync : bool
        Whether the driver waits for the display; else a timer has to.
    swapped_s : float
        When the last swap returned.
    jitter_ms : float
        99th percentile of how far the durations of frames were off their median.
    queue_frames : int
        How many frames the driver took at the very beginning without waiting.
    """

    refresh_hz: float
    measured_hz: float
    is_vsync: bool
    swapped_s: float = float("-inf")
    jitter_ms: float = 0.0
    queue_frames: int = 0

    @property
    def gain(self) -> float:
        """How far each swap moves the grid of frames."""
        return 0.005 if self.is_vsync else 0.0

    def expected_s(self, now: float, clock: FrameClock) -> float:
        """Return when the frame that is drawn now will be presented."""
        return max(now, self.swapped_s + clock.period_s) if self.is_vsync else now

    def why_not_verified(self, driver: str) -> str:
        """Return why the time of the light is not known."""
        if is_software(driver):
            return "drawn by software, without a display's clock"
        if not self.is_vsync:
            return "the driver does not wait for the display"
        return "not measured with a photodiode"


class PaceFinder:
    """Watches the first swaps, which nothing but the driver holds back."""

    def __init__(self) -> None:
        self._swaps_s: list[float] = []

    def add(self, time_s: float) -> None:
        """Take note of a swap."""
        self._swaps_s.append(time_s)

    @property
    def is_done(self) -> bool:
        """Whether enough swaps were seen."""
        return len(self._swaps_s) >= N_SWAPS

    def pace(self, mode_hz: float, timer_hz: float) -> Pace:
        """Return what the swaps tell.

        Parameters
        ----------
        mode_hz : float
            What the display says its rate is; 0 if it says nothing.
        timer_hz : float
            The rate where the driver does not wait.
        """
        swaps_s = np.array(self._swaps_s[N_IGNORED:])
        measured_hz = measured_refresh_hz(swaps_s)
        durations_s = np.diff(swaps_s)
        jitter_ms = 1e3 * float(np.percentile(np.abs(durations_s - np.median(durations_s)), 99))
        if mode_hz <= 0.0 or abs(measured_hz / mode_hz - 1.0) > TOLERANCE:
            return Pace(timer_hz, measured_hz, False, jitter_ms=jitter_ms)
        early = np.diff(np.array(self._swaps_s)) < 0.5 * float(np.median(durations_s))
        queue_frames = int(np.argmin(early)) if not early.all() else 0
        agrees = abs(measured_hz / mode_hz - 1.0) <= AGREEMENT
        refresh_hz = mode_hz if agrees else measured_hz
        return Pace(refresh_hz, measured_hz, True, jitter_ms=jitter_ms, queue_frames=queue_frames)


def is_software(driver: str) -> bool:
    """Return whether an OpenGL renderer of this name is a program and no graphics card."""
    return any(word in driver.lower() for word in _SOFTWARE)
