"""What learns while used learns without labels, in a copy, the same live and replayed, in any order of trials."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_decoders.base import AdaptiveDecoder
from volo_decoders.chain import ChainSpec, StageSpec, build_decoder
from volo_decoders.contract import Trials, make_trials
from volo_decoders.fitted import FittedChain
from volo_decoders.pipeline.stopping import FixedStopping
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.ssvep.extended_cca import ExtendedCCA
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.ms_cca import MsCCA
from volo_decoders.ssvep.oacca import OnlineAdaptiveCCA
from volo_decoders.ssvep.tdca import TDCA
from volo_decoders.ssvep.transfer_cca import TransferCCA
from volo_decoders.ssvep.trca import ETRCA
from volo_decoders.types import Prediction


def params(trials: Trials) -> dict[str, Any]:
    return {
        "frequencies_hz": list(trials.frequencies_hz),
        "class_names": list(trials.classes),
        "rate_hz": trials.rate_hz,
        "n_bands": trials.n_bands,
    }


def transfer(trials: Trials, **more: Any) -> TransferCCA:
    settings = {"harmonics": [1, 2], "late_parts": [0.6], "shares": [1.0], "online": True, "prior_trials": 4.0}
    return TransferCCA(**params(trials), **{**settings, **more})


def oacca(trials: Trials) -> OnlineAdaptiveCCA:
    return OnlineAdaptiveCCA(**params(trials), n_harmonics=2)


def used(decoder: Any, X: np.ndarray, y: np.ndarray, order: np.ndarray) -> float:
    right = 0
    for i in order:
        right += decoder.predict(X[i : i + 1])[0] == y[i]
        decoder.adapt(X[i])
    return right / len(order)


@pytest.mark.parametrize("cls", [TransferCCA, OnlineAdaptiveCCA])
def test_adapt_takes_a_window_and_nothing_else(cls: type) -> None:
    assert list(inspect.signature(cls.adapt).parameters) == ["self", "window"]


def test_oacca_learns_filters_that_help_where_trials_are_weak() -> None:
    gains = []
    for seed in range(4):
        trials = make_trials(0.2, seed=seed, n_per_class=40)
        order = np.random.default_rng(seed).permutation(len(trials.y_test))
        plain = FBCCA(**params(trials), n_harmonics=2).fit(None, None)
        decoder = oacca(trials).fit(None, None)
        gains.append(used(decoder, trials.X_test, trials.y_test, order))
        gains[-1] -= float((plain.predict(trials.X_test) == trials.y_test).mean())
        assert decoder.n_used_ > 20
    assert np.mean(gains) > 0.03


def biased(trials: Trials, X: np.ndarray) -> np.ndarray:
    """Add a rhythm at the first class's frequency, whatever is looked at, with a phase that wanders."""
    rng = np.random.default_rng(1)
    t = np.arange(trials.n_samples) / trials.rate_hz
    phases = rng.uniform(0, 2 * np.pi, len(X))[:, None]
    rhythm = np.sin(2 * np.pi * trials.frequencies_hz[0] * t + phases)
    return (X + 0.8 * rhythm[:, None] * np.array([0.2, 0.5, 1.0, 0.9] * trials.n_bands)[:, None]).astype(np.float32)


def test_a_rhythm_of_ones_own_is_learned_away_in_any_order_of_trials() -> None:
    others, own = make_trials(0.5, seed=1, n_per_class=30), make_trials(0.5, seed=1, n_per_class=30)
    X = biased(own, own.X_test)
    fixed = transfer(others, online=False).fit(others.X, others.y)
    before = float((fixed.predict(X) == own.y_test).mean())
    by_class = np.argsort(own.y_test, kind="stable")  # the worst order: one class after the other
    after = {
        name: used(transfer(others).fit(others.X, others.y), X, own.y_test, order)
        for name, order in (
            ("in turn", np.arange(len(X))),
            ("random", np.random.default_rng(0).permutation(len(X))),
            ("by class", by_class),
        )
    }
    assert after["in turn"] > before + 0.05 and after["random"] > before + 0.05
    assert after["in turn"] == pytest.approx(after["random"], abs=0.08)


