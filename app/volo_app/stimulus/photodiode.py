"""Reads a photodiode's trace: when light changed, how much later than the swaps, and which frames it never saw.

The patch shows a known sequence of bits, one a frame, that does not repeat for 127 frames; so a frame that is missed is
a stretch that no shift of the sequence explains. Not: recording, drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volo_app.stimulus.picture import PATCH_BITS

__all__ = ["LightReport", "light_edges", "measure_light"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LightReport:
    """What a photodiode saw.

    Attributes
    ----------
    lag_ms : float
        Mean time from swap to light.
    sd_ms : float
        Spread of that.
    n_edges : int
        Changes of light that were used.
    missed : tuple of int
        Numbers of logged frames whose light never came, as rows of the log.
    """

    lag_ms: float
    sd_ms: float
    n_edges: int
    missed: tuple[int, ...]


def light_edges(trace: Array, times: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return when a photodiode's signal crossed the middle between dark and bright, and whether upwards.

    Slow drift is taken off by following the dark and the bright level; the time of a crossing is interpolated between
    samples, with the middle and a band around it that noise does not cross.

    Parameters
    ----------
    trace : ndarray, shape (n_samples,)
        Of the photodiode, any unit.
    times : ndarray, shape (n_samples,)
        Session time, seconds.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no light to be seen.
    """
    if trace.ndim != 1 or trace.shape != times.shape or len(trace) < 10:
        raise ValueError(
            f"trace, times: got shapes {trace.shape} and {times.shape}, expected the same, at least 10 samples"
        )
    span_s = float(np.median(np.diff(times)))
    half = max(5, round(0.15 / span_s))
    dark, bright = _envelopes(trace, half)
    height = bright - dark
    noise = float(np.median(np.abs(np.diff(trace)))) * 1.5
    if float(np.median(height)) <= 6.0 * noise or float(np.median(height)) <= 0.0:
        raise ValueError("trace: there is no light to be seen: is the photodiode on the patch, and the patch on?")
    level = (trace - dark) / height
    low, high = 0.35, 0.65
    state = bool(level[0] > 0.5)
    found: list[float] = []
    rising: list[bool] = []
    outside = np.flatnonzero((level < low) | (level > high))
    last = 0
    for n in outside.tolist():
        is_high = bool(level[n] > high)
        if is_high != state:
            found.append(_crossing(level, times, last, n))
            rising.append(is_high)
            state = is_high
        last = n
    return np.array(found), np.array(rising, bool)


def measure_light(trace: Array, times: Array, frames: Array) -> LightReport:
    """Compare a photodiode's trace with the log of frames.

    Parameters
    ----------
    trace, times : ndarray, shape (n_samples,)
        The photodiode.
    frames : ndarray, shape (n_frames, 2 or more)
        Time of each swap and the number of its frame, as in a recording's ``volo-frames``.

    Raises
    ------
    ValueError
        If there is no light to be seen, or it is not the patch's.
    """
    edges, rising = light_edges(trace, times)
    swaps, numbers = frames[:, 0], frames[:, 1].astype(int)
    bits = np.array(PATCH_BITS)[numbers % len(PATCH_BITS)]
    changes = np.flatnonzero(np.diff(bits) != 0) + 1
    inside = changes[(swaps[changes] > times[0]) & (swaps[changes] < times[-1] - 0.1)]
    if len(inside) < 10 or len(edges) < 10:
        raise ValueError(
            f"frames: got {len(inside)} changes of the patch and {len(edges)} of light, at least 10 are needed"
        )
    period_s = float(np.median(np.diff(swaps)))
    lag_s = _first_lag(swaps[inside], bits[inside].astype(bool), edges, rising, period_s)
    lags, used, missed = [], 0, []
    for row in inside.tolist():
        up = bool(bits[row])
        due = swaps[row] + lag_s
        near = int(np.argmin(np.abs(edges - due)))
        if abs(edges[near] - due) <= 0.5 * period_s and bool(rising[near]) == up:
            lags.append(edges[near] - swaps[row])
            used += 1
        else:
            missed.append(row)
    if used < 10:
        raise ValueError("trace: the light does not follow the patch")
    return LightReport(1e3 * float(np.mean(lags)), 1e3 * float(np.std(lags)), used, tuple(missed))


def _first_lag(swaps: Array, ups: NDArray[np.bool_], edges: Array, rising: NDArray[np.bool_], period_s: float) -> float:
    """Return the lag that explains most changes, between 0 and 150 ms, to a tenth of a frame; then its median."""
    best, best_n = 0.0, -1
    for lag in np.arange(0.0, 0.15, period_s / 10.0):
        near = np.searchsorted(edges, swaps + lag)
        n = 0
        for offset in (-1, 0):
            at = np.clip(near + offset, 0, len(edges) - 1)
            n += int(np.sum((np.abs(edges[at] - swaps - lag) < 0.25 * period_s) & (rising[at] == ups)))
        if n > best_n:
            best, best_n = float(lag), n
    near = np.clip(np.searchsorted(edges, swaps + best - 0.25 * period_s), 0, len(edges) - 1)
    off = edges[near] - swaps
    good = (np.abs(off - best) < 0.5 * period_s) & (rising[near] == ups)
    return float(np.median(off[good])) if good.any() else best


def _envelopes(trace: Array, half: int) -> tuple[Array, Array]:
    """Return the dark and the bright level around each sample, from blocks of `half` samples, joined by lines."""
    n_blocks = max(1, len(trace) // half)
    parts = np.array_split(trace, n_blocks)
    middles = np.cumsum([len(p) for p in parts]) - np.array([len(p) for p in parts]) / 2.0
    low = np.array([np.percentile(p, 5) for p in parts])
    high = np.array([np.percentile(p, 95) for p in parts])
    n = np.arange(len(trace))
    return np.interp(n, middles, low), np.interp(n, middles, high)


def _crossing(level: Array, times: Array, before: int, after: int) -> float:
    """Return when the level crossed the middle between two samples on either side of it."""
    part = slice(before, after + 1)
    rows, values = times[part], level[part]
    order = np.argsort(values) if values[-1] > values[0] else np.argsort(-values)
    signs = np.sign(values - 0.5)
    at = int(np.flatnonzero(np.diff(signs) != 0)[0]) if np.any(np.diff(signs) != 0) else int(order[0])
    a, b = values[at], values[min(at + 1, len(values) - 1)]
    share = 0.5 if a == b else (0.5 - a) / (b - a)
    return float(rows[at] + share * (rows[min(at + 1, len(rows) - 1)] - rows[at]))
