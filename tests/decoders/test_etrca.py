"""ETRCA against a literal transcription of the published code, and what it promises of its own."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_decoders.ssvep.filterbank import chebyshev_bands, design_bank, filter_epochs
from volo_decoders.ssvep.spatial import task_related_filters
from volo_decoders.ssvep.trca import ETRCA

RATE = 250.0


def make_epochs(
    n_classes: int = 6, n_per_class: int = 5, n_channels: int = 5, n_samples: int = 150, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Raw epochs with a sine of its own frequency and phase for each class, over noise with offsets."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    y = np.repeat(np.arange(n_classes), n_per_class)
    mixing = np.eye(n_channels) + 0.4 * rng.standard_normal((n_channels, n_channels))
    topography = rng.uniform(0.3, 1.0, (n_classes, n_channels))
    X = np.stack([mixing @ rng.standard_normal((n_channels, n_samples)) for _ in y])
    for i, c in enumerate(y):
        phase = 2 * np.pi * (8.0 + 0.8 * c) * t + c
        X[i] += np.outer(topography[c], np.sin(phase) + 0.5 * np.sin(2 * phase)) + rng.uniform(
            -0.2, 0.2, (n_channels, 1)
        )
    return X, np.array([f"c{c}" for c in y])


def published_filter(X: np.ndarray, meegkit: bool) -> np.ndarray:
    """trca.m of Nakanishi, line by line; X has shape (n_channels, n_samples, n_trials).

    The papers leave the filter's length open: here its output has variance 1, or it stays as meegkit's call returns it.
    """
    n_channels, n_samples, n_trials = X.shape
    S = np.zeros((n_channels, n_channels))
    for i in range(n_trials - 1):
        x1 = X[:, :, i] - X[:, :, i].mean(axis=1, keepdims=True)
        for j in range(i + 1, n_trials):
            x2 = X[:, :, j] - X[:, :, j].mean(axis=1, keepdims=True)
            S = S + x1 @ x2.T + x2 @ x1.T
    UX = X.transpose(0, 2, 1).reshape(n_channels, n_trials * n_samples)
    UX = UX - UX.mean(axis=1, keepdims=True)
    Q = UX @ UX.T
    values, vectors = scipy.linalg.eig(S, Q, left=True, right=False)
    best = vectors[:, np.argmax(values)].real
    return best if meegkit else best / np.sqrt(best @ Q @ best)


def published_scores(
    train: np.ndarray, y: np.ndarray, test: np.ndarray, n_bands: int, ensemble: bool, meegkit: bool
) -> np.ndarray:
    """train_trca.m and test_trca.m: one class, band and trial at a time; corr2 is the correlation of all elements."""
    classes, n_channels = np.unique(y), train.shape[1] // n_bands
    rho = np.zeros((len(test), len(classes)))
    for k in range(n_bands):
        rows = slice(k * n_channels, (k + 1) * n_channels)
        W = np.stack([published_filter(train[y == c][:, rows].transpose(1, 2, 0), meegkit) for c in classes])
        templates = [train[y == c][:, rows].mean(axis=0)[:, : test.shape[2]] for c in classes]
        for i, x in enumerate(test[:, rows]):
            for c in range(len(classes)):
                w = W if ensemble else W[c : c + 1]
                a, b = w @ x, w @ templates[c]
                if not meegkit:
                    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
                rho[i, c] += ((k + 1) ** -1.25 + 0.25) * np.corrcoef(a.ravel(), b.ravel())[0, 1]
    return rho


@pytest.mark.parametrize("meegkit", [True, False])
@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("cascaded", [True, False])
@pytest.mark.parametrize("n_samples", [150, 90])
def test_scores_are_those_of_the_published_double_loop(
    meegkit: bool, ensemble: bool, cascaded: bool, n_samples: int
) -> None:
    X, y = make_epochs()
    passed, stopped = chebyshev_bands(3)
    bank = design_bank(RATE, passed, stop_bands=stopped)
    train = filter_epochs(X, bank, cascaded=cascaded)
    test = filter_epochs(make_epochs(seed=1)[0], bank)[:, :, :n_samples]
    expected = published_scores(train, y, test, 3, ensemble, meegkit)
    decoder = ETRCA(3, ensemble, compat="meegkit" if meegkit else "none").fit(train, y)
    np.testing.assert_allclose(decoder.decision_function(test), expected, rtol=0, atol=1e-9)
    assert (decoder.predict(test) == decoder.classes_[expected.argmax(axis=1)]).all()


@pytest.mark.parametrize("meegkit", [True, False])
@pytest.mark.parametrize("ensemble", [True, False])
def test_scores_are_those_of_the_published_double_loop_for_windows_with_offsets(ensemble: bool, meegkit: bool) -> None:
    (X, y), test = make_epochs(), make_epochs(seed=1)[0]
    X, test = X + np.arange(5)[:, None], test + 3.0 * np.arange(5)[:, None]
    expected = published_scores(X, y, test, 1, ensemble, meegkit)
    decoder = ETRCA(1, ensemble, compat="meegkit" if meegkit else "none").fit(X, y)
    np.testing.assert_allclose(decoder.decision_function(test), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ensemble", [True, False])
def test_scores_do_not_depend_on_offsets(ensemble: bool) -> None:
    (X, y), test = make_epochs(), make_epochs(seed=1)[0]
    decoder = ETRCA(1, ensemble).fit(X, y)
    offset = 1e4 * np.arange(5)[:, None]
    np.testing.assert_allclose(
        ETRCA(1, ensemble).fit(X + offset, y).decision_function(test - offset),
        decoder.decision_function(test),
        rtol=0,
        atol=1e-8,
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_scores_do_not_change_when_channels_are_mixed_by_any_regular_matrix(seed: int, ensemble: bool) -> None:
    (X, y), test = make_epochs(), make_epochs(seed=1)[0]
    u, _, v = np.linalg.svd(np.random.default_rng(seed).standard_normal((5, 5)))
    mixing = u * np.geomspace(1.0, 0.05, 5) @ v
    plain = ETRCA(1, ensemble).fit(X, y).decision_function(test)
    mixed = ETRCA(1, ensemble).fit(mixing @ X, y).decision_function(mixing @ test)
    np.testing.assert_allclose(mixed, plain, rtol=0, atol=1e-8)


def test_calibration_finds_every_class_again() -> None:
    X, y = make_epochs(n_per_class=8)
    test, truth = make_epochs(n_per_class=8, seed=3)
    # Topographies differ between seeds; frequencies and phases tell the classes apart all the same.
    assert (ETRCA(1).fit(X, y).predict(test) == truth).mean() > 0.9


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 150), st.booleans(), st.integers(0, 100))
def test_a_shorter_window_scores_as_if_the_templates_ended_with_it(n: int, ensemble: bool, seed: int) -> None:
    X, y = make_epochs(n_classes=3, n_per_class=2, n_channels=3, seed=seed)
    whole = ETRCA(1, ensemble).fit(X, y)
    state = whole.state()
    state["templates"] = state["templates"][..., :n]
    cut = ETRCA(1, ensemble).restore(state)
    np.testing.assert_allclose(
        whole.decision_function(X[:, :, :n]), cut.decision_function(X[:, :, :n]), rtol=0, atol=1e-9
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_filters_are_the_top_generalised_eigenvectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((6, 5, 40))
    total = x.sum(axis=0)
    Q = np.einsum("tin,tjn->ij", x, x)
    S = total @ total.T - Q
    w = task_related_filters(S, Q)
    values = scipy.linalg.eigh(S, Q, eigvals_only=True)
    np.testing.assert_allclose(w @ S @ w, values[-1], rtol=1e-8, atol=1e-10)
    assert w @ Q @ w == pytest.approx(1.0, abs=1e-9)
    assert w[np.abs(w).argmax()] > 0.0


def test_filters_leave_out_directions_without_variance_even_if_no_other_is_consistent() -> None:
    x = np.random.default_rng(0).standard_normal((2, 60))
    x = np.vstack((x, x[0] - x[1], np.zeros(60)))
    S = -2.0 * x @ x.T  # two trials, the second the first turned over: nothing repeats
    Q = 2.0 * x @ x.T
    w = task_related_filters(S, Q)
    assert w @ Q @ w == pytest.approx(1.0, abs=1e-9)
    assert w[3] == 0.0
    assert not task_related_filters(np.zeros((2, 2)), np.zeros((2, 2))).any()


@pytest.mark.parametrize("ensemble", [True, False])
def test_a_flat_channel_changes_nothing(ensemble: bool) -> None:
    X, y = make_epochs()
    test = make_epochs(seed=1)[0]
    plain = ETRCA(1, ensemble).fit(X, y).decision_function(test)
    X0, test0 = (np.concatenate((v, np.zeros_like(v[:, :1])), axis=1) for v in (X, test))
    np.testing.assert_allclose(ETRCA(1, ensemble).fit(X0, y).decision_function(test0), plain, rtol=0, atol=1e-9)


def test_scores_of_flat_windows_and_flat_calibration_are_zero_not_nan() -> None:
    X, y = make_epochs()
    assert not ETRCA(1).fit(X, y).decision_function(np.zeros((1, 5, 150))).any()
    assert not ETRCA(1).fit(np.zeros_like(X), y).decision_function(X).any()


@pytest.mark.parametrize(("score", "function"), [("squared", np.square), ("signed_squared", lambda r: r * abs(r))])
def test_other_scores_are_functions_of_the_same_correlations(score: str, function: object) -> None:
    X, y = make_epochs(n_channels=6)
    one_band = [ETRCA(1, weight_b=0.0).fit(X[:, k : k + 3], y).decision_function(X[:, k : k + 3]) for k in (0, 3)]
    expected = sum(((k + 1) ** -1.25 + 0.25) * function(r) for k, r in enumerate(one_band))
    scores = ETRCA(2, combine=score).fit(X, y).decision_function(X)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-12)


def test_regularization_shrinks_towards_the_plain_consistent_direction() -> None:
    X, y = make_epochs()
    plain, shrunk, nearly = (ETRCA(1, regularization=r).fit(X, y).filters_[0] for r in (0.0, 0.2, 1.0 - 1e-9))
    plain, shrunk, nearly = (w / np.linalg.norm(w, axis=1, keepdims=True) for w in (plain, shrunk, nearly))
    x = X[y == "c0"] - X[y == "c0"].mean(axis=2, keepdims=True)
    total = x.sum(axis=0)
    limit = scipy.linalg.eigh(total @ total.T - np.einsum("tin,tjn->ij", x, x))[1][:, -1]
    assert abs(nearly[0] @ limit) == pytest.approx(1.0, abs=1e-6)
    assert abs(plain[0] @ limit) < abs(shrunk[0] @ limit) < 1.0


def test_labels_keep_their_kind() -> None:
    X, y = make_epochs()
    numbers = np.array([int(label[1:]) for label in y])
    decoder = ETRCA(1).fit(X, numbers)
    assert decoder.classes_.tolist() == [0, 1, 2, 3, 4, 5]
    assert (decoder.predict(X) == numbers).all()
    assert ETRCA(1).fit(X, y.astype(object)).classes_.dtype.kind == "U"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_bands": 0}, "n_bands"),
        ({"n_bands": 3}, "5 channels, expected a multiple of n_bands = 3"),
        ({"combine": "cubed"}, "'cubed', allowed are signed, squared, signed_squared"),
        ({"compat": "other"}, "'other', allowed are none, meegkit"),
        ({"regularization": 1.0}, "regularization"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_when_fitted(params: dict, message: str) -> None:
    X, y = make_epochs()
    with pytest.raises(ValueError, match=message):
        ETRCA(**{"n_bands": 1, **params}).fit(X, y)


def test_windows_and_labels_that_do_not_fit_are_refused() -> None:
    X, y = make_epochs()
    with pytest.raises(ValueError, match="one window of class c0"):
        ETRCA(1).fit(X[4:], y[4:])
    with pytest.raises(ValueError, match="NaN or infinity in 30 of 30"):
        ETRCA(1).fit(X * np.inf, y)
    with pytest.raises(ValueError, match="no windows"):
        ETRCA(1).fit(X[:0], y[:0])
    with pytest.raises(ValueError, match="got None, expected one label"):
        ETRCA(1).fit(X, None)
    decoder = ETRCA(1).fit(X, y)
    with pytest.raises(ValueError, match="4 channels, fitted on 1 bands of 5"):
        decoder.decision_function(X[:, :4])
    with pytest.raises(ValueError, match="151 samples, expected 2 to 150"):
        decoder.decision_function(np.ones((1, 5, 151)))
    with pytest.raises(ValueError, match="ETRCA is not fitted"):
        ETRCA(1).decision_function(X)


def test_states_that_do_not_fit_are_refused() -> None:
    X, y = make_epochs()
    state = ETRCA(1).fit(X, y).state()
    with pytest.raises(ValueError, match="'filters' is missing"):
        ETRCA(1).restore({"classes": state["classes"]})
    with pytest.raises(ValueError, match="expected"):
        ETRCA(2).restore(state)
    with pytest.raises(ValueError, match="of 5 classes"):
        ETRCA(1).restore({**state, "classes": state["classes"][:5]})
    with pytest.raises(ValueError, match=r"state\['templates'\]"):
        ETRCA(1).restore({**state, "templates": state["templates"][0]})


def test_linearly_dependent_channels_are_refused_only_where_meegkit_cannot_have_them() -> None:
    X, y = make_epochs()
    X = np.concatenate((X, np.zeros_like(X[:, :1])), axis=1)
    assert np.isfinite(ETRCA(1).fit(X, y).decision_function(X)).all()
    with pytest.raises(ValueError, match="needs independent ones"):
        ETRCA(1, compat="meegkit").fit(X, y)
