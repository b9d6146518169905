"""Separability and selection, against scikit-learn, scipy and closed forms; and that selection leaks are shown."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.feature_selection import f_classif
from sklearn.metrics import roc_auc_score

from volo_decoders.features.selection import (
    SELECTORS,
    best_combination,
    best_n,
    contiguous_folds,
    honest_accuracy,
    mrmr,
    stability,
    sub_selection,
)
from volo_decoders.features.separability import (
    auc,
    class_profiles,
    fisher_score,
    mutual_information,
    permutation_map,
    r2,
    rejected_trials,
    signed_r2,
)

seeds = st.integers(0, 2**32 - 1)


def made(seed: int, n_classes: int = 2, n_trials: int = 36, shape: tuple[int, ...] = (4, 5)) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_trials) % n_classes)
    features = rng.standard_normal((n_trials, *shape))
    features[:, 0, 0] += 1.5 * y
    return features, np.array(["a", "b", "c", "d"])[y]


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_r2_is_the_squared_correlation_and_its_sign_that_of_the_later_class(seed: int) -> None:
    features, y = made(seed)
    correlation = np.array([np.corrcoef(f, y == "b")[0, 1] for f in features.reshape(36, -1).T]).reshape(4, 5)
    np.testing.assert_allclose(r2(features, y), correlation**2, atol=1e-12)
    np.testing.assert_allclose(signed_r2(features, y), np.sign(correlation) * correlation**2, atol=1e-12)


def test_r2_of_unequal_classes_uses_all_trials() -> None:
    """The closed form of sums that HappyFeat cuts to the smaller class."""
    features, _ = made(1)
    y = np.array(["a"] * 10 + ["b"] * 26)
    a, b = features[:10], features[10:]
    s1, s2, q = a.sum(axis=0), b.sum(axis=0), (features**2).sum(axis=0)
    g = (s1 + s2) ** 2 / 36
    np.testing.assert_allclose(r2(features, y), (s1**2 / 10 + s2**2 / 26 - g) / (q - g), atol=1e-12)


@given(seed=seeds, n_classes=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_the_fisher_score_is_scikit_learns_f_but_for_degrees_of_freedom(seed: int, n_classes: int) -> None:
    features, y = made(seed, n_classes)
    f, _ = f_classif(features.reshape(36, -1), y)
    np.testing.assert_allclose(
        fisher_score(features, y).ravel() * (36 - n_classes) / (n_classes - 1), f, rtol=1e-9, atol=1e-9
    )


@given(seed=seeds, n_classes=st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_the_area_is_scikit_learns(seed: int, n_classes: int) -> None:
    features, y = made(seed, n_classes)
    features = np.round(features, 1)  # ties
    classes = np.unique(y)
    for cell in ((0, 0), (2, 3)):
        x = features[:, *cell]
        areas = [
            roc_auc_score(y[(y == a) | (y == b)] == b, x[(y == a) | (y == b)]) for a, b in combinations(classes, 2)
        ]
        true = areas[0] if n_classes == 2 else np.mean([max(a, 1.0 - a) for a in areas])
        assert auc(features, y)[cell] == pytest.approx(true, abs=1e-12)


def test_information_is_the_integral_for_gaussians_and_bounded_by_the_prior() -> None:
    """Closed form by quadrature: two unit Gaussians 2 apart, equally likely."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 1500)
    x = np.column_stack([rng.standard_normal(3000) + 2.0 * y, rng.standard_normal(3000), 100.0 * y, np.zeros(3000)])
    x[:, 2] += 0.01 * rng.standard_normal(3000)
    grid = np.linspace(-8.0, 10.0, 20_001)
    p = np.array([stats.norm.pdf(grid), stats.norm.pdf(grid, 2.0)])
    posterior = p / p.sum(axis=0)
    entropy = np.trapezoid(-0.5 * p.sum(axis=0) * (posterior * np.log2(posterior + 1e-300)).sum(axis=0), grid)
    found = mutual_information(x, y)
    assert found[0] == pytest.approx(1.0 - entropy, abs=0.04)
    assert found[1] < 0.02
    assert found[2] == pytest.approx(1.0, abs=0.01)
    assert found[3] == 0.0


def test_a_corrected_map_finds_the_cell_and_nothing_else() -> None:
    found = permutation_map(*made(0, shape=(20, 30)))
    assert found.p[0, 0] < 0.01
    assert (np.delete(found.p.ravel(), 0) > 0.05).all()
    assert found.r2[0, 0] > found.threshold


def test_maps_of_pure_noise_hold_their_level() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(30) % 3
    wrong = sum(
        permutation_map(rng.standard_normal((30, 40)), y, n_permutations=99, seed=k).p.min() <= 0.05 for k in range(120)
    )
    assert wrong <= 13  # binomial, 120 draws at 5 %: more than 13 has probability below 0.5 %


