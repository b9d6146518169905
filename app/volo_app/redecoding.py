"""Any recording that is understood, decoded again: by a chain or a spiking network, for command line and desk."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_app.converting import as_recording
from volo_app.replay import Onlooker, replay

__all__ = ["redecode"]


def redecode(
    path: Path,
    *,
    decoder: Path | None = None,
    speed: float = 0.0,
    chunk_samples: int = 0,
    stream: str = "",
    ideal: bool = False,
    onlooker: Onlooker | None = None,
) -> Mapping[str, object]:
    """Decode a recording again; see `volo_app.replay.replay`.

    Parameters
    ----------
    path : Path
        A recording of Volo's, or a file that `volo_app.converting.as_recording` understands.
    decoder : Path or None
        Folder of a decoder, an exported chain, or a spiking decoder's file; None takes the recording's own, which for
        a recording of two talkers is trained on its first half.
    speed, chunk_samples, stream, ideal, onlooker
        As for `replay`; a spiking decoder always runs as fast as it can.

    Returns
    -------
    Mapping
        As `replay`; of a spiking decoder ``outputs``, ``n_bins``, ``n_scored``, ``r2`` (None: not recorded).

    Raises
    ------
    FileError, DeviceError, DecoderError
        If the file or the decoder is absent, damaged, or does not fit.
    """
    if not path.exists():
        raise FileError(f"{path} is not there", reason=Reason.NOT_FOUND, hint="check the path")
    with tempfile.TemporaryDirectory(prefix="volo-replay-") as folder:
        recording = as_recording(path, Path(folder))
        if decoder is not None and decoder.suffix == ".onnx" and _is_spiking(decoder):
            found = _decode_spikes(recording, decoder, chunk_samples or 1)
        elif decoder is None and Recording.open(recording).header.get("task") == "attend":
            from volo_app import attention

            found = attention.redecode(recording, chunk_samples)
        else:
            found = dict(
                replay(
                    recording,
                    decoder=decoder,
                    speed=speed,
                    chunk_samples=chunk_samples,
                    stream=stream,
                    ideal=ideal,
                    onlooker=onlooker,
                )
            )
        return {**found, "file": str(path.absolute())}


def _is_spiking(path: Path) -> bool:
    from volo_decoders.onnx.gate import read_model
    from volo_decoders.onnx.wire import WireError, outline
    from volo_decoders.spiking.contract import METADATA_KEY

    try:
        return METADATA_KEY in outline(read_model(path)).metadata
    except WireError:
        return False


def _decode_spikes(path: Path, decoder_path: Path, chunk_bins: int) -> dict[str, object]:
    """Play spike counts through a spiking decoder, and score it against the kinematics, if there are any."""
    import hashlib

    import numpy as np

    from volo_decoders.spiking.replaying import decode_recording
    from volo_decoders.spiking.scoring import r_squared
    from volo_decoders.spiking.stage import SpikingDecoder

    streams = Recording.open(path).streams
    counts = [name for name, stream in streams.items() if stream.info.kind == "spikes"]
    if len(counts) != 1:
        raise FileError(
            f"{path} has {len(counts)} streams of spike counts, a spiking decoder takes one",
            reason=Reason.NO_DATA if not counts else Reason.AMBIGUOUS,
            hint="give a recording with one stream of kind 'spikes'",
        )
    decoder = SpikingDecoder(str(decoder_path.absolute()))
    decoded = decode_recording(path, decoder, stream=counts[0], chunk_bins=chunk_bins)
    outputs = decoder.contract.outputs
    truth = [
        (stream, [stream.info.channel_names.index(name) for name in outputs])
        for stream in streams.values()
        if set(outputs) <= set(stream.info.channel_names) and len(stream.samples) == len(decoded.values)
    ]
    valid = decoded.valid
    r2: dict[str, float | None] = dict.fromkeys(outputs)
    if truth and valid.any():
        stream, columns = truth[0]
        wanted = np.asarray(stream.samples[:, columns], np.float64)[valid]
        r2 = {
            name: float(value)
            for name, value in zip(outputs, r_squared(wanted, decoded.values[valid].astype(np.float64)), strict=True)
        }
    return {
        "decoder": decoder_path.stem,
        "sha256": hashlib.sha256(decoded.values.astype("<f4").tobytes()).hexdigest(),
        "outputs": list(outputs),
        "n_bins": len(decoded.values),
        "n_scored": int(valid.sum()),
        "r2": r2,
        "trained_bins": decoder.contract.provenance.get("n_bins"),
    }
