"""What the engine and the stimulus window say to each other over their pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.types import Marker
from volo_paradigms.types import Scene

__all__ = [
    "Blank",
    "Failed",
    "Frames",
    "FromScreen",
    "Grab",
    "Grabbed",
    "Leave",
    "Ready",
    "ScreenInfo",
    "Shown",
    "ToScreen",
]


@dataclass(frozen=True, slots=True)
class ScreenInfo:
    """What the window found out about its display.

    Attributes
    ----------
    renderer : str
        Name of the OpenGL renderer.
    platform : str
        Of Qt, e.g. ``"xcb"``.
    width, height : int
        Pixels.
    refresh_hz : float
        Frames a second, as used for the flicker.
    measured_hz : float
        Frames a second that came when nothing held them back.
    pacing : str
        ``"vsync"`` if the driver waits for the display, ``"timer"`` if frames are timed by us.
    timing_verified : bool
        Whether the light's time is known from a measurement with a photodiode; nothing here can find out.
    why_not : str
        Why the timing is not verified.
    fenced : bool
        Whether a swap was stamped when the driver had finished it.
    jitter_ms : float
        99th percentile of how far the durations of frames at the start were off their median.
    latency_ms : float
        From swap to light, from the display's profile, added to all markers; 0 if not measured.
    display : str
        Name of the display, as the system gives it.
    queue_frames : int
        How many frames the driver takes before it waits for the display.
    """

    renderer: str
    platform: str
    width: int
    height: int
    refresh_hz: float
    measured_hz: float
    pacing: str
    timing_verified: bool
    why_not: str
    fenced: bool = False
    jitter_ms: float = 0.0
    latency_ms: float = 0.0
    display: str = ""
    queue_frames: int = 0

    def header(self) -> dict[str, str]:
        """Return the fields for the header of a recording."""
        return {
            "screen_renderer": self.renderer,
            "screen_platform": self.platform,
            "screen_size": f"{self.width}x{self.height}",
            "screen_refresh_hz": f"{self.refresh_hz:.3f}",
            "screen_measured_hz": f"{self.measured_hz:.3f}",
            "screen_pacing": self.pacing,
            "timing_verified": "true" if self.timing_verified else "false",
            "timing_why_not": self.why_not,
            "screen_fenced": "true" if self.fenced else "false",
            "screen_jitter_p99_ms": f"{self.jitter_ms:.3f}",
            "display_latency_ms": f"{self.latency_ms:.3f}",
        }

    def brief(self) -> str:
        """Return a few words for the operator."""
        return f"{self.refresh_hz:g} Hz, {'verified' if self.timing_verified else 'unverified'}"

    def line(self) -> str:
        """Return one line for the operator."""
        verified = "timing verified" if self.timing_verified else f"timing unverified: {self.why_not}"
        return f"{self.renderer}, {self.width} x {self.height} at {self.refresh_hz:g} Hz by {self.pacing}; {verified}"


@dataclass(frozen=True, slots=True)
class Blank:
    """Take all stimuli off, for good."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the window: the run is over. Without it, the end of the pipe is the engine's death."""


@dataclass(frozen=True, slots=True)
class Grab:
    """Draw a frame aside and keep it, in the file `path` or, if that is empty, in the answer.

    `frame` is the frame's number since the scene came on; None takes the one that is on.
    """

    path: str = ""
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The window is on and its frames are timed."""

    info: ScreenInfo


@dataclass(frozen=True, slots=True)
class Failed:
    """The window cannot go on; one line why, and a way out."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """The first frame of a scene was swapped, or the operator's key blanked the screen."""

    marker: Marker


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Rows of frames, shape (n, 4): time, index, late, missed."""

    rows: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Grabbed:
    """What `Grab` asked for: pixels of shape (height, width, 3), or None if they went to a file."""

    pixels: NDArray[np.uint8] | None


ToScreen = Scene | Marker | Blank | Grab | Leave
FromScreen = Ready | Failed | Shown | Frames | Grabbed


def as_message(value: Any) -> FromScreen:
    """Return `value` if it is a message of the window's; TypeError otherwise."""
    if not isinstance(value, FromScreen):
        raise TypeError(f"message: got {type(value).__name__}, which the stimulus window does not send")
    return value
