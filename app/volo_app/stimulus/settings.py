"""What can be set of the stimulus window. Loads the standard library only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PATCH_CORNERS", "ScreenSettings"]

#: Where a photodiode patch may be.
PATCH_CORNERS = ("upper-left", "upper-right", "lower-left", "lower-right")


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """What can be set.

    Attributes
    ----------
    layout : str
        Name of a layout, or path of a layout file.
    mode : str
        ``"full-screen"`` (on its display), ``"window"``, or ``"auto"``: full screen if there is a second display
        to be full on, else a window, so that the operator keeps a place to work.
    width, height : int
        Of the window, if it is one; points.
    timer_hz : float
        Frames a second where the driver does not wait for the display.
    display : int
        Which display, counted from 0; -1 takes the last.
    profile : str
        File of a display profile (`volo_app.stimulus.profile`); empty for none.
    patch : str
        Corner of a photodiode patch: upper-left, upper-right, lower-left or lower-right; empty for none.
    ramp_s : float
        Over so long the contrast of a run's first flicker rises from nothing.
    lifesign : str
        File with the stop flag and the heartbeats of the run (`volo_acquisition.lifesign`); empty for none.
    """

    layout: str = "four"
    mode: str = "auto"
    width: int = 960
    height: int = 640
    timer_hz: float = 60.0
    display: int = -1
    profile: str = ""
    patch: str = ""
    ramp_s: float = 0.5
    lifesign: str = ""

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "full-screen", "window"):
            raise ValueError(f"mode: got {self.mode!r}, allowed are auto, full-screen, window")
        if self.width < 64 or self.height < 64:
            raise ValueError(f"width, height: got {self.width} and {self.height}, at least 64 are needed")
        if not 20.0 <= self.timer_hz <= 1000.0:
            raise ValueError(f"timer_hz: got {self.timer_hz}, allowed is 20 to 1000")
        if self.patch and self.patch not in PATCH_CORNERS:
            raise ValueError(f"patch: got {self.patch!r}, allowed are {', '.join(PATCH_CORNERS)}, or empty for none")
        if not 0.0 <= self.ramp_s <= 10.0:
            raise ValueError(f"ramp_s: got {self.ramp_s}, allowed is 0 to 10")
