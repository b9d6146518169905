"""Real LSL over loopback: the outlets are in this process or in a spawned one, the names are unique to each test."""

import multiprocessing
import uuid
from contextlib import contextmanager

import numpy as np
import pylsl
import pytest

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources import lsl_link
from volo_acquisition.sources.foreign_clock import lsl_offset_s, unix_offset_s
from volo_acquisition.sources.listing import list_devices
from volo_acquisition.sources.lsl import LslSource
from volo_acquisition.sources.lsl_describe import describe
from volo_acquisition.types import Channel, ChannelKind, Chunk, Correction, Event, EventKind, Marker, StreamInfo
from volo_app.outputs.lsl import ChunkOutlet, MarkerOutlet

PATIENCE_S = 30.0
SETTINGS = LslSource.Settings


def unique():
    return f"test-{uuid.uuid4().hex}"


class MovedClock(SessionClock):
    """A session clock that can be made to jump."""

    moved_s = 0.0

    def now(self):
        return super().now() + self.moved_s


def read_until(source, enough):
    """Read until `enough(items)`; fail after a while."""
    clock, items = SessionClock(), []
    give_up = clock.now() + PATIENCE_S
    while not enough(items):
        assert clock.now() < give_up, f"not enough after {PATIENCE_S} s: {items}"
        items += source.read(0.1)
    return items


def chunks(items):
    return [item for item in items if isinstance(item, Chunk)]


def events(items, kind):
    return [item for item in items if isinstance(item, Event) and item.kind is kind]


def n_samples(items):
    return sum(len(chunk) for chunk in chunks(items))


def stream(dtype="float32", name="", names=("Oz", "O1"), rate_hz=250.0):
    return StreamInfo(name or unique(), "eeg", rate_hz, tuple(Channel(n) for n in names), dtype)


def chunk(info, index, samples, end):
    """A chunk whose last sample is at the session time `end`."""
    times = end - np.arange(len(samples))[::-1] / info.rate_hz
    return Chunk(info.stream_id, index, samples, times)


@contextmanager
def opened(outlet, clock=None, **settings):
    """Put an outlet on the network, open a source that listens to it, and close both in the right order."""
    source = LslSource(
        SETTINGS(source_id=outlet.source_id, resolve_timeout_s=20.0, **settings), clock or SessionClock()
    )
    with outlet:
        try:
            infos = source.open()
            assert outlet.wait_for_consumers(PATIENCE_S)
            yield source, infos[0]
        finally:
            source.close()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int32"])
def test_samples_arrive_exact_to_the_bit_in_their_own_format(dtype):
    rng = np.random.default_rng(1)
    if dtype.startswith("float"):
        samples = rng.standard_normal((200, 2)).astype(dtype)
        samples[10:14, 0] = np.nan, np.inf, -np.inf, np.finfo(dtype).tiny
    else:
        limits = np.iinfo(dtype)
        samples = rng.integers(limits.min, limits.max, (200, 2), dtype, endpoint=True)
    info = stream(dtype)
    outlet = ChunkOutlet(info)
    with opened(outlet) as (source, got):
        assert (got.dtype, got.rate_hz, got.stream_id, got.kind) == (dtype, 250.0, info.stream_id, "eeg")
        assert got.channels == outlet.channels
        now = SessionClock().now()
        for a in range(0, 200, 40):
            outlet.push(chunk(info, a, samples[a : a + 40], now + a / 250.0))
        items = read_until(source, lambda items: n_samples(items) >= 200)
    assert np.concatenate([c.samples[:, :2] for c in chunks(items)]).tobytes() == samples.tobytes()
    assert [i.index for i in items if isinstance(i, Correction)] == [0]
    assert isinstance(items[0], Correction)
    assert [(c.index, c.stop) for c in chunks(items)][-1][1] == 200
    assert events(items, EventKind.GAP) == []


