"""What every decoder must keep to, as a check that anyone can run on theirs.

::

    from volo_decoders.contract import Trials, check_decoder

    def test_my_decoder_keeps_the_contract():
        check_decoder(MyDecoder, lambda trials: MyDecoder(n_bands=trials.n_bands))
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray
from sklearn.base import clone

from volo_decoders.base import AdaptiveDecoder, Decoder
from volo_decoders.metrics import accuracy, chance_upper

__all__ = ["CHECKS", "ContractError", "Trials", "check_decoder", "make_trials"]


class ContractError(AssertionError):
    """A decoder that breaks the contract; the message says how."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Windows to calibrate and to test on, with what a decoder may need to know of them.

    Attributes
    ----------
    X, y : ndarray, shape (n_trials, n_bands * n_channels, n_samples) and (n_trials,)
        Calibration windows, float32, and their labels.
    X_test, y_test : ndarray
        As many others from the same source.
    rate_hz : float
        Sampling rate.
    classes : tuple of str
        Labels, sorted.
    frequencies_hz : tuple of float
        Each class's frequency; each class also has a phase of its own, the same in all its windows.
    n_bands : int
        Sub-bands.
    """

    X: NDArray[np.float32] = field(repr=False)
    y: NDArray[np.str_] = field(repr=False)
    X_test: NDArray[np.float32] = field(repr=False)
    y_test: NDArray[np.str_] = field(repr=False)
    rate_hz: float
    classes: tuple[str, ...]
    frequencies_hz: tuple[float, ...]
    n_bands: int

    @property
    def n_samples(self) -> int:
        """Length of the windows."""
        return int(self.X.shape[2])


#: Makes a fresh decoder, not fitted, that fits the trials.
Factory = Callable[[Trials], Decoder]


def make_trials(
    amplitude: float = 1.0,
    *,
    seed: int = 0,
    n_per_class: int = 12,
    n_channels: int = 4,
    n_bands: int = 2,
    n_samples: int = 200,
    rate_hz: float = 200.0,
) -> Trials:
    """Make trials of four classes: oscillations of 9, 10.5, 12 and 14 Hz over correlated noise of 1 uV.

    Parameters
    ----------
    amplitude : float
        Of the oscillations in microvolt, channel by channel a little different; 0 gives pure noise.
    seed : int
        Of the noise.
    n_per_class, n_channels, n_bands, n_samples, rate_hz
        Sizes; calibration and test get `n_per_class` windows each. Band k holds harmonic k.
    """
    rng = np.random.default_rng(seed)
    frequencies, classes = (9.0, 10.5, 12.0, 14.0), ("a", "b", "c", "d")
    t = np.arange(1, n_samples + 1) / rate_hz
    topography = np.linspace(1.0, 0.4, n_channels)
    mixing = np.eye(n_channels) + 0.3 * rng.standard_normal((n_channels, n_channels))
    targets = np.tile(np.arange(len(classes)), 2 * n_per_class)
    X = np.empty((len(targets), n_bands, n_channels, n_samples))
    for i, c in enumerate(targets):
        for k in range(n_bands):
            wave = np.sin(2.0 * np.pi * (k + 1) * frequencies[c] * t + c * np.pi / 2.0) / (k + 1)
            X[i, k] = mixing @ rng.standard_normal((n_channels, n_samples)) + amplitude * np.outer(topography, wave)
    X32 = X.reshape(len(targets), n_bands * n_channels, n_samples).astype(np.float32)
    y = np.array(classes)[targets]
    half = len(classes) * n_per_class
    return Trials(X32[:half], y[:half], X32[half:], y[half:], rate_hz, classes, frequencies, n_bands)


def check_decoder(cls: type[Any], make: Factory, trials: Trials | None = None) -> None:
    """Run all of `CHECKS`.

    Parameters
    ----------
    cls : type
        The decoder's class, as registered.
    make : callable
        Returns a fresh decoder for the trials it is given (classes, rate and bands are in them).
    trials : Trials, optional
        Trials whose classes the decoder can tell apart; by default those of `make_trials`.

    Raises
    ------
    ContractError
        At the first promise that is broken.
    """
    trials = make_trials() if trials is None else trials
    made = make(trials)
    _require(isinstance(made, cls), f"make returned a {type(made).__name__}, expected a {cls.__name__}")
    for check in CHECKS:
        check(make, trials)


def _declares_what_it_needs(make: Factory, trials: Trials) -> None:
    decoder = make(trials)
    for name, kind in (("needs_calibration", bool), ("phase_locked", bool), ("least_valid_fraction", float)):
        value = getattr(type(decoder), name, None)
        _require(isinstance(value, kind), f"class attribute {name}: got {value!r}, expected a {kind.__name__}")
    latency_s, least = getattr(decoder, "latency_s", 0.0), getattr(decoder, "calibration_trials", 0)
    _require(isinstance(latency_s, float) and latency_s >= 0.0, f"latency_s: got {latency_s!r}, expected seconds")
    _require(type(least) is int and least >= 0, f"calibration_trials: got {least!r}, expected a number of windows")
    if least > 1:
        few = np.concatenate([np.flatnonzero(trials.y == name)[: least - 1] for name in trials.classes])
        with _must_refuse(f"{least - 1} windows of each class, where {least} are declared to be needed"):
            make(trials).fit(trials.X[few], trials.y[few])
    _require(0.0 <= decoder.least_valid_fraction <= 1.0, "least_valid_fraction must be between 0 and 1")
    if not decoder.needs_calibration:
        decoder.fit(None, None)
        _require(len(decoder.classes_) > 0, "needs no calibration, but has no classes_ after fit(None, None)")


def _parameters_survive_clone_and_toml(make: Factory, trials: Trials) -> None:
    decoder = make(trials)
    params = decoder.get_params()
    _require(clone(decoder).get_params() == params, "clone must have the same parameters")
    bad = {name: type(value).__name__ for name, value in params.items() if not _is_plain(value)}
    _require(not bad, f"parameters must be numbers, texts, truth values, lists of them or None, got {bad}")
    text = tomli_w.dumps({name: value for name, value in params.items() if value is not None})
    again = type(decoder)(**tomllib.loads(text)).get_params()
    _require(
        {n: _listed(v) for n, v in again.items()} == {n: _listed(v) for n, v in params.items()},
        "parameters written to TOML (None left out) and read again must be the same",
    )


def _shapes_and_classes(make: Factory, trials: Trials) -> None:
    decoder = make(trials)
    _require(decoder.fit(trials.X, trials.y) is decoder, "fit must return the decoder")
    n_classes = len(trials.classes)
    classes = np.asarray(decoder.classes_)
    _require(classes.shape == (n_classes,), f"classes_: got shape {classes.shape}, expected ({n_classes},)")
    _require(set(classes.tolist()) == set(trials.classes), f"classes_: got {classes}, expected {trials.classes}")
    for n in (len(trials.X_test), 1, 0):
        scores = decoder.decision_function(trials.X_test[:n])
        _require(scores.shape == (n, n_classes), f"scores: got {scores.shape} for {n} windows and {n_classes} classes")
        _require(scores.dtype == np.float64, f"scores: got {scores.dtype}, expected float64")
        _require(bool(np.isfinite(scores).all()), "scores must be finite")
    flat = decoder.decision_function(np.zeros_like(trials.X_test[:1]))
    _require(bool(np.isfinite(flat).all()), "scores of a flat window must be finite")


def _finds_the_signal(make: Factory, trials: Trials) -> None:
    right = _test_accuracy(make(trials), trials)
    least = chance_upper(len(trials.y_test), len(trials.classes), 1e-3)
    _require(right >= least, f"accuracy on trials with a signal: got {right:.3f}, chance reaches {least:.3f}")


def _is_at_chance_on_noise(make: Factory, trials: Trials) -> None:
    n_per_class = 50
    noise = make_trials(
        0.0,
        seed=7,
        n_per_class=n_per_class,
        n_channels=trials.X.shape[1] // trials.n_bands,
        n_bands=trials.n_bands,
        n_samples=trials.n_samples,
        rate_hz=trials.rate_hz,
    )
    if noise.classes != trials.classes:
        rng = np.random.default_rng(7)
        y, y_test = rng.choice(trials.classes, (2, len(noise.y)))
        noise = Trials(
            noise.X, y, noise.X_test, y_test, trials.rate_hz, trials.classes, trials.frequencies_hz, trials.n_bands
        )
    right = _test_accuracy(make(noise), noise)
    most = chance_upper(len(noise.y_test), len(noise.classes), 1e-3)
    _require(right < most, f"accuracy on pure noise: got {right:.3f}, which is above chance ({most:.3f})")


def _state_restores_to_the_bit(make: Factory, trials: Trials) -> None:
    fitted = make(trials).fit(trials.X, trials.y)
    state = fitted.state()
    bad = [name for name, array in state.items() if not isinstance(array, np.ndarray) or array.dtype.hasobject]
    _require(not bad, f"state: {bad} are not plain arrays")
    file = io.BytesIO()
    np.savez(file, **state)  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        restored = make(trials).restore(dict(saved))
    before, after = fitted.decision_function(trials.X_test), restored.decision_function(trials.X_test)
    _require(np.array_equal(before, after), "a restored decoder must give the same scores to the bit")
    _require(np.array_equal(fitted.classes_, restored.classes_), "a restored decoder must have the same classes_")
    for array in state.values():
        array.fill(np.zeros((), array.dtype))
    _require(
        np.array_equal(fitted.decision_function(trials.X_test), before),
        "state must hand out copies, not its own arrays",
    )


def _fits_anew_each_time(make: Factory, trials: Trials) -> None:
    fresh = make(trials).fit(trials.X, trials.y).decision_function(trials.X_test)
    used = make(trials).fit(trials.X_test[::-1], trials.y_test[::-1]).fit(trials.X, trials.y)
    _require(np.array_equal(used.decision_function(trials.X_test), fresh), "a second fit must forget the first")


def _mutates_nothing(make: Factory, trials: Trials) -> None:
    X, X_test, y = trials.X.copy(), trials.X_test.copy(), trials.y.copy()
    for array in (X, X_test, y):
        array.flags.writeable = False
    try:
        make(trials).fit(X, y).decision_function(X_test)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise ContractError(f"fit and decision_function must not write to their input: {error}") from error


def _one_by_one_equals_batch(make: Factory, trials: Trials) -> None:
    fitted = make(trials).fit(trials.X, trials.y)
    batch = fitted.decision_function(trials.X_test)
    single = np.concatenate([fitted.decision_function(trials.X_test[i : i + 1]) for i in range(len(trials.X_test))])
    _require(np.array_equal(batch, single), "windows one by one must give the same bits as all at once")


def _scores_shorter_windows(make: Factory, trials: Trials) -> None:
    fitted = make(trials).fit(trials.X, trials.y)
    n_classes = len(trials.classes)
    for n in (trials.n_samples // 2, trials.n_samples * 3 // 4):
        shorter = trials.X_test[:, :, :n]
        scores = fitted.decision_function(shorter)
        _require(scores.shape == (len(shorter), n_classes), f"windows of {n} samples: got scores {scores.shape}")
        _require(bool(np.isfinite(scores).all()), f"scores of windows of {n} samples must be finite")
        copied = fitted.decision_function(np.ascontiguousarray(shorter))
        _require(np.array_equal(scores, copied), "a view and its copy must give the same bits")


def _refuses_what_does_not_fit(make: Factory, trials: Trials) -> None:
    holed = trials.X.copy()
    holed[0, 0, 0] = np.nan
    with _must_refuse("NaN in fit"):
        make(trials).fit(holed, trials.y)
    with _must_refuse("fewer labels than windows in fit"):
        make(trials).fit(trials.X, trials.y[:-1])
    fitted = make(trials).fit(trials.X, trials.y)
    with _must_refuse("a window without its axis of trials"):
        fitted.decision_function(trials.X_test[0])
    if trials.n_bands > 1 or fitted.needs_calibration:
        with _must_refuse("one channel too many"):
            fitted.decision_function(np.concatenate((trials.X_test, trials.X_test[:, :1]), axis=1))
    if fitted.needs_calibration:
        with _must_refuse("fit without data"):
            make(trials).fit(None, None)


def _learns_while_used_only_by_adapt(make: Factory, trials: Trials) -> None:
    decoder = make(trials)
    if not isinstance(decoder, AdaptiveDecoder):
        return
    fitted = decoder.fit(trials.X, trials.y)
    first = fitted.decision_function(trials.X_test)
    _require(np.array_equal(fitted.decision_function(trials.X_test), first), "scoring must not change the decoder")
    for window in trials.X_test[::2]:
        fitted.adapt(window)
    after = fitted.decision_function(trials.X_test)
    copied = make(trials).restore(fitted.state())
    _require(np.array_equal(copied.decision_function(trials.X_test), after), "state must tell what adapt learned")
    least = chance_upper(len(trials.y_test), len(trials.classes), 1e-3)
    right = accuracy(trials.y_test, np.asarray(fitted.classes_)[after.argmax(axis=1)])
    _require(right >= least, f"accuracy after adapt: got {right:.3f}, chance reaches {least:.3f}")
    fitted.fit(trials.X, trials.y)
    _require(np.array_equal(fitted.decision_function(trials.X_test), first), "fit must forget what adapt learned")


def _says_what_to_do_with_bad_calibration(make: Factory, trials: Trials) -> None:
    if not make(trials).needs_calibration:
        return
    first, last = trials.classes[0], trials.classes[-1]
    flat, holed = trials.X.copy(), trials.X.copy()
    flat[:, 1] = 3.0
    holed[2, 0, 5] = np.nan
    pair = [int(np.flatnonzero(trials.y == label)[0]) for label in (first, last)]
    cases = {
        "one class": (trials.X[trials.y == first], trials.y[trials.y == first]),
        "two trials": (trials.X[pair], trials.y[pair]),
        "a flat channel": (flat, trials.y),
        "a trial with NaN": (holed, trials.y),
        "no trial left": (trials.X[:0], trials.y[:0]),
    }
    for what, (X, y) in cases.items():
        try:
            fitted = make(trials).fit(X, y)
        except ValueError as error:
            _require(bool(_ADVICE.search(str(error))), f"{what}: {error!s:.200} does not say what to do")
        else:
            if X is not flat:
                raise ContractError(f"{what}: expected a ValueError that says what to do")
            # whoever takes a dead electrode must go on without it
            usable = bool(np.isfinite(fitted.decision_function(X)).all())
            _require(usable, "a flat channel: scores must be finite, or fit must say what to do")
    few = np.flatnonzero(trials.y == last)[:3]
    unequal = np.sort(np.concatenate([np.flatnonzero(trials.y != last), few]))
    fitted = make(trials).fit(trials.X[unequal], trials.y[unequal])
    scores = fitted.decision_function(trials.X_test)
    _require(bool(np.isfinite(scores).all()), "scores must be finite after very unequal classes")
    taken = np.asarray(fitted.classes_)[scores.argmax(axis=1)]
    _require(len(set(taken.tolist())) > 1, "very unequal classes: all windows were taken for one class")


#: What a sentence about a bad calibration holds: something that the operator can do or must provide.
_ADVICE = re.compile(r"record|leave|choose|take|mend|need|must be|expected|at least|loosen")

#: The promises; each takes a factory and trials and raises `ContractError` where its promise is broken.
CHECKS: tuple[Callable[[Factory, Trials], None], ...] = (
    _declares_what_it_needs,
    _mutates_nothing,
    _parameters_survive_clone_and_toml,
    _shapes_and_classes,
    _finds_the_signal,
    _is_at_chance_on_noise,
    _state_restores_to_the_bit,
    _fits_anew_each_time,
    _one_by_one_equals_batch,
    _scores_shorter_windows,
    _refuses_what_does_not_fit,
    _learns_while_used_only_by_adapt,
    _says_what_to_do_with_bad_calibration,
)


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise ContractError(message)


@contextmanager
def _must_refuse(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError:
        return
    raise ContractError(f"{what}: expected a ValueError that says what came and what would be right")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(item is not None and _is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def _listed(value: Any) -> Any:
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def _test_accuracy(decoder: Decoder, trials: Trials) -> float:
    scores = decoder.fit(trials.X, trials.y).decision_function(trials.X_test)
    return accuracy(trials.y_test, np.asarray(decoder.classes_)[scores.argmax(axis=1)])
