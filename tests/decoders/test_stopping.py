"""Stopping rules: calibrated confidence, fixed time, and one decision a trial."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_decoders.pipeline.stopping import Accumulator, DynamicStopping, FixedStopping, make_stopping
from volo_decoders.pipeline.stopping_rules import (
    BayesianStopping,
    MarginStopping,
    ProbabilityStopping,
    margin,
    relative_margin,
)
from volo_decoders.types import Prediction


def prediction(n_samples: int, scores: list[float], group: int = 0) -> Prediction:
    return Prediction(n_samples, n_samples / 250, group, n_samples, ("A", "B", "C"), np.array(scores), "d")


def simulated(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=(n, 2))
    p = 1 / (1 + np.exp(-(-1.0 + 2.0 * x)))
    return x, rng.random((n, 2)) < p


def test_confidence_is_calibrated_on_new_trials() -> None:
    rule = DynamicStopping.fit([100, 200], *simulated())
    x, correct = simulated(seed=1)
    p = np.array([rule.confidence(np.array([v, 0.0, -9.0]), 100) for v in x[:, 0]])
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.0)):
        inside = (p >= low) & (p < high)
        assert inside.sum() > 100
        assert correct[inside, 0].mean() == pytest.approx(p[inside].mean(), abs=0.06)


def test_trials_that_are_all_right_leave_the_confidence_below_one() -> None:
    x = np.random.default_rng(0).exponential(size=(50, 1))
    rule = DynamicStopping.fit([100], x, np.ones((50, 1), bool))
    assert 0.9 < rule.confidence(np.array([3.0, 0.0, 0.0]), 100) < 1.0


@given(a=st.floats(0.0, 5.0), b=st.floats(0.0, 5.0))
def test_a_larger_margin_never_lowers_the_confidence(a: float, b: float) -> None:
    rule = DynamicStopping.fit([100, 200], *simulated(200))
    low, high = sorted((a, b))
    assert rule.confidence(np.array([low, 0.0, 0.0]), 100) <= rule.confidence(np.array([high, 0.0, 0.0]), 100)


def test_an_unhelpful_margin_gives_the_base_rate() -> None:
    x = np.random.default_rng(0).exponential(size=(300, 1))
    correct = x < 0.7  # larger margins are wrong: the slope is held at zero
    rule = DynamicStopping.fit([100], x, correct)
    assert rule.slopes == [0.0]
    assert rule.confidence(np.array([1.0, 0.0, 0.0]), 100) == pytest.approx(correct.mean(), abs=0.01)


def test_one_decision_as_soon_as_it_is_enough() -> None:
    rule = DynamicStopping([100, 200, 300], [-2.0] * 3, [2.0] * 3, threshold=0.9)
    accumulator = Accumulator(rule, longest=300)
    assert accumulator.update(prediction(100, [0.5, 0.0, 0.0])) is None
    decision = accumulator.update(prediction(200, [0.0, 3.0, 0.0]))
    assert decision is not None
    assert (decision.label, decision.n_windows, decision.stop_index) == ("B", 2, 200)


def test_the_longest_window_decides_in_any_case_or_abstains_if_told_to() -> None:
    sure = DynamicStopping([100], [-5.0], [0.0], least_confidence=0.0)
    decision = Accumulator(sure, longest=100).update(prediction(100, [1.0, 0.0, 0.0]))
    assert decision is not None and decision.label == "A"
    humble = DynamicStopping([100], [-5.0], [0.0], least_confidence=0.5)
    abstained = Accumulator(humble, longest=100).update(prediction(100, [1.0, 0.0, 0.0]))
    assert abstained is not None and abstained.label is None


def test_rules_survive_being_written_down() -> None:
    for rule in (FixedStopping(125), DynamicStopping([100, 200], [0.1, 0.2], [1.0, 2.0], 0.9)):
        again = make_stopping(rule.to_dict())
        for n in (100, 125, 200):
            scores = np.array([0.7, 0.1, 0.2])
            assert again.confidence(scores, n) == rule.confidence(scores, n)
            assert again.enough(0.9, n) == rule.enough(0.9, n)
    with pytest.raises(ValueError, match="allowed are fixed, dynamic"):
        make_stopping({"kind": "magic"})


def test_margin_is_the_distance_of_the_two_best() -> None:
    assert margin(np.array([0.1, 0.9, 0.4])) == pytest.approx(0.5)


def test_bayesian_confidence_is_calibrated_on_new_trials() -> None:
    rule = BayesianStopping.fit([100, 200], *simulated())
    x, correct = simulated(600, seed=1)
    p = np.array([rule.confidence(np.array([v, 0.0, -9.0]), 100) for v in x[:, 0]])
    for low, high in ((0.3, 0.6), (0.6, 0.8), (0.8, 1.01)):
        inside = (p >= low) & (p < high)
        assert inside.sum() > 40
        assert correct[inside, 0].mean() == pytest.approx(p[inside].mean(), abs=0.13)


def test_bayesian_confidence_stays_humble_where_nothing_was_wrong() -> None:
    rule = BayesianStopping.fit([100], np.linspace(0.5, 1.5, 12)[:, None], np.ones((12, 1), bool))
    assert 0.5 < rule.confidence(np.array([1.0, 0.0, 0.0]), 100) < 0.995
    assert rule.confidence(np.array([1.0, 0.0, 0.0]), 150) == 0.0


def test_the_margin_rule_finds_where_enough_are_right() -> None:
    rng = np.random.default_rng(0)
    margins = rng.random((2000, 1))
    rule = MarginStopping.fit([100], margins, rng.random((2000, 1)) < margins, 0.9)
    assert rule.least_margin == pytest.approx(0.8, abs=0.06)  # right above m on average (1 + m) / 2
    assert MarginStopping.fit([100], margins, np.zeros((2000, 1), bool), 0.9).least_margin == 1.0


@given(st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=6, unique=True), st.floats(0.1, 9.0), st.floats(-9.0, 9.0))
def test_the_relative_margin_knows_no_scale_and_no_offset(scores: list[float], scale: float, offset: float) -> None:
    x = np.round(np.array(scores), 3)
    assert relative_margin(scale * x + offset) == pytest.approx(relative_margin(x), abs=1e-6)


def test_a_falling_threshold_is_met_late() -> None:
    rule = ProbabilityStopping([100, 200, 300], 0.9, 0.5)
    scores = np.log([0.7, 0.2, 0.1])
    assert rule.confidence(scores, 100) == pytest.approx(0.7)
    assert [rule.enough(0.7, n) for n in (100, 150, 200, 300)] == [False, False, True, True]


@pytest.mark.parametrize(
    "rule",
    [
        BayesianStopping([100, 200], [[1.0, 2.0], [1.5]], [[0.1], []], 0.9),
        MarginStopping([100, 200], 0.4),
        ProbabilityStopping([100, 200], 0.9, 0.6, 0.3),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_other_rules_survive_being_written_down(rule: object) -> None:
    again = make_stopping(rule.to_dict())
    assert again.to_dict() == rule.to_dict()
    scores = np.array([1.4, 0.3, 0.0])
    assert again.confidence(scores, 100) == rule.confidence(scores, 100)
