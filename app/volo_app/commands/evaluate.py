"""`volo evaluate`: how well a decoder does on recorded people, pseudo-online."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from volo_app.console import CommandFailed, Console, WrongUsage

if TYPE_CHECKING:
    from volo_app.pseudo_online import Evaluation

HELP = "evaluate a decoder pseudo-online on a public data set, through the streaming pipeline"
EXAMPLE = """examples:
  volo evaluate --dataset ssvep_exo --data-root DIR --decoder fbcca --window 2
  volo evaluate --dataset ssvep_exo --data-root DIR --decoder etrca --window 2 --json
  volo evaluate --dataset eegmmidb --data-root DIR --decoder csp_lda
  volo evaluate --dataset eegmmidb --data-root DIR --decoder csp_lda --task left_right"""

#: The tasks of eegmmidb; the first is the default.
TASKS = ("fists_feet", "left_right", "executed_fists_feet", "executed_left_right")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--dataset", required=True, choices=("ssvep_exo", "eegmmidb"), help="which data set")
    parser.add_argument("--data-root", required=True, metavar="DIR", help="folder that contains the data set's folder")
    parser.add_argument(
        "--decoder",
        choices=("fbcca", "etrca", "csp_lda", "band_power_lda"),
        help="decoder: fbcca (default) or etrca for ssvep_exo, csp_lda (default) or band_power_lda for eegmmidb",
    )
    parser.add_argument(
        "--window", type=float, metavar="S", help="window length, seconds (default 2 for ssvep_exo, 3 for eegmmidb)"
    )
    parser.add_argument("--task", choices=TASKS, help="eegmmidb: which runs (default fists_feet, imagined)")
    parser.add_argument("--subject", action="append", default=[], metavar="NN", help="only this subject; repeatable")
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
    """

    decoder: str
    window_s: float
    offset_s: float
    classes: tuple[str, ...]
    split: str
    subjects: list[str]
    evaluate: Callable[[Callable[[str], None]], Evaluation]
    extra: dict[str, object] = field(default_factory=dict)


#: Shorter windows hold too few samples for any of the decoders, seconds.
LEAST_WINDOW_S = 0.2


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Evaluate and return the figures."""
    if args.window is not None and not LEAST_WINDOW_S <= args.window < float("inf"):
        raise WrongUsage(f"--window must be at least {LEAST_WINDOW_S:g} s")
    if args.chunk < 1:
        raise WrongUsage("--chunk must be at least 1")
    if args.task is not None and args.dataset != "eegmmidb":
        raise WrongUsage("--task belongs to --dataset eegmmidb")
    plan = _imagery(args) if args.dataset == "eegmmidb" else _ssvep(args)
    with console.progress("Subjects", len(plan.subjects)) as bar:
        evaluation = plan.evaluate(lambda subject: bar.advance())
    return _told(args.dataset, plan, evaluation, console)


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

    root, decoder, task = Path(args.data_root), args.decoder or "csp_lda", args.task or TASKS[0]
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
        "n_trials": n_trials,
        "n_classes": n_classes,
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
