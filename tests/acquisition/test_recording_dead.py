"""Who died is not taken for who records, also while the parent has not taken note of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from volo_acquisition.recording.space import RESERVE_SUFFIX, is_recording


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: a process that ended and is not reaped")
def test_a_process_that_ended_records_no_more_though_its_parent_has_not_noticed(tmp_path: Path) -> None:
    part = tmp_path / "x.xdf.part"
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / f"x.xdf{RESERVE_SUFFIX}").write_bytes(f"recorded by process {child.pid}\n".encode())
        assert is_recording(part)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is left unreaped
        assert not is_recording(part)
    finally:
        child.kill()
        child.wait()
