"""What holds for every test: one numeric thread, a workspace of its own, a display, no thread left behind.

Environment: ``VOLO_DATA`` names the folder of public recordings. ``VOLO_CI=1`` makes every skip a failure but those
that say which system they need; ``VOLO_CI=no-data`` allows those for missing recordings as well.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy is imported by anything below
os.environ.setdefault("MNE_DONTWRITE_HOME", "true")

import re  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

from volo_acquisition.clock import SessionClock  # noqa: E402

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

NO_DATA = "VOLO_DATA is not set"
_EXPECTED_SKIPS = re.compile(r"needs (Windows|macOS|Linux|POSIX)\b")

settings.register_profile("volo", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("volo"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "volo")


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what a library says to its own developers: BrainFlow imports pkg_resources on Python 3.11.

    As a UserWarning (setuptools 80.9 and later) it would be seen by people, and stays an error.
    """
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources is deprecated as an API:DeprecationWarning")


@pytest.fixture(scope="session")
def volo_data() -> Path:
    """The folder of public recordings; skips by name without it."""
    named = os.environ.get("VOLO_DATA")
    if not named:
        pytest.skip(NO_DATA)
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"VOLO_DATA is {named!r}, which is no folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes to the person's own workspace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOLO_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        patch.setenv("VOLO_RUNS", str(tmp_path_factory.mktemp("runs")))
        yield


@pytest.fixture(scope="session")
def _virtual_display() -> Iterator[str]:
    """The display that is there, or one in memory."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux: a display in memory")
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("Xvfb is not installed")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=(writer,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as answer:
        number = answer.readline().strip()
    if not number:
        server.wait(10.0)
        pytest.fail("Xvfb did not start")
    yield f":{number}"
    server.terminate()
    server.wait(10.0)


@pytest.fixture
def display(_virtual_display: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Processes started by this test find a display."""
    monkeypatch.setenv("DISPLAY", _virtual_display)
    monkeypatch.setenv("QT_QPA_PLATFORM", "xcb")
    return _virtual_display


@pytest.fixture(scope="session")
def qt_app() -> QApplication:
    """Qt in this process, on no display."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QT_QPA_PLATFORM", "offscreen")
        from PySide6.QtWidgets import QApplication

        app = QApplication.instance() or QApplication(["volo"])
        assert isinstance(app, QApplication)
    return app


def _threads_that_count() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and (not thread.daemon or thread.name.startswith("volo-"))
    }


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """A test that leaves a thread of ours, or one that would keep the process alive, fails."""
    before = _threads_that_count()
    yield
    clock = SessionClock()
    give_up = clock.now() + 2.0
    left = _threads_that_count() - before
    for thread in left:
        thread.join(max(0.0, give_up - clock.now()))
    names = sorted(thread.name for thread in left if thread.is_alive())
    if names:
        pytest.fail(f"threads left running: {', '.join(names)}")


def _surprising(longrepr: object) -> str:
    """Return the reason of a skip nobody expected under VOLO_CI; empty if it may stay a skip."""
    mode = os.environ.get("VOLO_CI", "")
    reason = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr).removeprefix("Skipped: ")
    if not mode or _EXPECTED_SKIPS.search(reason) or (mode == "no-data" and NO_DATA in reason):
        return ""
    return reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Make an unexpected skip of a test a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and (reason := _surprising(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: an unexpected skip: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Make an unexpected skip of a whole module a failure."""
    report = yield
    if report.outcome == "skipped" and (reason := _surprising(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: an unexpected skip: {reason}"
    return report
