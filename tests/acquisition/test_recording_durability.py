"""A recording survives: kills, full disks, short writes, cuts at any byte; its memory stays flat."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording import durable
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.repair import repair
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Channel, Chunk, Event, EventKind, Marker, StreamInfo

EEG = StreamInfo("eeg", "eeg", 250.0, (Channel("Oz"), Channel("O1")), "float32", "test")
GAUGE = StreamInfo("gauge", "aux", 10.0, (Channel("force"),), "int16", "test")


def eeg_chunk(index: int, n: int = 10) -> Chunk:
    """Samples that tell their own index, stamps that follow from it."""
    numbers = np.arange(index, index + n)
    return Chunk("eeg", index, np.stack([numbers, -numbers], axis=1).astype("float32"), 100.0 + numbers / 250.0)


def record(path: Path, n_chunks: int = 20) -> Path:
    """Record 0.8 s by default: two signals, a gap, invalid samples, markers and events."""
    with XdfRecorder(path, header={"task": "test"}) as recorder:
        recorder.add_stream(EEG, {"gain": 24})
        recorder.add_stream(GAUGE)
        for k in range(n_chunks):
            chunk = eeg_chunk(10 * k + (3 if k > 7 else 0))
            if k == 8:
                recorder.write_item(Event(EventKind.GAP, "eeg", 80, float(chunk.times[0]), 3))
            if k == 4:
                chunk = Chunk("eeg", chunk.index, chunk.samples, chunk.times, np.arange(10) != 5)
            recorder.write_item(chunk)
            recorder.write_chunk(Chunk("gauge", k, np.array([[k]], "int16"), np.array([100.0 + k / 25.0])))
            if k % 3 == 0:
                recorder.write_item(Marker(float(chunk.times[-1]), f"marker {k}", {"k": k}))
    return path


def raw_chunks(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield where each chunk ends, its tag, its stream and its number of samples; written apart from the reader."""
    at = 4
    while at < len(data):
        n = data[at]
        length = int.from_bytes(data[at + 1 : at + 1 + n], "little")
        body = data[at + 1 + n : at + 1 + n + length]
        tag, stream, count = int.from_bytes(body[:2], "little"), -1, 0
        if tag in (2, 3, 4, 6):
            stream = int.from_bytes(body[2:6], "little")
        if tag == 3:
            count = int.from_bytes(body[7 : 7 + body[6]], "little")
        at += 1 + n + length
        yield at, tag, stream, count


def names_of(path: Path) -> dict[int, str]:
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    return {stream["info"]["stream_id"]: stream["info"]["name"][0] for stream in streams}


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files, and the disk's patience."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("step", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_a_recording_cut_at_any_byte_is_repaired_to_the_exact_prefix(tmp_path: Path, step: int) -> None:
    whole = record(tmp_path / "whole.xdf", 30 if step == 1 else 9)
    data, names = whole.read_bytes(), names_of(whole)
    full = Recording.open(whole)
    chunks = list(raw_chunks(data))
    header_end = chunks[0][0]
    part, done, backup = tmp_path / "cut.xdf.part", tmp_path / "cut.xdf", tmp_path / "cut.xdf.part.bak"
    edges = {stop + k for stop, *_ in chunks for k in (-1, 0, 1)}  # all cuts inside one chunk are alike
    for cut in sorted(edges.union(range(0, len(data), step)) & set(range(len(data)))):
        part.write_bytes(data[:cut])
        expected = Counter[str]()
        for stop, tag, stream, count in chunks:
            if stop <= cut and tag == 3:
                expected[names[stream]] += count
        if cut < header_end:
            with pytest.raises(FileError) as caught:
                repair(part)
            assert caught.value.reason is (Reason.EMPTY if cut == 0 else Reason.DAMAGED)
            assert part.name in caught.value.message
            assert not done.exists()
            continue
        report = repair(part)
        assert report.path == done
        assert report.kept_bytes + report.dropped_bytes == cut
        check = verify(done)
        assert check.ok, (cut, check.problems)
        assert check.complete, (cut, check.problems)
        recording = Recording.open(done)
        for name in ("eeg", "gauge"):
            n = expected[name]
            assert report.samples.get(name, 0) == n
            if name in recording.streams:
                stream, original = recording.streams[name], full.streams[name]
                assert stream.samples.tobytes() == original.samples[:n].tobytes()
                assert stream.times.tobytes() == original.times[:n].tobytes()
                assert stream.index.tolist() == original.index[:n].tolist()
                assert stream.valid.tolist() == original.valid[:n].tolist()
        assert recording.markers == full.markers[: expected["volo-markers"]]
        assert recording.events == full.events[: expected["volo-events"]]
        assert backup.read_bytes() == data[:cut]
        if cut % 10 == 0:
            for stream in pyxdf.load_xdf(done)[0]:
                name = stream["info"]["name"][0]
                times, rows = recording.rows(name)
                assert stream["time_stamps"].tobytes() == times.tobytes()
                if isinstance(rows, list):
                    assert [row[0] for row in stream["time_series"]] == rows
                else:
                    assert np.array_equal(stream["time_series"], rows)
        for path in tmp_path.glob("cut.*"):
            path.unlink()


