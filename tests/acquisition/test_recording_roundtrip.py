"""What is recorded is what is read: to the bit, by our reader and by pyxdf."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Channel, ChannelKind, Chunk, Correction, Event, EventKind, Marker, StreamInfo

DTYPES = ["float32", "float64", "int8", "int16", "int32", "int64"]
texts = st.text(st.characters(exclude_categories=["Cs"]))
xml_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(c) for c in range(32)])).filter(
    lambda text: "\ufffe" not in text and "\uffff" not in text
)


def info_of(dtype: str = "float32", n_channels: int = 2, rate_hz: float = 250.0, name: str = "eeg") -> StreamInfo:
    return StreamInfo(name, "eeg", rate_hz, tuple(Channel(f"c{k}") for k in range(n_channels)), dtype, "test")


def pyxdf_streams(path: Path, **options: Any) -> dict[str, Any]:
    streams, _ = pyxdf.load_xdf(path, **options)
    return {stream["info"]["name"][0]: stream for stream in streams}


@st.composite
def bits(draw: st.DrawFn, dtype: str, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Any bits at all: negative zeros, infinities, NaNs with their payloads."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape)


@st.composite
def pieces_of(draw: st.DrawFn) -> tuple[StreamInfo, list[Chunk]]:
    """A stream in chunks of any sizes, with gaps, masks and jittered stamps."""
    info = info_of(draw(st.sampled_from(DTYPES)), draw(st.integers(1, 3)), draw(st.sampled_from([0.0, 250.0, 19.5])))
    index, time, chunks = draw(st.integers(0, 2**40)), draw(st.floats(0.0, 1e6)), []
    for n in draw(st.lists(st.integers(0, 40), min_size=1, max_size=8)):
        steps = draw(arrays(np.float64, n, elements=st.floats(1e-4, 0.3)))
        times = time + np.cumsum(steps)
        time = float(times[-1]) if n else time
        valid = draw(st.none() | arrays(np.bool_, n))
        chunks.append(Chunk("eeg", index, draw(bits(info.dtype, (n, info.n_channels))), times, valid))
        index += n + draw(st.sampled_from([0, 0, 0, 1, 700]))
    return info, chunks


@settings(max_examples=60)
@given(pieces_of())
def test_every_bit_of_a_stream_comes_back(case: tuple[StreamInfo, list[Chunk]]) -> None:
    info, chunks = case
    samples = np.concatenate([chunk.samples for chunk in chunks])
    times = np.concatenate([chunk.times for chunk in chunks])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xdf"
        with XdfRecorder(path) as recorder:
            recorder.add_stream(info)
            for chunk in chunks:
                recorder.write_chunk(chunk)
        assert recorder.close() == path
        stream = Recording.open(path).streams["eeg"]
        raw = pyxdf_streams(path, synchronize_clocks=False, dejitter_timestamps=False)["eeg"]
        default = pyxdf_streams(path)["eeg"]
        report = verify(path)
    assert stream.info == info
    assert stream.samples.dtype == samples.dtype
    assert stream.samples.tobytes() == samples.tobytes()
    assert stream.times.tobytes() == times.tobytes()
    assert stream.index.tolist() == [i for chunk in chunks for i in range(chunk.index, chunk.stop)]
    valid = [np.ones(len(chunk), bool) if chunk.valid is None else chunk.valid for chunk in chunks]
    assert np.array_equal(stream.valid, np.concatenate(valid))
    for other in (raw, default):
        assert other["time_stamps"].tobytes() == times.tobytes()
        if len(samples):
            assert other["time_series"].dtype == samples.dtype
            assert other["time_series"].tobytes() == samples.tobytes()
    assert report.ok, report.problems
    assert report.complete, report.problems
    assert report.samples["eeg"] == len(samples)
    assert report.last_time == (times.max() if len(times) else None)
    assert report.gaps == int((np.diff(stream.index) != 1).sum())


@given(pieces_of(), st.integers(1, 64))
def test_rechunking_changes_no_sample_and_never_crosses_a_gap(case: tuple[StreamInfo, list[Chunk]], n: int) -> None:
    info, chunks = case
    with tempfile.TemporaryDirectory() as folder:
        with XdfRecorder(Path(folder) / "x.xdf") as recorder:
            recorder.add_stream(info)
            for chunk in chunks:
                recorder.write_chunk(chunk)
        stream = Recording.open(Path(folder) / "x.xdf").streams["eeg"]
    cut = list(stream.chunks(n))
    assert all(1 <= len(chunk) <= n for chunk in cut)
    assert [i for chunk in cut for i in range(chunk.index, chunk.stop)] == stream.index.tolist()
    assert b"".join(chunk.samples.tobytes() for chunk in cut) == stream.samples.tobytes()
    assert b"".join(chunk.times.tobytes() for chunk in cut) == stream.times.tobytes()
    masks = [np.ones(len(chunk), bool) if chunk.valid is None else chunk.valid for chunk in cut]
    assert np.array_equal(np.concatenate([np.empty(0, bool), *masks]), stream.valid)


@given(st.lists(st.tuples(st.floats(0.0, 1e9), texts), max_size=12))
def test_every_character_of_a_text_comes_back(rows: list[tuple[float, str]]) -> None:
    times, words = [time for time, _ in rows], [word for _, word in rows]
    info = StreamInfo("volo-notes", "notes", 0.0, (Channel("notes", ChannelKind.AUX, ""),), "string")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xdf"
        with XdfRecorder(path) as recorder:
            recorder.add_stream(info)
            recorder.write_rows("volo-notes", times, words)
        stamps, read = Recording.open(path).rows("volo-notes")
        other = pyxdf_streams(path)["volo-notes"]
        assert verify(path).complete
    assert stamps.tolist() == other["time_stamps"].tolist() == times
    assert read == [row[0] for row in other["time_series"]] == words


def test_a_text_of_a_megabyte_and_one_with_nul_and_newlines_come_back(tmp_path: Path) -> None:
    words = ["x" * 1_000_000, "a\0b\r\n\u2028", "🧠" * 300, ""]
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        for k, word in enumerate(words):
            recorder.write_item(Marker(float(k), word, {"text": word}))
    markers = Recording.open(tmp_path / "x.xdf").markers
    assert markers == [Marker(float(k), word, {"text": word}) for k, word in enumerate(words)]


def test_a_text_that_utf8_cannot_hold_is_refused_and_the_file_stays_whole(tmp_path: Path) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        with pytest.raises(ValueError, match="UTF-8"):
            recorder.write_item(Marker(1.0, "half \ud800"))
        recorder.write_item(Marker(2.0, "fine"))
    assert verify(tmp_path / "x.xdf").complete
    assert [marker.label for marker in Recording.open(tmp_path / "x.xdf").markers] == ["fine"]


finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(finite, finite, st.integers(0, 2**53), texts, xml_texts)
def test_items_come_back_exactly(time: float, offset_s: float, index: int, text: str, name: str) -> None:
    items = [
        Marker(time, text, {"x": offset_s, "text": [text]}, "screen"),
        Event(EventKind.GAP, text, index, time, 3, text),
        Correction(text, index, offset_s, time),
        Marker(-time, "b"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xdf"
        with XdfRecorder(path, header={"task": name}) as recorder:
            for item in items:
                recorder.write_item(item)
        recording = Recording.open(path)
        assert verify(path).complete
    assert recording.markers == [items[0], items[3]]
    assert recording.events == [items[1]]
    assert recording.corrections == [items[2]]
    assert recording.header == {"schema": "1", "task": name}
    assert recording.streams == {}


def test_what_a_stream_is_comes_back_and_is_told_to_other_readers(tmp_path: Path) -> None:
    channels = (
        Channel("Oz", ChannelKind.EEG, "uV", (0.0, -0.09, 0.04)),
        Channel("<&>", ChannelKind.EOG, "mV"),
        Channel("n\u00b0", ChannelKind.COUNTER, "count"),
    )
    info = StreamInfo("amp 1", "eeg", 256.0, channels, "int32", "board & cable")
    desc = {"gain": 24.0, "nested": {"text": "\0 \ud800 é", "list": [1, None, True]}}
    with XdfRecorder(tmp_path / "x.xdf", header={"participant": "P001"}) as recorder:
        recorder.add_stream(info, desc)
    recording = Recording.open(tmp_path / "x.xdf")
    assert recording.streams["amp 1"].info == recording.info("amp 1") == info
    assert recording.desc("amp 1") == desc
    told = pyxdf_streams(tmp_path / "x.xdf")["amp 1"]["info"]
    assert told["type"] == ["EEG"]
    assert told["nominal_srate"] == ["256.0"]
    labels = [channel["label"][0] for channel in told["desc"][0]["channels"][0]["channel"]]
    assert labels == ["Oz", "<&>", "n\u00b0"]
    assert json.loads(told["desc"][0]["volo"][0]) == desc


def test_rows_of_numbers_come_back_by_name_and_are_no_signal(tmp_path: Path) -> None:
    frames = StreamInfo("volo-frames", "frames", 0.0, (Channel("n", ChannelKind.COUNTER, "count"),) * 2, "int64")
    rows = np.array([[1, 2**62], [3, -4]])
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(frames)
        recorder.write_rows("volo-frames", [0.25, 0.5], rows)
        recorder.write_rows("volo-frames", [], rows[:0])
    recording = Recording.open(tmp_path / "x.xdf")
    times, read = recording.rows("volo-frames")
    assert times.tolist() == [0.25, 0.5]
    assert np.array_equal(read, rows)
    assert recording.streams == {}
    assert "volo-frames" in recording.stream_ids


def test_several_streams_may_begin_at_any_time(tmp_path: Path) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info_of(name="a"))
        for k in range(40):
            recorder.write_chunk(Chunk("a", 10 * k, np.full((10, 2), k, "float32"), np.arange(10) / 250 + k / 25))
            if k == 20:
                recorder.add_stream(info_of("int16", 1, 100.0, "b"))
            if k >= 20:
                recorder.write_chunk(Chunk("b", 4 * k, np.full((4, 1), k, "int16"), np.arange(4) / 100 + k / 25))
    recording = Recording.open(tmp_path / "x.xdf")
    assert recording.streams["a"].samples[:, 0].tolist() == np.repeat(np.arange(40.0), 10).tolist()
    assert recording.streams["b"].samples[:, 0].tolist() == np.repeat(np.arange(20, 40), 4).tolist()
    assert recording.streams["b"].index[0] == 80
    assert verify(tmp_path / "x.xdf").complete


def test_corrections_hold_from_their_index_on(tmp_path: Path) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info_of())
        recorder.write_item(Correction("eeg", 3, 100.0, 0.0))
        recorder.write_item(Correction("other", 0, 7.0, 0.0))
        for index in (0, 20):
            if index:
                recorder.write_item(Correction("eeg", 22, 200.0, 0.1))
            recorder.write_chunk(Chunk("eeg", index, np.zeros((5, 2), "float32"), (index + np.arange(5.0)) / 250))
    recording = Recording.open(tmp_path / "x.xdf")
    stream = recording.streams["eeg"]
    added = stream.session_times(recording.corrections) - stream.times
    assert np.allclose(added, [0, 0, 0, 100, 100, 100, 100, 200, 200, 200])
    report = verify(tmp_path / "x.xdf")
    assert report.last_time == 24 / 250 + 200.0
    assert report.gaps == 1


@pytest.mark.parametrize(
    ("chunk", "what"),
    [
        (Chunk("other", 0, np.zeros((1, 2), "float32"), np.zeros(1)), "stream_id: got 'other'"),
        (Chunk("eeg", 0, np.zeros((1, 3), "float32"), np.zeros(1)), "expected .n, 2."),
        (Chunk("eeg", 0, np.zeros((1, 2), "float64"), np.zeros(1)), "got samples of float64, expected float32"),
        (Chunk("words", 0, np.zeros((1, 1), "float64"), np.zeros(1)), "use write_rows"),
        (Chunk("volo-checks", 0, np.zeros((1, 1), "float64"), np.zeros(1)), "use write_rows"),
    ],
)
def test_a_chunk_that_does_not_fit_its_stream_is_refused(tmp_path: Path, chunk: Chunk, what: str) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info_of())
        recorder.add_stream(StreamInfo("words", "words", 0.0, (Channel("words"),), "string"))
        with pytest.raises(ValueError, match=what):
            recorder.write_chunk(chunk)
    assert verify(tmp_path / "x.xdf").complete


def test_wrong_calls_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: got 'x\.edf'"):
        XdfRecorder(tmp_path / "x.edf")
    with pytest.raises(ValueError, match="max_chunk_s"):
        XdfRecorder(tmp_path / "x.xdf", max_chunk_s=0.0)
    with pytest.raises(ValueError, match="header: got the key"):
        XdfRecorder(tmp_path / "x.xdf", header={"a b": ""})
    with pytest.raises(ValueError, match="header: got schema"):
        XdfRecorder(tmp_path / "x.xdf", header={"schema": "2"})
    with pytest.raises(ValueError, match=r"task: got the character U\+0000"):
        XdfRecorder(tmp_path / "x.xdf", header={"task": "\0"})
    assert list(tmp_path.iterdir()) == []
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info_of())
        for info in (info_of(), info_of(name="volo-markers"), info_of(n_channels=0, name="b"), info_of("string", 2)):
            with pytest.raises(ValueError, match=r"stream_id|channels"):
                recorder.add_stream(info)
        with pytest.raises(ValueError, match="times: got shape"):
            recorder.write_rows("eeg", [0.0], np.zeros((2, 2), "float32"))
        with pytest.raises(ValueError, match="add_stream it first"):
            recorder.write_rows("volo-markers", [0.0], ["x"])
    with pytest.raises(ValueError, match="after it was closed"):
        recorder.write_item(Marker(0.0, "late"))
    assert recorder.close() == recorder.close()


def test_a_foreign_stream_may_be_called_anything_that_is_not_a_name_of_ours(tmp_path: Path) -> None:
    info = StreamInfo("volo-headset", "eeg", 250.0, (Channel("Oz"),), "float32")
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info)
        recorder.write_chunk(Chunk("volo-headset", 0, np.ones((50, 1), np.float32), np.arange(50) / 250.0))
    assert list(Recording.open(tmp_path / "x.xdf").streams) == ["volo-headset"]


@pytest.mark.parametrize("offset_s", [7500.123456, -0.25, 1.0e9])
def test_other_readers_put_a_corrected_stream_on_the_clock_of_the_markers(tmp_path: Path, offset_s: float) -> None:
    times = 1000.0 - offset_s + np.arange(1000) / 250
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info_of())
        for k in range(0, 1000, 10):
            if k in (0, 500):  # told once more, and the same
                recorder.write_item(Correction("eeg", k, offset_s, 1000.0 + k / 250))
            recorder.write_chunk(Chunk("eeg", k, np.zeros((10, 2), "float32"), times[k : k + 10]))
        recorder.write_item(Marker(1001.5, "now"))
    raw = pyxdf_streams(tmp_path / "x.xdf", synchronize_clocks=False, dejitter_timestamps=False)
    synced = pyxdf_streams(tmp_path / "x.xdf")
    assert raw["eeg"]["time_stamps"].tobytes() == times.tobytes()
    assert np.abs(synced["eeg"]["time_stamps"] - (times + offset_s)).max() < 1e-6
    assert synced["volo-markers"]["time_stamps"].tolist() == [1001.5]
    recording = Recording.open(tmp_path / "x.xdf")
    assert recording.streams["eeg"].times.tobytes() == times.tobytes()
    assert [c.offset_s for c in recording.corrections] == [offset_s, offset_s]
    assert verify(tmp_path / "x.xdf").complete


def test_other_readers_follow_a_drifting_correction_to_a_step_and_do_not_run_away(tmp_path: Path) -> None:
    times = 500.0 + np.arange(30_000) / 250
    truth = 40.0 + 1e-4 * (times - 500.0)
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info_of())
        for k in range(0, 30_000, 50):
            if k % 2500 == 0:
                recorder.write_item(Correction("eeg", k, float(truth[k]), float(times[k] + truth[k])))
            recorder.write_chunk(Chunk("eeg", k, np.zeros((50, 2), "float32"), times[k : k + 50]))
    recording = Recording.open(tmp_path / "x.xdf")
    ours = recording.streams["eeg"].session_times(recording.corrections)
    theirs = pyxdf_streams(tmp_path / "x.xdf")["eeg"]["time_stamps"]
    assert np.abs(theirs - ours).max() < 1.5e-3
