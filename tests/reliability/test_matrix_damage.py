"""Rows R3, R4, R10, R11, R13, R16, R17: whatever is cut or changed, what is left is exact and the rest is named."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from random import Random

import numpy as np
import pytest
import pyxdf
from figures import LONG, note_figure
from recording_made import EEG, eeg_chunk, record

from volo_acquisition.errors import FileError
from volo_acquisition.recording import xdf
from volo_acquisition.recording.indexing import MAX_INDEX
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.repair import repair
from volo_acquisition.recording.sealing import companions
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Chunk, Marker, StreamInfo


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files, and the disk's patience."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def by_pyxdf(path: Path) -> dict[str, tuple[bytes, bytes]]:
    return {
        s["info"]["name"][0]: (np.asarray(s["time_series"]).tobytes(), s["time_stamps"].tobytes())
        for s in pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)[0]
        if s["info"]["name"][0] == "eeg" and len(s["time_stamps"])
    }


@pytest.mark.usefixtures("no_sync")
@pytest.mark.parametrize(
    "step", [pytest.param(37, id="R3"), pytest.param(1, id="R3-every-byte", marks=pytest.mark.slow)]
)
def test_cut_at_any_byte_the_exact_prefix_is_left(tmp_path: Path, step: int) -> None:
    """Independent of our reader: what pyxdf reads of the repaired file is a prefix of what was written."""
    (tmp_path / "w").mkdir()
    whole = record(tmp_path / "w" / "whole.xdf", 12)
    data = whole.read_bytes()
    index = companions(whole)[0].read_bytes()
    full = Recording.open(whole).streams["eeg"]
    samples, times = full.samples.tobytes(), full.times.tobytes()
    row_bytes = 4 * EEG.n_channels
    header_end, n_cuts, n_refused, last = 4 + 5 + int.from_bytes(data[5:9], "little"), 0, 0, -1
    for cut in range(0, len(data), step):
        part = tmp_path / "cut.xdf.part"
        part.write_bytes(data[:cut])
        (tmp_path / "cut.xdf.idx").write_bytes(index)
        n_cuts += 1
        try:
            report = repair(part)
        except FileError as error:
            n_refused += 1
            assert cut < max(header_end, 600), (cut, error)
        else:
            n = report.samples.get("eeg", 0)
            assert n >= last
            last = n
            if cut % 5 == 0:
                found = by_pyxdf(report.path).get("eeg", (b"", b""))
                assert found == (samples[: n * row_bytes], times[: n * 8]), cut
            stream = Recording.open(report.path).streams.get("eeg")
            assert stream is None or stream.samples.tobytes() == samples[: n * row_bytes]
            check = verify(report.path)
            assert check.ok, (cut, check.problems)
            assert check.complete, (cut, check.problems)
        for path in tmp_path.glob("cut.*"):
            path.unlink()
    note_figure(
        "R3", f"{n_cuts} cuts: {n_cuts - n_refused} exact prefixes, {n_refused} inside the header refused by name"
    )


NAMED = re.compile(r"eeg, samples (\d+) to (\d+), ([\d.]+) s to ([\d.]+) s")


@pytest.mark.parametrize(
    "n_flips",
    [pytest.param(300, id="R4"), pytest.param(10_000 if LONG else 2_500, id="R4-many", marks=pytest.mark.slow)],
)
def test_every_flipped_bit_is_detected_and_its_chunk_named(tmp_path: Path, n_flips: int) -> None:
    path = record(tmp_path / "x.xdf", 30)
    companions(path)[1].unlink()  # the SHA-256 of the whole file would make it easy
    data, random = path.read_bytes(), Random(4)
    starts, at = [], 4
    while at < len(data):  # chunks, found apart from the reader
        n = data[at]
        stop = at + 1 + n + int.from_bytes(data[at + 1 : at + 1 + n], "little")
        starts.append((at, stop))
        at = stop
    n_found = n_named = n_eeg = 0
    for _ in range(n_flips):
        place = random.randrange(4, len(data))
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        report = verify(path)
        n_found += not report.ok
        start, stop = next(pair for pair in starts if pair[0] <= place < pair[1])
        begin = 0 if start == 4 else start
        lines = [
            line for line in report.problems if line.startswith((f"bytes {begin} to {stop}:", f"bytes {start} to "))
        ]
        n_named += bool(lines)
        if any(NAMED.search(line) for line in lines):
            n_eeg += 1
            match = next(m for line in lines if (m := NAMED.search(line)))
            first, last, t0, t1 = int(match[1]), int(match[2]), float(match[3]), float(match[4])
            assert (t1 - t0) == pytest.approx((last - first) / 250.0, abs=0.002)
            assert t0 == pytest.approx(100.0 + first / 250.0, abs=0.02), match[0]
    note_figure(
        "R4",
        f"{n_flips} flips: {n_found} detected, {n_named} chunks named ({n_eeg} of them samples, with index and time)",
        held=n_found == n_named == n_flips,
    )
    assert n_found == n_flips
    assert n_named == n_flips
    assert n_eeg > n_flips // 10


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Grüße, 脳波 🧠\u200f\u0301", id="R10-unicode"),
        pytest.param("x" * (1 << 20), id="R10-1MB"),
        pytest.param("a\x00b", id="R10-nul"),
        pytest.param("a\nb\r\n\tc", id="R10-newline"),
        pytest.param("", id="R10-empty"),
    ],
)
def test_any_text_is_stored_exactly(tmp_path: Path, text: str) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.write_item(Marker(1.0, text, {"text": text}))
    (marker,) = Recording.open(tmp_path / "x.xdf").markers
    note_figure("R10", "unicode, 1 MB, NUL, newline, empty: equal", held=marker.label == text)
    assert (marker.label, marker.payload) == (text, {"text": text})
    streams = pyxdf.load_xdf(tmp_path / "x.xdf")[0]
    (rows,) = [s["time_series"] for s in streams if s["info"]["name"][0] == xdf.MARKERS]
    assert Marker.from_json(1.0, rows[0][0]).label == text


@pytest.mark.parametrize("text", [pytest.param("half \ud83e", id="R10-half-a-surrogate")])
def test_what_utf8_cannot_hold_is_refused(tmp_path: Path, text: str) -> None:
    with XdfRecorder(tmp_path / "x.xdf") as recorder, pytest.raises(ValueError, match="UTF-8 cannot hold"):
        recorder.write_item(Marker(1.0, text))
    assert verify(tmp_path / "x.xdf").complete


@pytest.mark.parametrize("dtype", [pytest.param(name, id=f"R11-{name}") for name in xdf.FORMATS if name != "string"])
def test_pyxdf_reads_what_was_recorded(tmp_path: Path, dtype: str) -> None:
    info = StreamInfo("eeg", "eeg", 250.0, EEG.channels, dtype, "test")
    rng = np.random.default_rng(1)
    samples = rng.integers(-100, 100, (500, 2)).astype(dtype)
    times = 1e5 + np.arange(500) / 250.0 + (np.arange(500) > 250) * 0.5
    with XdfRecorder(tmp_path / "x.xdf") as recorder:
        recorder.add_stream(info)
        for a in range(0, 500, 20):
            recorder.write_chunk(Chunk("eeg", a, samples[a : a + 20], times[a : a + 20]))
    (stream,) = [s for s in pyxdf.load_xdf(tmp_path / "x.xdf")[0] if s["info"]["name"][0] == "eeg"]
    worst = float(np.abs(stream["time_stamps"] - times).max())
    note_figure("R11", f"pyxdf: samples equal in six formats, stamps within {worst:g} s", held=worst == 0.0)
    assert np.array_equal(stream["time_series"], samples)
    assert worst == 0.0


@pytest.mark.parametrize("first", [pytest.param((1 << 32) + 5, id="R13-2^32"), pytest.param(1 << 40, id="R13-2^40")])
def test_counters_beyond_32_bits(tmp_path: Path, first: int) -> None:
    path = tmp_path / "x.xdf"
    with XdfRecorder(path) as recorder:
        recorder.add_stream(EEG)
        for k in range(40):
            chunk = eeg_chunk(10 * k)
            recorder.write_chunk(Chunk("eeg", first + 10 * k, chunk.samples, chunk.times))
    assert verify(path).complete
    stream = Recording.open(path).streams["eeg"]
    note_figure("R13", f"indices from 2^32 and 2^40 on: exact; limit 2^{MAX_INDEX.bit_length() - 1}")
    assert stream.index.tolist() == list(range(first, first + 400))


@pytest.mark.slow
@pytest.mark.parametrize("size", [pytest.param((1 << 32) + (1 << 20), id="R13-4GiB-sparse")])
def test_a_file_beyond_4_gib_is_walked_to_its_end(tmp_path: Path, size: int) -> None:
    """A hole of 4 GiB that one foreign chunk spans, and a recording behind it."""
    path = record(tmp_path / "x.xdf", 10)
    data = path.read_bytes()
    head = 4 + 5 + int.from_bytes(data[5:9], "little")
    big = tmp_path / "big.xdf"
    with big.open("wb") as file:
        file.write(data[:head])
        n_holes, hole = 64, size // 64
        for k in range(n_holes):
            file.seek(head + k * hole)
            file.write(b"\x08" + struct.pack("<QH", hole - 9, 77))
        file.seek(head + n_holes * hole)
        file.write(data[head:])
    if big.stat().st_blocks * 512 > 1 << 28:
        pytest.skip("needs Linux and a file system with sparse files")
    recording = Recording.open(big)
    note_figure("R13", f"a file of {size >> 20} MiB: read to its end", "opens beyond 4 GiB")
    assert recording.streams["eeg"].samples.tobytes() == Recording.open(path).streams["eeg"].samples.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("hours", [pytest.param(24 if LONG else 2, id="R16")])
def test_a_day_is_written_opened_and_verified(tmp_path: Path, hours: int) -> None:
    """Eight channels at 250 Hz for 24 h, as fast as the machine writes; in a process of its own for its memory."""
    import json
    import subprocess
    import sys

    script = """
