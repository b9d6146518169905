"""What is known of a display: its size, distance, light and delay, from a TOML file.

::

    schema = 1
    name = "Room 3, left"
    width_mm = 531.0
    height_mm = 299.0
    distance_mm = 600.0
    latency_ms = 12.4            # from swap to light, measured with a photodiode
    luminance_cd_m2 = 250.0      # of full white
    gamma = [0.0, 0.03, 0.16, 0.45, 1.0]   # share of full luminance at equal steps of the drive level from 0 to 1
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.errors import ConfigError, FileError, Reason
from volo_paradigms.safety.exposure import Viewing

__all__ = ["DisplayProfile", "load_display"]

SCHEMA = 1
#: Each number's allowed range.
_RANGES = {
    "width_mm": (10.0, 10_000.0),
    "height_mm": (10.0, 10_000.0),
    "distance_mm": (50.0, 100_000.0),
    "latency_ms": (0.0, 500.0),
    "luminance_cd_m2": (1.0, 10_000.0),
}
_NEEDED = ("width_mm", "height_mm", "distance_mm")


@dataclass(frozen=True, slots=True)
class DisplayProfile:
    """One display, seen from one place.

    Attributes
    ----------
    name : str
        For people and recordings.
    width_mm, height_mm : float
        Of what lights up.
    distance_mm : float
        From the eyes to its middle.
    latency_ms : float
        From swap to light; 0 if not measured.
    luminance_cd_m2 : float or None
        Of full white.
    gamma : tuple of float
        Share of the full luminance at equal steps of the drive level from 0 to 1; empty if not measured, then the drive
        level is what is set.
    """

    name: str
    width_mm: float
    height_mm: float
    distance_mm: float
    latency_ms: float = 0.0
    luminance_cd_m2: float | None = None
    gamma: tuple[float, ...] = ()

    @property
    def viewing(self) -> Viewing:
        """How it is seen."""
        return Viewing(self.width_mm, self.height_mm, self.distance_mm, is_assumed=False)

    def drive_table(self, n: int = 1024) -> NDArray[np.float64] | None:
        """Return the drive level for n luminances from 0 to 1; None without a gamma table."""
        if not self.gamma:
            return None
        levels = np.linspace(0.0, 1.0, len(self.gamma))
        return np.interp(np.linspace(0.0, 1.0, n), np.array(self.gamma), levels)


def load_display(path: Path) -> DisplayProfile:
    """Read a display's profile.

    Raises
    ------
    FileError
        If the file is not there, or was written by a newer Volo.
    ConfigError
        If it is not a profile; all its problems are listed.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(
            f"display profile {path} cannot be read", reason=Reason.NOT_FOUND, hint="check the path"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path.name}: not a TOML file: {error}"]) from error
    schema = data.pop("schema", None)
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise FileError(
            f"{path.name}: schema {schema} is newer than the {SCHEMA} this Volo knows",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    problems = [] if schema == SCHEMA else [f"schema: got {schema!r}, expected {SCHEMA}"]
    problems += _problems(data)
    if problems:
        raise ConfigError([f"{path.name}: {problem}" for problem in problems])
    numbers = {name: float(data[name]) for name in _RANGES if name in data}
    return DisplayProfile(data["name"], **numbers, gamma=tuple(float(value) for value in data.get("gamma", ())))


def _problems(data: dict[str, Any]) -> list[str]:
    known = ("name", *_RANGES, "gamma")
    problems = [f"{name}: unknown; allowed are {', '.join(known)}" for name in data if name not in known]
    name = data.get("name")
    if not isinstance(name, str) or not name:
        problems.append(f"name: got {name!r}, expected a non-empty text")
    problems += [f"{needed}: missing" for needed in _NEEDED if needed not in data]
    for field, (least, most) in _RANGES.items():
        if field in data and not (_is_number(data[field]) and least <= data[field] <= most):
            problems.append(f"{field}: got {data[field]!r}, expected a number from {least:g} to {most:g}")
    gamma = data.get("gamma", [])
    if not isinstance(gamma, list) or not all(_is_number(value) for value in gamma):
        return [*problems, f"gamma: got {gamma!r}, expected a list of numbers"]
    rises = all(a < b for a, b in pairwise(gamma))
    if gamma and (len(gamma) < 3 or not rises or gamma[0] < 0.0 or gamma[-1] != 1.0):
        problems.append("gamma: expected at least three rising shares of the full luminance, the last of them 1")
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
