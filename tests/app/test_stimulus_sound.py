"""The call for help sounds without anything else, and sounds of paradigms are read."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from volo_app.stimulus.bell import Bell, chime, read_wav


def write_wav(path: Path, width: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(np.array([[0, 16384], [-32768, 32767]], "<i2").tobytes())


def test_the_bell_rings_by_the_card_or_by_the_system_and_never_blocks(capfd: pytest.CaptureFixture[str]) -> None:
    bell = Bell()
    bell.ring()
    assert bell.rung == 1
    bell.wait(20.0)
    assert bell.by in ("sound card", "system bell")
    if bell.by == "system bell":
        assert "\a" in capfd.readouterr().err


def test_without_a_sound_card_or_its_library_the_system_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", None)
    bell = Bell()
    bell.ring()
    bell.wait(20.0)
    assert bell.by == "system bell"
    assert not bell.play("absent.wav")


def test_the_chime_is_loud_enough_and_has_soft_edges() -> None:
    samples = chime()
    assert 0.45 <= np.abs(samples).max() <= 0.5
    assert samples[0] == samples[-1] == 0.0
    assert np.abs(np.diff(samples)).max() < 0.1


def test_a_sound_file_is_read_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "talkers.wav"
    write_wav(path)
    samples, rate_hz = read_wav(str(path))
    assert rate_hz == 8000
    assert samples == pytest.approx(np.array([[0.0, 0.5], [-1.0, 1.0]]), abs=1e-4)
    path.write_bytes(b"RIFF....")
    with pytest.raises((ValueError, EOFError)):
        read_wav(str(path))
    bell = Bell()
    bell.load(str(path))
    bell.load(str(tmp_path / "absent.wav"))
    assert bell._loaded == {}
