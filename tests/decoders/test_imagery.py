"""Imagery decoders: what their mathematics promises beyond the contract, and agreement with independent code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.covariance import oas
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from volo_decoders.imagery.band_power import BandPowerLda, parse_feature
from volo_decoders.imagery.csp import CspLda, spatial_filters, window_covariance
from volo_decoders.imagery.lda import ShrinkageLda
from volo_decoders.imagery.trials import make_imagery_trials

TWO = make_imagery_trials(classes=("left", "right"), n_channels=6, n_bands=1)
NAMES, BANDS = ["C1", "C3", "Cz", "C4"], [[8.0, 12.0], [18.0, 26.0]]


def covariances(seed: int, n: int = 6) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    a, b = (m @ m.T + 0.1 * np.eye(n) for m in rng.standard_normal((2, n, n)))
    return a, b


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_filters_diagonalise_both_covariances_and_shares_add_up_to_one(seed: int, n_pairs: int) -> None:
    a, b = covariances(seed)
    W = spatial_filters(a, b, n_pairs)
    assert W.shape == (2 * n_pairs, 6)
    one, rest = W @ a @ W.T, W @ b @ W.T
    np.testing.assert_allclose(one + rest, np.eye(2 * n_pairs), atol=1e-8)
    np.testing.assert_allclose(one, np.diag(np.diag(one)), atol=1e-8)


@given(st.integers(0, 2**32))
def test_no_direction_is_more_extreme_than_the_first_filter(seed: int) -> None:
    a, b = covariances(seed)
    W = spatial_filters(a, b, 1)
    ratio = [(w @ a @ w) / (w @ b @ w) for w in W]
    for w in np.random.default_rng(seed).standard_normal((200, 6)):
        assert ratio[1] * (1 - 1e-9) <= (w @ a @ w) / (w @ b @ w) <= ratio[0] * (1 + 1e-9)


@given(st.integers(0, 2**32))
def test_swapping_the_classes_swaps_the_ends(seed: int) -> None:
    a, b = covariances(seed)
    there, back = spatial_filters(a, b, 2), spatial_filters(b, a, 2)
    np.testing.assert_allclose(np.abs(there[[2, 3, 0, 1]]), np.abs(back), atol=1e-7)


def test_an_odd_number_of_channels_gives_no_more_filters_than_channels() -> None:
    a, b = covariances(1, 3)
    assert spatial_filters(a, b, 3).shape == (3, 3)
    assert np.linalg.matrix_rank(spatial_filters(a, b, 3)) == 3


@pytest.mark.parametrize("shrinkage", ["oas", "ledoit_wolf", "none"])
def test_covariances_have_trace_one_and_forget_the_unit(shrinkage: str) -> None:
    x = np.random.default_rng(0).standard_normal((5, 80))
    C = window_covariance(x, shrinkage)
    assert np.trace(C) == pytest.approx(1.0)
    np.testing.assert_allclose(C, C.T, atol=1e-15)
    np.testing.assert_allclose(window_covariance(1e-6 * x, shrinkage), C, rtol=1e-9)


def test_shrinkage_makes_more_channels_than_samples_invertible() -> None:
    x = np.random.default_rng(0).standard_normal((30, 20))
    assert np.linalg.matrix_rank(window_covariance(x, "none")) < 30
    for shrinkage in ("oas", "ledoit_wolf"):
        assert np.linalg.matrix_rank(window_covariance(x, shrinkage)) == 30


def test_filters_find_the_sources_that_were_mixed() -> None:
    """The first and last filter are blind for all but the source that differs: their outputs' powers tell them."""
    fitted = CspLda(1).fit(TWO.X, TWO.y)
    powers = np.array([fitted.features(window) for window in TWO.X_test])
    difference = powers[:, 0] - powers[:, 1]
    assert (difference[TWO.y_test == "left"].max() < difference[TWO.y_test == "right"].min()) or (
        difference[TWO.y_test == "right"].max() < difference[TWO.y_test == "left"].min()
    )


def test_two_classes_share_one_set_of_filters_and_four_have_one_each() -> None:
    four = make_imagery_trials()
    assert CspLda(2).fit(TWO.X, TWO.y).filters_.shape == (1, 4, 6)
    assert CspLda(2).fit(four.X, four.y).filters_.shape == (4, 4, 8)


@given(st.floats(-8.0, 8.0))
@settings(max_examples=25)
def test_a_louder_trial_weighs_no_more(exponent: float) -> None:
    X = TWO.X.astype(np.float64)
    louder = X.copy()
    louder[3] *= 10.0**exponent
    plain, other = CspLda().fit(X, TWO.y), CspLda().fit(louder, TWO.y)
    np.testing.assert_allclose(
        other.decision_function(TWO.X_test), plain.decision_function(TWO.X_test), rtol=1e-6, atol=1e-6
    )


@given(st.floats(-6.0, 6.0))
@settings(max_examples=25)
def test_csp_scores_do_not_depend_on_the_loudness_of_the_window(exponent: float) -> None:
    fitted = CspLda().fit(TWO.X, TWO.y)
    X = TWO.X_test.astype(np.float64)
    np.testing.assert_allclose(
        fitted.decision_function(X * 10.0**exponent), fitted.decision_function(X), rtol=0, atol=1e-9
    )