def test_a_lost_stretch_is_counted_exactly_and_stamps_map_back_to_the_session():
    info, clock = stream(), SessionClock()
    samples = np.arange(400, dtype=np.float32).reshape(200, 2)
    outlet = ChunkOutlet(info, clock)
    with opened(outlet, clock) as (source, _):
        now = clock.now()
        sent = [chunk(info, 0, samples[:50], now), chunk(info, 57, samples[57:120], now + 0.28)]
        sent += [chunk(info, 121, samples[121:], now + 0.6)]
        for part in sent:
            outlet.push(part)
        items = read_until(source, lambda items: n_samples(items) >= 192)
    gaps = events(items, EventKind.GAP)
    assert [(gap.index, gap.n, gap.detail) for gap in gaps] == [(50, 7, "counted"), (120, 1, "counted")]
    for gap in gaps:
        after = items[items.index(gap) + 1]
        assert isinstance(after, Chunk)
        assert after.index == gap.index + gap.n
    offset_s = next(item.offset_s for item in items if isinstance(item, Correction))
    times = np.concatenate([c.times for c in chunks(items)]) + offset_s
    assert np.allclose(times, np.concatenate([part.times for part in sent]), atol=1e-3, rtol=0)


def test_markers_arrive_on_the_session_clock_before_the_samples_they_belong_to():
    info, clock, name = stream(), SessionClock(), unique()
    outlet, markers = ChunkOutlet(info, clock), MarkerOutlet(name, clock)
    with markers, opened(outlet, clock, marker_name=name) as (source, _):
        assert markers.wait_for_consumers(PATIENCE_S)
        now = clock.now()
        markers.push(Marker(now - 0.1, "stimulus/onset", {"trial": 3, "target": "A"}, "screen"))
        markers._outlet.push_sample(["not JSON"], pylsl.local_clock())
        got = read_until(source, lambda items: sum(isinstance(item, Marker) for item in items) >= 2)
        outlet.push(chunk(info, 0, np.zeros((50, 2), np.float32), now))
        read_until(source, lambda items: n_samples(items) >= 50)
    first, second = (item for item in got if isinstance(item, Marker))
    assert (first.label, first.origin) == ("stimulus/onset", "screen")
    assert first.time == pytest.approx(now - 0.1, abs=1e-3)
    assert set(first.payload) == {"trial", "target", "source_time"}
    assert first.time - first.payload["source_time"] == pytest.approx(lsl_offset_s(clock), abs=1e-3)
    assert (second.label, second.origin) == ("not JSON", "external")


def test_an_absent_stream_is_told_with_those_that_are_visible():
    outlet = ChunkOutlet(stream())
    with (
        outlet,
        pytest.raises(DeviceError, match="absent stream: no LSL stream with name 'no such' within 1 s") as caught,
    ):
        LslSource(SETTINGS(name="no such", resolve_timeout_s=1.0), SessionClock()).open()
    assert caught.value.reason is Reason.NOT_FOUND
    assert "start the sending program" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_the_visible_streams_are_in_the_error_and_in_the_list_of_devices():
    outlet = ChunkOutlet(stream())
    source = LslSource(SETTINGS(name=outlet.info.stream_id, type="NotThis", resolve_timeout_s=1.0), SessionClock())
    with outlet:
        lsl_link.find_streams([lambda info: info.source_id() == outlet.source_id], 20.0)
        with pytest.raises(DeviceError) as caught:
            source.open()
        specs = [row.spec for row in list_devices(lsl_wait_s=3.0)]
    source.close()
    assert outlet.source_id in caught.value.message
    assert f"lsl:source_id={outlet.source_id}" in specs


def test_two_streams_that_match_are_ambiguous_and_both_are_named():
    name = unique()
    first, second = ChunkOutlet(stream(name=name)), ChunkOutlet(stream(name=name))
    source = LslSource(SETTINGS(name=name), SessionClock())
    with first, second:
        for outlet in (first, second):
            lsl_link.find_streams([lambda info, sid=outlet.source_id: info.source_id() == sid], 20.0)
        with pytest.raises(DeviceError) as caught:
            source.open()
    assert caught.value.reason is Reason.AMBIGUOUS
    assert first.source_id in caught.value.message
    assert second.source_id in caught.value.message
    assert pylsl.StreamInfo("x", source_id="x").hostname() in caught.value.message


def test_a_stream_of_another_rate_is_refused():
    with pytest.raises(DeviceError, match="declares 250 Hz, expected are 500 Hz") as caught:  # noqa: SIM117
        with opened(ChunkOutlet(stream()), expected_rate_hz=500.0):
            pass
    assert caught.value.reason is Reason.WRONG_RATE


