"""FBCCA against two independent computations, and what it promises of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import CCA

from volo_decoders.ssvep.fbcca import FBCCA

RATE = 250.0
FREQUENCIES = [8.0, 9.4, 11.2, 15.8]


def make_windows(n_rows: int, n_samples: int, seed: int = 0, amplitude: float = 0.5) -> np.ndarray:
    """Windows, one for each frequency, over noise that channels share in part."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    mixing = np.eye(n_rows) + 0.5 * rng.standard_normal((n_rows, n_rows))
    X = np.stack([mixing @ rng.standard_normal((n_rows, n_samples)) for _ in FREQUENCIES])
    for i, f in enumerate(FREQUENCIES):
        X[i] += amplitude * np.outer(rng.uniform(0.5, 1.0, n_rows), np.sin(2 * np.pi * f * t + 1.0) + 0.4)
    return X


def references(f: float, n_samples: int, n_harmonics: int, first: int = 0) -> np.ndarray:
    """References, shape (n_samples, 2 * n_harmonics), from any first sample: the space they span is the same."""
    t = (np.arange(n_samples) + first) / RATE
    return np.column_stack([g(2 * np.pi * h * f * t) for h in range(1, n_harmonics + 1) for g in (np.sin, np.cos)])


def canonical_by_svd(x: np.ndarray, y: np.ndarray) -> float:
    """Largest canonical correlation by two thin QRs and a singular value."""
    qx, qy = (np.linalg.qr(v - v.mean(axis=0))[0] for v in (x, y))
    return float(np.linalg.svd(qx.T @ qy, compute_uv=False)[0])


@pytest.mark.parametrize(
    ("n_channels", "n_samples", "n_harmonics"), [(9, 250, 5), (3, 125, 5), (12, 200, 2), (1, 90, 3)]
)
def test_one_band_gives_the_largest_canonical_correlation_of_two_qr_and_an_svd(
    n_channels: int, n_samples: int, n_harmonics: int
) -> None:
    X = make_windows(n_channels, n_samples)
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE, n_harmonics=n_harmonics, weight_b=0.0, squared=False).fit(None, None)
    expected = [[canonical_by_svd(x.T, references(f, n_samples, n_harmonics)) for f in FREQUENCIES] for x in X]
    np.testing.assert_allclose(decoder.decision_function(X), expected, rtol=0, atol=1e-9)


def test_one_band_gives_the_largest_canonical_correlation_of_scikit_learn() -> None:
    X = make_windows(6, 250)
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE, n_harmonics=2, weight_b=0.0, squared=False).fit(None, None)
    expected = np.empty((len(X), len(FREQUENCIES)))
    for i, x in enumerate(X):
        for j, f in enumerate(FREQUENCIES):
            cca = CCA(n_components=1, tol=1e-14, max_iter=20_000)
            u, v = cca.fit_transform(x.T, references(f, 250, 2, first=1))
            expected[i, j] = np.corrcoef(u[:, 0], v[:, 0])[0, 1]
    np.testing.assert_allclose(decoder.decision_function(X), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("squared", [True, False])
def test_bands_add_up_with_the_weights_of_chen(squared: bool) -> None:
    X = make_windows(12, 250)
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE, n_bands=3, squared=squared).fit(None, None)
    expected = np.zeros((len(X), len(FREQUENCIES)))
    for k in range(3):
        for i, x in enumerate(X):
            for j, f in enumerate(FREQUENCIES):
                rho = canonical_by_svd(x[4 * k : 4 * k + 4].T, references(f, 250, 5))
                expected[i, j] += ((k + 1) ** -1.25 + 0.25) * (rho**2 if squared else rho)
    np.testing.assert_allclose(decoder.decision_function(X), expected, rtol=0, atol=1e-9)


def test_classes_keep_their_order_and_are_named_by_frequency_without_names() -> None:
    decoder = FBCCA([12.0, 8.2], rate_hz=RATE).fit(None, None)
    assert decoder.classes_.tolist() == ["12", "8.2"]
    named = FBCCA([12.0, 8.2], ["z", "a"], rate_hz=RATE).fit(None, None)
    t = np.arange(250) / RATE
    noise = np.random.default_rng(0).standard_normal((2, 3, 250))
    X = np.sin(2 * np.pi * np.array([8.2, 12.0])[:, None, None] * t) + 0.5 * noise
    assert named.predict(X).tolist() == ["a", "z"]
    assert decoder.predict(X).tolist() == ["8.2", "12"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(60, 300))
