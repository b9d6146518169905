"""A run in all its processes, watched from outside: what onlookers may read, and who of it still lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from volo_acquisition.clock import SessionClock
from volo_acquisition.lifesign import LIFE_NAME, LifeSigns
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.repair import repair
from volo_acquisition.ring import RingReader
from volo_app.roles.folder import read_state, runs_root

HERE = Path(__file__).parent
CLOCK = SessionClock()


def wait_until(true: Callable[[], Any], seconds: float = 30.0, what: str = "it") -> Any:
    """Return the first truth; fail after `seconds`, which is generous: the machine may be loaded."""
    give_up = CLOCK.now() + seconds
    while CLOCK.now() < give_up:
        value = true()
        if value:
            return value
        CLOCK.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that is dead but not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_9(pid: int) -> None:
    """Kill a process, if it is there; these tests need Linux."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # noqa: TID251


class WatchedRun:
    """A run of a recorder of process number `pid`."""

    def __init__(self, pid: int, path: Path, output: Path) -> None:
        self.recorder_pid = pid
        self.path = path
        self.output = output
        self.folder = wait_until(self._find, what="the run's folder")
        wait_until(lambda: self.samples > 300, what="data in the file")

    def _find(self) -> Path | None:
        folders = [each for each in runs_root().glob(f"volo-run-{self.recorder_pid}-*") if read_state(each)]
        return folders[0] if folders else None

    @property
    def state(self) -> dict[str, Any]:
        return read_state(self.folder) or {}

    @property
    def samples(self) -> int:
        return sum(self.state.get("recorded", {}).get("samples", {}).values())

    @property
    def source(self) -> dict[str, Any]:
        return dict(self.state["sources"][0])

    def screen_pid(self) -> int:
        children = Path(f"/proc/{self.state['engine']}/task/{self.state['engine']}/children")
        pids = [int(word) for word in children.read_text(encoding="utf-8").split()]
        for pid in pids:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"spawn_main" in command or b"--multiprocessing-fork" in command:
                return pid
        raise AssertionError("the engine has no screen")

    def age(self, role: str) -> float | None:
        with LifeSigns(self.folder / LIFE_NAME, read_only=True) as signs:
            return signs.age(role, CLOCK.now())

    def newest_stamp(self) -> float:
        """Return the stamp of the newest sample in the ring."""
        with RingReader(Path(self.source["rings"][0])) as reader:
            chunk = reader.latest(1)
        assert chunk is not None
        return float(chunk.times[-1])

    def goes_on(self) -> None:
        """Fail unless more is being recorded."""
        before = self.samples
        wait_until(lambda: self.samples > before + 250, what="more data in the file")

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.recorder_pid, signal.SIGTERM)
        wait_until(lambda: not is_alive(self.recorder_pid), 15.0, "the recorder's end")

    def recording(self) -> Recording:
        """Return the closed recording, or what repair makes of the one that was left."""
        if not self.path.exists():
            part = self.path.with_name(self.path.name + ".part")
            repair(part)
        return Recording.open(self.path)


@contextmanager
def desk_run(tmp_path: Path, *, source: str = "synthetic:chunk_samples=5", window: bool = True) -> Iterator[WatchedRun]:
    """Run a desk, and with it recorder, source, engine and, with a window, screen; all are gone afterwards."""
    path, output = tmp_path / "run.xdf", tmp_path / "output.txt"
    words = [str(path), source, str(output), "window" if window else "none"]
    env = os.environ | {"PYTHONPATH": str(HERE)}
    child = subprocess.Popen(
        [sys.executable, str(HERE / "roles_work.py"), *words], stdout=subprocess.PIPE, text=True, env=env
    )
    pids: list[int] = []
    try:
        assert child.stdout is not None
        run = WatchedRun(int(child.stdout.readline()), path, output)
        run.desk_pid = child.pid  # type: ignore[attr-defined]
        pids = [run.recorder_pid, run.state["engine"], run.source["pid"]]
        if window:
            wait_until(lambda: run.age("screen") is not None, what="the screen's first sign of life")
            pids.append(run.screen_pid())
        yield run
    finally:
        child.kill()
        child.communicate()
        for pid in pids:
            kill_9(pid)


@contextmanager
def hogs(n: int) -> Iterator[None]:
    """Keep processors busy."""
    children = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


__all__ = ["WatchedRun", "desk_run", "hogs", "is_alive", "kill_9", "wait_until"]
