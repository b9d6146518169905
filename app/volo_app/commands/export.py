"""`volo export`: write a trained decoder as one ONNX file, after it was compared with the Python chain."""

from __future__ import annotations

import argparse

from volo_app.console import CommandFailed, Console, WrongUsage

HELP = "write a trained decoder as one ONNX file, raw samples to scores"
EXAMPLE = """examples:
  volo export my-decoder --out speller.onnx
  volo export my-decoder --out speller.onnx --check FILE.xdf --json
  volo export my-decoder --out small.onnx --precision int8
  volo export my-decoder --out speller.onnx --sign private.pem --revision 3"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("decoder", metavar="DECODER", help="decoder folder that `volo train` wrote")
    parser.add_argument("--out", required=True, metavar="FILE", help="the file to write (.onnx)")
    parser.add_argument("--check", metavar="RECORDING", help="compare on this recording, too (.xdf)")
    parser.add_argument(
        "--precision",
        choices=("float64", "float16", "int8"),
        default="float64",
        help="how the decoder's weights are kept (default float64); filters are in double in any case",
    )
    parser.add_argument("--sign", metavar="FILE", help="sign it with this private Ed25519 key (PEM)")
    parser.add_argument("--revision", type=int, default=1, help="with --sign: counts up; an older one is refused later")
    parser.add_argument("--stream", default="", help="which of the recording's signal streams, if there are several")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Export, compare, and return what was found."""
    from pathlib import Path

    if args.revision < 1:
        raise WrongUsage(f"--revision: got {args.revision}, the first is 1")

    from volo_app.exported import export_decoder

    with console.progress("Export", None):
        summary = dict(
            export_decoder(
                Path(args.decoder),
                Path(args.out),
                recording=Path(args.check) if args.check else None,
                stream=args.stream,
                precision=args.precision,
                private_key=Path(args.sign) if args.sign else None,
                revision=args.revision,
            )
        )
    checks = summary["parity"]
    if isinstance(checks, dict):
        for name, parity in checks.items():
            same = parity["decisions_equal"] and parity["windows_equal"]
            agree = "equal" if same else f"equal in {100 * parity['agreement']:.1f} %"
            console.print(
                f"{name}: {parity['n_predictions']} windows, {parity['n_decisions']} decisions {agree}, "
                f"scores differ by {parity['relative']:.1e} of the largest at most"
            )
    if not summary["passed"]:
        raise CommandFailed(summary, f"{args.out} was not written: the graph does not decide as the decoder does")
    for name, what in (("step_ms", "a step"), ("score_ms", "a step that scores the longest window")):
        times = summary[name]
        if isinstance(times, dict):
            console.print(f"{what} takes {times['p50']:.2f} ms (median), {times['p99']:.2f} ms (99 %)")
    console.print(f"{summary['decoder']} was written to {summary['file']}")
    return summary
