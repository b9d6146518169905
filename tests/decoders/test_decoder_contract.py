"""Every registered decoder keeps the contract; broken ones are caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.registry import load, names
from volo_decoders.contract import CHECKS, ContractError, Trials, check_decoder, make_trials
from volo_decoders.imagery.band_power import BandPowerLda
from volo_decoders.imagery.chosen import FeatureLda
from volo_decoders.imagery.csp import CspLda
from volo_decoders.imagery.fbcsp import Fbcsp
from volo_decoders.imagery.networks import EegNet, IfNet, ShallowFbcspNet
from volo_decoders.imagery.riemann import AugmentedCovariance, FgMdm, Mdm, TangentSpace
from volo_decoders.imagery.stacked import Stacked
from volo_decoders.imagery.trials import make_imagery_trials
from volo_decoders.ssvep.cca import CCA
from volo_decoders.ssvep.dnn import GuneyNet
from volo_decoders.ssvep.extended_cca import ExtendedCCA
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.ms_cca import MsCCA
from volo_decoders.ssvep.oacca import OnlineAdaptiveCCA
from volo_decoders.ssvep.tdca import TDCA
from volo_decoders.ssvep.transfer_cca import TransferCCA
from volo_decoders.ssvep.trca import ETRCA
from volo_decoders.ssvep.trca_variants import TRCA, TRCAR, MsETRCA


def _targets(t: Trials) -> dict[str, Any]:
    """What decoders with references need to know."""
    return {"frequencies_hz": list(t.frequencies_hz), "class_names": list(t.classes), "n_bands": t.n_bands}


#: Each class's phase in `make_trials`.
_PHASES = [c * np.pi / 2 for c in range(4)]

FACTORIES: dict[str, Callable[[Trials], Any]] = {
    "fbcca": lambda t: FBCCA(
        list(t.frequencies_hz), list(t.classes), rate_hz=t.rate_hz, n_harmonics=2, n_bands=t.n_bands
    ),
    "cca": lambda t: CCA(list(t.frequencies_hz), list(t.classes), rate_hz=t.rate_hz, n_harmonics=2),
    "transfer_cca": lambda t: TransferCCA(
        **_targets(t), rate_hz=t.rate_hz, harmonics=[1, 2], late_parts=[0.6], shares=[0.5, 1.0]
    ),
    "oacca": lambda t: OnlineAdaptiveCCA(**_targets(t), rate_hz=t.rate_hz, n_harmonics=2),
    "ecca": lambda t: ExtendedCCA(**_targets(t), rate_hz=t.rate_hz, n_harmonics=2),
    "ms_cca": lambda t: MsCCA(**_targets(t), rate_hz=t.rate_hz, n_harmonics=2, n_neighbours=3, phases_rad=_PHASES),
    "trca": lambda t: TRCA(n_bands=t.n_bands),
    "etrca": lambda t: ETRCA(n_bands=t.n_bands),
    "trca_r": lambda t: TRCAR(**_targets(t), rate_hz=t.rate_hz, n_harmonics=2),
    "ms_etrca": lambda t: MsETRCA(**_targets(t)),
    "guney": lambda t: GuneyNet(
        t.n_bands, n_maps=8, epochs=15, batch=24, learning_rate=0.02, l2=0.0, dropouts=[0.0, 0.0, 0.3]
    ),
    "tdca": lambda t: TDCA(**_targets(t), rate_hz=t.rate_hz, n_harmonics=2, n_delays=3, n_components=4),
    "csp_lda": lambda t: CspLda(2),
    "band_power_lda": lambda t: BandPowerLda(
        [f"{c}:{band}" for c in ("C1", "C3", "Cz", "C4") for band in ("8-12", "18-26")],
        ["C1", "C3", "Cz", "C4"],
        [[8.0, 12.0], [18.0, 26.0]],
    ),
    "fbcsp": lambda t: Fbcsp(t.n_bands, n_selected=3),
    "feature_lda": lambda t: FeatureLda(t.rate_hz, [f"E{k}" for k in range(t.X.shape[1])], window_s=0.5, step_hz=7.0),
    "stacked": lambda t: Stacked(t.rate_hz, ["amplitude:5", "csp:5-60"], n_inner=3),
    "mdm": lambda t: Mdm(),
    "fgmdm": lambda t: FgMdm(),
    "tangent_space": lambda t: TangentSpace(),
    "acm": lambda t: AugmentedCovariance(2, 3),
}
#: Networks: trained by torch, which takes its time.
NETWORKS: dict[str, Callable[[Trials], Any]] = {
    "shallow_fbcsp": lambda t: ShallowFbcspNet(t.rate_hz, n_epochs=15, learning_rate=3e-3),
    "eegnet": lambda t: EegNet(t.rate_hz, n_epochs=60, learning_rate=1e-2),
    "ifnet": lambda t: IfNet(t.rate_hz, n_bands=t.n_bands, n_epochs=30, learning_rate=3e-3),
}
VARIANTS: dict[str, Callable[[Trials], Any]] = {
    "fbcca-unsquared": lambda t: FACTORIES["fbcca"](t).set_params(squared=False),
    "transfer_cca-two": lambda t: FACTORIES["transfer_cca"](t).set_params(n_correlations=2, late_parts=[]),
    "transfer_cca-online": lambda t: FACTORIES["transfer_cca"](t).set_params(online=True),
    "ms_cca-average": lambda t: FACTORIES["ms_cca"](t).set_params(combine="average", phases_rad=None),
    "ecca-four": lambda t: FACTORIES["ecca"](t).set_params(n_correlations=4),
    "trca_r-single": lambda t: FACTORIES["trca_r"](t).set_params(ensemble=False),
    "tdca-extra": lambda t: FACTORIES["tdca"](t).set_params(padding="extra"),
    "etrca-squared": lambda t: ETRCA(t.n_bands, combine="squared"),
    "etrca-signed-squared": lambda t: ETRCA(t.n_bands, combine="signed_squared"),
    "etrca-meegkit": lambda t: ETRCA(t.n_bands, compat="meegkit"),
    "etrca-regularized": lambda t: ETRCA(t.n_bands, regularization=0.1),
    "csp_lda-ledoit-wolf": lambda t: CspLda(2, shrinkage="ledoit_wolf"),
    "csp_lda-no-shrinkage": lambda t: CspLda(1, shrinkage="none"),
    "csp_lda-all-filters": lambda t: CspLda(99),
    "feature_lda-coupled": lambda t: FACTORIES["feature_lda"](t).set_params(
        families=["power", "imaginary_coherence"], select="mrmr", window_s=0.25, n_features=8
    ),
    "stacked-best": lambda t: FACTORIES["stacked"](t).set_params(combine="best"),
    "tangent_space-svm": lambda t: TangentSpace("svm", "ledoit_wolf"),
    "tangent_space-elastic-net": lambda t: TangentSpace("elastic_net", C=5.0),
    "tangent_space-adapting": lambda t: TangentSpace(adapt_by="riemann"),
}
#: Decoders whose scores do not depend on the scale of each single channel.
CHANNEL_SCALE_FREE = (
    *("cca", "fbcca", "fbcca-unsquared", "transfer_cca", "oacca", "ecca", "ms_cca", "trca", "etrca", "etrca-squared"),
    *("trca_r", "ms_etrca", "tdca", "band_power_lda"),
)
EVERY = {**FACTORIES, **VARIANTS}
#: Iterative solvers stop, and features are picked, a little earlier or later on rounded input: not to 1e-9.
UNIT_ROUNDS = {
    "guney",  # single precision
    "stacked",
    "stacked-best",
    "fgmdm",
    "tangent_space",
    "tangent_space-elastic-net",
    "tangent_space-adapting",
    "tangent_space-svm",
    "acm",
}
#: meegkit's lengths and signs of filters hang on what the eigenvalue routine meets first; band powers name channels.
ORDER_FREE = sorted(set(EVERY) - {"etrca-meegkit", "band_power_lda"} - UNIT_ROUNDS)


#: Decoders of where power is missing.
IMAGERY = ("stacked", "csp_lda", "band_power_lda", "fbcsp", "feature_lda", "mdm", "fgmdm", "tangent_space", "acm")


def trials_for(name: str) -> Trials:
    """Trials whose classes the decoder can tell apart: frequencies, or where power is missing."""
    if name == "cca":  # knows no sub-bands
        return make_trials(n_bands=1)
    return make_imagery_trials() if name.startswith(IMAGERY) else make_trials()


def test_every_registered_decoder_is_tested() -> None:
    assert sorted(FACTORIES | NETWORKS) == names("volo.decoders")


@pytest.mark.parametrize("name", sorted(FACTORIES))
def test_registered_decoder_keeps_the_contract(name: str) -> None:
    if name == "guney":
        pytest.importorskip("torch", reason="torch is not installed")
    check_decoder(load("volo.decoders", name), FACTORIES[name], trials_for(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_network_keeps_the_contract(name: str) -> None:
    check_decoder(load("volo.decoders", name), NETWORKS[name], make_imagery_trials(n_samples=128))


def test_imagery_of_two_classes_keeps_the_contract() -> None:
    two = make_imagery_trials(classes=("left", "right"))
    for name in ("csp_lda", "band_power_lda", "fbcsp", "tangent_space"):
        check_decoder(load("volo.decoders", name), FACTORIES[name], two)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.strip("_"))
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_variant_keeps_the_contract(name: str, check: Any) -> None:
    check(VARIANTS[name], trials_for(name))


# What the mathematics promises beyond the contract.

_GENTLE = settings(max_examples=15, deadline=None)


def _scores(make: Callable[[Trials], Any], trials: Trials, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Scores after every window's channels, shape (..., n_bands, n_channels, n_samples), went through `change`."""

    def changed(X: np.ndarray) -> np.ndarray:
        parts = X.astype(np.float64).reshape(len(X), trials.n_bands, -1, X.shape[2])
        return change(parts).reshape(X.shape)

    return make(trials).fit(changed(trials.X), trials.y).decision_function(changed(trials.X_test))


