"""Ring files: each reader gets exact samples or an exact count of what it missed; the writer never waits."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.ring import RingReader, RingWriter, sweep
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo


def info_of(rate_hz: float = 10.0, dtype: str = "float64", n_channels: int = 3) -> StreamInfo:
    return StreamInfo("eeg", "eeg", rate_hz, tuple(Channel(f"c{k}") for k in range(n_channels)), dtype, "test")


def chunk_of(row: int, n: int, index: int, info: StreamInfo) -> Chunk:
    """Samples and stamps that tell how many samples were written before them; every seventh is not valid."""
    rows = np.arange(row, row + n)
    samples = np.repeat(rows[:, None], info.n_channels, axis=1).astype(info.dtype)
    valid = rows % 7 != 0
    return Chunk("eeg", index, samples, rows * 0.5, None if valid.all() else valid)


def rows_in(chunk: Chunk) -> list[int]:
    """Return which rows a chunk holds, after checking that none is a mixture."""
    rows = chunk.samples[:, 0].astype(int)
    assert np.array_equal(chunk.samples, np.repeat(rows[:, None], chunk.samples.shape[1], axis=1))
    assert np.array_equal(chunk.times, rows * 0.5)
    valid = np.ones(len(rows), bool) if chunk.valid is None else chunk.valid
    assert np.array_equal(valid, rows % 7 != 0)
    return rows.tolist()


actions = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 25), st.sampled_from([0, 0, 0, 3, 1000])),
        st.tuples(st.just("read"), st.none() | st.integers(1, 12), st.just(0)),
        st.tuples(st.just("latest"), st.integers(1, 12), st.just(0)),
    ),
    max_size=40,
)


@given(st.integers(1, 20), actions)
def test_any_order_of_writing_and_reading_yields_exact_samples_or_an_exact_loss(
    seconds: int, todo: list[tuple[str, int | None, int]]
) -> None:
    info = info_of(1.0)
    indices: list[int] = []
    next_index = position = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        RingWriter(Path(folder) / "a.ring", info, seconds) as writer,
        RingReader(Path(folder) / "a.ring") as reader,
    ):
        n_rows = writer.n_rows
        assert n_rows == seconds
        for what, n, gap in todo:
            oldest = max(0, len(indices) - n_rows)
            if what == "write" and n is not None:
                next_index += gap
                writer.write(chunk_of(len(indices), n, next_index, info))
                indices += range(next_index, next_index + n)
                next_index += n
            elif what == "read":
                chunk, n_lost = reader.read(n)
                assert n_lost == max(0, oldest - position)
                position += n_lost
                if chunk is None:
                    assert position == len(indices)
                    continue
                expected = rows_in(chunk)
                assert expected == list(range(position, position + len(chunk)))
                assert indices[position : position + len(chunk)] == list(range(chunk.index, chunk.stop))
                position += len(chunk)
                full = n is not None and len(chunk) == n
                assert full or position == len(indices) or indices[position] != chunk.stop
                assert n is None or len(chunk) <= n
            elif n is not None:
                newest = reader.latest(n)
                if newest is None:
                    assert not indices
                    continue
                assert rows_in(newest) == list(range(len(indices) - len(newest), len(indices)))
                assert newest.stop == indices[-1] + 1
                full = len(newest) == min(n, n_rows, len(indices))
                assert full or indices[len(indices) - len(newest) - 1] != newest.index - 1


@given(st.integers(2, 30), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.none() | st.integers(1, 9))))
def test_a_writer_in_the_middle_of_a_read_tears_nothing(n_rows: int, todo: list[tuple[int, int, int | None]]) -> None:
    info = info_of(1.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        RingWriter(Path(folder) / "a.ring", info, n_rows) as writer,
        RingReader(Path(folder) / "a.ring") as reader,
    ):
        written = position = during = 0
        copy_really = reader._copy_rows

        def write(n: int) -> None:
            nonlocal written
            writer.write(chunk_of(written, n, written, info))
            written += n

        def copy_while_writing(start: int, stop: int) -> np.ndarray:  # type: ignore[type-arg]
            middle = start + (stop - start) // 2
            first = copy_really(start, middle)
            write(during)
            return np.concatenate([first, copy_really(middle, stop)])

        reader._copy_rows = copy_while_writing  # type: ignore[method-assign]
        for before, during, n in todo:  # noqa: B007
            write(before)
            chunk, n_lost = reader.read(n)
            position += n_lost
            if chunk is not None:
                assert rows_in(chunk) == list(range(position, position + len(chunk)))
                position += len(chunk)
        during = 0
        while True:
            chunk, n_lost = reader.read()
            position += n_lost
            if chunk is None:
                break
            assert rows_in(chunk) == list(range(position, position + len(chunk)))
            position += len(chunk)
        assert position == written


def test_what_a_killed_writer_was_about_to_overwrite_is_lost_and_the_rest_is_there(tmp_path: Path) -> None:
    info = info_of(1.0)
    with RingWriter(tmp_path / "a.ring", info, 10) as writer:
        writer.write(chunk_of(0, 14, 0, info))
        writer._counters[0] += 3  # announced, and half written
        writer._rows[4:6]["samples"] = -1.0
        with RingReader(tmp_path / "a.ring") as reader:
            chunk, n_lost = reader.read()
            assert chunk is not None
            assert rows_in(chunk) == list(range(7, 14))
            assert n_lost == 7
            latest = reader.latest(100)
            assert latest is not None
            assert rows_in(latest) == list(range(7, 14))


CHILD = """
import sys
from pathlib import Path
import numpy as np
from volo_acquisition.ring import RingWriter
from volo_acquisition.types import Channel, Chunk, StreamInfo