def test_participants_are_compared_with_themselves_in_fitting() -> None:
    one, two = make_trials(0.5, seed=1, n_per_class=15), make_trials(0.5, seed=2, n_per_class=15)
    X, y = np.concatenate((biased(one, one.X), two.X)), np.concatenate((one.y, two.y))
    who = np.repeat(["a", "b"], [len(one.X), len(two.X)])
    apart, together = transfer(one).fit(X, y, who), transfer(one).fit(X, y)
    assert not np.allclose(apart.weights_, together.weights_)
    with pytest.raises(ValueError, match="participants: got shape"):
        transfer(one).fit(X, y, who[:-1])


INFO = StreamInfo("amp", "eeg", 200.0, tuple(Channel(f"C{k}") for k in range(4)), "float32")


def chain(online: bool) -> tuple[FittedChain, Trials]:
    trials = make_trials(0.6, n_bands=1, n_per_class=10)
    spec = ChainSpec(
        (StageSpec("select"),), WindowSpec((1.0,), 0.0), "transfer_cca", transfer(trials, online=online).get_params()
    )
    decoder = build_decoder(spec).fit(trials.X, trials.y)
    return FittedChain(spec, decoder, FixedStopping(200), INFO, "x"), trials


def scores_of(fitted: FittedChain, trials: Trials) -> tuple[np.ndarray, str]:
    decoding = fitted.decoding(INFO)
    found = []
    for k, window in enumerate(trials.X_test[:12]):
        samples = np.concatenate((window.T, np.zeros((40, 4), np.float32)))
        times = (240 * k + np.arange(240)) / 200.0
        found += decoding.process(Marker(times[0], "stimulus/onset", {"trial": k}, "screen"))
        found += decoding.process(Chunk("amp", 240 * k, samples, times))
    return np.stack([p.scores for p in found if isinstance(p, Prediction)]), decoding.fingerprint.hexdigest()


def test_the_pipeline_adapts_after_each_decision_in_a_copy_and_replays_to_the_bit() -> None:
    fitted, trials = chain(online=True)
    assert isinstance(fitted.decoder, AdaptiveDecoder)
    first, fingerprint = scores_of(fitted, trials)
    again, same = scores_of(fitted, trials)
    assert np.array_equal(first, again) and fingerprint == same
    expected, decoder = [], build_decoder(fitted.spec).restore(fitted.decoder.state())
    for window in trials.X_test[:12]:
        expected.append(decoder.decision_function(window[None])[0])
        decoder.adapt(window)
    assert np.array_equal(first, np.stack(expected))
    assert not np.array_equal(first[1:], fitted.decoder.decision_function(trials.X_test[1:12]))


def test_a_decoder_told_to_stay_as_fitted_stays() -> None:
    fitted, trials = chain(online=False)
    assert np.array_equal(scores_of(fitted, trials)[0], fitted.decoder.decision_function(trials.X_test[:12]))


CALIBRATED = {
    "etrca": lambda t: ETRCA(t.n_bands),
    "tdca": lambda t: TDCA(**params(t), n_harmonics=2, n_delays=2, n_components=4),
    "ms_cca": lambda t: MsCCA(**params(t), n_harmonics=2, n_neighbours=1),
    "ecca": lambda t: ExtendedCCA(**params(t), n_harmonics=2, n_correlations=4),
}


def test_shuffled_labels_teach_pure_templates_nothing() -> None:
    """Decoders with references know the frequencies without labels; one that knows averages only must fail."""
    trials = make_trials(0.6, n_per_class=8)
    right = []
    for seed in range(12):
        y = np.random.default_rng(seed).permutation(trials.y)
        right.append(
            float((CALIBRATED["etrca"](trials).fit(trials.X, y).predict(trials.X_test) == trials.y_test).mean())
        )
    assert np.mean(right) == pytest.approx(0.25, abs=0.12)


@pytest.mark.parametrize("name", sorted(CALIBRATED))
def test_cross_validation_of_scikit_learn_takes_them(name: str) -> None:
    trials = make_trials(1.0, n_per_class=6)
    shares = cross_val_score(CALIBRATED[name](trials), trials.X, trials.y, cv=3)
    assert shares.shape == (3,) and shares.mean() > 0.5
