"""Protocols: files that string paradigms together. Not: running them.

::

    schema = 1
    name = "Speller study"
    seed = 7
    order = "latin"                    # of the blocks named in counterbalance: fixed, latin, random
    counterbalance = ["spell-a", "spell-b"]

    [safety]                           # see volo_paradigms.safety.limits; ramp_s of the first flicker of a block
    block_s = 300.0
    session_s = 1800.0
    break_s = 60.0
    ramp_s = 0.5

    [[blocks]]
    name = "calibration"
    paradigm = "ssvep_calibration"
    settings = { layout = "four", n_blocks = 4 }
    instruction = "Look at the framed key"
    instruction_s = 5.0
    prompt = "fatigue"                 # asked after the block; answered with the keys 1 to 9
    rest_s = 30.0                      # after the block
    repeat = 1
    train = "fbcca"                    # fit this decoder to the block

    [[blocks]]
    name = "spell-a"
    paradigm = "ssvep_speller"
    settings = { layout = "four", n_selections = 5 }
    decoder = "trained"                # the one trained last
    text = "AB"                        # what a simulated participant is to write
    sham = false                       # true: what is shown as decided is drawn at random
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volo_acquisition import registry
from volo_acquisition.errors import ConfigError, FileError, PluginError, Reason, VoloError
from volo_paradigms.prompts import PROMPTS
from volo_paradigms.safety.limits import Limits

__all__ = ["ORDERS", "BlockPlan", "Protocol", "load_protocol"]

SCHEMA = 1
ORDERS = ("fixed", "latin", "random")
_TOP = ("schema", "name", "seed", "order", "counterbalance", "safety", "blocks")


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One block: a paradigm with its settings, and what goes around it; fields as in the file."""

    name: str
    paradigm: str
    settings: Mapping[str, Any]
    instruction: str = ""
    instruction_s: float = 5.0
    prompt: str = ""
    rest_s: float = 0.0
    repeat: int = 1
    train: str = ""
    decoder: str = ""
    text: str = ""
    sham: bool = False

    def make(self, seed: int) -> Any:
        """Return the paradigm; one that has a seed among its settings and was given none takes `seed`."""
        kind = registry.load("volo.paradigms", self.paradigm)
        values = dict(self.settings)
        if "seed" in {field.name for field in dataclasses.fields(kind.Settings)}:
            values.setdefault("seed", seed)
        return kind(kind.Settings(**values))


@dataclass(frozen=True, slots=True)
class Protocol:
    """What a session consists of.

    Attributes
    ----------
    name : str
        For people and recordings.
    blocks : tuple of BlockPlan
        In the order of the file.
    seed : int
        Of everything that is random.
    order : str
        One of `ORDERS`.
    counterbalance : tuple of str
        Names of the blocks that change places, by participant.
    limits : Limits
        Of flicker.
    ramp_s : float
        Over so long the contrast of a block's first flicker rises.
    sha256 : str
        Of the file.
    """

    name: str
    blocks: tuple[BlockPlan, ...]
    seed: int = 0
    order: str = "fixed"
    counterbalance: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    ramp_s: float = 0.5
    sha256: str = ""

    def blocks_for(self, participant: str) -> tuple[BlockPlan, ...]:
        """Return the blocks in the order for a participant, each as often as it is repeated.

        ``latin``: participants 1, 2, 3, ... by the number in their code take the rows of a balanced Latin square, in
        which every block comes equally often in every place and, over an even number of blocks, after every other
        (Bradley 1958, J. Am. Stat. Assoc. 53:525, DOI 10.1080/01621459.1958.10501456). ``random``: shuffled by the
        seed and the code.
        """
        names = self._order_for(participant)
        by_name = {block.name: block for block in self.blocks}
        places = iter(names)
        ordered = [by_name[next(places)] if b.name in self.counterbalance else b for b in self.blocks]
        return tuple(block for block in ordered for _ in range(block.repeat))

    def seed_for(self, participant: str, number: int) -> int:
        """Return the seed of a participant's block number `number` from 0."""
        words = f"{self.seed}/{participant}/{number}".encode()
        return int.from_bytes(hashlib.sha256(words).digest()[:4], "little")

    def _order_for(self, participant: str) -> list[str]:
        names = list(self.counterbalance)
        if self.order == "random":
            random.Random(f"{self.seed}/{participant}").shuffle(names)
        elif self.order == "latin" and names:
            digits = re.findall(r"\d+", participant)
            names = _latin_row(names, int(digits[-1]) - 1 if digits else 0)
        return names


