"""Imagery in the simulated head: which rhythm sinks where and when, and that nothing else changes."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from volo_acquisition.synthetic import imagery_parameters
from volo_acquisition.synthetic.head import DEFAULT_CHANNELS, Head
from volo_acquisition.synthetic.imagery import PLACES, SensorimotorRhythms
from volo_acquisition.synthetic.imagery_parameters import IMAGERY_MEDIAN, ImageryParameters, imagery_of, imagery_sha256
from volo_acquisition.synthetic.parameters import MEDIAN, parameters_sha256, participant
from volo_acquisition.types import Marker

RATE = 250.0
MOTOR = ("FC3", "FC4", "C3", "Cz", "C4", "CP3", "CP4")
SILENT = replace(
    MEDIAN,
    background_rms_uv=0.0,
    alpha_rms_uv=0.0,
    line_rms_uv=0.0,
    sensor_noise_uv=0.0,
    blink_rate_per_min=0.0,
    jaw_rate_per_min=0.0,
)
STEADY = replace(IMAGERY_MEDIAN, depth_jitter=0.0)


def imagine(time, movement, **more):
    payload = {"trial": 0, "key": movement, "frequency_hz": 0.0, "phase_rad": 0.0, "imagine": movement, **more}
    return Marker(time, "participant/attend", payload, "participant")


STORY = (imagine(0.2, "left"), imagine(0.9, "feet"), imagine(1.5, None), imagine(1.8, "fists"), imagine(1.85, None))


def ask(head, sizes, start=0, markers=(), told_late_s=0.0):
    waiting, parts, index = list(markers), [], start
    for size in sizes:
        times = np.arange(index, index + size) / RATE
        while waiting and size and waiting[0].time + told_late_s <= times[-1]:
            head.tell(waiting.pop(0))
        parts.append(head.generate(index, times))
        index += size
    return np.concatenate(parts)


def test_the_imagery_of_the_population_is_frozen():
    assert imagery_parameters.IMAGERY_VERSION == 1
    assert imagery_sha256() == "981b22a3b9a8f676299fe8a3d1df4a841e7e56fc0817f130ff85ce770f6a806a"


def test_the_hash_sees_the_imagery_and_only_that(monkeypatch):
    before, responses = imagery_sha256(), parameters_sha256()
    monkeypatch.setattr(imagery_parameters, "IMAGERY_MEDIAN", replace(IMAGERY_MEDIAN, mu_depth=0.46))
    assert imagery_sha256() != before
    assert parameters_sha256() == responses


def test_every_parameter_is_documented():
    assert [name for name in asdict(IMAGERY_MEDIAN) if name not in (ImageryParameters.__doc__ or "")] == []


def test_a_participant_keeps_its_imagery():
    assert imagery_of(MEDIAN) is IMAGERY_MEDIAN
    assert imagery_of(participant(7)) == imagery_of(participant(7)) != imagery_of(participant(8))
    assert imagery_of(participant(7)).mu_hz == pytest.approx(11.006227917901525, abs=1e-12)


@given(
    sizes=st.lists(st.integers(0, 150), min_size=1, max_size=25), start=st.integers(0, 200), late=st.floats(0.0, 0.13)
)
@settings(max_examples=50)
def test_any_chunking_gives_the_same_bits(sizes, start, late):
    made = [Head(MEDIAN, seed=3, rate_hz=RATE, channel_names=MOTOR) for _ in range(2)]
    chunked = ask(made[0], sizes, start, STORY, late)
    assert chunked.tobytes() == ask(made[1], [sum(sizes)], start, STORY).tobytes()


@pytest.mark.parametrize("names", [DEFAULT_CHANNELS, ("C3", "C4", "Oz"), ("Cz",)])
def test_without_all_three_places_imagery_changes_nothing(names):
    plain = ask(Head(MEDIAN, seed=1, channel_names=names), [600])
    imagining = ask(Head(MEDIAN, seed=1, channel_names=names), [200] * 3, 0, (imagine(0.2, "left"),))
    assert plain.tobytes() == imagining.tobytes()


def test_rhythms_are_added_to_the_background_and_leave_it_alone():
    whole = ask(Head(MEDIAN, seed=1, channel_names=MOTOR, counter=False), [600]).astype(float)
    calm = replace(IMAGERY_MEDIAN, mu_rms_uv=0.0, beta_rms_uv=0.0)
    without = ask(Head(MEDIAN, seed=1, channel_names=MOTOR, counter=False, imagery=calm), [600]).astype(float)
    only = ask(Head(SILENT, seed=1, channel_names=MOTOR, counter=False), [600]).astype(float)
    assert np.allclose(whole - without, only, atol=1e-4)


def power(movement, band, span, *, n=60, names=PLACES):
    """Mean power in a band at each channel, while a movement has been imagined for 1 to 4 s, relative to rest."""
    sos = butter(4, band, "bandpass", fs=RATE, output="sos")
    rest, task = [], []
    head = Head(SILENT, seed=5, rate_hz=RATE, channel_names=names, counter=False, imagery=STEADY)
    for k in range(n):
        t0 = 10.0 * k
        head.tell(imagine(t0 + 4.0, movement))
        first = head.generate(round(t0 * RATE), t0 + np.arange(round(6 * RATE)) / RATE)
        head.tell(imagine(t0 + 8.0, None))
        second = head.generate(round((t0 + 6) * RATE), t0 + 6 + np.arange(round(4 * RATE)) / RATE)
        x = sosfiltfilt(sos, np.concatenate([first, second]), axis=0) ** 2
        a, b = (round(s * RATE) for s in span)
        rest.append(x[round(2.5 * RATE) : round(4 * RATE)].mean(axis=0))
        task.append(x[a:b].mean(axis=0))
    return dict(zip(names, np.mean(task, axis=0) / np.mean(rest, axis=0), strict=True))


MU, BETA, DURING = (9.0, 12.0), (16.0, 24.0), (5.5, 8.0)


@pytest.mark.parametrize(("movement", "contralateral", "ipsilateral"), [("left", "C4", "C3"), ("right", "C3", "C4")])
def test_a_hand_desynchronises_the_other_side_most(movement, contralateral, ipsilateral):
    for band in (MU, BETA):
        left = power(movement, band, DURING)
        assert left[contralateral] < 0.55 < 0.65 < left[ipsilateral] < 0.95


def test_feet_desynchronise_the_middle_and_free_the_hands():
    left = power("feet", MU, DURING)
    assert left["Cz"] < 0.5
    assert min(left["C3"], left["C4"]) > 1.1


def test_fists_desynchronise_both_sides():
    left = power("fists", MU, DURING)
    assert max(left["C3"], left["C4"]) < 0.5
    assert 0.8 < left["Cz"] < 1.2


def test_beta_rebounds_after_the_end_where_it_had_sunk_and_mu_does_not():
    after = (8.6, 9.6)
    beta, mu = power("right", BETA, after), power("right", MU, after)
    assert beta["C3"] > 1.4 > 1.35 > beta["Cz"]
    assert mu["C3"] < 1.1


def test_an_unknown_movement_is_refused_by_a_head_that_could_show_it():
    with pytest.raises(ValueError, match="got imagine 'wings', allowed are left, right"):
        Head(MEDIAN, seed=1, channel_names=MOTOR).tell(imagine(0.0, "wings"))


def test_imagining_answers_no_flicker():
    heads = [Head(MEDIAN, seed=1, channel_names=("Oz", "O1")) for _ in range(2)]
    onset = Marker(0.0, "stimulus/onset", {"trial": 0, "target": "left"}, "screen")
    heads[0].tell(onset)
    heads[0].tell(imagine(0.1, "left"))
    assert ask(heads[0], [500]).tobytes() == ask(heads[1], [500]).tobytes()


def test_blocks_come_in_order_and_those_left_out_count():
    rhythms = [SensorimotorRhythms(IMAGERY_MEDIAN, MOTOR, RATE, 1) for _ in range(2)]
    for number in range(4):
        last = rhythms[0].block(number)
    rhythms[1].block(0)
    assert np.array_equal(rhythms[1].block(3), last)
    with pytest.raises(ValueError, match="the next that can be made is 4"):
        rhythms[1].block(3)