def test_stamps_of_an_unknown_clock_are_anchored_at_their_arrival_and_told():
    info, clock = stream(), SessionClock()
    outlet = ChunkOutlet(info, clock)
    with opened(outlet, clock) as (source, _):
        outlet.push(chunk(info, 0, np.zeros((50, 2), np.float32), clock.now() - 1e6))
        items = read_until(source, lambda items: n_samples(items) >= 50)
        now = clock.now()
    assert len(events(items, EventKind.CLOCKJUMP)) == 1
    correction = next(item for item in items if isinstance(item, Correction))
    assert 0.0 <= now - (chunks(items)[-1].times[-1] + correction.offset_s) < PATIENCE_S


def test_a_jump_of_the_session_clock_is_told_once_and_the_correction_stays():
    info, clock = stream(), MovedClock()
    outlet = ChunkOutlet(info, SessionClock())
    with opened(outlet, clock) as (source, _):
        outlet.push(chunk(info, 0, np.zeros((10, 2), np.float32), SessionClock().now()))
        before = read_until(source, lambda items: n_samples(items) >= 10)
        clock.moved_s = 2.0
        items = read_until(source, lambda items: events(items, EventKind.CLOCKJUMP))
        source._checked_at = -np.inf  # check again at once
        outlet.push(chunk(info, 10, np.zeros((10, 2), np.float32), SessionClock().now()))
        items += read_until(source, lambda items: n_samples(items) >= 10)
    assert len([item for item in before if isinstance(item, Correction)]) == 1
    (jump,) = events(items, EventKind.CLOCKJUMP)
    assert "+2000.0" in jump.detail
    assert [item for item in items if isinstance(item, Correction)] == []


def test_the_clock_of_another_machine_is_followed_by_new_corrections(monkeypatch):
    monkeypatch.setattr(lsl_link.LslLink, "is_local", property(lambda _: False))
    info, clock = stream(), MovedClock()
    outlet = ChunkOutlet(info, SessionClock())
    with opened(outlet, clock) as (source, _):
        outlet.push(chunk(info, 0, np.zeros((10, 2), np.float32), SessionClock().now()))
        items = read_until(source, lambda items: n_samples(items) >= 10)
        clock.moved_s = 2.0
        items += read_until(source, lambda items: any(isinstance(item, Correction) for item in items))
    first, second = (item for item in items if isinstance(item, Correction))
    assert (first.index, second.index) == (0, 10)
    assert second.offset_s - first.offset_s == pytest.approx(2.0, abs=0.1)


def test_silence_is_told():
    with opened(ChunkOutlet(stream())) as (source, _):
        items = read_until(source, lambda items: events(items, EventKind.STALL))
        assert source.read(0.0) == []
    assert not source.exhausted
    assert chunks(items) == []


def test_reading_a_source_that_is_not_open_is_a_wrong_call():
    source = LslSource(SETTINGS(), SessionClock())
    with pytest.raises(ValueError, match="not open"):
        source.read(0.0)
    source.close()


def _stream_forever(name, rate_hz, life):
    """Publish numbered samples at their times until the life pipe closes; runs in a process of its own."""
    info = StreamInfo(name, "eeg", rate_hz, (Channel("Oz"),))
    clock = SessionClock()
    with ChunkOutlet(info, clock, source_id=name) as outlet:
        first, n_sent = clock.now(), 0
        life.send("started")
        while not life.poll(0.02):
            n_due = int((clock.now() - first) * rate_hz)
            if n_due > n_sent:
                numbers = np.arange(n_sent, n_due)
                samples = numbers[:, None].astype(np.float32)
                outlet.push(Chunk(name, n_sent, samples, first + numbers / rate_hz))
                n_sent = n_due


