"""The online pipeline: chunking never matters, gaps are honest, windows lie where they should."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.types import Channel, Chunk, Correction, EventKind, Marker, StreamInfo
from volo_decoders.pipeline.blocks import Blocker
from volo_decoders.pipeline.decoding import Decoding
from volo_decoders.pipeline.online import OnlinePipeline
from volo_decoders.pipeline.stages import FilterBank, Select
from volo_decoders.pipeline.stopping import Accumulator, FixedStopping
from volo_decoders.pipeline.windower import Windower, WindowSpec
from volo_decoders.types import Decision, Prediction, Window

RATE_HZ = 250.0
INFO = StreamInfo("amp", "eeg", RATE_HZ, (Channel("Oz"), Channel("O1")), "float32")
N = 2000
SAMPLES = np.random.default_rng(1).normal(scale=10.0, size=(N, 2)).astype(np.float32)
TIMES = 100.0 + np.arange(N) / RATE_HZ
SPEC = WindowSpec((0.4, 0.8), 0.14)
MARKERS = [
    Marker(TIMES[500] + 0.0007, "stimulus/onset", {"trial": 0, "target": "A"}),
    Marker(TIMES[1200] - 0.0011, "stimulus/onset", {"trial": 1, "target": "B"}),
]


class Sums:
    """A decoder whose scores depend on every sample of the window."""

    needs_calibration = False
    phase_locked = False
    least_valid_fraction = 0.9

    def __init__(self) -> None:
        self.classes_ = np.array(["A", "B"])

    def fit(self, X: Any, y: Any) -> Self:
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        ramp = np.arange(1, X.shape[2] + 1)
        return np.stack([(X * ramp).sum(axis=(1, 2)), (X[:, ::-1] ** 2).sum(axis=(1, 2))], axis=1).astype(float)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> Self:
        return self


class Mixing:
    """A stage that multiplies matrices: its bits depend on how many samples it gets at once."""

    mergeable = False
    settle_s = 0.0

    def reset(self, info: StreamInfo, hop_samples: int = 0) -> StreamInfo:
        return info

    def push(self, chunk: Chunk) -> Chunk:
        mixed = chunk.samples.astype(np.float32) @ np.array([[0.9, -0.3], [0.2, 1.1]], np.float32)
        return Chunk(chunk.stream_id, chunk.index, mixed, chunk.times, chunk.valid)


def pipeline(mixing: bool = False) -> OnlinePipeline:
    stages = [Select(), *([Mixing()] if mixing else []), FilterBank([[6.0, 88.0], [14.0, 88.0]])]
    made = OnlinePipeline(stages, SPEC, Sums(), decoder_id="sums")
    made.reset(INFO)
    return made


def predictions(edges: list[int], *, lost: range = range(0), early: bool = True) -> list[Prediction]:
    made = pipeline()
    out: list[Prediction] = []
    waiting = list(MARKERS)
    for a, b in pairwise(edges):
        due = [m for m in waiting if early or m.time <= TIMES[b - 1]]
        waiting = [m for m in waiting if m not in due]
        for lo, hi in ((a, min(b, lost.start)), (max(a, lost.stop), b)) if len(lost) else ((a, b),):
            if lo < hi:
                out += made.push(Chunk("amp", lo, SAMPLES[lo:hi], TIMES[lo:hi]), due)
                due = []
    return out


def fingerprint(results: list[Prediction]) -> list[tuple[int, int, bytes]]:
    return [(p.stop_index, p.group, p.scores.tobytes()) for p in results]


WHOLE = fingerprint(predictions([0, N]))


@pytest.mark.parametrize("size", [1, 7, 25, 256])
def test_any_chunking_gives_the_same_bits(size: int) -> None:
    assert fingerprint(predictions([*range(0, N, size), N])) == WHOLE
    assert len(WHOLE) == 4


def test_a_chunk_longer_than_any_buffer_gives_the_same_windows() -> None:
    n = 60 * 250
    samples = np.random.default_rng(3).normal(size=(n, 2)).astype(np.float32)
    times = np.arange(n) / RATE_HZ
    markers = [Marker(5.0 * k, "stimulus/onset", {"trial": k}) for k in range(1, 11)]
    results = []
    for size in (n, 25):
        made = pipeline()
        out: list[Prediction] = []
        for a in range(0, n, size):
            chunk = Chunk("amp", a, samples[a : a + size], times[a : a + size])
            out += made.push(chunk, markers if a == 0 else ())
        results.append(fingerprint(out))
    assert len(results[0]) == 2 * len(markers)
    assert results[0] == results[1]


@pytest.mark.parametrize("size", [1, 7, 25, 256])
def test_stages_that_are_not_mergeable_get_fixed_blocks_and_so_the_same_bits(size: int) -> None:
    results = []
    for edges in ([0, N], [*range(0, N, size), N]):
        made = pipeline(mixing=True)
        out: list[Prediction] = []
        for a, b in pairwise(edges):
            out += made.push(Chunk("amp", a, SAMPLES[a:b], TIMES[a:b]), MARKERS if a == 0 else ())
        results.append(fingerprint(out))
    assert results[0] == results[1]


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=15, unique=True), early=st.booleans())
def test_any_cuts_and_early_or_timely_markers_give_the_same_bits(cuts: list[int], early: bool) -> None:
    assert fingerprint(predictions([0, *sorted(cuts), N], early=early)) == WHOLE


def test_a_late_marker_still_yields_the_same_windows() -> None:
    made = pipeline()
    made.push(Chunk("amp", 0, SAMPLES[:1900], TIMES[:1900]))
    out = made.push(Chunk("amp", 1900, SAMPLES[1900:], TIMES[1900:]), MARKERS)
    assert fingerprint(out) == WHOLE


def test_windows_start_at_the_sample_nearest_to_the_onset_plus_the_offset() -> None:
    start = {p.group: p.stop_index - p.n_samples for p in predictions([0, N])}
    assert start == {0: 500 + 35, 1: 1200 + 35}


@settings(max_examples=25, deadline=None)
@given(gap=st.integers(1, 30), at=st.integers(300, 1500), cut=st.integers(1, N - 1))
def test_gaps_give_the_same_bits_whatever_the_chunking(gap: int, at: int, cut: int) -> None:
    lost = range(at, at + gap)
    assert fingerprint(predictions([0, cut, N], lost=lost)) == fingerprint(predictions([0, N], lost=lost))


def test_a_short_gap_is_bridged_and_its_samples_are_marked_invalid() -> None:
    made = OnlinePipeline([Select()], SPEC)
    made.reset(INFO)
    list(made.windows(Chunk("amp", 0, SAMPLES[:600], TIMES[:600]), MARKERS[:1]))
    (first, _) = list(made.windows(Chunk("amp", 605, SAMPLES[605:], TIMES[605:])))
    assert first.valid_fraction == pytest.approx(1.0 - 5 / 100)
    held = first.samples[:, 600 - 535 : 605 - 535]
    assert np.array_equal(held, np.repeat(SAMPLES[599][:, None], 5, axis=1))


def test_a_long_gap_resets_and_nothing_is_predicted_while_filters_settle() -> None:
    lost = range(490, 600)
    groups = {p.group for p in predictions([0, N], lost=lost)}
    assert groups == {1}


def test_blocks_lie_on_the_grid_of_the_absolute_index() -> None:
    blocker = Blocker(10, 0)
    blocks = blocker.push(Chunk("amp", 1003, SAMPLES[:44], TIMES[:44]))
    assert [(b.chunk.index, len(b.chunk), b.restart) for b in blocks] == [
        (1003, 7, True),
        (1010, 10, False),
        (1020, 10, False),
        (1030, 10, False),
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_blocker_loses_and_invents_nothing(data: st.DataObject) -> None:
    hop = data.draw(st.integers(1, 20))
    blocker = Blocker(hop, hold_samples=3)
    index, seen, given_ = data.draw(st.integers(0, 50)), [], []
    for _ in range(data.draw(st.integers(1, 12))):
        index += data.draw(st.sampled_from([0, 0, 0, 1, 3, 4, 30]))
        n = data.draw(st.integers(0, 40))
        values = np.arange(index, index + n, dtype=np.float64)
        given_ += list(values)
        for block in blocker.push(Chunk("amp", index, values[:, None], values)):
            valid = np.ones(len(block.chunk), bool) if block.chunk.valid is None else block.chunk.valid
            assert block.chunk.stop % hop == 0
            assert np.array_equal(block.chunk.samples[valid, 0], np.arange(block.chunk.index, block.chunk.stop)[valid])
            seen += list(block.chunk.samples[valid, 0])
        index += n
    assert seen == sorted(set(seen))
    assert set(seen) <= set(given_)


def test_samples_seen_twice_are_taken_once() -> None:
    made = pipeline()
    out = made.push(Chunk("amp", 0, SAMPLES[:1000], TIMES[:1000]), MARKERS)
    out += made.push(Chunk("amp", 900, SAMPLES[900:], TIMES[900:]))
    assert fingerprint(out) == WHOLE


def test_memory_stays_flat_over_an_hour() -> None:
    windower = Windower(SPEC)
    windower.reset(RATE_HZ, 2)
    block = np.zeros((250, 2), np.float32)
    tracemalloc.start()
    try:
        sizes = []
        for second in range(3600):
            times = second + np.arange(250) / RATE_HZ
            windower.mark(Marker(second + 0.1, "stimulus/onset", {"trial": second}))
            windower.push(Chunk("amp", second * 250, block, times))
            list(windower.ready())
            if second in (600, 3599):
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] <= sizes[0] + 20_000


def decode(
    chunks: list[Chunk],
    skipped: set[tuple[int, int]] = frozenset(),
    late: float | None = None,  # type: ignore[assignment]
) -> tuple[Decoding, list[Any]]:
    decoding = Decoding(pipeline(), Accumulator(FixedStopping(100), 200), skipped)
    decoding.reset(INFO)
    results: list[Any] = []
    for marker in MARKERS:
        decoding.process(marker)
    if late is not None:
        decoding.skip_before(late)
    for chunk in chunks:
        results += decoding.process(chunk)
    return decoding, results


def test_a_decision_closes_its_trial() -> None:
    _, results = decode([Chunk("amp", 0, SAMPLES, TIMES)])
    assert [type(r) for r in results] == [Prediction, Decision, Prediction, Decision]
    assert {r.n_samples for r in results if isinstance(r, Prediction)} == {100}


def test_windows_skipped_live_are_skipped_in_replay_with_the_same_fingerprint() -> None:
    chunk = Chunk("amp", 0, SAMPLES, TIMES)
    live, results = decode([chunk], late=TIMES[800])
    skips = [r for r in results if not isinstance(r, Prediction | Decision)]
    assert [s.kind for s in skips] == [EventKind.SKIP, EventKind.SKIP]
    replayed, _ = decode([chunk], skipped={(s.index, s.n) for s in skips})
    assert replayed.fingerprint.hexdigest() == live.fingerprint.hexdigest()
    ideal, _ = decode([chunk])
    assert ideal.fingerprint.hexdigest() != live.fingerprint.hexdigest()


def test_corrections_shift_where_windows_lie_from_their_index_on() -> None:
    decoding = Decoding(pipeline(), Accumulator(FixedStopping(100), 200))
    decoding.reset(INFO)
    decoding.process(Correction("amp", 0, 100.0, 0.0))
    for marker in MARKERS:
        decoding.process(marker)
    results = decoding.process(Chunk("amp", 0, SAMPLES, TIMES - 100.0))
    expected, _ = decode([Chunk("amp", 0, SAMPLES, TIMES)])
    assert [r.stop_index for r in results] == [635, 635, 1335, 1335]
    assert decoding.fingerprint.hexdigest() == expected.fingerprint.hexdigest()


def test_a_marker_before_all_samples_is_told_as_late() -> None:
    decoding = Decoding(pipeline(), Accumulator(FixedStopping(100), 200))
    decoding.reset(INFO)
    decoding.process(Marker(1.0, "stimulus/onset", {"trial": 7}))
    (event,) = decoding.process(Chunk("amp", 0, SAMPLES, TIMES))
    assert event.kind is EventKind.LATE


def stops(markers: list[Marker], arrivals: list[int]) -> list[tuple[int, int]]:
    """Return (group, stop) of all windows when each marker comes with the first chunk after its arrival sample."""
    made = pipeline()
    out: list[Prediction] = []
    for a in range(0, N, 25):
        due = [m for m, at in zip(markers, arrivals, strict=True) if a - 25 < at <= a]
        out += made.push(Chunk("amp", a, SAMPLES[a : a + 25], TIMES[a : a + 25]), due)
    return sorted((p.group, p.stop_index) for p in out)


@pytest.mark.parametrize("trial", ["A1", "7", None, [1], {}, True, 1.5, float("nan"), 10**30, -(2**63) - 1, 2**63])
def test_a_foreign_trial_that_is_no_number_of_64_bits_gets_one_of_its_own(trial: object) -> None:
    decoding = Decoding(pipeline(), Accumulator(FixedStopping(100), 200))
    decoding.reset(INFO)
    decoding.process(Marker(float(TIMES[500]), "stimulus/onset", {"trial": trial, "target": "A"}))
    results = decoding.process(Chunk("amp", 0, SAMPLES, TIMES))
    assert [(type(r), r.group) for r in results] == [(Prediction, 535), (Decision, 535)]


@pytest.mark.parametrize("trial", [-7, 2**63 - 1, -(2**63)])
def test_any_trial_of_64_bits_is_kept(trial: int) -> None:
    marker = Marker(float(TIMES[500]), "stimulus/onset", {"trial": trial})
    assert {group for group, _ in stops([marker], [500])} == {trial}


@settings(max_examples=30, deadline=None)
@given(arrivals=st.lists(st.integers(0, 1900), min_size=4, max_size=4), numbered=st.booleans())
def test_windows_do_not_depend_on_when_and_in_which_order_markers_come(arrivals: list[int], numbered: bool) -> None:
    onsets = [300, 310, 700, 1200]
    markers = [
        Marker(float(TIMES[k]), "stimulus/onset", {"trial": n} if numbered else {}) for n, k in enumerate(onsets)
    ]
    in_time = stops(markers, onsets)
    assert len(in_time) == 8
    assert stops(markers, arrivals) == in_time


@pytest.mark.parametrize("time", [float(TIMES[-1]) + 5.0, float("inf"), float("nan")])
def test_a_marker_of_the_future_holds_no_other_up(time: float) -> None:
    markers = [Marker(time, "stimulus/onset", {"trial": 9}), *MARKERS]
    assert [p.group for p in pipeline().push(Chunk("amp", 0, SAMPLES, TIMES), markers)] == [0, 0, 1, 1]


def test_an_onset_marker_after_the_last_chunk_is_told_as_late_by_name_and_once() -> None:
    decoding = Decoding(pipeline(), Accumulator(FixedStopping(100), 200))
    decoding.reset(INFO)
    decoding.process(Chunk("amp", 0, SAMPLES, TIMES))
    decoding.process(MARKERS[0])
    decoding.process(Marker(float(TIMES[500]), "stimulus/offset", {}))
    decoding.process(Marker(float(TIMES[-1]) + 1.0, "stimulus/onset", {}))  # of no sample: nothing is lost
    (event,) = decoding.finish()
    assert (event.kind, event.time, event.detail) == (EventKind.LATE, MARKERS[0].time, "marker stimulus/onset")
    assert decoding.finish() == []


def test_windows_are_read_only_and_survive_pickling() -> None:
    import pickle  # noqa: TID251 - values travel between processes this way, never to disk

    window = Window(5, 1.0, np.ones((2, 3), np.float32), 1.0, None, 0)
    again = pickle.loads(pickle.dumps(window))
    for one in (window, again):
        with pytest.raises(ValueError, match="read-only"):
            one.samples[0, 0] = 2.0
