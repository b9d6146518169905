"""What imagery's features and decoders cost beside MNE-connectivity and pyriemann, in one run, on one thread.

Five connectivity measures of all pairs of 32 channels, 1 to 40 Hz, 60 trials of 4 s; an r² map with 1,000 permutations;
the augmented covariance, 22 channels, 4 s at 250 Hz, four classes. Before anything is timed, values must agree: the
measures within 1e-4, accuracies within one point. The exit status is 1 if they do not, or a target is missed.

Run it from an environment that has the peers: ``pip install volo[bench]``. A peer that is absent is skipped by name.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported by anything below

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_decoders.features.connectivity import connectivity, from_coefficients
from volo_decoders.features.separability import permutation_map
from volo_decoders.imagery.manifold import augmented
from volo_decoders.imagery.riemann import AugmentedCovariance

RATE_HZ = 250.0
MEASURES = ("coherence", "imaginary_coherence", "plv", "wpli", "aec")
PEER_NAMES = {"coherence": "coh", "imaginary_coherence": "imcoh", "plv": "plv", "wpli": "wpli2_debiased"}
#: Least ratio of a peer's time to ours, and most seconds of ours.
RATIO = {"connectivity": 2.0, "acm fit": 4.0, "acm window": 1.0}
SECONDS = {"connectivity": 1.0, "map": 2.0}
TOLERANCE = 1e-4


def timed(call: Callable[[], Any], n_runs: int) -> tuple[float, Any]:
    """Return the shortest of some runs, seconds, and what came out."""
    now, best, out = SessionClock().now, np.inf, None
    for _ in range(n_runs):
        start = now()
        out = call()
        best = min(best, now() - start)
    return best, out


def peer_connectivity(X: np.ndarray) -> tuple[Callable[[], Any], Callable[[Any], dict[str, np.ndarray]]]:
    """Return what measures the same with MNE-connectivity, windows as its epochs, and its values as ours."""
    mne_connectivity = import_module("mne_connectivity")
    length = round(RATE_HZ)
    parts = np.lib.stride_tricks.sliding_window_view(X, length, axis=-1)[:, :, :: length // 2]
    parts = np.ascontiguousarray(parts.transpose(0, 2, 1, 3))  # (n_trials, n_windows, n_channels, n_samples)

    def call() -> list[Any]:
        return [
            mne_connectivity.spectral_connectivity_epochs(
                trial,
                method=list(PEER_NAMES.values()),
                sfreq=RATE_HZ,
                mode="fourier",
                fmin=1.0,
                fmax=40.0,
                verbose="error",
            )
            for trial in parts
        ]

    def values(found: list[Any]) -> dict[str, np.ndarray]:
        return {ours: np.stack([one[k].get_data("dense") for one in found]) for k, ours in enumerate(PEER_NAMES)}

    return call, values


def bench_connectivity(n_runs: int) -> list[str]:
    """Time the measures and the map; return what failed."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((32, 32)) @ rng.standard_normal((60, 32, 1000))
    ours_s, ours = timed(lambda: connectivity(X, RATE_HZ, measures=MEASURES), n_runs)
    print(f"connectivity, five measures: {ours_s:.3f} s")
    failed = [f"connectivity took {ours_s:.2f} s"] if ours_s > SECONDS["connectivity"] else []
    y = np.arange(60) % 2
    map_s, _ = timed(lambda: permutation_map(np.log(ours.power), y, n_permutations=1000), n_runs)
    print(f"r2 map of {ours.power[0].size} cells, 1000 permutations: {map_s:.3f} s")
    if map_s > SECONDS["map"]:
        failed.append(f"the map took {map_s:.2f} s")
    if find_spec("mne_connectivity") is None:
        print("MNE-connectivity: not installed, skipped")
        return failed
    call, values = peer_connectivity(X)
    peer_s, found = timed(call, 1)
    # the peer's Hann window is the symmetric one, so the formulas are compared on coefficients with that window
    parts = np.lib.stride_tricks.sliding_window_view(X, 250, axis=-1)[:, :, ::125]
    z = np.fft.rfft((parts - parts.mean(axis=-1, keepdims=True)) * np.hanning(250), axis=-1)[..., 1:41]
    same = from_coefficients(z.transpose(0, 2, 1, 3), tuple(PEER_NAMES))
    for name, theirs in values(found).items():
        lower = np.tril(np.ones((32, 32), bool), -1)
        a = same[name].transpose(0, 3, 1, 2)[..., lower]
        b = (
            np.abs(theirs.transpose(0, 3, 1, 2)[..., lower])
            if name != "wpli"
            else theirs.transpose(0, 3, 1, 2)[..., lower]
        )
        worst = float(np.abs(a - b).max())
        print(f"  {name}: largest difference {worst:.1e} over {z.shape[2]} windows a trial")
        if worst > TOLERANCE:
            failed.append(f"{name} differs by {worst:.1e}")
    ratio = peer_s / ours_s
    print(f"MNE-connectivity, four of the five: {peer_s:.2f} s, {ratio:.1f} times ours")
    if ratio < RATIO["connectivity"]:
        failed.append(f"connectivity is {ratio:.1f} times as fast, {RATIO['connectivity']:g} wanted")
    return failed


