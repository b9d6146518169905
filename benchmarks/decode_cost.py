"""What decoding costs: ETRCA, FBCCA and TDCA beside meegkit and MetaBCI, the same algorithm in the same run.

Forty classes, nine channels, five sub-bands, windows of 0.5 and 1 s at 250 Hz, one thread. Decoding is timed from the
last filtered sample to the scores of all classes, one window at a time. Peers filter inside their ``predict`` and
``fit``: each is timed whole, and once more with its filtering replaced by looking up sub-bands filtered before; the
targets are about the latter. Before anything is timed, scores must agree.

Run it from an environment that has the peers: ``pip install volo[bench]``, for MetaBCI also ``pip install metabci``.
A peer that is not installed is skipped by name. The exit status is 1 if scores disagree or a target is missed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported by anything below

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_decoders.ssvep.extended_cca import ExtendedCCA
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.filterbank import band_weights, chebyshev_bands, design_bank, filter_epochs
from volo_decoders.ssvep.ms_cca import MsCCA
from volo_decoders.ssvep.references import sine_cosine
from volo_decoders.ssvep.tdca import TDCA
from volo_decoders.ssvep.trca import ETRCA

RATE_HZ, N_CLASSES, N_CHANNELS, N_BANDS, N_BLOCKS = 250.0, 40, 9, 5, 5
FREQUENCIES_HZ = [round(8.0 + 0.2 * i, 1) for i in range(N_CLASSES)]
PASS, STOP = chebyshev_bands(N_BANDS)
BANK = design_bank(RATE_HZ, PASS, stop_bands=STOP)
#: Least ratio of a peer's time to ours, without filtering.
TARGETS = {"etrca decode": 30.0, "etrca fit": 2.0, "fbcca decode": 10.0, "tdca decode": 10.0, "tdca fit": 5.0}
#: Most milliseconds a window of 1 s may take.
MOST_MS = {"etrca decode": 0.5, "fbcca decode": 2.0, "tdca decode": 2.0}
#: Scores of the same algorithm on the same sub-bands may differ by so much.
TOLERANCE = 1e-6


@dataclass
class Row:
    """One thing timed: milliseconds a call, median over runs with the smallest and largest."""

    task: str
    who: str
    window_s: float
    filtering: bool
    runs_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Median over the runs."""
        return float(np.median(self.runs_ms))


@dataclass
class Timed:
    """A call to time, so many units of work each, with what must be prepared before each run."""

    row: Row
    n_units: int
    prepare: Callable[[], Any]
    call: Callable[[Any], Any]


