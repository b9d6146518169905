import io
import json
import uuid

import numpy as np
import pylsl
import pytest

from volo_acquisition import registry
from volo_acquisition.clock import ManualClock, SessionClock
from volo_acquisition.sources.foreign_clock import lsl_offset_s
from volo_acquisition.sources.lsl_link import find_streams
from volo_acquisition.types import Channel, ChannelKind, Chunk, Correction, Marker, StreamInfo
from volo_app.outputs.lsl import COUNTER_MODULUS, ChunkOutlet, LslOutput, MarkerOutlet
from volo_app.outputs.terminal import TerminalOutput
from volo_paradigms.types import Command

PATIENCE_S = 20.0


def command(value, sequence=0, target="text"):
    return Command(10.0 + sequence, sequence, 1.0, target, value)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def write(values, stream):
    output = TerminalOutput(TerminalOutput.Settings(), ManualClock(), stream)
    output.open()
    for k, value in enumerate(values):
        output.send(command(value, k))
    return output


def test_letters_appear_one_by_one_and_a_backspace_erases_the_last_on_a_terminal():
    stream = Terminal()
    output = write(["V", "O", "X", "\b", "L", "O"], stream)
    assert stream.getvalue() == "VOX\b \bLO"
    output.neutral()
    output.close()
    output.close()
    assert stream.getvalue() == "VOX\b \bLO\n"


def test_a_backspace_takes_back_a_whole_unit_and_nothing_more():
    stream = Terminal()
    write(["the ", "\b", "\b", "語", "\b"], stream)
    assert stream.getvalue() == "the " + "\b \b" * 4 + "語" + "\b \b" * 2


def test_what_is_written_to_a_file_stays_there():
    stream = io.StringIO()
    write(["A", "\b", "B"], stream).close()
    assert stream.getvalue() == "A\bB\n"


def test_commands_for_others_are_not_written(capsys):
    output = TerminalOutput(TerminalOutput.Settings(), ManualClock())
    with pytest.raises(ValueError, match="not open"):
        output.send(command("A"))
    output.open()
    output.send(command("left", target="wheelchair"))
    output.send(command("A"))
    output.close()
    assert capsys.readouterr().out == "A\n"


def inlet_of(source_id):
    """Return a plain pylsl inlet and the stream's full description."""
    found = find_streams([lambda info: info.source_id() == source_id], PATIENCE_S)
    inlet = pylsl.StreamInlet(next(info for info in found if info.source_id() == source_id), recover=False)
    inlet.open_stream(PATIENCE_S)
    return inlet, inlet.info(PATIENCE_S)


def pull(inlet, n):
    samples, stamps, clock = [], [], SessionClock()
    give_up = clock.now() + PATIENCE_S
    while len(samples) < n:
        assert clock.now() < give_up
        sample, stamp = inlet.pull_sample(0.2)
        if sample is not None:
            samples.append(sample)
            stamps.append(stamp)
    return samples, np.array(stamps)


def test_chunks_are_published_with_their_description_stamps_and_a_counter():
    clock = SessionClock()
    channels = (Channel("Oz", position=(0.0, -0.1, 0.02)), Channel("HEOG", ChannelKind.EOG, "mV"))
    info = StreamInfo(f"test-{uuid.uuid4().hex}", "eeg", 250.0, channels, "float64")
    with ChunkOutlet(info, clock) as outlet:
        inlet, described = inlet_of(outlet.source_id)
        assert outlet.wait_for_consumers(PATIENCE_S)
        outlet.correct(Correction(info.stream_id, 0, 7.0, 0.0))
        outlet.correct(Correction("another", 0, 99.0, 0.0))
        samples = np.random.default_rng(0).standard_normal((5, 2))
        raw = clock.now() - 7.0 + np.arange(5) / 250.0
        first = COUNTER_MODULUS - 2
        outlet.push(Chunk(info.stream_id, first, samples, raw))
        outlet.push(Chunk(info.stream_id, first + 5, samples[:0], raw[:0]))
        got, stamps = pull(inlet, 5)
        del inlet
    assert (described.type(), described.nominal_srate(), described.channel_format()) == (
        "EEG",
        250.0,
        pylsl.cf_double64,
    )
    assert described.get_channel_labels() == ["Oz", "HEOG", "counter"]
    assert described.get_channel_types() == ["EEG", "EOG", "COUNTER"]
    assert described.get_channel_units() == ["microvolts", "mV", "count"]
    assert described.desc().child_value("counter_modulus") == str(COUNTER_MODULUS)
    got = np.array(got)
    assert got[:, :2].tobytes() == samples.tobytes()
    assert got[:, 2].tolist() == [first, first + 1, 0, 1, 2]
    assert np.allclose(stamps, raw + 7.0 - lsl_offset_s(clock), atol=1e-3, rtol=0)