@pytest.mark.parametrize("name", ORDER_FREE)
@given(order=st.permutations(range(4)))
@_GENTLE
def test_scores_do_not_depend_on_the_order_of_channels(name: str, order: list[int]) -> None:
    trials = trials_for(name)
    plain = _scores(EVERY[name], trials, lambda x: x)
    np.testing.assert_allclose(_scores(EVERY[name], trials, lambda x: x[:, :, order]), plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(EVERY) - UNIT_ROUNDS))
@given(exponent=st.floats(-9.0, 6.0))
@_GENTLE
def test_scores_do_not_depend_on_the_unit_of_the_signal(name: str, exponent: float) -> None:
    trials = trials_for(name)
    plain = _scores(EVERY[name], trials, lambda x: x)
    np.testing.assert_allclose(_scores(EVERY[name], trials, lambda x: x * 10**exponent), plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CHANNEL_SCALE_FREE)
@given(
    exponents=st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4),
    flips=st.lists(st.booleans(), min_size=4, max_size=4),
)
@_GENTLE
def test_scores_do_not_depend_on_the_scale_and_sign_of_single_channels(
    name: str, exponents: list[float], flips: list[bool]
) -> None:
    trials = trials_for(name)
    gain = (np.where(flips, -1.0, 1.0) * 10 ** np.array(exponents))[:, None]
    plain = _scores(EVERY[name], trials, lambda x: x)
    scaled = _scores(EVERY[name], trials, lambda x: gain * x)
    np.testing.assert_allclose(scaled, plain, rtol=0, atol=1e-8)


