"""Doctor: each check can say no, and says what mends it."""

from __future__ import annotations

import json
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from volo_acquisition.clock import ManualClock
from volo_app import health, import_probe
from volo_app.cli import main


def test_this_machine_passes_and_every_dependency_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    answer = json.loads(capsys.readouterr().out)
    names = {row["name"] for row in answer["checks"]}
    assert status == 0, answer
    assert answer["ok"]
    assert {"python", "numpy", "brainflow", "library lsl", "library brainflow", "clock against LSL"} <= names
    wanted = [text for text in requires("volo") or [] if ";" not in text]
    assert len(wanted) == sum(any(text.startswith(name) for name in names) for text in wanted)
    assert all(row["mend"] for row in answer["checks"] if row["status"] != "ok")


def test_an_unwritable_workspace_fails_with_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (check,) = health.check_workspace(tmp_path / "file" / "deep" / "workspace")
    assert check.status == "fail"
    assert "--workspace" in check.mend


def test_a_workspace_yet_to_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    checks = health.check_workspace(tmp_path / "a" / "b")
    assert checks[0].status == "ok"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "status"), [(10**12, "ok"), (10**9, "warn"), (10**8, "fail")])
def test_little_room_is_told(free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": free}))
    assert health.check_workspace(tmp_path)[1].status == status


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "fail")]
)
def test_only_the_supported_pythons_pass(version: tuple[int, int], status: str) -> None:
    assert health.check_python(version).status == status


@pytest.mark.parametrize(
    ("requirement", "found", "status"),
    [
        ("numpy>=2.0", "2.0", "ok"),
        ("numpy>=2.0", "1.26.4", "fail"),
        ("PySide6-Essentials!=6.12.0,>=6.8", "6.12.0", "fail"),
        ("PySide6-Essentials!=6.12.0,>=6.8", "6.12.1", "ok"),
        ("PySide6-Essentials!=6.12.0,>=6.8", "6.7.3", "fail"),
        ("setuptools<81", "81.0.0", "fail"),
        ("setuptools<81", "80.9.0.post1", "ok"),
    ],
)
def test_a_version_out_of_bounds_fails_with_the_command(
    requirement: str, found: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "requires", lambda name: [requirement])
    monkeypatch.setattr(health, "version", lambda name: found)
    monkeypatch.setattr(
        health, "probe_imports", lambda names: {name: {"name": name, "detail": "", "error": ""} for name in names}
    )
    check = health.check_packages()[0]
    assert check.status == status
    assert check.status == "ok" or check.mend == f'python -m pip install "{requirement}"'


def test_what_is_not_installed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "requires", lambda name: ["no-such-package>=1", 'other; extra == "x"'])
    checks = health.check_packages()
    assert (checks[0].name, checks[0].status, checks[0].detail) == ("no-such-package", "fail", "not installed")
    assert "other" not in {check.name for check in checks}


def test_a_module_that_kills_its_process_is_named_and_the_others_are_still_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deadly.py").write_text("import os\nos._exit(7)\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken inside')\n")
    (tmp_path / "chatty.py").write_text("import sys\nsys.stdout.write('hello')\n__version__ = '1.2'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answers = health.probe_imports(["json", "deadly", "broken", "chatty", "absent_module"])
    assert answers["json"]["error"] == ""
    assert "status 7" in answers["deadly"]["error"]
    assert "broken inside" in answers["broken"]["error"]
    assert (answers["chatty"]["error"], answers["chatty"]["detail"]) == ("", "1.2")
    assert "No module named" in answers["absent_module"]["error"]


def test_a_failed_check_is_status_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    row = health.Check("thing", "fail", "is broken", "mend it")
    monkeypatch.setattr(health, "check_machine", lambda workspace: [row])
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "FAIL  thing" in out
    assert "mend: mend it" in out
    assert err == "volo: error: 1 of 1 checks failed: thing\n"


def test_a_clock_that_moves_against_lsl_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import pylsl

    clock = ManualClock(5.0)
    assert health.check_clocks(clock, with_lsl=False)[0].name == "clock resolution"
    monkeypatch.setattr(pylsl, "local_clock", lambda: 2.0 * clock.now())
    assert health.check_clocks(clock)[-1].status == "fail"
    monkeypatch.setattr(pylsl, "local_clock", lambda: 1000.0 + clock.now())
    assert health.check_clocks(clock)[-1].status == "ok"


def test_a_library_that_does_not_load_is_a_failure_but_graphics_only_a_warning() -> None:
    answers = {name: {"name": name, "detail": "", "error": "OSError: no"} for name in import_probe.LIBRARIES}
    statuses = {name: health._check_library(name, answer).status for name, answer in answers.items()}
    assert statuses == {"library:lsl": "fail", "library:brainflow": "fail", "library:gl": "warn"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_no_display_is_a_warning_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert health._check_display().status == "warn"
    monkeypatch.setenv("DISPLAY", ":1")
    assert health._check_display().status == "ok"
