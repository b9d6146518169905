"""Headers and footers of XDF files as they are found in the wild: XML in, stream descriptions out."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from xml.etree import ElementTree as ET

from volo_acquisition.recording.xdf import FORMATS
from volo_acquisition.types import Channel, ChannelKind, StreamInfo

__all__ = ["file_header", "footer_count", "stream_header"]

_DTYPES = {name: dtype for dtype, name in FORMATS.items()}
_KINDS = {kind.value: kind for kind in ChannelKind}
_UNITS = {"microvolts": "uV", "microvolt": "uV", "µV": "uV", "millivolts": "mV", "volts": "V"}
_MAX_CHANNELS = 100_000


def _parse_xml(content: bytes) -> ET.Element:
    text = content.decode("utf-8", "replace").rstrip("\x00")
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError("a header that defines entities, which none needs")
    return ET.fromstring(text)


def file_header(content: bytes) -> tuple[dict[str, str], bool]:
    """Return the fields of a file's header, and whether this program wrote it.

    Raises
    ------
    ValueError, xml.etree.ElementTree.ParseError
        If it is no header.
    """
    root = _parse_xml(content)
    own = root.find("volo")
    fields = root if own is None else own
    return {child.tag: child.text or "" for child in fields if len(child) == 0}, own is not None


def footer_count(content: bytes) -> int | None:
    """Return the number of samples a footer tells, or None.

    Raises
    ------
    ValueError, xml.etree.ElementTree.ParseError
        If it is no footer.
    """
    text = _parse_xml(content).findtext("sample_count")
    return int(text) if text is not None and re.fullmatch(r"\s*\d{1,18}\s*", text) else None


def stream_header(content: bytes, number: int) -> tuple[StreamInfo, dict[str, Any]]:
    """Return what stream `number` is, and the details this program keeps with its streams.

    Raises
    ------
    ValueError, xml.etree.ElementTree.ParseError
        If it is no header, or one of a stream that cannot be.
    """
    root = _parse_xml(content)
    n_channels = int(root.findtext("channel_count") or "")
    if not 0 <= n_channels <= _MAX_CHANNELS:
        raise ValueError(f"a stream of {n_channels} channels, expected at most {_MAX_CHANNELS}")
    format_ = (root.findtext("channel_format") or "").strip()
    if format_ not in _DTYPES:
        raise ValueError(f"a stream of format {format_!r}, expected one of {', '.join(_DTYPES)}")
    rate_hz = float(root.findtext("nominal_srate") or "0")
    if not (math.isfinite(rate_hz) and rate_hz >= 0.0):
        raise ValueError(f"a stream of rate {rate_hz}")
    name = root.findtext("name") or f"stream-{number}"
    desc = root.find("desc")
    exact = None if desc is None else desc.findtext("volo_stream")
    if exact is not None:
        kind, source, channels = _exact(exact, n_channels)
    else:
        kind = (root.findtext("type") or "").lower()
        source = root.findtext("source_id") or ""
        channels = _channels(desc, n_channels, kind)
    details = None if desc is None else desc.findtext("volo")
    try:
        data = json.loads(details) if details else {}
    except RecursionError as error:
        raise ValueError("details nested too deeply") from error
    info = StreamInfo(name, kind, rate_hz, channels, _DTYPES[format_], source)
    return info, data if isinstance(data, dict) else {}


def _exact(text: str, n_channels: int) -> tuple[str, str, tuple[Channel, ...]]:
    """Read a stream's description as this program keeps it."""
    try:
        data = json.loads(text)
        channels = tuple(
            Channel(name, ChannelKind(kind), unit, None if position is None else tuple(position))
            for name, kind, unit, position in data["channels"]
        )
        kind, source = str(data["kind"]), str(data["source"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"a stream's description is damaged: {error}") from error
    if len(channels) != n_channels:
        raise ValueError(f"a stream of {n_channels} channels that describes {len(channels)}")
    return kind, source, channels


def _channels(desc: ET.Element | None, n_channels: int, stream_kind: str) -> tuple[Channel, ...]:
    """Read the channels as other programs describe them; without a description they are numbered."""
    found = [] if desc is None else desc.findall("channels/channel")
    default = _KINDS.get(stream_kind, ChannelKind.AUX)
    if len(found) != n_channels:
        unit = "uV" if default is ChannelKind.EEG else "arbitrary"
        return tuple(Channel(f"ch{k + 1}", default, unit) for k in range(n_channels))
    channels = []
    for k, element in enumerate(found):
        unit = (element.findtext("unit") or "arbitrary").strip()
        kind = _KINDS.get((element.findtext("type") or stream_kind).strip().lower(), ChannelKind.AUX)
        channels.append(Channel((element.findtext("label") or f"ch{k + 1}").strip(), kind, _UNITS.get(unit, unit)))
    return tuple(channels)
