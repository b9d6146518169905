"""What an LSL stream declares, read into Volo's own stream description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from volo_acquisition.errors import DeviceError, Reason
from volo_acquisition.sources.continuity import CounterLaw
from volo_acquisition.types import Channel, ChannelKind, StreamInfo

__all__ = ["DTYPE_OF_FORMAT", "LslDescription", "describe", "label", "refuse_oversized"]

#: LSL's channel formats by number, as pylsl's ``cf_*`` constants.
DTYPE_OF_FORMAT = {1: "float32", 2: "float64", 3: "string", 4: "int32", 5: "int16", 6: "int8", 7: "int64"}

#: What a signal may declare at most; 384 channels at 30 kHz, and sound at 192 kHz, are within it.
MAX_CHANNELS = 4096
MAX_RATE_HZ = 200_000.0
MAX_VALUES_PER_S = 20e6

_UNITS = {
    "microvolts": "uV",
    "microvolt": "uV",
    "uv": "uV",
    "µv": "uV",
    "μv": "uV",
    "millivolts": "mV",
    "millivolt": "mV",
    "mv": "mV",
    "volts": "V",
    "volt": "V",
    "v": "V",
    "": "unknown",
}
_KINDS = {"ecg": ChannelKind.AUX, "ieeg": ChannelKind.SEEG, **{str(kind): kind for kind in ChannelKind}}


@dataclass(frozen=True, slots=True)
class LslDescription:
    """A stream as declared.

    Attributes
    ----------
    info : StreamInfo
        Name, rate, channels, format.
    law : CounterLaw or None
        How its counter channel counts, if it has one.
    counter_column : int
        Where the counter is among the channels, -1 if there is none.
    """

    info: StreamInfo
    law: CounterLaw | None
    counter_column: int


def label(lsl_info: Any) -> str:
    """Return one line that tells this stream from others."""
    rate_hz = lsl_info.nominal_srate()
    rate = f"{rate_hz:g} Hz" if rate_hz else "irregular"
    return (
        f"{lsl_info.name()!r} (type {lsl_info.type()!r}, {lsl_info.channel_count()} channels, {rate}, "
        f"host {lsl_info.hostname()!r}, source_id {lsl_info.source_id()!r})"
    )


def refuse_oversized(lsl_info: Any) -> None:
    """Refuse a stream before any memory is taken for it, if it declares more than a signal may.

    Raises
    ------
    DeviceError
        If the number of channels, the rate (Hz), or the two multiplied, is over its limit.
    """
    n_channels, rate_hz = lsl_info.channel_count(), lsl_info.nominal_srate()
    limits = (
        (n_channels, MAX_CHANNELS, "channels", Reason.WRONG_CHANNELS),
        (rate_hz, MAX_RATE_HZ, "Hz", Reason.WRONG_RATE),
        (n_channels * rate_hz, MAX_VALUES_PER_S, "values per second", Reason.WRONG_RATE),
    )
    for declared, limit, unit, reason in limits:
        if not declared <= limit:
            raise DeviceError(
                f"LSL stream {label(lsl_info)} declares {declared:.0f} {unit}, at most {limit:.0f} are taken",
                reason=reason,
                hint="check the sending program, or name another stream by its source_id",
            )


def describe(lsl_info: Any, names: tuple[str, ...] = ()) -> LslDescription:
    """Read a full stream description.

    Parameters
    ----------
    lsl_info : pylsl.StreamInfo
        As an inlet returns it, with ``desc``.
    names : tuple of str
        Channel names to use instead of the declared ones; empty to use those.

    Raises
    ------
    DeviceError
        If the stream carries texts, or the number of names is not the number of channels.
    """
    dtype = DTYPE_OF_FORMAT.get(lsl_info.channel_format(), "string")
    if dtype == "string":
        raise DeviceError(
            f"LSL stream {lsl_info.name()!r} carries texts, not samples",
            reason=Reason.UNSUPPORTED,
            hint="give it as marker_name and another stream as the signal",
        )
    n_channels = lsl_info.channel_count()
    if names and len(names) != n_channels:
        raise DeviceError(
            f"LSL stream {lsl_info.name()!r} has {n_channels} channels, {len(names)} names were given",
            reason=Reason.WRONG_CHANNELS,
            hint="give one name for each channel, or none",
        )
    kind = lsl_info.type().lower() or "eeg"
    default = _KINDS.get(kind, ChannelKind.AUX)
    channels = []
    element = lsl_info.desc().child("channels").child("channel")
    for i in range(n_channels):
        declared = "" if element.empty() else element.child_value("label").strip()
        name = names[i] if names else declared or f"ch{i + 1}"
        channels.append(_channel(name, element, default))
        element = element.next_sibling("channel")
    info = StreamInfo(
        stream_id=lsl_info.name() or lsl_info.source_id() or "LSL",
        kind=kind,
        rate_hz=lsl_info.nominal_srate(),
        channels=tuple(channels),
        dtype=dtype,
        source=f"LSL {lsl_info.name()} {lsl_info.source_id()}".rstrip(),
    )
    columns = [i for i, channel in enumerate(channels) if channel.kind is ChannelKind.COUNTER]
    if not columns:
        return LslDescription(info, None, -1)
    declared = lsl_info.desc().child_value("counter_modulus")
    law = CounterLaw(int(declared)) if declared.isdecimal() and int(declared) else CounterLaw(0, declared=False)
    return LslDescription(info, law, columns[0])


def _channel(name: str, element: Any, default: ChannelKind) -> Channel:
    """Read one channel's kind and unit; a channel named counter is one."""
    declared = "" if element.empty() else element.child_value("type").strip().lower()
    unit = "" if element.empty() else element.child_value("unit").strip()
    kind = ChannelKind.COUNTER if name.lower() == "counter" else _KINDS.get(declared, default)
    if declared and declared not in _KINDS and kind is not ChannelKind.COUNTER:
        kind = ChannelKind.AUX
    if kind is ChannelKind.COUNTER and not unit:
        unit = "count"
    return Channel(name, kind, _UNITS.get(unit.lower(), unit))
