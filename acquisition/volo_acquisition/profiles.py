"""Hardware profiles: what an amplifier is like, how to reach it, and what of that is checked when it is opened.

A profile is a TOML file: one of those that come with Volo, by name, or anyone's, by path. Its name can be written
wherever a source's name can (`volo_acquisition.sources.spec`).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from volo_acquisition import registry
from volo_acquisition.errors import ConfigError, DeviceError, FileError, PluginError, Reason
from volo_acquisition.sources.base import Source
from volo_acquisition.sources.text import parse_spec, profile_names
from volo_acquisition.types import Channel, ChannelKind, Item, StreamInfo

__all__ = [
    "SCHEMA",
    "UNITS",
    "ConnectionField",
    "Profile",
    "ProfiledSource",
    "load_profile",
    "profile_names",
    "settings_problems",
]

#: Version of the file format.
SCHEMA = 1
#: Units a channel may have; those of electrodes are volts, counts of a converter, or not known.
UNITS = ("uV", "mV", "V", "nV", "count", "arbitrary", "g", "deg/s", "degC", "percent", "ohm", "1")
_ELECTRODE_UNITS = UNITS[:6]
ELECTRODES = (
    *(ChannelKind.EEG, ChannelKind.SEEG, ChannelKind.ECOG, ChannelKind.SPIKES),
    *(ChannelKind.EOG, ChannelKind.EMG),
)
_MAINS_HZ = (0.0, 50.0, 60.0)
#: What a stream says that does not know its unit.
_NO_UNIT = ("", "unknown", "arbitrary")


@dataclass(frozen=True, slots=True)
class ConnectionField:
    """One thing a person has to say to reach the device.

    Attributes
    ----------
    key : str
        Key of the source's settings.
    help : str
        What it is, for people.
    required : bool
        Whether it cannot be left out.
    example : str
        For instance.
    """

    key: str
    help: str
    required: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What an amplifier is like.

    Attributes
    ----------
    name, description : str
        For people; the name also for ``--source``.
    source : str
        Text that makes the source, without what `connection` asks for.
    latency_source, known_from : str
        Where the latency and all the rest is known from.
    seen_on_hardware : bool
        Whether this profile was tried with the device itself.
    channels : tuple of Channel
        The electrodes, in the order the device sends them; empty takes them as the stream declares them.
    rate_hz : float
        Sampling rate; 0 takes any.
    range_uv : tuple of 2 float or None
        Where the converter rails, microvolt; None if unknown.
    mains_hz : float
        Mains frequency where the device stands; 0 if unknown.
    chunk_ms : float or None
        How much signal arrives at once, usually; None if unknown.
    latency_s : float or None
        From the electrode to the stamp; None if it was not measured.
    quirks : tuple of str
        What one has to know about it.
    connection : tuple of ConnectionField
        What has to be said to reach it; a value without its key goes to the first.
    """

    name: str
    description: str
    source: str
    latency_source: str
    known_from: str
    seen_on_hardware: bool
    channels: tuple[Channel, ...] = ()
    rate_hz: float = 0.0
    range_uv: tuple[float, float] | None = None
    mains_hz: float = 0.0
    chunk_ms: float | None = None
    latency_s: float | None = None
    quirks: tuple[str, ...] = ()
    connection: tuple[ConnectionField, ...] = ()


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a profile that comes with Volo, by name, or a file, by a path that ends in ``.toml``.

    Raises
    ------
    FileError
        If there is no such profile or file, it cannot be read, or it was written by a newer Volo.
    ConfigError
        If the file is not a profile; all its problems are listed.
    """
    text_name = str(name_or_path)
    if text_name.endswith(".toml"):
        file = text_name
        try:
            content = Path(text_name).read_bytes()
        except OSError as error:
            raise FileError(
                f"profile {text_name} cannot be read: {error.strerror}",
                reason=Reason.NOT_FOUND,
                hint="check the path; volo profiles lists those that come with Volo",
            ) from error
    else:
        known = profile_names()
        if text_name not in known:
            raise FileError(
                f"unknown profile {text_name!r}",
                reason=Reason.NOT_FOUND,
                hint=f"known are: {', '.join(known)}; or give the path of a .toml file",
            )
        file = f"{text_name}.toml"
        content = (resources.files("volo_profiles") / file).read_bytes()
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: not a TOML file: {error}"]) from error
    return _Reader(data, file).profile()


def settings_problems(profile: Profile, file: str) -> list[str]:
    """Return what is wrong with `source` and `connection` in the eyes of the source; imports its module.

    Raises
    ------
    PluginError
        If the source cannot be imported.
    """
    spec = parse_spec(profile.source)
    try:
        factory = registry.load("volo.sources", spec.name)
    except PluginError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        return [f"{file}: source: {error}"]
    settings_class = getattr(factory, "Settings", None)
    if not isinstance(settings_class, type) or not is_dataclass(settings_class):
        return []
    known = [field.name for field in fields(settings_class) if field.init]
    allowed = f"source {spec.name!r} knows {', '.join(known)}"
    problems = [f"{file}: source: {key}: unknown key; {allowed}" for key, _ in spec.values if key not in known]
    problems += [
        f"{file}: connection.{f.key}: unknown key; {allowed}" for f in profile.connection if f.key not in known
    ]
    return problems


class _Reader:
    """Reads one file and collects its problems."""

    _TOP = tuple(field.name for field in fields(Profile))

    def __init__(self, data: Mapping[str, Any], file: str) -> None:
        self._data = data
        self._file = file
        self._problems: list[str] = []

    def profile(self) -> Profile:
        """Return the profile; ConfigError with every problem, FileError if the schema is newer."""
        self._check_schema()
        self._check_keys(self._data, ("schema", *self._TOP), "")
        channels = tuple(self._channel(row, f"channels[{k}]") for k, row in enumerate(self._list("channels", "tables")))
        names = [channel.name for channel in channels if channel is not None]
        self._problems += [f"channels: {name!r} comes twice" for name in sorted(set(names)) if names.count(name) > 1]
        connection = self._data.get("connection", {})
        if not isinstance(connection, Mapping):
            self._wrong("connection", connection, "tables connection.KEY")
            connection = {}
        profile = Profile(
            name=self._text(self._data, "name", "name"),
            description=self._text(self._data, "description", "description"),
            source=self._source(),
            latency_source=self._text(self._data, "latency_source", "latency_source"),
            known_from=self._text(self._data, "known_from", "known_from"),
            seen_on_hardware=self._truth(self._data, "seen_on_hardware", "seen_on_hardware", needed=True),
            channels=tuple(channel for channel in channels if channel is not None),
            rate_hz=self._number("rate_hz", above=0.0) or 0.0,
            range_uv=self._range(),
            mains_hz=self._mains(),
            chunk_ms=self._number("chunk_ms", above=0.0),
            latency_s=self._number("latency_s", least=0.0),
            quirks=tuple(self._item(text, f"quirks[{k}]") for k, text in enumerate(self._list("quirks", "texts"))),
            connection=tuple(self._connection(str(key), table) for key, table in connection.items()),
        )
        if self._problems:
            raise ConfigError(
                [f"{self._file}: {problem}" for problem in self._problems], hint="docs/profiles.md tells every field"
            )
        return profile

    def _wrong(self, path: str, got: object, wanted: str) -> None:
        self._problems.append(f"{path}: got {got!r}, expected {wanted}")

    def _check_schema(self) -> None:
        schema = self._data.get("schema")
        if isinstance(schema, bool) or not isinstance(schema, int) or schema < 1:
            self._wrong("schema", schema, str(SCHEMA))
        elif schema > SCHEMA:
            raise FileError(
                f"{self._file}: schema {schema} is newer than the {SCHEMA} this Volo knows",
                reason=Reason.NEWER_SCHEMA,
                hint="update Volo",
            )

    def _check_keys(self, table: Mapping[str, Any], allowed: tuple[str, ...], path: str) -> None:
        self._problems += [
            f"{path}{key}: unknown key; allowed are {', '.join(allowed)}" for key in table if key not in allowed
        ]

    def _text(self, table: Mapping[str, Any], key: str, path: str, *, needed: bool = True) -> str:
        value = table.get(key, None if needed else "")
        if not isinstance(value, str) or (needed and not value.strip()):
            self._wrong(path, value, "a text that is not empty" if needed else "a text")
            return ""
        return value

    def _item(self, value: object, path: str) -> str:
        return self._text({"": value}, "", path)

    def _truth(self, table: Mapping[str, Any], key: str, path: str, *, needed: bool) -> bool:
        value = table.get(key, None if needed else False)
        if not isinstance(value, bool):
            self._wrong(path, value, "true or false")
        return value is True

    def _list(self, key: str, of: str) -> list[Any]:
        value = self._data.get(key, [])
        if not isinstance(value, list):
            self._wrong(key, value, f"a list of {of}")
            return []
        return value

    def _number(self, key: str, *, above: float | None = None, least: float | None = None) -> float | None:
        if key not in self._data:
            return None
        number = _finite(self._data[key])
        if number is None or (above is not None and number <= above) or (least is not None and number < least):
            limit = f"above {above:g}" if above is not None else f"from {least:g}" if least is not None else ""
            self._wrong(key, self._data[key], f"a number {limit}".rstrip())
            return None
        return number

    def _mains(self) -> float:
        number = _finite(self._data.get("mains_hz", 0.0))
        if number not in _MAINS_HZ:
            self._wrong("mains_hz", self._data.get("mains_hz"), "50 or 60, or 0 where it is not known")
        return number or 0.0

    def _range(self) -> tuple[float, float] | None:
        if "range_uv" not in self._data:
            return None
        value = self._data["range_uv"]
        numbers = [_finite(part) for part in value] if isinstance(value, list) else []
        if len(numbers) == 2:
            low, high = numbers
            if low is not None and high is not None and low < high:
                return low, high
        self._wrong("range_uv", value, "[lowest, highest] in microvolt")
        return None

    def _source(self) -> str:
        text = self._text(self._data, "source", "source")
        if text:
            spec = parse_spec(text) if text.partition(":")[0].strip() else None
            known = registry.names("volo.sources")
            if spec is None or spec.name not in known or spec.file is not None:
                self._wrong("source", text, f"NAME or NAME:key=value,... with a name of {', '.join(known)}")
        return text

    def _channel(self, row: object, path: str) -> Channel | None:
        from volo_acquisition.synthetic.scalp import positions

        if not isinstance(row, Mapping):
            self._wrong(path, row, "a table with name, kind, unit and perhaps position")
            return None
        self._check_keys(row, ("name", "kind", "unit", "position"), f"{path}.")
        name = self._text(row, "name", f"{path}.name")
        kinds = [str(kind) for kind in ChannelKind]
        kind = row.get("kind")
        if kind not in kinds:
            self._wrong(f"{path}.kind", kind, f"one of {', '.join(kinds)}")
            kind = ChannelKind.AUX
        kind, unit = ChannelKind(kind), row.get("unit")
        units = _ELECTRODE_UNITS if kind in ELECTRODES else UNITS
        if unit not in units:
            self._wrong(f"{path}.unit", unit, f"one of {', '.join(units)}")
        place = self._position(row, path)
        if name and place is None and kind is ChannelKind.EEG and "position" not in row:
            try:
                positions([name])
            except ValueError:
                self._wrong(f"{path}.name", name, "a name of the 10-20 or 10-10 system, or a position beside it")
        return Channel(name, kind, str(unit), place)

    def _position(self, row: Mapping[str, Any], path: str) -> tuple[float, float, float] | None:
        if "position" not in row:
            return None
        value = row["position"]
        numbers = [_finite(part) for part in value] if isinstance(value, list) else []
        finite = [number for number in numbers if number is not None and abs(number) <= 0.5]
        if len(numbers) != 3 or len(finite) != 3:
            self._wrong(f"{path}.position", value, "[x, y, z] in metres, each within 0.5 m of the head's centre")
            return None
        return finite[0], finite[1], finite[2]

    def _connection(self, key: str, table: object) -> ConnectionField:
        path = f"connection.{key}"
        if not isinstance(table, Mapping):
            self._wrong(path, table, "a table with help, required and example")
            return ConnectionField(key, "")
        self._check_keys(table, ("help", "required", "example"), f"{path}.")
        text = self._text(table, "help", f"{path}.help")
        required = self._truth(table, "required", f"{path}.required", needed=False)
        return ConnectionField(key, text, required, self._text(table, "example", f"{path}.example", needed=False))


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


class ProfiledSource:
    """A source that is held to its profile: rate and electrodes are checked, and the electrodes get their names.

    Samples, stamps and everything else pass as they come.

    Parameters
    ----------
    source : Source
        The one the profile names.
    profile : Profile
        What it is expected to be.
    """

    def __init__(self, source: Source, profile: Profile) -> None:
        self.inner = source
        self.profile = profile

    def open(self) -> tuple[StreamInfo, ...]:
        """Open the source and return its streams; the first regular one has the profile's electrodes.

        Raises
        ------
        DeviceError
            If the source cannot be opened, or is not what the profile says.
        """
        infos = self.inner.open()
        try:
            signal = next((k for k, info in enumerate(infos) if info.rate_hz > 0.0), None)
            if signal is None:
                return infos
            return (*infos[:signal], self._held(infos[signal]), *infos[signal + 1 :])
        except DeviceError:
            self.inner.close()
            raise

    def read(self, timeout_s: float) -> list[Item]:
        """Return what arrived since the last call."""
        return self.inner.read(timeout_s)

    def close(self) -> None:
        """Let go."""
        self.inner.close()

    @property
    def exhausted(self) -> bool:
        """As the source says."""
        return self.inner.exhausted

    def _held(self, info: StreamInfo) -> StreamInfo:
        profile = self.profile
        if profile.rate_hz and abs(info.rate_hz - profile.rate_hz) > 1e-6 * profile.rate_hz:
            raise DeviceError(
                f"{info.source or info.stream_id} sends {info.rate_hz:g} Hz, the profile {profile.name} says "
                f"{profile.rate_hz:g} Hz",
                reason=Reason.WRONG_RATE,
                hint="choose the right profile, or copy it and change rate_hz",
            )
        channels = list(info.channels)
        if profile.channels:
            electrodes = [k for k, channel in enumerate(channels) if channel.kind in ELECTRODES]
            electrodes = electrodes or list(range(len(channels)))
            if len(electrodes) != len(profile.channels):
                raise DeviceError(
                    f"{info.source or info.stream_id} sends {len(electrodes)} electrodes, the profile {profile.name} "
                    f"names {len(profile.channels)}",
                    reason=Reason.WRONG_CHANNELS,
                    hint="choose the right profile, or copy it and name every electrode",
                )
            for k, named in zip(electrodes, profile.channels, strict=True):
                channels[k] = self._named(channels[k], named, info)
        return replace(info, channels=tuple(channels), source=f"{info.source} (profile {profile.name})".strip())

    def _named(self, sent: Channel, named: Channel, info: StreamInfo) -> Channel:
        if sent.unit not in (named.unit, *_NO_UNIT):
            raise DeviceError(
                f"{info.source or info.stream_id} sends channel {sent.name} in {sent.unit}, the profile "
                f"{self.profile.name} says {named.unit}",
                reason=Reason.WRONG_UNIT,
                hint="choose the right profile, or copy it and change the unit",
            )
        return replace(named, position=named.position or sent.position)
