"""What is not an exported chain is refused in one line before anything in it runs."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.errors import DecoderError, FileError, Reason
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo
from volo_decoders.chain import ChainSpec, StageSpec
from volo_decoders.onnx import gate
from volo_decoders.onnx.export import export_bytes
from volo_decoders.onnx.exported import exported_chain, load_exported
from volo_decoders.onnx.gate import check_model
from volo_decoders.onnx.manifest import KEY, KEY_SHA256
from volo_decoders.onnx.steps import Steps
from volo_decoders.onnx.wire import WireError, outline
from volo_decoders.pipeline.windower import WindowSpec
from volo_decoders.training import fit_chain

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

INFO = StreamInfo("amp", "eeg", 250.0, (Channel("Oz"), Channel("O1"), Channel("O2")), "float32", "test")
STAGES = (StageSpec("select"), StageSpec("filter_bank", {"pass_bands_hz": [[6.0, 90.0], [14.0, 90.0]]}))


def items() -> list[Marker | Chunk]:
    """Noise with eight trials of two classes: enough to fit, not to decode."""
    n = 5000
    samples = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    onsets = [Marker(2.0 + 2 * k, "stimulus/onset", {"trial": k, "target": "AB"[k % 2]}) for k in range(8)]
    return [*onsets, Chunk("amp", 0, samples, np.arange(n) / 250.0)]


FITTED = fit_chain(ChainSpec(STAGES, WindowSpec((0.4, 0.8)), "etrca", {"n_bands": 2}), INFO, items())
DATA = export_bytes(FITTED)


class Exploit:
    """An object that would write a file if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path("pwned"),)  # type: ignore[return-value]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("data.pkl", b"\x80\x02.")
    return buffer.getvalue()


def altered(change: Callable[[Any], None]) -> bytes:
    model = onnx.load_model_from_string(DATA)
    change(model)
    return bytes(model.SerializeToString())


def other_manifest(**changes: Any) -> bytes:
    def change(model: Any) -> None:
        values = json.loads(model.metadata_props[0].value)
        values.update(changes)
        text = json.dumps(values)
        onnx.helper.set_model_props(model, {KEY: text, KEY_SHA256: hashlib.sha256(text.encode()).hexdigest()})

    return altered(change)


def external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"


def external_inside_a_branch(model: Any) -> None:
    branch = next(a.g for node in model.graph.node if node.op_type == "If" for a in node.attribute)
    tensor = branch.initializer.add()
    tensor.name, tensor.data_type = "hidden", onnx.TensorProto.FLOAT
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def foreign_domain(model: Any) -> None:
    model.opset_import.append(onnx.helper.make_opsetid("com.evil", 1))
    model.graph.node[0].domain = "com.evil"


def function(model: Any) -> None:
    model.functions.add().name = "f"


def no_metadata(model: Any) -> None:
    del model.metadata_props[:]


def renamed_state(model: Any) -> None:
    model.graph.input[-1].name = "other"


