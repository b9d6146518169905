"""Whose imagery is simulated: frozen numbers of the sensorimotor rhythms, apart from those of the eyes' responses.

They are round numbers of the order the literature gives, set once and fitted to nothing. They prove plumbing, and say
nothing about how well a decoder does on people. Whoever changes one raises `IMAGERY_VERSION` and says so.

References
----------
Pfurtscheller & Lopes da Silva 1999, Clin. Neurophysiol. 110:1842, DOI 10.1016/S1388-2457(99)00141-8.
Pfurtscheller, Brunner, Schloegl & Lopes da Silva 2006, NeuroImage 31:153, DOI 10.1016/j.neuroimage.2005.12.003.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from dataclasses import asdict, dataclass, replace

from volo_acquisition.synthetic.parameters import ParticipantParameters

__all__ = [
    "IMAGERY_MEDIAN",
    "IMAGERY_SPREAD",
    "IMAGERY_VERSION",
    "ImageryParameters",
    "ImagerySpread",
    "imagery_of",
    "imagery_sha256",
]

IMAGERY_VERSION = 1


@dataclass(frozen=True, slots=True)
class ImageryParameters:
    """One participant's sensorimotor rhythms. Amplitudes are microvolt, times seconds, lengths head radii.

    Attributes
    ----------
    mu_hz, mu_bandwidth_hz, mu_rms_uv : float
        Centre, half-power bandwidth, and root mean square at its place, of the mu rhythm.
    beta_hz, beta_bandwidth_hz, beta_rms_uv : float
        The same of the beta rhythm.
    burst_log_sd, burst_s : float
        Waxing and waning of each rhythm at each place: standard deviation of its log amplitude, and its time constant.
    pattern_width : float
        Width of each place's hill over the scalp.
    mu_depth, beta_depth : float
        Share of the amplitude that goes while the movement of a place is imagined.
    ipsilateral : float
        Share of that which the other hand's place loses as well.
    surround : float
        Share by which the hands' rhythms gain instead when feet or tongue are imagined.
    latency_s : float
        From the beginning, or end, of imagery to that of its effect.
    fall_s, recovery_s : float
        Time constants of losing and of regaining the amplitude.
    rebound : float
        Share by which beta is larger than ever, at its highest, after the end.
    rebound_s : float
        From the end to that.
    depth_jitter : float
        Standard deviation of the log of the depth from trial to trial.
    """

    mu_hz: float = 10.5
    mu_bandwidth_hz: float = 1.5
    mu_rms_uv: float = 6.0
    beta_hz: float = 20.0
    beta_bandwidth_hz: float = 4.0
    beta_rms_uv: float = 2.5
    burst_log_sd: float = 0.3
    burst_s: float = 1.0
    pattern_width: float = 0.22
    mu_depth: float = 0.45
    beta_depth: float = 0.35
    ipsilateral: float = 0.3
    surround: float = 0.3
    latency_s: float = 0.2
    fall_s: float = 0.25
    recovery_s: float = 0.4
    rebound: float = 0.6
    rebound_s: float = 0.7
    depth_jitter: float = 0.2


@dataclass(frozen=True, slots=True)
class ImagerySpread:
    """How participants differ from the median one.

    Attributes
    ----------
    frequency_log_sd : float
        Standard deviation of the log of both frequencies.
    amplitude_log_sd : float
        Of the log of the rhythms' amplitudes.
    depth_log_sd : float
        Of the log of the depths; no depth exceeds 0.9.
    """

    frequency_log_sd: float = 0.06
    amplitude_log_sd: float = 0.25
    depth_log_sd: float = 0.35


#: The median participant's imagery.
IMAGERY_MEDIAN = ImageryParameters()
#: How participants are drawn around it.
IMAGERY_SPREAD = ImagerySpread()


def imagery_sha256() -> str:
    """Return the hash of version, medians and spreads as canonical JSON."""
    content = {"version": IMAGERY_VERSION, "median": asdict(IMAGERY_MEDIAN), "spread": asdict(IMAGERY_SPREAD)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def imagery_of(
    person: ParticipantParameters, *, median: ImageryParameters = IMAGERY_MEDIAN, spread: ImagerySpread = IMAGERY_SPREAD
) -> ImageryParameters:
    """Return the imagery of a participant: the median for the median one, else drawn; the same on every machine."""
    if person.pattern_seed == 0:
        return median
    draw = random.Random(f"volo imagery {person.pattern_seed}")

    def times(log_sd: float) -> float:
        return math.exp(draw.gauss(0.0, log_sd))

    frequency, amplitude, depth = (
        times(sd) for sd in (spread.frequency_log_sd, spread.amplitude_log_sd, spread.depth_log_sd)
    )
    return replace(
        median,
        mu_hz=median.mu_hz * frequency,
        beta_hz=median.beta_hz * frequency,
        mu_rms_uv=median.mu_rms_uv * amplitude,
        beta_rms_uv=median.beta_rms_uv * amplitude,
        mu_depth=min(0.9, median.mu_depth * depth),
        beta_depth=min(0.9, median.beta_depth * depth),
    )
