"""`volo spiking`: a spiking network from spike counts to hand velocity, trained, exported, and replayed as a stream."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from volo_app.console import Console, WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from volo_app.datasets.monkey_m1 import MonkeySession
    from volo_decoders.spiking.contract import SpikingContract
    from volo_decoders.spiking.replaying import Decoded
    from volo_decoders.spiking.split import Split
    from volo_decoders.spiking.stage import SpikingDecoder
    from volo_decoders.spiking.train import SpikingSettings, Trained
    from volo_decoders.spiking.weights import CubaWeights

HELP = "train a spiking decoder of hand velocity on monkey_m1, or decode that recording's last fifth as a stream"
EXAMPLE = """examples:
  volo spiking train --data-root DIR --out monkey.onnx --seed 0
  volo spiking evaluate --data-root DIR --model monkey.onnx
  volo spiking evaluate --data-root DIR --model monkey.onnx --chunk 7 --recording test_part.xdf --json"""

#: Bins after a start whose outputs are marked invalid.
SETTLE_BINS = 10
#: Bins the peer looks at.
N_LAGS = 10
DATASET = "monkey_m1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("action", choices=("train", "evaluate"), help="train: needs torch; evaluate: does not")
    parser.add_argument("--data-root", required=True, metavar="DIR", help="folder that contains monkey_m1/*.npz")
    parser.add_argument("--out", metavar="FILE.onnx", help="train: the file to write; nothing is overwritten")
    parser.add_argument("--seed", type=int, metavar="N", help="train: of weights, order and dropout (default 0)")
    parser.add_argument("--epochs", type=int, metavar="N", help="train: times the data are gone through (default 100)")
    parser.add_argument("--model", metavar="FILE.onnx", help="evaluate: the file that train wrote")
    parser.add_argument("--chunk", type=int, metavar="N", help="evaluate: bins a chunk (default 1); same result")
    parser.add_argument("--recording", metavar="FILE.xdf", help="evaluate: keep the recording that is replayed")


def run(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Train or evaluate, and return the figures."""
    needed, foreign = ("out", ("model", "chunk", "recording")), ("model", ("out", "seed", "epochs"))
    own, others = needed if args.action == "train" else foreign
    if getattr(args, own) is None:
        raise WrongUsage(f"{args.action} needs --{own}")
    for name in others:
        if getattr(args, name) is not None:
            raise WrongUsage(f"--{name} does not belong to {args.action}")
    for name in ("epochs", "chunk"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise WrongUsage(f"--{name}: got {getattr(args, name)}, it must be at least 1")
    return _train(args, console) if args.action == "train" else _evaluate(args, console)


def _train(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Fit on the training part, export, and compare the file with torch on the validation part."""
    from pathlib import Path

    import numpy as np

    from volo_acquisition.clock import SessionClock
    from volo_acquisition.errors import DecoderError, FileError, Reason
    from volo_app.datasets.monkey_m1 import load_session
    from volo_decoders.spiking.scoring import r_squared
    from volo_decoders.spiking.split import chronological

    path = Path(args.out).absolute()
    if path.exists():
        raise FileError(f"{path} exists already", reason=Reason.EXISTS, hint="choose another name")
    session = load_session(Path(args.data_root))
    split = chronological(len(session.counts))
    try:
        from volo_decoders.spiking.export import write_step
        from volo_decoders.spiking.export_parity import run_freely, teacher_forced
        from volo_decoders.spiking.runner import StepModel
        from volo_decoders.spiking.train import SpikingSettings, run_network, train
    except ImportError as error:
        raise DecoderError(
            f"training needs a package that is not installed: {error.name}",
            reason=Reason.NOT_FOUND,
            hint="pip install 'volo[train]'; evaluate needs none of it",
        ) from error
    chosen = {name: getattr(args, name) for name in ("seed", "epochs") if getattr(args, name) is not None}
    settings = SpikingSettings(**chosen)
    stopwatch = SessionClock()
    started = stopwatch.now()
    with console.progress("Epochs", settings.epochs) as bar:
        trained = train(
            session.counts,
            session.velocity,
            split,
            settings,
            bin_s=session.bin_s,
            progress=lambda epoch, loss: bar.advance(),
        )
    train_s = stopwatch.now() - started
    weights = trained.network.weights()
    write_step(path, weights, _contract(session, split, trained, settings, weights))
    model = StepModel(path)
    counts, truth = session.counts[split.validation.rows], session.velocity[split.validation.rows]
    parity = teacher_forced(trained.network, model, counts)
    torch_r2 = r_squared(truth, run_network(trained.network, counts)[0])
    graph_r2 = r_squared(truth, run_freely(model, counts))
    gap = float(np.abs(graph_r2 - torch_r2).max())
    console.print(f"{path}: epoch {trained.epoch} of {settings.epochs}, {train_s:.0f} s, seed {settings.seed}")
    console.print(f"validation part, not the test: R2 {graph_r2[0]:.3f} vx, {graph_r2[1]:.3f} vy")
    console.print(
        f"against torch: {parity.n_mismatches} of {parity.n_spike_bits} spike counts differ, "
        f"outputs by at most {parity.max_output_difference:.1e}; running freely R2 differs by {gap:.1e}"
    )
    return {
        "action": "train",
        "file": path,
        "dataset": DATASET,
        "n_bytes": model.n_bytes,
        "n_parameters": weights.n_parameters,
        "split": _told_split(split),
        "settings": settings,
        "epoch": trained.epoch,
        "validation_r2": _named(graph_r2),
        "time_constants_s": {
            name: {"least": values.min(), "mean": values.mean(), "most": values.max()}
            for name, values in weights.time_constants_s(session.bin_s).items()
        },
        "parity": {"teacher_forced": parity, "free_running_r2_difference": gap},
        "train_s": train_s,
        "weights_sha256": weights.sha256(),
        "simulated": False,
    }


def _contract(
    session: MonkeySession, split: Split, trained: Trained, settings: SpikingSettings, weights: CubaWeights
) -> SpikingContract:
    """Return what the file shall say about itself."""
    from dataclasses import asdict

    from volo_app.datasets.monkey_m1 import VELOCITIES
    from volo_decoders.spiking.contract import SpikingContract

    return SpikingContract(
        channels=session.spikes_info.channel_names,
        unit="count",
        rate_hz=session.spikes_info.rate_hz,
        outputs=VELOCITIES,
        output_unit="arbitrary/s",
        n_units=weights.n_units,
        recurrent=weights.is_recurrent,
        n_substeps=weights.n_substeps,
        n_parameters=weights.n_parameters,
        settle_bins=SETTLE_BINS,
        provenance={
            "dataset": DATASET,
            "n_bins": split.training.stop,
            "sha256": training_digest(session, split.training.stop),
            "split": _told_split(split),
            "settings": asdict(settings),
            "epoch": trained.epoch,
            "weights_sha256": weights.sha256(),
        },
    )


def _evaluate(args: argparse.Namespace, console: Console) -> dict[str, object]:
    """Replay the test part through the decoder, with the control and the peer beside it."""
    import tempfile
    from pathlib import Path

    import numpy as np

    from volo_app.datasets.monkey_m1 import load_session
    from volo_decoders.spiking.cost import step_cost
    from volo_decoders.spiking.scoring import r_squared, shifted
    from volo_decoders.spiking.split import chronological
    from volo_decoders.spiking.stage import SpikingDecoder
    from volo_decoders.spiking.wiener import fit_wiener

    session = load_session(Path(args.data_root))
    split = chronological(len(session.counts))
    decoder = SpikingDecoder(str(Path(args.model).absolute()))
    same = _require_unseen(decoder, session, split)
    played = slice(split.test.start - split.purge, split.test.stop)  # the purged bins warm the states up
    chunk = args.chunk or 1
    half = (played.stop - played.start) // 2
    with tempfile.TemporaryDirectory(prefix="volo-spiking-") as folder:
        kept = Path(args.recording).absolute() if args.recording else Path(folder) / "test_part.xdf"
        decoded, r2, n_scored = _replayed(session, split, decoder, kept, shift_bins=0, chunk_bins=chunk)
        _, control, _ = _replayed(
            session, split, decoder, Path(folder) / "shifted.xdf", shift_bins=half, chunk_bins=chunk
        )
    wiener = fit_wiener(session.counts, session.velocity, split, n_lags=N_LAGS)
    truth = session.velocity[split.test.rows]
    peer = r_squared(truth, wiener.decode(session.counts[played])[split.purge :])
    peer_control = r_squared(truth, wiener.decode(shifted(session.counts[played], half))[split.purge :])
    cost = step_cost(decoder.contract, session.counts[played], decoded.spikes_per_bin)
    console.print(
        f"test part: bins {split.test.start} to {split.test.stop} of {len(session.counts)}, the last fifth; "
        f"{n_scored} scored, R2 of velocity"
    )
    console.print(f"{'':34}{'vx':>7}{'vy':>7}{'mean':>7}")
    for name, values in (
        ("spiking network, streamed", r2),
        (f"  control: counts shifted {half} bins", control),
        (f"Wiener filter, {N_LAGS} lags", peer),
        (f"  control: counts shifted {half} bins", peer_control),
    ):
        console.print(f"{name:34}{values[0]:7.3f}{values[1]:7.3f}{values.mean():7.3f}")
    p50, p99 = (float(1e3 * np.percentile(decoded.bin_s, q)) for q in (50, 99))
    console.print(f"computing time of a bin: {p50:.3f} ms median, {p99:.3f} ms p99; a bin lasts {session.bin_s:g} s")
    return {
        "action": "evaluate",
        "file": Path(args.model).absolute(),
        "dataset": DATASET,
        "recording": kept if args.recording else None,
        "split": _told_split(split),
        "n_scored": n_scored,
        "r2": _named(r2),
        "control_r2": _named(control),
        "wiener_r2": _named(peer),
        "wiener_control_r2": _named(peer_control),
        "wiener": {"n_lags": wiener.n_lags, "ridge": wiener.ridge},
        "control_shift_bins": half,
        "trained_on_this_recording": same,
        "n_restarts": decoded.n_restarts,
        "bin_ms": {"p50": p50, "p99": p99},
        "cost_per_bin": cost,
        "spikes_per_bin": decoded.spikes_per_bin,
        "sha256": _digest(decoded.values, decoded.valid),
        "simulated": False,
    }


def _replayed(
    session: MonkeySession, split: Split, decoder: SpikingDecoder, path: Path, *, shift_bins: int, chunk_bins: int
) -> tuple[Decoded, NDArray[np.float64], int]:
    """Record the test part, play it through the decoder, and score it against the recorded kinematics."""
    import numpy as np

    from volo_acquisition.recording.reader import Recording
    from volo_app.datasets import monkey_m1
    from volo_decoders.spiking.replaying import decode_recording
    from volo_decoders.spiking.scoring import r_squared

    monkey_m1.write_recording(session, path, start=split.test.start - split.purge, shift_bins=shift_bins)
    decoded = decode_recording(path, decoder, stream=monkey_m1.SPIKES, chunk_bins=chunk_bins)
    kinematics = Recording.open(path).streams[monkey_m1.KINEMATICS]
    truth = np.asarray(kinematics.samples[:, 2:], np.float64)
    scored = (decoded.index >= split.test.start) & decoded.valid
    return decoded, r_squared(truth[scored], decoded.values[scored]), int(scored.sum())


def _require_unseen(decoder: SpikingDecoder, session: MonkeySession, split: Split) -> bool:
    """Return whether the decoder was trained on the beginning of this recording; refuse it if the test part was seen.

    Raises
    ------
    DecoderError
        If the test part was trained on, or the recording is too short to tell.
    """
    from volo_acquisition.errors import DecoderError, Reason

    n_bins = int(decoder.contract.provenance.get("n_bins", 0))
    hint = "train on this recording with volo spiking train"
    if len(session.counts) < n_bins:
        raise DecoderError(
            f"the decoder was trained on {n_bins} bins, {session.name} has {len(session.counts)}: "
            "it cannot be told whether the test part was among them",
            reason=Reason.INVALID,
            hint=hint,
        )
    same = training_digest(session, n_bins) == decoder.contract.provenance.get("sha256")
    if same and split.test.start < n_bins + split.purge:
        raise DecoderError(
            f"the decoder was trained on the first {n_bins} bins of {session.name}, its test part begins at bin "
            f"{split.test.start}",
            reason=Reason.INVALID,
            hint=hint,
        )
    return same


def training_digest(session: MonkeySession, n_bins: int) -> str:
    """Return a hash over the first bins, counts and kinematics: what tells whether a recording was trained on."""
    return _digest(session.counts[:n_bins], session.kinematics[:n_bins])


def _digest(*arrays: NDArray[np.generic]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.kind}{array.dtype.itemsize}{array.shape}".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _named(r2: NDArray[np.float64]) -> dict[str, float]:
    return {"vx": float(r2[0]), "vy": float(r2[1]), "mean": float(r2.mean())}


def _told_split(split: Split) -> dict[str, object]:
    parts = {"fit": split.fit, "validation": split.validation, "test": split.test}
    return {**{name: [part.start, part.stop] for name, part in parts.items()}, "purge": split.purge}
