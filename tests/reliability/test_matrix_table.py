"""The table of the fault matrix says what a run told, and never more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from figures import load_matrix, note_figure, note_outcome, row_of

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "reliability_table.py"


def table(tmp_path: Path, *, status: int) -> dict[str, str]:
    out = tmp_path / "page.md"
    words = [sys.executable, str(SCRIPT), str(tmp_path / "f.jsonl"), "--out", str(out)]
    done = subprocess.run([*words, "--appendix", str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    lines = [line for line in out.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return {line.split()[1]: line for line in lines if row_of(line.split()[1])}


def test_the_matrix_has_its_103_rows() -> None:
    rows = load_matrix()
    counts = {letter: sum(name[0] == letter for name in rows) for letter in "ATRPSHUL"}
    assert counts == {"A": 31, "T": 12, "R": 17, "P": 7, "S": 15, "H": 13, "U": 4, "L": 4}
    for row in rows.values():
        assert set(row) == {"tier", "fault", "injection", "expected", "goal"}
        assert row["tier"] in {"T0", "T1", "T2", "T3"}


def test_a_row_holds_only_if_it_was_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLO_FIGURES", str(tmp_path / "f.jsonl"))
    note_figure("R1", "lost 7 ms | of 100", "100 ms")
    note_outcome("R2", "passed", "x")
    note_outcome("R5", "skipped", "x", "needs Linux and root")
    lines = table(tmp_path, status=0)
    assert len(lines) == 103
    assert "lost 7 ms \\| of 100" in lines["R1"]
    assert lines["R1"].endswith("| holds |")
    assert lines["R2"].endswith("| holds |")
    assert lines["R5"].endswith("| not verified: needs Linux and root |")
    assert lines["R3"].endswith("| not verified |")
    assert lines["T12"].endswith("| not verified: needs a rig |")


def test_a_failure_or_a_missed_goal_shows_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLO_FIGURES", str(tmp_path / "f.jsonl"))
    note_outcome("R2", "passed", "x")
    note_outcome("R2", "failed", "y")
    note_figure("R3", "3 of 4", held=False)
    lines = table(tmp_path, status=1)
    assert lines["R2"].endswith("| **does not hold** |")
    assert lines["R3"].endswith("| **does not hold** |")


def test_a_later_figure_for_the_same_goal_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLO_FIGURES", str(tmp_path / "f.jsonl"))
    note_figure("R1", "first", "g", held=False)
    note_figure("R1", "second", "g")
    assert "second" in table(tmp_path, status=0)["R1"]


def test_without_a_file_nothing_is_written_and_unknown_rows_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOLO_FIGURES", raising=False)
    note_figure("R1", "x")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="row: got 'R99'"):
        note_figure("R99", "x")


def test_the_row_of_a_test_is_in_its_id() -> None:
    asked = ("R1", "R5-tmpfs", "A31", "x-R1", "R99")
    assert [row_of(test_id) for test_id in asked] == ["R1", "R5", "A31", None, None]


def test_outcomes_reach_the_file(tmp_path: Path) -> None:
    """The conftest of this folder notes what pytest found, through a pytest of its own."""
    for name in ("figures.py", "matrix.toml", "conftest.py"):
        (tmp_path / name).write_bytes(Path(__file__).with_name(name).read_bytes())
    (tmp_path / "test_inner.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('x', [1, 0, 2], ids=['R1', 'R2', 'R3-a'])\n"
        "def test_it(x):\n    if x == 2: pytest.skip('needs Linux')\n    assert x\n"
    )
    file = tmp_path / "f.jsonl"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_inner.py")]
    subprocess.run(
        words, cwd=tmp_path, env={**os.environ, "VOLO_FIGURES": str(file)}, capture_output=True, check=False, timeout=60
    )
    found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(e["row"], e["outcome"], e["reason"]) for e in found] == [
        ("R1", "passed", ""),
        ("R2", "failed", ""),
        ("R3", "skipped", "needs Linux"),
    ]
