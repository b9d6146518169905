"""The head: what is in its signal, what reaches it, and that chunking does not matter."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from volo_acquisition.synthetic.artefacts import Artefacts
from volo_acquisition.synthetic.background import PinkNoise
from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES, random_numbers
from volo_acquisition.synthetic.head import COUNTER_MODULUS, DEFAULT_CHANNELS, Head
from volo_acquisition.synthetic.parameters import MEDIAN, participant
from volo_acquisition.synthetic.scalp import positions
from volo_acquisition.types import Marker

RATE = 250.0
OZ = DEFAULT_CHANNELS.index("Oz")
SILENT = replace(
    MEDIAN,
    background_rms_uv=0.0,
    alpha_rms_uv=0.0,
    line_rms_uv=0.0,
    sensor_noise_uv=0.0,
    blink_rate_per_min=0.0,
    jaw_rate_per_min=0.0,
)
STEADY = replace(SILENT, phase_jitter_rad=0.0, amplitude_jitter=0.0)
RESTLESS = replace(MEDIAN, blink_rate_per_min=200.0, jaw_rate_per_min=100.0)


def attend(time, frequency_hz, phase_rad=0.0, key="A"):
    payload = {"trial": 0, "key": key, "frequency_hz": frequency_hz, "phase_rad": phase_rad}
    return Marker(time, "participant/attend", payload, "participant")


def onset(time):
    return Marker(time, "stimulus/onset", {"trial": 0}, "screen")


def offset(time):
    return Marker(time, "stimulus/offset", {"trial": 0}, "screen")


#: Flicker, a gaze shift under way, looking away, a second trial that is broken off early.
STORY = (
    attend(0.1, 9.0, 0.5),
    onset(0.3),
    attend(0.7, 13.4, 2.0, "B"),
    offset(1.1),
    Marker(1.15, "participant/attend", {"key": None}, "participant"),
    onset(1.2),
    attend(1.3, 11.0, 1.0, "C"),
    onset(1.5),
    offset(1.55),
)


def ask(head, sizes, start, markers, *, t0=0.0, told_late_s=0.0):
    """Generate chunks of `sizes`; a marker is told before the chunk that reaches its time plus `told_late_s`."""
    waiting, parts, index = list(markers), [], start
    for size in sizes:
        times = t0 + np.arange(index, index + size) / RATE
        while waiting and size and t0 + waiting[0].time + told_late_s <= times[-1]:
            head.tell(replace(waiting[0], time=t0 + waiting.pop(0).time))
        parts.append(head.generate(index, times))
        index += size
    return np.concatenate(parts)


@given(
    sizes=st.lists(st.integers(0, 150), min_size=1, max_size=40),
    start=st.integers(0, 300),
    told_late_s=st.floats(0.0, 0.13),
    parameters=st.sampled_from([RESTLESS, SILENT]),
)
@settings(max_examples=60)
def test_any_chunking_gives_the_same_bits(sizes, start, told_late_s, parameters):
    made = [Head(parameters, seed=3, rate_hz=RATE) for _ in range(2)]
    chunked = ask(made[0], sizes, start, STORY, t0=1234.5, told_late_s=told_late_s)
    whole = ask(made[1], [sum(sizes)], start, STORY, t0=1234.5)
    assert chunked.tobytes() == whole.tobytes()


def test_samples_one_by_one_are_the_same_bits_for_one_channel_too():
    made = [Head(RESTLESS, seed=3, rate_hz=RATE, channel_names=["Oz"]) for _ in range(2)]
    assert ask(made[0], [1] * 500, 0, STORY).tobytes() == ask(made[1], [500], 0, STORY).tobytes()


def test_the_same_seed_gives_the_same_signal_and_another_seed_another():
    same, again, other = (ask(Head(MEDIAN, seed=s), [500], 0, STORY) for s in (1, 1, 2))
    assert same.tobytes() == again.tobytes()
    assert abs(np.corrcoef(same[:, OZ], other[:, OZ])[0, 1]) < 0.5
    somebody = ask(Head(participant(4), seed=1), [500], 0, STORY)
    assert not np.allclose(same[:, OZ], somebody[:, OZ])


@given(
    noise=st.lists(st.sampled_from(["trial/start", "trial/decision", "run/stop", "note", "stimulus/frame"]), max_size=8)
)
@settings(max_examples=20)
def test_no_other_marker_reaches_the_head(noise):
    spoken = [m for n, label in enumerate(noise) for m in (Marker(0.1 * n, label, {"key": "Z", "cue": "Z"}),)]
    markers = sorted([*STORY, *spoken], key=lambda m: m.time)
    heard = ask(Head(MEDIAN, seed=5), [250], 0, markers)
    assert heard.tobytes() == ask(Head(MEDIAN, seed=5), [250], 0, STORY).tobytes()


def test_left_out_samples_change_nothing_that_follows():
    whole = Head(MEDIAN, seed=6).generate(0, np.arange(1000) / RATE)
    head = Head(MEDIAN, seed=6)
    first = head.generate(0, np.arange(100) / RATE)
    later = head.generate(777, np.arange(777, 1000) / RATE)
    assert first.tobytes() == whole[:100].tobytes()
    assert later.tobytes() == whole[777:].tobytes()


def test_the_counter_counts_across_chunks_and_wraps_exactly():
    head = Head(MEDIAN, seed=0)
    start = COUNTER_MODULUS - 20
    got = ask(head, [7, 0, 13, 30], start, ())[:, -1]
    assert got.dtype == np.float32
    assert got.tolist() == [n % COUNTER_MODULUS for n in range(start, start + 50)]
    assert Head(MEDIAN, seed=0, counter=False).generate(0, np.arange(5) / RATE).shape == (5, 9)


# ------------------------------------------------------------------------------------------------ what is in it


def test_the_background_falls_with_its_exponent():
    for exponent in (0.8, 1.2, 1.6):
        noise = PinkNoise(exponent, RATE, 12)
        noise.start(random_numbers(1, 2, 0))
        x = np.concatenate([noise.block(random_numbers(1, 3, k)) for k in range(500)])
        assert x.std() == pytest.approx(1.0, rel=0.1)
        f, power = welch(x, RATE, nperseg=2000, axis=0)
        band = (f >= 0.5) & (f <= 30.0)
        slope = np.polyfit(np.log(f[band]), np.log(power[band].mean(axis=1)), 1)[0]
        assert slope == pytest.approx(-exponent, abs=0.08)


def test_neighbours_share_the_background_more_than_distant_channels():
    quiet = replace(MEDIAN, alpha_rms_uv=0.0, line_rms_uv=0.0)
    x = Head(quiet, seed=1, counter=False).generate(0, np.arange(30_000) / RATE)
    r = np.corrcoef(np.diff(x, axis=0).T)
    names = list(DEFAULT_CHANNELS)
    near, far = r[names.index("O1"), names.index("Oz")], r[names.index("PO5"), names.index("PO6")]
    assert 0.95 > near > far + 0.1 > 0.2


def test_alpha_is_a_peak_at_its_frequency_with_its_size_and_comes_in_bursts():
    only = replace(SILENT, alpha_rms_uv=5.0)
    x = Head(only, seed=2).generate(0, np.arange(60_000) / RATE)[:, DEFAULT_CHANNELS.index("POz")]
    assert x.std() == pytest.approx(5.0, rel=0.15)
    f, power = welch(x, RATE, nperseg=1000)
    assert f[power.argmax()] == pytest.approx(only.alpha_hz, abs=0.5)
    assert power[np.abs(f - only.alpha_hz) < 2.0].sum() > 0.7 * power.sum()
    seconds = x.reshape(-1, 250).std(axis=1)
    assert np.percentile(seconds, 95) > 3.0 * np.percentile(seconds, 5)


def test_mains_and_sensor_noise_have_their_sizes():
    line = Head(replace(SILENT, line_rms_uv=2.0), seed=2).generate(0, np.arange(20_000) / RATE)[:, :9]
    f, power = welch(line, RATE, nperseg=1000, axis=0)
    assert (f[power.argmax(axis=0)] == 50.0).all()
    assert 1.0 < np.median(line.std(axis=0)) < 4.0
    white = Head(replace(SILENT, sensor_noise_uv=0.7), seed=2).generate(0, np.arange(20_000) / RATE)[:, :9]
    assert white.std(axis=0) == pytest.approx(np.full(9, 0.7), rel=0.03)
    assert np.abs(np.corrcoef(white.T) - np.eye(9)).max() < 0.05


def test_blinks_come_at_their_rate_and_are_large_in_front_and_small_behind():
    names = ["Fpz", "Cz", "Oz"]
    blinking = replace(SILENT, blink_rate_per_min=12.0, blink_amplitude_uv=100.0)
    x = Head(blinking, seed=4, channel_names=names).generate(0, np.arange(round(600 * RATE)) / RATE)
    up = (x[:, 0] > 20.0).astype(int)
    assert 0.75 * 120 < np.count_nonzero(np.diff(up) == 1) < 1.2 * 120
    largest = np.abs(x[:, :3]).max(axis=0)
    assert 100.0 < largest[0] < 300.0
    assert largest[2] < 0.1 * largest[0]


def test_the_jaw_is_broad_fast_noise_strongest_at_the_temples():
    where = positions(["T7", "Cz", "Oz"])
    clenching = replace(SILENT, jaw_rate_per_min=30.0, jaw_rms_uv=25.0)
    jaw = Artefacts(clenching, RATE, where)
    x = np.concatenate([jaw.block(random_numbers(7, 3, k)) for k in range(400)])
    assert x[:, 0].std() > 2.0 * x[:, 2].std() > 0.0
    f, power = welch(x[:, 0], RATE, nperseg=500)
    assert power[f > 40.0].sum() > 2.0 * power[f < 40.0].sum()
    assert np.mean(np.abs(x[:, 0]) < 1e-9) > 0.2
    assert len(x) == 400 * BLOCK_SAMPLES


# ------------------------------------------------------------------------------------------------- the response


def one_trial(frequency_hz=12.0, phase_rad=0.0, parameters=STEADY, extra=()):
    """Two seconds of flicker from 1 s on, sampled for 4 s; returns the signal without counter."""
    markers = sorted([attend(0.5, frequency_hz, phase_rad), onset(1.0), offset(3.0), *extra], key=lambda m: m.time)
    return ask(Head(parameters, seed=0, counter=False), [10] * 100, 0, markers)


def tone(x, frequency_hz, start_s=1.4, n=375):
    """Complex amplitude of a frequency under a Hann window, zero phase at the onset plus latency."""
    first = round(start_s * RATE)
    t = np.arange(first, first + n) / RATE
    window = np.hanning(n)
    turning = np.exp(-2j * np.pi * frequency_hz * (t - 1.0 - STEADY.latency_s))
    return 2.0 / window.sum() * (window * turning) @ x[first : first + n]


def test_the_response_comes_after_the_latency_and_goes_after_the_offset():
    x = np.abs(one_trial())
    t = np.arange(len(x)) / RATE
    latency = STEADY.latency_s
    assert x[t < 1.0 + latency].max() == 0.0
    assert x[(t >= 1.0 + latency) & (t < 1.2 + latency)].max() > 1.0
    assert x[(t > 2.8) & (t < 3.0 + latency)].max() > 1.0
    assert x[t >= 3.0 + latency + 10.0 * STEADY.decay_s].max() == 0.0


def test_the_response_has_the_attended_frequency_and_its_harmonics_and_no_other():
    for frequency_hz in (8.0, 12.0, 15.0):
        x = one_trial(frequency_hz)
        for h, amplitude in enumerate(STEADY.ssvep_amplitude_uv, start=1):
            expected = amplitude * (frequency_hz / 12.0) ** -STEADY.ssvep_frequency_slope
            assert 0.3 * expected < np.abs(tone(x, h * frequency_hz)).max() < 2.0 * expected
        assert np.abs(tone(x, frequency_hz + 3.0)).max() < 0.02


def test_the_phase_of_the_target_turns_harmonic_h_by_h_times_as_much():
    zero, turned = one_trial(12.0, 0.0), one_trial(12.0, 0.5 * math.pi)
    for h in (1, 2, 3):
        ratio = tone(turned, 12.0 * h) / tone(zero, 12.0 * h)
        assert np.angle(ratio * np.exp(-0.5j * math.pi * h)) == pytest.approx(np.zeros(9), abs=0.01)


def test_the_response_is_locked_to_the_onset_whatever_the_clock_shows():
    markers = [attend(0.5, 10.2), onset(1.0), offset(3.0)]
    early = ask(Head(STEADY, seed=0), [1000], 0, markers, t0=0.0)
    late = ask(Head(STEADY, seed=0), [1000], 0, markers, t0=98765.25)
    assert late == pytest.approx(early, abs=1e-4)


@pytest.mark.parametrize(
    "markers",
    [
        [onset(1.0), offset(3.0)],
        [attend(0.5, 12.0)],
        [attend(0.5, 12.0), Marker(0.6, "participant/attend", {"key": None}), onset(1.0)],
        [attend(0.5, 12.0), onset(0.7), offset(0.7)],
    ],
    ids=["nobody looks", "nothing flickers", "looks away", "no flicker at all"],
)
def test_there_is_no_response_without_both_gaze_and_flicker(markers):
    assert np.abs(ask(Head(STEADY, seed=0, counter=False), [1000], 0, markers)).max() == 0.0


def test_a_gaze_shift_under_flicker_changes_the_frequency_one_latency_later():
    x = one_trial(9.0, extra=[attend(2.0, 14.0, 0.0, "B")])
    assert np.abs(tone(x, 9.0, 1.2, 225)).max() > 8.0 * np.abs(tone(x, 14.0, 1.2, 225)).max()
    assert np.abs(tone(x, 14.0, 2.4, 175)).max() > 5.0 * np.abs(tone(x, 9.0, 2.4, 175)).max()


def test_saying_again_what_is_attended_changes_nothing():
    again = one_trial(9.0, extra=[attend(1.7, 9.0), attend(2.0, 9.0)])
    assert again.tobytes() == one_trial(9.0).tobytes()


def test_trials_jitter_in_phase_and_amplitude_by_what_the_parameters_say():
    p = replace(SILENT, phase_jitter_rad=0.3, amplitude_jitter=0.2)
    head, found = Head(p, seed=8, counter=False), []
    head.tell(attend(0.0, 12.0))
    for k in range(200):
        head.tell(onset(float(k)))
        head.tell(offset(k + 0.7))
        x = head.generate(250 * k, k + np.arange(250) / RATE)[:, OZ]
        found.append(np.exp(-2j * np.pi * 12.0 * np.arange(75, 175) / RATE) @ x[75:175])
    z = np.array(found) / np.mean(found)
    assert np.angle(z).std() == pytest.approx(0.3, rel=0.15)
    assert np.log(np.abs(z)).std() == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize(
    "payload",
    [
        {"key": "A"},
        {"key": "A", "frequency_hz": "x", "phase_rad": 0.0},
        {"key": "A", "frequency_hz": -8.0, "phase_rad": 0.0},
        {"key": "A", "frequency_hz": 8.0, "phase_rad": math.nan},
    ],
)
def test_an_attended_target_without_sensible_numbers_is_refused(payload):
    with pytest.raises(ValueError, match="participant/attend"):
        Head(MEDIAN, seed=0).tell(Marker(0.0, "participant/attend", payload))


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="rate_hz"):
        Head(MEDIAN, seed=0, rate_hz=32.0)
    with pytest.raises(ValueError, match="seed"):
        Head(MEDIAN, seed=-1)
    head = Head(MEDIAN, seed=0)
    head.generate(0, np.arange(10) / RATE)
    with pytest.raises(ValueError, match="next sample is 10"):
        head.generate(9, np.arange(10) / RATE)
    with pytest.raises(ValueError, match="n_samples"):
        head.generate(10, np.zeros((2, 2)))


@pytest.mark.parametrize("rate_hz", [100.0, 256.0, 1000.0])
def test_other_rates_have_the_same_amplitudes(rate_hz):
    x = Head(replace(MEDIAN, line_rms_uv=0.0), seed=1, rate_hz=rate_hz, counter=False).generate(
        0, np.arange(round(60 * rate_hz)) / rate_hz
    )
    assert np.isfinite(x).all()
    assert x.std() == pytest.approx(10.0, rel=0.35)
