"""Rows R5 to R8, R12, R15: full, failing, stalled and closed disks; restarts of the source."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from figures import note_figure
from recording_made import EEG, eeg_chunk, record

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.repair import repair
from volo_acquisition.recording.space import check_space
from volo_acquisition.recording.verify import verify
from volo_acquisition.ring import RingReader, RingWriter
from volo_acquisition.types import EventKind, Marker

#: Records until the disk is full; prints what it was told, and the last sample it handed over.
FULL = """
import json, sys
from pathlib import Path
import numpy as np
from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, Chunk, StreamInfo
LIMIT
recorder = XdfRecorder(Path(sys.argv[1]))
recorder.add_stream(StreamInfo("eeg", "eeg", 1000.0, tuple(Channel(f"c{k}") for k in range(32)), "float32"))
clock, sent = SessionClock(), 0
while True:
    numbers = np.arange(sent, sent + 50)
    chunk = Chunk("eeg", sent, np.repeat(numbers[:, None], 32, axis=1).astype("float32"), numbers / 1000.0)
    sent, t0 = sent + 50, clock.now()
    try:
        recorder.write_chunk(chunk)
    except FileError as error:
        told = [error.reason, error.message, sent, clock.now() - t0, str(recorder.close())]
        print(json.dumps(told))
        sys.exit(1)
"""


def until_full(path: Path, limit: str = "") -> tuple[str, str, int, float, Path]:
    command = [sys.executable, "-c", FULL.replace("LIMIT", limit), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    reason, message, sent, alarm_s, closed = json.loads(done.stdout)
    return reason, message, sent, alarm_s, Path(closed)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of this size; skips where that is not allowed."""
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("needs Linux: a disk in memory")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "volo-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs Linux and the right to mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True, check=False)


@pytest.mark.parametrize("size", [pytest.param("512k", id="R5-tmpfs-512k"), pytest.param("8m", id="R5-tmpfs-8m")])
def test_on_a_full_disk_everything_received_is_safe_and_the_run_is_marked(tmp_path: Path, size: str) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        path = disk / "run.xdf"
        reason, message, sent, alarm_s, closed = until_full(path)
        report = verify(path)
        recording = Recording.open(path)
        names = sorted(entry.name for entry in disk.iterdir())
        n = report.samples["eeg"]
        figure = f"tmpfs {size}: told after {1000 * alarm_s:.0f} ms, {sent - n} of {sent} samples lost, footers written"
        note_figure("R5", figure, f"alarm <= 1 s, loss 0, exit 1 ({size})", held=alarm_s <= 1.0 and n == sent)
        assert reason == Reason.DISK_FULL
        assert "disk is full" in message
        assert alarm_s <= 1.0
        assert closed == path
        assert n == sent
        assert report.ok, report.problems
        assert not report.complete
        assert any("ended early" in problem for problem in report.problems)
        assert [event.kind for event in recording.events] == [EventKind.DISK]
        assert recording.streams["eeg"].samples[:, 7].tolist() == list(range(sent))
        assert "run.xdf.reserve" not in names


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: a limit on the size of files")
@pytest.mark.parametrize("limit", [pytest.param(LIMIT, id="R5-limit")])
def test_where_no_room_can_be_given_back_the_part_is_left_whole(tmp_path: Path, limit: str) -> None:
    path = tmp_path / "run.xdf"
    reason, _, sent, alarm_s, closed = until_full(path, limit)
    report = repair(closed)
    lost = sent - report.samples["eeg"]
    note_figure("R5", f"{lost} samples lost (one chunk is 50)", "RLIMIT_FSIZE: at most one chunk", held=lost <= 50)
    assert reason == Reason.DISK_FULL
    assert alarm_s <= 1.0
    assert lost <= 50
    assert verify(path).complete


@pytest.mark.parametrize("size", [pytest.param("64k", id="R5-too-small")])
def test_a_disk_too_small_is_refused_before_the_run(tmp_path: Path, size: str) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        with pytest.raises(FileError) as caught:
            XdfRecorder(disk / "run.xdf")
        assert caught.value.reason is Reason.DISK_FULL
        assert list(disk.iterdir()) == []
        with pytest.raises(FileError, match="MB are free"):
            check_space(disk, [EEG], 60.0)
    assert check_space(tmp_path, [EEG], None) == "" or "minutes" in check_space(tmp_path, [EEG], None)


class Disk:
    """A disk that takes so many bytes a write, is interrupted now and then, and fails after so many bytes in all."""

    def __init__(self, room: int, a_write: int, error: int) -> None:
        self.room, self.a_write, self.error = room, a_write, error
        self.write_really = os.write

    def write(self, fd: int, data: bytes | memoryview) -> int:
        n = min(len(data), self.a_write, self.room)
        if n <= 0:
            raise OSError(self.error, os.strerror(self.error))
        self.room -= n
        return self.write_really(fd, memoryview(data)[:n])


