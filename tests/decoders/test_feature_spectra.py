"""Spectra, changes of power and coupling, against scipy, MNE, and the formulas of the papers written out in loops."""

from __future__ import annotations

from itertools import pairwise

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from volo_decoders.features.connectivity import MEASURES, connectivity, node_strength
from volo_decoders.features.erds import cluster_test, erds, morlet_power
from volo_decoders.features.families import aperiodic, hjorth, lempel_ziv, phase_amplitude_coupling
from volo_decoders.features.running import RunningBandPower
from volo_decoders.features.spectra import Spectra, band_power, burg_spectra, multitaper_spectra, stft, welch_spectra

RATE = 200.0
RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3, 801)).cumsum(axis=-1)
X -= 0.98 * np.roll(X, 1, axis=-1)


def test_welch_spectra_are_scipys() -> None:
    ours = welch_spectra(X, RATE, 0.5, 0.5)
    f, theirs = signal.welch(X, RATE, "hann", nperseg=100, noverlap=50)
    np.testing.assert_allclose(ours.frequencies_hz, f)
    np.testing.assert_allclose(ours.power, theirs, rtol=1e-10)


def test_multitaper_spectra_are_mnes() -> None:
    ours = multitaper_spectra(X, RATE, 4.0)
    theirs, f = mne.time_frequency.psd_array_multitaper(
        X, RATE, bandwidth=4.0, adaptive=False, low_bias=True, normalization="full", verbose="error"
    )
    inside = (f > 3.0) & (f < 97.0)  # at the ends MNE counts the tapers' leakage of the mean otherwise
    np.testing.assert_allclose(ours.frequencies_hz, f)
    np.testing.assert_allclose(ours.power[..., inside], theirs[..., inside], rtol=1e-6)


def test_burg_finds_the_spectrum_of_a_known_model() -> None:
    """Closed form: x[n] = 1.5 x[n-1] - 0.9 x[n-2] + e has the density 2 / rate / |1 - 1.5 z + 0.9 z^2|^2."""
    noise = np.random.default_rng(1).standard_normal((1, 1, 60_000))
    x = signal.lfilter([1.0], [1.0, -1.5, 0.9], noise, axis=-1)
    f = np.arange(1.0, 95.0)
    z = np.exp(-2j * np.pi * f / RATE)
    true = 2.0 / RATE / np.abs(1.0 - 1.5 * z + 0.9 * z**2) ** 2
    np.testing.assert_allclose(burg_spectra(x, RATE, f, 2).power[0, 0], true, rtol=0.05)


def test_burg_is_the_recursion_written_out_for_one_channel() -> None:
    x = X[0, 0] - X[0, 0].mean()
    f, b, a, power = x.copy(), x.copy(), np.array([1.0]), np.mean(x**2)
    for _ in range(6):
        k = -2.0 * np.dot(f[1:], b[:-1]) / (np.dot(f[1:], f[1:]) + np.dot(b[:-1], b[:-1]))
        f, b = f[1:] + k * b[:-1], b[:-1] + k * f[1:]
        a = np.append(a, 0.0) + k * np.append(a, 0.0)[::-1]
        power *= 1.0 - k * k
    at = np.array([5.0, 10.0, 42.0])
    _, h = signal.freqz([1.0], a, worN=2.0 * np.pi * at / RATE)
    np.testing.assert_allclose(burg_spectra(X, RATE, at, 6).power[0, 0], 2.0 * power / RATE * np.abs(h) ** 2, rtol=1e-9)


def test_band_power_is_the_mean_of_the_bins_with_both_edges() -> None:
    spectra = Spectra(np.arange(5.0), np.arange(10.0).reshape(2, 5))
    np.testing.assert_allclose(band_power(spectra, [(1.0, 3.0), (4.0, 9.0)]), [[2.0, 4.0], [7.0, 9.0]])
    with pytest.raises(ValueError, match="no bin lies within"):
        band_power(spectra, [(1.2, 1.8)])


def pair(name: str, a: np.ndarray, b: np.ndarray) -> float:
    """The papers' formulas for two channels' coefficients, one a window."""
    s = a * np.conj(b)
    norm = np.sqrt(np.sum(np.abs(a) ** 2) * np.sum(np.abs(b) ** 2))
    if name == "coherence":
        return float(abs(s.sum()) / norm)
    if name == "imaginary_coherence":
        return float(abs(s.sum().imag) / norm)
    if name == "signed_imaginary_coherence":
        return float(s.sum().imag / norm)
    if name == "plv":
        return float(abs(np.mean(s / np.abs(s))))
    if name == "wpli":
        products = [x * y for k, x in enumerate(s.imag) for j, y in enumerate(s.imag) if j != k]
        return float(sum(products) / sum(abs(p) for p in products))
    return float(np.corrcoef(np.abs(a), np.abs(b))[0, 1])


