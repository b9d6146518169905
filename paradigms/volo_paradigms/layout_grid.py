"""Layouts in short: rows of labels, and one rule for the flicker of all keys. Not: reading files.

::

    [grid]
    rows = [["1", "2", "3"], ["space", "delete", "help"]]
    place = [0.1, 0.2, 0.8, 0.7]     # x, y, width, height in fractions of the screen
    gap = 0.25                       # share of a cell that is left free

    [flicker]
    from_hz = 8.0                    # of the first key; numbers go down the columns, then to the right
    step_hz = 0.2                    # from key to key
    phase_step_pi = 0.35             # from key to key, in units of pi
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["keys_of_grid"]

_GRID, _FLICKER = ("rows", "place", "gap"), ("from_hz", "step_hz", "phase_step_pi")


def keys_of_grid(grid: Any, flicker: Any, problems: list[str]) -> list[dict[str, Any]]:
    """Return the keys of a layout in short as the long form has them; add what is wrong to `problems`.

    Keys flicker by joint frequency and phase modulation (Chen et al. 2015, DOI 10.1073/pnas.1508080112): each key's
    frequency and phase are a step above those of the key before it. Rows that are shorter than others are centred.
    """
    before = len(problems)
    rows = _rows(grid, problems)
    place, gap = _place(grid, problems)
    from_hz, step_hz, phase_step_pi = _flicker(flicker, problems)
    if len(problems) > before:
        return []
    longest = max(len(row) for row in rows)
    wide, high = place[2] / longest, place[3] / len(rows)
    order = [(r, c) for c in range(longest) for r in range(len(rows)) if c < len(rows[r])]
    number = {where: n for n, where in enumerate(order)}
    keys = []
    for r, row in enumerate(rows):
        left = place[0] + 0.5 * (longest - len(row)) * wide
        for c, label in enumerate(row):
            n = number[r, c]
            rectangle = [
                left + (c + gap / 2) * wide,
                place[1] + (r + gap / 2) * high,
                (1 - gap) * wide,
                (1 - gap) * high,
            ]
            keys.append(
                {
                    "label": label,
                    "row": r,
                    "column": c,
                    "rectangle": rectangle,
                    "frequency_hz": round(from_hz + n * step_hz, 9),
                    "phase_rad": (n * phase_step_pi % 2.0) * math.pi,
                }
            )
    return keys


def _rows(grid: Any, problems: list[str]) -> list[list[str]]:
    if not isinstance(grid, Mapping):
        problems.append(f"grid: got {grid!r}, expected a table with {', '.join(_GRID)}")
        return []
    problems += [f"grid.{name}: unknown; allowed are {', '.join(_GRID)}" for name in grid if name not in _GRID]
    rows = grid.get("rows")
    if not (
        isinstance(rows, list)
        and rows
        and all(isinstance(row, list) and row and all(isinstance(t, str) and t for t in row) for row in rows)
    ):
        problems.append(f"grid.rows: got {rows!r}, expected rows of labels, e.g. [['A', 'B'], ['space', 'delete']]")
        return []
    return rows


def _place(grid: Any, problems: list[str]) -> tuple[list[float], float]:
    table = grid if isinstance(grid, Mapping) else {}
    place, gap = table.get("place", [0.05, 0.2, 0.9, 0.75]), table.get("gap", 0.25)
    if not (isinstance(place, list) and len(place) == 4 and all(_is_number(p) for p in place)):
        problems.append(f"grid.place: got {place!r}, expected [x, y, width, height] as fractions of the screen")
    if not (_is_number(gap) and 0.0 <= gap < 0.95):
        problems.append(f"grid.gap: got {gap!r}, expected a number from 0 to below 0.95")
    return place, gap


def _flicker(flicker: Any, problems: list[str]) -> tuple[float, float, float]:
    if not isinstance(flicker, Mapping):
        problems.append(f"flicker: got {flicker!r}, expected a table with {', '.join(_FLICKER)}")
        return 0.0, 0.0, 0.0
    problems += [
        f"flicker.{name}: unknown; allowed are {', '.join(_FLICKER)}" for name in flicker if name not in _FLICKER
    ]
    values = (flicker.get("from_hz", 8.0), flicker.get("step_hz", 0.2), flicker.get("phase_step_pi", 0.35))
    problems += [
        f"flicker.{name}: got {value!r}, expected a finite number"
        for name, value in zip(_FLICKER, values, strict=True)
        if not _is_number(value)
    ]
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
