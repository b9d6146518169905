"""The command line as a person meets it: real processes, exit statuses, files on the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from volo_acquisition.clock import SessionClock
from volo_acquisition.recording.reader import Recording

VOLO = [sys.executable, "-m", "volo_app"]


def volo(*words: str, cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [*VOLO, *words], capture_output=True, text=True, encoding="utf-8", timeout=120, cwd=cwd, check=False
    )
    return done.returncode, done.stdout, done.stderr


def record(out: Path, *words: str) -> dict[str, object]:
    status, text, err = volo("record", "--source", "synthetic", "--out", str(out), "--json", *words)
    assert status == 0, err
    (line,) = text.splitlines()
    answer = json.loads(line)
    assert answer["schema"] == "volo.record/1"
    return answer


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What ``volo record`` says of a recording of 1 s with a gap of 0.1 s."""
    folder = tmp_path_factory.mktemp("recorded") / "made" / "here"
    return record(folder, "--duration", "1", "--source", "synthetic:faults=gap at_s=0.5 duration_s=0.1")


def test_a_recording_is_what_the_command_says_it_is(recorded: dict[str, object]) -> None:
    path = Path(str(recorded["file"]))
    assert path.is_absolute()
    assert path.name == "synthetic_run-01_eeg.xdf"
    beside = [path.name + ending for ending in ("", ".idx", ".manifest.json")]
    assert sorted(entry.name for entry in path.parent.glob("*.xdf*")) == beside
    (stream,) = Recording.open(path).streams.values()
    assert recorded["samples"] == {"synthetic": len(stream)}
    assert recorded["gaps"] == 1
    assert recorded["lost"] == 25 == np.diff(stream.index).max() - 1
    assert recorded["duration_s"] >= 1.0


def test_a_sound_recording_is_verified_with_status_0(recorded: dict[str, object]) -> None:
    status, out, _ = volo("verify", str(recorded["file"]), "--json")
    answer = json.loads(out)
    assert (status, answer["ok"], answer["complete"], answer["gaps"]) == (0, True, True, 1)
    assert answer["samples"]["synthetic"] == recorded["samples"]["synthetic"]