def wider_chunk(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8


def dynamic_chunk(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"


def single_precision(model: Any) -> None:
    (scores,) = [value for value in model.graph.output if value.name == "scores"]
    scores.type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def many_nodes(model: Any) -> None:
    model.graph.node.extend([onnx.helper.make_node("Identity", ["chunk"], [f"n{k}"]) for k in range(gate.MAX_NODES)])


REFUSED = {
    "empty": (b"", "it is empty"),
    "pickle": (b"\x80\x04\x95\x00", "it is a pickle, not an ONNX model"),
    "zip": (zipped(), "zip archive"),
    "text": (b"this is no model\n" * 9, "it is not an ONNX model"),
    "cut": (DATA[: len(DATA) // 2], "it is not an ONNX model: it ends too early"),
    "external data": (altered(external), "external data"),
    "external data in a branch": (altered(external_inside_a_branch), "external data"),
    "foreign operators": (altered(foreign_domain), "com.evil"),
    "functions": (altered(function), "functions"),
    "another's model": (altered(no_metadata), "Volo did not export it"),
    "state with another name": (altered(renamed_state), "it has no input 'filled'"),
    "wrong channels": (altered(wider_chunk), "'chunk' has format and shape (11, (5, 8)), expected (11, (5, 3))"),
    "dynamic hop": (altered(dynamic_chunk), "'chunk'"),
    "single precision": (altered(single_precision), "'scores'"),
    "too many nodes": (altered(many_nodes), "nodes, allowed are 5000"),
    "newer": (other_manifest(schema=99), "schema 99"),
    "another chain": (other_manifest(chain={**FITTED.spec.to_dict(), "hop_s": 0.5}), "hash"),
    "huge state": (
        other_manifest(
            states=[
                {"name": "ring", "dtype": "float32", "shape": [10**9, 9]},
                {"name": "filled", "dtype": "int64", "shape": [1]},
            ]
        ),
        "more than",
    ),
    "no ring": (other_manifest(states=[]), "'ring'"),
    "unknown key": (other_manifest(surprise=1), "surprise"),
    "endless window": (other_manifest(offset_samples=10**15), "more than"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_no_exported_chain_is_one_refusal(what: str, tmp_path: Path) -> None:
    data, word = REFUSED[what]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(DecoderError) as caught:
        load_exported(path)
    assert word in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_disguised_pickle_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle  # noqa: TID251

    monkeypatch.chdir(tmp_path)
    (tmp_path / "decoder.onnx").write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(DecoderError, match="it is a pickle"):
        load_exported(tmp_path / "decoder.onnx")
    assert not (tmp_path / "pwned").exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"absent\.onnx could not be read"):
        load_exported(tmp_path / "absent.onnx")


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "MAX_BYTES", len(DATA) - 1)
    (tmp_path / "model.onnx").write_bytes(DATA)
    with pytest.raises(DecoderError, match="larger than"):
        load_exported(tmp_path / "model.onnx")


def test_altered_weights_pass_the_gate_and_fail_the_test_scores() -> None:
    def change(model: Any) -> None:
        tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
        tensor.raw_data = bytes(np.frombuffer(tensor.raw_data)[::-1].tobytes())

    data = altered(change)
    check_model(data)
    with pytest.raises(DecoderError, match="does not compute what it was exported with") as caught:
        Steps(data)
    assert caught.value.reason is Reason.DAMAGED


def test_a_graph_that_onnxruntime_cannot_run_is_one_refusal() -> None:
    def change(model: Any) -> None:
        model.graph.node[0].op_type = "Sin"  # of one input, where two come

    with pytest.raises(DecoderError, match="cannot be run by onnxruntime") as caught:
        Steps(altered(change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (StreamInfo("x", "eeg", 500.0, INFO.channels), Reason.WRONG_RATE),
        (StreamInfo("x", "eeg", 250.0, (Channel("Fz"), Channel("Cz"), Channel("Pz"))), Reason.WRONG_CHANNELS),
        (StreamInfo("x", "eeg", 250.0, tuple(Channel(n, unit="V") for n in INFO.channel_names)), Reason.WRONG_UNIT),
    ],
)
def test_a_stream_that_the_file_was_not_made_for_is_refused(info: StreamInfo, reason: Reason) -> None:
    with pytest.raises(DecoderError) as caught:
        exported_chain(DATA).decoding(info)
    assert caught.value.reason is reason


@pytest.mark.parametrize("key", sorted(json.loads(onnx.load_model_from_string(DATA).metadata_props[0].value)))
@pytest.mark.parametrize("value", [None, "x", -1, [], {}])
def test_a_manifest_of_wrong_values_is_one_refusal_or_harmless(key: str, value: Any) -> None:
    data = other_manifest(**{key: value})
    try:
        Steps(data)
    except DecoderError:
        return
    assert key in {"versions", "decoder_id", "stopping"}  # texts for people


@settings(max_examples=300)
@given(at=st.integers(0, len(DATA) - 1), put=st.binary(min_size=1, max_size=6))
def test_no_damage_gets_past_the_reader_as_anything_but_a_refusal(at: int, put: bytes) -> None:
    try:
        check_model(DATA[:at] + put + DATA[at + len(put) :])
    except DecoderError as error:
        assert "\n" not in str(error)


@settings(max_examples=300)
@given(data=st.binary(max_size=200))
def test_the_reader_ends_on_any_bytes(data: bytes) -> None:
    try:
        found = outline(data)
    except WireError:
        return
    assert found.n_nodes <= len(data)


def test_the_reader_sees_what_onnx_sees() -> None:
    model, found = onnx.load_model_from_string(DATA), outline(DATA)
    graphs = [a.g for node in model.graph.node for a in node.attribute if a.HasField("g")]
    assert found.n_nodes == len(model.graph.node) + sum(len(g.node) for g in graphs)
    assert list(found.inputs) == [value.name for value in model.graph.input]
    assert list(found.outputs) == [value.name for value in model.graph.output]
    assert found.metadata[KEY] == model.metadata_props[0].value
    assert not found.external
    for value in model.graph.input:
        kind = value.type.tensor_type
        assert found.inputs[value.name] == (kind.elem_type, tuple(d.dim_value for d in kind.shape.dim))
