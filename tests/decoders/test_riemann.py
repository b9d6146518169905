"""Decoders on covariance matrices against pyriemann, scikit-learn, and what the geometry promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyriemann import classification as peer_classifiers
from pyriemann.geometry.distance import distance_riemann
from pyriemann.geometry.geodesic import geodesic_riemann
from pyriemann.geometry.mean import mean_logeuclid, mean_riemann
from pyriemann.tangentspace import TangentSpace as PeerTangentSpace
from sklearn.linear_model import LogisticRegression

from volo_decoders.imagery.manifold import (
    augmented,
    geodesic,
    inverse_root,
    log_euclidean_mean,
    tangent_vector,
    window_spd,
)
from volo_decoders.imagery.recentring import Calibrated, Recentring
from volo_decoders.imagery.riemann import AugmentedCovariance, FgMdm, Mdm, TangentSpace
from volo_decoders.imagery.trials import make_imagery_trials

TRIALS = make_imagery_trials(0.4, n_per_class=20, n_bands=1)
MATRICES = np.stack([window_spd(window) for window in TRIALS.X])
TEST = np.stack([window_spd(window) for window in TRIALS.X_test])


def spd(seed: int, n: int = 5) -> np.ndarray:
    root = np.random.default_rng(seed).standard_normal((n, n))
    return root @ root.T + 0.1 * np.eye(n)


@given(a=st.integers(0, 999), b=st.integers(1000, 1999), share=st.floats(0.0, 1.0))
@settings(max_examples=30, deadline=None)
def test_distances_and_geodesics_are_pyriemanns(a: int, b: int, share: float) -> None:
    one, two = spd(a), spd(b)
    np.testing.assert_allclose(
        np.linalg.norm(tangent_vector(two, inverse_root(one))), distance_riemann(one, two), rtol=1e-6
    )
    np.testing.assert_allclose(geodesic(one, two, share), geodesic_riemann(one, two, share), rtol=1e-6, atol=1e-8)


def test_the_log_euclidean_mean_is_pyriemanns() -> None:
    np.testing.assert_allclose(log_euclidean_mean(MATRICES), mean_logeuclid(MATRICES), rtol=1e-8, atol=1e-10)


def test_nearest_means_and_distances_are_pyriemanns() -> None:
    ours = Mdm().fit(TRIALS.X, TRIALS.y)
    theirs = peer_classifiers.MDM().fit(MATRICES, TRIALS.y)
    assert (ours.predict(TRIALS.X_test) == theirs.predict(TEST)).all()
    np.testing.assert_allclose(np.sqrt(-ours.decision_function(TRIALS.X_test)), theirs.transform(TEST), rtol=1e-5)


def test_the_geodesic_filter_is_pyriemanns() -> None:
    ours = FgMdm().fit(TRIALS.X, TRIALS.y)
    theirs = peer_classifiers.FgMDM().fit(MATRICES, TRIALS.y)
    assert (ours.predict(TRIALS.X_test) == theirs.predict(TEST)).mean() >= 0.98
    np.testing.assert_allclose(
        np.sqrt(-ours.decision_function(TRIALS.X_test)), theirs.transform(TEST), rtol=0.02, atol=0.2
    )  # theirs keeps one direction more, that of the grand mean, which rounding chooses


def test_tangent_space_and_logistic_regression_are_the_peers() -> None:
    ours = TangentSpace("lr").fit(TRIALS.X, TRIALS.y)
    space = PeerTangentSpace().fit(MATRICES)
    vectors = space.transform(MATRICES)
    centre = vectors.mean(axis=0)
    peer = LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000, tol=1e-8).fit(vectors - centre, TRIALS.y)
    scores = peer.decision_function(space.transform(TEST) - centre)
    found = ours.decision_function(TRIALS.X_test)
    # the symmetric root is one choice of a whitener, and a choice only rotates: distances and scores stay
    np.testing.assert_allclose(
        found - found.mean(axis=1, keepdims=True), scores - scores.mean(axis=1, keepdims=True), atol=2e-2
    )
    assert (ours.predict(TRIALS.X_test) == peer.predict(space.transform(TEST) - centre)).all()


def test_delayed_copies_are_stacked_like_takens() -> None:
    x = np.arange(20.0).reshape(2, 10)
    stacked = augmented(x, 3, 2)
    assert stacked.shape == (6, 6)
    np.testing.assert_array_equal(stacked[2:4], x[:, 2:8])


def test_the_past_tells_rhythms_apart_that_have_one_covariance() -> None:
    """Two rhythms of one power on the same channels: only the signal beside its past differs."""
    rng = np.random.default_rng(0)
    t = np.arange(300) / 150.0

    def trials(n: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(n) % 2
        phase = rng.uniform(0, 2 * np.pi, (n, 3, 1))
        X = np.sin(2 * np.pi * np.where(y, 13.0, 10.0)[:, None, None] * t + phase) + rng.standard_normal((n, 3, 300))
        return X, np.array(["slow", "fast"])[y]

    X, y = trials(60)
    X_test, y_test = trials(60)
    assert AugmentedCovariance(4, 3).fit(X, y).score(X_test, y_test) > 0.9
    assert TangentSpace("svm").fit(X, y).score(X_test, y_test) < 0.7


def test_windows_too_short_for_the_copies_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="take longer windows, a lower order or a shorter lag"):
        AugmentedCovariance(40, 6).fit(TRIALS.X, TRIALS.y)
    with pytest.raises(ValueError, match="allowed are lr, svm"):
        TangentSpace("forest").fit(TRIALS.X, TRIALS.y)
    with pytest.raises(ValueError, match="allowed are none, riemann"):
        Mdm(adapt_by="always").fit(TRIALS.X, TRIALS.y)


@given(seed=st.integers(0, 999))
@settings(max_examples=15, deadline=None)
def test_any_mixing_of_the_channels_leaves_nearest_means_alone(seed: int) -> None:
    """Affine invariance: no shrinkage, same mixing in calibration and test."""
    mixing = np.eye(4) + 0.3 * np.random.default_rng(seed).standard_normal((4, 4))
    plain = Mdm("none").fit(TRIALS.X, TRIALS.y).decision_function(TRIALS.X_test)
    mixed = Mdm("none").fit(mixing @ TRIALS.X, TRIALS.y).decision_function(mixing @ TRIALS.X_test)
    np.testing.assert_allclose(mixed, plain, rtol=1e-4, atol=1e-5)


# Following a drift.


def online_accuracy(decoder: TangentSpace, X: np.ndarray, y: np.ndarray) -> float:
    """Score each window, then let the decoder see it: what the pipeline does, a window a trial."""
    guesses = []
    for x in X:
        guesses += decoder.predict(x[None]).tolist()
        decoder.adapt(x)
    return float(np.mean(np.array(guesses) == y))


@pytest.mark.parametrize("method", ["riemann", "euclid"])
def test_recentring_makes_up_for_a_cap_that_moved(method: str) -> None:
    """The second session's channels are mixed otherwise."""
    trials = make_imagery_trials(0.5, n_per_class=40, n_bands=1, classes=("left", "right"))
    moved = np.diag([1.5, 0.7, 1.0, 1.0]) @ trials.X_test
    plain = TangentSpace().fit(trials.X, trials.y).score(moved, trials.y_test)
    decoder = TangentSpace(adapt_by=method).fit(trials.X, trials.y)
    decoder.bounds_[0] *= 4.0
    decoder._begin()
    assert online_accuracy(decoder, moved, trials.y_test) > plain + 0.1


