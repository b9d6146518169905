"""The envelope of audio: causal, the same in any chunks, and it follows the loudness of speech-like sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.errors import DecoderError
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo
from volo_decoders.speech.envelope import AudioEnvelope, band_edges_hz
from volo_decoders.speech.trf import pearson


def audio(rate_hz: float, seconds: float, seed: int = 0):
    """Noise whose loudness goes up and down at 4 Hz; the loudness as well."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    loudness = np.maximum(0.0, np.sin(2 * np.pi * 4.0 * t)) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * t))
    sound = loudness * np.random.default_rng(seed).standard_normal(len(t))
    info = StreamInfo("microphone", "audio", rate_hz, (Channel("mono", ChannelKind.AUDIO, "1"),), "float32")
    return info, Chunk("microphone", 0, sound[:, None].astype(np.float32), t), loudness


def envelope(info: StreamInfo, chunks: list[Chunk], **options):
    stage = AudioEnvelope(**options)
    stage.reset(info)
    pieces = [piece for chunk in chunks for piece in stage.push(chunk)]
    assert all(a.stop == b.index for a, b in pairwise(pieces))
    return np.concatenate([p.samples for p in pieces])[:, 0], np.concatenate([p.times for p in pieces]), pieces[0].index


@pytest.mark.parametrize("rate_hz", [16_000.0, 44_100.0, 48_000.0])
def test_the_envelope_follows_loudness_at_its_own_rate(rate_hz):
    info, chunk, loudness = audio(rate_hz, 6.0)
    got, times, index = envelope(info, [chunk])
    assert index == 0
    np.testing.assert_allclose(times, np.arange(len(times)) / 64.0, atol=0.51 / rate_hz)
    assert len(got) == 6 * 64
    assert (got >= 0.0).all()
    wanted = loudness[np.round(times * rate_hz).astype(int)]
    best = max(range(8), key=lambda lag: pearson(got[lag:], wanted[: len(wanted) - lag]))
    assert pearson(got[best:], wanted[: len(wanted) - best]) > 0.9
    assert best in (0, 1, 2)  # the low-pass is late by at most 2 samples


@settings(max_examples=15)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=5))
def test_any_chunking_gives_the_same_bits(sizes):
    info, chunk, _ = audio(16_000.0, 1.0)
    parts, start, k = [], 0, 0
    while start < chunk.stop:
        stop = min(start + sizes[k % len(sizes)], chunk.stop)
        parts.append(chunk.part(start, stop))
        start, k = stop, k + 1
    wanted, got = envelope(info, [chunk]), envelope(info, parts)
    np.testing.assert_array_equal(got[0], wanted[0])
    np.testing.assert_array_equal(got[1], wanted[1])


def test_nothing_looks_ahead():
    info, chunk, _ = audio(16_000.0, 2.0)
    changed = chunk.samples.copy()
    changed[16_001:] = 5.0
    a, _, _ = envelope(info, [chunk])
    b, _, _ = envelope(info, [Chunk("microphone", 0, changed, chunk.times)])
    np.testing.assert_array_equal(a[:65], b[:65])
    assert np.abs(a[65:] - b[65:]).max() > 0.1


def test_loudness_is_compressed_by_the_exponent():
    info, chunk, _ = audio(16_000.0, 2.0)
    quiet, _, _ = envelope(info, [chunk], exponent=0.5)
    louder = Chunk("microphone", 0, 4.0 * chunk.samples, chunk.times)
    loud, _, _ = envelope(info, [louder], exponent=0.5)
    np.testing.assert_allclose(loud, 2.0 * quiet, rtol=1e-9)


def test_bands_adjoin_and_are_equally_wide_for_the_ear():
    edges = band_edges_hz(150.0, 4000.0, 8)
    assert edges[0] == pytest.approx(150.0)
    assert edges[-1] == pytest.approx(4000.0)
    steps = np.diff(21.4 * np.log10(1.0 + 0.00437 * edges))
    np.testing.assert_allclose(steps, steps[0])


def test_audio_too_slow_for_the_bands_and_wrong_settings_are_refused():
    info, _, _ = audio(8000.0, 0.1)
    with pytest.raises(DecoderError, match="8000 Hz"):
        AudioEnvelope().reset(info)
    with pytest.raises(ValueError, match="lowpass_hz"):
        AudioEnvelope(lowpass_hz=40.0)
    with pytest.raises(ValueError, match="exponent"):
        AudioEnvelope(exponent=0.0)
