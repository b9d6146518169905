"""The engine with sources, screens, outputs and decoders that break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import DecoderError, DeviceError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.verify import verify
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Channel, Chunk, Event, Item, Marker, StreamInfo
from volo_app.demo import DemoSettings, calibrate, train_speller
from volo_app.engine import SILENCE_S, Engine
from volo_app.rows import FRAMES, RunRecorder
from volo_app.session import create_session
from volo_app.showing import PATIENCE_S
from volo_decoders.fitted import FittedChain
from volo_decoders.pipeline.decoding import Decoding
from volo_decoders.types import Decision, Prediction
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.grammar import DECODER_FAILED, OPERATOR_STOP, marker_problems
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SpellerSettings, SsvepSpeller
from volo_paradigms.types import Command, Scene, Step

INFO = StreamInfo("eeg", "eeg", 250.0, (Channel("Oz"), Channel("O1")))
SHORT = CalibrationSettings(layout="four", n_blocks=1, flicker_s=0.4, cue_s=0.2, rest_s=0.1)


class ScriptedSource:
    """Yields `n_chunks` of 0.1 s, then does what `after` says."""

    def __init__(self, clock: ManualClock, n_chunks: int, after: Callable[[], list[Item]], info: StreamInfo = INFO):
        self.clock, self.n_chunks, self.after, self.info = clock, n_chunks, after, info
        self.n_read = 0
        self.n_closed = 0
        self.exhausted = False

    def open(self) -> tuple[StreamInfo, ...]:
        return (self.info,)

    def read(self, timeout_s: float) -> list[Item]:
        if self.n_read == self.n_chunks:
            self.clock.sleep(timeout_s)
            return self.after()
        start = 25 * self.n_read
        self.n_read += 1
        self.clock.sleep(0.1)
        times = np.arange(start, start + 25) / 250.0
        return [Chunk("eeg", start, np.zeros((25, self.info.n_channels), np.float32), times)]

    def close(self) -> None:
        self.n_closed += 1


def gone() -> list[Item]:
    raise DeviceError("the headset is gone", reason=Reason.NO_DATA)


def silent() -> list[Item]:
    return []


class LateScreen:
    """A live screen: answers a scene at the second poll after it, with a frame 16 ms after."""

    def __init__(self, clock: ManualClock, *, silent: bool = False, stops_at: int = -1) -> None:
        self.clock, self.silent, self.stops_at = clock, silent, stops_at
        self.waiting: list[tuple[int, Scene]] = []
        self.n_polls = 0
        self.noted: list[Marker] = []
        self.n_blanks = 0
        self.frames: list[tuple[float, ...]] = []
        self.is_dead = False

    def present(self, scene: Scene, now: float) -> None:
        self.waiting.append((self.n_polls + 2, scene))

    def poll(self) -> list[Marker]:
        self.n_polls += 1
        if self.is_dead:
            raise DeviceError("the stimulus screen ended unexpectedly", reason=Reason.DRIVER)
        if self.n_polls == self.stops_at:
            return [Marker(self.clock.now(), OPERATOR_STOP, {}, "operator")]
        now = self.clock.now()
        due = [] if self.silent else [scene for poll, scene in self.waiting if poll <= self.n_polls]
        self.waiting = [(poll, scene) for poll, scene in self.waiting if scene not in due]
        self.frames += [(now, float(self.n_polls), 1.0, 2.0) for _ in due]
        return [Marker(now, scene.label, scene.payload, "screen") for scene in due]

    def take_frames(self) -> NDArray[np.float64]:
        rows, self.frames = self.frames, []
        return np.array(rows).reshape(-1, 4)

    def note(self, marker: Marker) -> None:
        self.noted.append(marker)

    def blank(self) -> None:
        self.n_blanks += 1


class Output:
    """Keeps what it gets; breaks at the `breaks_at`-th command."""

    def __init__(self, breaks_at: int = -1, breaks_neutral: bool = False) -> None:
        self.breaks_at, self.breaks_neutral = breaks_at, breaks_neutral
        self.values: list[str] = []
        self.n_neutral = 0
        self.calls: list[str] = []

    def open(self) -> None:
        pass

    def send(self, command: Command) -> None:
        if len(self.values) == self.breaks_at:
            raise RuntimeError("the cable is out")
        self.values.append(command.value)

    def neutral(self) -> None:
        self.n_neutral += 1
        self.calls.append("neutral")
        if self.breaks_neutral:
            raise OSError("nobody there")

    def close(self) -> None:
        self.calls.append("close")


class Failing(Decoding):
    """A decoding that raises at the sample `at`, whatever it was fed before."""

    def __init__(self, decoding: Decoding, at: int) -> None:
        self.__dict__.update(decoding.__dict__)
        self.at = at

    def process(self, item: Item) -> list[Prediction | Decision | Event]:
        if isinstance(item, Chunk) and item.stop > self.at:
            raise ZeroDivisionError("two\nlines")
        return super().process(item)


class Dictating:
    """A paradigm that sends a command at each call, and ends after `n`; each was due `age_s` ago and holds 1 s."""

    def __init__(self, n: int, age_s: float = 0.0) -> None:
        self.n, self.n_sent, self.age_s = n, 0, age_s

    def advance(self, now: float) -> list[Step]:
        self.n_sent += 1
        return [Command(now - self.age_s, self.n_sent, 1.0, "text", str(self.n_sent))]

    def shown(self, marker: Marker) -> list[Step]:
        return []

    def decide(self, decision: Decision) -> list[Step]:
        return []

    @property
    def finished(self) -> bool:
        return self.n_sent >= self.n


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FittedChain:
    session = create_session(tmp_path_factory.mktemp("workspace"), "FIT", task="ssvep", settings={})
    settings = DemoSettings(text="A", layout="four", n_blocks=4)
    calibrate(session, settings)
    return train_speller(session, settings)


def recorded(
    path: Path, run: Callable[[RunRecorder], object], kind: type[Exception], match: str
) -> tuple[Exception, Recording]:
    """Run into an error while recording; return it and what was recorded, which has to be whole."""
    with pytest.raises(kind, match=match) as caught, RunRecorder(path, {"task": "test"}) as recorder:
        run(recorder)
    assert verify(path).ok
    assert verify(path).complete
    return caught.value, Recording.open(path)


def test_a_source_that_breaks_ends_the_run_neutral_with_the_file_closed(tmp_path: Path) -> None:
    clock, output = ManualClock(), Output()
    source = ScriptedSource(clock, 10, gone)
    _, recording = recorded(
        tmp_path / "run.xdf",
        lambda recorder: Engine(source, clock, recorder=recorder, outputs=[output]).run(),
        DeviceError,
        "the headset is gone",
    )
    assert len(recording.streams["eeg"]) == 250
    assert (source.n_closed, output.n_neutral) == (1, 1)


def test_a_silent_source_is_given_up_with_the_file_closed(tmp_path: Path) -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, 4, silent)
    error, recording = recorded(
        tmp_path / "run.xdf",
        lambda recorder: Engine(source, clock, recorder=recorder).run(),
        DeviceError,
        f"no data for {SILENCE_S:g} s",
    )
    assert isinstance(error, DeviceError)
    assert error.reason is Reason.NO_DATA
    assert SILENCE_S < clock.now() - 0.4 < SILENCE_S + 0.3
    assert len(recording.streams["eeg"]) == 100
    assert source.n_closed == 1


def test_a_source_that_does_not_open_is_closed() -> None:
    class Shut(ScriptedSource):
        def open(self) -> tuple[StreamInfo, ...]:
            raise DeviceError("no such port", reason=Reason.NOT_FOUND)

    source = Shut(ManualClock(), 0, silent)
    engine = Engine(source, source.clock)
    with pytest.raises(DeviceError, match="no such port"):
        engine.run()
    assert source.n_closed == 1
    assert (engine.status.phase, engine.status.reason) == ("ended", "no such port")


def test_a_decoder_fitted_on_another_montage_is_refused_by_the_missing_electrodes(fitted: FittedChain) -> None:
    clock = ManualClock()
    settings = SyntheticSource.Settings(channels=("Oz", "O1", "Fz"), duration_s=2.0)
    with pytest.raises(DecoderError, match=r"montage.*lacks.*Pz"):
        Engine(SyntheticSource(settings, clock), clock, chain=fitted).run()


def test_a_decoder_fitted_at_another_rate_is_refused(fitted: FittedChain) -> None:
    clock = ManualClock()
    settings = SyntheticSource.Settings(rate_hz=500.0, duration_s=2.0)
    with pytest.raises(DecoderError, match=r"250 Hz.*500 Hz"):
        Engine(SyntheticSource(settings, clock), clock, chain=fitted).run()


def test_an_output_that_raises_is_left_out_and_the_run_goes_on(tmp_path: Path) -> None:
    clock = ManualClock()
    broken, sound = Output(breaks_at=2), Output()
    path = tmp_path / "run.xdf"
    with RunRecorder(path, {"task": "test"}) as recorder:
        engine = Engine(
            ScriptedSource(clock, 50, silent),
            clock,
            recorder=recorder,
            paradigm=Dictating(6),
            screen=VirtualScreen(),
            outputs=[broken, sound],
        )
        result = engine.run()
    assert broken.values == ["1", "2"]
    assert broken.n_neutral == 1
    assert sound.values == ["1", "2", "3", "4", "5", "6"]
    assert result.failures == ["output Output failed: RuntimeError: the cable is out"]
    (failed,) = [m for m in Recording.open(path).markers if m.label == "output/failed"]
    assert failed.payload["message"] == result.failures[0]
    assert engine.status.reason == "finished"


def test_an_output_that_cannot_go_neutral_does_not_keep_the_source_open() -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, 3, gone)
    broken, sound = Output(breaks_neutral=True), Output()
    with pytest.raises(DeviceError, match="the headset is gone"):
        Engine(source, clock, outputs=[broken, sound]).run()
    assert (source.n_closed, sound.n_neutral) == (1, 1)


def test_the_run_ends_with_its_paradigm() -> None:
    clock = ManualClock()
    paradigm = SsvepCalibration(SHORT)
    engine = Engine(ScriptedSource(clock, 1000, gone), clock, paradigm=paradigm, screen=VirtualScreen())
    result = engine.run()
    assert paradigm.finished
    assert engine.status.reason == "finished"
    assert [m.payload["target"] for m in result.markers if m.label == "stimulus/onset"] == list(paradigm.order)


def test_stop_ends_the_run_after_the_current_step() -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, 1000, gone)
    engine = Engine(source, clock, on_chunk=lambda chunk: engine.stop() if chunk.stop == 250 else None)
    result = engine.run()
    assert result.samples == {"eeg": 250}
    assert engine.status.reason == "stopped"
    assert source.n_closed == 1


def test_a_paradigm_without_a_screen_is_refused() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="needs a screen"):
        Engine(ScriptedSource(clock, 1, gone), clock, paradigm=Dictating(1))


def live(
    screen: LateScreen, clock: ManualClock, recorder: RunRecorder | None = None, n_chunks: int = 1000
) -> tuple[Engine, SsvepCalibration]:
    paradigm = SsvepCalibration(SHORT)
    source = ScriptedSource(clock, n_chunks, gone)
    return Engine(source, clock, recorder=recorder, paradigm=paradigm, screen=screen), paradigm


def test_a_screen_that_answers_later_takes_a_paradigm_to_its_end(tmp_path: Path) -> None:
    clock = ManualClock()
    screen = LateScreen(clock)
    path = tmp_path / "run.xdf"
    heard: list[Marker] = []
    with RunRecorder(path, {"task": "test"}) as recorder:
        engine, paradigm = live(screen, clock, recorder)
        engine._hear = lambda marker: heard.append(marker) or []  # type: ignore[func-returns-value]
        result = engine.run()
    labels = [m.label for m in result.markers]
    a_trial = ["trial/start", "stimulus/onset", "stimulus/offset", "screen/missed", "trial/frames"]
    assert labels == a_trial * len(paradigm.order)
    assert result.markers[4].payload == {"trial": 0, "frames": 1, "late": 1, "missed": 2}
    assert heard == result.markers
    recording = Recording.open(path)
    assert [m.origin for m in recording.markers] == ["screen"] * len(labels)
    times, rows = recording.rows(FRAMES)
    assert recording.info(FRAMES).channel_names == ("index", "late", "missed")
    assert np.array_equal(times, [m.time for m in recording.markers if m.label in a_trial[:3]])
    assert np.asarray(rows)[:, 1:].tolist() == [[1, 2]] * len(times)
    status = engine.status
    assert (status.frames, status.late_frames, status.missed_frames) == (12, 12, 24)
    assert screen.n_blanks == 1


def test_decisions_are_told_to_a_live_screen(fitted: FittedChain) -> None:
    clock = ManualClock()
    screen = LateScreen(clock)
    paradigm = SsvepSpeller(SpellerSettings(layout="four", max_trial_s=0.3, max_selections=2))
    Engine(ScriptedSource(clock, 1000, gone), clock, paradigm=paradigm, screen=screen).run()
    assert [m.label for m in screen.noted] == ["trial/decision"] * 2


def test_a_screen_that_dies_ends_the_run_by_name_with_the_file_closed(tmp_path: Path) -> None:
    clock = ManualClock()
    screen = LateScreen(clock)

    def run(recorder: RunRecorder) -> object:
        engine, _ = live(screen, clock, recorder)
        engine._on_chunk = lambda chunk: setattr(screen, "is_dead", chunk.stop >= 500)
        return engine.run()

    _, recording = recorded(tmp_path / "run.xdf", run, DeviceError, "the stimulus screen ended")
    assert len(recording.streams["eeg"]) == 500


def test_a_screen_that_shows_nothing_is_given_up() -> None:
    clock = ManualClock()
    engine, _ = live(LateScreen(clock, silent=True), clock)
    with pytest.raises(DeviceError, match=f"the screen has not shown 'trial/start' for {PATIENCE_S:g} s"):
        engine.run()
    assert PATIENCE_S < clock.now() < PATIENCE_S + 0.5


def test_a_screen_that_answers_neither_now_nor_later_is_refused() -> None:
    class Mute:
        def present(self, scene: Scene, now: float) -> Marker | None:
            return None

    clock = ManualClock()
    engine = Engine(ScriptedSource(clock, 10, gone), clock, paradigm=SsvepCalibration(SHORT), screen=Mute())
    with pytest.raises(DeviceError, match="did not show"):
        engine.run()


def test_the_stop_key_of_the_screen_ends_the_run() -> None:
    clock = ManualClock()
    screen = LateScreen(clock, stops_at=9)
    engine, paradigm = live(screen, clock)
    result = engine.run()
    assert not paradigm.finished
    assert engine.status.reason == "stopped at the screen"
    assert result.markers[-1].label == OPERATOR_STOP
    assert screen.n_blanks == 1


@pytest.fixture
def failing(fitted: FittedChain, monkeypatch: pytest.MonkeyPatch) -> FittedChain:
    """A chain whose decoder raises at 5 s."""
    make = FittedChain.decoding
    monkeypatch.setattr(FittedChain, "decoding", lambda self, *args: Failing(make(self, *args), 5 * 250))
    return fitted


def test_a_decoder_that_raises_ends_the_feedback_and_not_the_recording(failing: FittedChain, tmp_path: Path) -> None:
    clock, output, screen = ManualClock(), Output(), LateScreen(ManualClock())
    source = SyntheticSource(SyntheticSource.Settings(duration_s=20.0), clock)
    path = tmp_path / "run.xdf"
    with RunRecorder(path, {"task": "test"}) as recorder:
        engine = Engine(
            source,
            clock,
            recorder=recorder,
            chain=failing,
            paradigm=Dictating(10**9),
            screen=screen,
            outputs=[output],
            on_chunk=lambda chunk: sent.append(len(output.values)) if chunk.index >= 5 * 250 else None,
        )
        sent: list[int] = []
        result = engine.run()
    assert verify(path).ok
    recording = Recording.open(path)
    assert len(recording.streams["synthetic"]) == 20 * 250 == result.samples["synthetic"]
    assert result.failure == "the decoder failed: ZeroDivisionError: two lines" == engine.status.reason
    (failed,) = [m for m in recording.markers if m.label == DECODER_FAILED]
    assert failed.payload == {"message": result.failure}
    assert failed.time == pytest.approx(5.0, abs=0.2)
    assert marker_problems(failed) == []
    assert len(sent) > 10
    assert sent[0] == sent[-1] == len(output.values) > 0
    assert output.calls == ["neutral", "neutral", "close"]
    assert screen.n_blanks == 2
    assert result.sha256 == ""
    with pytest.raises(DecoderError, match=r"two lines.*safe in .*run\.xdf"):
        result.require_decoder(path)


def test_a_decoder_that_raises_ends_a_run_that_records_nothing(failing: FittedChain) -> None:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(duration_s=20.0), clock)
    with pytest.raises(ZeroDivisionError):
        Engine(source, clock, chain=failing).run()


def test_a_decoder_that_raises_ends_the_run_of_a_simulated_participant(failing: FittedChain, tmp_path: Path) -> None:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(), clock)  # would go on for ever
    with RunRecorder(tmp_path / "run.xdf", {"task": "test"}) as recorder:
        engine = Engine(source, clock, recorder=recorder, chain=failing, keep_recording=False)
        result = engine.run()
    assert 5 * 250 <= result.samples["synthetic"] < 6 * 250
    assert engine.status.reason == result.failure != ""


def test_a_screen_that_owes_a_scene_does_not_end_the_recording_after_the_decoder(
    failing: FittedChain, tmp_path: Path
) -> None:
    clock = ManualClock()
    source = SyntheticSource(SyntheticSource.Settings(duration_s=20.0), clock)
    screen = LateScreen(clock)
    paradigm = SsvepCalibration(CalibrationSettings(layout="four", n_blocks=50, flicker_s=0.4, cue_s=0.2, rest_s=0.1))

    def close_its_eyes(chunk: Chunk) -> None:
        screen.silent = chunk.stop > 4 * 250

    with RunRecorder(tmp_path / "run.xdf", {"task": "test"}) as recorder:
        result = Engine(
            source,
            clock,
            recorder=recorder,
            chain=failing,
            paradigm=paradigm,
            screen=screen,
            on_chunk=close_its_eyes,
        ).run()
    assert result.samples["synthetic"] == 20 * 250


def test_a_run_whose_decoder_did_not_fail_is_not_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    result = Engine(ScriptedSource(clock, 10, silent), clock, paradigm=Dictating(3), screen=VirtualScreen()).run()
    result.require_decoder(tmp_path)
    assert result.failure == ""


def test_outputs_go_neutral_and_are_closed_at_the_end_also_those_that_failed() -> None:
    clock = ManualClock()
    broken, sound = Output(breaks_at=0), Output()
    source, outputs = ScriptedSource(clock, 50, silent), [broken, sound]
    Engine(source, clock, paradigm=Dictating(3), screen=VirtualScreen(), outputs=outputs).run()
    assert (broken.calls, sound.calls) == (["neutral", "close"], ["neutral", "close"])


@pytest.mark.parametrize(("age_s", "expected"), [(0.0, ["1", "2"]), (0.9, ["1", "2"]), (1.1, [])])
def test_a_command_is_sent_while_it_is_valid_and_recorded_anyhow(
    tmp_path: Path, age_s: float, expected: list[str]
) -> None:
    clock, output = ManualClock(2.0), Output()
    path = tmp_path / "run.xdf"
    with RunRecorder(path, {"task": "test"}) as recorder:
        Engine(
            ScriptedSource(clock, 50, silent),
            clock,
            recorder=recorder,
            paradigm=Dictating(2, age_s),
            screen=VirtualScreen(),
            outputs=[output],
        ).run()
    assert output.values == expected
    assert len(Recording.open(path).rows("volo-commands")[0]) == 2
