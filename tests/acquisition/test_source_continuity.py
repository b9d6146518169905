import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from volo_acquisition.sources.continuity import Continuity, CounterLaw, StallWatch
from volo_acquisition.types import Chunk, EventKind

RATE = 250.0


def feed(continuity, numbers, law, *, stamps=None, sizes=(7, 1, 30)):
    """Feed the samples with these true numbers in batches; return the items."""
    numbers = np.asarray(numbers)
    stamps = numbers / RATE if stamps is None else stamps
    counter = None if law is None else (numbers * law.step % law.modulus if law.modulus else numbers * law.step)
    items, a, k = [], 0, 0
    while a < len(numbers):
        b = min(a + sizes[k % len(sizes)], len(numbers))
        samples = numbers[a:b, None].astype(np.float64)
        items += continuity.place(samples, stamps[a:b], None if counter is None else counter[a:b], 0.0)
        a, k = b, k + 1
    return items


def told(items):
    """Return (kind, index, n) of the events."""
    return [(i.kind, i.index, i.n) for i in items if not isinstance(i, Chunk)]


def indices(items):
    return np.concatenate([np.arange(i.index, i.stop) for i in items if isinstance(i, Chunk)])


def values(items):
    return np.concatenate([i.samples[:, 0] for i in items if isinstance(i, Chunk)]).astype(int)


LAWS = [CounterLaw(256), CounterLaw(256, step=2), CounterLaw(2**24), CounterLaw(0)]
kept = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 900)), min_size=1, max_size=8)