@contextmanager
def streaming(name, rate_hz):
    """Run an outlet in a spawned process; yield the process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_stream_forever, args=(name, rate_hz, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        assert ours.poll(PATIENCE_S)
        yield process
    finally:
        ours.close()
        process.join(PATIENCE_S)
        process.kill()
        process.join(PATIENCE_S)


def test_a_stream_of_another_process_is_lost_found_again_and_refused_at_another_rate():
    name = unique()
    source = LslSource(SETTINGS(source_id=name, resolve_timeout_s=20.0), SessionClock())
    try:
        with streaming(name, 250.0) as process:
            source.open()
            first = read_until(source, lambda items: n_samples(items) >= 100)
            process.kill()
            lost = read_until(source, lambda items: any("gone" in e.detail for e in events(items, EventKind.STALL)))
        numbers = np.concatenate([c.samples[:, 0] for c in chunks(first + lost)])
        assert np.array_equal(np.diff(numbers), np.ones(len(numbers) - 1))
        assert events(first + lost, EventKind.GAP) == []
        stop_index = chunks(first + lost)[-1].stop
        with streaming(name, 250.0):
            again = read_until(source, lambda items: n_samples(items) >= 50)
        assert len(events(again, EventKind.RESUME)) == 1
        (gap,) = events(again, EventKind.GAP)
        assert gap.index == stop_index
        assert gap.n > 25  # a process takes longer than 0.1 s to start
        assert chunks(again)[0].index == stop_index + gap.n
        assert [item.index for item in again if isinstance(item, Correction)] == [stop_index]
        read_until(source, lambda items: any("gone" in e.detail for e in events(items, EventKind.STALL)))
        with streaming(name, 500.0), pytest.raises(DeviceError, match="another rate: it was 250 Hz") as caught:
            read_until(source, lambda _: False)
        assert caught.value.reason is Reason.WRONG_RATE
    finally:
        source.close()


def test_a_stream_that_does_not_come_back_is_gone_for_good():
    outlet = ChunkOutlet(stream())
    with opened(outlet, reconnect_s=1.0) as (source, _):
        outlet.close()
        with pytest.raises(DeviceError, match="is gone since 1 s") as caught:
            read_until(source, lambda _: False)
    assert caught.value.reason is Reason.NO_DATA


def _declared(names=(), types=(), units=(), modulus="", **kwargs):
    info = pylsl.StreamInfo(unique(), kwargs.get("type", "EEG"), kwargs.get("n", 3), 250.0, "float32", "sid")
    elements = info.desc().append_child("channels")
    for i, name in enumerate(names):
        element = elements.append_child("channel")
        element.append_child_value("label", name)
        for key, values in (("type", types), ("unit", units)):
            if i < len(values):
                element.append_child_value(key, values[i])
    if modulus:
        info.desc().append_child_value("counter_modulus", modulus)
    return info


def test_declared_names_kinds_and_units_are_read():
    units = ("microvolts", "mV", "V")
    got = describe(_declared(("Oz", "HEOG", "PPG"), ("EEG", "EOG", "optical"), units)).info.channels
    assert [c.name for c in got] == ["Oz", "HEOG", "PPG"]
    assert [c.kind for c in got] == [ChannelKind.EEG, ChannelKind.EOG, ChannelKind.AUX]
    assert [c.unit for c in got] == ["uV", "mV", "V"]


def test_what_is_not_declared_is_not_invented():
    channels = describe(_declared()).info.channels
    assert [(c.name, c.kind, c.unit) for c in channels] == [(f"ch{i}", ChannelKind.EEG, "unknown") for i in (1, 2, 3)]
    named = describe(_declared(), ("Fz", "Cz", "Pz")).info
    assert named.channel_names == ("Fz", "Cz", "Pz")
    with pytest.raises(DeviceError, match="has 3 channels, 2 names were given"):
        describe(_declared(), ("Fz", "Cz"))


def test_a_counter_channel_is_known_by_its_name_and_its_modulus_by_declaration():
    described = describe(_declared(("Oz", "O1", "Counter"), modulus="256"))
    assert described.counter_column == 2
    assert described.law is not None
    assert (described.law.modulus, described.law.declared) == (256, True)
    undeclared = describe(_declared(("Oz", "O1", "counter"))).law
    assert undeclared is not None
    assert not undeclared.declared
    assert describe(_declared(("Oz", "O1", "O2"))).law is None


def test_a_stream_of_texts_is_no_signal():
    with pytest.raises(DeviceError, match="carries texts"):
        describe(pylsl.StreamInfo("m", "Markers", 1, 0.0, "string", "m"))


def test_foreign_clocks_are_read_against_the_session_clock():
    clock = MovedClock()
    for offset_s in (lsl_offset_s, unix_offset_s):
        before = offset_s(clock)
        clock.moved_s += 5.0
        assert offset_s(clock) - before == pytest.approx(5.0, abs=0.1)
