"""A trained decoder as one ONNX file, and the proof that it decides as the Python chain does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from volo_acquisition.clock import ManualClock, SessionClock
from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.types import EventKind, Item
from volo_decoders.fitted import FittedChain
from volo_decoders.onnx.export import export_bytes
from volo_decoders.onnx.exported import exported_chain
from volo_decoders.onnx.parity import Parity, compare, noise_items, step_times_s
from volo_decoders.onnx.signature import sign
from volo_decoders.store import load_decoder

__all__ = ["check_recording", "export_decoder"]

#: Length of the built-in noise that every exported file is checked on, seconds.
NOISE_S = 600.0
#: Least share of decisions that a file of less than full precision must take like the Python chain.
LEAST_AGREEMENT = 0.9


def export_decoder(
    folder: Path,
    out: Path,
    *,
    recording: Path | None = None,
    stream: str = "",
    precision: str = "float64",
    private_key: Path | None = None,
    revision: int = 1,
) -> Mapping[str, object]:
    """Export a decoder, compare it with the Python chain, and write it if both agree.

    Parameters
    ----------
    folder : Path
        What `volo train` wrote.
    out : Path
        The file to write; nothing is overwritten.
    recording : Path or None
        A recording to compare on, besides ten minutes of built-in noise.
    stream : str
        Its signal stream, needed if there are several.
    precision : {"float64", "float16", "int8"}
        How the decoder's weights are kept. In full precision the scores must be those of the Python chain to 1e-5 and
        all decisions the same; with fewer bits nine of ten decisions must be the same, and the loss is told.
    private_key : Path or None
        Signs the file, see `volo_decoders.onnx.signature`.
    revision : int
        Goes into the signature.

    Returns
    -------
    Mapping
        What `volo export --json` prints; ``passed`` says whether the file was written.

    Raises
    ------
    DecoderError
        If the chain is not exportable, or the recording's stream does not fit it.
    FileError
        If the decoder or the recording cannot be read, or `out` is there already.
    """
    if out.exists():
        raise FileError(f"{out} exists", reason=Reason.EXISTS, hint="choose another name; nothing is overwritten")
    fitted = load_decoder(folder)
    data = export_bytes(fitted, precision=precision)
    exported = exported_chain(data, str(out))
    checks = {"noise": compare(fitted, exported, fitted.contract, noise_items(fitted, NOISE_S))}
    if recording is not None:
        checks["recording"] = check_recording(fitted, exported, recording, stream)
    passed = all(_is_good(parity, precision) for parity in checks.values())
    signature: Path | None = None
    if passed:
        _write(out, data)
        if private_key is not None:
            signature = sign(data, out, private_key, revision)
    times = step_times_s(data, SessionClock())
    return {
        "decoder": fitted.decoder_id,
        "file": str(out.absolute()),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "classes": [str(c) for c in fitted.decoder.classes_],
        "channels": list(fitted.contract.channel_names),
        "rate_hz": fitted.contract.rate_hz,
        "windows_s": list(fitted.spec.window.lengths_s),
        "precision": precision,
        "signature": None if signature is None else str(signature.absolute()),
        "passed": passed,
        "parity": {name: {**asdict(parity), "passed": parity.passed} for name, parity in checks.items()},
        "step_ms": {"p50": 1e3 * times.step_p50, "p99": 1e3 * times.step_p99},
        "score_ms": {"p50": 1e3 * times.score_p50, "p99": 1e3 * times.score_p99},
    }


def _is_good(parity: Parity, precision: str) -> bool:
    if precision == "float64":
        return parity.passed
    return parity.n_predictions > 0 and parity.windows_equal and parity.agreement >= LEAST_AGREEMENT


def check_recording(fitted: FittedChain, exported: FittedChain, path: Path, stream: str = "") -> Parity:
    """Compare both chains on a recording, with the windows left out that were left out live.

    Raises
    ------
    FileError, DeviceError, DecoderError
        If the recording cannot be read, has no such stream, or does not fit the chain.
    """
    skipped = [(e.index, e.n) for e in Recording.open(path).events if e.kind is EventKind.SKIP]
    source = ReplaySource(ReplaySource.Settings(file=str(path), speed=0.0, stream=stream), ManualClock())
    try:
        (info,) = source.open()
        return compare(fitted, exported, info, _items(source), skipped)
    finally:
        source.close()


def _items(source: ReplaySource) -> Iterator[Item]:
    while not source.exhausted:
        yield from source.read(0.0)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            with suppress(OSError):
                path.unlink()  # half a file is none
            raise
