"""Streaming attention: any chunking gives the same bits, nothing looks ahead, and what is missing is not guessed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Channel, ChannelKind, Chunk, Marker, StreamInfo
from volo_decoders.speech.attention import AttentionModel
from volo_decoders.speech.streaming import Conditioner, Reconstructor, Track
from volo_decoders.speech.tracking import AttentionTracker, Line
from volo_decoders.speech.trf import BackwardTRF

EEG = StreamInfo("eeg", "eeg", 128.0, tuple(Channel(f"C{k}") for k in range(1, 5)), "float32")
SOUND = StreamInfo("a", "envelope", 64.0, (Channel("envelope", ChannelKind.AUDIO, "1"),), "float32")
MODEL = AttentionModel(0.1, 0.2, 5.0)


def signal(info: StreamInfo, seconds: float, seed: int) -> Chunk:
    n = round(seconds * info.rate_hz)
    samples = np.random.default_rng(seed).standard_normal((n, info.n_channels)).astype(np.float32) + 100
    return Chunk(info.stream_id, 0, samples, 10.0 + np.arange(n) / info.rate_hz)


def cut(chunk: Chunk, sizes: list[int]) -> list[Chunk]:
    parts, start, k = [], chunk.index, 0
    while start < chunk.stop:
        stop = min(start + sizes[k % len(sizes)], chunk.stop)
        parts.append(chunk.part(start, stop))
        start, k = stop, k + 1
    return parts


def fitted() -> BackwardTRF:
    trf = BackwardTRF(64.0)
    n = 1 + (trf.lags[1] + 1) * EEG.n_channels
    weights = np.random.default_rng(5).standard_normal(n)
    return trf.restore({"weights": weights, "ridge": np.array(1.0), "ridge_scores": np.array([np.nan])})


def joined(tracks: list[Track]) -> Track:
    assert all(a.index + len(a) == b.index for a, b in pairwise(tracks))
    return Track(
        tracks[0].index, *(np.concatenate([getattr(t, f) for t in tracks]) for f in ("times", "samples", "valid"))
    )


def same(a: Track, b: Track) -> None:
    assert a.index == b.index
    for field in ("times", "samples", "valid"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


def conditioned(info: StreamInfo, chunks: list[Chunk]) -> list[Track]:
    conditioner = Conditioner(64.0)
    conditioner.reset(info)
    return [track for chunk in chunks for track in conditioner.push(chunk)]


@settings(max_examples=25)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_reconstruction_has_the_same_bits_however_the_eeg_is_chunked(sizes):
    whole = signal(EEG, 12.0, 1)
    one, other = Reconstructor(fitted()), Reconstructor(fitted())
    wanted = joined([b for t in conditioned(EEG, [whole]) for b in one.push(t)])
    got = joined([b for t in conditioned(EEG, cut(whole, sizes)) for b in other.push(t)])
    same(got, wanted)


def test_streamed_reconstruction_is_that_of_the_whole_trial_where_the_eeg_goes_on():
    trf = fitted()
    track = joined(conditioned(EEG, [signal(EEG, 8.0, 2)]))
    streamed = joined(Reconstructor(trf).push(track))
    batch = trf.reconstruct(track.samples)
    np.testing.assert_allclose(streamed.samples[:, 0], batch[: len(streamed)], rtol=1e-12, atol=1e-12)
    assert 0 <= len(track) - trf.lags[1] - len(streamed) < 16  # no later than the last lag and a block


def test_the_common_rate_keeps_every_second_sample_and_its_time():
    chunk = signal(EEG, 3.0, 3)
    track = joined(conditioned(EEG, cut(chunk, [7])))
    np.testing.assert_array_equal(track.times, chunk.times[::2][: len(track)])
    assert len(track) == 64 * 3


def test_a_rate_that_is_no_multiple_of_the_common_one_is_refused():
    with pytest.raises(DecoderError, match=r"250 Hz.*multiple of 64 Hz") as caught:
        Conditioner(64.0).reset(StreamInfo("eeg", "eeg", 250.0, (Channel("Cz"),)))
    assert caught.value.reason is Reason.WRONG_RATE


def test_the_conditioner_never_looks_ahead():
    whole = signal(EEG, 6.0, 4)
    changed = whole.samples.copy()
    changed[500:] += 50.0
    a = joined(conditioned(EEG, [whole]))
    b = joined(conditioned(EEG, [Chunk("eeg", 0, changed, whole.times)]))
    np.testing.assert_array_equal(a.samples[:250], b.samples[:250])
    assert np.abs(a.samples[250:] - b.samples[250:]).max() > 1.0


def run_tracker(sizes: tuple[list[int], list[int], list[int]], order: str, *, windows=((2.0, 1.0), (5.0, 5.0))):
    """Return the readings of two trials; `order` says how the three streams take turns."""
    conditioners = [Conditioner(64.0) for _ in range(3)]
    infos = (EEG, SOUND, StreamInfo("b", "envelope", 64.0, SOUND.channels))
    reconstructor = Reconstructor(fitted())
    tracker = AttentionTracker(MODEL, ("A", "B"), windows)
    for time, label, trial in ((14.013, "onset", 0), (26.013, "offset", 0), (28.4, "onset", 1), (35.4, "offset", 1)):
        tracker.mark(Marker(time, f"stimulus/{label}", {"trial": trial, "target": "A"}))
    queues = []
    for k, (conditioner, info) in enumerate(zip(conditioners, infos, strict=True)):
        conditioner.reset(info)
        queues.append(cut(signal(info, 30.0, k), sizes[k]))
    readings = []
    turn = 0
    while any(queues):
        which = int(order[turn % len(order)])
        turn += 1
        if not queues[which]:
            which = next(k for k, queue in enumerate(queues) if queue)
        tracks = conditioners[which].push(queues[which].pop(0))
        if which == 0:
            tracks = [block for track in tracks for block in reconstructor.push(track)]
        readings += tracker.push(which, tracks)
    return readings


def told(readings) -> list[tuple]:
    return [
        (r.window, r.decision, r.prediction and (r.prediction.scores.tobytes(), r.prediction.stop_index))
        for r in readings
    ]


@settings(max_examples=10)
@given(
    st.tuples(*[st.lists(st.integers(1, 300), min_size=1, max_size=4)] * 3),
    st.permutations("012").map("".join),
)
def test_readings_do_not_depend_on_chunks_or_on_which_stream_comes_first(sizes, order):
    wanted = told(run_tracker(([16], [8], [8]), "012"))
    assert told(run_tracker(sizes, order)) == wanted


def test_no_window_reaches_beyond_its_trial_and_each_comes_once():
    readings = run_tracker(([16], [8], [8]), "012")
    lengths = [(r.decision.group, r.window) for r in readings]
    # 12 s and 7 s: (12 - 2) / 1 + 1 and (7 - 2) / 1 + 1 running windows, 2 and 1 of 5 s
    assert {key: lengths.count(key) for key in set(lengths)} == {(0, 0): 11, (0, 1): 2, (1, 0): 6, (1, 1): 1}
    assert all(r.decision.label in ("A", "B") and 0.5 <= r.decision.confidence <= 1.0 for r in readings)
    stops = [(r.decision.group, r.decision.stop_index) for r in readings]
    assert stops == sorted(stops)


def test_a_window_over_lost_samples_is_abstained_from_and_later_ones_are_decided():
    conditioner, reconstructor = Conditioner(64.0), Reconstructor(fitted())
    conditioner.reset(EEG)
    tracker = AttentionTracker(MODEL, ("A", "B"), ((2.0, 2.0),))
    tracker.mark(Marker(14.0, "stimulus/onset", {"trial": 3, "target": "A"}))
    whole = signal(EEG, 30.0, 0)
    readings = []
    for k in (1, 2):
        one = Conditioner(64.0)
        one.reset(SOUND)
        readings += tracker.push(k, one.push(signal(SOUND, 30.0, k)))
    for part in (whole.part(0, 1280), whole.part(1600, whole.stop)):  # 20 s to 22.5 s are lost
        for track in conditioner.push(part):
            readings += tracker.push(0, reconstructor.push(track))
    labels = [r.decision.label for r in readings]
    lost = [k for k, label in enumerate(labels) if label is None]
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert lost[0] in (2, 3)  # the window from 18 s needs EEG up to 20.4 s
    assert labels[0] in ("A", "B")
    assert labels[-1] in ("A", "B")
    assert all(r.prediction is None and r.decision.confidence == 0.0 for r in readings if r.decision.label is None)


def test_a_copy_of_one_talker_is_decided_for_that_talker():
    sound = [np.random.default_rng(k).standard_normal(640) for k in range(2)]
    times = np.arange(640) / 64.0
    for which in range(2):
        tracker = AttentionTracker(MODEL, ("left", "right"), ((5.0, 1.0),))
        tracker.mark(Marker(0.0, "stimulus/onset", {"trial": 0}))
        valid = np.ones(640, bool)
        readings = []
        for line, samples in enumerate((sound[which] + 0.1, *sound)):
            readings += tracker.push(line, [Track(0, times, samples[:, None], valid)])
        assert [r.decision.label for r in readings] == [("left", "right")[which]] * 6
        assert min(r.decision.confidence for r in readings) > 0.99


def test_a_line_refuses_what_it_has_already_and_forgets_what_is_old():
    line = Line(1)
    times = np.arange(10) / 64.0
    line.append(Track(0, times, np.ones((10, 1)), np.ones(10, bool)))
    with pytest.raises(ValueError, match="up to 10"):
        line.append(Track(5, times, np.ones((10, 1)), np.ones(10, bool)))
    line.forget(times[6], at_least=3)
    assert line.part(5, 8) is None
    samples, valid, time_s = line.part(6, 10)
    assert (len(samples), valid, time_s) == (4, 1.0, times[9])
    assert line.stop == 10
