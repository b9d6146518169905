"""Spread over subjects, intervals and order nulls, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from volo_decoders.evaluate.intervals import bootstrap_interval, paired_interval, spread
from volo_decoders.evaluate.nulls import not_last_cue_null, trial_index_null


def test_spread_is_what_can_be_counted_by_hand() -> None:
    found = spread([0.0, 0.5, 1.0])
    assert (found.mean, found.sd) == (0.5, 0.5)
    assert found.worst_tenth == pytest.approx(0.1)
    assert spread([0.7]).sd == 0.0


def test_the_interval_is_that_of_the_normal_law_for_many_subjects() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.1, 400)
    half = norm.ppf(0.975) * values.std() / np.sqrt(len(values))
    low, high = bootstrap_interval(list(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert (low, high) == bootstrap_interval(list(values))


def test_a_constant_gain_has_no_width_however_the_subjects_differ() -> None:
    assert paired_interval([0.75, 0.25, 1.0], [0.5, 0.0, 0.75]) == (0.25, 0.25)


def test_subjects_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="same ones"):
        paired_interval([0.5, 0.6], [0.5])
    with pytest.raises(ValueError, match="at least 2"):
        bootstrap_interval([0.5])
    with pytest.raises(ValueError, match="finite"):
        spread([float("nan")])


def test_one_order_for_all_is_found_out_by_the_trial_number() -> None:
    assert trial_index_null(["abcacb"] * 4) == 1.0
    assert trial_index_null(["ab", "ba"]) == 0.0
    assert trial_index_null(["abc"]) is None


def test_random_orders_leave_the_nulls_at_chance() -> None:
    rng = np.random.default_rng(0)
    orders = [list(rng.integers(0, 3, 300)) for _ in range(10)]
    found = trial_index_null(orders)
    assert found is not None
    assert found == pytest.approx(1 / 3, abs=0.035)
    assert not_last_cue_null(orders, 3) == pytest.approx(1 / 3, abs=0.035)


def test_cues_that_never_repeat_are_worth_half_with_three_classes() -> None:
    assert not_last_cue_null(["abcab"], 3) == pytest.approx((1 / 3 + 4 * 0.5) / 5)
    assert not_last_cue_null(["aaa"], 3) == pytest.approx((1 / 3) / 3)
