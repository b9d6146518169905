"""Artefacts: eyes are regressed out, movement and muscle close the gate and are named, derivations are sums."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.errors import DecoderError
from volo_acquisition.types import Channel, ChannelKind, Chunk, Marker, StreamInfo
from volo_decoders.artefacts.derivations import Bipolar, Laplacian
from volo_decoders.artefacts.eog import EogRegression, eog_coefficients
from volo_decoders.artefacts.gate import ArtefactGate
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.training import fit_chain
from volo_decoders.types import Decision

RATE_HZ = 250.0
INFO = StreamInfo("amp", "eeg", RATE_HZ, (Channel("Oz"), Channel("O1"), Channel("VEOG", ChannelKind.EOG)), "float32")


def chunk(samples: np.ndarray, index: int = 0) -> Chunk:
    return Chunk("amp", index, samples.astype(np.float32), (index + np.arange(len(samples))) / RATE_HZ)


def quiet(n: int = 1000, seed: int = 0) -> np.ndarray:
    return 8.0 * np.random.default_rng(seed).standard_normal((n, 3))


def valid(out: Chunk) -> np.ndarray:
    return np.ones(len(out), bool) if out.valid is None else out.valid


def test_eye_movements_are_regressed_out_and_the_brain_stays() -> None:
    rng = np.random.default_rng(1)
    brain, eyes = rng.standard_normal((5000, 2)), np.cumsum(rng.standard_normal(5000))
    seen = brain + np.outer(eyes, [0.3, 0.1])
    b = eog_coefficients(seen[:2500], eyes[:2500, None])
    np.testing.assert_allclose(b, [[0.3, 0.1]], atol=0.01)
    stage = EogRegression(["VEOG"], ["Oz", "O1"], b.tolist())
    assert stage.reset(INFO).channel_names == ("Oz", "O1")
    out = stage.push(chunk(np.column_stack((seen, eyes))[2500:])).samples
    for k in range(2):  # unseen half: nearly the brain alone
        assert np.corrcoef(out[:, k], brain[2500:, k])[0, 1] > 0.97
        assert abs(np.corrcoef(out[:, k], eyes[2500:])[0, 1]) < 0.3


def test_eye_channels_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="flat"):
        eog_coefficients(quiet(), np.zeros((1000, 1)))
    with pytest.raises(DecoderError, match="lacks channel HEOG"):
        EogRegression(["HEOG"], ["Oz"], [[0.1]]).reset(INFO)


def test_a_quiet_signal_passes_the_gate_untouched() -> None:
    stage = ArtefactGate(150.0, 20.0)
    stage.reset(INFO)
    given_chunk = chunk(quiet())
    assert stage.push(given_chunk) is given_chunk
    assert stage.reason(0, 1000) == ""


def test_movement_closes_the_gate_for_as_long_as_it_lasts_and_the_hold_and_is_named() -> None:
    samples = quiet()
    samples[400:410, 1] += 400.0
    stage = ArtefactGate(150.0, 0.0, hold_s=0.2)
    stage.reset(INFO)
    marked = ~valid(stage.push(chunk(samples)))
    assert marked[400:459].all() and not marked[:400].any() and not marked[470:].any()
    assert "amplitude" in stage.reason(300, 500) and "O1" in stage.reason(300, 500)
    assert stage.reason(0, 400) == "" and stage.reason(500, 600) == ""


def test_muscle_closes_the_gate_but_a_slow_wave_of_the_same_size_does_not() -> None:
    t = np.arange(1000) / RATE_HZ
    burst = np.where((t > 2.0) & (t < 3.0), 50.0, 0.0)
    fast, slow = quiet(seed=2), quiet(seed=2)
    fast[:, 0] += burst * np.sin(2 * np.pi * 80.0 * t)
    slow[:, 0] += burst * np.sin(2 * np.pi * 10.0 * t)
    for samples, closed in ((fast, True), (slow, False)):
        stage = ArtefactGate(0.0, 20.0)
        stage.reset(INFO)
        assert (~valid(stage.push(chunk(samples)))[600:740]).all() == closed
        assert ("muscle" in stage.reason(0, 1000)) == closed


@given(cuts=st.lists(st.integers(0, 1000), max_size=8), at=st.integers(0, 990))
@settings(max_examples=30)
def test_what_is_marked_does_not_depend_on_the_chunks(cuts: list[int], at: int) -> None:
    samples = quiet()
    samples[at : at + 5, 0] += 300.0
    marks = []
    for edges in ([0, 1000], [0, *sorted(cuts), 1000]):
        stage = ArtefactGate(150.0, 20.0, hold_s=0.1)
        stage.reset(INFO)
        marks.append(np.concatenate([valid(stage.push(chunk(samples[a:b], a))) for a, b in pairwise(edges)]))
    assert np.array_equal(*marks)


def test_derivations_are_the_sums_they_say() -> None:
    samples = quiet()
    bipolar, laplacian = Bipolar([["Oz", "O1"]]), Laplacian(["Oz"], [["O1", "VEOG"]])
    assert bipolar.reset(INFO).channel_names == ("Oz-O1",)
    assert laplacian.reset(INFO).channel_names == ("Oz",)
    x = samples.astype(np.float32).astype(float)
    np.testing.assert_allclose(bipolar.push(chunk(samples)).samples[:, 0], x[:, 0] - x[:, 1], atol=1e-4)
    np.testing.assert_allclose(
        laplacian.push(chunk(samples)).samples[:, 0], x[:, 0] - (x[:, 1] + x[:, 2]) / 2, atol=1e-4
    )
    with pytest.raises(DecoderError, match="lacks channel Cz"):
        Bipolar([["Cz", "Oz"]]).reset(INFO)


@pytest.mark.parametrize("bad", [[], [["Oz"]], [["Oz", "Oz"]]])
def test_pairs_that_are_none_are_refused(bad: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="pairs"):
        Bipolar(bad)


def test_a_window_full_of_movement_abstains_and_says_why() -> None:
    spec = ChainSpec(
        (StageSpec("select", {"channels": ["Oz", "O1"]}), StageSpec("artefact_gate", {"amplitude_uv": 150.0})),
        WindowSpec((0.5, 1.0), 0.1),
        "fbcca",
        {"frequencies_hz": [10.0, 12.0], "rate_hz": RATE_HZ, "n_harmonics": 2},
    )
    decoding = fit_chain(spec, INFO, (), rule="fixed").decoding(INFO)
    t = np.arange(1500) / RATE_HZ
    samples = quiet(1500, seed=4)
    samples[:, :2] += 20.0 * np.sin(2 * np.pi * 12.0 * t)[:, None]
    samples[300:420, 1] += 500.0 * np.sin(2 * np.pi * 3.0 * t[:120])
    found = []
    for trial, onset_s in enumerate((1.0, 3.5)):
        found += decoding.process(Marker(onset_s, "stimulus/onset", {"trial": trial}, "screen"))
    for a in range(0, 1500, 50):
        found += decoding.process(chunk(samples[a : a + 50], a))
    bad, good = (d for d in found if isinstance(d, Decision))
    assert (bad.group, bad.label) == (0, None)
    assert "amplitude" in bad.reason and "O1" in bad.reason and "%" in bad.reason
    assert (good.group, good.label, good.reason) == (1, "12", "")