def test_an_unfinished_recording_reads_to_its_last_complete_chunk(tmp_path: Path) -> None:
    data = record(tmp_path / "whole.xdf").read_bytes()
    part = tmp_path / "cut.xdf.part"
    part.write_bytes(data[: len(data) // 2])
    recording = Recording.open(part)
    n = len(recording.streams["eeg"])
    assert 0 < n < 200
    assert recording.streams["eeg"].samples[:, 0].tolist() == recording.streams["eeg"].index.tolist()
    report = verify(part)
    assert not report.complete
    assert report.samples["eeg"] == n
    assert len(recording.problems) == 1


CHILD = """
import sys
from pathlib import Path
import numpy as np
from volo_acquisition.clock import SessionClock
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo

folder = Path(sys.argv[1])
clock = SessionClock()
pulse = np.memmap(folder / "pulse", "f8", "r+", shape=(3,))  # last stamp taken, markers taken, still alive
info = StreamInfo("eeg", "eeg", 250.0, tuple(Channel(f"c{k}") for k in range(8)), "float32")
recorder = XdfRecorder(folder / "run.xdf")
recorder.add_stream(info)
start, sent, marks = clock.now(), 0, 0
while True:
    now = clock.now()
    n = int((now - start) * 250.0) - sent
    if n >= 5:
        numbers = np.arange(sent, sent + n)
        times = start + numbers / 250.0
        samples = np.repeat(numbers[:, None], 8, axis=1).astype("float32")
        recorder.write_item(Chunk("eeg", sent, samples, times))
        sent += n
        pulse[0] = times[-1]
        if sent % 3 == 0:
            recorder.write_item(Marker(now, "mark", {"n": marks}))
            marks += 1
            pulse[1] = marks
    pulse[2] = clock.now()
    clock.sleep(0.002)
"""


@pytest.mark.parametrize("alive_s", [0.05, 0.31, 0.77, 1.03, 1.62])
def test_a_killed_recorder_has_lost_at_most_150_ms_and_no_marker(tmp_path: Path, alive_s: float) -> None:
    pulse = np.memmap(tmp_path / "pulse", "f8", "w+", shape=(3,))
    clock = SessionClock()
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)])
    try:
        give_up = clock.now() + 60.0
        while pulse[0] == 0.0 and clock.now() < give_up and child.poll() is None:
            clock.sleep(0.01)
        clock.sleep(alive_s)
        assert child.poll() is None
    finally:
        killed = clock.now()
        child.kill()
        child.wait()
    taken, n_markers, alive = pulse.tolist()
    del pulse
    assert taken > 0.0
    report = repair(tmp_path / "run.xdf.part")
    check = verify(report.path)
    assert check.ok, check.problems
    assert check.complete, check.problems
    assert check.last_time is not None
    asleep_s = max(0.0, killed - alive - 0.02)  # how long a busy machine had not let the recorder run
    assert killed - check.last_time <= 0.150 + asleep_s
    assert taken - check.last_time <= 0.100
    recording = Recording.open(report.path)
    stream = recording.streams["eeg"]
    assert np.array_equal(stream.samples, np.repeat(np.arange(len(stream), dtype="float32")[:, None], 8, axis=1))
    assert len(recording.markers) >= n_markers
    assert [marker.payload["n"] for marker in recording.markers] == list(range(len(recording.markers)))


