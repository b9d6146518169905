"""The backward response function: its closed form, its lags, its choice of a ridge; and the attention model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_decoders.speech.attention import AttentionModel, fit_attention, margin
from volo_decoders.speech.trf import BackwardTRF, lagged, pearson

RATE_HZ = 32.0
DELAY = 3


def trials(n: int = 4, seed: int = 0, n_channels: int = 3, noise: float = 1.0):
    """EEG that repeats an envelope `DELAY` samples later, in noise."""
    random = np.random.default_rng(seed)
    envelopes = [np.abs(random.standard_normal(300 + 40 * k)) for k in range(n)]
    eeg = []
    for envelope in envelopes:
        x = noise * random.standard_normal((len(envelope), n_channels))
        x[DELAY:] += envelope[:-DELAY, None] * np.linspace(0.3, 1.0, n_channels)
        eeg.append(x)
    return eeg, envelopes


@given(
    n=st.integers(1, 12),
    n_channels=st.integers(1, 3),
    first=st.integers(0, 4),
    extra=st.integers(0, 5),
    seed=st.integers(0, 99),
)
def test_lags_are_what_follows_a_sample_and_zero_beyond_the_end(n, n_channels, first, extra, seed):
    eeg = np.random.default_rng(seed).standard_normal((n, n_channels))
    got = lagged(eeg, first, first + extra)
    for t in range(n):
        for lag in range(first, first + extra + 1):
            for c in range(n_channels):
                wanted = eeg[t + lag, c] if t + lag < n else 0.0
                assert got[t, (lag - first) * n_channels + c] == wanted


@pytest.mark.parametrize("ridge", [1e-6, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("lags_s", [(0.0, 0.25), (0.0, 0.4), (0.05, 0.2)])
def test_weights_solve_the_normal_equations_written_out_by_hand(ridge, lags_s):
    eeg, envelopes = trials()
    first, last = math.floor(lags_s[0] * RATE_HZ), math.ceil(lags_s[1] * RATE_HZ)
    columns = [(lag, c) for lag in range(first, last + 1) for c in range(3)]
    p = 1 + len(columns)
    xx, xy = np.zeros((p, p)), np.zeros(p)
    for x, y in zip(eeg, envelopes, strict=True):
        rows = np.ones((p, len(x)))
        for row, (lag, c) in enumerate(columns, 1):
            rows[row] = np.concatenate([x[lag:, c], np.zeros(lag)])
        xx += np.einsum("it,jt->ij", rows, rows) / len(eeg)
        xy += np.einsum("it,t->i", rows, y) / len(eeg)
    penalty = ridge * np.mean([xx[k, k] for k in range(1, p)]) * np.diag([0.0] + [1.0] * (p - 1))
    wanted = np.linalg.inv(xx + penalty) @ xy
    fitted = BackwardTRF(RATE_HZ, lags_s, (ridge,)).fit(eeg, envelopes)
    np.testing.assert_allclose(fitted.weights_, wanted, rtol=1e-6, atol=1e-9)
    assert fitted.ridge_ == ridge
    assert fitted.n_channels == 3


def test_the_weights_are_a_minimum_of_the_penalised_squared_error():
    eeg, envelopes = trials(2)
    fitted = BackwardTRF(RATE_HZ, (0.0, 0.2), (0.1,)).fit(eeg, envelopes)
    design = [np.column_stack([np.ones(len(x)), lagged(x, *fitted.lags)]) for x in eeg]
    scale = np.mean([(d[:, 1:] ** 2).sum(axis=0) for d in design])

    def loss(w):
        errors = np.mean([((d @ w - y) ** 2).sum() for d, y in zip(design, envelopes, strict=True)])
        return errors + 0.1 * scale * (w[1:] ** 2).sum()

    random = np.random.default_rng(1)
    least = loss(fitted.weights_)
    for _ in range(50):
        assert loss(fitted.weights_ + 1e-3 * random.standard_normal(len(fitted.weights_))) > least


def test_a_response_within_the_lags_is_found_and_one_outside_is_not():
    eeg, envelopes = trials(6, noise=0.5)
    inside = BackwardTRF(RATE_HZ, (0.0, 0.2), (1e-2,)).fit(eeg[:4], envelopes[:4])
    assert pearson(inside.reconstruct(eeg[5]), envelopes[5]) > 0.6
    assert int(np.argmax(np.abs(inside.weights_[1:]))) // 3 == DELAY
    outside = BackwardTRF(RATE_HZ, (0.3, 0.4), (1e-2,)).fit(eeg[:4], envelopes[:4])
    assert abs(pearson(outside.reconstruct(eeg[5]), envelopes[5])) < 0.15


def test_the_ridge_is_the_one_whose_left_out_trials_are_reconstructed_best():
    eeg, envelopes = trials(5, noise=3.0)
    ridges = (1e-4, 1e-2, 1.0, 1e3)
    fitted = BackwardTRF(RATE_HZ, (0.0, 0.4), ridges).fit(eeg, envelopes)
    by_hand = []
    for ridge in ridges:
        scores = []
        for k in range(5):
            rest = [i for i in range(5) if i != k]
            model = BackwardTRF(RATE_HZ, (0.0, 0.4), (ridge,)).fit([eeg[i] for i in rest], [envelopes[i] for i in rest])
            scores.append(pearson(model.reconstruct(eeg[k]), envelopes[k]))
        by_hand.append(np.mean(scores))
    np.testing.assert_allclose(fitted.ridge_scores_, by_hand, atol=1e-9)
    assert fitted.ridge_ == ridges[int(np.argmax(by_hand))]
    alone = fitted.left_out(eeg, envelopes)
    model = BackwardTRF(RATE_HZ, (0.0, 0.4), (fitted.ridge_,)).fit(eeg[1:], envelopes[1:])
    np.testing.assert_allclose(alone[0], model.reconstruct(eeg[0]), atol=1e-9)


def test_a_left_out_trials_own_envelope_does_not_reach_its_reconstruction():
    eeg, envelopes = trials(4)
    fitted = BackwardTRF(RATE_HZ, (0.0, 0.2), (1e-2,)).fit(eeg, envelopes)
    before = fitted.left_out(eeg, envelopes)
    other = [np.random.default_rng(9).standard_normal(len(envelopes[0])), *envelopes[1:]]
    after = fitted.left_out(eeg, other)
    np.testing.assert_allclose(after[0], before[0], atol=1e-9)
    assert np.abs(after[1] - before[1]).max() > 1e-3


@given(gain=st.floats(0.01, 100.0), ridge=st.sampled_from([1e-3, 1.0]))
def test_the_unit_of_the_eeg_does_not_matter(gain, ridge):
    eeg, envelopes = trials(2)
    one = BackwardTRF(RATE_HZ, (0.0, 0.2), (ridge,)).fit(eeg, envelopes)
    scaled = BackwardTRF(RATE_HZ, (0.0, 0.2), (ridge,)).fit([gain * x for x in eeg], envelopes)
    np.testing.assert_allclose(scaled.reconstruct(gain * eeg[0]), one.reconstruct(eeg[0]), atol=1e-8)


def test_fitted_arrays_come_back_to_the_bit():
    eeg, envelopes = trials(3)
    fitted = BackwardTRF(RATE_HZ).fit(eeg, envelopes)
    again = BackwardTRF(RATE_HZ).restore(fitted.state())
    assert again.ridge_ == fitted.ridge_
    np.testing.assert_array_equal(again.reconstruct(eeg[0]), fitted.reconstruct(eeg[0]))
    with pytest.raises(ValueError, match="weights"):
        BackwardTRF(RATE_HZ, (0.0, 0.2)).restore({**fitted.state(), "weights": np.zeros(12)})


def test_trials_that_do_not_fit_are_refused():
    eeg, envelopes = trials(2)
    with pytest.raises(ValueError, match="got 2 of EEG and 1 envelopes"):
        BackwardTRF(RATE_HZ).fit(eeg, envelopes[:1])
    with pytest.raises(ValueError, match="choosing a ridge"):
        BackwardTRF(RATE_HZ).fit(eeg[:1], envelopes[:1])
    with pytest.raises(ValueError, match="trial 1"):
        BackwardTRF(RATE_HZ).fit([eeg[0], eeg[1][:50]], envelopes)
    eeg[1][3, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        BackwardTRF(RATE_HZ).fit(eeg, envelopes)
    for wrong in (
        {"rate_hz": 0.0},
        {"lags_s": (0.2, 0.1)},
        {"lags_s": (-0.1, 0.1)},
        {"ridges": ()},
        {"ridges": (0.0,)},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            BackwardTRF(**wrong)


@given(a=st.floats(-0.99, 0.99), b=st.floats(-0.99, 0.99), window_s=st.floats(0.5, 60.0))
def test_confidence_mirrors_and_grows_with_the_margin_and_the_window(a, b, window_s):
    model = AttentionModel(0.1, 0.3, 5.0)
    p = model.probability(a, b, window_s)
    assert 0.0 <= p <= 1.0
    assert p == pytest.approx(1.0 - model.probability(b, a, window_s), abs=1e-12)
    assert (p > 0.5) == (a > b) or abs(margin(a, b)) < 1e-12
    assert abs(model.probability(a, b, 2 * window_s) - 0.5) >= abs(p - 0.5)


def test_confidence_is_the_share_of_right_decisions_where_the_model_holds():
    random = np.random.default_rng(0)
    model = AttentionModel(0.1, 0.2, 5.0)
    margins = random.normal(0.1, 0.2, 40_000)
    p = np.array([model.probability(math.tanh(d), 0.0, 5.0) for d in margins])
    confidence, right = np.maximum(p, 1 - p), margins > 0
    for low, high in ((0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.95)):
        some = (confidence >= low) & (confidence < high)
        assert np.mean(right[some]) == pytest.approx(np.mean(confidence[some]), abs=0.02)
    assert np.mean(right) == pytest.approx(model.accuracy(5.0), abs=0.01)


def test_a_model_that_found_nothing_is_never_sure():
    assert AttentionModel(-0.01, 0.2, 5.0).probability(0.9, -0.9, 60.0) == 0.5


def test_the_model_is_fitted_to_windows_that_do_not_overlap():
    random = np.random.default_rng(2)
    attended = [random.standard_normal(400) for _ in range(3)]
    ignored = [random.standard_normal(400) for _ in range(3)]
    heard = [a + random.standard_normal(400) for a in attended]
    model = fit_attention(heard, attended, ignored, rate_hz=40.0, window_s=3.0)
    by_hand = [
        margin(pearson(s[k : k + 120], a[k : k + 120]), pearson(s[k : k + 120], b[k : k + 120]))
        for s, a, b in zip(heard, attended, ignored, strict=True)
        for k in (0, 120, 240)
    ]
    assert model.mean == pytest.approx(np.mean(by_hand))
    assert model.sd == pytest.approx(np.std(by_hand, ddof=1))
    with pytest.raises(ValueError, match="1 windows of 10 s"):
        fit_attention(heard[:1], attended[:1], ignored[:1], rate_hz=40.0, window_s=10.0)
