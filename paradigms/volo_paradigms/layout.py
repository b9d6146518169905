"""Layouts: which keys are shown where, and how each one flickers. Not: drawing, decoding.

A layout is a TOML file; the class labels of a decoder are the labels of its keys.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from volo_acquisition.errors import ConfigError, FileError, Reason
from volo_paradigms.layout_grid import keys_of_grid

__all__ = [
    "BACKSPACE",
    "DELETE",
    "HELP_KEY",
    "SCHEMA",
    "SPACE",
    "WORD_KEY",
    "Key",
    "Layout",
    "Rectangle",
    "layout_names",
    "load_layout",
]

#: Label of the key that takes the last character back, and the character that stands for doing so.
DELETE, BACKSPACE = "delete", "\b"
#: Label of the space bar.
SPACE = "space"
#: Label of the key that calls for help, and beginning of those that write a predicted word; by themselves they write
#: nothing.
HELP_KEY, WORD_KEY = "help", "word"
#: Version of the file format.
SCHEMA = 1

_CHARACTERS = {SPACE: " ", DELETE: BACKSPACE}
_SILENT = (HELP_KEY, *(f"{WORD_KEY}{n}" for n in range(1, 10)))
_KEY_FIELDS = ("label", "row", "column", "rectangle", "frequency_hz", "phase_rad")
_TOP_FIELDS = ("schema", "name", "reference", "keys", "grid", "flicker")


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A place on the screen, as fractions of its width and height; the origin is the upper left corner."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Rectangle) -> bool:
        """Return whether the two share more than an edge (by more than a billionth of the screen)."""
        shared_x = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        shared_y = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return shared_x > 1e-9 and shared_y > 1e-9


@dataclass(frozen=True, slots=True)
class Key:
    """One target.

    Attributes
    ----------
    label : str
        Class label, e.g. ``"A"``, ``"7"``, ``"space"``, ``"delete"``.
    row, column : int
        Place in the grid, from 0 at the upper left.
    rectangle : Rectangle
        Place on the screen.
    frequency_hz, phase_rad : float
        Its flicker: ``0.5 * (1 + sin(2 pi frequency t + phase))``.
    """

    label: str
    row: int
    column: int
    rectangle: Rectangle
    frequency_hz: float
    phase_rad: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A keyboard of flickering keys; the order of the keys is the order of the classes.

    Attributes
    ----------
    name : str
        For people and recordings.
    keys : tuple of Key
        In order.
    reference : str
        Where it comes from.
    """

    name: str
    keys: tuple[Key, ...]
    reference: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class labels, in order."""
        return tuple(key.label for key in self.keys)

    @property
    def frequencies_hz(self) -> tuple[float, ...]:
        """Flicker frequencies, in order."""
        return tuple(key.frequency_hz for key in self.keys)

    @property
    def phases_rad(self) -> tuple[float, ...]:
        """Flicker phases, in order."""
        return tuple(key.phase_rad for key in self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, label: object) -> bool:
        return any(key.label == label for key in self.keys)

    def key(self, label: str) -> Key:
        """Return the key with this label.

        Raises
        ------
        ValueError
            If there is none.
        """
        for key in self.keys:
            if key.label == label:
                return key
        raise ValueError(f"label: got {label!r}, the layout {self.name!r} has {' '.join(self.labels)}")

    def character(self, label: str) -> str:
        """Return what pressing the key writes: its label, a blank for ``"space"``, `BACKSPACE` for ``"delete"``.

        Nothing for ``"help"`` and for ``"word1"`` to ``"word9"``.
        """
        label = self.key(label).label
        if label in _SILENT:
            return ""
        return _CHARACTERS.get(label, label)

    def spell(self, text: str) -> tuple[str, ...]:
        """Return the labels of the keys that write `text`; capitals stand in for small letters without a key.

        Raises
        ------
        ValueError
            If the text holds characters that no key writes; all of them are named.
        """
        by_character = {self.character(label): label for label in self.labels if label not in (DELETE, *_SILENT)}
        longest = max((len(character) for character in by_character), default=1)
        labels: list[str] = []
        missing: list[str] = []
        position = 0
        while position < len(text):
            for size in range(longest, 0, -1):
                piece = text[position : position + size]
                if piece in by_character:
                    labels.append(by_character[piece])
                    position += len(piece)
                    break
            else:
                piece = text[position]
                capitals = piece.upper()
                if all(letter in by_character for letter in capitals):
                    labels.extend(by_character[letter] for letter in capitals)
                elif piece not in missing:
                    missing.append(piece)
                position += 1
        if missing:
            raise ValueError(
                f"text: got {text!r}, the layout {self.name!r} has no key for {', '.join(map(repr, missing))}"
            )
        return tuple(labels)

    def written(self, text: str) -> str:
        """Return `text` as this keyboard writes it, e.g. in capitals.

        Raises
        ------
        ValueError
            As in `spell`.
        """
        return "".join(self.character(label) for label in self.spell(text))


def layout_names() -> list[str]:
    """Return the names of the layouts that come with Volo."""
    folder = resources.files("volo_paradigms") / "layouts"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_layout(name_or_path: str | Path) -> Layout:
    """Read a layout that comes with Volo, by name, or a file, by a path that ends in ``.toml``.

    Raises
    ------
    FileError
        If there is no such layout or file, or it was written by a newer Volo.
    ConfigError
        If the file is not a layout; all its problems are listed.
    """
    text_name = str(name_or_path)
    if text_name.endswith(".toml"):
        path = Path(text_name)
        if not path.is_file():
            raise FileError(f"layout file {text_name} is not there", reason=Reason.NOT_FOUND, hint="check the path")
        content, file = path.read_bytes(), text_name
    else:
        known = layout_names()
        if text_name not in known:
            raise FileError(
                f"unknown layout {text_name!r}",
                reason=Reason.NOT_FOUND,
                hint=f"known are: {', '.join(known)}; or give the path of a .toml file",
            )
        file = f"{text_name}.toml"
        content = (resources.files("volo_paradigms") / "layouts" / file).read_bytes()
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: not a TOML file: {error}"]) from error
    return _layout(data, file)


def _layout(data: Mapping[str, Any], file: str) -> Layout:
    schema = data.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise FileError(
            f"{file}: schema {schema} is newer than the {SCHEMA} this Volo knows",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    problems: list[str] = []
    if schema is None or isinstance(schema, bool) or schema != SCHEMA:
        problems.append(f"schema: got {schema!r}, expected {SCHEMA}")
    problems += [f"{name}: unknown; allowed are {', '.join(_TOP_FIELDS)}" for name in data if name not in _TOP_FIELDS]
    for name, needed in (("name", True), ("reference", False)):
        value = data.get(name, None if needed else "")
        if not isinstance(value, str) or (needed and not value):
            problems.append(f"{name}: got {value!r}, expected a {'non-empty ' if needed else ''}text")
    rows = data.get("keys")
    if "grid" in data or "flicker" in data:
        if rows is not None:
            problems.append("keys: a layout has either keys, or grid and flicker")
        before = len(problems)
        rows = keys_of_grid(data.get("grid"), data.get("flicker"), problems)
        if len(problems) > before:
            raise ConfigError([f"{file}: {problem}" for problem in problems])
    keys: list[tuple[int, Key]] = []
    if not isinstance(rows, list) or not rows:
        problems.append(f"keys: got {rows!r}, expected a list of at least one key")
    else:
        for number, row in enumerate(rows):
            key = _key(row, f"keys[{number}]", problems)
            if key is not None:
                keys.append((number, key))
        problems += _clashes(keys)
    if problems:
        raise ConfigError([f"{file}: {problem}" for problem in problems])
    return Layout(data["name"], tuple(key for _, key in keys), data.get("reference", ""))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _key(row: Any, path: str, problems: list[str]) -> Key | None:
    """Read one key; add its problems and return None if there are any."""
    if not isinstance(row, Mapping):
        problems.append(f"{path}: got {row!r}, expected a table with {', '.join(_KEY_FIELDS)}")
        return None
    before = len(problems)
    problems += [
        f"{path}.{name}: unknown; allowed are {', '.join(_KEY_FIELDS)}" for name in row if name not in _KEY_FIELDS
    ]
    problems += [f"{path}.{name}: missing" for name in _KEY_FIELDS if name not in row]
    label = row.get("label")
    if "label" in row and (not isinstance(label, str) or not label):
        problems.append(f"{path}.label: got {label!r}, expected a non-empty text")
    for name in ("row", "column"):
        value = row.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            problems.append(f"{path}.{name}: got {value!r}, expected a whole number, at least 0")
    frequency_hz = _number(row.get("frequency_hz", 1.0))
    if frequency_hz is None or frequency_hz <= 0.0:
        problems.append(f"{path}.frequency_hz: got {row['frequency_hz']!r}, expected a finite number above 0")
    phase_rad = _number(row.get("phase_rad", 0.0))
    if phase_rad is None:
        problems.append(f"{path}.phase_rad: got {row['phase_rad']!r}, expected a finite number")
    rectangle = _rectangle(row.get("rectangle", [0.0, 0.0, 1.0, 1.0]), f"{path}.rectangle", problems)
    if len(problems) > before or rectangle is None or frequency_hz is None or phase_rad is None:
        return None
    return Key(str(label), row["row"], row["column"], rectangle, frequency_hz, phase_rad)


def _rectangle(value: Any, path: str, problems: list[str]) -> Rectangle | None:
    numbers = [_number(part) for part in value] if isinstance(value, list) else []
    finite = [part for part in numbers if part is not None]
    if len(numbers) != 4 or len(finite) != 4:
        problems.append(f"{path}: got {value!r}, expected [x, y, width, height] as fractions of the screen")
        return None
    x, y, width, height = finite
    if x < 0.0 or y < 0.0 or width <= 0.0 or height <= 0.0 or x + width > 1.0 + 1e-9 or y + height > 1.0 + 1e-9:
        problems.append(f"{path}: got {value!r}, it must lie on the screen (0 to 1) and have a size")
        return None
    return Rectangle(x, y, width, height)


def _clashes(keys: list[tuple[int, Key]]) -> list[str]:
    """Return what two keys may not share: label, character, place in the grid, place on the screen, flicker."""
    problems: list[str] = []
    for later, (number, key) in enumerate(keys):
        for other_number, other in keys[:later]:
            first = f"keys[{other_number}]"
            if key.label == other.label:
                problems.append(f"keys[{number}].label: {key.label!r} is already the label of {first}")
            elif _CHARACTERS.get(key.label, key.label) == _CHARACTERS.get(other.label, other.label):
                problems.append(f"keys[{number}].label: {key.label!r} writes the same as {other.label!r} of {first}")
            if (key.row, key.column) == (other.row, other.column):
                problems.append(f"keys[{number}].row: row {key.row}, column {key.column} is already taken by {first}")
            if key.rectangle.overlaps(other.rectangle):
                problems.append(f"keys[{number}].rectangle: overlaps {first}")
            turn = (key.phase_rad - other.phase_rad) / (2.0 * math.pi)
            if key.frequency_hz == other.frequency_hz and abs(turn - round(turn)) < 1e-6:
                problems.append(f"keys[{number}].frequency_hz: flickers exactly like {first}")
    return problems
