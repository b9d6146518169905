"""What SSVEP decoders reach without calibration of the user, on the exoskeleton recordings, judged on other people.

Three figures, each with windows from 0.5 s after the cue through the streaming pipeline, three classes, rest left out:

- ``free``: no calibration, 1 to 4 s. `TransferCCA` is fitted on the other participants; its settings are chosen among a
  grid by leave-one-participant-out *within* them (likelihood, not accuracy). Beside it FBCCA, and the paired gain with
  the bootstrap interval over participants. Nulls: labels permuted within participants; the second before the cue,
  which is *below* chance here, since eyes are still on the target before, and no class follows itself.
- ``adapt``: last session, 3 s. The same decoder learns each person's averages while used, without labels; beside it
  FBCCA, recentred tangent space with logistic regression trained on the person's earlier sessions, and OACCA. From
  0.5 s after the cue and from 1 s, where narrow causal filters have settled. Trials in their order, and in random
  order: no figure may hang on the order of classes.
- ``stop``: dynamic stopping. Thresholds are chosen on the other participants; bits a minute with 1 s overhead, pooled
  and as mean of participants, beside the best fixed windows, which are chosen with hindsight.

``python benchmarks/ssvep_figures.py --data-root DIR [free] [adapt] [stop]``
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import itertools
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.signal import butter, sosfilt

from volo_app.datasets import ssvep_exo
from volo_app.evaluation import exo_chain
from volo_decoders.choice import softmax
from volo_decoders.metrics import chance_upper, itr_bits_per_min
from volo_decoders.pipeline.stopping_rules import ProbabilityStopping
from volo_decoders.ssvep.fbcca import FBCCA
from volo_decoders.ssvep.oacca import OnlineAdaptiveCCA
from volo_decoders.ssvep.transfer_cca import TransferCCA
from volo_decoders.training import collect_windows

RATE_HZ, LONGEST_S = 256.0, 4.0
CLASSES = list(ssvep_exo.CLASSES)
FREQUENCIES_HZ = [float(c) for c in CLASSES]
GRID = [
    {"harmonics": h, "n_correlations": k, "late_parts": late, "ridge": ridge, "online": centred}
    for h, k, late, ridge, centred in itertools.product(
        ([2, 3], [1, 2, 3]),
        (1, 2),
        ([0.5], [0.75], [0.5, 0.75], [0.5, 0.6, 0.75]),
        (100.0, 200.0, 400.0),
        (False, True),  # fitted to each participant's deviations from their own averages; nothing adapts in "free"
    )
]
SHARES = [0.25, 0.5, 0.75, 1.0]
STOP_LENGTHS_S = np.arange(0.5, LONGEST_S + 0.01, 0.125)
OVERHEAD_S = 1.0
SEED = 0


@dataclass(frozen=True)
class Trials:
    """Windows of the longest length, with class number, participant and session of each; in time order."""

    X: np.ndarray
    y: np.ndarray
    who: np.ndarray
    session: np.ndarray

    def of(self, chosen: np.ndarray) -> Trials:
        """Those chosen."""
        return Trials(self.X[chosen], self.y[chosen], self.who[chosen], self.session[chosen])

    @property
    def last(self) -> np.ndarray:
        """Which trials are of their participant's last session."""
        return np.array([s == self.session[self.who == w].max() for w, s in zip(self.who, self.session, strict=True)])


def load(root: Path, length_s: float = LONGEST_S, earlier_s: float = 0.0) -> Trials:
    """Cut the windows, from 0.5 s after the cue less `earlier_s`."""
    X, y, who, session = [], [], [], []
    for subject in ssvep_exo.subjects(root):
        for number, recorded in enumerate(ssvep_exo.load_sessions(root, subject)):
            moved = replace(recorded, markers=tuple(replace(m, time=m.time - earlier_s) for m in recorded.markers))
            spec = exo_chain("fbcca", length_s, recorded.info.rate_hz)
            _, windows = collect_windows(spec, recorded.info, moved.items(32))
            for window in windows:
                if window.label in CLASSES:
                    X.append(window.samples)
                    y.append(CLASSES.index(str(window.label)))
                    who.append(subject)
                    session.append(number)
    return Trials(np.stack(X), np.array(y), np.array(who), np.array(session))


