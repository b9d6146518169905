"""The real BrainFlow library: its synthetic board, and a recording of it played back."""

import numpy as np
import pytest
from brainflow.board_shim import BoardIds, BoardShim, BrainFlowError, BrainFlowInputParams

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.brainflow import BrainFlowSource, board_names
from volo_acquisition.sources.brainflow_rows import COUNTER_LAWS, board_rows
from volo_acquisition.types import ChannelKind, Chunk, Correction, Event, EventKind, Marker

PATIENCE_S = 30.0
SETTINGS = BrainFlowSource.Settings


def read_until(source, enough):
    clock, items = SessionClock(), []
    give_up = clock.now() + PATIENCE_S
    while not enough(items):
        assert clock.now() < give_up, f"not enough after {PATIENCE_S} s: {items}"
        items += source.read(0.1)
    return items


def chunks(items):
    return [item for item in items if isinstance(item, Chunk)]


def n_samples(items):
    return sum(len(chunk) for chunk in chunks(items))


def test_the_synthetic_board_sends_every_sample_once():
    clock = SessionClock()
    source = BrainFlowSource(SETTINGS(board="synthetic"), clock)
    try:
        (info,) = source.open()
        items = read_until(source, lambda items: n_samples(items) >= 400)
        source._shim.insert_marker(7.0)
        items += read_until(source, lambda items: any(isinstance(item, Marker) for item in items))
        now = clock.now()
    finally:
        source.close()
    got = chunks(items)
    samples = np.concatenate([c.samples for c in got])
    counter = samples[:, info.channel_names.index("counter")]
    assert np.array_equal(np.diff(counter) % 256, np.ones(len(counter) - 1))
    assert np.array_equal(np.concatenate([np.arange(c.index, c.stop) for c in got]), np.arange(len(samples)))
    assert [
        item.kind for item in items if isinstance(item, Event) and item.kind in (EventKind.GAP, EventKind.DUP)
    ] == []
    assert samples.dtype == np.float64
    assert (info.rate_hz, info.dtype, info.kind) == (250.0, "float64", "eeg")
    assert [c.name for c in info.channels if c.kind is ChannelKind.EEG][:3] == ["Fz", "C3", "Cz"]
    assert isinstance(items[0], Correction)
    assert items[0].index == 0
    times = got[-1].times + next(i for i in reversed(items) if isinstance(i, Correction)).offset_s
    assert 0.0 <= now - times[-1] < PATIENCE_S
    (marker,) = (item for item in items if isinstance(item, Marker))
    assert (marker.label, marker.payload, marker.origin) == ("device/7", {"value": 7.0}, "device")


def test_a_recording_of_the_file_streamer_is_played_back_to_its_end(tmp_path):
    file = tmp_path / "board.csv"
    BoardShim.disable_board_logger()
    board = BoardShim(BoardIds.SYNTHETIC_BOARD.value, BrainFlowInputParams())
    board.prepare_session()
    try:
        board.add_streamer(f"file://{file}:w")
        board.start_stream()
        clock, live = SessionClock(), []
        give_up = clock.now() + PATIENCE_S
        while sum(part.shape[1] for part in live) < 150:
            assert clock.now() < give_up
            clock.sleep(0.02)
            live.append(board.get_board_data())
        board.stop_stream()
    finally:
        board.release_session()
    with file.open("a", encoding="ascii") as torn:
        torn.write("1.0\t2.0")
    n_recorded = sum(line.count("\t") == 31 for line in file.read_text(encoding="ascii").splitlines())
    source = BrainFlowSource(SETTINGS("PLAYBACK_FILE", file=str(file), master_board="SYNTHETIC_BOARD"), SessionClock())
    try:
        (info,) = source.open()
        items = read_until(source, lambda _: source.exhausted)
        assert source.read(0.0) == []
    finally:
        source.close()
    assert info.n_channels == 30
    assert n_samples(items) == n_recorded >= 150
    expected = np.concatenate(live, axis=1)[list(source._layout.rows)].T
    got = np.concatenate([c.samples for c in chunks(items)])
    n = min(len(expected), len(got))
    assert np.allclose(got[:n], expected[:n], atol=1e-6)  # BrainFlow writes six decimals


def test_an_unknown_board_is_told_with_near_names():
    with pytest.raises(DeviceError, match="knows no board 'sintetic'") as caught:
        BrainFlowSource(SETTINGS("sintetic"), SessionClock()).open()
    assert caught.value.reason is Reason.NOT_FOUND
    assert "SYNTHETIC_BOARD" in caught.value.hint


@pytest.mark.parametrize("name", ["cyton", "CYTON_BOARD", "Cyton-Board", " cyton board "])
def test_a_board_is_found_by_its_name_in_any_case_and_an_absent_one_comes_with_a_hint(name):
    source = BrainFlowSource(SETTINGS(name, serial_port="no-such-port"), SessionClock())
    with pytest.raises(DeviceError, match="CYTON_BOARD: UNABLE_TO_OPEN_PORT") as caught:
        source.open()
    assert caught.value.reason is Reason.DRIVER
    assert "serial_port" in caught.value.hint
    source.close()


def test_the_playback_board_needs_its_file_and_its_board(tmp_path):
    clock = SessionClock()
    with pytest.raises(DeviceError, match="master_board is empty"):
        BrainFlowSource(SETTINGS("PLAYBACK_FILE", file="a.csv"), clock).open()
    missing = SETTINGS("PLAYBACK_FILE", file=str(tmp_path / "no.csv"), master_board="synthetic")
    with pytest.raises(DeviceError, match=r"'no.csv' cannot be read"):
        BrainFlowSource(missing, clock).open()
    file = tmp_path / "other.csv"
    file.write_text("1\t2\t3\n", encoding="ascii")
    with pytest.raises(DeviceError, match="has 3 columns, expected are 32") as caught:
        BrainFlowSource(SETTINGS("PLAYBACK_FILE", file=str(file), master_board="synthetic"), clock).open()
    assert caught.value.reason is Reason.WRONG_CHANNELS


def test_the_same_board_twice_is_refused_and_the_first_goes_on():
    clock = SessionClock()
    first = BrainFlowSource(SETTINGS(), clock)
    try:
        first.open()
        with pytest.raises(DeviceError, match="in use by another source"):
            BrainFlowSource(SETTINGS(), clock).open()
        first.read(0.0)
        read_until(first, lambda items: n_samples(items) >= 10)
    finally:
        first.close()
    again = BrainFlowSource(SETTINGS(), clock)
    again.open()
    again.close()


def test_every_board_of_the_library_has_a_layout():
    layouts = []
    for name in board_names():
        if name in ("PLAYBACK_FILE_BOARD", "STREAMING_BOARD"):
            continue
        try:
            description = BoardShim.get_board_descr(BoardIds[name].value)
        except BrainFlowError:
            continue
        layout = board_rows(name, description)
        layouts.append(layout)
        names = layout.info.channel_names
        assert len(set(names)) == len(names)
        assert sorted({*layout.rows, layout.stamp_row, layout.marker_row}) == list(range(layout.n_rows))
        if name in COUNTER_LAWS:
            assert layout.counter_row >= 0
    assert len(layouts) > 40


def test_reading_a_source_that_is_not_open_is_a_wrong_call():
    source = BrainFlowSource(SETTINGS(), SessionClock())
    with pytest.raises(ValueError, match="not open"):
        source.read(0.0)
    source.close()