import json, sys
sys.path.insert(0, sys.argv[3])
from xdf_mutants import peak_mb
from pathlib import Path
import numpy as np
from volo_acquisition.clock import SessionClock
from volo_acquisition.recording.recorder import XdfRecorder
from volo_acquisition.recording.verify import verify
from volo_acquisition.types import Channel, Chunk, StreamInfo
path, seconds = Path(sys.argv[1]), int(sys.argv[2]) * 3600
clock = SessionClock()
info = StreamInfo("eeg", "eeg", 250.0, tuple(Channel(f"c{k}") for k in range(8)), "float32")
second = np.arange(250)
t0 = clock.now()
with XdfRecorder(path, max_chunk_s=0.1) as recorder:
    recorder.add_stream(info)
    for s in range(seconds):
        numbers = 250 * s + second
        samples = np.repeat(numbers[:, None], 8, axis=1).astype("float32")
        recorder.write_chunk(Chunk("eeg", 250 * s, samples, numbers / 250.0))
t1 = clock.now()
report = verify(path)
t2 = clock.now()
rss = peak_mb()
print(json.dumps([t1 - t0, t2 - t1, rss, report.complete, report.samples["eeg"], path.stat().st_size / 1e6]))
"""
    words = [sys.executable, "-c", script, str(tmp_path / "day.xdf"), str(hours), str(Path(__file__).parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    write_s, verify_s, rss_mb, complete, n, size_mb = json.loads(done.stdout)
    figure = f"{size_mb:.0f} MB: written in {write_s:.0f} s, verified in {verify_s:.0f} s, RSS {rss_mb:.0f} MB"
    note_figure("R16", figure, held=complete and verify_s <= 300 and not rss_mb > 500)
    assert complete
    assert n == hours * 3600 * 250
    assert not rss_mb > 500


def chunk(tag: int, content: bytes) -> bytes:
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


def foreign(*, count_told: int | None, twice: bool, n: int = 30) -> bytes:
    """Another program's file: one stream of doubles, footers wrong or missing, its header once or twice."""
    head = "<info><name>x</name><type>EEG</type><channel_count>1</channel_count><nominal_srate>100</nominal_srate>"
    header = chunk(2, struct.pack("<I", 7) + (head + "<channel_format>double64</channel_format></info>").encode())
    rows = b"".join(struct.pack("<Bdd", 8, k / 100.0, k) for k in range(n))
    data = b"XDF:" + chunk(1, b"<info><version>1.0</version></info>") + header + (header if twice else b"")
    data += chunk(3, struct.pack("<IBI", 7, 4, n) + rows)
    if count_told is not None:
        foot = f"<info><sample_count>{count_told}</sample_count></info>"
        data += chunk(6, struct.pack("<I", 7) + foot.encode())
    return data


@pytest.mark.parametrize(
    ("count_told", "twice", "what"),
    [
        pytest.param(99, False, "the footer tells 99 samples, the file holds 30", id="R17-footer-too-many"),
        pytest.param(5, False, "the footer tells 5 samples, the file holds 30", id="R17-footer-too-few"),
        pytest.param(None, False, "no footer", id="R17-no-footer"),
        pytest.param(30, True, "a second header of stream 7", id="R17-twice"),
    ],
)
def test_wrong_footers_and_double_headers_cost_no_sample(
    tmp_path: Path, count_told: int | None, twice: bool, what: str
) -> None:
    path = tmp_path / "x.xdf"
    path.write_bytes(foreign(count_told=count_told, twice=twice))
    assert Recording.open(path).streams["x"].samples[:, 0].tolist() == list(range(30))
    report = verify(path)
    note_figure("R17", "wrong, missing, double: told, 30 of 30 samples each", held=report.samples == {"x": 30})
    assert any(what in problem for problem in report.problems), report.problems
    assert report.samples == {"x": 30}