info = StreamInfo("eeg", "eeg", 1000.0, tuple(Channel(f"c{k}") for k in range(16)), "int64", "test")
writer = RingWriter(Path(sys.argv[1]), info, 0.5)
row, n = 0, 0
while True:
    n = n % 61 + 1
    rows = np.arange(row, row + n)
    valid = rows % 7 != 0
    writer.write(Chunk("eeg", row, np.repeat(rows[:, None], 16, axis=1), rows * 0.5, valid))
    row += n
"""


@pytest.mark.parametrize("alive_s", [0.05, 0.4, 1.1])
def test_a_ring_read_while_its_writer_runs_and_is_killed_holds_a_consistent_prefix(
    tmp_path: Path, alive_s: float
) -> None:
    path, clock = tmp_path / "a.ring", SessionClock()
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)])
    reader: RingReader | None = None
    position = n_delivered = 0
    try:
        give_up = clock.now() + 60.0
        while reader is None and clock.now() < give_up and child.poll() is None:
            try:
                reader = RingReader(path)
            except FileError as error:
                assert error.reason in (Reason.NOT_FOUND, Reason.NO_DATA)
                clock.sleep(0.01)
        assert reader is not None
        until = clock.now() + alive_s
        while clock.now() < until:
            chunk, n_lost = reader.read(200)
            position += n_lost
            if chunk is not None:
                assert rows_in(chunk) == list(range(position, position + len(chunk)))
                position += len(chunk)
                n_delivered += len(chunk)
            latest = reader.latest(100)
            assert latest is None or len(rows_in(latest)) > 0
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    while True:
        chunk, n_lost = reader.read()
        position += n_lost
        if chunk is None:
            break
        assert rows_in(chunk) == list(range(position, position + len(chunk)))
        position += len(chunk)
        n_delivered += len(chunk)
    assert n_delivered > 0
    assert reader.n_waiting == 0
    assert not reader.closed_by_writer
    latest = reader.latest(1)
    assert latest is not None
    assert rows_in(latest) == [position - 1]
    reader.close()
    assert sweep(tmp_path) == [path]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int16", "int32", "int64"])
def test_every_bit_and_the_stream_s_description_come_through(tmp_path: Path, dtype: str) -> None:
    channels = (Channel("Oz", ChannelKind.EEG, "uV", (0.0, -0.1, 0.2)), Channel("é <n>", ChannelKind.COUNTER, "count"))
    info = StreamInfo("amp 1", "eeg", 250.0, channels, dtype, "board")
    bits = np.random.default_rng(0).bytes(100 * 2 * np.dtype(dtype).itemsize)
    samples = np.frombuffer(bits, dtype).reshape(100, 2)
    times = np.frombuffer(np.random.default_rng(1).bytes(800), "float64")
    with RingWriter(tmp_path / "a.ring", info) as writer, RingReader(tmp_path / "a.ring") as reader:
        assert reader.info == info
        assert writer.n_rows == 15_000
        writer.write(Chunk("amp 1", 2**40, samples, times))
        chunk, n_lost = reader.read()
        assert chunk is not None
        assert (chunk.stream_id, chunk.index, n_lost, chunk.valid) == ("amp 1", 2**40, 0, None)
        assert chunk.samples.dtype == np.dtype(dtype)
        assert chunk.samples.tobytes() == bits
        assert chunk.times.tobytes() == times.tobytes()


def test_readers_do_not_disturb_each_other_and_one_may_begin_now(tmp_path: Path) -> None:
    info = info_of()
    with RingWriter(tmp_path / "a.ring", info, 10.0) as writer, RingReader(tmp_path / "a.ring") as first:
        writer.write(chunk_of(0, 20, 0, info))
        with RingReader(tmp_path / "a.ring", from_now=True) as second:
            writer.write(chunk_of(20, 5, 20, info))
            assert first.n_waiting == 25
            chunk, _ = first.read()
            assert chunk is not None
            assert rows_in(chunk) == list(range(25))
            chunk, _ = second.read()
            assert chunk is not None
            assert rows_in(chunk) == list(range(20, 25))


def test_a_chunk_given_is_not_changed_when_the_ring_goes_round(tmp_path: Path) -> None:
    info = info_of()
    with RingWriter(tmp_path / "a.ring", info, 1.0) as writer, RingReader(tmp_path / "a.ring") as reader:
        writer.write(chunk_of(0, 10, 0, info))
        chunk, _ = reader.read()
        writer.write(chunk_of(10, 10, 10, info))
        assert chunk is not None
        assert rows_in(chunk) == list(range(10))


def test_the_end_is_told_and_what_is_there_can_still_be_read(tmp_path: Path) -> None:
    info = info_of()
    writer = RingWriter(tmp_path / "a.ring", info)
    writer.write(chunk_of(0, 3, 0, info))
    with RingReader(tmp_path / "a.ring") as reader:
        assert not reader.closed_by_writer
        writer.close()
        writer.close()
        assert reader.closed_by_writer
        chunk, _ = reader.read()
        assert chunk is not None
        assert rows_in(chunk) == [0, 1, 2]
        assert reader.read() == (None, 0)
    reader.close()
    with pytest.raises(ValueError, match="after it was closed"):
        reader.read()
    with pytest.raises(ValueError, match="after it was closed"):
        writer.write(chunk_of(3, 1, 3, info))


def test_wrong_calls_are_refused_by_name(tmp_path: Path) -> None:
    info = info_of()
    for path, other, seconds, what in (
        (tmp_path / "a.dat", info, 1.0, "path: got 'a.dat'"),
        (tmp_path / "a.ring", info_of(dtype="string"), 1.0, "info: got 3 channels of string"),
        (tmp_path / "a.ring", info_of(n_channels=0), 1.0, "info: got 0 channels"),
        (tmp_path / "a.ring", info, 0.0, "seconds: got 0.0"),
        (tmp_path / "a.ring", info, float("inf"), "seconds: got inf"),
    ):
        with pytest.raises(ValueError, match=what):
            RingWriter(path, other, seconds)
    assert list(tmp_path.iterdir()) == []
    with RingWriter(tmp_path / "a.ring", info) as writer, RingReader(tmp_path / "a.ring") as reader:
        with pytest.raises(ValueError, match="chunk: got 'other'"):
            writer.write(Chunk("other", 0, np.zeros((1, 3)), np.zeros(1)))
        with pytest.raises(ValueError, match="got 'eeg' with 2 channels"):
            writer.write(Chunk("eeg", 0, np.zeros((1, 2)), np.zeros(1)))
        with pytest.raises(ValueError, match="got samples of float32, expected float64"):
            writer.write(Chunk("eeg", 0, np.zeros((1, 3), "float32"), np.zeros(1)))
        with pytest.raises(ValueError, match="max_samples: got 0"):
            reader.read(0)
        with pytest.raises(ValueError, match="n: got 0"):
            reader.latest(0)
        assert reader.read() == (None, 0)
        assert reader.latest(5) is None


def test_what_is_no_ring_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.ring"
    RingWriter(path, info_of()).close()
    good = path.read_bytes()
    for content, reason in (
        (None, Reason.NOT_FOUND),
        (b"", Reason.NO_DATA),
        (bytes(8) + good[8:], Reason.NO_DATA),
        (b"something else" * 10, Reason.DAMAGED),
        (good[:30], Reason.DAMAGED),
        (good[:-1], Reason.DAMAGED),
        (good[:8] + b"\2" + good[9:], Reason.NEWER_SCHEMA),
        (good.replace(b"float64", b"float65"), Reason.DAMAGED),
    ):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(FileError) as caught:
            RingReader(path)
        assert caught.value.reason is reason
        assert path.name in caught.value.message
        assert "\n" not in str(caught.value)


def test_no_existing_file_is_taken_for_a_ring(tmp_path: Path) -> None:
    (tmp_path / "a.ring").write_text("precious")
    with pytest.raises(FileError) as caught:
        RingWriter(tmp_path / "a.ring", info_of())
    assert caught.value.reason is Reason.EXISTS
    assert (tmp_path / "a.ring").read_text() == "precious"


def test_a_full_disk_is_told_before_the_first_sample_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_really, room = os.write, [5000]

    def write(fd: int, data: bytes) -> int:
        n = min(room[0], len(data))
        if n == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        room[0] -= n
        return write_really(fd, memoryview(data)[:n])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(FileError) as caught:
        RingWriter(tmp_path / "a.ring", info_of())
    assert caught.value.reason is Reason.DISK_FULL
    assert list(tmp_path.iterdir()) == []


def test_sweeping_removes_rings_and_nothing_else(tmp_path: Path) -> None:
    RingWriter(tmp_path / "a.ring", info_of()).close()
    (tmp_path / "a.xdf").write_text("precious")
    assert sweep(tmp_path) == [tmp_path / "a.ring"]
    assert sweep(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.xdf"]
