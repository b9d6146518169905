"""The values that flow: checked when made, read-only, and the same on the other side of a pipe."""

from __future__ import annotations

import multiprocessing
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from volo_acquisition.types import Channel, ChannelKind, Chunk, Correction, Event, EventKind, Marker, StreamInfo

DTYPES = ["float32", "float64", "int8", "int16", "int32", "int64"]
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    n, n_channels = draw(st.integers(0, 12)), draw(st.integers(1, 4))
    samples = draw(arrays(draw(st.sampled_from(DTYPES)), (n, n_channels)))
    times = draw(arrays(np.float64, n, elements=st.floats(allow_nan=False)))
    valid = draw(st.none() | arrays(np.bool_, n))
    return Chunk("eeg", draw(st.integers(0, 2**40)), samples, times, valid)


def through_a_pipe(value: Any) -> Any:
    near, far = multiprocessing.Pipe()
    with near, far:
        near.send(value)
        return far.recv()


@given(chunks())
def test_a_chunk_is_the_same_and_still_read_only_behind_a_pipe(chunk: Chunk) -> None:
    other = through_a_pipe(chunk)
    assert (other.stream_id, other.index) == (chunk.stream_id, chunk.index)
    assert other.samples.dtype == chunk.samples.dtype
    assert other.samples.tobytes() == chunk.samples.tobytes()
    assert other.times.tobytes() == chunk.times.tobytes()
    assert (other.valid is None) == (chunk.valid is None)
    for array in (other.samples, other.times, *([] if other.valid is None else [other.valid])):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_making_a_chunk_leaves_the_callers_array_writable() -> None:
    samples, times = np.zeros((3, 2)), np.zeros(3)
    chunk = Chunk("eeg", 0, samples, times, np.ones(3, bool))
    samples[0, 0] = 1.0
    assert not chunk.samples.flags.writeable
    assert samples.flags.writeable


@given(chunks(), st.data())
def test_parts_of_a_chunk_are_its_samples_and_put_together_are_the_chunk(chunk: Chunk, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(chunk.index, chunk.stop), max_size=4)))
    edges = [chunk.index, *cuts, chunk.stop]
    parts = [chunk.part(a, b) for a, b in pairwise(edges)]
    assert [part.index for part in parts] == edges[:-1]
    assert [part.stop for part in parts] == edges[1:]
    assert np.concatenate([part.samples for part in parts]).tobytes() == chunk.samples.tobytes()
    assert np.concatenate([part.times for part in parts]).tobytes() == chunk.times.tobytes()
    if chunk.valid is not None:
        masks = [part.valid for part in parts if part.valid is not None]
        assert np.array_equal(np.concatenate(masks), chunk.valid)


@given(chunks(), st.integers(1, 5))
def test_a_part_outside_the_chunk_is_refused(chunk: Chunk, beyond: int) -> None:
    with pytest.raises(ValueError, match=r"Chunk\.part"):
        chunk.part(chunk.index, chunk.stop + beyond)
    with pytest.raises(ValueError, match=r"Chunk\.part"):
        chunk.part(chunk.index - beyond, chunk.stop)


@pytest.mark.parametrize(
    ("samples", "times", "valid", "index", "what"),
    [
        (np.zeros(3), np.zeros(3), None, 0, "samples"),
        (np.zeros((3, 2)), np.zeros(2), None, 0, "times"),
        (np.zeros((3, 2)), np.zeros(3), np.ones(2, bool), 0, "valid"),
        (np.zeros((3, 2)), np.zeros(3), None, -1, "index"),
    ],
)
def test_a_chunk_that_does_not_fit_itself_is_refused_by_name(
    samples: Any, times: Any, valid: Any, index: int, what: str
) -> None:
    with pytest.raises(ValueError, match=rf"Chunk\.{what}: got"):
        Chunk("eeg", index, samples, times, valid)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"stream_id": ""}, "stream_id"),
        ({"dtype": "float16"}, "dtype"),
        ({"rate_hz": -1.0}, "rate_hz"),
        ({"rate_hz": float("nan")}, "rate_hz"),
        ({"rate_hz": float("inf")}, "rate_hz"),
    ],
)
def test_a_stream_that_cannot_be_is_refused_by_name(changes: dict[str, Any], what: str) -> None:
    fields: dict[str, Any] = {"stream_id": "eeg", "kind": "eeg", "rate_hz": 250.0, "channels": (Channel("Oz"),)}
    with pytest.raises(ValueError, match=rf"StreamInfo\.{what}: got"):
        StreamInfo(**{**fields, **changes})


@given(st.floats(allow_nan=False), texts, st.dictionaries(texts, json_values, max_size=4), texts)
def test_a_marker_survives_its_json(time: float, label: str, payload: dict[str, Any], origin: str) -> None:
    marker = Marker(time, label, payload, origin)
    assert "\n" not in marker.to_json()
    assert Marker.from_json(time, marker.to_json()) == marker


@pytest.mark.parametrize("text", ["", "S 11", "{", "[1, 2]", "3", '{"label": 3}', '"label"', "null"])
def test_any_other_text_is_an_external_marker(text: str) -> None:
    assert Marker.from_json(1.5, text) == Marker(1.5, text, {}, "external")


def test_values_are_equal_behind_a_pipe() -> None:
    channels = (Channel("Oz", ChannelKind.EEG, "uV", (0.0, -0.1, 0.05)), Channel("n", ChannelKind.COUNTER, "count"))
    for value in (
        StreamInfo("eeg", "eeg", 250.0, channels, "int32", "amplifier"),
        Marker(1.0, "stimulus/onset", {"trial": 3}, "screen"),
        Event(EventKind.GAP, "eeg", 100, 2.0, 5, "cable"),
        Correction("eeg", 7, -0.25, 3.0),
    ):
        assert through_a_pipe(value) == value