def test_scoring_looks_at_nothing_later_and_changes_nothing() -> None:
    decoder = TangentSpace(adapt_by="riemann").fit(TRIALS.X, TRIALS.y)
    first = decoder.decision_function(TRIALS.X_test)
    np.testing.assert_array_equal(decoder.decision_function(TRIALS.X_test[:5]), first[:5])
    decoder.adapt(TRIALS.X_test[0])
    assert decoder.moving_.n_trials == 1
    assert not np.array_equal(decoder.decision_function(TRIALS.X_test), first)
    still = TangentSpace().fit(TRIALS.X, TRIALS.y)
    assert not still.adapts


def test_the_mean_of_many_trials_is_their_mean() -> None:
    rng = np.random.default_rng(0)
    root = np.linalg.cholesky(spd(3, 3))
    matrices = [root @ np.cov(rng.standard_normal((3, 400))) @ root.T for _ in range(200)]
    moving = Recentring(Calibrated(np.eye(3), 100.0, 0.0), k0=1.0)
    for matrix in matrices:
        moving.commit(matrix, 1.0)
    target = np.asarray(mean_riemann(np.stack(matrices)))
    whitener = moving.whitener(matrices[-1])
    np.testing.assert_allclose(whitener @ target @ whitener, np.eye(3), atol=0.05)


def test_a_mean_that_leaves_the_calibrated_range_goes_back() -> None:
    moving = Recentring(Calibrated(np.eye(3), 0.5, 0.0))
    moving.commit(1.1 * np.eye(3), 1.0)
    assert moving.n_trials == 1
    loose = 1e4 * spd(1, 3)
    np.testing.assert_allclose(moving.whitener(loose), np.eye(3), atol=1e-9)
    moving.commit(loose, 1.0)
    assert (moving.n_reverted, moving.n_trials) == (1, 0)


def test_a_decoder_that_grows_unsure_goes_back() -> None:
    unsure, sure = (Recentring(Calibrated(np.eye(3), 100.0, 0.8)) for _ in range(2))
    for _ in range(Recentring.N_CONFIDENCE):
        unsure.commit(np.eye(3) * 1.2, 0.55)
        sure.commit(np.eye(3) * 1.2, 0.9)
    assert (unsure.n_reverted, unsure.n_trials) == (1, 0)
    assert (sure.n_reverted, sure.n_trials) == (0, Recentring.N_CONFIDENCE)