def test_permuting_within_runs_does_not_credit_a_drift_between_runs() -> None:
    rng = np.random.default_rng(3)
    runs = np.repeat([0, 1], 20)
    y = np.where(rng.random(40) < np.where(runs == 0, 0.2, 0.8), "b", "a")
    drift = 3.0 * runs[:, None] + rng.standard_normal((40, 3))
    assert permutation_map(drift, y, n_permutations=300).p.min() < 0.05
    assert permutation_map(drift, y, groups=runs, n_permutations=300).p.min() > 0.05


def test_profiles_are_student_s_intervals() -> None:
    features, y = made(4)
    profile = class_profiles(features, y, 0.9)["b"]
    own = features[y == "b"]
    low, high = stats.t.interval(0.9, len(own) - 1, own.mean(axis=0), stats.sem(own, axis=0))
    np.testing.assert_allclose(profile.low, low)
    np.testing.assert_allclose(profile.high, high)
    assert profile.n_trials == 18


def test_rejected_trials_are_those_that_are_broken_or_far_too_strong() -> None:
    X = np.random.default_rng(0).standard_normal((30, 3, 100))
    X[4] *= 40.0
    X[7, 1, 3] = np.nan
    X[9] = 1.0
    assert np.flatnonzero(rejected_trials(X)).tolist() == [4, 7, 9]


@pytest.mark.parametrize("name", sorted(SELECTORS))
def test_a_selector_finds_what_informs(name: str) -> None:
    features, y = made(6, n_trials=60, shape=(1, 30))
    flat = features.reshape(60, 30)
    flat[:, 17] += 1.6 * (y == "b")
    picked = SELECTORS[name](flat, y, 2)
    assert set(picked.tolist()) == {0, 17}


def test_mrmr_leaves_out_a_copy_where_rank_takes_it() -> None:
    features, y = made(8, n_trials=80, shape=(1, 6))
    flat = features.reshape(80, 6)
    flat[:, 1] = flat[:, 0] + 0.01 * flat[:, 1]
    flat[:, 4] += 1.0 * (y == "b")
    assert set(best_n(flat, y, 2).tolist()) == {0, 1}
    assert 4 in mrmr(flat, y, 2)


def test_stability_selection_of_noise_picks_hardly_anything() -> None:
    noise = np.random.default_rng(9).standard_normal((40, 200))
    assert len(stability(noise, np.arange(40) % 2, 10)) < 6


@pytest.mark.parametrize("name", ["r2", "mibif", "mrmr"])
def test_picking_outside_the_folds_flatters_noise_and_inside_does_not(name: str) -> None:
    """Pure noise, 300 features: the leak alone makes it look learnable."""
    rng = np.random.default_rng(10)
    y = np.array(["a", "b"])[np.arange(40) % 2]
    found = [honest_accuracy(rng.standard_normal((40, 300)), y, contiguous_folds(y, 5), 5, name) for _ in range(5)]
    assert 0.4 < np.mean([f.inside for f in found]) < 0.6
    assert np.mean([f.optimism for f in found]) > 0.15


def test_a_combination_is_searched_inside_the_folds() -> None:
    features, y = made(11, n_trials=60, shape=(1, 8))
    flat = features.reshape(60, 8)
    flat[:, 5] += 1.5 * (y == "b")
    found = best_combination(flat, y, contiguous_folds(y, 5), [0, 2, 5], 2)
    assert found.inside > 0.75
    assert all(set(columns.tolist()) <= {0, 2, 5} for columns in found.picked)
    noise = best_combination(
        np.random.default_rng(0).standard_normal((40, 8)), np.arange(40) % 2, np.arange(40) // 10, range(8)
    )
    assert noise.inside < 0.7


def test_a_sub_selection_keeps_the_named_channels_and_bands() -> None:
    mask = sub_selection(["C3", "Cz", "C4"], [8.0, 10.0, 20.0], ["C3", "C4"], [(9.0, 21.0)])
    assert mask.tolist() == [[False, True, True], [False, False, False], [False, True, True]]
    with pytest.raises(ValueError, match="channels are C3"):
        sub_selection(["C3"], [8.0], ["C9"])
    with pytest.raises(ValueError, match="nothing is left"):
        sub_selection(["C3"], [8.0], None, [(20.0, 30.0)])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 10, "at least two are needed"),
        (["a"] * 9 + ["b"], "single trial of b"),
        (["a", "b"], "one label for each"),
    ],
)
def test_labels_that_allow_no_map_get_a_sentence(y: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        r2(np.zeros((10, 3)), y)
    with pytest.raises(ValueError, match="nothing is left after rejection"):
        r2(np.zeros((0, 3)), [])
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 4 trials"):
        r2([[1.0], [2.0], [np.nan], [3.0]], ["a", "a", "b", "b"])