@pytest.mark.parametrize("law", LAWS)
@given(kept=kept, sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_with_a_counter_every_index_is_exact_whatever_is_lost_and_however_it_is_batched(law, kept, sizes):
    numbers, at = [], 0
    for n, lost in kept:
        numbers += range(at, at + n)
        at += n + lost
    items = feed(Continuity("s", RATE, law), numbers, law, sizes=sizes)
    assert np.array_equal(indices(items), numbers)
    assert np.array_equal(values(items), numbers)
    steps = np.diff(numbers)
    expected = [(EventKind.GAP, numbers[i] + 1, steps[i] - 1) for i in np.flatnonzero(steps > 1)]
    assert [t for t in told(items) if t[0] is not EventKind.RATE] == expected


@given(at=st.integers(40, 200), back=st.integers(1, 20), n=st.integers(1, 20))
def test_repeated_packets_are_dropped_and_told(at, back, n):
    assume(n <= back)
    numbers = [*range(at), *range(at - back, at - back + n), *range(at, at + 50)]
    stamps = np.maximum.accumulate(np.asarray(numbers) / RATE)
    items = feed(Continuity("s", RATE, CounterLaw(256)), numbers, CounterLaw(256), stamps=stamps)
    assert np.array_equal(values(items), np.arange(at + 50))
    assert {t[0] for t in told(items)} == {EventKind.DUP}
    assert sum(t[2] for t in told(items)) == n


@pytest.mark.parametrize("modulus", [0, 2**24])
def test_a_restarted_counter_goes_on_without_a_false_loss(modulus):
    counter = np.r_[5000 + np.arange(100), np.arange(100)]
    continuity = Continuity("s", RATE, CounterLaw(modulus))
    stamps = np.arange(200) / RATE
    items = continuity.place(np.zeros((200, 1)), stamps, counter, 0.0)
    assert told(items) == []
    assert np.array_equal(indices(items), np.arange(200))


def test_a_restart_after_a_pause_loses_what_the_stamps_say():
    counter = np.r_[5000 + np.arange(100), np.arange(100)]
    stamps = np.r_[np.arange(100), 350 + np.arange(100)] / RATE
    items = Continuity("s", RATE, CounterLaw(2**24)).place(np.zeros((200, 1)), stamps, counter, 0.0)
    assert told(items) == [(EventKind.GAP, 100, 250)]


@given(lost=st.integers(30, 2000), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_without_a_counter_a_long_loss_is_estimated_from_the_stamps(lost, sizes):
    numbers = np.r_[np.arange(100), 100 + lost + np.arange(50)]
    items = feed(Continuity("s", RATE), numbers, None, sizes=sizes)
    gaps = [t for t in told(items) if t[0] is EventKind.GAP]
    assert gaps == [(EventKind.GAP, 100, lost)]
    assert next(i.detail for i in items if not isinstance(i, Chunk)).startswith("estimated")


@given(held_s=st.floats(0.02, 3.0), law=st.sampled_from([None, CounterLaw(256)]))
def test_a_burst_that_was_held_up_is_no_loss(held_s, law):
    """The samples queue somewhere, then come at once: late stamps, nothing missing."""
    numbers = np.arange(2000)
    due = numbers / RATE
    release = due[500] + held_s
    stamps = np.where((due >= due[500]) & (due < release), release, due)
    n_held = int(np.sum(stamps == release))
    items = feed(Continuity("s", RATE, law), numbers, law, stamps=stamps, sizes=(500, n_held, 10))
    assert np.array_equal(indices(items), numbers)
    assert [t for t in told(items) if t[0] is EventKind.GAP] == []


@given(held_s=st.floats(0.12, 1.0), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_without_a_counter_a_held_up_burst_that_is_received_in_parts_is_no_loss(held_s, sizes):
    numbers = np.arange(1000)
    due = numbers / RATE
    release = due[500] + held_s
    stamps = np.where((due >= due[500]) & (due < release), release, due)
    items = feed(Continuity("s", RATE), numbers, None, stamps=stamps, sizes=sizes)
    assert np.array_equal(indices(items), numbers)
    assert np.array_equal(values(items), numbers)
    assert told(items) == []


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), n=st.integers(1, 50))
def test_rows_after_a_loss_are_held_for_a_moment_and_given_out_on_demand(sizes, n):
    numbers = np.r_[np.arange(100), np.arange(200, 200 + n)]
    continuity = Continuity("s", RATE)
    items = feed(continuity, numbers, None, sizes=sizes)
    late = len(numbers) - len(indices(items))
    assert late <= 0.1 * RATE + 1  # those whose stamps lie within 0.1 s
    items += continuity.settle(0.0)
    assert np.array_equal(indices(items), numbers)
    assert told(items) == [(EventKind.GAP, 100, 100)]
    assert continuity.settle(0.0) == []


def test_short_stamp_jumps_without_a_counter_are_no_loss():
    stamps = np.r_[np.arange(100), 120 + np.arange(50)] / RATE
    items = Continuity("s", RATE).place(np.zeros((150, 1)), stamps, None, 0.0)
    assert told(items) == []


def test_an_undeclared_counter_is_believed_only_after_regular_steps():
    law = CounterLaw(0, declared=False)
    packets = np.repeat(np.arange(100), 4)  # counts packages of four samples: believing it would drop three of four
    stamps = np.arange(400) / RATE
    assert len(indices(Continuity("s", RATE, law).place(np.zeros((400, 1)), stamps, packets, 0.0))) == 400
    continuity = Continuity("s", RATE, law)
    numbers = np.r_[np.arange(100), np.arange(110, 160)]
    items = feed(continuity, numbers, CounterLaw(0), sizes=(100, 50))
    assert told(items) == [(EventKind.GAP, 100, 10)]


def test_a_wrongly_declared_rate_is_told_once():
    n = 60 * 240
    items = feed(Continuity("s", 500.0), np.arange(n), None, stamps=np.arange(n) / 240.0, sizes=(24,))
    rates = [i for i in items if not isinstance(i, Chunk) and i.kind is EventKind.RATE]
    assert len(rates) == 1
    assert "declared 500 Hz, measured 240" in rates[0].detail
    right = feed(Continuity("s", 240.0), np.arange(n), None, stamps=np.arange(n) / 240.0, sizes=(24,))
    assert told(right) == []


def test_counters_that_are_not_numbers_lose_nothing():
    continuity = Continuity("s", RATE, CounterLaw(256))
    numbers = np.arange(90.0)
    counter = numbers.copy()
    counter[30:40] = np.nan
    items = []
    for a in range(0, 90, 10):
        items += continuity.place(np.zeros((10, 1)), numbers[a : a + 10] / RATE, counter[a : a + 10], 0.0)
    assert told(items) == []
    assert np.array_equal(indices(items), np.arange(90))


def test_chunks_are_copies_and_an_empty_batch_is_legal():
    continuity = Continuity("s", RATE, CounterLaw(256))
    assert continuity.place(np.zeros((0, 2)), np.zeros(0), np.zeros(0), 0.0) == []
    samples = np.ones((3, 2))
    (chunk,) = continuity.place(samples, np.arange(3) / RATE, np.arange(3), 0.0)
    samples[:] = 7.0
    assert (chunk.samples == 1.0).all()


def test_a_step_that_does_not_divide_the_modulus_is_refused():
    with pytest.raises(ValueError, match="step 3"):
        CounterLaw(256, step=3)


def test_silence_is_told_once_and_so_is_its_end():
    watch = StallWatch("s", 0.0)
    assert watch.arrived(0.04, 10) == []
    assert watch.silent(0.3, 10) == []
    (stall,) = watch.silent(0.7, 10)
    assert (stall.kind, stall.index) == (EventKind.STALL, 10)
    assert watch.silent(5.0, 10) == []
    (resume,) = watch.arrived(6.0, 10)
    assert resume.kind is EventKind.RESUME
    assert watch.silent(6.4, 20) == []
