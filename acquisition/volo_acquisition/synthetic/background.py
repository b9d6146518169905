"""What the head does by itself: 1/f background, alpha, mains, sensor noise, and the artefacts; block by block.

Filters are first-order recursions written as one fixed matrix product a block, so the signal does not depend on how
it is asked for. Markers never reach this module.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.synthetic.artefacts import Artefacts
from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES, random_numbers
from volo_acquisition.synthetic.parameters import ParticipantParameters
from volo_acquisition.synthetic.scalp import bump, mixing

__all__ = ["Alpha", "Background", "PinkNoise"]

#: Corners of the first-order filters whose sum falls like 1/f.
CORNERS_HZ = tuple(0.125 * 2.0**k for k in range(10))
#: Where that sum follows the power law; below it is flat.
POWER_LAW_HZ = (0.25, 64.0)
#: Standard deviation of the mains phase's random walk, rad per square root of a second.
LINE_PHASE_WALK_RAD = 0.05
#: Two alpha generators: left and right parieto-occipital.
_ALPHA_PLACES = ((-0.25, -0.6), (0.25, -0.6))

Array = NDArray[np.float64]


def _variances(corners: Array, poles: Array, exponent: float, rate_hz: float) -> Array:
    """Return variances (sum 1) of first-order autoregressions whose spectra add up to frequency ** -exponent.

    Multiplicative updates (Richardson 1972, DOI 10.1364/JOSA.62.000055; Lucy 1974, DOI 10.1086/111605) keep them
    positive; the power law is fitted on a logarithmic grid, relative to itself.
    """
    low, high = POWER_LAW_HZ
    f = np.geomspace(low, min(high, 0.45 * rate_hz), 60)
    spectra = (1.0 - poles**2) / (1.0 - 2.0 * poles * np.cos(2.0 * np.pi * f / rate_hz)[:, None] + poles**2)
    relative = spectra * f[:, None] ** exponent
    variances = corners ** (1.0 - exponent)
    for _ in range(300):
        variances = variances * (relative.T @ (1.0 / (relative @ variances))) / relative.sum(axis=0)
    out: Array = variances / variances.sum()
    return out


class PinkNoise:
    """Noise whose power falls with frequency to the power of minus `exponent`, 0.25 to 64 Hz.

    A sum of independent first-order autoregressions, one an octave, whose variances are fitted so that the sum of
    their spectra follows the power law.

    Parameters
    ----------
    exponent : float
        Between 0 and 2.
    rate_hz : float
        Sampling rate.
    n_channels : int
        Number of independent noises, each of unit variance.
    """

    def __init__(self, exponent: float, rate_hz: float, n_channels: int) -> None:
        corners = np.array([corner for corner in CORNERS_HZ if corner < rate_hz / 2.0])
        poles = np.exp(-2.0 * np.pi * corners / rate_hz)
        self._sd = np.sqrt(_variances(corners, poles, exponent, rate_hz))
        self._shape = (len(poles), BLOCK_SAMPLES, n_channels)
        lag = np.arange(BLOCK_SAMPLES)[:, None] - np.arange(BLOCK_SAMPLES)[None, :]
        drive = self._sd * np.sqrt(1.0 - poles**2)
        kernels = drive[:, None, None] * np.where(lag >= 0, poles[:, None, None] ** np.maximum(lag, 0), 0.0)
        self._sum = np.ascontiguousarray(kernels.transpose(1, 0, 2).reshape(BLOCK_SAMPLES, -1))
        self._last = np.ascontiguousarray(kernels[:, -1:, :])
        self._memory = poles[None, :] ** np.arange(1, BLOCK_SAMPLES + 1)[:, None]
        self._state = np.zeros((len(poles), n_channels))

    def start(self, random: np.random.Generator) -> None:
        """Draw the state of the filters from their stationary distribution."""
        self._state = self._sd[:, None] * random.standard_normal(self._state.shape)

    def block(self, random: np.random.Generator) -> Array:
        """Return the next block, shape (BLOCK_SAMPLES, n_channels)."""
        white = random.standard_normal(self._shape)
        out: Array = self._sum @ white.reshape(-1, self._shape[2])
        out += self._memory @ self._state
        self._state = (self._last @ white)[:, 0, :] + self._memory[-1][:, None] * self._state
        return out


class Alpha:
    """Alpha rhythm: two resonances of narrow-band noise that wax and wane together.

    Parameters
    ----------
    parameters : ParticipantParameters
        Whose.
    rate_hz : float
        Sampling rate.
    where : ndarray, shape (n_channels, 2)
        Positions of the channels.
    """

    def __init__(self, parameters: ParticipantParameters, rate_hz: float, where: Array) -> None:
        p = parameters
        radius = math.exp(-math.pi * p.alpha_bandwidth_hz / rate_hz)
        pole = radius * np.exp(2j * math.pi * p.alpha_hz / rate_hz)
        lag = np.arange(BLOCK_SAMPLES)[:, None] - np.arange(BLOCK_SAMPLES)[None, :]
        self._drive = np.where(lag >= 0, pole ** np.maximum(lag, 0), 0.0) * math.sqrt(1.0 - radius**2)
        self._memory = pole ** np.arange(1, BLOCK_SAMPLES + 1)
        # Two generators that share the scalp; together they have the asked-for rms where they are strongest.
        hills = np.array([bump(where, place, 0.45) for place in _ALPHA_PLACES])
        reference = np.array([bump(np.array([[0.0, -0.6]]), place, 0.45)[0] for place in _ALPHA_PLACES])
        self._pattern = hills * (p.alpha_rms_uv / np.sqrt((reference**2).sum()))
        self._burst_sd = p.alpha_burst_log_sd
        self._burst_keep = math.exp(-BLOCK_SAMPLES / (rate_hz * p.alpha_burst_s))
        self._ramp = np.arange(1, BLOCK_SAMPLES + 1) / BLOCK_SAMPLES
        self._state: NDArray[np.complex128] = np.zeros(2, dtype=np.complex128)
        self._burst = 0.0

    def start(self, random: np.random.Generator) -> None:
        """Draw the state from its stationary distribution."""
        draw = random.standard_normal(5)
        self._state = draw[:2] + 1j * draw[2:4]
        self._burst = float(draw[4])

    def block(self, random: np.random.Generator) -> Array:
        """Return the next block, shape (BLOCK_SAMPLES, n_channels), microvolt."""
        draw = random.standard_normal((2, BLOCK_SAMPLES, 2))
        wave = self._drive @ (draw[0] + 1j * draw[1]) + self._memory[:, None] * self._state
        self._state = wave[-1].copy()
        before = self._burst
        self._burst = self._burst_keep * before + math.sqrt(1.0 - self._burst_keep**2) * random.standard_normal()
        level = before + self._ramp * (self._burst - before)
        # exp(2 sd x) has the mean exp(2 sd^2) for a standard normal x: divided out, so that the rms is as asked for.
        envelope = np.exp(self._burst_sd * level - self._burst_sd**2)
        out: Array = (wave.real * envelope[:, None]) @ self._pattern
        return out


class Background:
    """All that is in the signal without a stimulus.

    Parameters
    ----------
    parameters : ParticipantParameters
        Whose.
    rate_hz : float
        Sampling rate.
    where : ndarray, shape (n_channels, 2)
        Positions of the channels.
    seed : int
        Of the run.
    """

    def __init__(self, parameters: ParticipantParameters, rate_hz: float, where: Array, seed: int) -> None:
        p = parameters
        self._seed = seed
        self._n_channels = len(where)
        self._pink = PinkNoise(p.background_exponent, rate_hz, self._n_channels)
        self._mix = np.ascontiguousarray(p.background_rms_uv * mixing(where, p.background_mixing).T)
        self._alpha = Alpha(p, rate_hz, where)
        self._artefacts = Artefacts(p, rate_hz, where)
        self._sensor_noise_uv = p.sensor_noise_uv
        person = random_numbers(p.pattern_seed, 1, 0)
        self._line = math.sqrt(2.0) * p.line_rms_uv * np.exp(person.normal(0.0, 0.3, self._n_channels))
        self._line_step = 2.0 * math.pi * p.line_hz / rate_hz
        self._line_walk = LINE_PHASE_WALK_RAD / math.sqrt(rate_hz)
        self._line_phase = 0.0
        self._next: int | None = None

    def block(self, number: int) -> Array:
        """Return block `number`, shape (BLOCK_SAMPLES, n_channels), microvolt; those in between are passed over.

        Raises
        ------
        ValueError
            If `number` is not beyond the last block returned.
        """
        if self._next is None:
            random = random_numbers(self._seed, 2, number)
            self._pink.start(random)
            self._alpha.start(random)
            self._line_phase = random.uniform(0.0, 2.0 * math.pi)
            self._next = number
        if number < self._next:
            raise ValueError(f"Background.block: got {number}, the next that can be made is {self._next}")
        for step in range(self._next, number):
            self._make(step)
        self._next = number + 1
        return self._make(number)

    def _make(self, number: int) -> Array:
        random = random_numbers(self._seed, 3, number)
        out: Array = self._pink.block(random) @ self._mix
        out += self._alpha.block(random)
        noise = random.standard_normal((BLOCK_SAMPLES, self._n_channels + 1))
        out += self._sensor_noise_uv * noise[:, 1:]
        phase = self._line_phase + np.cumsum(self._line_step + self._line_walk * noise[:, 0])
        self._line_phase = float(phase[-1]) % (2.0 * math.pi)
        out += np.sin(phase)[:, None] * self._line
        out += self._artefacts.block(random)
        return out
