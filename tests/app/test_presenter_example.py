"""The example of an external presenter, run as anyone would: its markers over LSL, recorded and decoded by Volo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from volo_acquisition.clock import SessionClock
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Item, Marker, StreamInfo
from volo_app.engine import Engine
from volo_app.marker_inlet import LslMarkerInlet, MarkerSettings
from volo_app.presets import ssvep_chain
from volo_app.rows import RunRecorder
from volo_app.run_result import RunResult
from volo_app.training import train_file
from volo_decoders.fitted import FittedChain
from volo_paradigms.grammar import ONSET, marker_problems, sequence_problems
from volo_paradigms.layout import load_layout
from volo_paradigms.will import Will

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
FOUR = load_layout("four")


class Watched:
    """A simulated head whose owner watches what another program presents."""

    def __init__(self, stream: str, clock: SessionClock, seed: int) -> None:
        # samples come 30 ms late, as an amplifier's do, so that markers are there before them
        self._head = SyntheticSource(SyntheticSource.Settings(seed=seed, latency_s=0.03), clock)
        self._inlet = LslMarkerInlet(MarkerSettings(stream, resolve_timeout_s=20.0), clock)
        self._will = Will(FOUR)
        self.exhausted = False

    def open(self) -> tuple[StreamInfo, ...]:
        self._inlet.open()
        return self._head.open()

    def read(self, timeout_s: float) -> list[Item]:
        items: list[Item] = []
        for item in self._inlet.read(0.005):
            if isinstance(item, Marker):
                answers = self._will.take(item)
                for seen in (item, *answers):
                    self._head.tell(seen)
                items += [item, *answers]
        return [*items, *self._head.read(0.005)]

    def close(self) -> None:
        self._inlet.close()
        self._head.close()


@contextmanager
def presenting(stream: str, *options: str) -> Iterator[None]:
    words = [sys.executable, str(EXAMPLES / "presenter.py"), "--stream", stream, *options]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(10.0)


def record(path: Path, stream: str, *options: str, chain: FittedChain | None = None, seed: int = 1) -> RunResult:
    clock = SessionClock()
    with presenting(stream, *options), RunRecorder(path, {"task": "ssvep"}) as recorder:
        source = Watched(stream, clock, seed)
        return Engine(source, clock, recorder=recorder, chain=chain, until_run_stop=True).run()


@pytest.mark.timeout(60)
def test_the_examples_markers_are_recorded_and_keep_the_grammar(tmp_path: Path) -> None:
    path = tmp_path / "run.xdf"
    record(
        path, f"Presenter-{tmp_path.name}", "--blocks", "1", "--flicker-s", "0.3", "--cue-s", "0.2", "--rest-s", "0.1"
    )
    markers = [m for m in Recording.open(path).markers if m.origin != "participant"]
    plain = [Marker(m.time, m.label, {k: v for k, v in m.payload.items() if k != "source_time"}) for m in markers]
    assert [problem for marker in plain for problem in marker_problems(marker)] == []
    assert sequence_problems(plain) == []
    labels = [m.label for m in markers]
    assert labels[0] == "run/start"
    assert labels[-1] == "run/stop"
    assert sorted(str(m.payload["target"]) for m in markers if m.label == ONSET) == sorted(FOUR.labels)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_run_presented_elsewhere_trains_a_decoder_and_is_decoded_online(tmp_path: Path) -> None:
    """Simulated: plumbing only. Three blocks to train on, one that is decoded online by what was trained."""
    stream = f"Presenter-{tmp_path.name}"
    calibration, spelling = tmp_path / "calibration.xdf", tmp_path / "spelling.xdf"
    record(calibration, stream, "--blocks", "3")
    fitted = train_file(calibration, lambda info: ssvep_chain("etrca", FOUR, info.rate_hz))
    result = record(spelling, stream, "--blocks", "1", chain=fitted, seed=2)
    targets = {m.payload["trial"]: m.payload["target"] for m in result.markers if m.label == ONSET}
    decided = {d.group: d.label for d in result.decisions}
    assert len(targets) == 4
    assert sum(decided.get(trial) == target for trial, target in targets.items()) >= 3


@pytest.mark.parametrize("name", ["presenter_psychopy.py", "VoloPresenter.cs", "volo_presenter.m"])
def test_the_other_examples_send_the_same_markers(name: str) -> None:
    """They need programs that are not here: what can be held is that they name the labels of the grammar."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for label in ("run/start", "trial/start", "stimulus/onset", "stimulus/offset", "run/stop"):
        assert label in text
    for word in ("trial", "target", "cue", "have_consumers"):
        assert word in text
    if name.endswith(".py"):
        compile(text, name, "exec")
