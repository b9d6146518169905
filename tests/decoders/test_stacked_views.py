"""Views of an epoch and what weighs them: what each sees, that weights are learned on unseen trials, bad parameters."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from volo_decoders.imagery.csp import CspLda
from volo_decoders.imagery.stacked import Stacked, View, parse_view

RATE = 100.0


def epochs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A slow shift tells half of it, a missing rhythm the other half."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, 4, 100))
    X[:, 0] += np.where(y, 0.25, -0.25)[:, None] * np.linspace(0, 1, 100)
    rhythm = 1.2 * np.sin(2 * np.pi * 12.0 * np.arange(100) / RATE + rng.uniform(0, 6, (n, 1)))
    X[:, 2] += np.where(y, 0.6, 1.0)[:, None] * rhythm
    return X, np.array(["left", "right"])[y]


def test_two_views_know_more_than_either() -> None:
    X, y = epochs(200, 0)
    X_test, y_test = epochs(400, 1)
    views = ["amplitude:5", "csp:8-16"]
    both = Stacked(RATE, views).fit(X, y).score(X_test, y_test)
    alone = [Stacked(RATE, [view]).fit(X, y).score(X_test, y_test) for view in views]
    assert both > max(alone) - 0.01
    assert both > np.mean(alone)
    best = Stacked(RATE, views, "best").fit(X, y)
    assert best.names_.tolist() == [views[int(np.argmax(alone))]]


def test_a_view_that_learns_by_heart_gets_no_weight() -> None:
    """Of 60 channels and 40 trials patterns find something in noise: on trials they have not seen, it is nothing."""
    rng = np.random.default_rng(2)
    X, y = epochs(40, 3)
    X[:, 0] += np.where(y == "right", 1.0, -1.0)[:, None]
    wide = np.concatenate([X, rng.standard_normal((40, 26, 100))], axis=1)
    fitted = Stacked(RATE, ["amplitude:1", "csp:30-45"]).fit(wide, y)
    weights = np.abs(fitted.lda_.weights[1] / fitted.lda_.scale)
    seen = np.array([[np.ptp(view.scores(x)) for view in fitted._fitted] for x in wide]).mean(axis=0)
    assert weights[0] * seen[0] > 3.0 * weights[2] * seen[1]


def test_amplitudes_are_means_of_stretches_and_filters_start_steady() -> None:
    x = np.arange(200.0).reshape(2, 100)
    np.testing.assert_allclose(View("amplitude:4", RATE).amplitudes(x)[:2], [12.0, 112.0])
    constant = np.full((2, 100), 7.0)
    np.testing.assert_allclose(View("amplitude:4:0-7", RATE).seen(constant), 7.0, rtol=1e-9)
    np.testing.assert_allclose(View("csp:8-16", RATE).seen(constant), 0.0, atol=1e-9)
    sos = butter(2, (8.0, 16.0), "bandpass", fs=RATE, output="sos")
    late = np.concatenate([np.zeros((1, 50)), np.random.default_rng(0).standard_normal((1, 50))], axis=1)
    np.testing.assert_allclose(View("csp:8-16", RATE).seen(late), sosfilt(sos, late, axis=-1), atol=1e-12)


def test_one_view_alone_is_its_classifier() -> None:
    X, y = epochs(60, 4)
    view = View("csp:8-16", RATE)
    plain = CspLda(3).fit(np.stack([view.seen(x) for x in X]), y)
    one = Stacked(RATE, ["csp:8-16"]).fit(X, y)
    seen = np.stack([view.seen(x) for x in X])
    scores = plain.decision_function(seen)
    np.testing.assert_allclose(one.decision_function(X), scores - scores.mean(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize(
    "text", ["csp", "csp:8", "csp:16-8", "csp:0-8", "csp:8-60", "amplitude:0", "amplitude:x", "wavelet:8-12", "csp:a-b"]
)
def test_a_view_written_wrongly_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected amplitude:STRETCHES"):
        parse_view(text, RATE)


def test_too_few_trials_to_weigh_views_are_told() -> None:
    X, y = epochs(4, 5)
    with pytest.raises(ValueError, match="weighing views needs at least 3: record more"):
        Stacked(RATE).fit(X, y)
    with pytest.raises(ValueError, match="allowed are stack, best"):
        Stacked(RATE, combine="vote").fit(X, y)
