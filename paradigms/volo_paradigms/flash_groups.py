"""In which groups keys flash, and in which order: rows and columns, or random groups. Not: times."""

from __future__ import annotations

import math
import random

from volo_paradigms.layout import Layout

__all__ = ["GROUPINGS", "flash_groups"]

#: How keys can be grouped.
GROUPINGS = ("row_column", "random")

Group = tuple[int, ...]


def flash_groups(layout: Layout, grouping: str, n_repetitions: int, seed: str) -> tuple[Group, ...]:
    """Return the groups of keys that flash, one after the other.

    In each repetition every key flashes twice, in two groups that no other key shares: its row and its column on the
    screen, or those of a grid into which all keys are shuffled anew, so that neighbours do not flash together. A group
    does not follow one it shares a key with, where that can be avoided.

    Parameters
    ----------
    layout : Layout
        The keys.
    grouping : str
        One of `GROUPINGS`.
    n_repetitions : int
        How often everything flashes.
    seed : str
        Of the order.

    Raises
    ------
    ValueError
        If the grouping is unknown, or there are no repetitions.

    References
    ----------
    Farwell & Donchin 1988, Electroenceph. Clin. Neurophysiol. 70(6):510, DOI 10.1016/0013-4694(88)90149-6 (rows and
    columns). Townsend et al. 2010, Clin. Neurophysiol. 121(7):1109, DOI 10.1016/j.clinph.2010.01.030 (why neighbours
    and double flashes harm).
    """
    if grouping not in GROUPINGS:
        raise ValueError(f"grouping: got {grouping!r}, allowed are {', '.join(GROUPINGS)}")
    if n_repetitions < 1:
        raise ValueError(f"n_repetitions: got {n_repetitions}, it must be at least 1")
    generator = random.Random(seed)
    order: list[Group] = []
    for _ in range(n_repetitions):
        groups = _rows_and_columns(layout) if grouping == "row_column" else _shuffled(len(layout), generator)
        generator.shuffle(groups)
        order += _apart(groups, order[-1] if order else ())
    return tuple(order)


def _rows_and_columns(layout: Layout) -> list[Group]:
    rows, columns = sorted({key.row for key in layout.keys}), sorted({key.column for key in layout.keys})
    by_row = [tuple(n for n, key in enumerate(layout.keys) if key.row == row) for row in rows]
    by_column = [tuple(n for n, key in enumerate(layout.keys) if key.column == column) for column in columns]
    return by_row + by_column


def _shuffled(n_keys: int, generator: random.Random) -> list[Group]:
    keys = list(range(n_keys))
    generator.shuffle(keys)
    wide = math.ceil(math.sqrt(n_keys))
    rows = [tuple(sorted(keys[start : start + wide])) for start in range(0, n_keys, wide)]
    return rows + [tuple(sorted(keys[column::wide])) for column in range(wide)]


def _apart(groups: list[Group], last: Group) -> list[Group]:
    """Return the groups, each after one that it shares no key with as far as there is a choice."""
    left, order = list(groups), []
    while left:
        pick = next((n for n, group in enumerate(left) if not set(group) & set(last)), 0)
        last = left.pop(pick)
        order.append(last)
    return order