class Cached(TransferCCA):
    """TransferCCA that computes the features of a window once."""

    cache: ClassVar[dict[Any, np.ndarray]] = {}

    def _features(self, window: np.ndarray) -> np.ndarray:
        settings = (tuple(self.harmonics), self.n_correlations, tuple(self.late_parts))
        key = (window.shape, window[:3, :: max(1, window.shape[1] // 8)].tobytes(), settings)
        if key not in self.cache:
            self.cache[key] = super()._features(window)
        return self.cache[key]


def transfer(**settings: Any) -> Cached:
    return Cached(FREQUENCIES_HZ, CLASSES, rate_hz=RATE_HZ, n_bands=3, **settings)


def fbcca() -> FBCCA:
    params = exo_chain("fbcca", LONGEST_S, RATE_HZ).decoder_params
    return FBCCA(**params).fit(None, None)


def fit(decoder: TransferCCA, trials: Trials) -> TransferCCA:
    return decoder.fit(trials.X, np.array(CLASSES)[trials.y], trials.who)


def chosen_settings(trials: Trials) -> dict[str, dict[str, Any]]:
    """Return for each participant the grid's entry of largest likelihood, judged without them.

    By leave-one-participant-out within the others; one entry for windows of 1, 2, 3 and 4 s together, since one decoder
    serves all lengths.
    """
    people = np.unique(trials.who)
    chosen = {}
    for out in people:
        others = trials.of(trials.who != out)
        likelihood = np.zeros(len(GRID))
        for k, settings in enumerate(GRID):
            for person in np.unique(others.who):
                inside = others.who == person
                decoder = fit(transfer(shares=SHARES, **settings), others.of(~inside))
                for share in SHARES:
                    p = decoder.predict_proba(others.X[inside][:, :, : round(share * others.X.shape[2])])
                    likelihood[k] += np.log(p[np.arange(len(p)), others.y[inside]]).sum()
        chosen[str(out)] = GRID[int(likelihood.argmax())]
    return chosen


def paired(gain: np.ndarray, who: np.ndarray) -> dict[str, Any]:
    """Mean over participants of a difference, with the bootstrap interval over participants."""
    each = np.array([gain[who == person].mean() for person in np.unique(who)])
    drawn = np.random.default_rng(SEED).choice(each, (10000, len(each))).mean(axis=1)
    return {"gain": each.mean(), "interval": np.quantile(drawn, [0.025, 0.975]).tolist(), "each": each.tolist()}


def free(trials: Trials, before: Trials, settings: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    people = np.unique(trials.who)
    decoders = {p: fit(transfer(shares=SHARES, **settings[p]), trials.of(trials.who != p)) for p in people}
    permuted = trials.y.copy()
    rng = np.random.default_rng(SEED)
    for person in people:
        permuted[trials.who == person] = rng.permutation(permuted[trials.who == person])
    for share in SHARES:
        n = round(share * trials.X.shape[2])
        found, early = np.zeros(len(trials.y), int), np.zeros(len(trials.y), int)
        for person in people:
            test = trials.who == person
            found[test] = decoders[person].decision_function(trials.X[test][:, :, :n]).argmax(axis=1)
            early[test] = decoders[person].decision_function(before.X[test]).argmax(axis=1)
        right = found == trials.y
        base = fbcca().decision_function(trials.X[:, :, :n]).argmax(axis=1) == trials.y
        rows.append(
            {
                "window_s": n / RATE_HZ,
                "fbcca": base.mean(),
                "transfer_cca": right.mean(),
                "n": len(right),
                **paired(right.astype(float) - base, trials.who),
                "worst": min(right[trials.who == p].mean() for p in people),
                "null_labels_permuted": (found == permuted).mean(),
                "null_before_the_cue": (early == trials.y).mean(),
                "chance_bound": chance_upper(len(right), len(CLASSES)),
            }
        )
    return rows


def in_order(trials: Trials, seed: int | None) -> np.ndarray:
    """Trial numbers, participant after participant and session after session, within which a seed shuffles."""
    rng = np.random.default_rng(seed)
    order = []
    for person in np.unique(trials.who):
        for number in np.unique(trials.session[trials.who == person]):
            part = np.flatnonzero((trials.who == person) & (trials.session == number))
            order.append(part if seed is None else rng.permutation(part))
    return np.concatenate(order)


def adapted_scores(make: Any, trials: Trials, order: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Score each trial at all lengths with a decoder made for its participant, which then adapts to the trial."""
    scores = np.empty((len(trials.y), len(lengths), len(CLASSES)))
    decoders = {person: make(person) for person in np.unique(trials.who)}
    for i in order:
        decoder = decoders[trials.who[i]]
        for k, n in enumerate(lengths):
            scores[i, k] = decoder.decision_function(trials.X[i : i + 1, :, :n])[0]
        if decoder.adapts:
            decoder.adapt(trials.X[i, :, : lengths[-1]])
    return scores


def tangent(trials: Trials, root: Path, offset_s: float, length_s: float) -> dict[str, np.ndarray]:
    """Right or not, last sessions, of tangent space with logistic regression, raw and recentred while used."""
    from scipy.linalg import expm, logm, sqrtm
    from sklearn.covariance import oas
    from sklearn.linear_model import LogisticRegression

    X = narrow_bands(root, offset_s, length_s)
    covariances = np.array([oas((x / X.std()).T)[0] for x in X])

    def flat(M: np.ndarray, C: np.ndarray) -> np.ndarray:
        W = np.linalg.inv(np.real(sqrtm(M)))
        rows, columns = np.triu_indices(len(M))
        weights = np.where(rows == columns, 1.0, np.sqrt(2.0))
        return np.stack([np.real(logm(W @ c @ W))[rows, columns] * weights for c in C])

    def between(M: np.ndarray, C: np.ndarray, share: float) -> np.ndarray:
        S = np.real(sqrtm(M))
        W = np.linalg.inv(S)
        return S @ expm(share * np.mean([np.real(logm(W @ c @ W)) for c in C], axis=0)) @ S

    right = {name: np.zeros(len(trials.y), bool) for name in ("raw", "recentred")}
    for person in np.unique(trials.who):
        mine = trials.who == person
        train, test = np.flatnonzero(mine & ~trials.last), np.flatnonzero(mine & trials.last)
        centre = covariances[train].mean(axis=0)
        for _ in range(10):
            centre = between(centre, covariances[train], 1.0)
        model = LogisticRegression(max_iter=1000).fit(flat(centre, covariances[train]), trials.y[train])
        right["raw"][test] = model.predict(flat(centre, covariances[test])) == trials.y[test]
        moving = centre
        for k, i in enumerate(test):
            moving = between(moving, covariances[i : i + 1], 1.0 / (k + 5))  # the prior counts four trials
            right["recentred"][i] = model.predict(flat(moving, covariances[i : i + 1]))[0] == trials.y[i]
    return right


def narrow_bands(root: Path, offset_s: float, length_s: float) -> np.ndarray:
    """Windows of three causal bands of half a hertz at the frequencies, one below the other."""
    windows = []
    for subject in ssvep_exo.subjects(root):
        for recorded in ssvep_exo.load_sessions(root, subject):
            raw = recorded.samples.astype(np.float64)
            bands = []
            for f in FREQUENCIES_HZ:
                sos = butter(1, [f - 0.25, f + 0.25], "bandpass", fs=RATE_HZ, output="sos")
                bands.append(sosfilt(sos, raw - raw[0], axis=0))
            whole = np.concatenate(bands, axis=1).T
            onsets = [round((m.time + offset_s) * RATE_HZ) for m in recorded.markers if m.label == "stimulus/onset"]
            windows += [whole[:, a : a + round(length_s * RATE_HZ)] for a in onsets]
    return np.stack(windows)


def adapt(trials: Trials, root: Path, offset_s: float, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    length_s = 3.0
    n = round(length_s * RATE_HZ)
    cut = replace(trials, X=np.ascontiguousarray(trials.X[:, :, :n]))
    last = trials.last
    found: dict[str, Any] = {"window_s": length_s, "offset_s": offset_s, "n": int(last.sum())}
    right: dict[str, np.ndarray] = {"fbcca": fbcca().decision_function(cut.X).argmax(axis=1) == trials.y}
    for name, values in tangent(trials, root, offset_s, length_s).items():
        right[f"tangent space, {name}"] = values
    lengths = np.array([n])

    def make(online: bool) -> Any:
        return lambda who: fit(
            transfer(**{**settings[who], "shares": [1.0], "online": online}), cut.of(trials.who != who)
        )

    def oacca(who: str) -> OnlineAdaptiveCCA:
        return OnlineAdaptiveCCA(FREQUENCIES_HZ, CLASSES, rate_hz=RATE_HZ, n_harmonics=4, n_bands=3).fit(None, None)

    for name, maker, seed in (
        ("oacca", oacca, None),
        ("transfer_cca", make(False), None),
        ("transfer_cca online", make(True), None),
        *((f"transfer_cca online, order {seed}", make(True), seed) for seed in range(1, 6)),
    ):
        scores = adapted_scores(maker, cut, in_order(cut, seed), lengths)[:, 0]
        right[name] = scores.argmax(axis=1) == trials.y
    found["accuracy"] = {name: float(values[last].mean()) for name, values in right.items()}
    ours = right["transfer_cca online"].astype(float)
    for name in ("fbcca", "tangent space, recentred"):
        found[f"over {name}"] = paired((ours - right[name])[last], trials.who[last])
    return found


def bits(right: np.ndarray, seconds: np.ndarray, who: np.ndarray) -> tuple[float, float]:
    """Bits a minute: pooled over all trials, and mean of participants."""

    def rate(chosen: np.ndarray) -> float:
        return itr_bits_per_min(float(right[chosen].mean()), len(CLASSES), float(seconds[chosen].mean()) + OVERHEAD_S)

    return rate(np.ones(len(right), bool)), float(np.mean([rate(who == person) for person in np.unique(who)]))


def stopped(scores: np.ndarray, y: np.ndarray, rule: ProbabilityStopping) -> tuple[np.ndarray, np.ndarray]:
    """Return which trials were right, and the window each was decided at, seconds."""
    right, at = np.zeros(len(y), bool), np.zeros(len(y))
    for i in range(len(y)):
        for k, n in enumerate(rule.n_samples):
            if k == len(rule.n_samples) - 1 or rule.enough(rule.confidence(scores[i, k], n), n):
                right[i], at[i] = scores[i, k].argmax() == y[i], n / RATE_HZ
                break
    return right, at


def stop(trials: Trials) -> dict[str, Any]:
    lengths = np.round(STOP_LENGTHS_S * RATE_HZ).astype(int)
    shares = (lengths / lengths[-1]).tolist()
    people, order = np.unique(trials.who), in_order(trials, None)
    rules = [
        ProbabilityStopping(lengths.tolist(), first, final)
        for first, final in itertools.product((0.7, 0.75, 0.8, 0.85, 0.9, 0.95), (0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
        if final <= first
    ]
    base = np.stack([fbcca().decision_function(trials.X[:, :, :n]) for n in lengths], axis=1)
    found: dict[str, Any] = {"overhead_s": OVERHEAD_S, "n": len(trials.y)}
    found["fbcca"] = best_fixed(base, trials)
    for name, online in (("transfer_cca", False), ("transfer_cca online", True)):
        settings = {"n_correlations": 2, "online": online, "shares": shares}

        def without(out: str, settings: dict[str, Any] = settings) -> Any:
            return lambda who: fit(transfer(**settings), trials.of((trials.who != out) & (trials.who != who)))

        right, at = np.zeros(len(trials.y), bool), np.zeros(len(trials.y))
        scores = adapted_scores(without(""), trials, order, lengths)
        picked = []
        for person in people:
            others = trials.of(trials.who != person)
            inner = adapted_scores(without(person), others, in_order(others, None), lengths)
            rates = [bits(*stopped(inner, others.y, rule), others.who)[1] for rule in rules]
            rule = rules[int(np.argmax(rates))]
            picked.append([rule.threshold, rule.last_threshold])
            test = trials.who == person
            right[test], at[test] = stopped(scores[test], trials.y[test], rule)
        pooled, mean = bits(right, at, trials.who)
        fixed = best_fixed(scores, trials)
        found[name] = fixed | {
            "dynamic": {"pooled": pooled, "mean": mean, "accuracy": right.mean(), "window_s": at.mean()},
            "over_own_fixed": [pooled / fixed["pooled"]["bits"], mean / fixed["mean"]["bits"]],
            "over_fbcca_fixed": [pooled / found["fbcca"]["pooled"]["bits"], mean / found["fbcca"]["mean"]["bits"]],
            "thresholds": picked,
            "reliability": reliability(scores, trials.y),
        }
    return found


def best_fixed(scores: np.ndarray, trials: Trials) -> dict[str, Any]:
    """Return the fixed windows of most bits a minute, known only with hindsight."""
    rates = []
    for k, length_s in enumerate(STOP_LENGTHS_S):
        right = scores[:, k].argmax(axis=1) == trials.y
        rates.append(bits(right, np.full(len(right), length_s), trials.who))
    best = np.argmax(rates, axis=0)
    return {
        name: {"bits": rates[best[k]][k], "window_s": float(STOP_LENGTHS_S[best[k]])}
        for k, name in enumerate(("pooled", "mean"))
    }


def reliability(scores: np.ndarray, y: np.ndarray) -> list[dict[str, float]]:
    """Said probability against share that was right, in bins, at 2 s."""
    k = int(np.abs(STOP_LENGTHS_S - 2.0).argmin())
    p = softmax(scores[:, k])
    right, said = p.argmax(axis=1) == y, p.max(axis=1)
    rows = []
    for low, high in ((0.33, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (said >= low) & (said < high)
        if inside.any():
            rows.append({"said": said[inside].mean(), "right": right[inside].mean(), "n": int(inside.sum())})
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("figures", nargs="*", choices=("free", "adapt", "stop"), default=["free", "adapt", "stop"])
    parser.add_argument("--data-root", type=Path, required=True, help="folder that contains ssvep_exo")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args(arguments)
    trials = load(options.data_root)
    values: dict[str, Any] = {"schema": 1, "n_trials": len(trials.y), "seed": SEED}
    settings = chosen_settings(trials) if {"free", "adapt"} & set(options.figures) else {}
    values["settings"] = settings
    if "free" in options.figures:
        values["free"] = free(trials, load(options.data_root, 1.0, earlier_s=1.5), settings)
    if "adapt" in options.figures:
        later = load(options.data_root, 3.0, earlier_s=-0.5)
        values["adapt"] = [adapt(t, options.data_root, o, settings) for t, o in ((trials, 0.5), (later, 1.0))]
    if "stop" in options.figures:
        values["stop"] = stop(trials)
    text = json.dumps(values, indent=1, default=float)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
