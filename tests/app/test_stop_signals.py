"""Signals end what runs cleanly, and the processes it started with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from multiprocessing import Pipe
from pathlib import Path

import pytest

from volo_acquisition.clock import ManualClock, SessionClock
from volo_acquisition.recording.verify import verify
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Chunk
from volo_app.engine import Engine
from volo_app.real_demo import _sleep
from volo_app.rows import RunRecorder
from volo_app.stopping import STOP_SIGNALS, stop_signals

HERE = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.mark.parametrize("number", HERE)
def test_a_signal_asks_to_stop_and_the_old_handler_comes_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in HERE]
    asked: list[bool] = []
    with stop_signals(lambda: asked.append(True)):
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert asked == [True, True]
    assert [signal.getsignal(each) for each in HERE] == before


def test_the_old_handlers_come_back_after_an_error() -> None:
    before = [signal.getsignal(each) for each in HERE]
    with pytest.raises(ZeroDivisionError), stop_signals(lambda: None):
        raise ZeroDivisionError
    assert [signal.getsignal(each) for each in HERE] == before


def test_an_ignored_signal_stays_ignored() -> None:
    asked: list[bool] = []
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_signals(lambda: asked.append(True)):
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)
    assert asked == []


def test_another_thread_changes_no_handler() -> None:
    before = [signal.getsignal(each) for each in HERE]
    seen: list[list[object]] = []

    def look() -> None:
        with stop_signals(lambda: None):
            seen.append([signal.getsignal(each) for each in HERE])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", HERE)
def test_a_signal_ends_a_recorded_run_with_its_result(tmp_path: Path, number: signal.Signals) -> None:
    clock = ManualClock()

    def interrupt(chunk: Chunk) -> None:
        if chunk.index <= 500 < chunk.stop:
            signal.raise_signal(number)

    path = tmp_path / "run.xdf"
    with RunRecorder(path, {"task": "test"}) as recorder:
        source = SyntheticSource(SyntheticSource.Settings(duration_s=60.0), clock)
        result = Engine(source, clock, recorder=recorder, on_chunk=interrupt).run()
    assert result.stopped_by_signal
    assert 500 < result.samples["synthetic"] < 1000
    assert verify(path).ok
    assert verify(path).complete


def test_a_run_that_records_nothing_leaves_ctrl_c_alone() -> None:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(duration_s=60.0), clock)
    with pytest.raises(KeyboardInterrupt):
        Engine(source, clock, on_chunk=lambda chunk: signal.raise_signal(signal.SIGINT)).run()


def test_the_sleep_of_a_player_ends_with_its_leader() -> None:
    here, there = Pipe()
    clock = SessionClock()
    began = clock.now()
    threading.Timer(0.1, here.close).start()
    with pytest.raises((EOFError, OSError)):
        _sleep(there, 60.0)
    assert clock.now() - began < 30.0


@POSIX
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_a_simulated_spelling_over_lsl_with_its_file_closed(tmp_path: Path, name: str) -> None:
    options = ["--realtime-calibration", "--realtime", "--blocks", "2"]
    child = subprocess.Popen(
        [sys.executable, "-m", "volo_app", "demo", *options, "--json", "--workspace", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    clock = SessionClock()
    end_s = clock.now() + 60.0
    while not any(part.stat().st_size > 20_000 for part in tmp_path.rglob("*.part")):
        assert child.poll() is None
        assert clock.now() < end_s
        clock.sleep(0.05)
    child.send_signal(getattr(signal, name))
    out, err = child.communicate(timeout=30)
    assert child.returncode == 1  # calibrated by half: nothing to spell with
    assert json.loads(out)["error"]["message"] == "interrupted"
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.part"))
    (path,) = tmp_path.rglob("*.xdf")
    assert verify(path).complete