def imagery_session(seed: int, n_per_class: int, n_channels: int, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return trials of four classes, each with a rhythm of its own frequency that fades over a place of its own."""
    head, rng = np.random.default_rng(0), np.random.default_rng(seed)
    mixing = np.eye(n_channels) + 0.3 * head.standard_normal((n_channels, n_channels))
    y = np.arange(4 * n_per_class) % 4
    t = np.arange(n_samples) / RATE_HZ
    X = rng.standard_normal((len(y), n_channels, n_samples))
    for k, label in enumerate(y):
        for source in range(4):
            phase = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.08, n_samples))
            size = 0.3 if source == label else 1.0
            X[k, source] += size * np.sin(2 * np.pi * (9.0 + source) * t + phase)
    return mixing @ X, np.array(["a", "b", "c", "d"])[y]


def bench_acm(n_per_class: int, n_runs: int) -> list[str]:
    """Time the augmented covariance beside pyriemann's tangent space on the same matrices; return what failed."""
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    X, y = imagery_session(1, n_per_class, 22, 1000)
    X_test, y_test = imagery_session(2, n_per_class, 22, 1000)

    def matrices(windows: np.ndarray) -> np.ndarray:
        return Covariances("oas").transform(np.stack([augmented(window, 4, 6) for window in windows]))

    fit_s, ours = timed(lambda: AugmentedCovariance(4, 6).fit(X, y), n_runs)
    window_s, _ = timed(lambda: [ours.decision_function(x[None]) for x in X_test[:20]], n_runs)
    right = float((ours.predict(X_test) == y_test).mean())
    peer_fit_s, peer = timed(lambda: make_pipeline(TangentSpace(), SVC(kernel="linear")).fit(matrices(X), y), 1)
    peer_window_s, _ = timed(lambda: [peer.predict(matrices(x[None])) for x in X_test[:20]], n_runs)
    peer_right = float((peer.predict(matrices(X_test)) == y_test).mean())
    print(f"acm, {len(y)} trials: fit {fit_s:.2f} s, window {50 * window_s:.2f} ms, accuracy {right:.1%}")
    print(f"pyriemann: fit {peer_fit_s:.2f} s, window {50 * peer_window_s:.2f} ms, accuracy {peer_right:.1%}")
    print(f"  fit {peer_fit_s / fit_s:.1f} times, window {peer_window_s / window_s:.1f} times ours")
    failed = [] if right >= peer_right - 0.01 else [f"acm is {peer_right - right:.1%} below pyriemann"]
    if peer_fit_s / fit_s < RATIO["acm fit"]:
        failed.append(f"acm fits {peer_fit_s / fit_s:.1f} times as fast, {RATIO['acm fit']:g} wanted")
    if peer_window_s / window_s < RATIO["acm window"]:
        failed.append(f"acm decodes {peer_window_s / window_s:.1f} times as fast, {RATIO['acm window']:g} wanted")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of ours; the shortest counts")
    parser.add_argument("--trials", type=int, default=72, help="trials a class for the augmented covariance")
    args = parser.parse_args()
    failed = bench_connectivity(args.runs) + bench_acm(args.trials, args.runs)
    for what in failed:
        print(f"MISSED: {what}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
