"""Who is simulated: frozen, and the same on every machine."""

from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.synthetic import parameters
from volo_acquisition.synthetic.parameters import MEDIAN, ParticipantParameters, parameters_sha256, participant
from volo_acquisition.synthetic.scalp import DEFAULT_CHANNELS, bump, mixing, positions

FROZEN_SHA256 = "4a996157232b6c15a108f018c856874667bcb42f69f6fab77187a69561b9821b"


def test_the_population_is_frozen():
    assert parameters.PARAMETERS_VERSION == 1
    assert parameters_sha256() == FROZEN_SHA256


def test_the_hash_sees_every_number_of_the_population(monkeypatch):
    monkeypatch.setattr(parameters, "MEDIAN", replace(MEDIAN, sensor_noise_uv=MEDIAN.sensor_noise_uv + 1e-9))
    assert parameters_sha256() != FROZEN_SHA256
    monkeypatch.setattr(parameters, "MEDIAN", MEDIAN)
    monkeypatch.setattr(parameters, "SPREAD", replace(parameters.SPREAD, ssvep_log_sd=0.3))
    assert parameters_sha256() != FROZEN_SHA256


def test_a_participant_is_the_same_person_every_time_and_another_with_another_number():
    assert participant(7) == participant(7) == participant("7")
    assert participant(7) != participant(8)
    assert participant(7).code == "P0007"
    # Drawn by the standard library, so that no version of numpy can change who it is.
    assert participant(7).alpha_hz == pytest.approx(9.342881208463503, abs=1e-12)


def test_the_median_participant_sits_at_the_medians():
    assert participant("median") is MEDIAN
    people = [participant(seed) for seed in range(2000)]
    for name in (f.name for f in fields(ParticipantParameters) if f.name not in ("code", "pattern_seed")):
        values = np.median(np.array([getattr(p, name) for p in people]), axis=0)
        assert values == pytest.approx(np.array(getattr(MEDIAN, name)), rel=0.04), name


@pytest.mark.parametrize("wrong", [-1, "mean", "", "-3", True])
def test_a_participant_that_does_not_exist_is_refused(wrong):
    with pytest.raises(ValueError, match="median"):
        participant(wrong)


def test_every_parameter_is_documented():
    text = ParticipantParameters.__doc__ or ""
    assert [name for name in asdict(MEDIAN) if name not in text] == []


def test_the_published_description_has_the_hash_and_every_number():
    text = (Path(__file__).parents[2] / "docs" / "synthetic_participant.md").read_text("utf-8")
    assert FROZEN_SHA256 in text
    rows = {cells[1].strip(" `"): line for line in text.splitlines() if len(cells := line.split("|")) > 3}
    for name, value in (asdict(MEDIAN) | asdict(parameters.SPREAD)).items():
        if name not in ("code", "pattern_seed"):
            expected = ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
            assert f"| {expected} |" in rows[name], name


def test_the_scalp_is_symmetric_and_in_order():
    where = dict(zip(NAMES, positions(NAMES), strict=True))
    for left, right in (("O1", "O2"), ("PO5", "PO6"), ("Fp1", "Fp2"), ("FC3", "FC4"), ("TP9", "TP10")):
        assert where[left] == pytest.approx(where[right] * (-1.0, 1.0))
    assert where["Oz"][1] < where["POz"][1] < where["Pz"][1] < where["Cz"][1] == 0.0 < where["Fz"][1]
    assert where["PO7"][0] < where["PO5"][0] < where["PO3"][0] < where["POz"][0] == 0.0
    assert positions(["T5"]) == pytest.approx(positions(["P7"]))


NAMES = [
    "Fp1",
    "Fp2",
    "Fz",
    "FC3",
    "FC4",
    "Cz",
    "Pz",
    "POz",
    "PO3",
    "PO5",
    "PO6",
    "PO7",
    "O1",
    "O2",
    "Oz",
    "TP9",
    "TP10",
]


@pytest.mark.parametrize("names", [["Oz", "X1"], ["Oz", "Oz"], []])
def test_unknown_and_repeated_channels_are_refused(names):
    with pytest.raises(ValueError, match="channel names"):
        positions(names)


def test_mixing_gives_unit_variance_and_correlations_that_fall_with_distance():
    where = positions(DEFAULT_CHANNELS)
    factor = mixing(where, 1.2)
    correlation = factor @ factor.T
    assert np.diag(correlation) == pytest.approx(np.ones(9))
    distance = np.linalg.norm(where[:, None] - where[None], axis=2)
    assert correlation == pytest.approx(np.exp(-distance / 1.2), abs=1e-6)
    assert bump(where, (0.0, -0.8), 0.3).argmax() == DEFAULT_CHANNELS.index("Oz")
