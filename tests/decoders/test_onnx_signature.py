"""A signed file is accepted with its key; anything altered, foreign or older is one refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_decoders.onnx.signature import check_signature, sign, signature_path

pytest.importorskip("cryptography", reason="cryptography is not installed")

DATA = b"the bytes of a model"


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "speller.onnx"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_key(tmp_path, "mine")


def test_a_signed_file_is_accepted_again_and_again(model: Path, keys: tuple[Path, Path]) -> None:
    sign(DATA, model, keys[0], revision=2)
    assert check_signature(DATA, model, keys[1]) == 2
    assert check_signature(DATA, model, keys[1]) == 2


def test_an_altered_file_is_refused(model: Path, keys: tuple[Path, Path]) -> None:
    sign(DATA, model, keys[0])
    with pytest.raises(DecoderError, match="not the file that was signed"):
        check_signature(DATA + b"!", model, keys[1])


@pytest.mark.parametrize("change", [{"revision": 9}, {"sha256": "0" * 64}, {"name": "other.onnx"}])
def test_an_altered_signature_is_refused(model: Path, keys: tuple[Path, Path], change: dict[str, object]) -> None:
    path = sign(DATA, model, keys[0])
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DecoderError, match="was not made with this key"):
        check_signature(DATA, model, keys[1])


def test_another_key_is_refused(model: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    sign(DATA, model, keys[0])
    _, other = make_key(tmp_path, "other")
    with pytest.raises(DecoderError, match="was not made with this key"):
        check_signature(DATA, model, other)


def test_an_older_revision_is_refused_once_a_newer_one_was_used(model: Path, keys: tuple[Path, Path]) -> None:
    sign(DATA, model, keys[0], revision=1)
    old = signature_path(model).read_bytes()
    assert check_signature(DATA, model, keys[1]) == 1
    sign(b"newer", model, keys[0], revision=2)
    assert check_signature(b"newer", model, keys[1]) == 2
    signature_path(model).write_bytes(old)
    with pytest.raises(DecoderError, match=r"revision 1 of .* and 2 was used before"):
        check_signature(DATA, model, keys[1])


def test_a_file_without_a_signature_is_refused(model: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(FileError, match="not signed") as caught:
        check_signature(DATA, model, keys[1])
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"schema": 1}', b"[" * 90_000])
def test_what_is_no_signature_is_one_refusal(model: Path, keys: tuple[Path, Path], content: bytes) -> None:
    signature_path(model).write_bytes(content)
    with pytest.raises(DecoderError) as caught:
        check_signature(DATA, model, keys[1])
    assert caught.value.reason is Reason.DAMAGED
    assert "\n" not in str(caught.value)


def test_a_newer_signature_is_refused_by_name(model: Path, keys: tuple[Path, Path]) -> None:
    path = sign(DATA, model, keys[0])
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(DecoderError, match="schema 99"):
        check_signature(DATA, model, keys[1])


def test_what_is_no_key_is_named(model: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no private Ed25519 key"):
        sign(DATA, model, model)
    sign(DATA, model, keys[0])
    with pytest.raises(FileError, match="no public Ed25519 key"):
        check_signature(DATA, model, model)
    with pytest.raises(FileError, match="could not be read"):
        check_signature(DATA, model, tmp_path / "absent.pem")