def test_a_stream_with_its_own_counter_gets_no_second_one_and_says_where_it_wraps():
    own = StreamInfo("s", "eeg", 250.0, (Channel("Oz"), Channel("n", ChannelKind.COUNTER, "count")))
    outlet = ChunkOutlet(own, ManualClock(), counter_modulus=256)
    assert outlet.channels == own.channels
    assert outlet.counter_modulus == 256
    assert ChunkOutlet(own, ManualClock(), counter=False).channels == own.channels
    small = StreamInfo("s", "eeg", 250.0, (Channel("Oz"),), "int16")
    assert ChunkOutlet(small, ManualClock()).counter_modulus == 2**15


def test_wrong_use_of_an_outlet_is_told():
    info = StreamInfo("s", "eeg", 250.0, (Channel("Oz"),))
    with pytest.raises(ValueError, match="use MarkerOutlet"):
        ChunkOutlet(StreamInfo("s", "markers", 0.0, (Channel("m"),), "string"))
    outlet = ChunkOutlet(info, ManualClock())
    with pytest.raises(ValueError, match="not open"):
        outlet.push(Chunk("s", 0, np.zeros((1, 1), np.float32), np.zeros(1)))
    with pytest.raises(ValueError, match="chunk of 'other' with 1 channels"):
        outlet.push(Chunk("other", 0, np.zeros((1, 1), np.float32), np.zeros(1)))


def test_commands_markers_and_the_neutral_state_go_out_as_json():
    clock = SessionClock()
    name = f"test-{uuid.uuid4().hex}"
    output = LslOutput(LslOutput.Settings(name), clock)
    output.open()
    inlet, described = inlet_of(output.outlet.source_id)
    assert output.outlet.wait_for_consumers(PATIENCE_S)
    now = clock.now()
    output.send(Command(now, 4, 0.5, "text", "é"))
    output.neutral()
    output.neutral()
    output.send(Command(now, 5, 0.5, "text", "f"))
    got, stamps = pull(inlet, 3)
    del inlet
    output.close()
    output.close()
    assert (described.name(), described.type(), described.nominal_srate()) == (name, "Markers", 0.0)
    first, second, third = (json.loads(sample[0]) for sample in got)
    assert first["label"] == "command"
    assert first["payload"] == {"sequence": 4, "time": now, "valid_for_s": 0.5, "target": "text", "value": "é"}
    assert second["label"] == "command/neutral"
    assert third["payload"]["sequence"] == 5
    assert stamps[0] == pytest.approx(now - lsl_offset_s(clock), abs=1e-3)


def test_closing_goes_neutral_first(monkeypatch):
    output = LslOutput(LslOutput.Settings(f"test-{uuid.uuid4().hex}"), SessionClock())
    output.open()
    sent = []
    monkeypatch.setattr(output.outlet, "push", lambda marker: sent.append(marker.label))
    output.send(command("A"))
    output.close()
    output.close()
    output.neutral()
    assert sent == ["command", "command/neutral"]


def test_a_marker_outlet_must_be_open_to_send():
    with pytest.raises(ValueError, match="not open"):
        MarkerOutlet("m", ManualClock()).push(Marker(0.0, "x"))


@pytest.mark.parametrize("name", registry.names("volo.outputs"))
def test_every_output_can_be_made_closed_unopened_and_closed_twice(name):
    cases = {"terminal": {}, "lsl": {"name": f"test-{uuid.uuid4().hex}"}}
    factory = registry.load("volo.outputs", name)
    factory(factory.Settings(**cases[name]), SessionClock()).close()
    output = factory(factory.Settings(**cases[name]), SessionClock())
    output.open()
    output.neutral()
    output.send(command("A"))
    output.neutral()
    output.neutral()
    output.close()
    output.close()
