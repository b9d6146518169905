"""Fitted chains on disk: decoder.toml and weights.npz, or one exported model.onnx; nothing is ever pickled."""

from __future__ import annotations

import hashlib
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from volo_acquisition.errors import ConfigError, DecoderError, FileError, Reason
from volo_acquisition.types import Channel, ChannelKind, StreamInfo
from volo_decoders.chain import ChainSpec, build_decoder
from volo_decoders.fitted import FittedChain, make_id
from volo_decoders.onnx.exported import ExportedChain, load_exported
from volo_decoders.pipeline.stopping import make_stopping

__all__ = ["MODEL", "SCHEMA", "load_decoder", "save_decoder"]

#: Name of an exported chain in a decoder's folder.
MODEL = "model.onnx"

#: Version of the layout of decoder.toml; newer files are refused.
SCHEMA = 1


def save_decoder(folder: Path, fitted: FittedChain) -> Path:
    """Write `fitted` into `folder`, which may exist but holds no decoder yet.

    An exported chain is kept as the file it came from.

    Raises
    ------
    FileError
        If the folder holds a decoder already or cannot be written.
    """
    _refuse_taken(folder)
    if isinstance(fitted, ExportedChain):
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MODEL).write_bytes(fitted.data)
        return folder
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "id": fitted.decoder_id,
        "classes": [str(c) for c in fitted.decoder.classes_],
        "chain": fitted.spec.to_dict(),
        "stopping": fitted.stopping.to_dict(),
        "stream": _stream_to_dict(fitted.contract),
        "provenance": dict(fitted.provenance),
    }
    with _told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", **fitted.decoder.state())  # type: ignore[arg-type]
        values["weights_sha256"] = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
        (folder / "decoder.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
    return folder


def _refuse_taken(folder: Path) -> None:
    if any((folder / name).exists() for name in ("decoder.toml", MODEL)):
        raise FileError(
            f"{folder} holds a decoder already",
            reason=Reason.EXISTS,
            hint="choose another name; nothing is overwritten",
        )


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the disk says into an error for the operator."""
    try:
        yield
    except OSError as error:
        raise FileError(
            f"{folder} could not be written: {error.strerror}",
            reason=Reason.NOT_WRITABLE,
            hint="check the folder's permissions and the free space",
        ) from error


def load_decoder(folder: Path) -> FittedChain:
    """Read the fitted chain in `folder`, or the exported one in a file that ends in ``.onnx``.

    Raises
    ------
    FileError
        If something is missing or damaged.
    DecoderError
        If it was written by a newer Volo, its weights are not the ones it was saved with, or an exported file is
        refused.
    """
    if folder.suffix == ".onnx":
        return load_exported(folder)
    if (folder / MODEL).exists() and not (folder / "decoder.toml").exists():
        return load_exported(folder / MODEL)
    values = _read_toml(folder / "decoder.toml")
    schema = values.get("schema")
    if not isinstance(schema, int) or schema > SCHEMA:
        raise DecoderError(
            f"{folder / 'decoder.toml'} has schema {schema}, this Volo knows up to {SCHEMA}",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    try:
        spec = ChainSpec.from_dict(values["chain"], str(folder / "decoder.toml"))
        stopping = make_stopping(values["stopping"])
        contract = _stream_from_dict(values["stream"])
        decoder = build_decoder(spec).restore(_read_weights(folder / "weights.npz", values.get("weights_sha256")))
        decoder_id = str(values["id"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"{folder / 'decoder.toml'} is damaged: {error}", reason=Reason.DAMAGED, hint="train the decoder again"
        ) from error
    if make_id(spec, decoder) != decoder_id:
        raise DecoderError(
            f"{folder} does not hold the decoder {decoder_id} it was saved as",
            reason=Reason.DAMAGED,
            hint="train the decoder again",
        )
    return FittedChain(spec, decoder, stopping, contract, decoder_id, dict(values.get("provenance", {})))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileError(
            f"{path.parent} holds no decoder (decoder.toml is missing)",
            reason=Reason.NOT_FOUND,
            hint="give the folder that `volo train` wrote",
        ) from error
    except OSError as error:
        raise FileError(f"{path} could not be read: {error.strerror}", reason=Reason.NOT_FOUND) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: {error}"], hint="restore the file or train again") from error


def _read_weights(path: Path, sha256: object) -> dict[str, Any]:
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise FileError(
                f"{path} is not the file the decoder was saved with",
                reason=Reason.DAMAGED,
                hint="restore it or train the decoder again",
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path} could not be read: {error}", reason=Reason.DAMAGED, hint="train the decoder again"
        ) from error


def _stream_to_dict(info: StreamInfo) -> dict[str, Any]:
    return {
        "stream_id": info.stream_id,
        "kind": info.kind,
        "rate_hz": info.rate_hz,
        "dtype": info.dtype,
        "source": info.source,
        "channels": [{"name": c.name, "kind": str(c.kind), "unit": c.unit} for c in info.channels],
    }


def _stream_from_dict(values: Mapping[str, Any]) -> StreamInfo:
    channels = tuple(Channel(c["name"], ChannelKind(c["kind"]), c["unit"]) for c in values["channels"])
    return StreamInfo(
        values["stream_id"], values["kind"], float(values["rate_hz"]), channels, values["dtype"], values["source"]
    )
