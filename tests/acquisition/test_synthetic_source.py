"""The simulated amplifier: the source contract, scripted faults counted to the sample, pacing, and what it imports."""

import multiprocessing.reduction
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import ConfigError
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.synthetic.faults import (
    Drift,
    Duplicate,
    FaultScript,
    Flat,
    Gap,
    Late,
    NaNs,
    Rail,
    RateError,
    parse_faults,
)
from volo_acquisition.types import ChannelKind, Chunk, Event, EventKind, Marker

Settings = SyntheticSource.Settings


def drain(source, clock=None, timeout_s=0.05):
    """Read a finite source to its end; returns its items with the session time of their arrival."""
    items = []
    while not source.exhausted:
        items += [(clock.now() if clock else 0.0, item) for item in source.read(timeout_s)]
    source.close()
    return items


def run(**kwargs):
    clock = ManualClock(100.0)
    source = SyntheticSource(Settings(**{"duration_s": 4.0, **kwargs}), clock)
    source.open()
    items = drain(source, clock)
    chunks = [item for _, item in items if isinstance(item, Chunk)]
    events = [item for _, item in items if isinstance(item, Event)]
    return chunks, events, items


def test_open_describes_the_stream():
    clock = ManualClock(5.0)
    source = SyntheticSource(Settings(participant=3, seed=9), clock)
    (info,) = source.open()
    assert (info.stream_id, info.kind, info.rate_hz, info.dtype) == ("synthetic", "eeg", 250.0, "float32")
    assert info.channel_names == ("Pz", "PO5", "PO3", "POz", "PO4", "PO6", "O1", "Oz", "O2", "counter")
    assert {(c.kind, c.unit) for c in info.channels[:-1]} == {(ChannelKind.EEG, "uV")}
    assert info.channels[-1].kind == ChannelKind.COUNTER
    assert "simulated participant P0003" in info.source
    source.close()


def test_chunks_follow_one_another_with_session_times_and_a_continuous_counter():
    chunks, events, items = run(chunk_samples=7)
    assert events == []
    assert [c.index for c in chunks] == list(range(0, 1000, 7))
    times = np.concatenate([c.times for c in chunks])
    assert times == pytest.approx(100.0 + np.arange(1000) / 250.0, abs=1e-9)
    counter = np.concatenate([c.samples[:, -1] for c in chunks])
    assert np.array_equal(counter, np.arange(1000))
    assert all(c.samples.dtype == np.float32 and not c.samples.flags.writeable for c in chunks)
    assert all(arrived >= chunk.times[-1] for arrived, chunk in items)


@given(
    size=st.integers(1, 400),
    faults=st.sampled_from(["", "gap at_s=0.31 duration_s=0.5; rail channel=O1 at_s=1 duration_s=2"]),
)
@settings(max_examples=20)
def test_the_chunk_size_changes_no_sample(size, faults):
    def samples(chunk_samples):
        return np.concatenate([c.samples for c in run(chunk_samples=chunk_samples, faults=faults)[0]])

    assert samples(size).tobytes() == samples(10).tobytes()


def test_read_waits_no_longer_than_its_timeout_and_returns_nothing_then():
    clock = ManualClock(1.0)
    source = SyntheticSource(Settings(chunk_samples=50), clock)
    source.open()
    assert source.read(0.05) == []
    assert clock.now() == pytest.approx(1.05)
    assert source.read(0.0) == []
    (chunk,) = source.read(10.0)
    assert len(chunk) == 50
    assert clock.now() == pytest.approx(1.0 + 49 / 250.0)
    source.close()


def test_transport_latency_delays_delivery_and_not_the_stamps():
    chunks, _, items = run(latency_s=0.025)
    assert chunks[0].times[0] == 100.0
    delays = [arrived - chunk.times[-1] for arrived, chunk in items]
    assert delays == pytest.approx([0.025] * len(delays), abs=1e-9)


def test_a_reader_that_was_away_catches_up_without_losing_a_sample():
    clock = ManualClock(0.0)
    source = SyntheticSource(Settings(), clock)
    source.open()
    source.read(1.0)
    clock.set(7.0)
    sizes, index = [], 10
    while items := source.read(0.0):
        for chunk in items:
            assert chunk.index == index
            index = chunk.stop
        sizes.append(sum(map(len, items)))
    assert index == 1750
    assert max(sizes) <= 260
    assert clock.now() == 7.0
    source.close()