@given(st.integers(0, 2**32), st.integers(2, 4))
def test_with_plenty_of_trials_the_discriminant_is_scikit_learns_without_shrinkage(seed: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    targets = np.tile(np.arange(n_classes), 4000)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0] * [0.5, 1.0, 2.0]
    features = rng.standard_normal((len(targets), 3)) @ rotation + 0.7 * targets[:, None]
    ours = ShrinkageLda.fit(features, targets)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(n_classes, 1 / n_classes)).fit(features, targets)
    scores = np.array([ours.scores(f) for f in features[:40]])
    posterior = np.exp(scores - scores.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posterior, theirs.predict_proba(features[:40]), atol=0.05)


def test_unequal_numbers_of_trials_do_not_push_the_discriminant() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1], [300, 30])
    features = rng.standard_normal((330, 1)) + 2.0 * targets[:, None]
    scores = ShrinkageLda.fit(features, targets).scores(
        np.array([0.5 * (features[:300].mean() + features[300:].mean())])
    )
    assert scores[0] == pytest.approx(scores[1], abs=1e-9)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features = np.column_stack([np.arange(20.0) % 2, np.ones(20)])
    fitted = ShrinkageLda.fit(features + [[0.1, 0.0]] * np.arange(20)[:, None], np.arange(20) % 2)
    assert np.isfinite(fitted.scores(features[0])).all()


def band_power(features: list[str]) -> BandPowerLda:
    return BandPowerLda(features, NAMES, BANDS)


def test_band_powers_look_at_the_picked_rows_only() -> None:
    trials = make_imagery_trials()
    fitted = band_power(["C3:8-12", "C4:18-26"]).fit(trials.X, trials.y)
    plain = fitted.decision_function(trials.X_test)
    changed = trials.X_test.copy()
    changed[:, [0, 2, 3, 4, 5, 6]] += 100.0 * np.random.default_rng(0).standard_normal((1, 6, 200))
    assert np.array_equal(fitted.decision_function(changed), plain)  # rows 1 and 7 are C3:8-12 and C4:18-26
    changed[:, 7] *= 2.0
    assert not np.array_equal(fitted.decision_function(changed), plain)


@pytest.mark.parametrize("text", ["C3", "C3:8", "C3:12-8", ":8-12", "C3:8-12 Hz", "C3:0-4"])
def test_a_feature_written_wrongly_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected channel:low-high in Hz"):
        parse_feature(text)


def test_a_feature_is_read_with_its_channel_and_band() -> None:
    assert parse_feature("FCz:8-12.5") == ("FCz", (8.0, 12.5))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (["C5:8-12"], "window has channels C1, C3, Cz, C4"),
        (["C3:9-12"], "bands 8-12, 18-26"),
        (["C3:8-12", "C3:8-12"], "each may be there once"),
        ([], "at least one is needed"),
    ],
)
def test_features_that_the_window_does_not_hold_are_refused(features: list[str], message: str) -> None:
    trials = make_imagery_trials()
    with pytest.raises(ValueError, match=message):
        band_power(features).fit(trials.X, trials.y)


def test_a_flat_channel_cannot_be_a_feature_nor_a_flat_window_teach_filters() -> None:
    trials = make_imagery_trials()
    X = trials.X.copy()
    X[:, 1] = 0.0
    with pytest.raises(ValueError, match="no signal in C3:8-12"):
        band_power(["C3:8-12", "C4:8-12"]).fit(X, trials.y)
    X = trials.X.copy()
    X[5] = 0.0
    with pytest.raises(ValueError, match="flat window"):
        CspLda().fit(X, trials.y)


@pytest.mark.parametrize(
    ("params", "message"), [({"n_pairs": 0}, "n_pairs: got 0"), ({"shrinkage": "lots"}, "allowed are oas")]
)
def test_impossible_parameters_are_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CspLda(**params).fit(TWO.X, TWO.y)  # type: ignore[arg-type]


def test_classes_that_cannot_be_learned_are_named() -> None:
    with pytest.raises(ValueError, match="got 1 classes"):
        CspLda().fit(TWO.X, np.full(len(TWO.y), "left"))
    with pytest.raises(ValueError, match="a single trial of right"):
        CspLda().fit(TWO.X[:3], ["left", "left", "right"])


def test_windows_of_one_sample_have_no_variance() -> None:
    trials = make_imagery_trials()
    for fitted in (CspLda().fit(trials.X, trials.y), band_power(["C3:8-12"]).fit(trials.X, trials.y)):
        with pytest.raises(ValueError, match="at least 2"):
            fitted.decision_function(trials.X_test[:, :, :1])


@given(st.integers(0, 2**32), st.sampled_from([10, 40, 300]))
@settings(max_examples=25)
def test_oracle_approximating_shrinkage_is_scikit_learns(seed: int, n_samples: int) -> None:
    x = np.random.default_rng(seed).standard_normal((12, n_samples)) * np.arange(1, 13)[:, None]
    theirs = oas(x.T)[0]
    np.testing.assert_allclose(window_covariance(x, "oas"), theirs / np.trace(theirs), rtol=1e-9, atol=1e-12)
