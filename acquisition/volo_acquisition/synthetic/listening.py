"""A simulated listener between two talkers: speech-like envelopes, and EEG that follows the attended one more.

It proves plumbing, never decoding: the link from sound to EEG is the linear one that the decoder looks for. Numpy and
the standard library only. All it knows of the run comes from markers: ``stimulus/onset`` and ``stimulus/offset`` (the
talkers speak in between) and ``participant/attend`` with the key ``"A"`` or ``"B"``.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.synthetic.background import PinkNoise
from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES, random_numbers
from volo_acquisition.synthetic.scalp import bump, mixing, positions
from volo_acquisition.types import Marker

__all__ = [
    "CHANNELS",
    "LISTENING",
    "LISTENING_VERSION",
    "TALKERS",
    "Listener",
    "ListeningParameters",
    "SpeechEnvelope",
    "listening_sha256",
    "response_kernel",
]

Array = NDArray[np.float64]
LISTENING_VERSION = 1
#: The talkers' names, and the order of their envelopes.
TALKERS = ("A", "B")
CHANNELS = (
    *("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8"),
    *("P7", "P3", "Pz", "P4", "P8", "O1", "Oz", "O2"),
)


@dataclass(frozen=True, slots=True)
class ListeningParameters:
    """The frozen numbers. Amplitudes are microvolt, times seconds, lengths head radii.

    Attributes
    ----------
    rate_hz : float
        Of the EEG; envelopes are told at `rate_hz` / `envelope_step`.
    envelope_step : int
        EEG samples an envelope sample.
    syllable_hz, syllable_log_sd : float
        Median syllable rate, and the spread of the log interval between syllables: most lie at 3 to 6 Hz.
    syllable_loudness_log_sd : float
        Spread of the log loudness of syllables.
    syllables_per_phrase : tuple of 2 int
        Fewest and most.
    pause_s : tuple of 2 float
        Shortest and longest silence between phrases.
    drift_exponent, drift_log_sd : float
        Slow waxing and waning of loudness from syllable to syllable: log-normal, its log 1 / f ** exponent.
    peak_s, peak_sd_s, peak_gain : tuple of 3 float
        Response to a unit of envelope: three Gaussian deflections (P1, N1, P2), their times, widths and signs.
    response_uv : float
        Root mean square of the response to the attended talker alone, where it is largest, while it speaks.
    ignored_gain : float
        Response to the other talker, relative to that.
    pattern_centre, pattern_width, pattern_spread : float
        The response's hill over the scalp, and the random part of each channel's gain.
    background_rms_uv, background_exponent, background_mixing : float
        1 / f ** exponent activity of each channel, and its correlation length over the scalp.
    sensor_noise_uv : float
        White noise of each channel.
    """

    rate_hz: float = 128.0
    envelope_step: int = 2
    syllable_hz: float = 4.3
    syllable_log_sd: float = 0.25
    syllable_loudness_log_sd: float = 0.35
    syllables_per_phrase: tuple[int, int] = (4, 14)
    pause_s: tuple[float, float] = (0.2, 0.7)
    drift_exponent: float = 1.0
    drift_log_sd: float = 0.25
    peak_s: tuple[float, float, float] = (0.05, 0.1, 0.18)
    peak_sd_s: tuple[float, float, float] = (0.012, 0.02, 0.035)
    peak_gain: tuple[float, float, float] = (0.4, -1.0, 0.6)
    response_uv: float = 0.3
    ignored_gain: float = 0.5
    pattern_centre: tuple[float, float] = (0.0, 0.15)
    pattern_width: float = 0.5
    pattern_spread: float = 0.2
    background_rms_uv: float = 9.0
    background_exponent: float = 1.2
    background_mixing: float = 1.2
    sensor_noise_uv: float = 0.7


LISTENING = ListeningParameters()
_KERNEL_S = 0.4


def listening_sha256(parameters: ListeningParameters = LISTENING) -> str:
    """Return the hash of the version and all numbers, as canonical JSON."""
    content = {"version": LISTENING_VERSION, "parameters": asdict(parameters)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def response_kernel(parameters: ListeningParameters = LISTENING) -> Array:
    """Return the response to a unit impulse of envelope, shape (n_lags,), from lag 0, largest deflection 1."""
    t = np.arange(math.ceil(_KERNEL_S * parameters.rate_hz) + 1) / parameters.rate_hz
    peaks = zip(parameters.peak_s, parameters.peak_sd_s, parameters.peak_gain, strict=True)
    kernel: Array = np.sum([g * np.exp(-0.5 * ((t - at) / sd) ** 2) for at, sd, g in peaks], axis=0)
    kernel /= np.abs(kernel).max()
    return kernel


class SpeechEnvelope:
    """One talker in one trial: syllables in phrases with pauses between, in any number of samples at a time.

    Parameters
    ----------
    parameters : ListeningParameters
        How people speak.
    seed : int
        Of the run.
    trial, talker : int
        Which; other trials and the other talker are independent.
    """

    def __init__(self, parameters: ListeningParameters, seed: int, trial: int, talker: int) -> None:
        self._p = parameters
        self._random = random_numbers(seed, 20 + talker, trial)
        self._drift_random = random_numbers(seed, 30 + talker, trial)
        self._drift = PinkNoise(parameters.drift_exponent, parameters.syllable_hz, 1)  # one number a syllable
        self._drift.start(self._drift_random)
        self._drifts: list[float] = []
        self._ready: Array = np.empty(0)

    def take(self, n_samples: int) -> Array:
        """Return the next samples, shape (n_samples,), not negative; about 1 where a syllable is loudest."""
        while len(self._ready) < n_samples:
            self._speak_phrase()
        out, self._ready = self._ready[:n_samples], self._ready[n_samples:]
        return out

    def _speak_phrase(self) -> None:
        """Append a phrase and the pause after it."""
        p, random = self._p, self._random
        low, high = p.syllables_per_phrase
        parts = [self._ready]
        for _ in range(int(random.integers(low, high + 1))):
            length_s = math.exp(random.normal(0.0, p.syllable_log_sd)) / p.syllable_hz
            n = max(8, round(length_s * p.rate_hz))
            rise = n // 3
            up = 0.5 - 0.5 * np.cos(np.pi * (np.arange(rise) + 0.5) / rise)
            down = 0.5 + 0.5 * np.cos(np.pi * (np.arange(n - rise) + 0.5) / (n - rise))
            if not self._drifts:
                self._drifts = self._drift.block(self._drift_random)[:, 0].tolist()
            loudness = random.normal(0.0, p.syllable_loudness_log_sd) + p.drift_log_sd * self._drifts.pop(0)
            parts.append(math.exp(loudness) * np.concatenate([up, down]))
        parts.append(np.zeros(round(random.uniform(*p.pause_s) * p.rate_hz)))
        self._ready = np.concatenate(parts)


class Listener:
    """EEG of a listener and the envelopes of two talkers, block after block of 64 EEG samples.

    A marker holds from the first sample at or after its time and must be told before the block that contains it.

    Parameters
    ----------
    seed : int
        Of the run: background and speech.
    person : int
        Whose scalp.
    channels : tuple of str
        10-10 names.
    parameters : ListeningParameters
        The frozen numbers, unless others are being tried.
    """

    def __init__(
        self,
        seed: int,
        *,
        person: int = 0,
        channels: tuple[str, ...] = CHANNELS,
        parameters: ListeningParameters = LISTENING,
    ) -> None:
        self._p = p = parameters
        self._seed = seed
        where = positions(channels)
        draw = random_numbers(person, 40, 0)
        hill = bump(where, p.pattern_centre, p.pattern_width)
        self.pattern: Array = hill + draw.normal(0.0, p.pattern_spread, len(channels))
        self._mix: Array = p.background_rms_uv * mixing(where, p.background_mixing).T
        self._pink = PinkNoise(p.background_exponent, p.rate_hz, len(channels))
        self._pink.start(random_numbers(seed, 41, 0))
        self._kernel = response_kernel(p) * (p.response_uv / _response_rms(p))
        self._past = np.zeros(len(self._kernel) - 1)
        self._told: list[Marker] = []
        self._talkers: list[SpeechEnvelope] | None = None
        self._attended: str | None = None
        self._block = 0

    def tell(self, marker: Marker) -> None:
        """Take a marker; labels it does not know are ignored.

        Raises
        ------
        ValueError
            If it lies in a block that was made already, or names no talker.
        """
        if marker.label not in ("stimulus/onset", "stimulus/offset", "participant/attend"):
            return
        if marker.time < self.time_s:
            raise ValueError(f"Listener.tell: got a marker at {marker.time} s, samples up to {self.time_s} s are made")
        if marker.label == "participant/attend" and marker.payload.get("key") not in (*TALKERS, None):
            raise ValueError(f"participant/attend: got key {marker.payload.get('key')!r}, expected one of {TALKERS}")
        self._told.append(marker)
        self._told.sort(key=lambda m: m.time)

    @property
    def time_s(self) -> float:
        """Time of the next block's first sample; sample n is taken at n / rate."""
        return self._block * BLOCK_SAMPLES / self._p.rate_hz

    def block(self) -> tuple[Array, Array]:
        """Return the next EEG, shape (64, n_channels), microvolt, and envelopes, shape (64 / envelope_step, 2)."""
        p = self._p
        times = (self._block * BLOCK_SAMPLES + np.arange(BLOCK_SAMPLES)) / p.rate_hz
        envelopes, drive = np.zeros((BLOCK_SAMPLES, 2)), np.zeros(BLOCK_SAMPLES)
        start = 0
        while start < BLOCK_SAMPLES:
            while self._told and self._told[0].time <= times[start]:
                self._take(self._told.pop(0))
            later = times >= self._told[0].time if self._told else np.zeros(BLOCK_SAMPLES, bool)
            stop = int(np.argmax(later)) if later.any() else BLOCK_SAMPLES
            if self._talkers is not None:
                for k, talker in enumerate(self._talkers):
                    sound = talker.take(stop - start)
                    envelopes[start:stop, k] = sound
                    drive[start:stop] += sound * (1.0 if TALKERS[k] == self._attended else p.ignored_gain)
            start = stop
        drive = np.concatenate([self._past, drive])
        self._past = drive[len(drive) - len(self._past) :]
        random = random_numbers(self._seed, 42, self._block)
        eeg: Array = self._pink.block(random) @ self._mix
        eeg += p.sensor_noise_uv * random.standard_normal(eeg.shape)
        eeg += np.convolve(drive, self._kernel, "valid")[:, None] * self.pattern
        self._block += 1
        return eeg, envelopes[:: p.envelope_step]

    def _take(self, marker: Marker) -> None:
        if marker.label == "stimulus/onset":
            trial = int(marker.payload["trial"])
            self._talkers = [SpeechEnvelope(self._p, self._seed, trial, k) for k in range(len(TALKERS))]
        elif marker.label == "stimulus/offset":
            self._talkers = None
        else:
            key = marker.payload.get("key")
            self._attended = None if key is None else str(key)


def _response_rms(parameters: ListeningParameters) -> float:
    """Return the root mean square of the kernel's response to a minute of speech, mean removed."""
    speech = SpeechEnvelope(parameters, 0, 0, 0).take(round(60.0 * parameters.rate_hz))
    return float(np.convolve(speech, response_kernel(parameters), "valid").std())
