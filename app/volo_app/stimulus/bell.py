"""The sound of a call for help: by the sound card where there is one, else by the system's bell. Never blocks."""

from __future__ import annotations

import sys
import threading
import wave
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bell", "chime", "read_wav"]

_RATE_HZ = 44_100


def chime(rate_hz: int = _RATE_HZ) -> NDArray[np.float32]:
    """Return three beeps of two notes, half a second each, shape (n_samples,), with soft edges."""
    t = np.arange(int(0.25 * rate_hz)) / rate_hz
    edge = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.01)
    notes = [0.5 * edge * np.sin(2.0 * np.pi * f * t) for f in (880.0, 660.0)]
    return np.tile(np.concatenate(notes), 3).astype(np.float32)


def read_wav(path: str) -> tuple[NDArray[np.float32], int]:
    """Return the samples of a WAV file of 16 bit, shape (n_samples, n_channels), -1 to 1, and their rate.

    Raises
    ------
    ValueError
        If it is no such file.
    OSError
        If it cannot be read.
    """
    try:
        with wave.open(path, "rb") as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{path}: {8 * file.getsampwidth()} bit, expected 16")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
            return (samples / np.float32(32768.0)).astype(np.float32), file.getframerate()
    except wave.Error as error:
        raise ValueError(f"{path}: no WAV file: {error}") from error


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
        self._ringing: threading.Thread | None = None
        self._loaded: dict[str, tuple[NDArray[np.float32], int]] = {}

    def ring(self) -> None:
        """Ring, and return at once; a ring that is still sounding begins anew.

        The sound card is asked in a thread of its own: opening one can take longer than a frame.
        """
        self.rung += 1
        self._ringing = threading.Thread(target=self._ring, name="bell", daemon=True)
        self._ringing.start()

    def wait(self, seconds: float) -> None:
        """Wait until the last ring has begun to sound."""
        if self._ringing is not None:
            self._ringing.join(seconds)

    def load(self, sound: str) -> None:
        """Read a sound that is to be played later, so that it begins at once; what cannot be read is silent."""
        if sound in ("", "chime", "silence") or sound in self._loaded:
            return
        try:
            import sounddevice  # noqa: F401 - loading it takes longer than a frame

            self._loaded[sound] = read_wav(sound)
        except (ImportError, OSError, ValueError, EOFError):
            return

    def _ring(self) -> None:
        self.by = "sound card" if self._by_sound_card() else "system bell"
        if self.by == "system bell":
            self._by_system()

    def play(self, sound: str) -> bool:
        """Begin a sound: ``"chime"``, a WAV file, or ``"silence"`` to end one; return whether it was begun."""
        if sound == "chime":
            self.ring()
            return True
        try:
            import sounddevice
        except (ImportError, OSError):
            return False
        try:
            if sound == "silence":
                sounddevice.stop()
            else:
                samples, rate_hz = self._loaded.get(sound) or read_wav(sound)
                sounddevice.play(samples, rate_hz)
        except (sounddevice.PortAudioError, OSError, ValueError, EOFError):
            return False
        return True

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
