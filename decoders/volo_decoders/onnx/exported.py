"""Exported chains where fitted ones are expected: the engine and replay run them without knowing the difference."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from volo_acquisition.types import StreamInfo
from volo_decoders.fitted import FittedChain
from volo_decoders.onnx.gate import check_model, read_model
from volo_decoders.onnx.runner import ExportedDecoder, OnnxRunner
from volo_decoders.onnx.signature import check_signature
from volo_decoders.pipeline.decoding import Decoding
from volo_decoders.pipeline.stopping import Accumulator

__all__ = ["ExportedChain", "exported_chain", "load_exported"]


@dataclass(frozen=True, slots=True)
class ExportedChain(FittedChain):
    """A chain whose samples are filtered and scored by an exported graph.

    Attributes
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.
    """

    data: bytes = b""
    where: str = "the model"

    def decoding(self, info: StreamInfo, skipped: Collection[tuple[int, int]] = ()) -> Decoding:
        """Return a new decoding of `info`'s stream.

        Raises
        ------
        DecoderError
            If the stream differs from the contract, or the file is refused.
        """
        runner = OnnxRunner(self.data, self.where)
        decoding = Decoding(runner, Accumulator(self.stopping, runner.manifest.lengths_samples[-1]), skipped)
        decoding.reset(info)
        return decoding


def exported_chain(data: bytes, where: str = "the model") -> ExportedChain:
    """Return the chain in the bytes of a file, which pass the gate first.

    Raises
    ------
    DecoderError
        If the file is refused.
    """
    manifest = check_model(data, where)
    return ExportedChain(
        manifest.spec,
        ExportedDecoder.of(manifest),
        manifest.rule,
        manifest.contract,
        manifest.decoder_id,
        {"exported": where},
        data,
        where,
    )


def load_exported(path: Path, *, key: Path | None = None) -> ExportedChain:
    """Return the chain in a file that `volo export` wrote.

    Parameters
    ----------
    path : Path
        The file.
    key : Path or None
        Public key: the file must have a valid signature beside it, see `signature.check_signature`.

    Raises
    ------
    FileError, DecoderError
        If the file cannot be read or is refused.
    """
    data = read_model(path)
    if key is not None:
        check_signature(data, path, key)
    return exported_chain(data, str(path))
