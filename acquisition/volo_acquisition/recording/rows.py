"""Markers, events and corrections as rows of text, and back; the moment travels as the row's stamp."""

from __future__ import annotations

import json
from typing import Any

from volo_acquisition.recording.indexing import MAX_INDEX
from volo_acquisition.recording.xdf import CORRECTIONS, EVENTS, MARKERS
from volo_acquisition.types import Correction, Event, EventKind, Marker

__all__ = ["check_row", "correction_from", "event_from", "item_row", "marker_from", "parse_object"]


def item_row(item: Marker | Event | Correction) -> tuple[str, float, str]:
    """Return the stream an item is kept in, its stamp, and its row."""
    match item:
        case Marker():
            return MARKERS, item.time, item.to_json()
        case Event():
            row = {"kind": item.kind.value, "stream": item.stream_id, "index": item.index, "n": item.n}
            return EVENTS, item.time, json.dumps(row | {"detail": item.detail}, ensure_ascii=False)
        case Correction():
            data = {"stream": item.stream_id, "index": item.index, "offset_s": item.offset_s}
            return CORRECTIONS, item.time, json.dumps(data, ensure_ascii=False)


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError(f"got {type(data).__name__}, expected an object")
    return data


def marker_from(time: float, text: str) -> Marker:
    """Return the marker in a row; a text that is none becomes the label of an external marker."""
    try:
        return Marker.from_json(time, text)
    except (ValueError, RecursionError):  # numbers of 5000 digits, brackets nested 5000 deep: texts of others
        return Marker(time, text, {}, "external")


def event_from(time: float, text: str) -> Event:
    """Return the event in a row.

    Raises
    ------
    ValueError
        If there is none.
    """
    data = parse_object(text)
    try:
        kind, stream = EventKind(data["kind"]), str(data["stream"])
        return Event(kind, stream, int(data["index"]), time, int(data["n"]), str(data["detail"]))
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"an event lacks {error}") from error


def correction_from(time: float, text: str) -> Correction:
    """Return the correction in a row.

    Raises
    ------
    ValueError
        If there is none.
    """
    data = parse_object(text)
    try:
        correction = Correction(str(data["stream"]), int(data["index"]), float(data["offset_s"]), time)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"a correction lacks {error}") from error
    if not 0 <= correction.index < MAX_INDEX:
        raise ValueError(f"a correction from index {correction.index} on")
    return correction


def check_row(start: int, stop: int, crc: int, rows: dict[str, list[int]]) -> str:
    """Return the row that vouches for the bytes from `start` to `stop` of the file.

    Parameters
    ----------
    start, stop : int
        Offsets in bytes.
    crc : int
        CRC-32 (``zlib.crc32``) of these bytes.
    rows : dict
        For each signal stream how many samples the file holds up to `stop`, and the absolute index of the next one.
    """
    return json.dumps({"start": start, "stop": stop, "crc32": crc, "rows": rows}, ensure_ascii=False)