def test_a_cut_recording_is_verified_with_status_1_and_repaired(recorded: dict[str, object], tmp_path: Path) -> None:
    part = tmp_path / "x.xdf.part"
    part.write_bytes(Path(str(recorded["file"])).read_bytes()[:-5000])
    status, out, err = volo("verify", str(part), "--json")
    answer = json.loads(out)
    assert (status, answer["ok"]) == (1, False)
    assert answer["problems"]
    assert err.splitlines()[-1].startswith("volo: error: ")
    status, out, err = volo("repair", str(part), "--json")
    assert status == 0, err
    mended = json.loads(out)
    assert Path(mended["file"]) == tmp_path / "x.xdf"
    assert 0 < mended["samples"]["synthetic"] <= recorded["samples"]["synthetic"]
    assert volo("verify", mended["file"])[0] == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_signal_ends_a_recording_cleanly(tmp_path: Path, name: str) -> None:
    child = subprocess.Popen(
        [*VOLO, "record", "--source", "synthetic", "--out", str(tmp_path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wait_for_bytes(child, tmp_path)
    child.send_signal(getattr(signal, name))
    out, _ = child.communicate(timeout=30)
    answer = json.loads(out)
    assert child.returncode == 0
    assert answer["stopped_by_signal"]
    assert len(Recording.open(Path(answer["file"])).streams["synthetic"]) == answer["samples"]["synthetic"] > 0
    assert not list(tmp_path.glob("*.part"))


def wait_for_bytes(child: subprocess.Popen[str], folder: Path) -> float:
    """Return how long it took until samples were in the file, seconds."""
    clock = SessionClock()
    began = clock.now()
    while clock.now() - began < 60.0:
        for path in folder.glob("*.part"):
            if path.stat().st_size > 5000:  # beyond the headers
                return clock.now() - began
        assert child.poll() is None
        clock.sleep(0.01)
    child.kill()
    raise AssertionError("no data in the file after 60 s")


def test_first_data_are_on_the_disk_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from volo_acquisition.recording import recorder; from volo_app.cli import main\n"
        "heavy = {'scipy', 'mne', 'rich', 'sklearn', 'brainflow', 'PySide6', 'torch', 'pyxdf', 'pylsl'}\n"
        "keep = recorder.XdfRecorder.write_item; seen = []\n"
        "def write(self, item):\n    seen.append(heavy & set(sys.modules))\n    keep(self, item)\n"
        "recorder.XdfRecorder.write_item = write\n"
        f"status = main(['record', '--source', 'synthetic', '--duration', '0.2', '--out', {str(tmp_path)!r}])\n"
        "assert seen and not set().union(*seen), seen\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_runs_are_numbered_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "synthetic_run-01_eeg.xdf").write_bytes(b"precious")
    (tmp_path / "synthetic_run-02_eeg.xdf.part").write_bytes(b"left")
    answer = record(tmp_path, "--duration", "0.1")
    assert Path(str(answer["file"])).name == "synthetic_run-03_eeg.xdf"
    assert (tmp_path / "synthetic_run-01_eeg.xdf").read_bytes() == b"precious"


def test_a_source_that_falls_silent_fails_but_what_came_is_safe(tmp_path: Path) -> None:
    source = "synthetic:faults=late at_s=0.4 delay_s=60"
    status, out, err = volo("record", "--source", source, "--out", str(tmp_path), "--no-data", "0.5", "--json")
    assert status == 1
    assert json.loads(out)["error"]["reason"] == "no_data"
    (path,) = tmp_path.glob("*.xdf")
    assert str(path) in err
    assert len(Recording.open(path).streams["synthetic"]) == 100
    assert volo("verify", str(path))[0] == 0


def below_a_file(tmp_path: Path) -> str:
    (tmp_path / "file").touch()
    return str(tmp_path / "file" / "folder")


BAD_INPUT = {
    "unknown source": (["record", "--source", "nope", "--out", "{out}"], 1, "unknown source 'nope'"),
    "unknown board": (["record", "--source", "brainflow:NO_BOARD", "--out", "{out}"], 1, "NO_BOARD"),
    "unknown setting": (["record", "--source", "synthetic:x=1", "--out", "{out}"], 1, "x: unknown key"),
    "absent stream": (["record", "--source", "lsl:nobody,resolve_timeout_s=0.2", "--out", "{out}"], 1, "absent stream"),
    "absent markers": (
        ["record", "--source", "synthetic", "--markers", "lsl:nobody,resolve_timeout_s=0.2", "--out", "{out}"],
        1,
        "absent stream",
    ),
    "markers of another kind": (["record", "--source", "synthetic", "--markers", "x", "--out", "{out}"], 1, "lsl:NAME"),
    "folder below a file": (["record", "--source", "synthetic", "--out", "{below}"], 1, "below-a-file"),
    "no time": (["record", "--source", "synthetic", "--out", "{out}", "--duration", "0"], 2, "above 0"),
    "no folder": (["record", "--source", "synthetic"], 2, "--out"),
    "empty file": (["verify", "{empty}"], 1, "empty"),
    "no such file": (["verify", "{out}/none.xdf"], 1, "none.xdf"),
    "text for a recording": (["verify", "{text}"], 1, "text.xdf"),
    "repair of text": (["repair", "{text}"], 1, "text.xdf"),
    "repair of another kind": (["repair", "{out}/a.txt"], 1, "a.txt"),
    "import of another kind": (["import", "{text}", "--out", "{out}"], 1, ".fif"),
    "import of an empty file": (["import", "{emptyfif}", "--out", "{out}"], 1, "is empty"),
    "import of damage": (["import", "{textfif}", "--out", "{out}"], 1, "cannot be read as FIF"),
    "a bad event map": (["import", "a.fif", "--out", "{out}", "--event-map", "2:13"], 2, "CODE=LABEL"),
    "a map without events": (["import", "a.fif", "--out", "{out}", "--event-map", "2=13"], 2, "--events"),
    "looking for ever": (["devices", "--lsl-wait", "nan"], 2, "--lsl-wait"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    words, wanted_status, told = BAD_INPUT[name]
    files = {
        key: tmp_path / f"{key.removesuffix('fif')}{'.fif' if key.endswith('fif') else '.xdf'}"
        for key in ("empty", "text", "emptyfif", "textfif")
    }
    for key, path in files.items():
        path.write_text("" if key.startswith("empty") else "no recording\n" * 100)
    (tmp_path / "below-a-file").touch()
    places = {"out": tmp_path, "below": tmp_path / "below-a-file" / "x", **files}
    status, out, err = volo(*(word.format(**places) for word in words), "--json")
    assert status == wanted_status
    answer = json.loads(out)
    assert answer["schema"] == f"volo.{words[0]}/1"
    assert answer["error"]["reason"]
    last = err.splitlines()[-1]
    assert last.startswith("volo: error: ")
    assert told in last
    assert "Traceback" not in err
    if status == 1:
        assert len([line for line in err.splitlines() if line.startswith("volo:")]) == 1


def test_output_that_nobody_reads_is_no_crash() -> None:
    child = subprocess.Popen(
        [*VOLO, "devices", "--lsl-wait", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    child.stdout.close()
    err = child.stderr.read()
    child.stderr.close()
    assert child.wait(timeout=60) == 1
    assert err == ""


def test_the_script_and_the_module_are_the_same() -> None:
    script = Path(sys.executable).with_name("volo.exe" if os.name == "nt" else "volo")
    by_script = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert by_script == volo("--version")[1]


def test_devices_lists_what_can_be_written_after_source() -> None:
    status, out, _ = volo("devices", "--lsl-wait", "0", "--json")
    rows = json.loads(out)["devices"]
    assert status == 0
    assert {"source", "spec", "description", "present"} == set(rows[0])
    assert "synthetic" in {row["spec"] for row in rows}
    assert "brainflow:SYNTHETIC_BOARD" in {row["spec"] for row in rows}


def test_a_simulated_source_is_told_in_the_answer_and_in_the_file(recorded: dict[str, object]) -> None:
    assert recorded["simulated"] is True
    assert Recording.open(Path(str(recorded["file"]))).header["simulated"] == "true"


def test_a_recording_with_bytes_changed_in_the_middle_is_repaired_to_a_sound_one(
    recorded: dict[str, object], tmp_path: Path
) -> None:
    damaged = bytearray(Path(str(recorded["file"])).read_bytes())
    middle = len(damaged) // 2
    for at in range(middle, middle + 20):
        damaged[at] ^= 0x55
    (tmp_path / "x.xdf").write_bytes(damaged)
    assert volo("verify", str(tmp_path / "x.xdf"))[0] == 1
    assert volo("repair", str(tmp_path / "x.xdf"))[0] == 0
    status, out, _ = volo("verify", str(tmp_path / "x.repaired.xdf"), "--json")
    assert (status, json.loads(out)["ok"]) == (0, True)


def test_a_second_repair_says_in_one_line_that_it_was_done(recorded: dict[str, object], tmp_path: Path) -> None:
    part = tmp_path / "x.xdf.part"
    part.write_bytes(Path(str(recorded["file"])).read_bytes()[:-5000])
    assert volo("repair", str(part))[0] == 0
    status, _, err = volo("repair", str(part))
    assert status == 1
    assert "was already repaired" in err.splitlines()[-1]
