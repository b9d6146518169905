"""`volo evaluate`: how well a decoder does on recorded people, pseudo-online."""

from __future__ import annotations

import argparse

from volo_app.console import Console, WrongUsage

HELP = "evaluate a decoder pseudo-online on a public data set, through the streaming pipeline"
EXAMPLE = """examples:
  volo evaluate --dataset ssvep_exo --data-root DIR --decoder fbcca --window 2
  volo evaluate --dataset ssvep_exo --data-root DIR --decoder etrca --window 2 --json"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--dataset", required=True, choices=("ssvep_exo",), help="which data set")
    parser.add_argument("--data-root", required=True, metavar="DIR", help="folder that contains the data set's folder")
    parser.add_argument("--decoder", default="fbcca", choices=("fbcca", "etrca"), help="decoder (default fbcca)")
    parser.add_argument("--window", type=float, default=2.0, metavar="S", help="window length, seconds (default 2)")
    parser.add_argument("--subject", action="append", default=[], metavar="NN", help="only this subject; repeatable")
    parser.add_argument("--chunk", type=int, default=32, metavar="N", help="samples a chunk (default 32); same result")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Evaluate and return the figures."""
    from pathlib import Path

    import numpy as np

    from volo_app.datasets import ssvep_exo
    from volo_app.evaluation import EXO_OFFSET_S, evaluate_ssvep_exo
    from volo_decoders.metrics import chance_upper, itr_bits_per_min

    if not args.window > 0 or args.chunk < 1:
        raise WrongUsage("--window must be above 0 and --chunk at least 1")
    root = Path(args.data_root)
    subjects = args.subject or ssvep_exo.subjects(root)
    with console.progress("Subjects", len(subjects)) as bar:
        evaluation = evaluate_ssvep_exo(
            root,
            args.decoder,
            args.window,
            only=subjects,
            chunk_samples=args.chunk,
            progress=lambda subject: bar.advance(),
        )
    for note in evaluation.left_out:
        console.warn(note)
    n_trials, n_classes = len(evaluation.trials), len(ssvep_exo.CLASSES)
    per_subject = evaluation.subject_accuracy()
    chance = chance_upper(n_trials, n_classes) if n_trials else None
    seconds = args.window + EXO_OFFSET_S
    itr = itr_bits_per_min(evaluation.accuracy, n_classes, seconds) if n_trials else None
    decode_ms = 1e3 * np.array([t.decode_s for t in evaluation.trials])
    for subject, accuracy in per_subject.items():
        console.print(f"subject {subject}: {accuracy:.1%}")
    if n_trials and chance is not None and itr is not None:
        console.print(
            f"all: {evaluation.accuracy:.1%} of {n_trials} trials; above chance from {chance:.1%}; {itr:.1f} bits/min"
        )
    return {
        "dataset": args.dataset,
        "decoder": args.decoder,
        "window_s": args.window,
        "accuracy": evaluation.accuracy if n_trials else None,
        "chance": 1.0 / n_classes,
        "chance_upper": chance,
        "n_trials": n_trials,
        "n_classes": n_classes,
        "subjects": per_subject,
        "itr_bits_per_min": itr,
        "itr_assumptions": {"formula": "Wolpaw", "window_s": args.window, "from_cue_to_window_s": EXO_OFFSET_S},
        "decode_ms": {
            "p50": float(np.percentile(decode_ms, 50)) if n_trials else None,
            "p99": float(np.percentile(decode_ms, 99)) if n_trials else None,
        },
        "split": "none: the decoder has no calibration" if args.decoder == "fbcca" else "leave one session out",
        "sha256": evaluation.sha256(),
        "left_out": evaluation.left_out,
        "simulated": False,
    }