FULL = """
import json, resource, sys
from pathlib import Path
import numpy as np
from volo_acquisition.errors import FileError
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, Chunk, StreamInfo

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
recorder = XdfRecorder(Path(sys.argv[1]))
recorder.add_stream(StreamInfo("eeg", "eeg", 250.0, (Channel("a"), Channel("b")), "float32"))
errors = []
for index in range(0, 100_000, 10):
    numbers = np.arange(index, index + 10)
    chunk = Chunk("eeg", index, np.stack([numbers, -numbers], axis=1).astype("float32"), 100.0 + numbers / 250.0)
    try:
        recorder.write_chunk(chunk)
    except FileError as error:
        errors.append(error)
        if len(errors) == 3:
            break
print(json.dumps([errors[0] is errors[2], errors[0].reason, errors[0].message, errors[0].hint, str(recorder.close())]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: a limit on the size of files")
def test_a_full_disk_is_told_at_once_and_what_was_written_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.xdf"
    run = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    same, reason, message, hint, closed = json.loads(run.stdout)
    assert same
    assert reason == Reason.DISK_FULL
    assert "\n" not in message
    assert str(path) in message
    assert "s are safe" in message
    assert hint == "free space, then volo repair run.xdf.part"
    assert closed == str(path) + ".part"
    assert not path.exists()
    part = Path(closed)
    assert 45_000 < part.stat().st_size <= 50_000
    assert Recording.open(part).problems == ()
    repair(part)
    stream = Recording.open(path).streams["eeg"]
    n = len(stream)
    assert f"{(n - 1) / 250.0:.1f} s are safe" in message
    assert stream.samples[:, 0].tolist() == list(range(n))
    assert verify(path).complete


class Disk:
    """A disk that takes at most so many bytes in all, and so many a write; then it has an error."""

    def __init__(self, room: int, a_write: int, error: int) -> None:
        self.room, self.a_write, self.error = room, a_write, error
        self.write_really = os.write

    def write(self, fd: int, data: bytes | memoryview) -> int:
        n = min(len(data), self.a_write, self.room)
        if n <= 0:
            raise OSError(self.error, os.strerror(self.error))
        self.room -= n
        return self.write_really(fd, memoryview(data)[:n])


def test_short_writes_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = record(tmp_path / "a.xdf").read_bytes()
    monkeypatch.setattr(os, "write", Disk(1 << 30, 7, errno.EIO).write)
    assert record(tmp_path / "b.xdf").read_bytes() == expected


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, Reason.DISK_FULL),
        (errno.EFBIG, Reason.DISK_FULL),
        (errno.EIO, Reason.NOT_WRITABLE),
        (errno.EROFS, Reason.NOT_WRITABLE),
    ],
)
@pytest.mark.parametrize("room", [6000, 6001, 6050, 6100, 6170])
def test_a_disk_that_fails_in_a_chunk_leaves_only_whole_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: Reason, room: int
) -> None:
    recorder = XdfRecorder(tmp_path / "x.xdf")
    recorder.add_stream(EEG)
    monkeypatch.setattr(os, "write", Disk(room, 100, number).write)
    with pytest.raises(FileError) as first:
        for index in range(0, 5000, 10):
            recorder.write_chunk(eeg_chunk(index))
    for again in (
        lambda: recorder.write_chunk(eeg_chunk(9000)),
        lambda: recorder.write_item(Marker(1.0, "x")),
        lambda: recorder.add_stream(GAUGE),
        recorder.flush,
    ):
        with pytest.raises(FileError) as caught:
            again()
        assert caught.value is first.value
    monkeypatch.undo()
    assert first.value.reason is reason
    assert recorder.close() == tmp_path / "x.xdf.part"
    recording = Recording.open(tmp_path / "x.xdf.part")
    assert recording.problems == ()
    n = len(recording.streams["eeg"])
    assert n > 100
    assert recording.streams["eeg"].samples[:, 0].tolist() == list(range(n))
    assert repair(tmp_path / "x.xdf.part").dropped_bytes == 0
    assert verify(tmp_path / "x.xdf").complete


def test_a_disk_full_from_the_beginning_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", Disk(100, 100, errno.ENOSPC).write)
    with pytest.raises(FileError) as caught:
        XdfRecorder(tmp_path / "x.xdf")
    assert caught.value.reason is Reason.DISK_FULL
    assert list(tmp_path.iterdir()) == []


def test_a_disk_full_at_the_end_leaves_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = XdfRecorder(tmp_path / "x.xdf")
    recorder.add_stream(EEG)
    recorder.write_chunk(eeg_chunk(0, 100))
    monkeypatch.setattr(os, "write", Disk(300, 100, errno.ENOSPC).write)
    with pytest.raises(FileError) as caught:
        recorder.close()
    assert caught.value.reason is Reason.DISK_FULL
    assert recorder.close() == tmp_path / "x.xdf.part"
    monkeypatch.undo()
    repair(tmp_path / "x.xdf.part")
    assert len(Recording.open(tmp_path / "x.xdf").streams["eeg"]) == 100


def test_an_error_of_the_disk_behind_our_back_is_told_by_a_later_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    recorder = XdfRecorder(tmp_path / "x.xdf")
    monkeypatch.setattr(durable, "_datasync", fail)
    clock = SessionClock()
    give_up = clock.now() + 30.0
    with pytest.raises(FileError) as caught:
        while clock.now() < give_up:
            recorder.write_item(Marker(1.0, "x"))
    assert caught.value.reason is Reason.NOT_WRITABLE
    assert recorder.close().suffix == ".part"


def test_the_disk_is_asked_to_keep_the_file_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    names = []

    def note(fd: int) -> None:
        names.append(threading.current_thread().name)
        asked.set()

    monkeypatch.setattr(durable, "SYNC_PERIOD_S", 0.001)
    monkeypatch.setattr(durable, "_datasync", note)
    with XdfRecorder(tmp_path / "x.xdf"):
        assert asked.wait(30.0)
    assert set(names) == {"volo-recorder-sync"}


def test_a_disk_that_does_not_answer_holds_closing_up_for_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(durable, "CLOSE_TIMEOUT_S", 0.01)
    recorder = XdfRecorder(tmp_path / "x.xdf")
    recorder.write_item(Marker(1.0, "x"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: release.wait(60.0) and None)
        with pytest.raises(FileError, match="did not answer"):
            recorder.close()
        assert not (tmp_path / "x.xdf").exists()
        release.set()
    assert verify(tmp_path / "x.xdf.part").complete
    repair(tmp_path / "x.xdf.part")
    assert [marker.label for marker in Recording.open(tmp_path / "x.xdf").markers] == ["x"]


def test_each_write_is_whole_chunks_and_none_waits_longer_than_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    write_really = os.write

    def note(fd: int, data: bytes) -> int:
        writes.append(bytes(data))
        return write_really(fd, data)

    monkeypatch.setattr(os, "write", note)
    recorder = XdfRecorder(tmp_path / "x.xdf", max_chunk_s=0.05)
    recorder.add_stream(EEG)
    taken = written = 0
    for k in range(200):
        n = 1 + k % 7
        recorder.write_chunk(eeg_chunk(taken, n))
        taken += n
        written = sum(count for w in writes[1:] for _, _, stream, count in raw_chunks(b"XDF:" + w) if stream == 2)
        assert taken - written < 0.05 * 250
    recorder.write_item(Marker(100.0, "now"))
    assert any(b'"now"' in w for w in writes)
    recorder.close()
    assert [len(list(raw_chunks(b"XDF:" + w))) for w in writes[1:]] == [1] * (len(writes) - 1)


def test_a_stream_that_falls_silent_is_written_when_others_go_on(tmp_path: Path) -> None:
    recorder = XdfRecorder(tmp_path / "x.xdf")
    recorder.add_stream(EEG)
    recorder.add_stream(GAUGE)
    recorder.write_chunk(eeg_chunk(0, 5))
    assert len(Recording.open(recorder.part).streams["eeg"]) == 0
    recorder.write_chunk(Chunk("gauge", 0, np.zeros((1, 1), "int16"), np.array([100.05])))
    assert len(Recording.open(recorder.part).streams["eeg"]) == 0
    recorder.write_chunk(Chunk("gauge", 1, np.zeros((1, 1), "int16"), np.array([100.15])))
    assert len(Recording.open(recorder.part).streams["eeg"]) == 5
    recorder.write_chunk(eeg_chunk(5, 5))
    recorder.flush()
    assert len(Recording.open(recorder.part).streams["eeg"]) == 10
    recorder.close()


def test_repair_on_a_full_disk_leaves_all_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = record(tmp_path / "whole" / "whole.xdf").read_bytes()[:-100]
    part = tmp_path / "x.xdf.part"
    part.write_bytes(data)
    monkeypatch.setattr(os, "write", Disk(3000, 1000, errno.ENOSPC).write)
    with pytest.raises(FileError) as caught:
        repair(part)
    assert caught.value.reason is Reason.DISK_FULL
    assert part.read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole", "x.xdf.part"]


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(EEG)
        for k in range(50):
            recorder.write_chunk(eeg_chunk(100 * k, 100))
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for k in range(50, 1500):
                recorder.write_chunk(eeg_chunk(100 * k, 100))
                recorder.write_item(Marker(100.0 + k, "m"))
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert (tmp_path / "x.xdf").stat().st_size > 2_000_000
    assert after - before < 50_000
    tracemalloc.start()
    try:
        verify(tmp_path / "x.xdf")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


@pytest.mark.parametrize("rate_hz", [250.0, 0.0])
def test_long_chunks_are_written_a_tenth_of_a_second_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: float
) -> None:
    writes: list[bytes] = []
    write_really = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: (writes.append(bytes(data)), write_really(fd, data))[1])
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(StreamInfo("eeg", "eeg", rate_hz, EEG.channels, EEG.dtype))
        for index in (0, 250, 500):
            recorder.write_chunk(eeg_chunk(index, 250))
    counts = [count for w in writes[1:] for _, _, stream, count in raw_chunks(b"XDF:" + w) if stream == 2]
    assert max(counts) <= 25
    assert sum(counts) == 750
    assert [len(list(raw_chunks(b"XDF:" + w))) for w in writes[1:]] == [1] * (len(writes) - 1)
    stream = Recording.open(tmp_path / "x.xdf").streams["eeg"]
    expected = [eeg_chunk(index, 250) for index in (0, 250, 500)]
    assert stream.samples.tobytes() == b"".join(chunk.samples.tobytes() for chunk in expected)
    assert stream.times.tobytes() == b"".join(chunk.times.tobytes() for chunk in expected)
