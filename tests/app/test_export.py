"""`volo export`: the demo's decoder of 40 classes as a file, and the same decisions from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import DecoderError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.replay import ReplaySource
from volo_app import cli
from volo_app import exported as exported_module
from volo_app.demo import DemoSettings, calibrate, spell, train_speller
from volo_app.engine import Engine
from volo_app.exported import check_recording, export_decoder
from volo_app.replay import replay
from volo_app.session import Session, create_session
from volo_decoders.onnx.exported import load_exported
from volo_decoders.onnx.gate import check_model
from volo_decoders.store import load_decoder, save_decoder

pytest.importorskip("onnx", reason="onnx is not installed")

SETTINGS = DemoSettings(text="HI", n_blocks=2)


@pytest.fixture(scope="module", autouse=True)
def _a_minute_is_enough_here() -> Iterator[None]:
    """The command compares on ten minutes of noise; that is a slow test's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exported_module, "NOISE_S", 60.0)
        yield


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    made = create_session(tmp_path_factory.mktemp("workspace"), "EXPORT", task="ssvep", settings={})
    calibrate(made, SETTINGS)
    spell(made, SETTINGS, train_speller(made, SETTINGS))
    return made


@pytest.fixture(scope="module")
def folder(session: Session) -> Path:
    return session.folder / "decoders" / "etrca"


@pytest.fixture(scope="module")
def calibration(session: Session) -> Path:
    return session.run_path("ssvep", 1)


@pytest.fixture(scope="module")
def exported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("exported") / "speller.onnx"
    return path, dict(export_decoder(folder, path))


def test_forty_classes_pass_on_a_minute_of_noise(exported: tuple[Path, dict[str, Any]], folder: Path) -> None:
    path, summary = exported
    assert summary["passed"] is True
    noise = summary["parity"]["noise"]
    assert noise["n_predictions"] >= 20
    assert noise["relative"] <= 1e-5
    assert noise["decisions_equal"] is True
    assert len(summary["classes"]) == 40
    assert summary["bytes"] == path.stat().st_size
    assert summary["decoder"] == load_decoder(folder).decoder_id == check_model(path.read_bytes()).decoder_id
    for name in ("step_ms", "score_ms"):
        assert 0.0 < summary[name]["p50"] <= summary[name]["p99"]


def test_a_recording_is_decided_alike(
    exported: tuple[Path, dict[str, Any]], folder: Path, session: Session, calibration: Path
) -> None:
    fitted, graph = load_decoder(folder), load_exported(exported[0])
    for run in (calibration, session.run_path("ssvep", 2)):
        parity = check_recording(fitted, graph, run)
        assert parity.passed
        assert parity.relative <= 1e-9
    assert check_recording(fitted, graph, calibration).n_decisions == 80


@pytest.mark.parametrize("chunk", [1, 7, 256])
def test_the_engine_runs_an_exported_file_and_decides_what_replay_decides(
    exported: tuple[Path, dict[str, Any]], session: Session, chunk: int
) -> None:
    run = session.run_path("ssvep", 2)
    clock = ManualClock()
    source = ReplaySource(ReplaySource.Settings(file=str(run), speed=0.0, chunk_samples=chunk), clock)
    result = Engine(source, clock, chain=load_exported(exported[0]), max_lag_s=None).run()
    again = replay(run)
    decided = [{"trial": d.group, "label": d.label, "stop_index": d.stop_index} for d in result.decisions]
    expected = again["decisions"]
    assert isinstance(expected, list)
    assert decided == [{key: d[key] for key in ("trial", "label", "stop_index")} for d in expected]
    assert [d.confidence for d in result.decisions] == pytest.approx([d["confidence"] for d in expected])
    assert result.n_predictions == again["n_predictions"]


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any], str]:
    status = cli.main(["export", *words, "--json"])
    out, err = capsys.readouterr()
    return status, json.loads(out), err


