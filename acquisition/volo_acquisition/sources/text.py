"""The text of ``--source``, split into its parts. Not: what the parts mean to a source; see `sources.spec`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath

from volo_acquisition import registry
from volo_acquisition.errors import ConfigError

__all__ = ["SourceSpec", "known_sources", "parse_spec", "profile_names"]

_KEY = re.compile(r"\s*([A-Za-z_]\w*)\s*=(.*)", re.DOTALL)
_PROFILE_FILE = re.compile(r"(.+?\.toml)(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A parsed source text.

    Attributes
    ----------
    name : str
        Name of the source or of the profile; of a profile's file, its name without folder and ending.
    bare : str or None
        The first value, if it came without its key.
    values : tuple of (str, str)
        Keys and values, in the order written.
    file : str or None
        Path of a profile's file, if one was written in place of a name.
    """

    name: str
    bare: str | None = None
    values: tuple[tuple[str, str], ...] = ()
    file: str | None = None


def parse_spec(text: str) -> SourceSpec:
    """Split a source text into its name, its bare first value and its keys.

    Parameters
    ----------
    text : str
        For example ``synthetic``, ``brainflow:SYNTHETIC_BOARD``, ``lsl:source_id=abc,type=EEG``,
        ``openbci_cyton:serial_port=COM3``, ``my/amplifier.toml:serial_port=COM3``.

    Raises
    ------
    ConfigError
        If the name is missing.
    """
    name, _, rest = text.strip().partition(":")
    name, file = name.strip(), None
    path = _PROFILE_FILE.fullmatch(text.strip())
    if path is not None and name not in registry.names("volo.sources") and name not in profile_names():
        file, rest = path.group(1), path.group(2) or ""
        name = PurePath(file.replace("\\", "/")).stem
    if not name:
        raise ConfigError([f"--source: got {text!r}, it must start with a source's name"], hint=known_sources())
    if not rest.strip():
        return SourceSpec(name, file=file)
    bare: str | None = None
    values: list[tuple[str, str]] = []
    for part in rest.split(","):
        match = _KEY.fullmatch(part)
        if match is not None:
            values.append((match.group(1), match.group(2).strip()))
        elif values:
            key, value = values[-1]
            values[-1] = (key, f"{value},{part.strip()}")
        else:
            bare = part.strip() if bare is None else f"{bare},{part.strip()}"
    return SourceSpec(name, bare, tuple(values), file)


def known_sources() -> str:
    """Return what may be named, for messages."""
    sources, profiles = registry.names("volo.sources"), profile_names()
    return f"known are: {', '.join(sources)}; profiles: {', '.join(profiles)}; or the path of a profile (.toml)"


def profile_names() -> list[str]:
    """Return the names of the profiles that come with Volo."""
    folder = resources.files("volo_profiles")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))
