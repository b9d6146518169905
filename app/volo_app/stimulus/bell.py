"""The sound of a call for help: by the sound card where there is one, else by the system's bell. Never blocks."""

from __future__ import annotations

import sys
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bell", "chime"]

_RATE_HZ = 44_100


def chime(rate_hz: int = _RATE_HZ) -> NDArray[np.float32]:
    """Return three beeps of two notes, half a second each, shape (n_samples,), with soft edges."""
    t = np.arange(int(0.25 * rate_hz)) / rate_hz
    edge = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.01)
    notes = [0.5 * edge * np.sin(2.0 * np.pi * f * t) for f in (880.0, 660.0)]
    return np.tile(np.concatenate(notes), 3).astype(np.float32)


class Bell:
    """Rings. Needs no decoder, no recorder and no engine.

    Attributes
    ----------
    rung : int
        How often it was rung.
    by : str
        What the last ring went through: ``"sound card"`` or ``"system bell"``.
    """

    def __init__(self) -> None:
        self.rung = 0
        self.by = ""

    def ring(self) -> None:
        """Ring now, and return at once; a ring that is still sounding begins anew."""
        self.rung += 1
        self.by = "sound card" if self._by_sound_card() else "system bell"
        if self.by == "system bell":
            self._by_system()

    def _by_sound_card(self) -> bool:
        try:
            import sounddevice
        except (ImportError, OSError):  # not installed, or without PortAudio
            return False
        try:
            sounddevice.query_devices(kind="output")
            sounddevice.play(chime(), _RATE_HZ)
        except (sounddevice.PortAudioError, ValueError):
            return False
        return True

    def _by_system(self) -> None:
        with suppress(ImportError, RuntimeError):
            from PySide6.QtGui import QGuiApplication
            from PySide6.QtWidgets import QApplication

            if isinstance(QGuiApplication.instance(), QApplication):
                QApplication.beep()
        stream = sys.__stderr__
        if stream is not None:
            with suppress(OSError, ValueError):
                stream.write("\a")
                stream.flush()