def test_markers_told_to_the_source_reach_the_head():
    def record(*markers):
        source = SyntheticSource(Settings(duration_s=3.0), ManualClock(50.0))
        source.open()
        for marker in markers:
            source.tell(marker)
        return np.concatenate([c.samples for _, c in drain(source)])

    response = (
        record(
            Marker(50.2, "participant/attend", {"key": "A", "frequency_hz": 12.0, "phase_rad": 0.0}),
            Marker(50.5, "stimulus/onset", {"trial": 0}),
        )
        - record()
    )
    first = round((0.5 + 0.14) * 250)
    assert np.abs(response[:first]).max() == 0.0
    assert np.abs(response[first : first + 25]).max() > 1.0


def test_order_of_calls():
    source = SyntheticSource(Settings(), ManualClock())
    with pytest.raises(RuntimeError, match="open"):
        source.read(0.0)
    source.open()
    with pytest.raises(RuntimeError, match="open already"):
        source.open()
    assert not source.exhausted
    source.close()
    source.close()
    assert source.exhausted
    assert source.read(0.0) == []
    SyntheticSource(Settings(), ManualClock()).close()


def test_settings_can_be_sent_to_another_process():
    made = Settings(participant=2, faults=("drift ppm=5",))
    sent = multiprocessing.reduction.ForkingPickler.dumps(made)
    assert multiprocessing.reduction.ForkingPickler.loads(sent) == made


def test_one_error_lists_what_is_wrong_with_the_settings():
    with pytest.raises(ConfigError) as caught:
        SyntheticSource(Settings(chunk_samples=0, latency_s=-1.0, duration_s=0.0, stream_id=""), ManualClock())
    assert len(caught.value.problems) == 4
    for wrong in ({"participant": "nobody"}, {"channels": ("Oz", "Q1")}, {"rate_hz": 1.0}, {"seed": -1}):
        with pytest.raises(ConfigError, match="source synthetic"):
            SyntheticSource(Settings(**wrong), ManualClock())


# --------------------------------------------------------------------------------------------------------- faults


def test_a_gap_is_told_just_before_the_chunk_after_it_and_counted_exactly():
    chunks, events, items = run(faults="gap at_s=1.002 duration_s=0.3")
    first, n = 250, 75
    assert events == [Event(EventKind.GAP, "synthetic", first, 100.0 + first / 250.0, n, "samples lost")]
    position = [isinstance(item, Event) for _, item in items].index(True)
    assert items[position - 1][1].stop == first
    assert items[position + 1][1].index == first + n
    assert sum(map(len, chunks)) == 1000 - n


@given(
    gaps=st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.001, 2.0)), max_size=6), chunk_samples=st.integers(1, 300)
)
@settings(max_examples=40)
def test_every_lost_sample_is_announced_and_every_other_is_delivered_once(gaps, chunk_samples):
    chunks, events, items = run(faults=[Gap(*gap) for gap in gaps], chunk_samples=chunk_samples)
    expected = 0
    for _, item in items:
        assert item.index == expected
        expected = item.index + (item.n if isinstance(item, Event) else len(item))
    assert expected == 1000
    assert sum(map(len, chunks)) + sum(e.n for e in events) == 1000
    counter = np.concatenate([c.samples[:, -1] for c in chunks]) if chunks else np.empty(0)
    assert np.array_equal(counter, [n for c in chunks for n in range(c.index, c.stop)])
    lost = {n for at, length in gaps for n in range(round(at * 250), round(at * 250) + max(1, round(length * 250)))}
    assert len(lost & set(range(1000))) == sum(e.n for e in events)


def test_duplicates_are_dropped_and_counted():
    chunks, events, _ = run(faults="duplicate at_s=2 duration_s=0.1; duplicate at_s=3.96 duration_s=1")
    assert [(e.kind, e.index, e.n) for e in events] == [(EventKind.DUP, 500, 25), (EventKind.DUP, 990, 10)]
    assert [c.index for c in chunks] == list(range(0, 1000, 10))


def test_late_samples_arrive_together_in_order_with_true_stamps():
    _, events, items = run(faults="late at_s=1 delay_s=0.5")
    assert [(e.kind, e.index, e.n, e.time) for e in events] == [(EventKind.LATE, 250, 125, 101.0)]
    chunks = [(arrived, item) for arrived, item in items if isinstance(item, Chunk)]
    assert [c.index for _, c in chunks] == list(range(0, 1000, 10))
    for arrived, chunk in chunks:
        due = 101.5 if chunk.stop - 1 >= 250 and chunk.index < 375 else chunk.times[-1]
        assert arrived == pytest.approx(max(due, chunk.times[-1]), abs=1e-9)


