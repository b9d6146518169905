"""Asynchronous control by the simulated participant: half an hour of wanting nothing, half an hour of selections.

Simulated: says that the gate keeps its promise on the frozen generator, nothing about people. Twelve targets flicker
all the time. In the *idle* half hour the participant never looks at one; in the *control* half hour they look at a
random target until it is selected, or six seconds at most, then away for two. Windows of 2 s, four a second, through
the pipeline's filters, FBCCA without calibration. The gate is fitted to another recording of the same participant:
three minutes idle, three minutes of looking at targets.

A selection of another target than the one looked at, or while looking away, is false in either half hour.

    python benchmarks/idle_control.py [--participants 5]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import chi2

from volo_acquisition.synthetic.head import Head
from volo_acquisition.synthetic.parameters import ParticipantParameters, parameters_sha256, participant
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_decoders.pipeline.idle import IdleGate
from volo_decoders.pipeline.stages import FilterBank, SosFilter
from volo_decoders.ssvep.fbcca import FBCCA

RATE_HZ, WINDOW_S, HOP_S = 250.0, 2.0, 0.25
FREQUENCIES_HZ = [9.25 + 0.5 * k for k in range(12)]
BANDS_HZ = [[6.0, 90.0], [14.0, 90.0], [22.0, 90.0]]
LOOK_S, AWAY_S, CALIBRATION_S, HALF_S = 6.0, 2.0, 180.0, 1800.0
HOP, WINDOW = round(HOP_S * RATE_HZ), round(WINDOW_S * RATE_HZ)


class Person:
    """A simulated participant before flickering targets, heard through causal filters, window after window."""

    def __init__(self, parameters: ParticipantParameters, seed: int) -> None:
        self.head = Head(parameters, seed=seed, rate_hz=RATE_HZ, counter=False)
        info = StreamInfo("head", "eeg", RATE_HZ, tuple(Channel(n) for n in self.head.channel_names), "float32")
        self.stages = (
            SosFilter("bandstop", [48.0, 52.0], 2),
            FilterBank([list(band) for band in BANDS_HZ], order=4, ripple_db=0.5),
        )
        for stage in self.stages:
            info = stage.reset(info, HOP)
        self.decoder = FBCCA(FREQUENCIES_HZ, rate_hz=RATE_HZ, n_bands=len(BANDS_HZ), n_harmonics=5).fit(None, None)
        self.recent = np.zeros((0, info.n_channels), np.float32)
        self.next = 0
        self.head.tell(Marker(0.0, "stimulus/onset", {"trial": 0}, "screen"))

    @property
    def now_s(self) -> float:
        """Time of the next sample."""
        return self.next / RATE_HZ

    def look(self, target: int | None) -> None:
        """Look at a target from now on, or away."""
        payload: dict[str, Any] = {"trial": 0, "key": None}
        if target is not None:
            payload |= {"key": str(target), "frequency_hz": FREQUENCIES_HZ[target], "phase_rad": 0.0}
        self.head.tell(Marker(self.now_s, "participant/attend", payload, "participant"))

    def step(self) -> np.ndarray | None:
        """Let one hop pass; return the scores of the window that ends with it, None before there is a whole one."""
        index = np.arange(self.next, self.next + HOP)
        chunk = Chunk("head", self.next, self.head.generate(self.next, index / RATE_HZ), index / RATE_HZ)
        for stage in self.stages:
            chunk = stage.push(chunk)
        self.next += HOP
        self.recent = np.concatenate((self.recent, chunk.samples))[-WINDOW:]
        if len(self.recent) < WINDOW:
            return None
        return np.asarray(self.decoder.decision_function(np.ascontiguousarray(self.recent.T)[None])[0])


def steps(person: Person, duration_s: float, each: Callable[[np.ndarray], None]) -> None:
    """Let time pass and give out the scores of each window."""
    end_s = person.now_s + duration_s
    while person.now_s < end_s:
        scores = person.step()
        if scores is not None:
            each(scores)


def calibrated(parameters: ParticipantParameters, seed: int) -> IdleGate:
    """Fit a gate to three minutes of each kind."""
    person, rng = Person(parameters, seed), np.random.default_rng(seed)
    idle: list[np.ndarray] = []
    control: list[np.ndarray] = []
    person.look(None)
    steps(person, CALIBRATION_S, idle.append)
    for _ in range(round(CALIBRATION_S / LOOK_S)):
        person.look(int(rng.integers(12)))
        steps(person, WINDOW_S, lambda scores: None)
        steps(person, LOOK_S - WINDOW_S, control.append)
    return IdleGate.fit(np.stack(control), np.stack(idle), windows_per_min=60.0 / HOP_S)


def judge(parameters: ParticipantParameters, seed: int, half_s: float) -> dict[str, float]:
    """Count selections in an idle and a control period."""
    gate = calibrated(parameters, seed + 1000)
    person, rng = Person(parameters, seed), np.random.default_rng(seed)
    person.look(None)
    false_idle = []

    def listen(scores: np.ndarray) -> None:
        if gate.update(scores) is not None:
            false_idle.append(person.now_s)

    steps(person, half_s, listen)
    end_s = person.now_s + half_s
    wanted = right = false = 0
    times = []
    while person.now_s + LOOK_S + AWAY_S <= end_s:
        target, start_s, done = int(rng.integers(12)), person.now_s, False
        person.look(target)
        wanted += 1
        while not done and person.now_s < start_s + LOOK_S:
            selected = gate.update(person.step())
            if selected is not None:
                false += selected != target
                right += selected == target
                done = selected == target
        if done:
            times.append(person.now_s - start_s)
        person.look(None)
        until_s = person.now_s + AWAY_S
        while person.now_s < until_s:
            false += gate.update(person.step()) is not None
    return {
        "false_idle_per_min": len(false_idle) / (half_s / 60.0),
        "false_idle": len(false_idle),
        "wanted": wanted,
        "right": right,
        "right_share": right / wanted,
        "false_control_per_min": false / (half_s / 60.0),
        "seconds_to_select": float(np.mean(times)) if times else float("nan"),
        "threshold": gate.settings.threshold,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--participants", type=int, default=1, help="beside the median one, so many drawn (default 1)")
    parser.add_argument("--half", type=float, default=HALF_S, help="seconds of each period (default 1800)")
    options = parser.parse_args(arguments)
    people = [("median", participant("median"), 0)]
    people += [(str(k), participant(k), k) for k in range(1, options.participants + 1)]
    rows = {}
    for name, parameters, seed in people:
        row = judge(parameters, seed, options.half)
        minutes = options.half / 60.0
        # 95 %, one-sided, exact Poisson
        row["false_idle_bound"] = float(chi2.ppf(0.95, 2 * (row["false_idle"] + 1)) / 2.0 / minutes)
        rows[name] = row
        print(f"simulated participant {name}: {json.dumps(row)}", flush=True)
    median = rows["median"]
    reached = median["right_share"] >= 0.8 and median["false_idle_per_min"] <= 1.0 and median["false_idle_bound"] < 1.5
    print(f"simulated; generator {parameters_sha256()[:12]}; median participant: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
