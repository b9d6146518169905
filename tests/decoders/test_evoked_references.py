"""SSVEP decoders against plain transcriptions of published loops, with explicit projections and SciPy's solvers.

The transcriptions follow MetaBCI 0.2.0 (`TDCA`, `ECCA`, `MsCCA`, `TRCAR`), whose own scores
``benchmarks/decode_cost.py`` compares where it is installed.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh, qr
from scipy.stats import pearsonr

from volo_decoders.contract import Trials, make_trials
from volo_decoders.ssvep.extended_cca import ExtendedCCA
from volo_decoders.ssvep.ms_cca import MsCCA
from volo_decoders.ssvep.references import sine_cosine
from volo_decoders.ssvep.targets import neighbours
from volo_decoders.ssvep.tdca import TDCA
from volo_decoders.ssvep.trca import ETRCA
from volo_decoders.ssvep.trca_variants import TRCAR, MsETRCA

Array = np.ndarray
N_HARMONICS = 2


@pytest.fixture(scope="module")
def trials() -> Trials:
    return make_trials(0.6, seed=3, n_bands=1, n_per_class=5)


@pytest.fixture(scope="module")
def references(trials: Trials) -> Array:
    return _references(trials, trials.n_samples)


def _references(trials: Trials, n_samples: int) -> Array:
    Y = np.stack([sine_cosine(f, trials.rate_hz, n_samples, N_HARMONICS) for f in trials.frequencies_hz])
    return Y - Y.mean(axis=-1, keepdims=True)


def _params(trials: Trials) -> dict[str, object]:
    return {
        "frequencies_hz": list(trials.frequencies_hz),
        "class_names": list(trials.classes),
        "rate_hz": trials.rate_hz,
        "n_harmonics": N_HARMONICS,
        "n_bands": 1,
    }


def _centred(X: Array) -> Array:
    X = X.astype(np.float64)
    return X - X.mean(axis=-1, keepdims=True)


def _means(trials: Trials) -> Array:
    X = _centred(trials.X)
    return np.stack([X[trials.y == name].mean(axis=0) for name in trials.classes])


def _top(A: Array, B: Array) -> Array:
    return eigh(A, B)[1][:, -1]


def _scca(X: Array, Y: Array) -> tuple[Array, Array]:
    Q, R = qr(Y.T, mode="economic")
    u = _top(X @ Q @ Q.T @ X.T, X @ X.T)
    return u, np.linalg.pinv(R) @ Q.T @ X.T @ u


def _augmented(X: Array, n: int, n_delays: int, P: Array) -> Array:
    rows = np.zeros((X.shape[0] * (n_delays + 1), n))
    for i in range(n_delays + 1):
        part = X[:, i : i + n]
        rows[i * X.shape[0] : (i + 1) * X.shape[0], : part.shape[1]] = part
    whole = np.concatenate((rows, rows @ P), axis=1)
    return whole - whole.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("padding", ["extra", "zero"])
def test_tdca_scores_equal_the_published_loop(trials: Trials, padding: str) -> None:
    n_delays, n_components = 3, 4
    n = trials.n_samples - (n_delays if padding == "extra" else 0)
    projections = []
    for f in trials.frequencies_hz:
        Q = qr(sine_cosine(f, trials.rate_hz, n, N_HARMONICS).T, mode="economic")[0]
        projections.append(Q @ Q.T)
    X = _centred(trials.X)
    of_class = [
        np.stack([_augmented(x, n, n_delays, P) for x in X[trials.y == name]])
        for name, P in zip(trials.classes, projections, strict=True)
    ]
    means = np.stack([part.mean(axis=0) for part in of_class])
    grand = means.mean(axis=0)
    Sb = sum(len(part) * (m - grand) @ (m - grand).T for m, part in zip(means, of_class, strict=True))
    Sw = sum(d @ d.T for m, part in zip(means, of_class, strict=True) for d in part - m)
    W = eigh(Sb, Sw)[1][:, ::-1][:, :n_components]
    expected = np.empty((4, len(trials.classes)))
    for t, x in enumerate(_centred(trials.X_test[:4, :, :n])):
        for c, P in enumerate(projections):
            a, b = W.T @ (_augmented(x, n, n_delays, P) - grand), W.T @ (means[c] - grand)
            expected[t, c] = pearsonr(a.ravel(), b.ravel())[0]
    decoder = TDCA(**_params(trials), n_delays=n_delays, n_components=n_components, padding=padding)
    scores = decoder.fit(trials.X, trials.y).decision_function(trials.X_test[:4]) / (1.0 + 0.25)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_extended_cca_scores_equal_the_published_loop(trials: Trials, references: Array) -> None:
    means = _means(trials)
    expected = np.empty((4, len(trials.classes)))
    for t, x in enumerate(_centred(trials.X_test[:4])):
        for c, (m, Y) in enumerate(zip(means, references, strict=True)):
            u1, v1 = _scca(x, Y)
            u2, _ = _scca(x, m)
            u3, _ = _scca(m, Y)
            pairs = [(u1 @ x, v1 @ Y), (u1 @ x, u1 @ m), (u2 @ x, u2 @ m), (u3 @ x, u3 @ m)]
            r = np.array([pearsonr(a, b)[0] for a, b in pairs])
            expected[t, c] = (np.sign(r) * r**2).sum()
    decoder = ExtendedCCA(**_params(trials), n_correlations=4).fit(trials.X, trials.y)
    scores = decoder.decision_function(trials.X_test[:4]) / (1.0 + 0.25)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_ms_cca_over_all_classes_equals_the_published_loop(trials: Trials, references: Array) -> None:
    means = _means(trials)
    u, _ = _scca(np.concatenate(list(means), axis=1), np.concatenate(list(references), axis=1))
    expected = [[pearsonr(u @ x, u @ m)[0] for m in means] for x in _centred(trials.X_test)]
    decoder = MsCCA(**_params(trials), n_neighbours=99, combine="average").fit(trials.X, trials.y)
    scores = decoder.decision_function(trials.X_test) / (1.0 + 0.25)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_phases_turn_the_references_of_ms_cca(trials: Trials) -> None:
    phases = [0.3, 1.0, -2.0, 4.0]
    decoder = MsCCA(**_params(trials), phases_rad=phases).fit(trials.X, trials.y)
    t = np.arange(1, trials.n_samples + 1) / trials.rate_hz
    for c, f in enumerate(trials.frequencies_hz):
        second = np.cos(2 * (2 * np.pi * f * t + phases[c]))
        turned = decoder._references(trials.n_samples)[c, 3]
        np.testing.assert_allclose(turned, second - second.mean(), atol=1e-9)


@pytest.mark.parametrize("ensemble", [True, False])
def test_trca_r_scores_equal_the_published_loop(trials: Trials, references: Array, ensemble: bool) -> None:
    X = _centred(trials.X)
    filters = []
    for name, Y in zip(trials.classes, references, strict=True):
        part = X[trials.y == name]
        Q = qr(Y.T, mode="economic")[0]
        total = part.sum(axis=0)
        filters.append(_top(total @ Q @ Q.T @ total.T, sum(x @ x.T for x in part)))
    U, means = np.stack(filters), _means(trials)
    expected = np.empty((len(trials.X_test), len(trials.classes)))
    for t, x in enumerate(_centred(trials.X_test)):
        for c, m in enumerate(means):
            W = U if ensemble else U[c : c + 1]
            expected[t, c] = pearsonr((W @ x).ravel(), (W @ m).ravel())[0]
    decoder = TRCAR(**_params(trials), ensemble=ensemble).fit(X, trials.y)  # there, trials are centred
    scores = decoder.decision_function(trials.X_test) / (1.0 + 0.25)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_ms_etrca_alone_is_etrca_and_shares_filters_among_all(trials: Trials) -> None:
    names = {"frequencies_hz": list(trials.frequencies_hz), "class_names": list(trials.classes), "n_bands": 1}
    alone = MsETRCA(**names, n_neighbours=1).fit(trials.X, trials.y)
    plain = ETRCA(1).fit(trials.X, trials.y)
    np.testing.assert_allclose(alone.decision_function(trials.X_test), plain.decision_function(trials.X_test))
    shared = MsETRCA(**names, n_neighbours=4).fit(trials.X, trials.y)
    np.testing.assert_allclose(shared.filters_, np.broadcast_to(shared.filters_[:, :1], shared.filters_.shape))


def test_neighbours_are_runs_in_order_of_frequency_of_equal_size() -> None:
    frequencies = [9.0, 8.0, 11.0, 10.0, 12.0]
    group = neighbours(frequencies, 3)
    assert (group.sum(axis=1) == 3).all() and group.diagonal().all()
    assert sorted(np.array(frequencies)[group[0]]) == [8.0, 9.0, 10.0]
    assert sorted(np.array(frequencies)[group[1]]) == [8.0, 9.0, 10.0]  # at the end: shifted inwards
    assert sorted(np.array(frequencies)[group[4]]) == [10.0, 11.0, 12.0]


def test_tdca_patterns_show_where_the_response_is() -> None:
    trials = make_trials(2.0, seed=5, n_bands=1, n_per_class=20)
    decoder = TDCA(**_params(trials), n_delays=0, n_components=1).fit(trials.X, trials.y)
    pattern = decoder.patterns_[0, :, 0]
    topography = np.linspace(1.0, 0.4, 4)
    cosine = pattern @ topography / np.linalg.norm(pattern) / np.linalg.norm(topography)
    assert abs(cosine) > 0.97, "the pattern, not the filter, looks like what the sources project"


@pytest.mark.parametrize(
    "make", [lambda t: ETRCA(1), lambda t: MsCCA(**_params(t), n_neighbours=1)], ids=["etrca", "ms_cca"]
)
def test_patterns_look_like_the_source_where_filters_need_not(make: object) -> None:
    rng = np.random.default_rng(0)
    trials = make_trials(2.0, seed=5, n_bands=1, n_per_class=20)
    noise = 3.0 * rng.standard_normal((len(trials.X), 1, trials.n_samples))
    X = trials.X + np.array([0.0, 0.0, 1.0, 1.0])[:, None] * noise  # the last two channels share noise
    decoder = make(trials).fit(X, trials.y)
    topography = np.linspace(1.0, 0.4, 4)
    for pattern in decoder.patterns_[0]:
        assert abs(pattern @ topography) / np.linalg.norm(pattern) / np.linalg.norm(topography) > 0.9
