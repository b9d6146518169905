"""Who is simulated: the frozen numbers of the population and the participants drawn around them.

The numbers were fitted once (``benchmarks/fit_participant.py``, docs/synthetic_participant.md) so that two textbook
decoders score on the simulated population as they do on a public data set. Whoever changes one number makes another
population: raise `PARAMETERS_VERSION` and say so.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from dataclasses import asdict, dataclass, replace

__all__ = [
    "MEDIAN",
    "PARAMETERS_VERSION",
    "SPREAD",
    "ParticipantParameters",
    "PopulationSpread",
    "parameters_sha256",
    "participant",
]

PARAMETERS_VERSION = 1


@dataclass(frozen=True, slots=True)
class ParticipantParameters:
    """One simulated participant. Amplitudes are microvolt, times seconds, lengths head radii.

    Attributes
    ----------
    code : str
        Who, e.g. ``"median"`` or ``"P0007"``.
    pattern_seed : int
        Seed of everything that is drawn once for a person: scalp patterns and phases.
    ssvep_amplitude_uv : tuple of float
        Peak amplitude of the response per harmonic of the flicker, at the best place of the scalp and for a target at
        12 Hz; the number of harmonics is its length.
    ssvep_frequency_slope : float
        Amplitude goes with (frequency / 12 Hz) to the power of minus this.
    latency_s : float
        Visual latency: the response starts, and stops, this long after the flicker.
    rise_s, decay_s : float
        Time constants with which the response builds up and dies away.
    pattern_width : float
        Width of the response's hill over the occiput.
    pattern_shift : float
        Standard deviation of the place of its peak, per direction.
    pattern_spread : float
        Standard deviation of the gain of each channel and harmonic, relative to the hill's height.
    channel_phase_sd_rad : float
        Standard deviation of the phase of each channel and harmonic.
    phase_jitter_rad : float
        Standard deviation of the fundamental's phase from trial to trial; harmonic h jitters h times as much, as with
        a jitter of the latency.
    amplitude_jitter : float
        Standard deviation of the log amplitude from trial to trial.
    background_rms_uv : float
        Background activity of each channel, root mean square.
    background_exponent : float
        Its power falls with frequency to the power of minus this, between 0.25 and 64 Hz.
    background_mixing : float
        Correlation length of the background over the scalp (volume conduction).
    alpha_hz, alpha_rms_uv, alpha_bandwidth_hz : float
        Centre, root mean square at its peak on the scalp, and half-power bandwidth of the alpha rhythm.
    alpha_burst_log_sd, alpha_burst_s : float
        Waxing and waning: standard deviation of its log amplitude, and the time constant of that.
    line_hz, line_rms_uv : float
        Mains frequency and its root mean square in the signal.
    sensor_noise_uv : float
        White noise of each channel, root mean square.
    blink_rate_per_min, blink_amplitude_uv, blink_duration_s : float
        Eye blinks: mean rate, peak at Fpz, duration.
    jaw_rate_per_min, jaw_rms_uv, jaw_duration_s : float
        Clenched jaw: mean rate of bursts, root mean square of the muscle at T7 and T8, mean duration.
    """

    code: str = "median"
    pattern_seed: int = 0
    ssvep_amplitude_uv: tuple[float, ...] = (2.32, 1.56, 0.76, 0.47, 0.34)
    ssvep_frequency_slope: float = 0.5
    latency_s: float = 0.14
    rise_s: float = 0.03
    decay_s: float = 0.05
    pattern_width: float = 0.4
    pattern_shift: float = 0.08
    pattern_spread: float = 0.2
    channel_phase_sd_rad: float = 0.3
    phase_jitter_rad: float = 0.228
    amplitude_jitter: float = 0.15
    background_rms_uv: float = 9.0
    background_exponent: float = 1.2
    background_mixing: float = 1.2
    alpha_hz: float = 10.2
    alpha_rms_uv: float = 4.0
    alpha_bandwidth_hz: float = 1.5
    alpha_burst_log_sd: float = 0.5
    alpha_burst_s: float = 1.5
    line_hz: float = 50.0
    line_rms_uv: float = 1.5
    sensor_noise_uv: float = 0.7
    blink_rate_per_min: float = 12.0
    blink_amplitude_uv: float = 120.0
    blink_duration_s: float = 0.3
    jaw_rate_per_min: float = 1.0
    jaw_rms_uv: float = 25.0
    jaw_duration_s: float = 0.8


@dataclass(frozen=True, slots=True)
class PopulationSpread:
    """How participants differ from the median one.

    Attributes
    ----------
    ssvep_log_sd : float
        Standard deviation of the log amplitude of the whole response: the spread of the signal-to-noise ratio.
    harmonic_log_sd : float
        The same for each harmonic by itself.
    latency_sd_s : float
        Standard deviation of the visual latency.
    jitter_log_sd : float
        Standard deviation of the log of the trial-to-trial jitters.
    background_log_sd : float
        Standard deviation of the log amplitude of the background.
    exponent_sd : float
        Standard deviation of the exponent of the background.
    alpha_hz_sd : float
        Standard deviation of the alpha frequency.
    alpha_log_sd : float
        Standard deviation of the log amplitude of alpha.
    noise_log_sd : float
        Standard deviation of the log amplitude of mains and sensor noise.
    artefact_log_sd : float
        Standard deviation of the log rates and amplitudes of blinks and jaw.
    """

    ssvep_log_sd: float = 0.2
    harmonic_log_sd: float = 0.15
    latency_sd_s: float = 0.006
    jitter_log_sd: float = 0.2
    background_log_sd: float = 0.15
    exponent_sd: float = 0.12
    alpha_hz_sd: float = 0.7
    alpha_log_sd: float = 0.4
    noise_log_sd: float = 0.2
    artefact_log_sd: float = 0.3


#: The median participant: every number at the median of the population.
MEDIAN = ParticipantParameters()
#: How participants are drawn around the median one.
SPREAD = PopulationSpread()


def parameters_sha256() -> str:
    """Return the hash of the population: version, medians and spreads as canonical JSON."""
    content = {"version": PARAMETERS_VERSION, "median": asdict(MEDIAN), "spread": asdict(SPREAD)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def participant(
    seed: int | str, *, median: ParticipantParameters = MEDIAN, spread: PopulationSpread = SPREAD
) -> ParticipantParameters:
    """Return the median participant, or draw one.

    The same seed gives the same person on every machine (`random.Random`, not numpy, draws).

    Parameters
    ----------
    seed : int or "median"
        Which participant; at least 0. A number as a text is accepted.
    median, spread : ParticipantParameters, PopulationSpread
        The population; the frozen one unless another is being fitted.

    Raises
    ------
    ValueError
        If `seed` is neither.
    """
    if seed == "median":
        return median
    if isinstance(seed, str) and seed.isascii() and seed.isdecimal():
        seed = int(seed)
    if isinstance(seed, (str, bool)) or seed < 0:
        raise ValueError(f'participant: got {seed!r}, expected "median" or a whole number from 0')
    draw = random.Random(f"volo participant {seed}")

    def times(log_sd: float) -> float:
        return math.exp(draw.gauss(0.0, log_sd))

    whole = times(spread.ssvep_log_sd)
    return replace(
        median,
        code=f"P{seed:04d}",
        pattern_seed=seed + 1,
        ssvep_amplitude_uv=tuple(a * whole * times(spread.harmonic_log_sd) for a in median.ssvep_amplitude_uv),
        latency_s=max(0.1, median.latency_s + draw.gauss(0.0, spread.latency_sd_s)),
        phase_jitter_rad=median.phase_jitter_rad * times(spread.jitter_log_sd),
        amplitude_jitter=median.amplitude_jitter * times(spread.jitter_log_sd),
        background_rms_uv=median.background_rms_uv * times(spread.background_log_sd),
        background_exponent=min(1.9, max(0.1, median.background_exponent + draw.gauss(0.0, spread.exponent_sd))),
        alpha_hz=min(13.0, max(7.5, median.alpha_hz + draw.gauss(0.0, spread.alpha_hz_sd))),
        alpha_rms_uv=median.alpha_rms_uv * times(spread.alpha_log_sd),
        line_rms_uv=median.line_rms_uv * times(spread.noise_log_sd),
        sensor_noise_uv=median.sensor_noise_uv * times(spread.noise_log_sd),
        blink_rate_per_min=median.blink_rate_per_min * times(spread.artefact_log_sd),
        blink_amplitude_uv=median.blink_amplitude_uv * times(spread.artefact_log_sd),
        jaw_rate_per_min=median.jaw_rate_per_min * times(spread.artefact_log_sd),
        jaw_rms_uv=median.jaw_rms_uv * times(spread.artefact_log_sd),
    )
