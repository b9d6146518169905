"""The recording loop: what comes is kept, whatever ends it. Time is a manual clock, sources are scripts."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.clock import Clock, ManualClock, SessionClock
from volo_acquisition.errors import ConfigError, DeviceError, FileError, Reason
from volo_acquisition.types import Channel, Chunk, Event, EventKind, Item, Marker, StreamInfo
from volo_app.capture import Tally, capture, open_all
from volo_app.json_values import dump_json, plain
from volo_app.marker_inlet import make_marker_inlet

RATE_HZ = 100.0


class Scripted:
    """Yields what its script says, one entry a read; a number waits that many seconds, an error is raised."""

    def __init__(self, script: list[list[Item] | float | Exception], clock: Clock, name: str = "s") -> None:
        self.info = StreamInfo(name, "eeg", RATE_HZ, (Channel("Cz"),))
        self._script = list(script)
        self._clock = clock

    def open(self) -> tuple[StreamInfo, ...]:
        return (self.info,)

    def read(self, timeout_s: float) -> list[Item]:
        entry = self._script.pop(0) if self._script else []
        if isinstance(entry, Exception):
            raise entry
        self._clock.sleep(entry if isinstance(entry, float) else timeout_s)
        return [] if isinstance(entry, float) else entry

    def close(self) -> None:
        pass

    @property
    def exhausted(self) -> bool:
        return not self._script


class Kept(list[Item]):
    def write_item(self, item: Item) -> None:
        self.append(item)


def chunk(index: int, n: int = 5, name: str = "s") -> Chunk:
    return Chunk(name, index, np.zeros((n, 1), np.float32), (index + np.arange(n)) / RATE_HZ)


def run(main: Scripted, clock: Clock, *others: Scripted, **options: object) -> tuple[Kept, Tally]:
    kept, tally = Kept(), Tally()
    settings = {"duration_s": None, "stopped": lambda: False} | options
    capture([main, *others], kept, clock, tally, **settings)
    return kept, tally


def test_everything_is_kept_in_order_and_counted() -> None:
    clock = ManualClock()
    gap = Event(EventKind.GAP, "s", 10, 0.1, 7)
    items = [chunk(0), chunk(5), gap, Marker(0.1, "m"), chunk(17)]
    kept, tally = run(Scripted([items[:2], items[2:]], clock), clock)
    assert kept == items
    assert (tally.samples, tally.gaps, tally.lost, tally.markers) == ({"s": 15}, 1, 7, 1)


def test_the_duration_counts_from_the_first_data() -> None:
    clock = ManualClock()
    script = [3.0] + [[chunk(5 * k)] for k in range(1000)]
    kept, tally = run(Scripted(script, clock), clock, duration_s=2.0)
    assert 2.0 <= tally.duration_s <= 2.1
    assert len(kept) in {41, 42}  # reads of 0.05 s, and the one the count began with


def test_silence_ends_it_with_no_data_and_what_came_before_is_kept() -> None:
    clock = ManualClock()
    kept, tally = Kept(), Tally()
    source = Scripted([[chunk(0)], *([] for _ in range(1000))], clock)
    with pytest.raises(DeviceError) as caught:
        capture([source], kept, clock, tally, duration_s=None, stopped=lambda: False)
    assert caught.value.reason is Reason.NO_DATA
    assert 5.0 <= clock.now() < 5.2
    assert (len(kept), tally.samples["s"]) == (1, 5)


def test_silence_of_an_irregular_source_is_nothing_bad() -> None:
    clock = ManualClock()
    _, tally = run(Scripted([[] for _ in range(1000)], clock), clock, steady=False, duration_s=30.0)
    assert 30.0 <= tally.duration_s <= 30.1
    assert tally.is_empty


def test_a_second_source_that_dies_does_not_end_the_recording() -> None:
    clock = ManualClock()
    main = Scripted([[chunk(5 * k)] for k in range(10)], clock)
    dead = Scripted([[Marker(0.0, "m")], DeviceError("gone", reason=Reason.NO_DATA)], clock, "other")
    _, tally = run(main, clock, dead)
    assert (tally.samples["s"], tally.markers, tally.problems) == (50, 1, ["gone"])


def test_a_full_disk_ends_it_with_the_sinks_own_error() -> None:
    class Full:
        def write_item(self, item: Item) -> None:
            raise FileError("full", reason=Reason.DISK_FULL)

    clock = ManualClock()
    with pytest.raises(FileError, match="full"):
        capture([Scripted([[chunk(0)]], clock)], Full(), clock, Tally(), duration_s=None, stopped=lambda: False)


def test_a_wish_to_stop_is_heard_within_a_tenth_of_a_second() -> None:
    clock = ManualClock()
    source = Scripted([[chunk(5 * k)] for k in range(1000)], clock)
    run(source, clock, stopped=lambda: clock.now() > 1.0)
    assert clock.now() <= 1.1


def test_two_streams_of_one_name_are_refused() -> None:
    clock = ManualClock()
    with pytest.raises(ConfigError, match="named s"):
        open_all([Scripted([], clock), Scripted([], clock)])


@pytest.fixture
def marker_outlet() -> Iterator[object]:
    import pylsl

    name = f"markers-{uuid.uuid4().hex}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    outlet.volo_name = name
    yield outlet
    del outlet


def test_markers_of_an_lsl_stream_come_on_the_session_clock(marker_outlet: object) -> None:
    import pylsl

    clock = SessionClock()
    inlet = make_marker_inlet(f"lsl:{marker_outlet.volo_name}", clock)
    assert inlet.open() == ()
    try:
        before, stamp = clock.now(), pylsl.local_clock()
        marker_outlet.push_sample(['{"label": "stimulus/onset", "payload": {"trial": 3}}'], stamp)
        marker_outlet.push_sample(["plain text"], stamp + 1.0)
        markers: list[Item] = []
        while len(markers) < 2 and clock.now() < before + 30.0:
            markers += inlet.read(0.02)
    finally:
        inlet.close()
    first, second = markers
    assert abs(first.time - before) < 1e-3
    assert abs(second.time - first.time - 1.0) < 1e-6
    assert (first.label, first.payload["trial"]) == ("stimulus/onset", 3)
    assert first.payload["source_time"] == stamp
    assert (second.label, second.origin) == ("plain text", "external")


@pytest.mark.parametrize("text", ["synthetic", "lsl:unknown_key=1", ""])
def test_markers_come_from_lsl_only(text: str) -> None:
    with pytest.raises(ConfigError):
        make_marker_inlet(text, ManualClock())


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_LIKE)
def test_what_is_written_as_json_is_one_line_that_reads_back_the_same(value: object) -> None:
    import json

    line = dump_json(value)
    assert "\n" not in line
    assert json.loads(line, parse_constant=pytest.fail) == plain(value)


@given(JSON_LIKE)
def test_plain_values_stay_as_they_are(value: object) -> None:
    once = plain(value)
    assert plain(once) == once


def test_numbers_without_a_value_become_null() -> None:
    assert plain([math.nan, math.inf, -math.inf, np.float32("nan")]) == [None] * 4


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        plain({"a": object()})


def test_the_main_source_is_opened_last_and_named_first() -> None:
    opened: list[str] = []

    class Noted(Scripted):
        def open(self) -> tuple[StreamInfo, ...]:
            opened.append(self.info.stream_id)
            return super().open()

    clock = ManualClock()
    infos = open_all([Noted([], clock, "main"), Noted([], clock, "markers")])
    assert opened == ["markers", "main"]
    assert [info.stream_id for info in infos] == ["main", "markers"]