def test_the_command_writes_the_file_and_reports_parity(
    folder: Path, calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "speller.onnx"
    status, answer, err = command(capsys, str(folder), "--out", str(out), "--check", str(calibration))
    assert status == 0
    assert answer["schema"] == "volo.export/1"
    assert set(answer["parity"]) == {"noise", "recording"}
    assert "decisions equal" in err
    assert load_exported(out).decoder_id == answer["decoder"]
    status, answer, _ = command(capsys, str(folder), "--out", str(out))
    assert status == 1
    assert answer["error"]["reason"] == "exists"


def test_a_graph_that_differs_is_not_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = load_decoder(folder)
    state = fitted.decoder.state()
    state["templates"] = np.roll(state["templates"], 3, axis=-1)
    wrong = replace(fitted, decoder=type(fitted.decoder)(**fitted.decoder.get_params()).restore(state))
    from volo_app import exported

    monkeypatch.setattr(exported, "export_bytes", lambda *_, **__: exported_bytes(wrong))
    status, answer, err = command(capsys, str(folder), "--out", str(tmp_path / "wrong.onnx"))
    assert status == 1
    assert answer["passed"] is False
    assert "was not written" in err
    assert not (tmp_path / "wrong.onnx").exists()


def exported_bytes(chain: Any) -> bytes:
    from volo_decoders.onnx.export import export_bytes

    return export_bytes(chain)


def test_a_decoder_without_a_graph_is_one_line_that_names_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from volo_decoders.onnx import lowering

    lowering.decoder_lowering("etrca")
    monkeypatch.delitem(lowering._DECODERS, "etrca")
    status, answer, err = command(capsys, str(folder), "--out", str(tmp_path / "f.onnx"))
    assert status == 1
    assert answer["error"]["reason"] == "unsupported"
    assert "not exportable: decoder 'etrca'" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "f.onnx").exists()


def test_a_decoder_without_calibration_is_exported_too(
    calibration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", str(calibration), "--decoder", "fbcca", "--out", str(tmp_path / "f"), "--quiet"]) == 0
    capsys.readouterr()
    status, answer, _ = command(
        capsys, str(tmp_path / "f"), "--out", str(tmp_path / "f.onnx"), "--check", str(calibration)
    )
    assert status == 0
    assert answer["parity"]["recording"]["n_decisions"] >= 75
    assert answer["parity"]["recording"]["relative"] <= 1e-5
    assert answer["parity"]["recording"]["decisions_equal"] is True


def test_a_recording_of_another_montage_is_refused(
    exported: tuple[Path, dict[str, Any]], folder: Path, calibration: Path
) -> None:
    graph = load_exported(exported[0])
    (stream,) = Recording.open(calibration).streams.values()
    fewer = replace(stream.info, channels=stream.info.channels[:3])
    with pytest.raises(DecoderError) as caught:
        graph.decoding(fewer)
    assert caught.value.reason is Reason.WRONG_CHANNELS


def test_a_folder_without_a_decoder_and_a_place_that_is_not_there_are_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, answer, _ = command(capsys, str(tmp_path), "--out", str(tmp_path / "x.onnx"))
    assert (status, answer["error"]["reason"]) == (1, "not_found")
    status, answer, _ = command(capsys, str(folder), "--out", str(tmp_path / "absent" / "x.onnx"))
    assert (status, answer["error"]["reason"]) == (1, "not_found")
    assert "absent" in answer["error"]["message"]


def test_a_stored_decoder_exports_like_the_one_in_memory(folder: Path, tmp_path: Path) -> None:
    fitted = load_decoder(folder)
    again = load_decoder(save_decoder(tmp_path / "again", fitted))
    assert exported_bytes(again) == exported_bytes(fitted)


@pytest.mark.slow
def test_ten_minutes_are_decided_alike(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported_module, "NOISE_S", 600.0)
    parity: Any = export_decoder(folder, tmp_path / "long.onnx")["parity"]
    assert parity["noise"]["n_predictions"] >= 1000
    assert parity["noise"]["relative"] <= 1e-5
    assert parity["noise"]["decisions_equal"] is True