def test_spoiled_values_are_spoiled_to_the_sample_and_told_to_nobody():
    chunks, events, _ = run(
        faults="nans channel=Oz at_s=1 duration_s=0.1; rail channel=O1 at_s=2 duration_s=0.5 value_uv=-187500;"
        "flat channel=Pz at_s=3 duration_s=0.2 value_uv=4"
    )
    x = np.concatenate([c.samples for c in chunks])
    clean = np.concatenate([c.samples for c in run()[0]])
    assert events == []
    assert np.flatnonzero(np.isnan(x[:, 7])).tolist() == list(range(250, 275))
    assert np.flatnonzero(x[:, 6] == -187500.0).tolist() == list(range(500, 625))
    assert np.flatnonzero(x[:, 0] == 4.0).tolist() == list(range(750, 800))
    spoiled = np.zeros(x.shape, dtype=bool)
    spoiled[250:275, 7] = spoiled[500:625, 6] = spoiled[750:800, 0] = True
    assert np.array_equal(x[~spoiled], clean[~spoiled])


@pytest.mark.parametrize(("faults", "speed"), [("rateerror ratio=1.024", 1.024), ("drift ppm=-200", 1.0 - 2e-4)])
def test_a_wrong_rate_shows_in_stamps_and_pace_and_not_in_the_nominal_rate(faults, speed):
    clock = ManualClock(0.0)
    source = SyntheticSource(Settings(faults=faults, duration_s=40.0), clock)
    (info,) = source.open()
    times = np.concatenate([c.times for _, c in drain(source)])
    assert info.rate_hz == 250.0
    assert (len(times) - 1) / times[-1] == pytest.approx(250.0 * speed, rel=1e-9)
    assert clock.now() == pytest.approx(times[-1])


def test_a_fault_script_is_read_from_text_or_list():
    text = """gap at_s=10 duration_s=0.2; Duplicate at_s=1 duration_s=0.1
    late at_s=2 delay_s=1e-1;; nans channel=Oz at_s=3 duration_s=1
    rail channel=O1 at_s=3 duration_s=1; flat channel=O2 at_s=0 duration_s=1 value_uv=2
    rateerror ratio=1.01; drift ppm=-80;"""
    expected = (
        Gap(10.0, 0.2),
        Duplicate(1.0, 0.1),
        Late(2.0, 0.1),
        NaNs("Oz", 3.0, 1.0),
        Rail("O1", 3.0, 1.0),
        Flat("O2", 0.0, 1.0, 2.0),
        RateError(1.01),
        Drift(-80.0),
    )
    assert parse_faults(text) == expected
    assert parse_faults([text.split("\n", maxsplit=1)[0], *expected[2:]]) == expected
    assert parse_faults("") == parse_faults([]) == ()
    assert FaultScript(expected[-2:], 250.0, []).speed == pytest.approx(1.01 * (1 - 8e-5))


def test_a_wrong_script_names_every_wrong_entry():
    with pytest.raises(ConfigError) as caught:
        parse_faults("hole at_s=1; gap at_s=1; gap at_s=x duration_s=1; gap at_s=1 for_s=2; drift ppm=1")
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError) as caught:
        FaultScript(
            [Gap(-1.0, 1.0), Late(0.0, 0.0), Rail("Cz", 0.0, 1.0), Drift(float("nan")), RateError(0.0), Gap(0.0, 1.0)],
            250.0,
            ["Oz"],
        )
    assert len(caught.value.problems) == 5


def test_gaps_that_touch_are_one_gap():
    script = FaultScript([Gap(1.0, 1.0), Gap(1.5, 1.0), Gap(2.5, 0.1), Gap(0.0, 0.1)], 100.0, [])
    assert script.gaps == ((0, 10), (100, 260))
    assert script.kept(0, 300) == [(10, 100), (260, 300)]
    assert script.kept(120, 200) == []


def test_the_source_needs_numpy_and_the_standard_library_only():
    code = (
        "import sys; from volo_acquisition.sources.synthetic import SyntheticSource as S;"
        "from volo_acquisition.clock import ManualClock;"
        "s = S(S.Settings(duration_s=1.0), ManualClock()); s.open(); n = len(s.read(1.0)); s.close();"
        "heavy = {'scipy', 'mne', 'sklearn', 'brainflow', 'pylsl', 'pyxdf', 'PySide6', 'torch', 'volo_decoders'};"
        "print(n, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split(maxsplit=1) == ["1", "[]\n"]


def test_a_second_run_of_the_same_settings_is_the_same_to_the_bit_and_another_seed_is_not():
    first, again, other = (run(seed=seed)[0] for seed in (1, 1, 2))
    assert all(a.samples.tobytes() == b.samples.tobytes() for a, b in zip(first, again, strict=True))
    assert not np.allclose(first[0].samples[:, :9], other[0].samples[:, :9])
    assert replace(Settings(), seed=1) != Settings()
