"""What the head answers to flicker: a steady-state response to the target that is attended, and to no other.

All it knows comes from markers: ``participant/attend`` (which frequency and phase the eyes are on), ``stimulus/onset``
and ``stimulus/offset``, and ``screen/missed`` where the screen's own stamps say that the light stood still. Samples are
computed one by one from their times, so chunking cannot matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.synthetic.blocks import random_numbers
from volo_acquisition.synthetic.parameters import ParticipantParameters
from volo_acquisition.synthetic.scalp import bump
from volo_acquisition.types import Marker

__all__ = ["Response"]

#: Where the response is strongest, before the participant's own shift: between POz and Oz.
PEAK = (0.0, -0.72)
REFERENCE_HZ = 12.0
#: A response that died away for so many time constants is over: exactly zero from there on.
OVER = 10.0

Array = NDArray[np.float64]


@dataclass(slots=True)
class _Episode:
    """One stretch of looking at one target while it flickers; `stop_s` is infinite while it lasts."""

    onset_s: float
    start_s: float
    stop_s: float
    frequency_hz: float
    phase_rad: float
    gain: float
    jitter_rad: float


class Response:
    """The steady-state visual evoked potential.

    While target (f, phase) is attended and flickers since t_on, channel c gets the sum over harmonics h of
    a[h, c] sin(h (2 pi f (t - t_on - latency) + phase + jitter) + phi[h, c]), building up and dying away
    exponentially.

    Parameters
    ----------
    parameters : ParticipantParameters
        Whose.
    where : ndarray, shape (n_channels, 2)
        Positions of the channels.
    seed : int
        Of the run, for the trial-to-trial jitter.
    """

    def __init__(self, parameters: ParticipantParameters, where: Array, seed: int) -> None:
        self._p = p = parameters
        self._seed = seed
        person = random_numbers(p.pattern_seed, 0, 0)
        n_harmonics, n_channels = len(p.ssvep_amplitude_uv), len(where)
        shift = person.normal(0.0, p.pattern_shift, (n_harmonics, 2))
        hills = np.array([bump(where, (PEAK[0] + dx, PEAK[1] + dy), p.pattern_width) for dx, dy in shift])
        gain = hills + person.normal(0.0, p.pattern_spread, (n_harmonics, n_channels))
        gain *= np.array(p.ssvep_amplitude_uv)[:, None]
        phase = person.uniform(0.0, 2.0 * math.pi, (n_harmonics, 1))
        phase = phase + person.normal(0.0, p.channel_phase_sd_rad, (n_harmonics, n_channels))
        # Of sin(angle) and cos(angle) of each harmonic, shape (2 * n_harmonics, n_channels).
        self._weights: Array = np.concatenate((gain * np.cos(phase), gain * np.sin(phase)))
        self._harmonics = np.arange(1.0, n_harmonics + 1.0)
        self._flicker_s: float | None = None
        self._attended: tuple[float, float] | None = None
        self._attended_s = -math.inf
        self._episodes: list[_Episode] = []
        self._n_episodes = 0
        #: Stretches in which the light stood still, and how far it lags behind afterwards.
        self._held: list[tuple[float, float, float]] = []

    def tell(self, marker: Marker) -> None:
        """Take a marker; labels it does not know are ignored.

        Raises
        ------
        ValueError
            If an attended target comes without a sensible frequency and phase.
        """
        if marker.label == "stimulus/onset":
            self._stop(marker.time)
            self._flicker_s = marker.time
            self._start()
        elif marker.label == "stimulus/offset":
            self._stop(marker.time)
            self._flicker_s = None
        elif marker.label == "screen/missed":
            held_s, lag_s = float(marker.payload["held_s"]), float(marker.payload.get("lag_s", 0.0))
            self._held.append((marker.time - held_s, marker.time, lag_s))
        elif marker.label == "participant/attend":
            target = _attended(marker)
            if target != self._attended:
                self._stop(marker.time)
                self._attended, self._attended_s = target, marker.time
                self._start()

    def _start(self) -> None:
        if self._flicker_s is None or self._attended is None:
            return
        random = random_numbers(self._seed, 4, self._n_episodes)
        self._n_episodes += 1
        frequency_hz, phase_rad = self._attended
        gain = (frequency_hz / REFERENCE_HZ) ** -self._p.ssvep_frequency_slope
        gain *= math.exp(random.normal(0.0, self._p.amplitude_jitter))
        jitter_rad = random.normal(0.0, self._p.phase_jitter_rad)
        start_s = max(self._flicker_s, self._attended_s) + self._p.latency_s
        self._episodes.append(_Episode(self._flicker_s, start_s, math.inf, frequency_hz, phase_rad, gain, jitter_rad))

    def _stop(self, time_s: float) -> None:
        if self._episodes and self._episodes[-1].stop_s == math.inf:
            last = self._episodes[-1]
            last.stop_s = max(last.start_s, time_s + self._p.latency_s)

    def add_to(self, samples: Array, times: Array) -> None:
        """Add the response to `samples`, shape (n_samples, n_channels), taken at `times`, shape (n_samples,)."""
        if not len(times):
            return
        first, last = float(times[0]), float(times[-1])
        self._episodes = [e for e in self._episodes if e.stop_s + OVER * self._p.decay_s > first]
        oldest_s = self._episodes[0].onset_s if self._episodes else first - self._p.latency_s
        self._held = [stretch for stretch in self._held if stretch[1] > oldest_s]
        for episode in self._episodes:
            if episode.start_s <= last:
                self._add(episode, samples, times)

    def _light(self, times: Array, onset_s: float) -> Array:
        """Return the time at which what is seen at `times` was meant to be shown: the same, but for missed frames."""
        lag: Array = np.zeros_like(times)
        for start_s, stop_s, lag_s in self._held:
            if stop_s > onset_s:
                standing = (times > start_s) & (times < stop_s)
                lag += np.where(standing, times - start_s, lag_s * (times >= stop_s))
        return times - lag

    def _add(self, e: _Episode, samples: Array, times: Array) -> None:
        p = self._p
        lasted = np.minimum(np.maximum(times - e.start_s, 0.0), e.stop_s - e.start_s)
        envelope = 1.0 - np.exp(lasted / -p.rise_s)
        if e.stop_s <= times[-1]:
            after = np.maximum(times - e.stop_s, 0.0)
            envelope *= np.exp(after / -p.decay_s) * (after < OVER * p.decay_s)
        envelope *= e.gain
        seen_s = self._light(times - p.latency_s, e.onset_s) - e.onset_s
        base = 2.0 * math.pi * e.frequency_hz * seen_s + (e.phase_rad + e.jitter_rad)
        angles = self._harmonics[:, None] * base
        waves = np.concatenate((np.sin(angles), np.cos(angles))) * envelope
        # accumulate adds one after the other: a matrix product could round differently for another number of samples.
        samples += np.add.accumulate(waves[:, :, None] * self._weights[:, None, :], axis=0)[-1]


def _attended(marker: Marker) -> tuple[float, float] | None:
    """Return frequency (Hz) and phase (rad) of the target attended from now on, None for looking away or imagining."""
    if marker.payload.get("key") is None or marker.payload.get("imagine") is not None:
        return None
    try:
        frequency_hz, phase_rad = float(marker.payload["frequency_hz"]), float(marker.payload["phase_rad"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"participant/attend: got {dict(marker.payload)!r}, expected numbers frequency_hz and phase_rad"
        ) from error
    if not (0.0 < frequency_hz < math.inf and math.isfinite(phase_rad)):
        raise ValueError(f"participant/attend: got {frequency_hz} Hz and {phase_rad} rad, expected finite, Hz above 0")
    return frequency_hz, phase_rad
