"""A channel that dies: the chain is fitted anew from stored windows, and says what that is expected to cost."""

from __future__ import annotations

import numpy as np
import pytest

from volo_acquisition.errors import DecoderError
from volo_acquisition.types import Channel, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec, build_decoder
from volo_decoders.contract import Trials, make_trials
from volo_decoders.fitted import FittedChain
from volo_decoders.lost_channels import without_channels
from volo_decoders.pipeline.stopping import FixedStopping
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.types import Window

NAMES = ("Oz", "O1", "O2", "POz")


def chain(trials: Trials, decoder: str, params: dict[str, object], *more: StageSpec) -> FittedChain:
    bank = StageSpec("filter_bank", {"pass_bands_hz": [[6.0, 80.0], [14.0, 80.0]]})
    spec = ChainSpec((StageSpec("select", {"channels": list(NAMES)}), *more, bank), WindowSpec((1.0,)), decoder, params)
    fitted = build_decoder(spec).fit(trials.X, trials.y)
    info = StreamInfo("amp", "eeg", trials.rate_hz, tuple(Channel(name) for name in NAMES), "float32")
    return FittedChain(spec, fitted, FixedStopping(200), info, "x", {"recording": "a.xdf"})


def windows(trials: Trials) -> list[Window]:
    return [
        Window(k, float(k), x, 1.0, str(name), k) for k, (x, name) in enumerate(zip(trials.X, trials.y, strict=True))
    ]


def test_the_refitted_chain_is_the_one_fitted_without_the_channel() -> None:
    trials = make_trials(0.3, n_per_class=10)
    fitted = chain(trials, "etrca", {"n_bands": 2})
    again, cost = without_channels(fitted, windows(trials), ["O1"])
    rows = [0, 2, 3, 4, 6, 7]
    direct = build_decoder(again.spec).fit(np.ascontiguousarray(trials.X[:, rows]), trials.y)
    assert np.array_equal(
        again.decoder.decision_function(trials.X_test[:, rows]), direct.decision_function(trials.X_test[:, rows])
    )
    assert again.contract.channel_names == ("Oz", "O2", "POz")
    assert again.spec.stages[0].params["channels"] == ["Oz", "O2", "POz"]
    assert again.decoder_id != fitted.decoder_id and again.provenance["lost_channels"] == "O1"
    again.decoding(again.contract)  # runs on the stream that is left
    assert cost.n_trials == 40 and 0.25 < cost.after <= 1.0
    assert "without O1" in str(cost) and "% with" in str(cost)


def test_the_expected_cost_is_what_new_trials_show() -> None:
    trials = make_trials(0.22, n_per_class=40, seed=3)
    fitted = chain(trials, "etrca", {"n_bands": 2})
    again, cost = without_channels(fitted, windows(trials), ["Oz", "O1"])
    rows = [2, 3, 6, 7]
    before = fitted.decoder.classes_[fitted.decoder.decision_function(trials.X_test).argmax(axis=1)] == trials.y_test
    scores = again.decoder.decision_function(trials.X_test[:, rows])
    after = again.decoder.classes_[scores.argmax(axis=1)] == trials.y_test
    assert cost.before == pytest.approx(before.mean(), abs=0.12)
    assert cost.after == pytest.approx(after.mean(), abs=0.12)


def test_a_decoder_without_calibration_needs_no_windows() -> None:
    trials = make_trials()
    params = {"frequencies_hz": list(trials.frequencies_hz), "rate_hz": trials.rate_hz, "n_bands": 2, "n_harmonics": 2}
    again, cost = without_channels(chain(trials, "fbcca", {**params, "class_names": list(trials.classes)}), [], ["Oz"])
    assert again.decoder.decision_function(trials.X_test[:, [1, 2, 3, 5, 6, 7]]).shape == (48, 4)
    assert "too few trials" in str(cost)


@pytest.mark.parametrize(("lost", "message"), [(["Cz"], "Cz cannot be left out"), (list(NAMES), "all cannot")])
def test_channels_that_cannot_be_left_out_are_named(lost: list[str], message: str) -> None:
    trials = make_trials()
    with pytest.raises(DecoderError, match=message):
        without_channels(chain(trials, "etrca", {"n_bands": 2}), windows(trials), lost)


def test_a_chain_that_mixed_the_channels_is_refused() -> None:
    trials = make_trials()
    with pytest.raises(DecoderError, match="common_average mixed"):
        without_channels(chain(trials, "etrca", {"n_bands": 2}, StageSpec("common_average")), windows(trials), ["Oz"])
