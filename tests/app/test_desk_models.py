"""What the desk knows, shows and orders, without Qt."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.clock import ManualClock, SessionClock
from volo_acquisition.types import Channel, ChannelKind, Chunk, Marker, StreamInfo
from volo_app.desk.autopilot import Autopilot
from volo_app.desk.messages import (
    Calibrate,
    DecisionView,
    GrabScreen,
    Phase,
    Snapshot,
    Spell,
    Steer,
    Stop,
    StreamView,
    Watch,
)
from volo_app.desk.model import DeskModel
from volo_app.desk.runs import _with_seed
from volo_app.desk.telemetry import KEEP_S, RATE_HZ, Telemetry
from volo_app.desk.traces import SCALES, TraceBuffer
from volo_app.outbox import Outbox
from volo_app.run_result import EngineStatus
from volo_paradigms.types import Command

VIEW = StreamView("eeg", ("Oz", "O1", "O2"), 250.0, "µV")


def sine(n: int, frequency_hz: float = 10.0, offset: float = 0.0, amplitude: float = 15.0) -> np.ndarray:
    t = np.arange(n) / 250.0
    wave = offset + amplitude * np.sin(2 * np.pi * frequency_hz * t)
    return np.repeat(wave[:, None], 3, axis=1).astype(np.float32)


# Traces.


@given(st.lists(st.integers(0, 700), min_size=1, max_size=8))
def test_traces_do_not_depend_on_how_samples_are_chunked(sizes: list[int]) -> None:
    signal = sine(sum(sizes), 9.0, 30.0)
    whole, parts = TraceBuffer(VIEW), TraceBuffer(VIEW)
    whole.push(signal)
    at = 0
    for size in sizes:
        parts.push(signal[at : at + size])
        at += size
    assert np.allclose(whole.lanes(), parts.lanes(), atol=1e-5, equal_nan=True)


def test_an_offset_of_30_mv_is_not_seen() -> None:
    traces = TraceBuffer(VIEW)
    traces.push(sine(2500, offset=30_000.0))
    assert traces.scale == 20.0


def test_what_has_not_come_is_not_drawn() -> None:
    traces = TraceBuffer(VIEW, seconds=4.0)
    assert np.isnan(traces.lanes()).all()
    traces.push(sine(250))
    lanes = traces.lanes()
    assert lanes.shape == (3, len(traces.times))
    assert np.isnan(lanes[:, :750]).all()
    assert np.isfinite(lanes[:, 750:]).all()
    assert traces.times[-1] == 0.0


def test_each_trace_stays_in_its_lane_whatever_comes() -> None:
    traces = TraceBuffer(VIEW)
    wild = sine(2000, amplitude=1e6)
    wild[100] = np.nan
    wild[200] = np.inf
    traces.push(wild)
    lanes = traces.lanes()
    assert traces.scale == SCALES[-1]
    for lane, centre in zip(lanes, (2, 1, 0), strict=True):
        assert np.all(np.abs(lane - centre) <= 0.75)


def test_fast_streams_are_thinned_for_drawing() -> None:
    traces = TraceBuffer(StreamView("fast", ("a",), 5000.0, "µV"))
    assert len(traces.times) == 1250


def test_samples_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="2 channels"):
        TraceBuffer(VIEW).push(np.zeros((5, 2), np.float32))


# What may be done.


def model_in(phase: Phase, *, decoder: str = "etrca-1", **changes: object) -> DeskModel:
    model = DeskModel(acknowledged="yes")
    model.take(Snapshot(phase=phase, decoder=decoder))
    for name, value in changes.items():
        setattr(model, name, value)
    return model


@pytest.mark.parametrize("phase", list(Phase))
def test_something_is_either_startable_or_under_way(phase: Phase) -> None:
    model = model_in(phase)
    assert model.can_start == (phase in (Phase.IDLE, Phase.WATCHING))
    assert model.can_stop == (phase not in (Phase.IDLE, Phase.TRAINING))
    assert model.can_calibrate == model.can_go_online == model.can_start


def test_nothing_flickers_before_the_warning_is_acknowledged() -> None:
    model = model_in(Phase.IDLE, acknowledged="")
    assert model.can_start
    assert not model.can_calibrate
    assert not model.can_go_online


def test_spelling_needs_a_decoder_and_for_a_simulated_participant_a_text() -> None:
    assert not model_in(Phase.IDLE, decoder="").can_go_online
    assert not model_in(Phase.IDLE, target_text=" ").can_go_online
    assert model_in(Phase.IDLE, target_text=" ", source="lsl:name=EEG").can_go_online


def test_nothing_can_be_done_before_the_engine_has_spoken_or_after_it_is_gone() -> None:
    assert not DeskModel(acknowledged="yes").can_start
    model = model_in(Phase.SPELLING)
    model.lose()
    assert not (model.can_start or model.can_stop)
    assert "engine ended" in model.error
    assert model.title == "The engine is gone"


def test_orders_carry_what_the_operator_set() -> None:
    model = model_in(Phase.IDLE, source=" synthetic:participant=3 ", n_blocks=5, target_text="AB")
    assert model.watch() == Watch("synthetic:participant=3")
    assert model.calibrate() == Calibrate("synthetic:participant=3", 5, "yes")
    assert model.go_online() == Spell("synthetic:participant=3", "AB", "yes")
    assert model.stop() == Stop()
    model.source = "lsl:name=EEG"
    assert model.go_online() == Spell("lsl:name=EEG", "", "yes")


# What is shown.


def test_counters_stand_out_when_there_is_trouble_only() -> None:
    model = model_in(Phase.SPELLING)
    assert not any(trouble for *_, trouble in model.counters)
    model.take(Snapshot(status=EngineStatus("running", "", 1234, 2, 1, frames=100, late_frames=5, missed_frames=3)))
    shown = {name: (value, trouble) for name, value, trouble in model.counters}
    assert shown["Samples"] == ("1 234", False)
    assert shown["Gaps in the signal"] == ("2", True)
    assert shown["Windows skipped"] == ("1", True)
    assert shown["Late frames"] == ("5 of 100", True)
    assert shown["Missed frames"] == ("3", True)


def test_a_decision_is_shown_with_its_confidence_and_time() -> None:
    model = model_in(Phase.SPELLING)
    assert model.decision == ("–", "no decision yet", 0.0)
    model.take(Snapshot(decision=DecisionView("A", 0.97, 0.0021)))
    assert model.decision == ("A", "confidence 97%, computed in 2.1 ms", 0.97)
    model.take(Snapshot(decision=DecisionView(None, 0.3, None)))
    assert model.decision == ("no answer", "confidence 30%", 0.3)


def test_progress_says_where_to_look() -> None:
    model = model_in(Phase.IDLE, decoder="")
    assert model.progress == (0, 1, "No decoder yet: calibrate first")
    model.take(Snapshot(Phase.CALIBRATING, done=2, total=8, cue="B"))
    assert model.progress == (2, 8, "Trial 3 of 8; look at B")
    model.take(Snapshot(Phase.CALIBRATING, done=8, total=8))
    assert model.progress == (8, 8, "Trial 8 of 8")


def test_the_log_and_the_figures_of_runs_are_kept() -> None:
    model = DeskModel()
    model.take(Snapshot(lines=("a", "b"), result={"text": "A", "sha256": "x"}))
    model.take(Snapshot(lines=("c",), result={"text": "AB"}))
    assert list(model.unread) == ["a", "b", "c"]
    assert model.result == {"text": "AB", "sha256": "x"}


def test_traces_start_anew_with_another_stream() -> None:
    model = DeskModel()
    model.take(Snapshot(stream=VIEW, samples=sine(100)))
    first = model.traces
    model.take(Snapshot(stream=VIEW, samples=sine(100)))
    assert model.traces is first
    model.take(Snapshot(stream=replace(VIEW, rate_hz=500.0)))
    assert model.traces is not first


# The automated run.


def flown(pilot: Autopilot, *snapshots: Snapshot) -> list[object]:
    model = DeskModel(acknowledged="auto", target_text="AB")
    orders = []
    for snapshot in snapshots:
        model.take(snapshot)
        orders.append(pilot.step(model))
    return orders


def test_the_autopilot_calibrates_spells_keeps_images_once_and_is_done() -> None:
    pilot = Autopilot("x.png")
    on, off = {"marker": "stimulus/onset"}, {"marker": "stimulus/offset"}
    orders = flown(
        pilot,
        Snapshot(),
        Snapshot(),  # not yet begun
        Snapshot(Phase.CALIBRATING, **on),  # type: ignore[arg-type]
        Snapshot(Phase.TRAINING),
        Snapshot(decoder="etrca-1"),
        Snapshot(decoder="etrca-1"),
        Snapshot(Phase.SPELLING, text="", **on),  # type: ignore[arg-type]
        Snapshot(Phase.SPELLING, text="A", **off),  # type: ignore[arg-type]
        Snapshot(Phase.SPELLING, text="A", **on),  # type: ignore[arg-type]
        Snapshot(Phase.SPELLING, text="A", **on),  # type: ignore[arg-type]
        Snapshot(result={"text": "AB", "sha256": "0"}),
    )
    calibrate, spell = Calibrate("synthetic", 4, "auto"), Spell("synthetic", "AB", "auto")
    assert orders == [calibrate, *[None] * 3, spell, *[None] * 3, GrabScreen("x.png"), None, None]
    assert pilot.wants_desk_image
    assert pilot.is_done
    assert not pilot.error


def test_the_autopilot_gives_up_on_an_error_or_a_stop() -> None:
    pilot = Autopilot()
    assert flown(pilot, Snapshot(), Snapshot(Phase.CALIBRATING), Snapshot(error="no data"), Snapshot())[2:] == [
        None,
        None,
    ]
    assert (pilot.is_done, pilot.error) == (True, "no data")
    pilot = Autopilot()
    flown(pilot, Snapshot(), Snapshot(Phase.CALIBRATING), Snapshot())
    assert (pilot.is_done, pilot.error) == (True, "the calibration was stopped")


# What is sent.


class Box:
    """An outbox whose reader is as busy as the test says."""

    def __init__(self) -> None:
        self.sent: list[Snapshot] = []
        self.is_free = True

    def put(self, message: Snapshot) -> bool:
        self.sent.append(message)
        return True


INFO = StreamInfo(
    "eeg", "eeg", 250.0, (Channel("Oz", unit="V"), Channel("n", ChannelKind.COUNTER, "count"), Channel("O1", unit="V"))
)


def chunk(index: int, n: int = 10) -> Chunk:
    return Chunk("eeg", index, np.full((n, 3), 2e-6), np.arange(index, index + n) / 250.0)


def telemetry() -> tuple[Telemetry, Box, ManualClock]:
    box, clock = Box(), ManualClock()
    told = Telemetry(box, clock, lambda: 0)  # type: ignore[arg-type]
    told.stream(INFO)
    box.sent.clear()
    return told, box, clock


def test_brain_signals_are_sent_in_microvolts_and_nothing_else() -> None:
    told, box, clock = telemetry()
    told.chunk(chunk(0))
    clock.sleep(1.0)
    told.send()
    (snapshot,) = box.sent
    assert snapshot.stream == StreamView("eeg", ("Oz", "O1"), 250.0, "µV")
    assert np.allclose(snapshot.samples, 2.0)
    assert snapshot.samples.shape == (10, 2)


def test_snapshots_come_at_most_30_times_a_second_and_lose_no_sample() -> None:
    told, box, clock = telemetry()
    for n in range(250):
        told.chunk(chunk(10 * n))
        told.send()
        clock.sleep(0.004)
    told.change(cue="")
    assert len(box.sent) <= 1.0 * RATE_HZ + 2
    assert sum(len(s.samples) for s in box.sent) == 2500


def test_a_desk_that_lags_gets_the_newest_seconds_and_all_lines_when_it_is_back() -> None:
    told, box, clock = telemetry()
    box.is_free = False
    for n in range(1000):
        told.chunk(chunk(10 * n))
        told.log(f"line {n}") if n % 500 == 0 else None
        told.send()
        clock.sleep(0.04)
    assert box.sent == []
    box.is_free = True
    told.send()
    (snapshot,) = box.sent
    assert len(snapshot.samples) == KEEP_S * 250
    assert snapshot.lines == ("line 0", "line 500")


def test_markers_tell_the_cue_and_the_text() -> None:
    told, box, _ = telemetry()
    told.marker(Marker(0.0, "trial/start", {"trial": 0, "cue": "A", "text": ""}))
    told.change()
    assert box.sent[-1].cue == "A"
    told.marker(Marker(0.0, "stimulus/offset", {"trial": 0}))
    told.marker(Marker(0.0, "trial/decision", {"trial": 0, "key": "A", "confidence": 1.0, "text": "A"}))
    told.change()
    assert (box.sent[-1].cue, box.sent[-1].text) == ("", "A")
    told.begin(Phase.SPELLING)
    assert box.sent[-1].text == ""


def test_a_simulated_participant_thinks_of_something_else_in_each_run() -> None:
    assert _with_seed("synthetic", 2) == "synthetic:seed=2"
    assert _with_seed("synthetic:participant=3", 2) == "synthetic:participant=3,seed=2"
    assert _with_seed("synthetic:seed=7", 2) == "synthetic:seed=7"
    assert _with_seed("lsl:name=EEG", 2) == "lsl:name=EEG"


# The outbox.


def test_an_outbox_sends_in_order() -> None:
    ours, theirs = get_context("spawn").Pipe()
    box = Outbox(theirs, limit=1000, name="volo-test")
    for n in range(100):
        assert box.put(n)
    assert [ours.recv() for _ in range(100)] == list(range(100))
    box.close()
    ours.close()
    theirs.close()


def test_an_outbox_never_waits_for_a_reader_and_counts_what_it_drops() -> None:
    ours, theirs = get_context("spawn").Pipe()
    clock = SessionClock()
    box = Outbox(theirs, limit=5, name="volo-test")
    large = b"x" * 10_000_000  # more than a pipe holds
    taken = [box.put(large) for _ in range(20)]
    assert taken.count(True) == 5
    assert box.n_dropped == 15
    assert not box.is_free
    ours.close()
    box.close(5.0)
    give_up = clock.now() + 5.0
    while not box.is_free and clock.now() < give_up:
        clock.sleep(0.01)
    assert box.is_free
    assert not box.put("more")
    theirs.close()


def test_imagery_needs_no_acknowledgement_and_orders_steering() -> None:
    model = model_in(Phase.IDLE, decoder="csp_lda-1", acknowledged="")
    model.task = "imagery"
    assert model.can_calibrate
    assert model.can_go_online
    assert model.go_online() == Steer("synthetic", "right", "not needed: nothing flickers")
    model.source = "lsl:name=EEG"
    assert model.go_online() == Steer("lsl:name=EEG", "", "not needed: nothing flickers")


def test_commands_of_a_cursor_are_told_as_its_place_and_what_was_selected() -> None:
    ours, theirs = get_context("spawn").Pipe()
    outbox = Outbox(ours, limit=8, name="volo-test-outbox")
    telemetry = Telemetry(outbox, ManualClock(), lambda: 0)
    telemetry.begin(Phase.STEERING)
    for k, (target, value) in enumerate([("cursor", "+0.250"), ("select", "right"), ("cursor", "+0.000")]):
        telemetry.command(Command(0.0, k, 0.5, target, value))
    telemetry.change()
    outbox.close()
    sent = []
    while theirs.poll(0.5):
        try:
            sent.append(theirs.recv())
        except EOFError:
            break
    assert (sent[-1].cursor, sent[-1].text) == (0.0, "right")
