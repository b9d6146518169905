"""A display for the stimulus window, and Qt without one for the desk's widgets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication


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
