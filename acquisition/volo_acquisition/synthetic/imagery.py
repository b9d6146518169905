"""What imagery does to the head: mu and beta over the sensorimotor places sink, and beta rebounds after the end.

All it learns comes from ``participant/attend`` markers with a field ``imagine``. The rhythms themselves come in blocks
on the same grid as the background; how large they are is computed sample by sample from the times. So chunking cannot
matter. They are there only where C3, Cz and C4 all are among the channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.synthetic.blocks import BLOCK_SAMPLES, random_numbers
from volo_acquisition.synthetic.imagery_parameters import ImageryParameters
from volo_acquisition.synthetic.scalp import bump, positions
from volo_acquisition.types import Marker

__all__ = ["MOVEMENTS", "PLACES", "SensorimotorRhythms", "has_sensorimotor_channels"]

#: The areas of the right hand, the feet and the left hand; each has a mu and a beta rhythm.
PLACES = ("C3", "Cz", "C4")
#: What can be imagined.
MOVEMENTS = ("left", "right", "fists", "feet", "tongue")
#: An effect that died away for so many time constants is over: exactly zero from there on.
OVER = 12.0

Array = NDArray[np.float64]


def has_sensorimotor_channels(channel_names: Sequence[str]) -> bool:
    """Return whether C3, Cz and C4 are all there."""
    return set(PLACES) <= set(channel_names)


def _effects(p: ImageryParameters) -> Mapping[str, tuple[float, float, float]]:
    """Return by which share of its depth each place loses amplitude; negative is a gain."""
    return {
        "right": (1.0, 0.0, p.ipsilateral),
        "left": (p.ipsilateral, 0.0, 1.0),
        "fists": (1.0, 0.0, 1.0),
        "feet": (-p.surround, 1.0, -p.surround),
        "tongue": (-p.surround, 0.0, -p.surround),
    }


@dataclass(slots=True)
class _Episode:
    """One stretch of imagining one movement; `stop_s` is infinite while it lasts."""

    start_s: float
    stop_s: float
    losses: tuple[float, float, float]


class SensorimotorRhythms:
    """Two rhythms at each of three places, and what imagery makes of them.

    Parameters
    ----------
    parameters : ImageryParameters
        Whose.
    channel_names : sequence of str
        10-10 names, C3, Cz and C4 among them.
    rate_hz : float
        Sampling rate.
    seed : int
        Of the run.
    """

    def __init__(self, parameters: ImageryParameters, channel_names: Sequence[str], rate_hz: float, seed: int) -> None:
        self._p = p = parameters
        self._seed = seed
        where = positions(channel_names)
        hills = [bump(where, (float(x), float(y)), p.pattern_width) for x, y in positions(PLACES)]
        #: Place by place of mu, then of beta, shape (2 * n_places, n_channels).
        self._patterns: Array = np.array([p.mu_rms_uv * h for h in hills] + [p.beta_rms_uv * h for h in hills])
        lag = np.arange(BLOCK_SAMPLES)[:, None] - np.arange(BLOCK_SAMPLES)[None, :]
        self._drives, self._memories = [], []
        for hz, bandwidth_hz in ((p.mu_hz, p.mu_bandwidth_hz), (p.beta_hz, p.beta_bandwidth_hz)):
            radius = math.exp(-math.pi * bandwidth_hz / rate_hz)
            pole = radius * np.exp(2j * math.pi * hz / rate_hz)
            drive = np.where(lag >= 0, pole ** np.maximum(lag, 0), 0.0) * math.sqrt(1.0 - radius**2)
            self._drives.append(drive)
            self._memories.append(pole ** np.arange(1, BLOCK_SAMPLES + 1))
        self._burst_keep = math.exp(-BLOCK_SAMPLES / (rate_hz * p.burst_s))
        self._ramp = np.arange(1, BLOCK_SAMPLES + 1) / BLOCK_SAMPLES
        self._state: NDArray[np.complex128] = np.zeros((2, len(PLACES)), dtype=np.complex128)
        self._burst: Array = np.zeros(2 * len(PLACES))
        self._next: int | None = None
        self._imagined: str | None = None
        self._episodes: list[_Episode] = []
        self._n_episodes = 0

    def tell(self, marker: Marker) -> None:
        """Take a marker; all but ``participant/attend`` are ignored.

        Raises
        ------
        ValueError
            If an unknown movement is imagined.
        """
        if marker.label != "participant/attend":
            return
        imagined = marker.payload.get("imagine")
        if imagined is not None and imagined not in MOVEMENTS:
            raise ValueError(
                f"participant/attend: got imagine {imagined!r}, allowed are {', '.join(MOVEMENTS)} or null"
            )
        if imagined == self._imagined:
            return
        moment = marker.time + self._p.latency_s
        if self._imagined is not None:
            last = self._episodes[-1]
            last.stop_s = max(last.start_s, moment)
        self._imagined = imagined
        if imagined is not None:
            jitter = math.exp(random_numbers(self._seed, 7, self._n_episodes).normal(0.0, self._p.depth_jitter))
            self._n_episodes += 1
            left, middle, right = (jitter * loss for loss in _effects(self._p)[imagined])
            self._episodes.append(_Episode(moment, math.inf, (left, middle, right)))

    def block(self, number: int) -> Array:
        """Return the undisturbed rhythms of block `number`, shape (BLOCK_SAMPLES, 2 * n_places), unit variance.

        Raises
        ------
        ValueError
            If `number` is not beyond the last block returned.
        """
        if self._next is None:
            random = random_numbers(self._seed, 5, number)
            draw = random.standard_normal((2, *self._state.shape))
            self._state = draw[0] + 1j * draw[1]
            self._burst = random.standard_normal(len(self._burst))
            self._next = number
        if number < self._next:
            raise ValueError(f"SensorimotorRhythms.block: got {number}, the next that can be made is {self._next}")
        for step in range(self._next, number):
            self._make(step)
        self._next = number + 1
        return self._make(number)

    def _make(self, number: int) -> Array:
        random = random_numbers(self._seed, 6, number)
        waves = []
        for k, (drive, memory) in enumerate(zip(self._drives, self._memories, strict=True)):
            white = random.standard_normal((2, BLOCK_SAMPLES, len(PLACES)))
            wave = drive @ (white[0] + 1j * white[1]) + memory[:, None] * self._state[k]
            self._state[k] = wave[-1]
            waves.append(wave.real)
        before = self._burst
        fresh = random.standard_normal(len(before))
        self._burst = self._burst_keep * before + math.sqrt(1.0 - self._burst_keep**2) * fresh
        level = before + self._ramp[:, None] * (self._burst - before)
        sd = self._p.burst_log_sd
        out: Array = np.concatenate(waves, axis=1) * np.exp(sd * level - sd**2)
        return out

    def add_to(self, samples: Array, rhythms: Array, times: Array) -> None:
        """Add the rhythms, as large as imagery leaves them.

        Parameters
        ----------
        samples : ndarray, shape (n_samples, n_channels)
            Added to, in place.
        rhythms : ndarray, shape (n_samples, 2 * n_places)
            These samples' part of `block`.
        times : ndarray, shape (n_samples,)
            Session times.
        """
        if not len(times):
            return
        sizes = self._sizes(times)
        # one after the other: a matrix product could round differently for another number of samples
        for k, pattern in enumerate(self._patterns):
            samples += (rhythms[:, k] * sizes[:, k])[:, None] * pattern

    def _sizes(self, times: Array) -> Array:
        """Return the share of its amplitude that each rhythm has, shape (n_samples, 2 * n_places), at least 0.05."""
        p = self._p
        tail_s = OVER * max(p.recovery_s, p.rebound_s)
        self._episodes = [e for e in self._episodes if e.stop_s + tail_s > times[0]]
        n = len(PLACES)
        sizes = np.ones((len(times), 2 * n))
        for e in self._episodes:
            lasted = np.minimum(np.maximum(times - e.start_s, 0.0), e.stop_s - e.start_s)
            strength = 1.0 - np.exp(lasted / -p.fall_s)
            after = np.maximum(times - e.stop_s, 0.0)
            strength *= np.exp(after / -p.recovery_s) * (after < OVER * p.recovery_s)
            past = after / p.rebound_s * (after < OVER * p.rebound_s)
            rebound = p.rebound * past * np.exp(1.0 - past)
            # a glimpse of imagery rebounds as little as it desynchronised
            reached = 1.0 if math.isinf(e.stop_s) else 1.0 - math.exp((e.stop_s - e.start_s) / -p.fall_s)
            for place, loss in enumerate(e.losses):
                sizes[:, place] -= p.mu_depth * loss * strength
                sizes[:, n + place] -= p.beta_depth * loss * strength
                sizes[:, n + place] += max(0.0, loss) * reached * rebound
        floored: Array = np.maximum(sizes, 0.05)
        return floored