# A contract that lets everything through would be worth nothing: each of these is caught, by the promise it breaks.


class _Forgetful(ETRCA):
    def restore(self, state: Any) -> Any:
        return super().restore({**state, "filters": np.asarray(state["filters"]).astype(np.float32)})


class _Scribbler(ETRCA):
    def fit(self, X: Any, y: Any) -> Any:
        if X is not None:
            X -= X.mean(axis=-1, keepdims=True)
        return super().fit(X, y)


class _BatchMinded(FBCCA):
    def decision_function(self, X: Any) -> Any:
        scores = super().decision_function(X)
        return scores - scores.mean(axis=0) if len(X) else scores


class _Deaf(ETRCA):
    def decision_function(self, X: Any) -> Any:
        return np.roll(super().decision_function(X), 1, axis=1)


class _Lender(ETRCA):
    def state(self) -> Any:
        return {"classes": self.classes_, "filters": self.filters_, "templates": self.templates_}


class _Stubborn(ETRCA):
    def _check_shape(self, n_rows: int, n_samples: int) -> None:
        super()._check_shape(n_rows, n_samples)
        if n_samples != self.templates_.shape[3]:
            raise ContractError("windows of any other length")


class _Swallower(ETRCA):
    def fit(self, X: Any, y: Any) -> Any:
        return super().fit(X if X is None else np.nan_to_num(X), y)


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (_Forgetful, "restored decoder"),
        (_Scribbler, "must not write"),
        (_Deaf, "with a signal"),
        (_Lender, "copies"),
        (_Stubborn, "other length"),
        (_Swallower, "NaN in fit"),
    ],
)
def test_a_broken_decoder_is_caught(cls: type[ETRCA], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_decoder(cls, lambda t: cls(n_bands=t.n_bands))


def test_a_decoder_that_looks_at_the_whole_batch_is_caught() -> None:
    with pytest.raises(ContractError, match="one by one"):
        check_decoder(
            _BatchMinded,
            lambda t: _BatchMinded(
                list(t.frequencies_hz), list(t.classes), rate_hz=t.rate_hz, n_harmonics=2, n_bands=t.n_bands
            ),
        )


def test_a_parameter_that_toml_cannot_hold_is_caught() -> None:
    with pytest.raises(ContractError, match="parameters must be"):
        check_decoder(ETRCA, lambda t: ETRCA(n_bands=t.n_bands, weight_a=np.float64(1.25)))


def test_a_factory_of_another_class_is_caught() -> None:
    with pytest.raises(ContractError, match="make returned a ETRCA"):
        check_decoder(FBCCA, FACTORIES["etrca"])
