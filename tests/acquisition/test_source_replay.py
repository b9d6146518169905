import numpy as np
import pytest

from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import DeviceError, FileError, Reason
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.types import Channel, Chunk, Correction, Event, EventKind, Marker, StreamInfo

RATE = 250.0
OFFSET_S = 1000.0
INFO = StreamInfo("eeg", "eeg", RATE, (Channel("Oz"), Channel("O1")))
SAMPLES = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
INDEX = np.r_[np.arange(200), np.arange(230, 530)]
STAMPS = 5.0 + INDEX / RATE


def items():
    """Two seconds with a gap of 30, a later correction, markers, an invalid stretch and events."""
    correction = Correction("eeg", 0, OFFSET_S, OFFSET_S + 5.0)
    later = Correction("eeg", 310, OFFSET_S + 0.002, OFFSET_S + 6.2)
    marks = [Marker(OFFSET_S + t, "stimulus/onset", {"trial": k}) for k, t in enumerate((4.0, 5.5, 6.1, 99.0))]
    gap = Event(EventKind.GAP, "eeg", 200, OFFSET_S + 5.8, 30, "counted")
    skip = Event(EventKind.SKIP, "eeg", 400, OFFSET_S + 6.6)
    valid = np.ones(100, bool)
    valid[20:30] = False
    yield correction
    yield marks[0]
    yield Chunk("eeg", 0, SAMPLES[:150], STAMPS[:150])
    yield marks[1]
    yield Chunk("eeg", 150, SAMPLES[150:200], STAMPS[150:200])
    yield gap
    yield Chunk("eeg", 230, SAMPLES[200:280], STAMPS[200:280])
    yield marks[2]
    yield later
    yield Chunk("eeg", 310, SAMPLES[280:380], STAMPS[280:380], valid)
    yield skip
    yield Chunk("eeg", 410, SAMPLES[380:], STAMPS[380:])
    yield marks[3]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.xdf"
    with XdfRecorder(path) as recorder:
        recorder.add_stream(INFO)
        for item in items():
            recorder.write_item(item)
    return path


def play(file, clock=None, **settings):
    """Return everything, in order."""
    source = ReplaySource(ReplaySource.Settings(str(file), **settings), clock or ManualClock())
    infos = source.open()
    got = []
    while not source.exhausted:
        got += source.read(0.1)
    assert source.read(0.1) == []
    source.close()
    source.close()
    return infos, got


def of(kind, got):
    return [item for item in got if isinstance(item, kind)]


@pytest.mark.parametrize("chunk_samples", [0, 1, 7, 1000])
@pytest.mark.parametrize("speed", [0.0, 50.0])
def test_samples_markers_and_corrections_come_back_as_recorded_however_it_is_chunked(file, chunk_samples, speed):
    infos, got = play(file, chunk_samples=chunk_samples, speed=speed)
    chunks = of(Chunk, got)
    assert infos == (INFO,)
    assert np.concatenate([c.samples for c in chunks]).tobytes() == SAMPLES.tobytes()
    assert np.array_equal(np.concatenate([c.times for c in chunks]), STAMPS)
    assert np.array_equal(np.concatenate([np.arange(c.index, c.stop) for c in chunks]), INDEX)
    valid = np.concatenate([np.ones(len(c), bool) if c.valid is None else c.valid for c in chunks])
    assert np.array_equal(np.flatnonzero(~valid), np.arange(300, 310))
    assert max(len(c) for c in chunks) <= (chunk_samples or 25)
    assert of(Marker, got) == of(Marker, items())
    assert of(Correction, got) == of(Correction, items())
    assert {e.kind for e in of(Event, got)} == {EventKind.GAP, EventKind.SKIP}


@pytest.mark.parametrize("chunk_samples", [1, 10, 64])
def test_a_marker_comes_before_the_chunk_that_reaches_it_and_an_event_before_what_it_concerns(file, chunk_samples):
    _, got = play(file, speed=0.0, chunk_samples=chunk_samples)
    offset_s, last = 0.0, 0.0
    for position, item in enumerate(got):
        if isinstance(item, Correction):
            offset_s = item.offset_s
            following = next(c for c in got[position:] if isinstance(c, Chunk))
            assert following.stop > item.index
        elif isinstance(item, Chunk):
            last = float(item.times[-1]) + OFFSET_S
        elif isinstance(item, Marker):
            assert last < item.time  # no earlier chunk reached it
            following = next((c for c in got[position:] if isinstance(c, Chunk)), None)
            assert following is None or item.time <= following.times[-1] + offset_s + 0.002
        elif item.kind is EventKind.GAP:
            assert isinstance(got[position + 1], Chunk)
            assert got[position + 1].index == item.index + item.n
        elif item.kind is EventKind.SKIP:
            reached = max(c.stop for c in got[:position] if isinstance(c, Chunk))
            assert reached < item.index  # known before the window that ends there can be decoded


def test_speed_paces_by_the_clock_alone(file):
    for speed in (1.0, 4.0):
        clock = ManualClock(50.0)
        play(file, clock, speed=speed)
        signal_s = (INDEX[-1] - 24) / RATE  # from the end of the first chunk
        marker_s = 99.0 - (5.0 + 24 / RATE)  # the last marker is much later
        assert clock.now() - 50.0 == pytest.approx(max(signal_s, marker_s) / speed, abs=0.11)


