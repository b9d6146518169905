"""The manifest of a recording: SHA-256 of the file and of its index, written once the file has its name."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from volo_acquisition.recording.crc32c import crc32c
from volo_acquisition.recording.sidecar import index_path

__all__ = ["MANIFEST_SUFFIX", "ended_early", "manifest_path", "manifest_problems", "write_manifest"]

MANIFEST_SUFFIX = ".manifest.json"
SCHEMA = "volo.manifest/1"

#: How a recording came to its end.
CLOSED, DISK_FULL, REPAIRED = "closed", "disk full", "repaired"

_BLOCK = 1 << 17


def manifest_path(recording: Path) -> Path:
    """Return where the manifest of ``X.xdf`` is."""
    return recording.with_name(recording.name + MANIFEST_SUFFIX)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_manifest(recording: Path, ended: str, samples: dict[str, int], sha256: str = "") -> None:
    """Write the manifest of a recording that has its final name, and wait until it is on the disk.

    Parameters
    ----------
    recording : Path
        The ``.xdf``.
    ended : str
        ``"closed"``, ``"disk full"`` or ``"repaired"``; all but the first mean that the run may have gone on longer.
    samples : dict of str to int
        Samples or rows of each stream.
    sha256 : str
        Of the recording, if it is known.

    Raises
    ------
    FileExistsError
        If there is a manifest already.
    OSError
        If it cannot be written.
    """
    index = index_path(recording)
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "file": recording.name,
        "bytes": recording.stat().st_size,
        "sha256": sha256 or sha256_of(recording),
        "ended": ended,
        "complete": ended == CLOSED,
        "samples": samples,
    }
    if index.is_file():
        content["index"] = {"file": index.name, "bytes": index.stat().st_size, "sha256": sha256_of(index)}
    with manifest_path(recording).open("xb") as file:
        file.write(_spelled(content))
        file.flush()
        os.fsync(file.fileno())


def _spelled(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    check = f"{crc32c(text.encode()):08x}"
    return (json.dumps({**content, "check": check}, ensure_ascii=False, indent=1) + "\n").encode()


def _read(recording: Path) -> dict[str, Any] | None:
    """Return the manifest, or None if there is none.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        text = manifest_path(recording).read_bytes()
    except OSError:
        return None
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError(f"it does not follow {SCHEMA}")
    if _spelled({key: value for key, value in content.items() if key != "check"}) != text:
        raise ValueError("it is not as it was written")
    return content


def manifest_problems(recording: Path) -> list[str]:
    """Return how the recording and its index differ from what the manifest says, one line each; empty without one."""
    try:
        content = _read(recording)
        if content is None:
            return []
        problems = []
        told = [(recording, content), *([(index_path(recording), content["index"])] if "index" in content else [])]
        for path, entry in told:
            if not path.is_file():
                problems.append(f"{path.name}: the manifest tells of it, it is not there")
            elif (path.stat().st_size, sha256_of(path)) != (entry["bytes"], entry["sha256"]):
                problems.append(f"{path.name}: its SHA-256 is not the one in the manifest")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return [f"{manifest_path(recording).name}: the manifest is damaged: {error}"]
    return problems


def ended_early(recording: Path) -> str:
    """Return why the run ended before it was to, as the manifest tells; empty if it did not, or nothing is known."""
    try:
        content = _read(recording)
    except (ValueError, RecursionError):
        return ""
    return "the disk was full: the run ended early" if content and content.get("ended") == DISK_FULL else ""
