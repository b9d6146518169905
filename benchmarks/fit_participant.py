"""Score two textbook decoders on the simulated population, and show how its two free numbers were fitted.

The population (``volo_acquisition.synthetic.parameters``) was fitted once to two published figures of the Benchmark
data set (Wang et al. 2017, DOI 10.1109/TNSRE.2016.2627556; 35 people, 40 targets from 8 to 15.8 Hz, 6 blocks, 9
channels, 250 Hz, leave one block out, window of 0.5 s from onset + 0.14 s): standard CCA 19.9 %, filter-bank ensemble
TRCA 78.9 %. At 1.0 s the published figures are 62.7 and 93.4 %: shown as a check, nothing was fitted to them.

Protocol here: the same grid, counts and windows; onset markers are told to `Head`, epochs are cut from its samples.
Filters are zero-phase (forwards and backwards over the whole recording, as is usual offline): a notch at
50 Hz, then Chebyshev type I sub-bands; CCA sees the first of them (6 to 90 Hz), eTRCA five.

    python benchmarks/fit_participant.py                   the table, a few minutes
    python benchmarks/fit_participant.py --first-seed 101  the same for people nobody fitted to
    python benchmarks/fit_participant.py --median 8        the median participant in eight runs
    python benchmarks/fit_participant.py --fit             find amplitude and jitter again, about ten minutes
    python benchmarks/fit_participant.py --speed           how much faster than real time samples are made
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import filtfilt, iirnotch, sosfiltfilt

from volo_acquisition.clock import SessionClock
from volo_acquisition.synthetic.head import Head
from volo_acquisition.synthetic.parameters import (
    MEDIAN,
    PARAMETERS_VERSION,
    ParticipantParameters,
    parameters_sha256,
    participant,
)
from volo_acquisition.types import Marker
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.filterbank import chebyshev_bands, design_bank
from volo_decoders.ssvep.trca import ETRCA

RATE_HZ = 250.0
N_BLOCKS = 6
N_BANDS = 5
LATENCY_S = 0.14
WINDOWS_S = (0.5, 1.0)
FLICKER_S = 1.7
PERIOD_S = 2.2
FREQUENCIES_HZ = [round(8.0 + 0.2 * k, 1) for k in range(40)]
PHASES_RAD = [0.5 * np.pi * k % (2.0 * np.pi) for k in range(40)]
CLASSES = [f"{f:g}" for f in FREQUENCIES_HZ]
PUBLISHED = {(0.5, "CCA"): 19.9, (0.5, "eTRCA"): 78.9, (1.0, "CCA"): 62.7, (1.0, "eTRCA"): 93.4}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Session:
    """Sub-band epochs from onset + `LATENCY_S`, shape (n_trials, n_bands * n_channels, n_samples); targets; blocks."""

    epochs: Array
    labels: NDArray[np.str_]
    blocks: NDArray[np.intp]


def simulate(parameters: ParticipantParameters, seed: int) -> Session:
    """Let one participant sit through six blocks of forty trials."""
    head = Head(parameters, seed=seed, rate_hz=RATE_HZ, counter=False)
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(CLASSES)) for _ in range(N_BLOCKS)])
    period, lead = round(PERIOD_S * RATE_HZ), round(0.5 * RATE_HZ)
    parts = [head.generate(0, np.arange(lead) / RATE_HZ)]
    for trial, target in enumerate(order.tolist()):
        start = lead + trial * period
        onset_s = start / RATE_HZ
        head.tell(
            Marker(
                onset_s - 0.3,
                "participant/attend",
                {
                    "trial": trial,
                    "key": CLASSES[target],
                    "frequency_hz": FREQUENCIES_HZ[target],
                    "phase_rad": PHASES_RAD[target],
                },
                "participant",
            )
        )
        head.tell(Marker(onset_s, "stimulus/onset", {"trial": trial}, "screen"))
        head.tell(Marker(onset_s + FLICKER_S, "stimulus/offset", {"trial": trial}, "screen"))
        parts.append(head.generate(start, np.arange(start, start + period) / RATE_HZ))
    bands = filtered(np.concatenate(parts).T.astype(np.float64))
    first = lead + np.arange(len(order)) * period + round(LATENCY_S * RATE_HZ)
    n = round(max(WINDOWS_S) * RATE_HZ)
    epochs = np.stack([bands[:, a : a + n] for a in first])
    return Session(epochs, np.array(CLASSES)[order], np.repeat(np.arange(N_BLOCKS), len(CLASSES)))


def filtered(recording: Array) -> Array:
    """Return zero-phase sub-bands of a recording (n_channels, n_samples), shape (n_bands * n_channels, n_samples)."""
    b, a = iirnotch(50.0, 35.0, fs=RATE_HZ)
    clean = filtfilt(b, a, recording, axis=-1)
    pass_bands, stop_bands = chebyshev_bands(N_BANDS)
    bank = design_bank(RATE_HZ, pass_bands, stop_bands=stop_bands)
    return np.concatenate([sosfiltfilt(sos, clean, axis=-1) for sos in bank])


def cca_percent(session: Session, window_s: float) -> float:
    """Return the accuracy of standard CCA: five harmonics, first band, no calibration."""
    n_channels = session.epochs.shape[1] // N_BANDS
    X = session.epochs[:, :n_channels, : round(window_s * RATE_HZ)]
    model = FBCCA(FREQUENCIES_HZ, CLASSES, rate_hz=RATE_HZ, n_harmonics=5, n_bands=1).fit()
    return percent(model.classes_[model.decision_function(X).argmax(axis=1)], session.labels)


def etrca_percent(session: Session, window_s: float) -> float:
    """Return the accuracy of filter-bank ensemble TRCA, leaving out one block at a time."""
    X = session.epochs[:, :, : round(window_s * RATE_HZ)]
    found = np.empty_like(session.labels)
    for block in range(N_BLOCKS):
        test = session.blocks == block
        model = ETRCA(n_bands=N_BANDS).fit(X[~test], session.labels[~test])
        found[test] = model.classes_[model.decision_function(X[test]).argmax(axis=1)]
    return percent(found, session.labels)


def percent(found: NDArray[Any], true: NDArray[Any]) -> float:
    """Return the share of right answers in percent."""
    return 100.0 * float(np.mean(found == true))


def scores(people: Sequence[tuple[ParticipantParameters, int]], columns: Sequence[tuple[float, str]]) -> Array:
    """Return accuracies in percent, shape (n_people, n_columns)."""
    measure: dict[str, Callable[[Session, float], float]] = {"CCA": cca_percent, "eTRCA": etrca_percent}
    rows = []
    for parameters, seed in people:
        session = simulate(parameters, seed)
        rows.append([measure[name](session, window_s) for window_s, name in columns])
    return np.array(rows)


def population(
    n: int, first_seed: int, median: ParticipantParameters = MEDIAN
) -> list[tuple[ParticipantParameters, int]]:
    """Return `n` participants drawn around `median`, each with a seed for the run."""
    return [(participant(seed, median=median), seed) for seed in range(first_seed, first_seed + n)]


def solve(measure: Callable[[float], float], goal: float, low: float, high: float, tolerance: float) -> float:
    """Find where a rising function reaches `goal`, by the secant inside a bracket; returns the last point measured."""
    at_low, at_high = measure(low), measure(high)
    if not at_low <= goal <= at_high:
        raise ValueError(f"solve: got {at_low:.2f} and {at_high:.2f} at the ends, expected them around {goal}")
    for _ in range(8):
        x = low + (high - low) * (goal - at_low) / (at_high - at_low)
        y = measure(x)
        if abs(y - goal) <= tolerance:
            break
        low, at_low, high, at_high = (x, y, high, at_high) if y < goal else (low, at_low, x, y)
    return x


def fit(n: int, first_seed: int) -> None:
    """Find amplitude (for CCA, which knows no phases between trials), then phase jitter (for eTRCA)."""

    def with_numbers(factor: float, jitter_rad: float) -> ParticipantParameters:
        amplitudes = tuple(factor * a for a in MEDIAN.ssvep_amplitude_uv)
        return replace(MEDIAN, ssvep_amplitude_uv=amplitudes, phase_jitter_rad=jitter_rad)

    def mean(name: str, factor: float, jitter_rad: float) -> float:
        people = population(n, first_seed, with_numbers(factor, jitter_rad))
        result = float(scores(people, [(0.5, name)]).mean())
        print(f"  amplitudes x {factor:.4f}, jitter {jitter_rad:.4f} rad: {name} {result:.2f} %", flush=True)
        return result

    jitter_rad = MEDIAN.phase_jitter_rad
    factor = solve(lambda x: mean("CCA", x, jitter_rad), PUBLISHED[0.5, "CCA"], 0.8, 1.25, 0.15)
    jitter_rad = -solve(lambda x: mean("eTRCA", factor, -x), PUBLISHED[0.5, "eTRCA"], -0.35, -0.15, 0.3)
    print(f"fitted: amplitudes {with_numbers(factor, jitter_rad).ssvep_amplitude_uv}, jitter {jitter_rad:.4f} rad")


def table(people: Sequence[tuple[ParticipantParameters, int]], title: str) -> None:
    """Print accuracies beside the published ones."""
    columns = list(PUBLISHED)
    result = scores(people, columns)
    print(f"{title}; simulated; parameters version {PARAMETERS_VERSION}, sha256 {parameters_sha256()}")
    print(f"{'window':>8} {'decoder':>8} {'mean %':>8} {'SD':>6} {'least':>6} {'n':>4} {'published %':>12}")
    for (window_s, name), values in zip(columns, result.T, strict=True):
        sd = values.std(ddof=1) if len(values) > 1 else float("nan")
        line = f"{window_s:>6.1f} s {name:>8} {values.mean():>8.1f} {sd:>6.1f} {values.min():>6.1f} {len(values):>4}"
        note = "fitted" if window_s == 0.5 else "check"
        print(f"{line} {PUBLISHED[window_s, name]:>12.1f}  {note}")


def speed(duration_s: float = 120.0, chunk_samples: int = 10) -> None:
    """Print how fast samples are made while a target flickers and is attended."""
    clock = SessionClock()
    head = Head(MEDIAN, seed=0, rate_hz=RATE_HZ)
    payload = {"trial": 0, "key": "12", "frequency_hz": 12.0, "phase_rad": 0.0}
    head.tell(Marker(0.0, "participant/attend", payload, "participant"))
    head.tell(Marker(0.5, "stimulus/onset", {"trial": 0}, "screen"))
    start = clock.now()
    for index in range(0, round(duration_s * RATE_HZ), chunk_samples):
        head.generate(index, np.arange(index, index + chunk_samples) / RATE_HZ)
    factor = duration_s / (clock.now() - start)
    print(f"{len(head.channel_names)} channels and counter, {RATE_HZ:g} Hz, chunks of {chunk_samples}: {factor:.0f} x")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=35, help="how many (default 35)")
    parser.add_argument("--first-seed", type=int, default=1, help="number of the first (default 1)")
    parser.add_argument("--median", type=int, metavar="RUNS", help="the median participant, so many runs")
    parser.add_argument("--fit", action="store_true", help="search the two free numbers again")
    parser.add_argument("--speed", action="store_true", help="measure the speed only")
    arguments = parser.parse_args()
    if arguments.speed:
        speed()
    elif arguments.fit:
        fit(arguments.participants, arguments.first_seed)
    elif arguments.median:
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.median)
        table([(participant("median"), seed) for seed in seeds], f"median participant, {arguments.median} runs")
    else:
        last = arguments.first_seed + arguments.participants - 1
        people = population(arguments.participants, arguments.first_seed)
        table(people, f"participants {arguments.first_seed} to {last}")


if __name__ == "__main__":
    main()
