"""Rows P1 to P7: a replay gives again what the run gave, however it is chunked, paced, threaded, and by whomever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import note_figure

from volo_acquisition.clock import ManualClock
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.verify import verify
from volo_acquisition.sources.replay import ReplaySettings, ReplaySource
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Chunk, Event, Item
from volo_app.replay import replay

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize(
    ("row", "how"),
    [
        pytest.param("P1", [{}, {}], id="P1"),
        pytest.param("P2", [{}], id="P2"),
        pytest.param("P3", [{"chunk_samples": n} for n in (1, 7, 25, 256)], id="P3"),
        pytest.param("P4", [{"speed": 10.0}, {"speed": 0.0}], id="P4"),
        pytest.param("P4", [{"speed": 1.0}], id="P4-x1", marks=pytest.mark.slow),
    ],
)
def test_every_replay_has_the_fingerprint_of_the_run(
    spelled: tuple[str, Path], row: str, how: list[dict[str, Any]]
) -> None:
    sha256, path = spelled
    again = [replay(path, **each)["sha256"] for each in how]
    n_equal = sum(other == sha256 for other in again)
    note_figure(row, f"{n_equal} of {len(how)} replays with the run's SHA-256 {how}", held=n_equal == len(how))
    assert again == [sha256] * len(how)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}, id="P5-threads"),
        pytest.param({"PYTHONHASHSEED": "12345", "TZ": "Asia/Kolkata", "LC_ALL": "de_DE.UTF-8"}, id="P5-locale"),
    ],
)
def test_nothing_of_the_surroundings_changes_a_replay(spelled: tuple[str, Path], environment: dict[str, str]) -> None:
    sha256, path = spelled
    words = [sys.executable, "-m", "volo_app", "replay", str(path), "--json"]
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["sha256"]
    note_figure("P5", "threads 1 and 2, hash seed, time zone, locale: SHA-256 equal", held=found == sha256)
    assert found == sha256


FAULTS = "; ".join(
    (
        "gap at_s=2 duration_s=0.1",
        "duplicate at_s=3 duration_s=0.04",
        "late at_s=4 delay_s=0.2",
        "flat channel=Oz at_s=5 duration_s=1",
    )
)


def replayed(path: Path, chunk_samples: int) -> tuple[list[Event], np.ndarray, np.ndarray]:
    source = ReplaySource(ReplaySettings(str(path), 0.0, chunk_samples), ManualClock())
    source.open()
    items: list[Item] = []
    while not source.exhausted:
        items += source.read(0.0)
    source.close()
    chunks = [item for item in items if isinstance(item, Chunk)]
    index = np.concatenate([np.arange(chunk.index, chunk.stop) for chunk in chunks])
    return [item for item in items if isinstance(item, Event)], index, np.concatenate([c.samples for c in chunks])


@pytest.mark.parametrize("faults", [pytest.param(FAULTS, id="P6")])
def test_a_recording_with_faults_gives_the_same_events(tmp_path: Path, faults: str) -> None:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(faults=faults, duration_s=7.0), clock)
    live: list[Item] = []
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        for info in source.open():
            recorder.add_stream(info)
        while not source.exhausted:
            for item in source.read(0.1):
                live.append(item)
                recorder.write_item(item)
    source.close()
    told = sorted((e.kind, e.index, e.n) for e in live if isinstance(e, Event))
    chunks = [item for item in live if isinstance(item, Chunk)]
    assert told
    for chunk_samples in (1, 25, 256):
        events, index, samples = replayed(tmp_path / "x.xdf", chunk_samples)
        assert sorted((e.kind, e.index, e.n) for e in events) == told
        assert np.array_equal(index, np.concatenate([np.arange(c.index, c.stop) for c in chunks]))
        assert samples.tobytes() == np.concatenate([c.samples for c in chunks]).tobytes()
    kinds = ", ".join(sorted({str(kind) for kind, *_ in told}))
    note_figure("P6", f"{len(told)} events ({kinds}) equal in chunks of 1, 25, 256 samples")


@pytest.mark.parametrize("path", [pytest.param(path, id=f"P7-{path.stem}") for path in sorted(GOLDEN.glob("*.xdf"))])
def test_recordings_of_older_versions_load_as_they_did(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    report = verify(path)
    recording = Recording.open(path)
    stream = recording.streams["eeg"]
    found = {
        "samples": report.samples,
        "gaps": report.gaps,
        "first": stream.samples[:3].tolist(),
        "last": stream.samples[-1].tolist(),
        "stop": int(stream.index[-1]) + 1,
        "times": [float(stream.times[0]), float(stream.times[-1])],
        "n_invalid": int((~stream.valid).sum()),
        "markers": [[m.time, m.label, dict(m.payload)] for m in recording.markers],
        "events": [[e.kind.value, e.index, e.n] for e in recording.events],
        "corrections": [[c.index, c.offset_s] for c in recording.corrections],
    }
    note_figure("P7", f"{len(list(GOLDEN.glob('*.xdf')))} golden recording(s) load as written", held=found == expected)
    assert report.complete, report.problems
    assert found == expected
