"""Accuracy, its bounds, confusion, information transfer rate."""

from __future__ import annotations

import math
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_decoders.metrics import accuracy, chance_upper, confusion_matrix, itr_bits_per_min, wilson_interval


def test_rate_of_a_perfect_speller_is_all_its_bits() -> None:
    assert itr_bits_per_min(1.0, 32, 1.5) == pytest.approx(5 * 60 / 1.5)


@pytest.mark.parametrize(
    ("p", "m", "seconds", "rate"),
    [
        (0.9, 2, 1.0, 60 * (1 + 0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))),
        (0.8445, 40, 1.0, 240.4),  # close to Guney et al., whose mean over blocks is 240.39
        (0.5, 2, 1.0, 0.0),
        (0.2, 4, 1.0, 0.0),
        (0.0, 4, 1.0, 0.0),
        (0.025, 40, 1.0, 0.0),
    ],
)
def test_rate_follows_wolpaw(p: float, m: int, seconds: float, rate: float) -> None:
    assert itr_bits_per_min(p, m, seconds) == pytest.approx(rate, rel=0.05)


@given(st.integers(2, 60), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.1, 10.0))
def test_rate_grows_with_accuracy_and_never_falls_below_zero(m: int, p: float, q: float, seconds: float) -> None:
    low, high = sorted((itr_bits_per_min(min(p, q), m, seconds), itr_bits_per_min(max(p, q), m, seconds)))
    assert low == itr_bits_per_min(min(p, q), m, seconds)
    assert 0.0 <= low <= high <= math.log2(m) * 60 / seconds + 1e-9


@pytest.mark.parametrize(("args", "name"), [((1.1, 4, 1.0), "accuracy"), ((float("nan"), 4, 1.0), "accuracy")])
def test_rate_refuses_what_is_no_share(args: tuple[float, int, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        itr_bits_per_min(*args)


def test_rate_refuses_a_single_class_and_no_time() -> None:
    with pytest.raises(ValueError, match="n_classes"):
        itr_bits_per_min(0.9, 1, 1.0)
    with pytest.raises(ValueError, match="seconds_per_selection"):
        itr_bits_per_min(0.9, 4, 0.0)


@pytest.mark.parametrize(
    ("n", "m", "five", "one"),
    [
        (20, 2, 0.75, 0.80),
        (40, 2, 0.65, 0.70),
        (100, 2, 0.59, 0.63),
        (160, 2, 91 / 160, 0.60),
        (288, 4, 85 / 288, 90 / 288),
        (100, 5, 0.28, 0.31),
        (40, 40, 0.10, 0.125),
        (240, 40, 11 / 240, 13 / 240),
    ],
)
def test_chance_bound_is_the_table_of_the_binomial_test(n: int, m: int, five: float, one: float) -> None:
    assert chance_upper(n, m) == pytest.approx(five)
    assert chance_upper(n, m, alpha=0.01) == pytest.approx(one)


@given(st.integers(1, 120), st.integers(2, 12), st.sampled_from([0.05, 0.01, 0.001]))
def test_chance_bound_is_the_least_count_that_guessing_rarely_reaches(n: int, m: int, alpha: float) -> None:
    def reached(k: int) -> float:
        return sum(comb(n, i) * (m - 1) ** (n - i) for i in range(k, n + 1)) / m**n

    bound = chance_upper(n, m, alpha)
    if math.isinf(bound):
        assert reached(n) >= alpha * (1 - 1e-9)
    else:
        k = round(bound * n)
        assert reached(k) < alpha * (1 + 1e-9)
        assert reached(k - 1) >= alpha * (1 - 1e-9)


def test_chance_bound_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="n_trials"):
        chance_upper(0, 2)
    with pytest.raises(ValueError, match="alpha"):
        chance_upper(10, 2, 0.0)
    with pytest.raises(ValueError, match="n_classes"):
        chance_upper(10, 1)


def test_wilson_interval_is_the_published_one() -> None:
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_interval_holds_the_share_and_mirrors(pair: tuple[int, int], confidence: float) -> None:
    k, n = pair
    low, high = wilson_interval(k, n, confidence)
    assert 0.0 <= low <= k / n <= high <= 1.0
    mirrored = wilson_interval(n - k, n, confidence)
    assert (1.0 - mirrored[1], 1.0 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("args", "name"), [((1, 0), "n_trials"), ((3, 2), "n_right"), ((1, 2, 1.0), "confidence")])
def test_wilson_interval_refuses_what_makes_no_sense(args: tuple, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        wilson_interval(*args)


def test_accuracy_counts_abstentions_as_not_right() -> None:
    assert accuracy(["a", "b", "a", "b"], ["a", "a", None, "b"]) == 0.5
    assert accuracy(np.array(["a", "b"]), np.array(["a", "b"])) == 1.0
    with pytest.raises(ValueError, match="no trials"):
        accuracy([], [])
    with pytest.raises(ValueError, match="1 predictions for 2"):
        accuracy(["a", "b"], ["a"])


def test_confusion_counts_true_in_rows_and_predicted_in_columns_in_the_order_given() -> None:
    true, pred = ["a", "a", "b", "c", "c", "c"], ["a", "b", "b", "a", "c", "c"]
    np.testing.assert_array_equal(confusion_matrix(true, pred, ["c", "a", "b"]), [[2, 1, 0], [0, 1, 1], [0, 0, 1]])
    np.testing.assert_array_equal(confusion_matrix(np.array([1, 2]), np.array([2, 2]), [1, 2]), [[0, 1], [0, 1]])


def test_confusion_keeps_abstentions_apart_or_refuses_them() -> None:
    np.testing.assert_array_equal(
        confusion_matrix(["a", "b", "b"], ["a", None, "a"], ["a", "b"], abstained=True), [[1, 0, 0], [1, 0, 1]]
    )
    with pytest.raises(ValueError, match="None"):
        confusion_matrix(["a", "b"], ["a", None], ["a", "b"])
    with pytest.raises(ValueError, match="'z'"):
        confusion_matrix(["a", "z"], ["a", "a"], ["a", "b"])
    with pytest.raises(ValueError, match="once"):
        confusion_matrix(["a"], ["a"], ["a", "a"])