def test_scores_do_not_change_when_channels_are_mixed_by_any_regular_matrix(seed: int, n_samples: int) -> None:
    rng = np.random.default_rng(seed)
    X = make_windows(4, n_samples, seed=seed % 1000)
    u, _, v = np.linalg.svd(rng.standard_normal((4, 4)))
    mixing = u * np.geomspace(1.0, 0.02, 4) @ v
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE, n_harmonics=3).fit(None, None)
    offset = rng.uniform(-1e3, 1e3, (4, 1))
    np.testing.assert_allclose(
        decoder.decision_function(mixing @ X + offset), decoder.decision_function(X), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_and_dependent_channels_change_nothing(dtype: type) -> None:
    X = make_windows(4, 250).astype(dtype)
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE).fit(None, None)
    plain = decoder.decision_function(X)
    flat = np.full_like(X[:, :1], 1234.5)
    both = X[:, :1] - X[:, 1:2]
    np.testing.assert_allclose(decoder.decision_function(np.concatenate((X, flat), 1)), plain, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        decoder.decision_function(np.concatenate((flat, X, 0 * flat, both), 1)), plain, rtol=0, atol=1e-6
    )


def test_an_average_reference_that_costs_a_rank_is_harmless_in_float32() -> None:
    X = make_windows(8, 250)
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE).fit(None, None)
    centred = X - X.mean(axis=1, keepdims=True)
    expected = decoder.decision_function(centred[:, :-1])  # spans the same
    np.testing.assert_allclose(decoder.decision_function(centred.astype(np.float32)), expected, rtol=0, atol=1e-5)


def test_a_flat_window_scores_zero() -> None:
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE, n_bands=2).fit(None, None)
    assert not decoder.decision_function(np.full((2, 6, 100), 7.7)).any()


def test_pure_references_score_all_the_weight() -> None:
    x = references(FREQUENCIES[2], 250, 5).T[None, :3]
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE, weight_b=0.0).fit(None, None)
    scores = decoder.decision_function(x)[0]
    assert scores[2] == pytest.approx(1.0, abs=1e-12)
    assert np.all(scores <= 1.0)


def test_windows_of_any_length_can_be_mixed() -> None:
    decoder = FBCCA(FREQUENCIES, rate_hz=RATE).fit(None, None)
    X = make_windows(3, 500, amplitude=1.0)
    for n in (500, 60, 250, 60, 499):
        fresh = FBCCA(FREQUENCIES, rate_hz=RATE).fit(None, None)
        np.testing.assert_array_equal(decoder.decision_function(X[:, :, :n]), fresh.decision_function(X[:, :, :n]))
    assert decoder.predict(X).tolist() == [f"{f:g}" for f in FREQUENCIES]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"frequencies_hz": []}, "frequencies_hz"),
        ({"class_names": ["a"]}, "one for each of 4"),
        ({"class_names": ["a", "b", "c", "a"]}, "each must be there once"),
        ({"n_bands": 0}, "n_bands"),
        ({"n_harmonics": 8}, "15.8 Hz.*at most 7 harmonics"),
        ({"n_harmonics": 0}, "n_harmonics"),
        ({"rate_hz": 0.0}, "rate_hz"),
        ({"frequencies_hz": [8.0, -1.0]}, "frequency_hz"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_when_fitted(params: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FBCCA(**{"frequencies_hz": FREQUENCIES, "rate_hz": RATE, **params}).fit(None, None)


def test_windows_and_labels_that_do_not_fit_are_refused() -> None:
    decoder = FBCCA(FREQUENCIES, ["a", "b", "c", "d"], rate_hz=RATE, n_bands=2)
    X = make_windows(4, 100)
    with pytest.raises(ValueError, match=r"unknown classes \['e'\]"):
        decoder.fit(X, ["a", "b", "c", "e"])
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 4 windows"):
        decoder.fit(np.where(X[0, 0, 0] == X, np.nan, X), None)
    decoder.fit(X, ["a", "b", "c", "d"])
    with pytest.raises(ValueError, match="5 channels, expected a multiple of n_bands = 2"):
        decoder.decision_function(np.ones((1, 5, 100)))
    with pytest.raises(ValueError, match="need more than 13"):
        decoder.decision_function(np.ones((1, 4, 13)))
    with pytest.raises(ValueError, match="NaN"):
        decoder.decision_function(np.full((1, 4, 100), np.nan))
    with pytest.raises(ValueError, match="dtype"):
        decoder.decision_function(np.full((1, 4, 100), "x"))


def test_scoring_before_fitting_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="FBCCA is not fitted"):
        FBCCA(FREQUENCIES, rate_hz=RATE).decision_function(np.ones((1, 4, 100)))


def test_a_state_of_other_classes_is_refused() -> None:
    state = FBCCA(FREQUENCIES, rate_hz=RATE).fit(None, None).state()
    with pytest.raises(ValueError, match="the parameters name"):
        FBCCA([8.0, 9.0], rate_hz=RATE).restore(state)
    with pytest.raises(ValueError, match="'classes' is missing"):
        FBCCA(FREQUENCIES, rate_hz=RATE).restore({})
