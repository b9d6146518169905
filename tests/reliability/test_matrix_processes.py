"""Rows A21, A26, R2, R7, R15, T6, U4 of the reliability matrix, by real processes: what a fault costs, and what not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import note_figure
from roles_harness import CLOCK, WatchedRun, desk_run, hogs, is_alive, kill_9, wait_until

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.ring import RingWriter
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Channel, EventKind, Item, StreamInfo
from volo_app.roles.folder import live_runs, make_run_folder
from volo_app.roles.link import run_in_roles
from volo_app.roles.lock import hold_workspace
from volo_app.roles.run import Run
from volo_app.simulation import Headset

needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: signals and /proc")
VOLO = [sys.executable, "-m", "volo_app"]


@contextmanager
def volo_record(out: Path, source: str, *words: str) -> Iterator[WatchedRun]:
    """Run ``volo record`` in a process of its own, until it has data."""
    child = subprocess.Popen(
        [*VOLO, "record", "--source", source, "--out", str(out), "--json", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        run = WatchedRun(child.pid, Path(), Path())
        run.child = child  # type: ignore[attr-defined]
        yield run
    finally:
        child.kill()
        child.communicate()


def answer_of(run: WatchedRun) -> dict[str, Any]:
    """Return what the command says once it has ended."""
    out, _ = run.child.communicate(timeout=60)  # type: ignore[attr-defined]
    return dict(json.loads(out))


@needs_linux
@pytest.mark.parametrize("how", ["SIGABRT", pytest.param("SIGKILL", marks=pytest.mark.slow)], ids="A26-{}".format)
def test_a26_native_code_that_aborts_costs_a_counted_gap(tmp_path: Path, how: str) -> None:
    """The headset behind LSL goes on counting, so its own counter judges the length of the gap."""
    name = f"headset-{uuid.uuid4().hex}"
    settings = SyntheticSource.Settings(stream_id=name, latency_s=0.03)
    with Headset(settings), volo_record(tmp_path, f"lsl:source_id={name}", "--duration", "6") as run:
        os.kill(run.source["pid"], getattr(signal, how))
        killed = CLOCK.now()
        wait_until(lambda: run.source["restarts"] == 1 and run.source["state"] == "running", what="the new source")
        back_s = CLOCK.now() - killed
        note_figure("A26", f"LSL source back {back_s:.1f} s after {how}, gap counted exactly", held=back_s <= 2.0)
        answer = answer_of(run)
    recording = Recording.open(Path(str(answer["file"])))
    (stream,) = recording.streams.values()
    counter = stream.samples[:, stream.info.channel_names.index("counter")]
    assert np.array_equal(np.diff(stream.index), np.diff(counter).astype(int))
    gaps = [event for event in recording.events if event.kind is EventKind.GAP]
    assert [event.n for event in gaps] == [int(np.diff(stream.index).max()) - 1]
    assert {event.kind for event in recording.events} >= {EventKind.STALL, EventKind.RESUME, EventKind.GAP}
    crash = list(tmp_path.glob("*crash-source-1.txt"))
    assert "Fatal Python error: Aborted" in crash[0].read_text() if how == "SIGABRT" else not crash


@needs_linux
def test_r2_a_recorder_killed_with_its_run_loses_at_most_a_tenth_of_a_second(tmp_path: Path) -> None:
    with volo_record(tmp_path, "synthetic:chunk_samples=5") as run:
        source, newest = run.source["pid"], run.newest_stamp()
        kill_9(run.recorder_pid)
        wait_until(lambda: not is_alive(source), 15.0, "the leaving of the source")
    (part,) = tmp_path.glob("*.part")
    run.path = part.with_name(part.name.removesuffix(".part"))
    (stream,) = run.recording().streams.values()
    lost_s = newest - float(stream.times[-1])
    note_figure("R2", f"lost {1e3 * max(0.0, lost_s):.0f} ms", held=lost_s <= 0.1)
    assert lost_s <= 0.1
    assert run.folder.exists()
    (tmp_path / "next").mkdir()
    made = make_run_folder()  # the next start sweeps what was left
    assert not run.folder.exists()
    made.rmdir()


def test_a21_a_consumer_that_is_too_slow_costs_nothing_but_its_own_samples(tmp_path: Path) -> None:
    path = tmp_path / "run.xdf"
    arguments = {"path": str(path), "source": "synthetic:duration_s=5", "ring_s": 0.5, "sleep_s": 1.5}
    result = run_in_roles("roles_work:sleeping", arguments)
    overflows = [n for kind, _, n in result["engine_events"] if kind == "OVERFLOW"]
    recording = Recording.open(path)
    (stream,) = recording.streams.values()
    assert np.array_equal(stream.index, np.arange(1250))
    assert overflows
    assert sum(overflows) == 1250 - result["seen"]
    assert [event.n for event in recording.events if event.kind is EventKind.OVERFLOW] == overflows
    note_figure("A21", f"recorder lost 0 of 1250, OVERFLOW({sum(overflows)}) exact")


@needs_linux
@pytest.mark.slow
def test_t6_busy_processors_cost_no_sample(tmp_path: Path) -> None:
    with hogs(3), volo_record(tmp_path, "synthetic", "--duration", "5") as run:
        answer = answer_of(run)
    (stream,) = Recording.open(Path(str(answer["file"]))).streams.values()
    assert np.array_equal(stream.index, np.arange(len(stream)))
    assert answer["events"] == {}
    note_figure("T6", f"lost 0 of {len(stream)} beside 3 busy processes", "loss 0")


class Stalling(XdfRecorder):
    """A file on a disk that stalls once, until it is told to go on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.stalled, self.go_on = threading.Event(), threading.Event()
        self._n_items = 0

    def write_item(self, item: Item) -> None:
        self._n_items += 1
        if self._n_items == 10:
            self.stalled.set()
            self.go_on.wait(120.0)
        super().write_item(item)


