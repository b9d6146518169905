"""Who made an exported file: a detached Ed25519 signature in a small JSON file beside it.

``speller.onnx.sig`` names the file's SHA-256 and its revision, both signed. Whoever holds the public key accepts a
file only with a valid signature, and no revision older than one accepted before: those are remembered beside the key.
Needs the package ``cryptography`` (``pip install 'volo[sign]'``); keys are PEM files as OpenSSL writes them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from volo_acquisition.errors import DecoderError, FileError, Reason

__all__ = ["SCHEMA", "check_signature", "sign", "signature_path"]

#: Version of the signature's file; newer ones are refused.
SCHEMA = 1
#: More than this is no signature.
_MAX_BYTES = 100_000


def signature_path(model: Path) -> Path:
    """Return where the signature of a file is."""
    return model.with_name(model.name + ".sig")


def sign(data: bytes, model: Path, private_key: Path, revision: int = 1) -> Path:
    """Write the signature of a file beside it.

    Parameters
    ----------
    data : bytes
        The file's content.
    model : Path
        Where it is.
    private_key : Path
        PEM file of an Ed25519 key without a password: ``openssl genpkey -algorithm ed25519 -out private.pem``.
    revision : int
        Counts up with each new file for the same use; from 1.

    Raises
    ------
    FileError
        If the key cannot be read or is of another kind, or the signature cannot be written.
    ValueError
        If the revision is below 1.
    """
    if revision < 1:
        raise ValueError(f"revision: got {revision}, the first is 1")
    keys = _keys()
    try:
        key = keys.load_pem_private_key(_read(private_key), password=None)
    except (ValueError, TypeError) as error:
        raise _bad_key(private_key, "private", str(error)) from error
    if not hasattr(key, "sign") or key.__class__.__name__ != "Ed25519PrivateKey":
        raise _bad_key(private_key, "private", "it is of another kind")
    content = {"schema": SCHEMA, "name": model.name, "sha256": hashlib.sha256(data).hexdigest(), "revision": revision}
    signature = base64.b64encode(key.sign(_canonical(content))).decode()
    path = signature_path(model)
    try:
        path.write_text(json.dumps({**content, "signature": signature}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path} could not be written: {error.strerror}", reason=Reason.NOT_WRITABLE) from error
    return path


def check_signature(data: bytes, model: Path, public_key: Path) -> int:
    """Refuse a file whose signature does not hold, or that is older than one accepted before; return its revision.

    Parameters
    ----------
    data : bytes
        The file's content.
    model : Path
        Where it is; the signature is beside it.
    public_key : Path
        PEM file. Beside it, ``<key>.seen`` remembers the newest revision of each name.

    Raises
    ------
    DecoderError
        If the file is refused.
    FileError
        If there is no signature, or the key cannot be read.
    """
    content = _read_signature(signature_path(model))
    keys = _keys()
    try:
        key = keys.load_pem_public_key(_read(public_key))
    except ValueError as error:
        raise _bad_key(public_key, "public", str(error)) from error
    if key.__class__.__name__ != "Ed25519PublicKey":
        raise _bad_key(public_key, "public", "it is of another kind")
    from cryptography.exceptions import InvalidSignature

    signature = content.pop("signature")
    try:
        key.verify(base64.b64decode(signature, validate=True), _canonical(content))
    except (InvalidSignature, ValueError) as error:
        raise _refused(model, "its signature was not made with this key") from error
    if content["sha256"] != hashlib.sha256(data).hexdigest():
        raise _refused(model, "it is not the file that was signed")
    revision, name = int(content["revision"]), str(content["name"])
    seen_path = public_key.with_name(public_key.name + ".seen")
    seen = _seen(seen_path)
    if revision < seen.get(name, 0):
        raise _refused(model, f"it is revision {revision} of {name}, and {seen[name]} was used before")
    if revision > seen.get(name, 0):
        try:
            seen_path.write_text(json.dumps({**seen, name: revision}, sort_keys=True) + "\n", encoding="utf-8")
        except OSError as error:
            raise FileError(
                f"{seen_path} could not be written: {error.strerror}",
                reason=Reason.NOT_WRITABLE,
                hint="keep the key where its newest accepted revision can be remembered",
            ) from error
    return revision


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _read_signature(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise FileError(
            f"{path} is missing: the file is not signed",
            reason=Reason.NOT_FOUND,
            hint="get the signature as well, or leave the key out to run a file of unknown origin",
        )
    try:
        content: dict[str, Any] = json.loads(_read(path))
        wanted = {"schema": int, "name": str, "sha256": str, "revision": int, "signature": str}
        if set(content) != set(wanted) or not all(type(content[k]) is kind for k, kind in wanted.items()):
            raise ValueError("it has not the entries of a signature")
    except (ValueError, TypeError, RecursionError) as error:
        raise DecoderError(
            f"{path} is no signature: {error}", reason=Reason.DAMAGED, hint="get the file and its signature again"
        ) from error
    if content["schema"] > SCHEMA:
        raise DecoderError(
            f"{path} has schema {content['schema']}, this Volo knows up to {SCHEMA}",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    return content


def _seen(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    try:
        values = json.loads(_read(path))
        return {str(name): int(revision) for name, revision in values.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DecoderError(
            f"{path} is damaged: {error}",
            reason=Reason.DAMAGED,
            hint="it remembers which revisions were used; remove it only if you know why it is damaged",
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise FileError(
            f"{path} could not be read: {error.strerror}", reason=Reason.NOT_FOUND, hint="check the path"
        ) from error


def _keys() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise DecoderError(
            "the package 'cryptography' is not installed, without it no signature is made or checked",
            reason=Reason.NOT_FOUND,
            hint="pip install 'volo[sign]'",
        ) from error
    return serialization


def _bad_key(path: Path, kind: str, why: str) -> FileError:
    return FileError(
        f"{path} is no {kind} Ed25519 key: {why}",
        reason=Reason.INVALID,
        hint="make one with: openssl genpkey -algorithm ed25519 -out private.pem",
    )


def _refused(model: Path, why: str) -> DecoderError:
    return DecoderError(
        f"{model} was not loaded: {why}", reason=Reason.INVALID, hint="get the file again from whoever made it"
    )
