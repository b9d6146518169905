"""Every registered stage obeys the three laws, and the filters are what they claim to be."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from volo_acquisition import registry
from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.types import Channel, ChannelKind, Chunk, StreamInfo
from volo_decoders.pipeline.stages import FilterBank, Select, SosFilter

RATE_HZ = 250.0
INFO = StreamInfo(
    "amp",
    "eeg",
    RATE_HZ,
    (Channel("Oz"), Channel("O1", unit="mV"), Channel("O2"), Channel("counter", ChannelKind.COUNTER, "count")),
    "float32",
)
#: How each registered stage is made for the contract; a stage without an entry fails the completeness test.
MAKE: dict[str, dict[str, Any]] = {
    "select": {},
    "sos": {"kind": "bandpass", "cutoff_hz": [6.0, 40.0], "order": 3},
    "common_average": {},
    "artefact_gate": {"amplitude_uv": 60.0, "muscle_uv": 25.0, "hold_s": 0.04},
    "eog_regression": {
        "eog_channels": ["O1"],
        "eeg_channels": ["Oz", "O2"],
        "coefficients": [[0.2, -0.1]],
    },
    "laplacian": {"centres": ["Oz", "O1"], "neighbours": [["O1", "O2"], ["Oz"]]},
    "bipolar": {"pairs": [["Oz", "O1"], ["O2", "O1"]]},
    "filter_bank": {"pass_bands_hz": [[6.0, 88.0], [14.0, 88.0], [22.0, 88.0]]},
}
SAMPLES = np.random.default_rng(0).normal(scale=20.0, size=(400, 4)).astype(np.float32)


def make(name: str) -> Any:
    return registry.load("volo.stages", name)(**MAKE[name])


def run(name: str, cuts: list[int], samples: np.ndarray = SAMPLES) -> np.ndarray:
    stage = make(name)
    stage.reset(INFO)
    edges = [0, *sorted(cuts), len(samples)]
    out = []
    for a, b in pairwise(edges):
        times = np.arange(a, b) / RATE_HZ
        out.append(stage.push(Chunk("amp", a, samples[a:b].copy(), times)).samples)
    return np.concatenate(out)


def test_no_registered_stage_is_untested() -> None:
    assert set(registry.names("volo.stages")) == set(MAKE)


@pytest.mark.parametrize("name", sorted(MAKE))
@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_any_chunking_gives_the_same_bits(name: str, cuts: list[int]) -> None:
    assert run(name, cuts).tobytes() == run(name, []).tobytes()


@pytest.mark.parametrize("name", sorted(MAKE))
@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 80), max_size=12), first=st.integers(0, 4))
def test_on_the_grid_of_a_hop_any_chunking_gives_the_same_bits(name: str, cuts: list[int], first: int) -> None:
    """A mergeable stage may get whole hops in any portions; the first block may be short, as after a gap."""
    outs = []
    for edges in ([first, 400], sorted({first, 400, *(5 * cut for cut in cuts if 5 * cut > first)})):
        stage = make(name)
        stage.reset(INFO, 5)
        parts = [
            stage.push(Chunk("amp", a, SAMPLES[a:b], np.arange(a, b) / RATE_HZ)).samples for a, b in pairwise(edges)
        ]
        outs.append(np.concatenate(parts))
    assert make(name).mergeable
    assert outs[0].tobytes() == outs[1].tobytes()
    assert np.allclose(outs[0], run(name, [], SAMPLES[first:]), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", sorted(MAKE))
def test_no_input_is_mutated(name: str) -> None:
    stage = make(name)
    stage.reset(INFO)
    before = SAMPLES.copy()
    stage.push(Chunk("amp", 0, SAMPLES, np.arange(400) / RATE_HZ))
    assert np.array_equal(before, SAMPLES)


@pytest.mark.parametrize("name", sorted(MAKE))
def test_an_empty_chunk_is_legal_and_changes_nothing(name: str) -> None:
    assert run(name, [100, 100, 100]).tobytes() == run(name, []).tobytes()


@pytest.mark.parametrize("name", sorted(MAKE))
def test_output_matches_its_description(name: str) -> None:
    stage = make(name)
    info = stage.reset(INFO)
    out = stage.push(Chunk("amp", 0, SAMPLES, np.arange(400) / RATE_HZ))
    assert out.samples.shape == (400, info.n_channels)
    assert out.samples.dtype == np.float32
    assert stage.settle_s >= 0.0


@pytest.mark.parametrize("name", sorted(MAKE))
def test_reset_forgets_everything(name: str) -> None:
    stage = make(name)
    outs = []
    for _ in range(2):
        stage.reset(INFO)
        outs.append(stage.push(Chunk("amp", 0, SAMPLES, np.arange(400) / RATE_HZ)).samples)
    assert outs[0].tobytes() == outs[1].tobytes()


def test_filters_equal_scipy_run_in_one_piece() -> None:
    x = SAMPLES.astype(np.float64)
    sos = signal.butter(3, [6.0, 40.0], "bandpass", fs=RATE_HZ, output="sos")
    expected, _ = signal.sosfilt(sos, x, axis=0, zi=signal.sosfilt_zi(sos)[:, :, None] * x[0])
    assert np.array_equal(run("sos", [7, 50, 51]), expected.astype(np.float32))


def test_a_large_constant_offset_gives_no_transient() -> None:
    stage = SosFilter("highpass", [0.5])
    stage.reset(INFO)
    out = stage.push(Chunk("amp", 0, np.full((500, 4), 30_000.0, np.float32), np.arange(500) / RATE_HZ))
    assert np.abs(out.samples).max() < 1e-3


def test_filter_bank_expands_band_after_band() -> None:
    stage = FilterBank([[6.0, 88.0], [14.0, 88.0]])
    assert stage.reset(INFO).channel_names == tuple(f"b{k}:{c.name}" for k in range(2) for c in INFO.channels)


def test_cascaded_bank_feeds_each_band_with_the_one_before() -> None:
    bands = [[6.0, 88.0], [14.0, 88.0]]
    plain, cascaded = FilterBank(bands), FilterBank(bands, cascaded=True)
    second_of_first = FilterBank([bands[1]])
    chunk = Chunk("amp", 0, SAMPLES, np.arange(400) / RATE_HZ)
    for stage in (plain, cascaded, second_of_first):
        stage.reset(INFO)
    p, c = plain.push(chunk).samples, cascaded.push(chunk).samples
    assert np.array_equal(p[:, :4], c[:, :4])
    assert not np.allclose(p[:, 4:], c[:, 4:])
    again = second_of_first.push(Chunk("amp", 0, p[:, :4].copy(), chunk.times)).samples
    assert np.allclose(again, c[:, 4:], atol=1e-2)


def test_select_converts_to_microvolt_and_keeps_the_order_asked_for() -> None:
    stage = Select(["O1", "Oz"])
    info = stage.reset(INFO)
    out = stage.push(Chunk("amp", 0, SAMPLES, np.arange(400) / RATE_HZ))
    assert info.channel_names == ("O1", "Oz")
    assert [c.unit for c in info.channels] == ["uV", "uV"]
    assert np.allclose(out.samples[:, 0], SAMPLES[:, 1] * 1e3)
    assert np.array_equal(out.samples[:, 1], SAMPLES[:, 0])


def test_select_without_names_takes_brain_channels_only() -> None:
    assert Select().reset(INFO).channel_names == ("Oz", "O1", "O2")


def test_a_missing_channel_is_named() -> None:
    with pytest.raises(DecoderError, match="lacks channel Cz") as caught:
        Select(["Cz", "Oz"]).reset(INFO)
    assert caught.value.reason is Reason.WRONG_CHANNELS


def test_an_edge_beyond_half_the_rate_is_refused() -> None:
    with pytest.raises(DecoderError, match="too slow") as caught:
        FilterBank([[6.0, 130.0]]).reset(INFO)
    assert caught.value.reason is Reason.WRONG_RATE


@settings(max_examples=40)
@given(bad=st.lists(st.tuples(st.integers(0, 399), st.integers(0, 3)), max_size=20), cut=st.integers(0, 400))
def test_values_that_are_not_finite_are_held_and_marked_whatever_the_chunking(
    bad: list[tuple[int, int]], cut: int
) -> None:
    samples = SAMPLES.copy()
    for row, column in bad:
        samples[row, column] = np.nan
    stage = Select(["Oz", "O1", "O2"])
    stage.reset(INFO)
    parts = [stage.push(Chunk("amp", a, samples[a:b], np.arange(a, b) / RATE_HZ)) for a, b in ((0, cut), (cut, 400))]
    out = np.concatenate([part.samples for part in parts])
    valid = np.concatenate([np.ones(len(p), bool) if p.valid is None else p.valid for p in parts])
    assert np.isfinite(out).all()
    assert np.array_equal(valid, np.isfinite(samples[:, :3]).all(axis=1))
    for row, column in bad:
        if column == 0:
            earlier = np.flatnonzero(np.isfinite(samples[:row, 0]))
            assert out[row, 0] == (samples[earlier[-1], 0] if len(earlier) else 0.0)
