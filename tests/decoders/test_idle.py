"""The gate of asynchronous control: dwell, pause, few false selections in calibration, settings that survive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_decoders.pipeline.idle import IdleGate, IdleSettings, activations

CLEAR, UNSURE = np.array([5.0, 0.0, 0.0]), np.array([0.1, 0.0, 0.05])


def gate(dwell: int = 3, pause: int = 2, threshold: float = 0.5) -> IdleGate:
    return IdleGate(IdleSettings(-4.0, 1.0, 1.0, threshold, dwell, pause))


def simulated(n: int, control: bool, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.normal(1.0, 0.3, (n, 4))
    if control:
        scores[:, 2] += 1.5
    return scores


def test_a_class_must_stand_for_the_dwell_and_then_there_is_a_pause() -> None:
    assert activations(gate(3, 2), [CLEAR] * 12) == [(2, 0), (7, 0)]


def test_doubt_and_a_change_of_class_begin_the_dwell_anew() -> None:
    other = CLEAR[[1, 0, 2]]
    assert activations(gate(3, 0), [CLEAR, CLEAR, UNSURE, CLEAR, CLEAR, other, other]) == []
    assert activations(gate(3, 0), [CLEAR, CLEAR, other, other, other]) == [(4, 1)]


def test_a_reset_forgets_what_stood() -> None:
    one = gate(3, 0)
    assert [one.update(CLEAR), one.update(CLEAR)] == [None, None]
    one.reset()
    assert one.update(CLEAR) is None


def test_the_fitted_gate_is_silent_while_idle_and_selects_what_is_looked_at() -> None:
    fitted = IdleGate.fit(simulated(700, True, 0), simulated(700, False, 1), windows_per_min=240.0)
    idle_min = 4000 / 240.0
    assert len(activations(fitted, simulated(4000, False, 2))) / idle_min < 1.0
    found = activations(fitted, simulated(400, True, 3))
    assert len(found) > 20 and {selected for _, selected in found} == {2}


@given(most=st.sampled_from([0.0, 0.5, 2.0]), seed=st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_the_threshold_keeps_the_promise_on_the_calibration_itself(most: float, seed: int) -> None:
    idle = simulated(480, False, seed)
    fitted = IdleGate.fit(simulated(100, True, seed), idle, windows_per_min=240.0, most_false_per_min=most)
    assert len(activations(fitted, idle)) / 2.0 <= most


def test_settings_survive_being_written_down() -> None:
    made = gate().settings
    assert IdleSettings.from_dict(made.to_dict()) == made


@pytest.mark.parametrize("bad", [{"threshold": 0.0}, {"dwell": 0}, {"pause": -1}])
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        IdleSettings.from_dict({**gate().settings.to_dict(), **bad})


def test_too_little_calibration_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 20"):
        IdleGate.fit(simulated(5, True, 0), simulated(100, False, 0), windows_per_min=240.0)
