"""Where the tests of the fault matrix put their figures: one JSON line each, for ``benchmarks/reliability_table.py``.

The environment variable VOLO_FIGURES names the file; without it nothing is written. A line holds either a figure
(``row, figure, goal, held``) or, from this folder's conftest, a test's outcome (``row, outcome, test, reason``).
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

__all__ = ["LONG", "MATRIX", "load_matrix", "note_figure", "note_outcome", "row_of"]

#: VOLO_LONG=1 takes the longest tests at the size the matrix asks for; without it they are cut to minutes.
LONG = os.environ.get("VOLO_LONG", "") == "1"
MATRIX = Path(__file__).with_name("matrix.toml")
_ROW = re.compile(r"[ATRPSHUL]\d{1,2}")


def load_matrix() -> dict[str, dict[str, str]]:
    """Return the rows of the fault matrix by id: tier, fault, injection, expected, goal."""
    return tomllib.loads(MATRIX.read_text(encoding="utf-8"))


def note_figure(row: str, figure: str, goal: str = "", *, held: bool = True) -> None:
    """Note what was measured for a row, before the assertion that judges it.

    Parameters
    ----------
    row : str
        Id of the row, as ``"R1"``.
    figure : str
        What came out, with unit and number of trials: ``"lost at most 51 ms, 200 kills"``.
    goal : str
        What it is held against; empty takes the goal of the matrix.
    held : bool
        Whether the goal was reached.
    """
    rows = load_matrix()
    if row not in rows:
        raise ValueError(f"row: got {row!r}, which the matrix has not")
    _append({"row": row, "figure": figure, "goal": goal or rows[row]["goal"], "held": bool(held)})


def note_outcome(row: str, outcome: str, test: str, reason: str = "") -> None:
    """Note that a test of a row passed, failed or was skipped, and why."""
    _append({"row": row, "outcome": outcome, "test": test, "reason": reason})


def row_of(test_id: str) -> str | None:
    """Return the row that a parametrised test's id (``R1``, ``R5-tmpfs``) or a test's name (``test_t1_...``) names."""
    named = re.match(r"test_([a-z]\d{1,2})_", test_id)
    word = named[1].upper() if named else re.split(r"[-_]", test_id)[0]
    return word if _ROW.fullmatch(word) and word in load_matrix() else None


def _append(entry: dict[str, object]) -> None:
    named = os.environ.get("VOLO_FIGURES", "").strip()
    if named:
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        with Path(named).open("ab", buffering=0) as file:  # one write: tests may run at once, and may patch os.write
            file.write(line.encode())