@pytest.mark.parametrize("stall_s", [2.0, pytest.param(30.0, marks=pytest.mark.slow)], ids=["R7-2s", "R7-30s"])
def test_a_disk_that_stalls_loses_nothing(tmp_path: Path, stall_s: float) -> None:
    run = Run(["synthetic"])
    infos = run.open()
    file = Stalling(tmp_path / "run.xdf")
    for info in infos:
        file.add_stream(info)
    run.record(file, file.path)
    began: list[float] = []

    def stopped() -> bool:
        now = CLOCK.now()
        if file.stalled.is_set() and not began:
            began.append(now)
        if began and now - began[0] >= stall_s:
            file.go_on.set()
        return bool(began) and now - began[0] >= stall_s + 0.5

    run.capture(duration_s=None, stopped=stopped)
    path = run.close()
    assert path == file.path
    (stream,) = Recording.open(path).streams.values()
    assert np.array_equal(stream.index, np.arange(len(stream)))
    assert len(stream) >= 250 * stall_s
    high_s = run.sources[0].high_water_s
    note_figure(
        "R7", f"lost 0 in a stall of {stall_s:g} s; at most {high_s:.2f} s waited in the ring, the rest in memory"
    )


def test_r15_stopping_while_the_disk_stalls_takes_at_most_3_s(tmp_path: Path) -> None:
    run = Run(["synthetic"])
    infos = run.open()
    file = Stalling(tmp_path / "run.xdf")
    for info in infos:
        file.add_stream(info)
    run.record(file, file.path)
    run.capture(duration_s=None, stopped=file.stalled.is_set)
    began = CLOCK.now()
    assert run.close() is None
    took_s = CLOCK.now() - began
    note_figure("R15", f"stopped after {took_s:.1f} s", held=took_s <= 3.0)
    assert took_s < 10.0  # the deadlines add up to 3 s; the rest is a loaded machine's
    assert file.part.exists()
    file.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "volo-recorder-writing":
            thread.join(10.0)
    file.close()


