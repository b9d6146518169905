"""Recordings as files: no name is taken twice, nothing is overwritten, and what is in the way is told."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.repair import repair
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Channel, Chunk, StreamInfo

EEG = StreamInfo("eeg", "eeg", 250.0, (Channel("Oz"), Channel("O1")), "float32", "test")


def eeg_chunk(index: int, n: int) -> Chunk:
    """Samples that tell their own index, stamps that follow from it."""
    numbers = np.arange(index, index + n)
    return Chunk("eeg", index, np.stack([numbers, -numbers], axis=1).astype("float32"), 100.0 + numbers / 250.0)


def record(path: Path) -> Path:
    """Record 0.4 s."""
    with XdfRecorder(path) as recorder:
        recorder.add_stream(EEG)
        for k in range(10):
            recorder.write_chunk(eeg_chunk(10 * k, 10))
    return path


def test_an_error_in_the_block_still_closes_the_file(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(EEG)
        recorder.write_chunk(eeg_chunk(0, 5))
        raise ZeroDivisionError
    assert len(Recording.open(tmp_path / "x.xdf").streams["eeg"]) == 5


@pytest.mark.parametrize("name", ["x.xdf", "x.xdf.part"])
def test_no_existing_file_is_recorded_over(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(FileError) as caught:
        XdfRecorder(tmp_path / "x.xdf")
    assert caught.value.reason is Reason.EXISTS
    assert name in caught.value.message
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appeared_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse, raising=False)
    assert record(tmp_path / "first.xdf").exists()
    recorder = XdfRecorder(tmp_path / "x.xdf")
    recorder.add_stream(EEG)
    recorder.write_chunk(eeg_chunk(0, 50))
    (tmp_path / "x.xdf").write_text("precious")
    with pytest.raises(FileError) as caught:
        recorder.close()
    assert caught.value.reason is Reason.EXISTS
    assert (tmp_path / "x.xdf").read_text() == "precious"
    assert verify(tmp_path / "x.xdf.part").complete
    with pytest.raises(FileError) as caught:
        repair(tmp_path / "x.xdf.part")
    assert caught.value.reason is Reason.EXISTS
    (tmp_path / "x.xdf").unlink()
    repair(tmp_path / "x.xdf.part")
    assert verify(tmp_path / "x.xdf").complete


def test_repair_overwrites_no_backup_and_keeps_the_original(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    data = record(tmp_path / "whole" / "whole.xdf").read_bytes()[:-100]
    part, backup = tmp_path / "x.xdf.part", tmp_path / "x.xdf.part.bak"
    part.write_bytes(data)
    backup.write_text("precious")
    with pytest.raises(FileError) as caught:
        repair(part)
    assert caught.value.reason is Reason.EXISTS
    assert backup.read_text() == "precious"
    assert part.read_bytes() == data
    backup.unlink()
    repair(part)
    assert backup.read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "whole",
        "x.xdf",
        "x.xdf.idx",
        "x.xdf.manifest.json",
        "x.xdf.part.bak",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: links")
def test_a_kill_between_the_two_steps_of_naming_is_repaired(tmp_path: Path) -> None:
    path = record(tmp_path / "x.xdf")
    data = path.read_bytes()
    (tmp_path / "x.xdf.part").hardlink_to(path)
    assert repair(tmp_path / "x.xdf.part").path == path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.xdf", "x.xdf.idx", "x.xdf.manifest.json"]
    assert path.read_bytes() == data


def test_a_folder_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.xdf", tmp_path / ("x" * 300 + ".xdf")):
        with pytest.raises(FileError) as caught:
            XdfRecorder(path)
        assert caught.value.reason is Reason.NOT_WRITABLE
        assert path.name in caught.value.message
        assert "\n" not in str(caught.value)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert record(tmp_path / "sub" / "ses" / "x.xdf").exists()
