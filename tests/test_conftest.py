"""The harness catches what it promises to catch: each case is a small suite run by pytest in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


def run_suite(tmp_path: Path, text: str, **environment: str) -> tuple[int, str]:
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_case.py").write_text(text, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name not in {"VOLO_DATA", "VOLO_CI"}} | environment
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [*command, str(tmp_path)], env=env, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False
    )
    return done.returncode, done.stdout


LEAK = """
import threading
stop = threading.Event()
def test_leaves_a_thread():
    threading.Thread(target=stop.wait, name={name!r}, daemon={daemon}).start()
def test_lets_it_go():
    stop.set()
"""


@pytest.mark.parametrize(("name", "daemon"), [("volo-source-x", True), ("other", False)])
def test_a_leaked_thread_fails_its_test(tmp_path: Path, name: str, daemon: bool) -> None:
    status, output = run_suite(tmp_path, LEAK.format(name=name, daemon=daemon))
    assert status == 1
    assert f"threads left running: {name}" in output


def test_a_foreign_daemon_thread_is_let_be(tmp_path: Path) -> None:
    status, output = run_suite(tmp_path, LEAK.format(name="other", daemon=True))
    assert (status, "2 passed" in output) == (0, True)


NEEDS_DATA = """
def test_reads_recordings(volo_data):
    pass
"""


@pytest.mark.parametrize(("mode", "status"), [("", 0), ("no-data", 0), ("1", 1)])
def test_missing_recordings_skip_by_name_and_fail_in_ci(tmp_path: Path, mode: str, status: int) -> None:
    found, output = run_suite(tmp_path, NEEDS_DATA, VOLO_CI=mode)
    assert found == status
    assert "VOLO_DATA is not set" in output


def test_a_module_skipped_at_import_fails_in_ci(tmp_path: Path) -> None:
    text = "import pytest\npytest.importorskip('no_such_module_at_all')\ndef test_it(): pass\n"
    status, output = run_suite(tmp_path, text, VOLO_CI="1")
    assert status == 2
    assert "an unexpected skip" in output


def test_a_skip_for_another_system_is_expected(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.skipif(True, reason='needs Windows')\ndef test_it(): pass\n"
    status, output = run_suite(tmp_path, text, VOLO_CI="1")
    assert (status, "1 skipped" in output) == (0, True)
