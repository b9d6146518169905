"""Mutants of XDF files, and what our reader, verifier and repairer make of them; a program for a process of its own.

Usage: python xdf_mutants.py FOLDER FIRST_SEED N; prints one JSON object: cases, answers, and what must not be.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import FileError
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.repair import repair
from volo_acquisition.recording.verify import verify

__all__ = ["chunk", "foreign_file", "judge", "mutant", "peak_mb"]

NUMBERS = (0, 1, 2, 4, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
WORDS = (b"<info>", b"</info>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<channel_count>999999999</channel_count>", b"nan")
TEXTS = (b'{"stream": "eeg", "row": 99999999999, "index": -1}', b"[" * 3000, b"9" * 6000, b"\xff\xfe", b"\x00" * 50)


def chunk(tag: int, content: bytes) -> bytes:
    """One chunk with a length of four bytes."""
    return struct.pack("<BIH", 4, len(content) + 2, tag) + content


def foreign_file(n: int = 60) -> bytes:
    """A file as LabRecorder writes it: some stamps left out, a string stream of two channels, offsets, footers."""

    def head(number: int, count: int, form: str, rate: float) -> bytes:
        words = f"<info><name>s{number}</name><type>EEG</type><channel_count>{count}</channel_count>"
        words += f"<channel_format>{form}</channel_format><nominal_srate>{rate}</nominal_srate></info>"
        return chunk(2, struct.pack("<I", number) + words.encode())

    data = b"XDF:" + chunk(1, b"<info><version>1.0</version></info>")
    data += head(1, 3, "int16", 100.0) + head(2, 2, "string", 0.0)
    rows = b"".join(
        (struct.pack("<Bd", 8, k / 100.0) if k % 3 == 0 else b"\0") + struct.pack("<3h", k, -k, 7) for k in range(n)
    )
    data += chunk(3, struct.pack("<IBI", 1, 4, n) + rows) + chunk(4, struct.pack("<Idd", 1, 0.1, -0.01))
    data += chunk(5, bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4"))
    texts = b"".join(struct.pack("<Bd", 8, k / 10.0) + b"\x01\x02hi\x01\x00" for k in range(5))
    data += chunk(3, struct.pack("<IBI", 2, 4, 5) + texts)
    return data + chunk(6, struct.pack("<I", 1) + f"<info><sample_count>{n}</sample_count></info>".encode())


def peak_mb() -> float:
    """Most memory this process ever held, MB; nan where the system does not tell. (getrusage tells the parent's.)"""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return math.nan
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024.0


def starts_of(data: bytes) -> list[int]:
    starts, at = [], 4
    while at + 7 <= len(data) and data[at] in (1, 4, 8):
        starts.append(at)
        at += 1 + data[at] + int.from_bytes(data[at + 1 : at + 1 + data[at]], "little")
    return [*starts, min(at, len(data))]


def mutant(data: bytes, random: Random) -> bytes:
    """Return a mutant of a file: one to four changes."""
    for _ in range(random.randint(1, 4)):
        if len(data) < 8:
            break
        changed = bytearray(data)
        at = random.randrange(len(changed))
        match random.randrange(10):
            case 0:
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                changed[at : at + random.choice((1, 2, 4, 8))] = random.randbytes(random.choice((1, 2, 4, 8)))
            case 2:
                del changed[at : at + random.choice((1, 3, 16, 500))]
            case 3:
                changed[at:at] = random.randbytes(random.choice((1, 3, 16, 500)))
            case 4:
                del changed[at:]
            case 5:
                size = random.choice((1, 2, 4, 8))
                number = random.choice(NUMBERS) & ((1 << 8 * size) - 1)
                changed[at : at + size] = number.to_bytes(size, "little")
            case 6:
                changed[at:at] = random.choice(WORDS + TEXTS)
            case kind:
                starts = starts_of(data)
                k = random.randrange(max(1, len(starts) - 1))
                a, b = starts[k], starts[min(k + 1, len(starts) - 1)]
                if kind == 7:  # a chunk's length
                    size = random.choice((1, 4, 8))
                    changed[a : a + 1] = bytes([size])
                    changed[a + 1 : a + 1 + size] = (random.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(
                        size, "little"
                    )
                elif kind == 8:  # a chunk twice, or somewhere else
                    place = random.choice(starts)
                    changed[place:place] = data[a:b]
                else:  # a chunk's kind or stream
                    changed[a + 1 + data[a] : a + 3 + data[a]] = random.randrange(9).to_bytes(2, "little")
        data = bytes(changed)
    return data


def judge(path: Path, answers: Counter[str]) -> str:
    """Open, verify and repair a file; return what must not be, or nothing."""
    try:
        recording = Recording.open(path)
        for stream in recording.streams.values():
            if not len(stream.index) == len(stream.times) == len(stream.samples) == len(stream.valid):
                return "lengths differ"
        answers["data"] += 1
        verify(path)
        report = repair(path)
        answers["repaired"] += 1
        if not verify(report.path).ok:
            return f"repaired, but not sound: {verify(report.path).problems[:3]}"
    except FileError as error:
        answers["one clear error"] += 1
        if "\n" in str(error) or path.name.partition(".")[0] not in str(error):
            return f"an error that is not one clear line: {error}"
    except Exception as error:  # noqa: BLE001 - that is the question
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    """Judge many."""
    folder, first, n = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    import os

    os.fsync = lambda fd: None  # thousands of files
    seeds = [path.read_bytes() for path in sorted(folder.glob("*.seed"))]
    work = folder / f"work{first}"
    work.mkdir()
    clock, answers, bad, longest = SessionClock(), Counter[str](), list[Any](), 0.0
    for seed in range(first, first + n):
        random = Random(seed)
        path = work / "m.xdf"
        path.write_bytes(mutant(random.choice(seeds), random))
        t0 = clock.now()
        wrong = judge(path, answers)
        longest = max(longest, clock.now() - t0)
        if wrong:
            bad.append([seed, wrong])
        for left in work.iterdir():
            left.unlink()
    found = {
        "n": n,
        "answers": answers,
        "bad": bad[:20],
        "longest_s": longest,
        "rss_mb": peak_mb(),
        "numpy": np.__version__,
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
