"""The simulated listener: speech-like envelopes, EEG that follows the attended talker, markers its only input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from volo_acquisition.synthetic.listening import (
    CHANNELS,
    LISTENING,
    Listener,
    SpeechEnvelope,
    listening_sha256,
    response_kernel,
)
from volo_acquisition.types import Marker

#: No background: what is left is the response.
SILENT = dataclasses.replace(LISTENING, background_rms_uv=1e-9, sensor_noise_uv=1e-9, pattern_spread=0.0)


def listen(attended: str, *, parameters=LISTENING, seed: int = 1, seconds: float = 30.0, until: float = 1e9):
    listener = Listener(seed, parameters=parameters)
    listener.tell(Marker(0.0, "participant/attend", {"key": attended}))
    listener.tell(Marker(1.0, "stimulus/onset", {"trial": 0}))
    listener.tell(Marker(until, "stimulus/offset", {"trial": 0}))
    blocks = [listener.block() for _ in range(round(seconds * 2))]
    return np.concatenate([eeg for eeg, _ in blocks]), np.concatenate([sound for _, sound in blocks])


def test_the_parameters_are_frozen():
    assert listening_sha256() == "22bd903b093deec383c7905f7558bd5f74d69b1e39881861f051c5f6fbc396f6"
    assert listening_sha256(SILENT) != listening_sha256()


def test_an_envelope_has_syllables_at_3_to_6_hz_and_pauses():
    minutes = [SpeechEnvelope(LISTENING, 1, trial, 0).take(128 * 60) for trial in range(8)]
    rates, pauses, spectra = [], [], []
    for envelope in minutes:
        assert envelope.min() >= 0.0
        tops = (envelope[1:-1] > envelope[:-2]) & (envelope[1:-1] >= envelope[2:]) & (envelope[1:-1] > 0.1)
        pauses.append(np.mean(envelope == 0.0))
        rates.append(tops.sum() / (60.0 * (1.0 - pauses[-1])))
        spectra.append(np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2)
    assert min(rates) > 3.0
    assert max(rates) < 6.0
    assert min(pauses) > 0.05
    assert max(pauses) < 0.4
    power, f = np.mean(spectra, axis=0), np.fft.rfftfreq(128 * 60, 1 / 128)

    def density(low, high):
        return power[(f >= low) & (f < high)].mean()

    assert density(3.0, 6.0) > 1.4 * density(1.5, 2.5)  # the syllables stand out
    assert density(0.05, 0.3) > density(1.5, 2.5) > density(7.5, 8.5) > density(12.0, 20.0)


def test_an_envelope_does_not_depend_on_how_it_is_asked_for_and_each_is_its_own():
    whole = SpeechEnvelope(LISTENING, 1, 0, 0).take(2000)
    pieces = SpeechEnvelope(LISTENING, 1, 0, 0)
    np.testing.assert_array_equal(np.concatenate([pieces.take(n) for n in (1, 0, 699, 1300)]), whole)
    for other in (
        SpeechEnvelope(LISTENING, 1, 0, 1),
        SpeechEnvelope(LISTENING, 1, 1, 0),
        SpeechEnvelope(LISTENING, 2, 0, 0),
    ):
        correlations = np.corrcoef(whole, other.take(2000))[0, 1]
        assert abs(correlations) < 0.3


def test_the_response_follows_the_sound_by_100_ms():
    kernel = response_kernel()
    assert int(np.argmax(np.abs(kernel))) / LISTENING.rate_hz == pytest.approx(0.1, abs=0.01)
    eeg, _ = listen("A", parameters=dataclasses.replace(SILENT, ignored_gain=0.0))
    sound = SpeechEnvelope(SILENT, 1, 0, 0).take(128 * 29)
    response = eeg[128:, CHANNELS.index("Cz")]
    np.testing.assert_allclose(
        response,
        np.convolve(sound, kernel)[: len(response)] * (response.std() / np.convolve(sound, kernel).std()),
        atol=0.05 * response.std(),
    )


@pytest.mark.parametrize(("attended", "share"), [("A", (1.0, 0.5)), ("B", (0.5, 1.0))])
def test_eeg_is_the_sum_of_both_responses_the_ignored_one_weaker(attended, share):
    eeg, _ = listen(attended, parameters=SILENT)
    sounds = [
        np.convolve(SpeechEnvelope(SILENT, 1, 0, k).take(128 * 29), response_kernel())[: 128 * 29] for k in (0, 1)
    ]
    weights, *_ = np.linalg.lstsq(np.array(sounds).T, eeg[128:, CHANNELS.index("Cz")], rcond=None)
    np.testing.assert_allclose(weights / weights.max(), share, atol=1e-6)


def test_talkers_speak_between_onset_and_offset_only():
    eeg, sound = listen("A", parameters=SILENT, seconds=6.0, until=3.0)
    assert (sound[:64] == 0.0).all()
    assert sound[64 : 3 * 64].max(axis=0).min() > 0.2
    assert (sound[3 * 64 :] == 0.0).all()
    assert np.abs(eeg[128 * 3 :]).max() > 0.01  # the response goes on
    assert np.abs(eeg[128 * 3 + len(response_kernel()) :]).max() < 1e-6


def test_background_does_not_know_who_is_attended_and_sound_does_not_either():
    loud = dataclasses.replace(LISTENING, response_uv=1e-12)
    a, b = listen("A", parameters=loud, seconds=4.0), listen("B", parameters=loud, seconds=4.0)
    np.testing.assert_allclose(a[0], b[0], atol=1e-9)
    np.testing.assert_array_equal(a[1], b[1])


def test_a_marker_for_samples_that_are_made_and_an_unknown_talker_are_refused():
    listener = Listener(1)
    listener.block()
    with pytest.raises(ValueError, match="are made"):
        listener.tell(Marker(0.1, "stimulus/onset", {"trial": 0}))
    with pytest.raises(ValueError, match="key 'C'"):
        listener.tell(Marker(1.0, "participant/attend", {"key": "C"}))
    listener.tell(Marker(0.0, "trial/start", {}))  # not of its business
