"""What holds for all runs of a desk. Loads the standard library only."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DeskSettings"]


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """What holds for all runs of a desk.

    Attributes
    ----------
    workspace : str
        Where sessions go.
    participant : str
        Code of the participant.
    layout : str
        Name of a layout, or path of a layout file.
    decoder : str
        ``"etrca"`` or ``"fbcca"``, trained by a calibration.
    imagery_decoder : str
        ``"csp_lda"`` or ``"band_power_lda"``, trained by a calibration of imagery.
    imagery_s : float
        How long a movement is imagined in each trial, at least 2.
    decoder_folder : str
        A fitted decoder to go online with before any calibration; empty for none.
    longest_window_s : float
        Longest window that a calibration trains for, at least 0.4.
    threshold : float
        Confidence at which a key is decided.
    gaze_shift_s : float
        Time to move the eyes before each trial.
    rest_s : float
        Rest after each trial, to see what was written.
    stimulus : str
        ``"auto"``, ``"full-screen"`` or ``"window"``.
    accept_timing : bool
        Train a decoder that uses phase though the screen's timing is not verified; recorded.
    """

    workspace: str
    participant: str = "P001"
    layout: str = "four"
    decoder: str = "etrca"
    imagery_decoder: str = "csp_lda"
    imagery_s: float = 4.0
    decoder_folder: str = ""
    longest_window_s: float = 2.0
    threshold: float = 0.95
    gaze_shift_s: float = 0.7
    rest_s: float = 0.5
    stimulus: str = "auto"
    accept_timing: bool = False

    def __post_init__(self) -> None:
        if not self.longest_window_s >= 0.4:
            raise ValueError(f"longest_window_s: got {self.longest_window_s}, it must be at least 0.4")
        if not self.imagery_s >= 2.0:
            raise ValueError(f"imagery_s: got {self.imagery_s}, it must be at least 2")
