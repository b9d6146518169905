"""Damage is found wherever it is, told in one line, and costs as little as can be."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.repair import repair
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Channel, Chunk, Correction, Marker, StreamInfo

EEG = StreamInfo("eeg", "eeg", 100.0, (Channel("Oz"),), "int32", "test")


def record(path: Path, n_chunks: int = 60, gap_at: int = 20) -> bytes:
    """Record samples that tell their own index, 0.1 s a chunk; one gap, markers, corrections."""
    with XdfRecorder(path) as recorder:
        recorder.add_stream(EEG)
        recorder.write_item(Correction("eeg", 0, 0.5, 0.0))
        for k in range(n_chunks):
            numbers = np.arange(10 * k, 10 * k + 10) + (25 if k >= gap_at else 0)
            recorder.write_chunk(Chunk("eeg", int(numbers[0]), numbers[:, None].astype("int32"), numbers / 100.0))
            if k % 10 == 5:
                recorder.write_item(Marker(k / 10.0, "mark", {"k": k}))
    return path.read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return record(tmp_path_factory.mktemp("sound") / "x.xdf")


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def is_sound(path: Path) -> bool:
    try:
        report = verify(path)
    except FileError as error:
        assert "\n" not in str(error)
        assert path.name in error.message
        return False
    assert report.ok or report.problems
    assert all("\n" not in problem for problem in report.problems)
    return report.ok and report.complete


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_found(tmp_path: Path, step: int) -> None:
    path, random = tmp_path / "x.xdf", Random(0)
    data = record(path, 25)
    assert is_sound(path)
    missed = []
    for at in range(0, len(data), step):
        damaged = bytearray(data)
        damaged[at + random.randrange(min(step, len(data) - at))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        if is_sound(path):
            missed.append(at)
    assert missed == []


@given(st.data())
def test_any_mutation_is_read_or_refused_by_name(
    sound: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("m") / "x.xdf"
    damaged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        n = data.draw(st.integers(0, 400))
        damaged[at : at + n] = data.draw(st.binary(max_size=20))
    path.write_bytes(damaged)
    try:
        recording = Recording.open(path)
    except FileError as error:
        assert path.name in error.message
        return
    finally:
        assert bytes(damaged) == sound or not is_sound(path)
    for stream in recording.streams.values():
        assert len(stream.index) == len(stream.times) == len(stream.samples) == len(stream.valid)


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("seed", range(12))
def test_damage_in_the_middle_costs_its_chunks_and_the_rest_keeps_its_indices(
    tmp_path: Path, sound: bytes, seed: int
) -> None:
    random = Random(seed)
    damaged = bytearray(sound)
    at = random.randrange(4500, len(sound) - 4500)
    n = random.choice([1, 40, 300])
    damaged[at : at + n] = random.choice([bytes(n), b"\xff" * n, random.randbytes(n)])
    path = tmp_path / "x.xdf"
    path.write_bytes(damaged)
    report = repair(path)
    assert report.path == tmp_path / "x.repaired.xdf"
    assert path.read_bytes() == damaged
    for read in (Recording.open(path), Recording.open(report.path)):
        stream = read.streams["eeg"]
        right = stream.samples[:, 0] == stream.index
        assert right.sum() >= len(stream) - (n + 3) // 4 - 1  # values changed where they stand cannot be told
        assert len(stream) >= 600 - 120
    if report.dropped_bytes:
        check = verify(report.path)
        assert check.ok, check.problems
        assert check.complete, check.problems


def test_a_swallowed_jump_and_the_samples_around_it_are_placed_by_the_checks(tmp_path: Path, sound: bytes) -> None:
    at = sound.index(b'{"stream": "eeg", "row": 200')
    damaged = bytearray(sound)
    damaged[at - 60 : at + 200] = b"\xff" * 260
    (tmp_path / "x.xdf").write_bytes(damaged)
    stream = Recording.open(tmp_path / "x.xdf").streams["eeg"]
    wrong = stream.samples[:, 0] != stream.index
    assert 400 < len(stream) < 600
    assert not wrong[stream.samples[:, 0] > 350].any()
    assert not wrong[stream.samples[:, 0] < 190].any()


def test_a_damaged_file_header_costs_only_the_header(tmp_path: Path, sound: bytes) -> None:
    damaged = bytearray(sound)
    at = damaged.index(b"<version>")
    damaged[at : at + 3] = b"<<<"
    (tmp_path / "x.xdf").write_bytes(damaged)
    recording = Recording.open(tmp_path / "x.xdf")
    assert recording.own
    assert len(recording.streams["eeg"]) == 600
    assert len(recording.markers) == 6
    repair(tmp_path / "x.xdf")
    assert verify(tmp_path / "x.repaired.xdf").complete
    assert Recording.open(tmp_path / "x.repaired.xdf").markers == recording.markers


def test_zeros_at_the_end_of_a_part_are_dropped(tmp_path: Path, sound: bytes) -> None:
    cut = sound.rindex(b'{"label"') - 40
    (tmp_path / "x.xdf.part").write_bytes(sound[:cut] + bytes(4096))
    report = repair(tmp_path / "x.xdf.part")
    assert report.dropped_bytes >= 4096
    assert verify(tmp_path / "x.xdf").complete


def test_repair_has_nothing_to_do_for_a_whole_file(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "x.xdf").write_bytes(sound)
    with pytest.raises(FileError, match="is whole"):
        repair(tmp_path / "x.xdf")
    (tmp_path / "y.xdf.part").write_bytes(sound)
    assert repair(tmp_path / "y.xdf.part").dropped_bytes == 0
    assert (tmp_path / "y.xdf").read_bytes() == sound
    with pytest.raises(ValueError, match="part: got"):
        repair(tmp_path / "y.edf")


@pytest.mark.parametrize(
    ("content", "reason", "what"),
    [
        (b"", Reason.EMPTY, "is empty"),
        (b"XD", Reason.DAMAGED, "no complete header"),
        (b"XDF:", Reason.DAMAGED, "no complete header"),
        (b"XDF:\x04\xff\xff\x00\x00\x01\x00<?xml", Reason.DAMAGED, "no complete header"),
        (b"PK\x03\x04 something else entirely", Reason.DAMAGED, "is not an XDF file"),
        (None, Reason.NOT_FOUND, "cannot be read"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None, reason: Reason, what: str
) -> None:
    path = tmp_path / "x.xdf"
    if content is not None:
        path.write_bytes(content)
    for function in (Recording.open, verify, repair):
        with pytest.raises(FileError, match=what) as caught:
            function(path)
        assert caught.value.reason is reason
        assert path.name in caught.value.message
        assert "\n" not in str(caught.value)
        if content is not None:
            assert "volo repair" in caught.value.hint


def test_a_recording_of_a_newer_version_is_refused_by_name(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "x.xdf").write_bytes(sound.replace(b"<schema>1<", b"<schema>7<"))
    with pytest.raises(FileError, match="schema 7, this program reads 1") as caught:
        Recording.open(tmp_path / "x.xdf")
    assert caught.value.reason is Reason.NEWER_SCHEMA


def chunk(tag: int, content: bytes) -> bytes:
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


@pytest.mark.parametrize(
    "xml",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><info><name>&b;</name></info>',
        "<info><name>x</name><channel_count>1000000000</channel_count><channel_format>int8</channel_format></info>",
        "<info><name>x</name><channel_count>1</channel_count><channel_format>object</channel_format></info>",
        "<info><name>x</name><channel_count>1</channel_count><channel_format>int8</channel_format>"
        "<nominal_srate>nan</nominal_srate></info>",
        "<info><name>x</name>",
        "not xml",
    ],
)
def test_hostile_stream_headers_are_told_and_left_out(tmp_path: Path, xml: str) -> None:
    head = chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    (tmp_path / "x.xdf").write_bytes(b"XDF:" + head + chunk(2, struct.pack("<I", 1) + xml.encode()))
    recording = Recording.open(tmp_path / "x.xdf")
    assert recording.streams == {}
    assert len(recording.problems) == 1


def test_a_count_of_samples_that_cannot_be_is_refused_without_taking_memory(tmp_path: Path) -> None:
    head = chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    for format_ in ("int8", "string"):
        xml = (
            f"<info><name>x</name><channel_count>1</channel_count><channel_format>{format_}</channel_format>"
            "<nominal_srate>1</nominal_srate></info>"
        )
        data = chunk(3, struct.pack("<IBQ", 1, 8, 1 << 60) + bytes(20))
        (tmp_path / "x.xdf").write_bytes(b"XDF:" + head + chunk(2, struct.pack("<I", 1) + xml.encode()) + data)
        assert len(Recording.open(tmp_path / "x.xdf").problems) == 1


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize("seed", range(40))
def test_bytes_changed_in_the_middle_are_repaired_to_a_sound_file_that_names_the_doubtful(
    tmp_path: Path, sound: bytes, seed: int
) -> None:
    random = Random(seed)
    damaged = bytearray(sound)
    at = random.randrange(4500, len(sound) - 4500)
    if seed % 2:
        damaged[at : at + 20] = random.randbytes(20)
    else:
        for _ in range(20):
            damaged[random.randrange(4500, len(sound) - 4500)] ^= 1 << random.randrange(8)
    (tmp_path / "x.xdf").write_bytes(damaged)
    report = repair(tmp_path / "x.xdf")
    check = verify(report.path)
    assert check.ok, check.problems
    assert check.complete, check.problems
    stream = Recording.open(report.path).streams["eeg"]
    assert not stream.valid.all()
    right = stream.samples[:, 0] == stream.index
    assert right[stream.valid].all()
    if seed % 2:
        assert stream.valid.sum() >= len(stream) - 220  # at most the two seconds that 20 bytes can touch


@pytest.mark.usefixtures("no_sync")
def test_one_changed_value_makes_its_second_doubtful_and_no_other(tmp_path: Path, sound: bytes) -> None:
    at = sound.index(np.int32(250 + 25).tobytes(), 4500)
    damaged = bytearray(sound)
    damaged[at + 2] ^= 1
    (tmp_path / "x.xdf").write_bytes(damaged)
    assert not verify(tmp_path / "x.xdf").ok
    report = repair(tmp_path / "x.xdf")
    assert report.dropped_bytes == 0
    assert verify(report.path).complete
    stream = Recording.open(report.path).streams["eeg"]
    (wrong,) = np.flatnonzero(stream.samples[:, 0] != stream.index)
    assert len(stream) == 600
    assert not stream.valid[wrong]
    assert (~stream.valid).sum() <= 110
    assert len(Recording.open(report.path).markers) == 6


@pytest.mark.usefixtures("no_sync")
def test_a_renamed_stream_of_checksums_is_written_anew(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "x.xdf").write_bytes(sound.replace(b"<name>volo-checks", b"<name>volo-chacks"))
    assert not verify(tmp_path / "x.xdf").ok
    assert verify(repair(tmp_path / "x.xdf").path).complete


@pytest.mark.usefixtures("no_sync")
def test_a_second_repair_of_a_part_says_that_it_was_done(tmp_path: Path, sound: bytes) -> None:
    part = tmp_path / "x.xdf.part"
    part.write_bytes(sound[:-3000])
    repair(part)
    names = ["x.xdf", "x.xdf.idx", "x.xdf.manifest.json", "x.xdf.part.bak"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    with pytest.raises(FileError, match=r"x\.xdf\.part was already repaired: .*x\.xdf is whole") as caught:
        repair(part)
    assert caught.value.reason is Reason.EXISTS
