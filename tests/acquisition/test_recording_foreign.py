"""Other programs' XDF files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.recording.indexing import correct, corrections_from_offsets
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Channel, ChannelKind

FILES = (
    "xdf_modules_example_files/minimal.xdf",
    "xdf_modules_example_files/clock_resets.xdf",
    "xdf_modules_example_files/empty_streams.xdf",
    "xdf_modules_example_files/twochannel_string_marker.xdf",
    "bci_essentials/ssvep_example.xdf",
    "bci_essentials/switch_example.xdf",
    "bci_essentials/sub-P001_ses-S001_task-MISwitch_run-002_eeg.xdf",
    "bci_essentials/sub-P001_ses-S001_task-P300Checkboard_run-001_eeg.xdf",
)


@pytest.mark.parametrize("name", FILES)
def test_labrecorder_files_read_as_pyxdf_reads_them(volo_data: Path, name: str) -> None:
    path = volo_data / "xdf_real" / name
    recording = Recording.open(path)
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    assert not recording.own
    assert recording.problems == ()
    assert set(recording.stream_ids) == {stream["info"]["name"][0] for stream in streams}
    n_rows = 0
    for stream in streams:
        times, rows = recording.rows(stream["info"]["name"][0])
        assert times.tobytes() == stream["time_stamps"].tobytes()
        if stream["info"]["channel_format"] == ["string"]:
            n_rows += len(times)
            expected = [row[0] if len(row) == 1 else json.dumps(row) for row in stream["time_series"]]
            assert rows == expected
        else:
            assert np.array_equal(rows, stream["time_series"])
    assert len(recording.markers) == n_rows
    assert {marker.origin for marker in recording.markers} <= {"external"}
    assert verify(path).ok


@pytest.mark.parametrize("name", [name for name in FILES if "twochannel" not in name])
def test_clock_offsets_put_all_streams_on_one_clock_as_pyxdf_does(volo_data: Path, name: str) -> None:
    tolerance_s = 1e-3 if "resets" in name else 1e-4  # pyxdf fits a line through offsets that scatter by 0.5 ms there
    path = volo_data / "xdf_real" / name
    recording = Recording.open(path)
    streams, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
    for stream in streams:
        if stream["info"]["name"][0] in recording.streams:
            times = recording.streams[stream["info"]["name"][0]].session_times(recording.corrections)
            assert np.allclose(times, stream["time_stamps"], rtol=0.0, atol=tolerance_s)
    marker_times = [t for s in streams if s["info"]["channel_format"] == ["string"] for t in s["time_stamps"]]
    assert np.allclose([marker.time for marker in recording.markers], sorted(marker_times), rtol=0.0, atol=tolerance_s)


@given(st.floats(-1e5, 1e5), st.floats(-2e-4, 2e-4))
def test_a_drifting_clock_is_followed_to_half_a_millisecond(offset_s: float, drift: float) -> None:
    times = np.arange(0.0, 120.0, 0.01)
    measured = np.arange(0.0, 120.0, 5.0)
    corrections = corrections_from_offsets("a", times, [(t, offset_s + drift * t) for t in measured.tolist()])
    index = np.arange(len(times), dtype=np.int64)
    error = correct(index, times, corrections) - (times + offset_s + drift * times)
    assert np.abs(error[times < 115.0]).max() <= 1e-3 / 2 + 2.5 * abs(drift) + 1e-9


def chunk(tag: int, content: bytes) -> bytes:
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


def stream_header(number: int, **fields: str) -> bytes:
    body = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
    return chunk(2, struct.pack("<I", number) + f'<?xml version="1.0"?><info>{body}</info>'.encode())


FILE_HEADER = chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')


def test_elided_stamps_are_deduced_from_the_last_and_the_rate(tmp_path: Path) -> None:
    head = stream_header(7, name="amp", type="EEG", channel_count="1", channel_format="int16", nominal_srate="10")
    rows = [(5.0, 1), (None, 2), (None, 3), (6.0, 4), (None, 5)]
    records = b"".join(
        (b"\0" if time is None else b"\x08" + struct.pack("<d", time)) + struct.pack("<h", value)
        for time, value in rows
    )
    data = chunk(3, struct.pack("<IBB", 7, 1, 5) + records) + chunk(3, struct.pack("<IBB", 7, 1, 1) + b"\0\6\0")
    (tmp_path / "x.xdf").write_bytes(b"XDF:" + FILE_HEADER + head + data)
    stream = Recording.open(tmp_path / "x.xdf").streams["amp"]
    assert stream.times.tolist() == pytest.approx([5.0, 5.1, 5.2, 6.0, 6.1, 6.2])
    assert stream.samples[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert stream.index.tolist() == list(range(6))
    assert stream.info.channels == (Channel("ch1", ChannelKind.EEG, "uV"),)


def test_streams_of_one_name_are_told_apart(tmp_path: Path) -> None:
    fields = {"name": "m", "type": "Markers", "channel_count": "1", "channel_format": "string", "nominal_srate": "0"}
    heads = stream_header(1, **fields) + stream_header(2, **fields)
    rows = [chunk(3, struct.pack("<IBBBd", n, 1, 1, 8, 10.0 - n) + b"\x01\x01" + b"ab"[n - 1 : n]) for n in (1, 2)]
    (tmp_path / "x.xdf").write_bytes(b"XDF:" + FILE_HEADER + heads + b"".join(rows))
    recording = Recording.open(tmp_path / "x.xdf")
    assert recording.rows("m")[1] == ["a"]
    assert recording.rows("m-2")[1] == ["b"]
    assert [(marker.time, marker.label) for marker in recording.markers] == [(8.0, "b"), (9.0, "a")]


def test_channels_described_in_the_field_s_way_are_understood(tmp_path: Path) -> None:
    channels = "".join(
        f"<channel><label>{label}</label><type>{kind}</type><unit>{unit}</unit></channel>"
        for label, kind, unit in (("Oz", "EEG", "microvolts"), ("T", "Trigger", "none"), ("H", "EOG", "mV"))
    )
    head = stream_header(
        1,
        name="amp",
        type="EEG",
        channel_count="3",
        channel_format="float32",
        nominal_srate="500.0000",
        desc=f"<channels>{channels}</channels>",
    )
    (tmp_path / "x.xdf").write_bytes(b"XDF:" + FILE_HEADER + head)
    info = Recording.open(tmp_path / "x.xdf").streams["amp"].info
    assert info.channels == (
        Channel("Oz", ChannelKind.EEG, "uV"),
        Channel("T", ChannelKind.AUX, "none"),
        Channel("H", ChannelKind.EOG, "mV"),
    )
    assert (info.rate_hz, info.kind) == (500.0, "eeg")


@pytest.mark.parametrize("text", ["[" * 50_000, '{"label": ' + "9" * 5000 + "}"], ids=["nested", "digits"])
def test_hostile_markers_are_texts(tmp_path: Path, text: str) -> None:
    head = stream_header(1, name="m", type="Markers", channel_count="1", channel_format="string", nominal_srate="0")
    row = chunk(3, struct.pack("<IBBBd", 1, 1, 1, 8, 1.0) + struct.pack("<BI", 4, len(text)) + text.encode())
    (tmp_path / "x.xdf").write_bytes(b"XDF:" + FILE_HEADER + head + row)
    assert [marker.label for marker in Recording.open(tmp_path / "x.xdf").markers] == [text]