def loops(name: str, z: np.ndarray) -> np.ndarray:
    """One measure of all pairs; z of shape (n_windows, n_channels)."""
    n = z.shape[1]
    return np.array([[0.0 if i == j else pair(name, z[:, i], z[:, j]) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("name", MEASURES)
def test_coupling_of_all_pairs_is_the_formula_of_the_paper_for_each_pair(name: str) -> None:
    ours = connectivity(X, RATE, measures=[name], window_s=1.0, limits_hz=(2.0, 12.0))
    _, z = stft(X, RATE, 1.0, 0.5, (2.0, 12.0))
    for trial in (0, 3):
        for k in (0, 7):
            np.testing.assert_allclose(ours.values[name][trial, :, :, k], loops(name, z[trial, :, :, k]), atol=2e-5)


def test_coherence_is_scipys() -> None:
    ours = connectivity(X, RATE, measures=["coherence"], window_s=1.0, limits_hz=(1.0, 40.0))
    _, squared = signal.coherence(X[:, 0], X[:, 2], RATE, "hann", nperseg=200, noverlap=100)
    np.testing.assert_allclose(ours.values["coherence"][:, 0, 2] ** 2, squared[:, 1:41], rtol=1e-8)
    np.testing.assert_allclose(ours.power, welch_spectra(X, RATE, 1.0, 0.5, (1.0, 40.0)).power)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_mixture_without_delay_has_coherence_but_no_imaginary_part(seed: int) -> None:
    source = np.random.default_rng(seed).standard_normal((2, 1, 600))
    found = connectivity(np.concatenate([source, -2.0 * source], axis=1), RATE, measures=MEASURES).values
    np.testing.assert_allclose(found["coherence"][:, 0, 1], 1.0, atol=1e-9)
    np.testing.assert_allclose(found["imaginary_coherence"][:, 0, 1], 0.0, atol=1e-9)
    np.testing.assert_allclose(found["plv"][:, 0, 1], 1.0, atol=1e-9)


def test_the_sign_tells_which_channel_leads() -> None:
    t = np.arange(801) / RATE
    late = np.sin(2 * np.pi * 10.0 * t - 1.0) + 0.1 * RNG.standard_normal(801)
    lead = np.sin(2 * np.pi * 10.0 * t) + 0.1 * RNG.standard_normal(801)
    found = connectivity(np.stack([lead, late])[None], RATE, measures=["signed_imaginary_coherence"])
    k = int(np.argmin(np.abs(found.frequencies_hz - 10.0)))
    value = found.values["signed_imaginary_coherence"][0, :, :, k]
    assert value[0, 1] == pytest.approx(np.sin(1.0), abs=0.05)
    assert value[1, 0] == pytest.approx(-np.sin(1.0), abs=0.05)


def test_node_strength_is_the_mean_over_the_others() -> None:
    values = connectivity(X, RATE, measures=["plv"]).values["plv"]
    np.testing.assert_allclose(node_strength(values)[:, 1], (values[:, 1, 0] + values[:, 1, 2]) / 2.0)


def test_a_flat_channel_is_coupled_to_nothing() -> None:
    flat = X.copy()
    flat[:, 1] = 3.0
    for value in connectivity(flat, RATE, measures=MEASURES).values.values():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value[:, 1], 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measures": ["granger"]}, "allowed are coherence"),
        ({"measures": []}, "allowed are coherence"),
        ({"window_s": 9.0}, "at least two"),
        ({"limits_hz": (300.0, 400.0)}, "no bin"),
        ({"overlap": 1.0}, "below 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        connectivity(X, RATE, **change)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="leave those trials out"):
        connectivity(np.where(np.arange(801) == 5, np.nan, X), RATE)


def test_wavelet_power_is_mnes() -> None:
    ours = morlet_power(X, RATE, [8.0, 12.0, 21.0], 5.0, decimate=2)
    theirs = mne.time_frequency.tfr_array_morlet(
        X, RATE, [8.0, 12.0, 21.0], n_cycles=5.0, zero_mean=True, output="power", decim=2, verbose="error"
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)


def test_a_rhythm_that_halves_after_the_cue_loses_three_quarters_of_its_power() -> None:
    """Closed form: half the amplitude is -75 % of the power; the cluster test finds the place, and none before."""
    rng = np.random.default_rng(3)
    t = -2.0 + np.arange(1000) / RATE
    wave = np.array([np.sin(2 * np.pi * 10.0 * t + p) for p in rng.uniform(0, 2 * np.pi, 20)])
    trials = wave * np.where(t < 0.0, 1.0, 0.5) + 0.05 * rng.standard_normal((20, 1000))
    found = erds(trials[:, None], RATE, [6.0, 10.0, 20.0], start_s=-2.0, baseline_s=(-1.5, -0.5), decimate=10)
    late = (found.times_s > 0.7) & (found.times_s < 2.3)
    np.testing.assert_allclose(found.percent[0, 1, late], -75.0, atol=3.0)
    best = cluster_test(found.log_ratio[:, 0], n_permutations=200)[0]
    assert best.p < 0.01
    assert best.mass < 0.0
    assert best.mask[1, late].all()
    assert not best.mask[:, found.times_s < -0.6].any()


def test_noise_has_no_cluster_more_often_than_it_should() -> None:
    rng = np.random.default_rng(5)
    seen = [cluster_test(rng.standard_normal((12, 6, 20)), n_permutations=60, seed=k) for k in range(60)]
    assert sum(bool(c) and c[0].p <= 0.05 for c in seen) <= 8


def test_cluster_masses_are_mnes() -> None:
    values = np.random.default_rng(6).standard_normal((15, 8, 12)) + 0.4
    _, masks, p, _ = mne.stats.permutation_cluster_1samp_test(
        values, threshold=2.0, n_permutations=200, out_type="mask", seed=1, verbose="error"
    )
    ours = cluster_test(values, n_permutations=200, seed=1)
    assert {c.mask.tobytes() for c in ours} == {np.asarray(m).tobytes() for m in masks}
    assert ours[0].p == pytest.approx(p.min(), abs=0.05)


def test_the_aperiodic_exponent_is_that_of_the_noise_under_a_rhythm() -> None:
    f = np.arange(1.0, 60.0, 0.5)
    power = 3.0 * f**-1.7 * (1.0 + 8.0 * np.exp(-0.5 * ((f - 10.0) / 1.0) ** 2))
    found = aperiodic(Spectra(f, power), (2.0, 50.0))
    assert float(found.exponent) == pytest.approx(1.7, abs=0.05)
    assert 10.0 ** float(found.offset) == pytest.approx(3.0, rel=0.15)


def test_hjorths_parameters_of_a_sine_are_known() -> None:
    t = np.arange(20_000)
    found = hjorth(3.0 * np.sin(0.05 * t)[None, None])
    assert found.activity[0, 0] == pytest.approx(4.5, rel=1e-3)
    assert found.mobility[0, 0] == pytest.approx(2.0 * np.sin(0.025), rel=1e-3)
    assert found.complexity[0, 0] == pytest.approx(1.0, rel=1e-3)


def test_lempel_ziv_counts_the_phrases_of_the_paper() -> None:
    """The paper's own example: 0001101001000101 parses into 0 . 001 . 10 . 100 . 1000 . 101."""
    bits = np.array([int(c) for c in "0001101001000101"], float)
    assert lempel_ziv(bits[None])[0] * 16 / np.log2(16) == pytest.approx(6.0)
    noise, sine = np.random.default_rng(0).standard_normal(2000), np.sin(np.arange(2000) / 9.0)
    complexity = lempel_ziv(np.stack([noise, sine]))
    assert 0.9 < complexity[0] < 1.15
    assert complexity[1] < 0.2


def test_an_amplitude_that_follows_a_phase_is_coupled_and_another_is_not() -> None:
    t = np.arange(4000) / RATE
    slow = np.sin(2 * np.pi * 6.0 * t)
    fast = np.sin(2 * np.pi * 40.0 * t)
    x = np.stack([slow + (1.0 + slow) * fast, slow + fast]) + 0.1 * RNG.standard_normal((2, 4000))
    coupled, alone = phase_amplitude_coupling(x, RATE, (4.0, 8.0), (30.0, 50.0))
    assert coupled > 20.0 * alone
    assert alone < 0.01


@given(cuts=st.lists(st.integers(0, 800), max_size=6))
@settings(max_examples=25, deadline=None)
def test_running_band_power_does_not_depend_on_the_chunks(cuts: list[int]) -> None:
    x = X[0].T
    whole = RunningBandPower(RATE, 3, [(8.0, 12.0), (18.0, 26.0)]).push(x)
    stream = RunningBandPower(RATE, 3, [(8.0, 12.0), (18.0, 26.0)])
    edges = [0, *sorted(cuts), len(x)]
    parts = [stream.push(x[a:b]) for a, b in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-9)


def test_running_band_power_of_a_sine_is_half_its_squared_amplitude() -> None:
    t = np.arange(2000) / RATE
    power = RunningBandPower(RATE, 1, [(8.0, 13.0), (20.0, 30.0)]).push(4.0 * np.sin(2 * np.pi * 10.2 * t)[:, None])
    assert power[-1, 0, 0] == pytest.approx(8.0, rel=0.05)
    assert power[-1, 1, 0] < 0.05