@needs_linux
@pytest.mark.parametrize(
    "name", ["SIGINT", *(pytest.param(name, marks=pytest.mark.slow) for name in ("SIGTERM", "SIGHUP"))]
)
def test_a_signal_to_the_recorder_ends_all_cleanly(tmp_path: Path, name: str) -> None:
    with desk_run(tmp_path, window=False) as run:
        pids = [run.state["engine"], run.source["pid"]]
        began = CLOCK.now()
        os.kill(run.recorder_pid, getattr(signal, name))
        wait_until(run.path.exists, 15.0, "the closing of the file")
        note_figure("R15", f"file closed {CLOCK.now() - began:.1f} s after {name}", held=CLOCK.now() - began <= 3.0)
        wait_until(lambda: not any(map(is_alive, [*pids, run.recorder_pid])), 15.0, "the leaving of all")
    assert not Recording.open(run.path).problems
    assert "neutral" in run.output.read_text(encoding="utf-8")


@needs_linux
@pytest.mark.slow
def test_a_source_that_hangs_is_replaced(tmp_path: Path) -> None:
    with volo_record(tmp_path, "synthetic", "--no-data", "30") as run:
        os.kill(run.source["pid"], signal.SIGSTOP)
        wait_until(lambda: run.source["restarts"] == 1 and run.source["state"] == "running", what="the new source")
        run.goes_on()
        run.child.terminate()  # type: ignore[attr-defined]
        answer = answer_of(run)
    assert answer["gaps"] == 1


def test_u4_a_second_instance_is_refused_and_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom volo_app.roles.lock import hold_workspace\n"
        "with hold_workspace(Path(sys.argv[1])):\n    sys.stdout.write('held\\n'); sys.stdout.flush(); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(FileError, match="another run works in") as caught, hold_workspace(tmp_path):
        pass
    assert caught.value.reason is Reason.EXISTS
    child.kill()
    child.communicate()
    with hold_workspace(tmp_path):
        note_figure("U4", "second refused; the lock of a killed process is free")


def test_a_run_cannot_begin_in_a_workspace_that_another_holds(tmp_path: Path) -> None:
    with hold_workspace(tmp_path), pytest.raises(FileError, match="another run works in"):
        run_in_roles("roles_work:sleeping", {}, workspace=str(tmp_path))


@needs_linux
def test_monitor_tells_of_a_run_and_then_that_there_is_none(tmp_path: Path) -> None:
    faults = "synthetic:faults=gap at_s=0.5 duration_s=0.2"
    with volo_record(tmp_path, faults) as run:
        assert [state["pid"] for _, state in live_runs()] == [run.recorder_pid]
        wait_until(lambda: run.state["recorded"]["lost"] == 50, what="the gap")
        seen = json.loads(subprocess.check_output([*VOLO, "monitor", "--json"], text=True))
        text = subprocess.check_output([*VOLO, "monitor", "--for", "0.6"], text=True)
        run.child.terminate()  # type: ignore[attr-defined]
        answer = answer_of(run)
    assert seen["schema"] == "volo.monitor/1"
    assert (seen["state"], seen["recorded"]["lost"], seen["recorded"]["events"]) == ("running", 50, {"GAP": 1})
    (stream,) = seen["streams"]
    assert stream["rate_hz"] == pytest.approx(250.0, rel=0.15)
    assert {channel["quality"] for channel in stream["channels"]} == {"ok"}
    assert set(seen["beats"]) == {"recorder", "source-1"}
    assert seen["disk"]["free_bytes"] > 0
    assert not {"key", "address"} & set(seen)
    assert "250" in text
    assert "50 samples" in text
    assert answer["lost"] == 50
    done = subprocess.run([*VOLO, "monitor", "--json"], capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]["reason"]) == (1, "not_found")


def test_a_ring_that_cannot_be_made_fails_the_run_in_one_line() -> None:
    folder = make_run_folder()
    info = StreamInfo("synthetic", "eeg", 250.0, (Channel("Cz"),))
    RingWriter(folder / "source-1-1-1.ring", info, 1.0).close()  # in the way
    run = Run(["synthetic"], folder=folder)
    with pytest.raises(FileError, match="exists already"):
        run.open()
    run.close()
    assert not folder.exists()