def test_nothing_comes_before_its_time(file):
    clock = ManualClock()
    source = ReplaySource(ReplaySource.Settings(str(file)), clock)
    source.open()
    n = sum(len(item) for item in source.read(0.0) if isinstance(item, Chunk))
    assert n == 25
    assert source.read(0.05) == []
    assert clock.now() == pytest.approx(0.05)
    clock.sleep(0.5)
    late = [item for item in source.read(0.0) if isinstance(item, Chunk)]
    assert 25 + sum(len(chunk) for chunk in late) == 150  # 0.55 s: five chunks are due
    source.close()


def test_a_jump_that_was_recorded_without_an_event_is_told(tmp_path):
    path = tmp_path / "jump.xdf"
    with XdfRecorder(path) as recorder:
        recorder.add_stream(INFO)
        recorder.write_chunk(Chunk("eeg", 0, SAMPLES[:100], STAMPS[:100]))
        recorder.write_chunk(Chunk("eeg", 140, SAMPLES[100:200], STAMPS[100:200] + 0.16))
    _, got = play(path, speed=0.0)
    (gap,) = of(Event, got)
    assert (gap.kind, gap.index, gap.n) == (EventKind.GAP, 100, 40)


def test_markers_that_were_lost_live_are_left_out_one_for_each_entry(tmp_path):
    path = tmp_path / "late.xdf"
    alike = [Marker(OFFSET_S + 5.5 + 1 / 3, "stimulus/onset", {"trial": k}) for k in range(2)]
    other = Marker(OFFSET_S + 5.5 + 1 / 3, "trial/start", {})
    with XdfRecorder(path) as recorder:
        recorder.add_stream(INFO)
        for item in (*alike, other):
            recorder.write_item(item)
        recorder.write_chunk(Chunk("eeg", 0, SAMPLES[:200], STAMPS[:200]))
    lost = [(alike[0].time, "stimulus/onset")]
    for entries, expected in (([], [*alike, other]), (lost, [alike[0], other]), (lost * 2, [other])):
        source = ReplaySource(ReplaySource.Settings(str(path), speed=0.0), ManualClock(), entries)
        source.open()
        got = []
        while not source.exhausted:
            got += source.read(0.1)
        source.close()
        assert of(Marker, got) == expected


@pytest.mark.parametrize("speed", [0.0, 50.0])
def test_a_marker_whose_time_is_no_number_comes_last_and_holds_nothing_up(tmp_path, speed):
    path = tmp_path / "nan.xdf"
    marks = [Marker(t, "note", {}) for t in (float("nan"), OFFSET_S + 5.1, float("inf"), OFFSET_S + 5.2)]
    with XdfRecorder(path) as recorder:
        recorder.add_stream(INFO)
        recorder.write_item(Correction("eeg", 0, OFFSET_S, OFFSET_S + 5.0))
        for marker in marks:
            recorder.write_item(marker)
        recorder.write_chunk(Chunk("eeg", 0, SAMPLES[:200], STAMPS[:200]))
    _, got = play(path, speed=speed)
    assert [str(m.time) for m in of(Marker, got)] == [str(marks[k].time) for k in (1, 3, 0, 2)]
    assert of(Chunk, got)[-1].stop == 200


def test_one_of_several_streams_must_be_chosen(tmp_path):
    path = tmp_path / "two.xdf"
    other = StreamInfo("emg", "emg", 500.0, (Channel("m1"),))
    with XdfRecorder(path) as recorder:
        for info, samples in ((INFO, SAMPLES[:50]), (other, SAMPLES[:50, :1])):
            recorder.add_stream(info)
            recorder.write_chunk(Chunk(info.stream_id, 0, samples, np.arange(50) / info.rate_hz))
    with pytest.raises(DeviceError, match="2 signal streams: eeg, emg") as caught:
        play(path)
    assert caught.value.reason is Reason.AMBIGUOUS
    with pytest.raises(DeviceError, match=r"no signal stream 'ecg'; its signal streams are: eeg, emg"):
        play(path, stream="ecg")
    infos, got = play(path, stream="emg", speed=0.0)
    assert infos == (other,)
    assert np.array_equal(np.concatenate([c.samples for c in of(Chunk, got)]), SAMPLES[:50, :1])


def test_a_missing_recording_is_a_file_error(tmp_path):
    with pytest.raises(FileError) as caught:
        play(tmp_path / "no.xdf")
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_public_recording_of_another_program_plays(volo_data):
    path = volo_data / "xdf_real" / "minimal.xdf"
    if not path.is_file():
        path = sorted((volo_data / "xdf_real").rglob("*.xdf"))[0]
    source = ReplaySource(ReplaySource.Settings(str(path), speed=0.0), ManualClock())
    (info,) = source.open()
    n = 0
    while not source.exhausted:
        n += sum(len(item) for item in source.read(0.1) if isinstance(item, Chunk))
    source.close()
    assert info.rate_hz > 0
    assert n > 0
