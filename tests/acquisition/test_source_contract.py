"""One contract for every registered source."""

import uuid
from contextlib import contextmanager

import numpy as np
import pytest

from volo_acquisition import registry
from volo_acquisition.clock import ManualClock, SessionClock
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.sources.brainflow import BrainFlowSource
from volo_acquisition.sources.contract import SourceContractError, check_source
from volo_acquisition.sources.lsl import LslSource
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Channel, Chunk, Correction, Event, EventKind, Marker, StreamInfo
from volo_app.outputs.lsl import ChunkOutlet

INFO = StreamInfo("eeg", "eeg", 250.0, (Channel("Oz"), Channel("O1")))


@contextmanager
def synthetic(_path):
    faults = "gap at_s=0.2 duration_s=0.1"
    settings = SyntheticSource.Settings(duration_s=2.0, faults=faults)
    yield lambda: SyntheticSource(settings, SessionClock())


@contextmanager
def brainflow(_path):
    yield lambda: BrainFlowSource(BrainFlowSource.Settings(), SessionClock())


@contextmanager
def replay(path):
    file = path / "run.xdf"
    with XdfRecorder(file) as recorder:
        recorder.add_stream(INFO)
        recorder.write_item(Correction("eeg", 0, 1.0, 1.0))
        recorder.write_item(Marker(1.1, "stimulus/onset", {"trial": 0}))
        for index, n in ((0, 60), (70, 90)):
            if index:
                recorder.write_item(Event(EventKind.GAP, "eeg", 60, 1.0, 10))
            recorder.write_chunk(Chunk("eeg", index, np.ones((n, 2), np.float32), (index + np.arange(n)) / 250.0))
    yield lambda: ReplaySource(ReplaySource.Settings(str(file)), SessionClock())


class _Fed(LslSource):
    """An LSL source in whose thread the outlet at the other end is fed, with a loss now and then."""

    Settings = LslSource.Settings
    outlet: ChunkOutlet
    n_sent = 0

    def read(self, timeout_s):
        clock = SessionClock()
        self.outlet.wait_for_consumers(5.0)
        times = clock.now() + np.arange(-9, 1) / 250.0
        self.outlet.push(Chunk("eeg", self.n_sent, np.ones((10, 2), np.float32), times))
        self.n_sent += 10 if self.n_sent % 50 else 13
        return super().read(timeout_s)


@contextmanager
def lsl(_path):
    with ChunkOutlet(INFO, source_id=f"test-{uuid.uuid4().hex}") as outlet:

        def make():
            source = _Fed(LslSource.Settings(source_id=outlet.source_id, resolve_timeout_s=20.0), SessionClock())
            source.outlet = outlet
            return source

        yield make


CASES = {"synthetic": synthetic, "brainflow": brainflow, "replay": replay, "lsl": lsl}


@pytest.mark.parametrize("name", registry.names("volo.sources"))
def test_every_source_keeps_the_contract(name, tmp_path):
    with CASES[name](tmp_path) as factory:
        report = check_source(factory)
    assert report.n_samples >= 100
    chunks = [item for item in report.items if isinstance(item, Chunk)]
    lost = sum(item.n for item in report.items if isinstance(item, Event) and item.kind is EventKind.GAP)
    assert chunks[-1].stop == report.n_samples + lost


def test_no_registered_source_is_untested():
    assert sorted(CASES) == registry.names("volo.sources")


class Broken:
    """A finite source that breaks one promise."""

    Settings = ReplaySource.Settings

    def __init__(self, items, *, exhausts=True, timeout_s=0.0):
        self.left, self.exhausts, self.timeout_s = list(items), exhausts, timeout_s

    def open(self):
        return (INFO,)

    def read(self, timeout_s):
        SessionClock().sleep(self.timeout_s)
        return [self.left.pop(0)] if self.left else [] if self.exhausts else [Marker(0.0, "again")]

    def close(self):
        pass

    @property
    def exhausted(self):
        return not self.left


def chunk(index, n=10, stream_id="eeg", n_channels=2, dtype=np.float32, fill=0.0):
    return Chunk(stream_id, index, np.full((n, n_channels), fill, dtype), np.arange(n) / 250.0)


class Reused(Broken):
    """Hands out the same memory again and again."""

    def __init__(self):
        super().__init__([0, 10, 20])
        self.memory = np.zeros((10, 2), np.float32)

    def read(self, timeout_s):
        if not self.left:
            return []
        self.memory += 1.0
        return [Chunk("eeg", self.left.pop(0), self.memory, np.arange(10) / 250.0)]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (lambda: Broken([chunk(0), chunk(5)]), "overlaps, expected 10"),
        (lambda: Broken([chunk(0), chunk(15)]), "a jump of 5 samples, GAP events said 0"),
        (lambda: Broken([chunk(0), Event(EventKind.GAP, "eeg", 10, 0.0, 4), chunk(15)]), "GAP events said 4"),
        (lambda: Broken([chunk(0, stream_id="emg")]), "unknown stream 'emg'"),
        (lambda: Broken([chunk(0, n_channels=3)]), "3 channels, declared are 2"),
        (lambda: Broken([chunk(0, dtype=np.float64)]), "dtype float64, declared is float32"),
        (lambda: Broken([Marker(0.0, "x", {"key": object()})]), "payload that is not JSON"),
        (lambda: Broken(["text"]), "returned a str"),
        (lambda: Broken([chunk(0)], exhausts=False), "after the source was exhausted"),
        (lambda: Broken([chunk(0)], timeout_s=0.5), r"read\(0.0\) took"),
        (Reused, "changed after it was handed out"),
    ],
)
def test_the_contract_notices_each_broken_promise(source, problem):
    with pytest.raises(SourceContractError, match=problem):
        check_source(source, slack_s=0.3, patience_s=5.0)


def test_a_source_that_sends_nothing_breaks_the_contract():
    clock = ManualClock()

    class Silent(Broken):
        exhausted = False

        def __init__(self):
            super().__init__([])

        def read(self, timeout_s):
            clock.sleep(timeout_s)
            return []

    with pytest.raises(SourceContractError, match=r"only 0 samples came in 0\.3 s"):
        check_source(Silent, patience_s=0.3)
