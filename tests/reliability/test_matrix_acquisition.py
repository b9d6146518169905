"""Rows of the fault matrix about what an LSL stream declares, over real LSL; the limits are those of the product."""

import socket
import uuid

import pylsl
import pytest

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.lsl import LslSource
from volo_acquisition.sources.lsl_link import LslLink, find_streams


def declared(name, channels, n_channels=0, rate_hz=250.0):
    info = pylsl.StreamInfo(name, "EEG", n_channels or len(channels), rate_hz, "float32", name)
    listed = info.desc().append_child("channels")
    for label, unit in channels:
        listed.append_child("channel").append_child_value("label", label).append_child_value("unit", unit)
    return info


def back(link):
    """Look until the stream is back; fail after a while."""
    clock = SessionClock()
    give_up = clock.now() + 30.0
    while not link.found_again():
        assert clock.now() < give_up, "the stream was not found again"
        clock.sleep(0.05)
    return True


BEFORE = (("Oz", "microvolts"), ("O1", "microvolts"))


@pytest.mark.parametrize(
    ("after", "refused"),
    [
        pytest.param((("O1", "microvolts"), ("Oz", "microvolts")), True, id="A5-order"),
        pytest.param((("Oz", "millivolts"), ("O1", "microvolts")), True, id="A5-units"),
        pytest.param((*BEFORE, ("O2", "microvolts")), True, id="A5-count"),
        pytest.param(BEFORE, False, id="A5-same"),
    ],
)
def test_a_stream_that_comes_back_is_taken_only_with_the_same_channels(after, refused):
    name = f"test-{uuid.uuid4().hex}"
    outlet = pylsl.StreamOutlet(declared(name, BEFORE))
    (resolved,) = [i for i in find_streams([lambda i: i.name() == name], 10.0) if i.name() == name]
    link = LslLink(resolved, SessionClock())
    link.open()
    link._drop()
    del outlet
    outlet = pylsl.StreamOutlet(declared(name, after))
    try:
        if refused:
            with pytest.raises(DeviceError, match="came back with other channels") as caught:
                back(link)
            assert caught.value.reason is Reason.WRONG_CHANNELS
            assert not link.connected
        else:
            assert back(link)
            assert link.connected
    finally:
        link.close()
        del outlet


@pytest.mark.parametrize(
    ("n_channels", "rate_hz", "limit"),
    [
        pytest.param(10_000, 250.0, "at most 4096", id="many-channels"),
        pytest.param(1, 300_000.0, "at most 200000", id="high-rate"),
        pytest.param(1_000, 100_000.0, "at most 20000000", id="many-values"),
    ],
)
def test_a_stream_that_declares_too_much_is_refused_with_the_limit(n_channels, rate_hz, limit):
    name = f"test-{uuid.uuid4().hex}"
    outlet = pylsl.StreamOutlet(declared(name, (), n_channels, rate_hz), max_buffered=1)
    source = LslSource(LslSource.Settings(name=name, resolve_timeout_s=10.0), SessionClock())
    with pytest.raises(DeviceError, match=limit):
        source.open()
    source.close()
    del outlet


def test_a_stream_of_another_machine_than_the_one_asked_for_is_no_match():
    info = pylsl.StreamOutlet(declared("spoofed", BEFORE)).get_info()
    assert not LslSource.Settings(name="spoofed", host="elsewhere").matches(info)
    assert LslSource.Settings(name="spoofed", host=socket.gethostname()).matches(info)
