"""Values as JSON and TOML can hold them: no NaN, no numpy, no path objects.

Not a serialiser of its own: it only makes plain dictionaries, lists, texts and numbers out of what commands and
sessions hand over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

__all__ = ["dump_json", "plain"]


def plain(value: object) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """Return `value` made of dict, list, str, int, float, bool and None only.

    Parameters
    ----------
    value : object
        Any nesting of mappings, sequences, sets, dataclasses, enums, paths, numpy scalars and arrays.

    Returns
    -------
    object
        NaN and infinities have become None: JSON has no word for them.

    Raises
    ------
    TypeError
        If something in it has no plain form.
    """
    if isinstance(value, Enum):
        value = value.value
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case str():
            return str(value)
        case float():
            return float(value) if math.isfinite(value) else None
        case PurePath():
            return str(value)
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case set() | frozenset():
            return sorted(plain(item) for item in value)
    return _foreign(value)


def _foreign(value: object) -> Any:
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in fields}
    tolist = getattr(value, "tolist", None)  # numpy arrays and scalars, without importing numpy
    if callable(tolist):
        return plain(tolist())
    raise TypeError(f"value: got a {type(value).__name__}, allowed are numbers, texts, paths, lists and mappings")


def dump_json(value: object) -> str:
    """Return `value` as one line of JSON in ASCII, which any console and any locale can carry."""
    return json.dumps(plain(value), allow_nan=False)
