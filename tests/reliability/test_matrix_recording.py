"""Rows R1, R2, R9: a recorder that is killed has lost at most 100 ms, and no marker older than that."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
import pyxdf
from figures import note_figure
from recording_made import Killed

from volo_acquisition.errors import FileError
from volo_acquisition.recording.leftovers import repair_leftovers
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.verify import verify


def after_kill(folder: Path, taken: float, n_markers: int, began: float) -> tuple[float, int]:
    """Repair as the next start does, check that it is an exact prefix; return the loss in s, and lost markers."""
    (leftover,) = repair_leftovers(folder)
    assert leftover.report is not None, leftover.problem
    path = leftover.report.path
    check = verify(path)
    assert check.ok, check.problems
    assert check.complete, check.problems
    assert (folder / "run.xdf.part.bak").exists()
    recording = Recording.open(path)
    assert [marker.payload["n"] for marker in recording.markers] == list(range(len(recording.markers)))
    lost_markers = max(0, n_markers - len(recording.markers))
    if "eeg" not in recording.streams:
        return 0.0, lost_markers
    stream = recording.streams["eeg"]
    expected = np.repeat(np.arange(len(stream), dtype="float32")[:, None], 8, axis=1)
    assert np.array_equal(stream.samples, expected)
    (other,) = [s for s in pyxdf.load_xdf(path)[0] if s["info"]["name"][0] == "eeg"]
    assert np.array_equal(other["time_series"], expected)
    assert np.array_equal(other["time_stamps"], stream.times)
    last = float(stream.times[-1]) if len(stream) else began
    return taken - last, lost_markers


def kill_many(folder: Path, n: int, at_once: int, seed: int) -> tuple[list[float], int, int]:
    """Kill `n` recorders at random times, a few at once; return the losses, lost markers, and unreadable files."""
    random, losses, n_markers_lost, n_unreadable = Random(seed), list[float](), 0, 0
    left = n
    while left:
        group = [Killed(folder / f"{left - k}") for k in range(min(at_once, left))]
        for child in group:
            child.wait_for_data()
        for child in group:
            child.clock.sleep(random.uniform(0.0, 0.6))
            taken, n_markers, began = child.kill()
            try:
                loss, lost = after_kill(child.folder, taken, n_markers, began)
            except FileError:
                n_unreadable += 1
                continue
            losses.append(loss)
            n_markers_lost += lost
        left -= len(group)
    return losses, n_markers_lost, n_unreadable


@pytest.mark.parametrize("n", [pytest.param(6, id="R1"), pytest.param(200, id="R1-200-kills", marks=pytest.mark.slow)])
def test_recorders_killed_at_random_times(tmp_path: Path, n: int) -> None:
    losses, n_markers, n_unreadable = kill_many(tmp_path, n, 3 if n < 10 else 5, 1)
    ms = 1000.0 * np.array(losses)
    figure = (
        f"{n} kills: lost {np.median(ms):.0f} ms median, {ms.max():.0f} ms at most; "
        f"{n_markers} markers lost; {n_unreadable} unreadable"
    )
    held = bool(ms.max() <= 100.0) and n_markers == 0 and n_unreadable == 0
    note_figure("R1", figure, held=held)
    assert n_unreadable == 0
    assert n_markers == 0
    assert ms.max() <= 100.0


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: process groups")
@pytest.mark.parametrize("n", [pytest.param(2, id="R2")])
def test_a_whole_process_group_is_killed(tmp_path: Path, n: int) -> None:
    losses = []
    for k in range(n):
        child = Killed(tmp_path / str(k), grandchild=True)
        child.wait_for_data()
        child.clock.sleep(0.3)
        taken, n_markers, began = child.kill()
        _wait_gone(child, tmp_path / str(k))
        loss, lost = after_kill(tmp_path / str(k), taken, n_markers, began)
        assert lost == 0
        losses.append(1000.0 * loss)
    note_figure(
        "R2", f"{n} kills of the group: lost {max(losses):.0f} ms at most, 0 markers", held=max(losses) <= 100.0
    )
    assert max(losses) <= 100.0


def _wait_gone(child: Killed, folder: Path) -> None:
    """Wait until the grandchild, which is not ours to wait for, is gone."""
    from volo_acquisition.recording.space import is_recording

    give_up = child.clock.now() + 30.0
    while is_recording(folder / "run.xdf.part") and child.clock.now() < give_up:
        child.clock.sleep(0.01)


@pytest.mark.parametrize("make", [pytest.param(Killed, id="R9")])
def test_a_recording_of_markers_only_is_killed(tmp_path: Path, make: Callable[..., Killed]) -> None:
    child = make(tmp_path, "markers")
    child.wait_for_data()
    child.clock.sleep(1.0)
    taken, n_markers, began = child.kill()
    assert n_markers > 5
    _, lost = after_kill(tmp_path, taken, n_markers, began)
    note_figure("R9", f"{n_markers} markers taken, {lost} lost, file readable", held=lost == 0)
    assert lost == 0