def make_session(n_samples: int, n_blocks: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return raw epochs, shape (n_blocks * 40, 9, n_samples), and class numbers; the head is the same for all seeds."""
    head, rng = np.random.default_rng(0), np.random.default_rng(seed)
    brain = 0.5 * head.standard_normal((N_CHANNELS, 4))  # four sources of background that all channels see
    topography = head.uniform(0.1, 0.4, N_CHANNELS)  # weak, so that not all labels are right
    t = np.arange(1, n_samples + 1) / RATE_HZ
    y = np.tile(np.arange(N_CLASSES), n_blocks)
    X = brain @ rng.standard_normal((len(y), 4, n_samples)) + rng.standard_normal((len(y), N_CHANNELS, n_samples))
    for i, c in enumerate(y):
        phase = 2 * np.pi * FREQUENCIES_HZ[c] * t + c * np.pi / 2
        X[i] += np.outer(topography, sum(np.sin(h * phase) / h for h in range(1, 6)))
    return X, y


def run_alternating(timed: list[Timed], n_runs: int) -> None:
    """Time all in turn, again and again, so that a busy moment hits all of them."""
    now = SessionClock().now
    for run in range(n_runs + 1):
        for item in timed:
            prepared = item.prepare()
            start = now()
            item.call(prepared)
            if run:  # the first round is for caches
                item.row.runs_ms.append((now() - start) * 1e3 / item.n_units)


def one_by_one(decoder: Any, windows: np.ndarray) -> np.ndarray:
    return np.concatenate([decoder.decision_function(windows[i : i + 1]) for i in range(len(windows))])


# meegkit ---------------------------------------------------------------------------------------------------------


@contextmanager
def meegkit_without_filtering(subbands: list[np.ndarray]) -> Iterator[None]:
    """Let meegkit's TRCA take `subbands`, in the order it asks for them, instead of filtering."""
    module = import_module("meegkit.trca")
    original, handed_out = module.bandpass, iter(subbands)
    module.bandpass = lambda *_args, **_kwargs: next(handed_out)
    try:
        yield
    finally:
        module.bandpass = original


@contextmanager
def meegkit_scores() -> Iterator[list[np.ndarray]]:
    """Collect the scores meegkit's predict computes and keeps to itself: what ``np.dot`` returns there."""
    module = import_module("meegkit.trca")
    original, collected = module.np, []

    def dot(a: Any, b: Any) -> Any:
        collected.append(np.dot(a, b))
        return collected[-1]

    module.np = SimpleNamespace(**{name: getattr(np, name) for name in np.__all__ if name != "dot"}, dot=dot)
    try:
        yield collected
    finally:
        module.np = original


def meegkit_bands(X: np.ndarray, cascaded: bool) -> list[np.ndarray]:
    """Return the sub-bands meegkit makes of epochs (n_samples, n_channels[, n_trials]), in that shape."""
    bandpass = import_module("meegkit.utils.trca").bandpass
    bands, signal = [], X
    for pass_band, stop_band in zip(PASS, STOP, strict=True):
        bands.append(bandpass(signal, RATE_HZ, pass_band, stop_band))
        signal = bands[-1] if cascaded else X
    return bands


def band_major(bands: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([band.transpose(2, 1, 0) for band in bands], axis=1)


def against_meegkit(window_s: float, n_runs: int) -> tuple[list[Row], dict[str, float]]:
    """Time ETRCA beside meegkit's, and return how far scores and labels are apart."""
    peer = import_module("meegkit.trca").TRCA
    n_samples = round(window_s * RATE_HZ)
    (X, y), (X_test, y_test) = make_session(n_samples, N_BLOCKS, 1), make_session(n_samples, 1, 2)
    raw, raw_test = X.transpose(2, 1, 0), X_test.transpose(2, 1, 0)
    # In the order meegkit asks: class by class for fit (each band filtered once more), trial by trial for predict.
    of_class = [band for c in range(N_CLASSES) for band in meegkit_bands(raw[..., y == c], cascaded=True)]
    of_trial = [band for i in range(len(y_test)) for band in meegkit_bands(raw_test[..., i], cascaded=False)]
    train = np.concatenate([band_major(of_class[i : i + N_BANDS]) for i in range(0, len(of_class), N_BANDS)])
    train_y = np.repeat(np.arange(N_CLASSES), N_BLOCKS)
    test = band_major(meegkit_bands(raw_test, cascaded=False))

    def make_peer() -> Any:
        return peer(RATE_HZ, list(zip(PASS, STOP, strict=True)), ensemble=True)

    def peer_fit(bands: list[np.ndarray]) -> None:
        with meegkit_without_filtering(bands):
            make_peer().fit(raw, y)

    def peer_predict(bands: list[np.ndarray]) -> None:
        with meegkit_without_filtering(bands):
            fitted.predict(raw_test)

    fitted = make_peer().fit(raw, y)
    same = ETRCA(N_BANDS, compat="meegkit").fit(train, train_y)
    ours = ETRCA(N_BANDS).fit(train, train_y)
    with meegkit_scores() as collected:
        labels = fitted.predict(raw_test)
    agreement = {
        "etrca score difference": float(np.abs(same.decision_function(test) - np.stack(collected)).max()),
        "etrca labels equal": float((same.predict(test) == labels).mean()),
        "etrca accuracy meegkit": float((labels == y_test).mean()),
        "etrca accuracy volo": float((ours.predict(test) == y_test).mean()),
    }
    rows: list[Row] = []

    def row(task: str, who: str, filtering: bool) -> Row:
        rows.append(Row(task, who, window_s, filtering))
        return rows[-1]

    def copied() -> list[np.ndarray]:
        return [band.copy() for band in of_class]  # its trca centres them in place

    n_test, nothing = len(y_test), lambda: None
    run_alternating(
        [
            Timed(row("etrca decode", "volo", False), n_test, nothing, lambda _: one_by_one(ours, test)),
            Timed(row("etrca decode", "meegkit", False), n_test, lambda: of_trial, peer_predict),
            Timed(row("etrca decode", "meegkit", True), n_test, nothing, lambda _: fitted.predict(raw_test)),
            Timed(row("etrca fit", "volo", False), 1, nothing, lambda _: ETRCA(N_BANDS).fit(train, train_y)),
            Timed(row("etrca fit", "meegkit", False), 1, copied, peer_fit),
            Timed(row("etrca fit", "volo", True), 1, nothing, lambda _: ETRCA(N_BANDS).fit(filter_epochs(X, BANK), y)),
            Timed(row("etrca fit", "meegkit", True), 1, nothing, lambda _: make_peer().fit(raw, y)),
        ],
        n_runs,
    )
    return rows, agreement


# MetaBCI, and a plain loop ---------------------------------------------------------------------------------------


def plain_loop_scores(window: np.ndarray) -> np.ndarray:
    """Score FBCCA as a textbook would: for each band and class two QRs and a singular value decomposition."""
    n_samples = window.shape[1]
    scores = np.zeros(N_CLASSES)
    for weight, x in zip(band_weights(N_BANDS), window.reshape(N_BANDS, N_CHANNELS, n_samples), strict=True):
        for c, f in enumerate(FREQUENCIES_HZ):
            y = sine_cosine(f, RATE_HZ, n_samples)
            qx = np.linalg.qr((x - x.mean(axis=1, keepdims=True)).T)[0]
            qy = np.linalg.qr((y - y.mean(axis=1, keepdims=True)).T)[0]
            scores[c] += weight * np.linalg.svd(qx.T @ qy, compute_uv=False)[0]
    return scores


def against_metabci(window_s: float, n_runs: int, installed: bool) -> tuple[list[Row], dict[str, float]]:
    """Time FBCCA beside MetaBCI's FBSCCA (if installed) and a plain loop; return how far scores are apart.

    MetaBCI gets our references (its own stretch time by one sample), and sums correlations, not their squares.
    """
    n_samples = round(window_s * RATE_HZ)
    X, y = make_session(n_samples, 1, 2)
    test = filter_epochs(X, BANK)
    ours = FBCCA(FREQUENCIES_HZ, rate_hz=RATE_HZ, n_bands=N_BANDS, squared=False).fit(None, None)
    scores = ours.decision_function(test)
    few = test[:5]
    rows = [Row("fbcca decode", "volo", window_s, False), Row("fbcca decode", "plain loop", window_s, False)]
    timed = [
        Timed(rows[0], len(test), lambda: None, lambda _: one_by_one(ours, test)),
        Timed(rows[1], len(few), lambda: None, lambda _: [plain_loop_scores(window) for window in few]),
    ]
    agreement = {
        "fbcca score difference plain loop": float(
            np.abs(scores[:5] - np.stack([plain_loop_scores(window) for window in few])).max()
        ),
        "fbcca accuracy volo": float((scores.argmax(axis=1) == y).mean()),
    }
    if installed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = import_module("metabci.brainda.algorithms.decomposition.cca")
        references = np.stack([sine_cosine(f, RATE_HZ, n_samples) for f in FREQUENCIES_HZ])
        whole = module.FBSCCA(BANK, filterweights=band_weights(N_BANDS), n_jobs=1).fit(X, y, Yf=references)
        bare = module.FBSCCA(BANK, filterweights=band_weights(N_BANDS), n_jobs=1).fit(X, y, Yf=references)
        looked_up = iter(())

        def look_up(_X: np.ndarray) -> np.ndarray:
            return next(looked_up)

        bare.transform_filterbank = look_up
        by_trial = [window.reshape(N_BANDS, 1, N_CHANNELS, n_samples) for window in few]

        def peer_scores(_: Any) -> np.ndarray:
            nonlocal looked_up
            looked_up = iter(by_trial)
            return np.concatenate([bare.transform(X[i : i + 1]) for i in range(len(few))])

        agreement["fbcca score difference metabci"] = float(np.abs(scores[:5] - peer_scores(None)).max())
        for filtering, call in (
            (False, peer_scores),
            (True, lambda _: [whole.transform(X[i : i + 1]) for i in range(len(few))]),
        ):
            rows.append(Row("fbcca decode", "metabci", window_s, filtering))
            timed.append(Timed(rows[-1], len(few), lambda: None, call))
    run_alternating(timed, n_runs)
    return rows, agreement


def against_metabci_tdca(window_s: float, n_runs: int) -> tuple[list[Row], dict[str, float]]:
    """Time TDCA beside MetaBCI's, on sub-bands filtered before; return how far scores are apart.

    MetaBCI takes calibration windows that are longer by the delays, and windows to score that are padded behind.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = import_module("metabci.brainda.algorithms.decomposition.tdca").TDCA
    n_samples, n_delays, n_components = round(window_s * RATE_HZ), 5, 8
    (X, y), (X_test, y_test) = make_session(n_samples + n_delays, N_BLOCKS, 1), make_session(n_samples, 1, 2)
    train, test = filter_epochs(X, BANK), filter_epochs(X_test, BANK)
    names = np.array([f"{c:02d}" for c in range(N_CLASSES)])
    references = np.stack([sine_cosine(f, RATE_HZ, n_samples) for f in FREQUENCIES_HZ])
    few = 5
    centred_test = test[:few] - test[:few].mean(axis=-1, keepdims=True)
    padded = np.concatenate((centred_test, np.zeros((few, test.shape[1], n_delays))), axis=2)

    def rows_of(values: np.ndarray, k: int) -> np.ndarray:
        return values[:, k * N_CHANNELS : (k + 1) * N_CHANNELS].copy()  # it centres them in place

    def make() -> TDCA:
        return TDCA(FREQUENCIES_HZ, names.tolist(), rate_hz=RATE_HZ, padding="extra")

    def peer_fit(bands: list[np.ndarray]) -> list[Any]:
        return [peer(n_delays, n_components).fit(band, y, references) for band in bands]

    def peer_scores(bands: list[np.ndarray]) -> np.ndarray:
        pairs = zip(band_weights(N_BANDS), fitted, bands, strict=True)
        return sum(weight * one.transform(band) for weight, one, band in pairs)

    def cut(values: np.ndarray) -> list[np.ndarray]:
        return [rows_of(values, k) for k in range(N_BANDS)]

    fitted, ours = peer_fit(cut(train)), make().fit(train, names[y])
    scores = ours.decision_function(test)
    agreement = {
        "tdca score difference metabci": float(np.abs(scores[:few] - peer_scores(cut(padded))).max()),
        "tdca accuracy volo": float((scores.argmax(axis=1) == y_test).mean()),
    }
    rows = [Row(f"tdca {what}", who, window_s, False) for what in ("decode", "fit") for who in ("volo", "metabci")]
    run_alternating(
        [
            Timed(rows[0], len(test), lambda: None, lambda _: one_by_one(ours, test)),
            Timed(rows[1], few, lambda: cut(padded), peer_scores),
            Timed(rows[2], 1, lambda: None, lambda _: make().fit(train, names[y])),
            Timed(rows[3], 1, lambda: cut(train), peer_fit),
        ],
        n_runs,
    )
    return rows, agreement


# How cost grows --------------------------------------------------------------------------------------------------


def growth(n_runs: int) -> list[dict[str, Any]]:
    """Time all decoders while one number at a time grows: classes, channels, calibration trials, window.

    The smallest of the runs is told: what the work costs, without what else the machine does.
    """
    start = {"classes": 40, "channels": 9, "blocks": 5, "window_s": 1.0}
    found = []
    for what, values in (
        ("classes", (4, 12, 40)),
        ("channels", (9, 32)),
        ("blocks", (2, 5, 10)),
        ("window_s", (0.5, 1.0, 2.0)),
    ):
        for value in values:
            sizes = {**start, what: value}
            rng = np.random.default_rng(0)
            n = round(sizes["window_s"] * RATE_HZ)
            frequencies = FREQUENCIES_HZ[: sizes["classes"]]
            names = [f"{c:02d}" for c in range(sizes["classes"])]
            rows = N_BANDS * sizes["channels"]
            X = rng.standard_normal((sizes["blocks"] * len(names), rows, n)).astype(np.float32)
            y = np.tile(names, sizes["blocks"])
            targets = {"frequencies_hz": frequencies, "class_names": names, "n_bands": N_BANDS}
            for name, decoder in (
                ("fbcca", FBCCA(**targets, rate_hz=RATE_HZ)),
                ("ecca", ExtendedCCA(**targets, rate_hz=RATE_HZ)),
                ("ms_cca", MsCCA(**targets, rate_hz=RATE_HZ)),
                ("etrca", ETRCA(N_BANDS)),
                ("tdca", TDCA(**targets, rate_hz=RATE_HZ)),
            ):
                fit, decode = Row(name, "volo", n / RATE_HZ, False), Row(name, "volo", n / RATE_HZ, False)
                run_alternating(
                    [
                        Timed(fit, 1, lambda: None, lambda _, d=decoder, X=X, y=y: d.fit(X, y)),
                        Timed(
                            decode,
                            20,
                            lambda d=decoder, X=X: one_by_one(d, X[:1]),  # what first use prepares is not counted
                            lambda _, d=decoder, X=X: one_by_one(d, X[:8].repeat(3, 0)[:20]),
                        ),
                    ],
                    n_runs,
                )
                found.append(
                    {what: value, "decoder": name, "fit_ms": min(fit.runs_ms), "decode_ms": min(decode.runs_ms)}
                )
    return found


# The report ------------------------------------------------------------------------------------------------------


def judge(rows: list[Row], agreement: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the ratios of peers to ours, and what is missed."""
    ours = {(r.task, r.window_s, r.filtering): r.median_ms for r in rows if r.who == "volo"}
    ratios, missed = [], []
    for r in rows:
        base = ours.get((r.task, r.window_s, r.filtering))
        if r.who == "volo" or base is None:
            continue
        target = TARGETS[r.task] if not r.filtering and r.who != "plain loop" else None
        ratio = r.median_ms / base
        ratios.append(
            {"task": r.task, "who": r.who, "window_s": r.window_s, "filtering": r.filtering, "ratio": ratio}
            | {"target": target}
        )
        if target is not None and ratio < target:
            missed.append(f"{r.task} at {r.window_s:g} s: {ratio:.1f} times faster than {r.who}, target {target:g}")
    for r in rows:
        most = MOST_MS.get(r.task)
        if r.who == "volo" and most is not None and r.window_s == 1.0 and r.median_ms > most:
            missed.append(f"{r.task} at {r.window_s:g} s: {r.median_ms:.2f} ms, at most {most:g} ms are wanted")
    for entry in agreement:
        for name, value in entry.items():
            if "difference" in name and not value <= TOLERANCE:
                missed.append(f"{name} at {entry['window_s']:g} s: {value:.1e}, target {TOLERANCE:g}")
            if "labels equal" in name and value < 1.0:
                missed.append(f"{name} at {entry['window_s']:g} s: {value:.3f}, target 1")
    return ratios, missed


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def report(rows: list[Row], ratios: list[dict[str, Any]], agreement: list[dict[str, Any]], missed: list[str]) -> None:
    """Print all as a table."""
    by_row = {(r["task"], r["who"], r["window_s"], r["filtering"]): r for r in ratios}
    print("task          who          window filtering   median ms      min      max   ratio  target")
    for r in sorted(rows, key=lambda r: (r.task, r.window_s, r.filtering)):
        ratio = by_row.get((r.task, r.who, r.window_s, r.filtering))
        told = f"{ratio['ratio']:>8.1f}" if ratio else " " * 8
        aim = f"  >= {ratio['target']:g}" if ratio and ratio["target"] else ""
        print(
            f"{r.task:<14}{r.who:<12}{r.window_s:>5g} s {'with' if r.filtering else 'without':<10}"
            f"{r.median_ms:>10.3f}{min(r.runs_ms):>9.3f}{max(r.runs_ms):>9.3f}{told}{aim}"
        )
    for entry in agreement:
        print(f"agreement at {entry['window_s']:g} s:")
        for name, value in entry.items():
            if name != "window_s":
                print(f"  {name:<36}{value:.3g}")
    for text in missed:
        print(f"MISSED: {text}")
    print("all targets met" if not missed else f"{len(missed)} missed")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="alternating runs (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--growth", action="store_true", help="only time how cost grows with sizes")
    options = parser.parse_args(arguments)
    if options.growth:
        for entry in growth(options.runs):
            print(json.dumps(entry))
        return 0
    versions = {name: installed_version(name) for name in ("volo", "numpy", "scipy", "meegkit", "metabci")}
    for peer in ("meegkit", "metabci"):
        if versions[peer] is None:
            print(f"{peer}: not installed, skipped")
    rows: list[Row] = []
    agreement: list[dict[str, Any]] = []
    for window_s in (0.5, 1.0):
        found: dict[str, Any] = {"window_s": window_s}
        if versions["meegkit"] is not None:
            new, agreed = against_meegkit(window_s, options.runs)
            rows, found = rows + new, found | agreed
        new, agreed = against_metabci(window_s, options.runs, versions["metabci"] is not None)
        rows, found = rows + new, found | agreed
        if versions["metabci"] is not None:
            new, agreed = against_metabci_tdca(window_s, options.runs)
            rows, found = rows + new, found | agreed
        agreement.append(found)
    ratios, missed = judge(rows, agreement)
    report(rows, ratios, agreement, missed)
    if options.json is not None:
        values = {
            "schema": 1,
            "versions": versions,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "rows": [asdict(r) | {"median_ms": r.median_ms} for r in rows],
            "ratios": ratios,
            "agreement": agreement,
            "missed": missed,
        }
        options.json.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
