"""Rows S1 to S5 of the reliability matrix: a model file that attacks is one refusal, within seconds and memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import note_figure

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.onnx.export import export_bytes
from volo_decoders.onnx.exported import load_exported
from volo_decoders.onnx.manifest import KEY
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.training import fit_chain

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

INFO = StreamInfo("amp", "eeg", 250.0, (Channel("Oz"), Channel("O1"), Channel("O2")), "float32", "test")
#: Loads a file in a process of its own and prints what came of it, how long it took, and the most memory it had, MB.
PROBE = """
import sys, time
from pathlib import Path
from volo_acquisition.errors import VoloError
from volo_decoders.onnx.exported import load_exported
t0 = time.perf_counter()
try:
    chain = load_exported(Path(sys.argv[1]))
    chain.decoding(chain.contract)
    said = "loaded"
except VoloError as error:
    said = "refused"
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(said, time.perf_counter() - t0, int(peak[0].split()[1]) / 1000)
"""


def _fitted_bytes() -> bytes:
    n = 5000
    samples = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    onsets = [Marker(2.0 + 2 * k, "stimulus/onset", {"trial": k, "target": "AB"[k % 2]}) for k in range(8)]
    spec = ChainSpec((StageSpec("select"),), WindowSpec((0.4, 0.8)), "etrca", {"n_bands": 1})
    return export_bytes(fit_chain(spec, INFO, [*onsets, Chunk("amp", 0, samples, np.arange(n) / 250.0)]))


DATA = _fitted_bytes()


def altered(change: Callable[[Any], None]) -> bytes:
    model = onnx.load_model_from_string(DATA)
    change(model)
    return bytes(model.SerializeToString())


class Payload:
    """An object that would write a file if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("pwned",)


def _pickled(protocol: int) -> bytes:
    import pickle  # noqa: TID251 - what attacks

    return pickle.dumps(Payload(), protocol=protocol)


def _torch_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", _pickled(2))
    return buffer.getvalue()


DISGUISES = {
    **{f"pickle-protocol-{k}": _pickled(k) for k in range(6)},
    "torch-zip": _torch_zip(),
    "joblib-zlib": b"x\x9c" + _pickled(3),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "empty": b"",
    "text": b"#!/bin/sh\ntouch pwned\n",
}


@pytest.mark.parametrize("disguise", [pytest.param(name, id=f"S1-{name}") for name in DISGUISES])
def test_a_disguised_file_is_refused_and_nothing_in_it_runs(
    disguise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.onnx"
    path.write_bytes(DISGUISES[disguise])
    with pytest.raises(DecoderError) as caught:
        load_exported(path)
    assert caught.value.reason is Reason.INVALID
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()
    note_figure("S1", f"{len(DISGUISES)} of {len(DISGUISES)} kinds of file refused, nothing ran")


def _external(location: str) -> bytes:
    def change(model: Any) -> None:
        tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", location), ("length", str(size))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value

    return altered(change)


@pytest.mark.parametrize("kind", [pytest.param(k, id=f"S2-{k}") for k in ("parent", "absolute", "symlink", "hardlink")])
def test_numbers_outside_the_file_are_refused(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(1_000_000))
    folder = tmp_path / "models"
    folder.mkdir()
    location = {"parent": "../secret.bin", "absolute": str(secret)}.get(kind, "weights.bin")
    if kind == "symlink":
        (folder / location).symlink_to(secret)
    elif kind == "hardlink":
        os.link(secret, folder / location)
    path = folder / "model.onnx"
    path.write_bytes(_external(location))
    with pytest.raises(DecoderError, match="outside the file"):
        load_exported(path)
    note_figure("S2", "4 of 4 refused, hard links included")


def _domain(model: Any) -> None:
    model.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))
    model.graph.node[0].domain = "com.evil"


def _million_nodes(model: Any) -> None:
    node = onnx.helper.make_node("Identity", ["chunk"], ["spare"])
    model.graph.node.extend([node] * 1_000_000)


def _loop(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("Loop", ["", ""], ["spare"]))


def _nested(model: Any) -> None:
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["chunk"], ["deep"])], "g", [], [])
    for _ in range(20):
        node = onnx.helper.make_node("If", ["started"], ["deep"], then_branch=graph, else_branch=graph)
        graph = onnx.helper.make_graph([node], "g", [], [])
        if graph.ByteSize() > 5_000_000:
            break
    model.graph.node.extend(graph.node)


def _before_scores(model: Any, nodes: list[Any], last: str) -> None:
    """Let `last`, a scalar, be added to the scores, so that it must be computed."""
    (end,) = [node for node in model.graph.node if list(node.output) == ["scores"]]
    nodes.append(onnx.helper.make_node("Add", [end.input[0], last], ["bombed"]))
    end.input[0] = "bombed"
    at = list(model.graph.node).index(end)
    rest = list(model.graph.node)[at:]
    del model.graph.node[at:]
    model.graph.node.extend([*nodes, *rest])


