"""Small recordings that tell their own indices, and children that record and are killed, for the fault matrix."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, Chunk, Correction, Event, EventKind, Marker, StreamInfo

EEG = StreamInfo("eeg", "eeg", 250.0, (Channel("Oz"), Channel("O1")), "float32", "test")
NUMBERS = StreamInfo("eeg", "eeg", 250.0, tuple(Channel(f"c{k}") for k in range(8)), "float32", "test")


def eeg_chunk(index: int, n: int = 10, info: StreamInfo = EEG) -> Chunk:
    """Samples that tell their own index in every channel, stamps that follow from it."""
    numbers = np.arange(index, index + n)
    samples = np.repeat(numbers[:, None], info.n_channels, axis=1).astype("float32")
    return Chunk("eeg", index, samples, 100.0 + numbers / info.rate_hz)


def record(path: Path, n_chunks: int = 20) -> Path:
    """Record 40 ms a chunk: a gap of three samples, invalid samples, markers, an event and a correction."""
    with XdfRecorder(path, header={"task": "test"}) as recorder:
        recorder.add_stream(EEG)
        recorder.write_item(Correction("eeg", 0, 0.25, 100.0))
        for k in range(n_chunks):
            chunk = eeg_chunk(10 * k + (3 if k > 7 else 0))
            if k == 8:
                recorder.write_item(Event(EventKind.GAP, "eeg", 80, float(chunk.times[0]), 3))
            if k == 4:
                chunk = Chunk("eeg", chunk.index, chunk.samples, chunk.times, np.arange(10) != 5)
            recorder.write_item(chunk)
            if k % 3 == 0:
                recorder.write_item(Marker(float(chunk.times[-1]), f"marker {k}", {"k": k}))
    return path


#: Records in real time until it is killed: 8 channels at 250 Hz, a marker now and then; what it took is in "pulse":
#: stamp of the last sample, number of markers, when it was last alive, when it began.
CHILD = """
import sys
from pathlib import Path
import numpy as np
from volo_acquisition.clock import SessionClock
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.types import Channel, Chunk, Marker, StreamInfo

folder, only_markers = Path(sys.argv[1]), "markers" in sys.argv[2:]
clock = SessionClock()
pulse = np.memmap(folder / "pulse", "f8", "r+", shape=(4,))
info = StreamInfo("eeg", "eeg", 250.0, tuple(Channel(f"c{k}") for k in range(8)), "float32")
recorder = XdfRecorder(folder / "run.xdf")
if not only_markers:
    recorder.add_stream(info)
start, sent, marks, rounds = clock.now(), 0, 0, 0
pulse[3] = start
while True:
    now = clock.now()
    n = int((now - start) * 250.0) - sent
    if n >= 5:
        numbers = np.arange(sent, sent + n)
        if not only_markers:
            samples = np.repeat(numbers[:, None], 8, axis=1).astype("float32")
            recorder.write_item(Chunk("eeg", sent, samples, start + numbers / 250.0))
        sent, rounds = sent + n, rounds + 1
        pulse[0] = start + numbers[-1] / 250.0
        if rounds % 3 == 0:
            recorder.write_item(Marker(now, "mark", {"n": marks}))
            marks += 1
            pulse[1] = marks
    pulse[2] = clock.now()
    clock.sleep(0.002)
"""


class Killed:
    """A child that records into `folder`; `kill` tells what it had taken when it died."""

    def __init__(self, folder: Path, *words: str, grandchild: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.clock = SessionClock()
        self._pulse = np.memmap(folder / "pulse", "f8", "w+", shape=(4,))
        command = [sys.executable, "-c", CHILD, str(folder), *words]
        if grandchild:
            script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
            command = [sys.executable, "-c", script, *command]
        self._group = grandchild
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, env=environment, start_new_session=grandchild)

    def wait_for_data(self) -> None:
        """Wait until the child has taken something."""
        give_up = self.clock.now() + 60.0
        while self._pulse[0] == 0.0:
            if self.process.poll() is not None or self.clock.now() > give_up:
                raise RuntimeError("the child that records did not start")
            self.clock.sleep(0.005)

    def kill(self) -> tuple[float, int, float]:
        """Kill it; return the stamp of the last sample it took, its markers, and when it began."""
        if self._group:
            os.killpg(self.process.pid, 9)
        else:
            self.process.kill()
        self.process.wait()
        taken, markers, _, began = self._pulse.tolist()
        del self._pulse
        return taken, int(markers), began
