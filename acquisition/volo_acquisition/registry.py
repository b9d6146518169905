"""Plug-ins by name: entry-point groups, read by name first and imported only when used."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from volo_acquisition.errors import PluginError, Reason

__all__ = ["GROUPS", "load", "names"]

#: The kinds of plug-in; built-ins are declared by the same groups.
GROUPS = ("volo.sources", "volo.stages", "volo.decoders", "volo.paradigms", "volo.outputs")


@cache
def _members(group: str) -> dict[str, EntryPoint]:
    if group not in GROUPS:
        raise ValueError(f"group: got {group!r}, allowed are {', '.join(GROUPS)}")
    return {point.name: point for point in entry_points(group=group)}


def names(group: str) -> list[str]:
    """Return the names registered in `group`, sorted; nothing is imported."""
    return sorted(_members(group))


def load(group: str, name: str) -> Any:
    """Import and return the member `name` of `group`.

    Raises
    ------
    PluginError
        If there is no such member, or it fails to import.
    """
    point = _members(group).get(name)
    if point is None:
        kind = group.removeprefix("volo.").removesuffix("s")
        raise PluginError(
            f"unknown {kind} {name!r}", reason=Reason.NOT_FOUND, hint=f"known are: {', '.join(names(group))}"
        )
    try:
        return point.load()
    except (ImportError, AttributeError, OSError) as error:
        raise PluginError(
            f"{group} {name!r} could not be imported: {error}",
            reason=Reason.DRIVER,
            hint=f"reinstall the package that provides {point.value}",
        ) from error
