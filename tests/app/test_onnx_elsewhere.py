"""An exported decoder outside of this environment: in an empty one, and in JavaScript; the decisions are the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from volo_app import cli
from volo_app.demo import DemoSettings, calibrate, spell, train_speller
from volo_app.replay import replay
from volo_app.session import create_session
from volo_decoders.onnx.export import export_bytes
from volo_decoders.store import load_decoder

pytest.importorskip("onnx", reason="onnx is not installed")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "onnx_node"


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recording of spelling, and the decoder it was made with as a file."""
    folder = tmp_path_factory.mktemp("edge")
    settings = DemoSettings(text="HI VOLO", n_blocks=2)
    session = create_session(folder, "EDGE", task="ssvep", settings={})
    calibrate(session, settings)
    spell(session, settings, train_speller(session, settings))
    model = folder / "speller.onnx"
    model.write_bytes(export_bytes(load_decoder(session.folder / "decoders" / "etrca")))
    return session.run_path("ssvep", 2), model


def decided(answer: Any) -> list[tuple[int, str | None, int]]:
    return [(d["trial"], d["label"], d["stop_index"]) for d in answer["decisions"]]


def test_the_command_decides_what_replay_decides(
    spelled: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    recording, model = spelled
    assert cli.main(["run", str(model), "--source", f"replay:{recording},speed=0", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "volo.run/1"
    expected = replay(recording)
    assert len(answer["decisions"]) == 7
    assert decided(answer) == decided(expected)


def test_lines_are_one_object_a_decision(spelled: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    recording, model = spelled
    assert cli.main(["run", str(model), "--source", f"replay:{recording},speed=0", "--lines"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert decided({"decisions": lines}) == decided(replay(recording))


def test_a_duration_ends_the_run(spelled: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    recording, model = spelled
    words = ["run", str(model), "--source", f"replay:{recording},speed=0", "--duration", "10", "--json"]
    assert cli.main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert 0 < len(answer["decisions"]) < 7


def test_a_source_without_markers_is_a_no_that_says_why(
    spelled: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, model = spelled
    words = ["run", str(model), "--source", "synthetic", "--duration", "1", "--json"]
    assert cli.main(words) == 1
    assert "no marker 'stimulus/onset' came" in capsys.readouterr().err


def test_an_exported_file_spells_and_its_recording_replays_with_it(
    spelled: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, model = spelled
    words = ["spell", "--decoder", str(model), "--text", "GO", "--workspace", str(tmp_path), "--json"]
    assert cli.main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    (run,) = (Path(answer["session"]) / "sourcedata").glob("*.xdf")
    assert (Path(answer["session"]) / "decoders" / "etrca" / "model.onnx").read_bytes() == model.read_bytes()
    assert cli.main(["replay", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == answer["sha256"]


@pytest.mark.slow
def test_an_environment_of_numpy_and_onnxruntime_runs_it(spelled: tuple[Path, Path], tmp_path: Path) -> None:
    recording, model = spelled
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("volo-*.whl")
    venv.create(tmp_path / "edge", with_pip=True, symlinks=os.name != "nt")
    python = next((tmp_path / "edge").glob("[bS]*/python*"))
    inside = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run([*inside, *constraints, "-r", str(ROOT / "installer" / "edge-requirements.txt")], check=True)
    subprocess.run([*inside, "--no-deps", str(wheel)], check=True)
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    )
    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert not names & {"scipy", "scikit-learn", "mne", "onnx", "torch", "pyside6-essentials", "pylsl", "brainflow"}
    words = ["-m", "volo_app", "run", str(model), "--source", f"replay:{recording},speed=0", "--json"]
    done = subprocess.run([str(python), *words], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert decided(json.loads(done.stdout)) == decided(replay(recording))


@pytest.mark.slow
def test_javascript_decides_the_same(spelled: tuple[Path, Path], tmp_path: Path) -> None:
    recording, model = spelled
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("Node.js is not installed")
    for name in ("package.json", ".npmrc", "stream.mjs", "xdf.mjs", "manifest.mjs"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    subprocess.run([npm, "install", "--ignore-scripts", "--no-audit", "--no-fund"], check=True, cwd=tmp_path)
    done = subprocess.run(
        [node, "stream.mjs", str(model), str(recording)], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert decided(json.loads(done.stdout)) == decided(replay(recording))