@pytest.mark.parametrize(
    "a_write",
    [pytest.param(1, id="R6-short-1"), pytest.param(7, id="R6-short-7"), pytest.param(999, id="R6-short-999")],
)
def test_short_writes_tear_no_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a_write: int) -> None:
    expected = record(tmp_path / "a.xdf").read_bytes()
    monkeypatch.setattr(os, "write", Disk(1 << 30, a_write, errno.EIO).write)
    path = record(tmp_path / "b.xdf")
    assert path.read_bytes() == expected
    assert verify(path).complete


@pytest.mark.parametrize("number", [pytest.param(errno.EIO, id="R6-EIO"), pytest.param(errno.EROFS, id="R6-EROFS")])
def test_an_error_tears_no_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    torn = 0
    for room in range(9000, 9300, 13):
        folder = tmp_path / str(room)
        recorder = XdfRecorder(folder / "x.xdf")
        recorder.add_stream(EEG)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", Disk(room, 100, number).write)
            with pytest.raises(FileError):
                for index in range(0, 5000, 10):
                    recorder.write_chunk(eeg_chunk(index))
        assert recorder.close() == folder / "x.xdf.part"
        torn += bool(Recording.open(folder / "x.xdf.part").problems)
        repair(folder / "x.xdf.part")
    note_figure("R6", f"EIO, EROFS at 24 places each, short writes of 1, 7, 999 bytes: {torn} torn", held=torn == 0)
    assert torn == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: a timer that interrupts")
@pytest.mark.parametrize("n", [pytest.param(60, id="R6-EINTR")])
def test_signals_tear_no_chunk(tmp_path: Path, n: int) -> None:
    """A timer interrupts every millisecond; Python itself takes up an interrupted call again (PEP 475)."""
    import signal

    count: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: count.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        path = record(tmp_path / "x.xdf", n)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert count
    assert verify(path).complete