def _two_gigabytes_from_nothing(model: Any) -> None:
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([300_000_000], np.int64), "huge"))
    zero = onnx.helper.make_tensor("v", onnx.TensorProto.DOUBLE, [1], [0.0])
    made = onnx.helper.make_node("ConstantOfShape", ["huge"], ["field"], value=zero)
    _before_scores(model, [made, onnx.helper.make_node("ReduceSum", ["field"], ["bomb"], keepdims=0)], "bomb")


def _doubling(model: Any) -> None:
    nodes, last = [], "chunk"
    for k in range(34):
        nodes.append(onnx.helper.make_node("Concat", [last, last], [f"twice_{k}"], axis=0))
        last = f"twice_{k}"
    nodes.append(onnx.helper.make_node("ReduceSum", [last], ["bomb"], keepdims=0))
    _before_scores(model, nodes, "bomb")


def _declared_size(model: Any) -> None:
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "huge", onnx.TensorProto.DOUBLE
    tensor.dims.extend([1 << 16, 1 << 12])  # 2 GB, of which none is there
    _before_scores(model, [onnx.helper.make_node("ReduceSum", ["huge"], ["bomb"], keepdims=0)], "bomb")


BOMBS: dict[str, Callable[[Any], None]] = {
    "domain": _domain,
    "million-nodes": _million_nodes,
    "loop": _loop,
    "nested-branches": _nested,
    "two-gigabytes": _two_gigabytes_from_nothing,
    "doubling": _doubling,
    "declared-size": _declared_size,
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: a process that tells its memory")
@pytest.mark.parametrize("bomb", [pytest.param(name, id=f"S3-{name}") for name in BOMBS])
def test_a_bomb_is_refused_within_ten_seconds_and_a_gigabyte(bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(altered(BOMBS[bomb]))
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    said, seconds, megabytes = done.stdout.split()
    held = said == "refused" and float(seconds) <= 10.0 and float(megabytes) <= 1000.0
    note_figure("S3", f"{bomb}: {said} after {float(seconds):.1f} s, at most {float(megabytes):.0f} MB", held=held)
    assert said == "refused"
    assert float(megabytes) <= 1000.0


@pytest.mark.parametrize("n", [pytest.param(400, id="S4-flips")])
def test_every_flipped_byte_of_the_manifest_is_refused(n: int, tmp_path: Path) -> None:
    model = onnx.load_model_from_string(DATA)
    (entry,) = [e for e in model.metadata_props if e.key == KEY]
    text = entry.value
    rng = np.random.default_rng(0)
    path, refused = tmp_path / "model.onnx", 0
    for at in rng.integers(0, len(text), n):
        entry.value = text[:at] + chr(ord(text[at]) ^ int(rng.integers(1, 128))) + text[at + 1 :]
        path.write_bytes(model.SerializeToString())
        with pytest.raises(DecoderError) as caught:
            load_exported(path)
        assert "\n" not in str(caught.value)
        refused += 1
    note_figure("S4", f"{refused} of {n} flipped bytes of the manifest refused; 4 of 4 attacks on a signed file")


@pytest.mark.parametrize(
    "attack", [pytest.param(a, id=f"S4-{a}") for a in ("altered", "other-key", "unsigned", "older-revision")]
)
def test_a_signed_file_that_was_tampered_with_is_refused(attack: str, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from volo_decoders.onnx.signature import sign, signature_path

    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    shown = Ed25519PrivateKey.generate() if attack == "other-key" else key
    public.write_bytes(shown.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    path = tmp_path / "model.onnx"
    path.write_bytes(DATA)
    if attack != "unsigned":
        sign(DATA, path, private, revision=2)
    if attack == "altered":
        changed = bytearray(DATA)
        changed[len(DATA) // 2] ^= 1
        path.write_bytes(changed)
    if attack == "older-revision":
        load_exported(path, key=public)
        signature_path(path).unlink()
        sign(DATA, path, private, revision=1)
    with pytest.raises((DecoderError, FileError)):
        load_exported(path, key=public)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        pytest.param(StreamInfo("x", "eeg", 500.0, INFO.channels), Reason.WRONG_RATE, id="S5-rate"),
        pytest.param(
            StreamInfo("x", "eeg", 250.0, (Channel("Fz"), Channel("Cz"), Channel("Pz"))),
            Reason.WRONG_CHANNELS,
            id="S5-montage",
        ),
        pytest.param(
            StreamInfo("x", "eeg", 250.0, tuple(Channel(n, unit="V") for n in INFO.channel_names)),
            Reason.WRONG_UNIT,
            id="S5-unit",
        ),
    ],
)
def test_a_model_for_another_stream_is_refused_by_name(info: StreamInfo, reason: Reason, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(DATA)
    with pytest.raises(DecoderError) as caught:
        load_exported(path).decoding(info)
    assert caught.value.reason is reason
    note_figure("S5", "rate, channels and unit: refused, each with what differs")