def _latin_row(names: list[str], number: int) -> list[str]:
    """Return a row of the balanced Latin square; of odd numbers of names, the second half of the rows is reversed."""
    n = len(names)
    first = [(k + 1) // 2 if k % 2 else (n - k // 2) % n for k in range(n)]
    row = [names[(place + number) % n] for place in first]
    return row[::-1] if n % 2 and number % (2 * n) >= n else row


def load_protocol(path: Path) -> Protocol:
    """Read a protocol file.

    Raises
    ------
    FileError
        If it is not there, or was written by a newer Volo.
    ConfigError
        If something in it is wrong; all problems are listed as ``file: path.to.key: message``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"protocol {path} cannot be read", reason=Reason.NOT_FOUND, hint="check the path") from error
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError([f"{path.name}: not a TOML file: {error}"]) from error
    schema = data.get("schema")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise FileError(
            f"{path.name}: schema {schema} is newer than the {SCHEMA} this Volo knows",
            reason=Reason.NEWER_SCHEMA,
            hint="update Volo",
        )
    problems = (
        [] if schema == SCHEMA and not isinstance(schema, bool) else [f"schema: got {schema!r}, expected {SCHEMA}"]
    )
    problems += [f"{key}: unknown; allowed are {', '.join(_TOP)}" for key in data if key not in _TOP]
    rows = data.get("blocks")
    blocks: list[BlockPlan] = []
    if not isinstance(rows, list) or not rows:
        problems.append(f"blocks: got {rows!r}, expected at least one block")
    else:
        blocks = [b for n, row in enumerate(rows) if (b := _block(row, f"blocks[{n}]", problems)) is not None]
    safety = _safety(data.get("safety", {}), problems)
    top = _top(data, blocks, problems)
    if problems or safety is None:
        raise ConfigError([f"{path.name}: {problem}" for problem in problems])
    limits, ramp_s = safety
    return Protocol(
        blocks=tuple(blocks), limits=limits, ramp_s=ramp_s, sha256=hashlib.sha256(content).hexdigest(), **top
    )


def _top(data: Mapping[str, Any], blocks: list[BlockPlan], problems: list[str]) -> dict[str, Any]:
    name, seed, order = data.get("name"), data.get("seed", 0), data.get("order", "fixed")
    if not isinstance(name, str) or not name:
        problems.append(f"name: got {name!r}, expected a non-empty text")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        problems.append(f"seed: got {seed!r}, expected a whole number, at least 0")
    if order not in ORDERS:
        problems.append(f"order: got {order!r}, allowed are {', '.join(ORDERS)}")
    names = [block.name for block in blocks]
    problems += [f"blocks: two are called {name!r}" for name in sorted(set(names)) if names.count(name) > 1]
    balanced = data.get("counterbalance", [])
    if not isinstance(balanced, list) or not all(isinstance(item, str) for item in balanced):
        problems.append(f"counterbalance: got {balanced!r}, expected names of blocks")
        balanced = []
    problems += [f"counterbalance: got {item!r}, no block is called so" for item in balanced if item not in names]
    if len(set(balanced)) < len(balanced):
        problems.append("counterbalance: a block is named twice")
    if order in ORDERS[1:] and not balanced:
        problems.append(f"order: got {order!r}, which needs counterbalance: the names of the blocks that change places")
    trained = False
    for number, block in enumerate(blocks):
        if block.decoder == "trained" and not trained:
            problems.append(f"blocks[{number}].decoder: got 'trained', but no block before it has train")
        trained = trained or bool(block.train)
    return {"name": name, "seed": seed, "order": order, "counterbalance": tuple(balanced)}


def _safety(table: Any, problems: list[str]) -> tuple[Limits, float] | None:
    if not isinstance(table, Mapping):
        problems.append(f"safety: got {table!r}, expected a table")
        return None
    known = (*(field.name for field in dataclasses.fields(Limits)), "ramp_s")
    before = len(problems)
    problems += [f"safety.{key}: unknown; allowed are {', '.join(known)}" for key in table if key not in known]
    problems += [
        f"safety.{key}: got {value!r}, expected a number"
        for key, value in table.items()
        if key in known and not _is_number(value)
    ]
    if len(problems) > before:
        return None
    values = {key: float(value) for key, value in table.items()}
    ramp_s = values.pop("ramp_s", 0.5)
    if not 0.0 <= ramp_s <= 10.0:
        problems.append(f"safety.ramp_s: got {ramp_s}, allowed is 0 to 10")
    try:
        return Limits(**values), ramp_s
    except ValueError as error:
        problems += [f"safety.{problem}" for problem in str(error).split("; ")]
        return None


def _block(row: Any, path: str, problems: list[str]) -> BlockPlan | None:
    fields = {field.name: field for field in dataclasses.fields(BlockPlan)}
    if not isinstance(row, Mapping):
        problems.append(f"{path}: got {row!r}, expected a table with {', '.join(fields)}")
        return None
    before = len(problems)
    problems += [f"{path}.{key}: unknown; allowed are {', '.join(fields)}" for key in row if key not in fields]
    for key in ("name", "paradigm", "instruction", "prompt", "train", "decoder", "text"):
        value = row.get(key, "")
        if not isinstance(value, str) or (key in ("name", "paradigm") and not value):
            needed = "a non-empty text" if key in ("name", "paradigm") else "a text"
            problems.append(f"{path}.{key}: got {value!r}, expected {needed}")
    for key in ("instruction_s", "rest_s"):
        if key in row and not (_is_number(row[key]) and 0.0 <= row[key] <= 3600.0):
            problems.append(f"{path}.{key}: got {row[key]!r}, expected a number from 0 to 3600")
    repeat = row.get("repeat", 1)
    if isinstance(repeat, bool) or not isinstance(repeat, int) or not 1 <= repeat <= 1000:
        problems.append(f"{path}.repeat: got {repeat!r}, expected a whole number from 1 to 1000")
    if not isinstance(row.get("sham", False), bool):
        problems.append(f"{path}.sham: got {row['sham']!r}, expected true or false")
    if row.get("prompt", "") not in ("", *PROMPTS):
        problems.append(f"{path}.prompt: got {row['prompt']!r}, known are {', '.join(PROMPTS)}")
    settings = row.get("settings", {})
    if not isinstance(settings, Mapping):
        problems.append(f"{path}.settings: got {settings!r}, expected a table")
    elif isinstance(row.get("paradigm"), str) and row.get("paradigm"):
        settings = _settings(row["paradigm"], settings, path, problems)
    if len(problems) > before:
        return None
    return BlockPlan(**{**row, "settings": settings})


def _settings(name: str, table: Mapping[str, Any], path: str, problems: list[str]) -> dict[str, Any]:
    """Return settings that the paradigm takes: lists become tuples; tell what it does not take."""
    try:
        kind = registry.load("volo.paradigms", name)
    except PluginError:
        problems.append(
            f"{path}.paradigm: got {name!r}, known are {', '.join(sorted(registry.names('volo.paradigms')))}"
        )
        return {}
    fields = {field.name: field for field in dataclasses.fields(kind.Settings)}
    unknown = [key for key in table if key not in fields]
    problems += [f"{path}.settings.{key}: unknown; {name} has {', '.join(fields)}" for key in unknown]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key in fields}
    wrong = [key for key, value in values.items() if not _fits(value, str(fields[key].type))]
    problems += [f"{path}.settings.{key}: got {values[key]!r}, expected {fields[key].type}" for key in wrong]
    if unknown or wrong:
        return {}
    values = {key: float(v) if isinstance(v, int) and fields[key].type == "float" else v for key, v in values.items()}
    try:
        kind(kind.Settings(**values))
    except ConfigError as error:
        problems += [f"{path}.settings.layout: {problem}" for problem in error.problems]
    except VoloError as error:
        problems.append(f"{path}.settings: {error}")
    except ValueError as error:
        problems += [f"{path}.settings.{problem}" for problem in str(error).split("; ")]
    return values


def _fits(value: Any, annotation: str) -> bool:
    """Say whether a TOML value can be of a settings field's type, as far as that can be told by its name."""
    if annotation.startswith("float"):
        return _is_number(value)
    if annotation.startswith("int"):
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation.startswith("bool"):
        return isinstance(value, bool)
    if annotation.startswith("str"):
        return isinstance(value, str)
    if annotation.startswith("tuple[str"):
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
