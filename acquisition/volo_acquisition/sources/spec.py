"""From the text of ``--source`` to an opened-on-demand source.

The form is ``NAME`` or ``NAME:key=value,key=value``; the first value may come without its key and then goes to the
first field of the source's ``Settings``. The name is that of a source, of a hardware profile, or the path of a
profile's file, ending in ``.toml``: its values come first, those written here replace them. A comma inside a value is
kept when what follows does not read ``word=``. This module imports a source's class only when a source is made.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from volo_acquisition import registry
from volo_acquisition.clock import Clock
from volo_acquisition.errors import ConfigError, PluginError, Reason
from volo_acquisition.profiles import Profile, ProfiledSource, load_profile
from volo_acquisition.sources.base import Source
from volo_acquisition.sources.text import SourceSpec, known_sources, parse_spec, profile_names

__all__ = ["SourceSpec", "make_source", "parse_spec", "settings_from_texts"]

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


def make_source(text: str, clock: Clock) -> Source:
    """Make the source that `text` describes; it is not opened.

    Parameters
    ----------
    text : str
        See `parse_spec`.
    clock : Clock
        The session clock.

    Raises
    ------
    ConfigError
        If keys are unknown or values do not fit; it lists all problems and the allowed keys. Or if a profile's file
        is not one.
    FileError
        If a profile's file is not there.
    PluginError
        If there is no such source or profile, or it cannot be imported.
    """
    spec = parse_spec(text)
    if spec.file is None and spec.name in registry.names("volo.sources"):
        return _make(spec, f"--source {spec.name}", clock)
    if spec.file is None and spec.name not in profile_names():
        raise PluginError(f"unknown source {spec.name!r}", reason=Reason.NOT_FOUND, hint=known_sources())
    profile = load_profile(spec.file or spec.name)
    return ProfiledSource(_make(_merged(profile, spec), f"--source {spec.name}", clock), profile)


def _merged(profile: Profile, given: SourceSpec) -> SourceSpec:
    """Return the profile's own source with the given values in place; ConfigError if one that is needed is missing."""
    where = f"--source {given.name}"
    own = parse_spec(profile.source)
    values = list(given.values)
    if given.bare is not None:
        if not profile.connection:
            raise ConfigError([f"{where}: got {given.bare!r}, this profile asks for nothing"])
        values.insert(0, (profile.connection[0].key, given.bare))
    keys = [key for key, _ in values]
    told = {*keys, *(key for key, _ in own.values)}
    missing = [f for f in profile.connection if f.required and f.key not in told]
    if missing:
        example = ",".join(f"{f.key}={f.example}" for f in missing)
        raise ConfigError(
            [f"{where}: {f.key}: missing: {f.help}" for f in missing], hint=f"e.g. --source {given.name}:{example}"
        )
    settled = _keyed(own, _settings_class(own.name), "source")
    return SourceSpec(own.name, None, (*((k, v) for k, v in settled if k not in keys), *values))


def _make(spec: SourceSpec, where: str, clock: Clock) -> Source:
    """Make a registered source."""
    settings_class = _settings_class(spec.name)
    settings = settings_from_texts(settings_class, _keyed(spec, settings_class, where), where=where)
    source: Source = registry.load("volo.sources", spec.name)(settings, clock)
    return source


def _settings_class(name: str) -> type[Any]:
    settings_class = getattr(registry.load("volo.sources", name), "Settings", None)
    if not isinstance(settings_class, type) or not is_dataclass(settings_class):
        raise PluginError(
            f"source {name!r} has no dataclass named Settings",
            reason=Reason.UNSUPPORTED,
            hint="its author must add one, see volo_acquisition.sources.base",
        )
    return settings_class


def _keyed(spec: SourceSpec, settings_class: type[Any], where: str) -> list[tuple[str, str]]:
    """Return the values of `spec`, the bare one under the first field's name."""
    if spec.bare is None:
        return list(spec.values)
    names = [field.name for field in fields(settings_class) if field.init]
    if not names:
        raise ConfigError([f"{where}: got {spec.bare!r}, this source has no settings"])
    return [(names[0], spec.bare), *spec.values]


def settings_from_texts(settings_class: type[Any], values: list[tuple[str, str]], *, where: str) -> Any:
    """Build a settings dataclass from texts, converted by its field types.

    Parameters
    ----------
    settings_class : type
        A dataclass with fields of str, int, float, bool, Path, an Enum, a tuple of these, or one of these or None.
    values : list of (str, str)
        Field names and texts.
    where : str
        Named at the front of each problem.

    Raises
    ------
    ConfigError
        With one line for every unknown, repeated or missing key and every value that does not fit.
    """
    known: dict[str, Field[Any]] = {field.name: field for field in fields(settings_class) if field.init}
    hints = get_type_hints(settings_class)
    problems: list[str] = []
    given: dict[str, Any] = {}
    seen: set[str] = set()
    for key, text in values:
        if key in seen:
            problems.append(f"{where}: {key}: given twice")
        elif key not in known:
            problems.append(f"{where}: {key}: unknown key")
        else:
            try:
                given[key] = _convert(text, hints[key])
            except ValueError as error:
                problems.append(f"{where}: {key}: {error}")
        seen.add(key)
    for key, field in known.items():
        if key not in seen and field.default is MISSING and field.default_factory is MISSING:
            problems.append(f"{where}: {key}: missing")
    if not problems:
        try:
            return settings_class(**given)
        except ValueError as error:
            problems.append(f"{where}: {error}")
    raise ConfigError(problems, hint=f"allowed keys are: {', '.join(known) or 'none'}")


def _convert(text: str, kind: Any) -> Any:
    """Return `text` as a value of type `kind`; ValueError says what would be right."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        options = [option for option in get_args(kind) if option is not types.NoneType]
        empty = len(options) < len(get_args(kind)) and text.lower() in ("", "none")
        return None if empty else _first_fitting(text, options)
    if origin is tuple:
        item = get_args(kind)[0]
        return tuple(_convert(part.strip(), item) for part in text.split(",") if part.strip())
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _member(text, kind)
    if kind not in _CONVERTERS:
        raise ValueError(f"cannot be set from a text (its type is {kind})")
    convert, wanted = _CONVERTERS[kind]
    try:
        return convert(text)
    except ValueError:
        raise ValueError(f"got {text!r}, it must be {wanted}") from None


def _first_fitting(text: str, kinds: list[Any]) -> Any:
    problems = []
    for kind in kinds:
        try:
            return _convert(text, kind)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(" or ".join(problems))


def _member(text: str, kind: type[Enum]) -> Enum:
    choices = {str(member.value).lower(): member for member in kind}
    if text.lower() not in choices:
        raise ValueError(f"got {text!r}, allowed are {', '.join(str(member.value) for member in kind)}")
    return choices[text.lower()]


def _truth(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError(text)
    return text.lower() in _YES


_CONVERTERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    str: (str, "a text"),
    int: (int, "an integer"),
    float: (float, "a number"),
    bool: (_truth, "true or false"),
    Path: (Path, "a path"),
}
