"""What a file must be before onnxruntime gets it: small, self-contained, of known operators, with the right ends."""

from __future__ import annotations

import hashlib
from pathlib import Path

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_decoders.onnx.graph import NEXT
from volo_decoders.onnx.manifest import KEY, KEY_SHA256, Manifest
from volo_decoders.onnx.operators import DOMAINS, OPERATORS
from volo_decoders.onnx.wire import ModelOutline, Tensor, WireError, outline

__all__ = ["MAX_BYTES", "MAX_NODES", "check_model", "read_model"]

#: Largest file that is read.
MAX_BYTES = 200_000_000
#: Most nodes that a graph may have.
MAX_NODES = 5_000
#: Number formats as ONNX numbers them.
FORMATS = {"float32": 1, "int64": 7, "bool": 9, "float64": 11}
#: How other files begin that are handed out as models.
_DISGUISES = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"PK\x03\x04": "a zip archive (PyTorch and numpy write such)",
    b"\x89HDF": "an HDF5 file",
}


def read_model(path: Path) -> bytes:
    """Return the bytes of a file that is not too large.

    Raises
    ------
    FileError
        If it is missing, a folder, or cannot be read.
    DecoderError
        If it is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileError(
            f"{path} could not be read: {error.strerror}", reason=Reason.NOT_FOUND, hint="give the .onnx file"
        ) from error
    if len(data) > MAX_BYTES:
        raise _refused(str(path), f"it is larger than {MAX_BYTES // 1_000_000} MB")
    return data


def check_model(data: bytes, where: str = "the model") -> Manifest:
    """Refuse bytes that are not an exported chain; nothing in them is run.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.

    Returns
    -------
    Manifest
        What the file says of itself.

    Raises
    ------
    DecoderError
        One line: what was expected and what came.
    """
    if len(data) > MAX_BYTES:
        raise _refused(where, f"it is larger than {MAX_BYTES // 1_000_000} MB")
    for magic, what in _DISGUISES.items():
        if data.startswith(magic):
            raise _refused(where, f"it is {what}, not an ONNX model")
    if not data:
        raise _refused(where, "it is empty")
    try:
        found = outline(data)
    except WireError as error:
        raise _refused(where, f"it is not an ONNX model: {error}") from error
    problem = _problem(found)
    if problem:
        raise _refused(where, problem)
    manifest = Manifest.from_json(found.metadata[KEY], where)
    problem = _ends_differ(found, manifest)
    if problem:
        raise _refused(where, problem)
    return manifest


def _problem(found: ModelOutline) -> str:
    strange = sorted(found.operators - OPERATORS)
    checks = (
        (found.external, "some of its numbers lie outside the file (external data)"),
        (found.n_functions, "it defines functions or training graphs, which no exported chain does"),
        (found.domains - DOMAINS, f"it needs operators of {', '.join(sorted(found.domains - DOMAINS))}"),
        (strange, f"it has operators that no exported chain has: {', '.join(strange[:5])}"),
        (found.n_nodes > MAX_NODES, f"its graph has {found.n_nodes} nodes, allowed are {MAX_NODES}"),
        (KEY not in found.metadata, f"it has no metadata {KEY!r}: Volo did not export it"),
        (
            found.metadata.get(KEY_SHA256) != hashlib.sha256(found.metadata.get(KEY, "").encode()).hexdigest(),
            f"its manifest is not the one that {KEY_SHA256!r} names",
        ),
    )
    return next((problem for wrong, problem in checks if wrong), "")


def _ends_differ(found: ModelOutline, manifest: Manifest) -> str:
    """Return how inputs and outputs differ from what the manifest promises; empty if they do not."""
    hop, n_channels = manifest.hop_samples, len(manifest.stream["channels"])
    states = {s.name: (FORMATS[s.dtype], s.shape) for s in manifest.states}
    question: dict[str, Tensor] = {"onset": (FORMATS["int64"], (1,)), "length": (FORMATS["int64"], (1,))}
    inputs = {"chunk": (FORMATS["float64"], (hop, n_channels)), **question, **states}
    outputs = {
        "scores": (FORMATS["float64"], (len(manifest.classes),)),
        "ready": (FORMATS["int64"], (1,)),
        "valid": (FORMATS["bool"], (hop,)),
        **{name + NEXT: tensor for name, tensor in states.items()},
    }
    for kind, has, wanted in (("input", found.inputs, inputs), ("output", found.outputs, outputs)):
        for name in sorted(set(has) | set(wanted)):
            if name not in wanted:
                return f"it has an {kind} {name!r} that its manifest does not name"
            if name not in has:
                return f"it has no {kind} {name!r}"
            if has[name] != wanted[name]:
                return f"its {kind} {name!r} has format and shape {has[name]}, expected {wanted[name]}"
    return ""


def _refused(where: str, why: str) -> DecoderError:
    return DecoderError(
        f"{where} was not loaded: {why}", reason=Reason.INVALID, hint="give a file that `volo export` wrote"
    )