class Stall:
    """A disk that answers no write as long as it is closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.open.set()
        self.write_really = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self.open.wait(120.0)
        return self.write_really(fd, data)


@pytest.mark.parametrize("stall_s", [pytest.param(30, id="R7-queue")])
def test_a_stalled_disk_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stall_s: int) -> None:
    """30 s of data and markers come while no write returns; nobody waits for the disk, nothing is lost."""
    stall = Stall(monkeypatch)
    recorder = XdfRecorder(tmp_path / "x.xdf")
    recorder.add_stream(EEG)
    clock, longest, n_chunks = SessionClock(), 0.0, 25 * (stall_s + 4)
    for k in range(n_chunks):
        if k == 50:
            stall.open.clear()
        if k == 50 + 25 * stall_s:
            stall.open.set()
        t0 = clock.now()
        recorder.write_chunk(eeg_chunk(10 * k))
        if k % 25 == 0:
            recorder.write_item(Marker(100.0 + k / 25.0, "m", {"k": k}))
        longest = max(longest, clock.now() - t0)
    path = recorder.close()
    recording = Recording.open(path)
    n = len(recording.streams["eeg"])
    figure = (
        f"{10 * n_chunks - n} of {10 * n_chunks} samples lost; at most {recorder.high_water_bytes >> 10} KiB waited"
    )
    note_figure("R7", figure, held=n == 10 * n_chunks)
    assert n == 10 * n_chunks
    assert recording.streams["eeg"].samples[:, 0].tolist() == list(range(n))
    assert len(recording.markers) == -(-n_chunks // 25)
    assert recorder.n_stalls >= 1
    assert recorder.high_water_bytes > 25 * stall_s * 170
    assert "bytes waited" in recording.events[0].detail
    assert verify(path).complete
    assert longest < 10.0


@pytest.mark.parametrize("seconds", [pytest.param(30, id="R7-ring")])
def test_a_reader_of_the_ring_that_stood_still_for_30_s_gets_everything(tmp_path: Path, seconds: int) -> None:
    writer = RingWriter(tmp_path / "eeg.ring", EEG, 60.0)
    with writer, RingReader(tmp_path / "eeg.ring") as reader, XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(EEG)
        for k in range(25 * seconds):
            writer.write(eeg_chunk(10 * k))
        high_water, lost = reader.n_waiting, 0
        while True:
            chunk, n_lost = reader.read(25)
            lost += n_lost
            if chunk is None:
                break
            recorder.write_chunk(chunk)
    n = len(Recording.open(tmp_path / "x.xdf").streams["eeg"])
    note_figure("R7", f"ring: {lost} lost, {high_water / 250:.0f} of 60 s were in use", "loss 0 (ring)", held=lost == 0)
    assert lost == 0
    assert n == 250 * seconds


def _missing(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "x.xdf"


def _long(folder: Path) -> Path:
    return folder / ("x" * 300 + ".xdf")


def _existing(folder: Path) -> Path:
    (folder / "x.xdf").write_text("precious")
    return folder / "x.xdf"


def _part(folder: Path) -> Path:
    (folder / "x.xdf.part").write_text("precious")
    return folder / "x.xdf"


def _read_only(folder: Path) -> Path:
    (folder / "closed").mkdir()
    if sys.platform == "win32" or os.access("/", os.W_OK):
        pytest.skip("needs POSIX and a person who is not root")
    (folder / "closed").chmod(0o500)
    return folder / "closed" / "x.xdf"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(_missing, Reason.NOT_WRITABLE, id="R8-missing-dir"),
        pytest.param(_long, Reason.NOT_WRITABLE, id="R8-name-too-long"),
        pytest.param(_existing, Reason.EXISTS, id="R8-existing-file"),
        pytest.param(_part, Reason.EXISTS, id="R8-existing-part"),
        pytest.param(_read_only, Reason.NOT_WRITABLE, id="R8-read-only-dir"),
    ],
)
def test_a_place_that_cannot_be_recorded_to_is_refused(
    tmp_path: Path, make: Callable[[Path], Path], reason: Reason
) -> None:
    path = make(tmp_path)
    before = {entry: entry.read_bytes() for entry in tmp_path.rglob("*") if entry.is_file()}
    with pytest.raises(FileError) as caught:
        XdfRecorder(path)
    after = {entry: entry.read_bytes() for entry in tmp_path.rglob("*") if entry.is_file()}
    note_figure("R8", "missing, too long, existing, left over: refused, 0 overwritten", held=before == after)
    assert caught.value.reason is reason
    assert path.name in caught.value.message
    assert before == after


@pytest.mark.parametrize("size", [pytest.param("1m", id="R8-read-only-disk")])
def test_a_read_only_disk_is_refused(tmp_path: Path, size: str) -> None:
    with small_disk(tmp_path / "disk", size) as disk:
        done = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("needs Linux and the right to mount")
        with pytest.raises(FileError) as caught:
            XdfRecorder(disk / "x.xdf")
        assert caught.value.reason is Reason.NOT_WRITABLE


@pytest.mark.parametrize("restarts", [pytest.param(3, id="R12")])
def test_a_source_that_restarts_is_one_stream_in_segments(tmp_path: Path, restarts: int) -> None:
    path = tmp_path / "x.xdf"
    with XdfRecorder(path) as recorder:
        recorder.add_stream(EEG)
        index = 0
        for _ in range(restarts + 1):
            for _ in range(10):
                recorder.write_chunk(eeg_chunk(index))
                index += 10
            index += 333  # lost while the source was away
    stream = Recording.open(path).streams["eeg"]
    segments = int((np.diff(stream.index) != 1).sum()) + 1
    note_figure("R12", f"{restarts} restarts: {segments} segments of one stream", held=segments == restarts + 1)
    assert segments == restarts + 1
    assert verify(path).gaps == restarts
    assert np.array_equal(stream.samples[:, 0], stream.index)


@pytest.mark.parametrize("n", [pytest.param(3, id="R15")])
def test_stopping_during_a_stall_takes_at_most_3_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    clock, longest = SessionClock(), 0.0
    stall = Stall(monkeypatch)
    for k in range(n):
        stall.open.set()
        recorder = XdfRecorder(tmp_path / str(k) / "x.xdf")
        recorder.add_stream(EEG)
        recorder.write_chunk(eeg_chunk(0, 100))
        stall.open.clear()
        recorder.write_item(Marker(101.0, "during"))
        t0 = clock.now()
        with pytest.raises(FileError, match="did not answer"):
            recorder.close()
        longest = max(longest, clock.now() - t0)
        stall.open.set()
        give_up = clock.now() + 30.0
        while any(thread.name.startswith("volo-recorder") for thread in threading.enumerate()):
            assert clock.now() < give_up
            clock.sleep(0.01)
        repair(recorder.part)
        recording = Recording.open(recorder.path)
        assert len(recording.streams["eeg"]) == 100
        assert [marker.label for marker in recording.markers] == ["during"]
    note_figure("R15", f"{n} stops while no write returned: {longest:.2f} s at most", held=longest <= 3.0)
    assert longest <= 3.5
