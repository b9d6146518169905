"""The order of SSVEP decoders on simulated participants beside the order published for the Benchmark data set.

Simulated: the generator was fitted once, to CCA and eTRCA at 0.5 s, and is frozen. The other decoders are a check:
where their published means differ by more than five points, the simulated means should stand in the same order. That
says the decoders are built right and nothing about people.

Forty targets, six blocks, leave one block out, nine channels, window from onset + 0.14 s, as in ``fit_participant.py``.
Published means are read from the figures of the SSVEP-Analysis-Toolbox, Benchmark data set, to half a point.

    python benchmarks/ssvep_simulated.py [--participants 10]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from fit_participant import (
    CLASSES,
    FREQUENCIES_HZ,
    N_BANDS,
    N_BLOCKS,
    PHASES_RAD,
    RATE_HZ,
    Session,
    percent,
    population,
    simulate,
)

from volo_acquisition.synthetic.parameters import PARAMETERS_VERSION, parameters_sha256
from volo_decoders.ssvep.cca import CCA
from volo_decoders.ssvep.extended_cca import ExtendedCCA
from volo_decoders.ssvep.ms_cca import MsCCA
from volo_decoders.ssvep.tdca import TDCA
from volo_decoders.ssvep.trca import ETRCA
from volo_decoders.ssvep.trca_variants import TRCA, TRCAR, MsETRCA

TARGETS: dict[str, Any] = {"frequencies_hz": FREQUENCIES_HZ, "class_names": CLASSES}
MAKE: dict[str, Callable[[], Any]] = {
    "CCA": lambda: CCA(**TARGETS, rate_hz=RATE_HZ),
    "eCCA": lambda: ExtendedCCA(**TARGETS, rate_hz=RATE_HZ, n_bands=N_BANDS),
    "TRCA": lambda: TRCA(N_BANDS),
    "eTRCA": lambda: ETRCA(N_BANDS),
    "eTRCA-R": lambda: TRCAR(**TARGETS, rate_hz=RATE_HZ, n_bands=N_BANDS),
    "ms-eTRCA": lambda: MsETRCA(**TARGETS, n_bands=N_BANDS),
    "ms-CCA": lambda: MsCCA(**TARGETS, rate_hz=RATE_HZ, n_bands=N_BANDS, phases_rad=PHASES_RAD),
    "TDCA": lambda: TDCA(**TARGETS, rate_hz=RATE_HZ, n_bands=N_BANDS),
}
PUBLISHED = {
    0.5: {"CCA": 19.9, "eCCA": 70.1, "TRCA": 66.8, "eTRCA": 78.9, "ms-CCA": 79.5, "TDCA": 80.7},
    1.0: {"CCA": 62.7, "eCCA": 92.5, "TRCA": 89.8, "eTRCA": 93.4, "ms-CCA": 95.1, "TDCA": 94.5},
}
#: Published means that are closer than that say nothing of an order, points.
CLOSE = 5.0


def accuracy(name: str, session: Session, window_s: float) -> float:
    """Return the accuracy of a decoder, leaving one block out at a time, percent."""
    X = session.epochs[:, :, : round(window_s * RATE_HZ)]
    if name == "CCA":
        X = X[:, : X.shape[1] // N_BANDS]
    found = np.empty_like(session.labels)
    for block in range(N_BLOCKS):
        test = session.blocks == block
        model = MAKE[name]().fit(X[~test], session.labels[~test])
        found[test] = model.predict(X[test])
    return percent(found, session.labels)


def inversions(means: dict[str, float], published: dict[str, float]) -> list[str]:
    """Return the pairs whose simulated order is not the published one."""
    wrong = []
    for a, b in itertools.combinations(published, 2):
        apart = published[a] - published[b]
        if abs(apart) > CLOSE and np.sign(apart) != np.sign(means[a] - means[b]):
            wrong.append(f"{a} {means[a]:.1f} and {b} {means[b]:.1f}, published {published[a]:g} and {published[b]:g}")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--participants", type=int, default=10, help="how many (default 10)")
    parser.add_argument("--first-seed", type=int, default=101, help="first of them (default 101: nobody fitted to)")
    options = parser.parse_args(arguments)
    columns = [(window_s, name) for window_s in PUBLISHED for name in MAKE]
    rows = []
    for parameters, seed in population(options.participants, options.first_seed):
        session = simulate(parameters, seed)
        rows.append([accuracy(name, session, window_s) for window_s, name in columns])
    values = np.array(rows)
    print(f"simulated, {options.participants} participants, generator {PARAMETERS_VERSION} {parameters_sha256()[:12]}")
    wrong = []
    for window_s, published in PUBLISHED.items():
        means = {n: float(values[:, k].mean()) for k, (w, n) in enumerate(columns) if w == window_s}
        for name, mean in means.items():
            told = f"{published[name]:>8.1f}" if name in published else "       -"
            sem = (
                values[:, columns.index((window_s, name))].std(ddof=1) / np.sqrt(len(values))
                if len(values) > 1
                else 0.0
            )
            print(f"{window_s:>5g} s  {name:<9}{mean:>7.1f} +- {sem:<5.1f} published{told}")
        wrong += [f"{window_s:g} s: {text}" for text in inversions(means, published)]
    for text in wrong:
        print(f"INVERTED: {text}")
    print("no inversion" if not wrong else f"{len(wrong)} inverted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
