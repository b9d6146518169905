"""`volo train`: fit a decoder to a calibration recording."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from volo_app.console import Console, WrongUsage

if TYPE_CHECKING:
    from volo_acquisition.types import StreamInfo
    from volo_decoders.chain import ChainSpec

_SPELLER_DECODERS = ("etrca", "fbcca", "oacca", "ecca", "ms_cca", "trca", "trca_r", "ms_etrca", "tdca")

HELP = "fit a decoder to a calibration recording"
EXAMPLE = """examples:
  volo train ~/Volo/sub-DEMO/ses-01/sourcedata/sub-DEMO_ses-01_task-ssvep_run-01_eeg.xdf --out my-decoder
  volo train FILE.xdf --decoder fbcca --out my-fbcca
  volo train IMAGERY.xdf --decoder csp_lda --out my-imagery
  volo train IMAGERY.xdf --decoder band_power_lda --feature C3:8-12 --feature C4:8-12 --out my-powers"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a calibration: .xdf, .fif, .edf of EEGMMIDB; its onsets name targets",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write the decoder to")
    parser.add_argument(
        "--decoder",
        default="etrca",
        metavar="NAME",
        help="a decoder for flickering keys (default etrca; also fbcca, tdca, ms_cca, ...), or for imagery csp_lda or "
        "band_power_lda",
    )
    parser.add_argument(
        "--feature",
        action="append",
        metavar="CHANNEL:LOW-HIGH",
        help="band_power_lda: a channel and its band in Hz, C3:8-12; give one after the other",
    )
    parser.add_argument("--layout", default="benchmark40", help="keys: a layout's name or file (default benchmark40)")
    parser.add_argument("--threshold", type=float, default=0.95, help="confidence that suffices (default 0.95)")
    parser.add_argument(
        "--stopping",
        default="dynamic",
        choices=("dynamic", "bayesian", "margin", "fixed"),
        help="when to decide (default dynamic: a logistic curve of the margin)",
    )
    parser.add_argument(
        "--mains", type=float, default=50.0, choices=(0.0, 50.0, 60.0), help="power line, Hz (default 50)"
    )
    parser.add_argument(
        "--max-missed",
        type=int,
        metavar="N",
        help="leave out trials whose stimulus missed more frames than N (default: keep all)",
    )
    parser.add_argument("--stream", default="", help="which signal stream, if there are several")
    parser.add_argument(
        "--cascaded", action="store_true", help="the field's cascaded filter bank in training, for comparison only"
    )


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Train and return what was fitted."""
    import math
    import tempfile
    from pathlib import Path

    from volo_app.converting import as_recording
    from volo_app.training import train_file
    from volo_decoders.store import save_decoder

    if not 0.0 < args.threshold < 1.0:
        raise WrongUsage("--threshold must lie between 0 and 1")
    make_chain, dynamic = _chain(args)
    with console.progress("Training", None), tempfile.TemporaryDirectory(prefix="volo-train-") as folder_of_copy:
        fitted = train_file(
            as_recording(Path(args.file), Path(folder_of_copy)),
            make_chain,
            stream=args.stream,
            threshold=args.threshold,
            dynamic=dynamic,
            rule=args.stopping,
            max_missed=math.inf if args.max_missed is None else args.max_missed,
        )
        folder = save_decoder(Path(args.out), fitted)
    console.print(f"{fitted.decoder_id} was written to {folder.absolute()}")
    return {
        "decoder": fitted.decoder_id,
        "folder": str(folder.absolute()),
        "classes": [str(c) for c in fitted.decoder.classes_],
        "rate_hz": fitted.contract.rate_hz,
        "channels": list(fitted.contract.channel_names),
        "windows_s": list(fitted.spec.window.lengths_s),
        "stopping": fitted.stopping.to_dict()["kind"],
        "n_trials": int(fitted.provenance["n_trials"]),
        "n_rejected": int(fitted.provenance["n_rejected"]),
        "simulated": fitted.provenance["simulated"] == "true",
    }


def _chain(args: argparse.Namespace) -> tuple[Callable[[StreamInfo], ChainSpec], bool]:
    """Return what makes the chain for a stream, and whether it decides as soon as it is sure.

    Imagery decides at the end of its windows: those before give the feedback.
    """
    from volo_app.imagery import FEEDBACK_LENGTHS_S, IMAGERY_DECODERS, IMAGERY_FEATURES, imagery_chain
    from volo_app.presets import ssvep_chain
    from volo_paradigms.layout import load_layout

    if args.feature and args.decoder != "band_power_lda":
        raise WrongUsage("--feature goes with --decoder band_power_lda")
    if args.decoder in IMAGERY_DECODERS:

        def make(info: StreamInfo) -> ChainSpec:
            features = args.feature or IMAGERY_FEATURES
            return imagery_chain(args.decoder, lengths_s=FEEDBACK_LENGTHS_S, features=features, info=info)

        if args.decoder == "band_power_lda":
            try:
                imagery_chain(args.decoder, features=args.feature or IMAGERY_FEATURES)
            except ValueError as error:
                raise WrongUsage(f"--feature: {error}") from error
        return make, False
    if args.decoder not in _SPELLER_DECODERS:
        allowed = ", ".join((*_SPELLER_DECODERS, *IMAGERY_DECODERS))
        raise WrongUsage(f"--decoder: got {args.decoder!r}, allowed are {allowed}")
    layout = load_layout(args.layout)
    return (
        lambda info: ssvep_chain(args.decoder, layout, info.rate_hz, cascaded=args.cascaded, mains_hz=args.mains)
    ), True
