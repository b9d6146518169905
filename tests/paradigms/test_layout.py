"""Layouts: the 40 targets of the literature, the character of each key, and errors that list everything."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_acquisition.errors import ConfigError, FileError, Reason
from volo_paradigms.layout import BACKSPACE, layout_names, load_layout

GOOD = """
schema = 1
name = "two"
[[keys]]
label = "A"
row = 0
column = 0
rectangle = [0.0, 0.0, 0.4, 0.4]
frequency_hz = 10.0
phase_rad = 0.0
[[keys]]
label = "delete"
row = 0
column = 1
rectangle = [0.5, 0.0, 0.4, 0.4]
frequency_hz = 12.0
phase_rad = 0.0
"""


def write(folder, text):
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder, text):
    with pytest.raises(ConfigError) as caught:
        load_layout(write(folder, text))
    return [problem.split("mine.toml: ", 1)[1] for problem in caught.value.problems]


def test_the_benchmark_layout_has_the_frequencies_and_phases_of_the_published_table():
    # Rows of the table of targets of the Benchmark data set, target 1 at the upper left.
    frequencies = [[8 + column + 0.2 * row for column in range(8)] for row in range(5)]
    half_pis = [
        [0, 1, 2, 3, 0, 1, 2, 3],
        [1, 2, 3, 0, 1, 2, 3, 0],
        [2, 3, 0, 1, 2, 3, 0, 1],
        [3, 0, 1, 2, 3, 0, 1, 2],
        [0, 1, 2, 3, 0, 1, 2, 3],
    ]
    layout = load_layout("benchmark40")
    assert layout.frequencies_hz == pytest.approx([f for row in frequencies for f in row])
    assert layout.phases_rad == pytest.approx([h * math.pi / 2 for row in half_pis for h in row])


def test_neighbouring_frequencies_of_the_benchmark_layout_are_a_fifth_of_a_hertz_and_a_quarter_turn_apart():
    layout = load_layout("benchmark40")
    by_frequency = sorted(layout.keys, key=lambda key: key.frequency_hz)
    for lower, upper in itertools.pairwise(by_frequency):
        assert upper.frequency_hz - lower.frequency_hz == pytest.approx(0.2)
        assert math.remainder(upper.phase_rad - lower.phase_rad - math.pi / 2, 2 * math.pi) == pytest.approx(0.0)


def test_the_benchmark_layout_writes_letters_digits_and_four_more():
    layout = load_layout("benchmark40")
    assert len(layout) == 40
    assert set(layout.labels) == {*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.", "space", "delete"}
    assert [(key.row, key.column) for key in layout.keys] == [(row, column) for row in range(5) for column in range(8)]
    assert layout.character("Q") == "Q"
    assert layout.character("space") == " "
    assert layout.character("delete") == BACKSPACE


@pytest.mark.parametrize("name", layout_names())
def test_every_layout_that_comes_with_volo_loads_and_can_take_back(name):
    layout = load_layout(name)
    assert layout.name == name
    assert "delete" in layout or name == "four_way"  # which steers and writes nothing
    assert max(layout.frequencies_hz) <= 30.0  # shown by any screen at 60 Hz


def test_the_four_key_layout_has_four_keys():
    assert load_layout("four").labels == ("A", "B", "space", "delete")


@given(st.text(alphabet="ABCXYZ0189 ,.", max_size=30))
def test_what_is_spelled_is_what_is_written(text):
    layout = load_layout("benchmark40")
    assert "".join(layout.character(label) for label in layout.spell(text)) == text
    assert layout.written(text.lower()) == text


def test_spelling_names_every_character_without_a_key():
    with pytest.raises(ValueError, match="no key for '!', 'é'"):
        load_layout("benchmark40").spell("Oh! Café!")


def test_keys_that_write_several_letters_win_over_single_ones(tmp_path):
    text = GOOD.replace('label = "A"', 'label = "SCH"').replace('label = "delete"', 'label = "S"')
    layout = load_layout(write(tmp_path, text))
    assert layout.spell("SSCHS") == ("S", "SCH", "S")


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(ValueError, match="got 'Ω', the layout 'four' has A B space delete"):
        load_layout("four").character("Ω")


def test_a_file_is_read_by_its_path(tmp_path):
    layout = load_layout(write(tmp_path, GOOD))
    assert layout.name == "two"
    assert layout.key("A").rectangle.width == 0.4
    assert load_layout(str(tmp_path / "mine.toml")) == layout


def test_an_absent_layout_is_told_with_the_known_ones(tmp_path):
    with pytest.raises(FileError, match="known are: alphabetical, benchmark40, digits, four, ") as caught:
        load_layout("forty")
    assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(FileError, match="is not there"):
        load_layout(tmp_path / "absent.toml")


def test_a_newer_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileError, match="schema 2 is newer") as caught:
        load_layout(write(tmp_path, GOOD.replace("schema = 1", "schema = 2")))
    assert caught.value.reason is Reason.NEWER_SCHEMA


def test_all_problems_are_listed_at_once(tmp_path):
    text = """
name = ""
colour = "red"
[[keys]]
label = ""
row = -1
column = 0
rectangle = [0.9, 0.0, 0.4, 0.4]
frequency_hz = 0
phase_rad = nan
[[keys]]
label = "B"
size = 3
"""
    paths = [problem.split(":")[0] for problem in problems_of(tmp_path, text)]
    assert paths == [
        *("schema", "colour", "name"),
        *(f"keys[0].{name}" for name in ("label", "row", "frequency_hz", "phase_rad", "rectangle")),
        *(f"keys[1].{name}" for name in ("size", "row", "column", "rectangle", "frequency_hz", "phase_rad")),
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"delete"', '"A"', "keys[1].label: 'A' is already the label of keys[0]"),
        ("column = 1", "column = 0", "keys[1].row: row 0, column 0 is already taken by keys[0]"),
        ("[0.5, 0.0", "[0.3, 0.3", "keys[1].rectangle: overlaps keys[0]"),
        ("= 12.0", "= 10.0", "keys[1].frequency_hz: flickers exactly like keys[0]"),
        ("[0.5, 0.0, 0.4, 0.4]", "[0.5, 0.0, 0.4]", "keys[1].rectangle: got [0.5, 0.0, 0.4], expected [x, y,"),
        ("[0.5, 0.0, 0.4, 0.4]", "[0.5, 0.0, 0.0, 0.4]", "keys[1].rectangle: got [0.5, 0.0, 0.0, 0.4], it must lie"),
        ("column = 1", "column = true", "keys[1].column: got True, expected a whole number"),
        ("= 12.0", '= "12"', "keys[1].frequency_hz: got '12', expected a finite number above 0"),
        ("schema = 1", "schema = true", "schema: got True, expected 1"),
    ],
)
def test_a_problem_is_told_with_its_path(tmp_path, old, new, problem):
    (found,) = problems_of(tmp_path, GOOD.replace(old, new))
    assert found.startswith(problem)


def test_the_blank_and_the_space_bar_may_not_both_be_there(tmp_path):
    text = GOOD.replace('"A"', '"space"').replace('"delete"', '" "')
    assert problems_of(tmp_path, text) == ["keys[1].label: ' ' writes the same as 'space' of keys[0]"]


@pytest.mark.parametrize(
    "text", ["keys = [", "schema = 1\nname = 'x'\nkeys = []", "schema = 1\nname = 'x'\nkeys = [3]"]
)
def test_what_is_not_a_layout_is_one_configuration_error(tmp_path, text):
    assert len(problems_of(tmp_path, text)) == 1


def test_a_file_that_is_not_text_is_a_configuration_error(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_layout(path)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(GOOD.strip().splitlines()), max_size=16),
    st.sampled_from(["label = 3", "rectangle = 7", "phase_rad = inf", "[[keys]]", "row = 'x'", "schema = -1", ""]),
)
def test_no_mangled_file_raises_anything_but_errors_for_operators(tmp_path_factory, lines, extra):
    path = write(tmp_path_factory.mktemp("layouts"), "\n".join([*lines, extra]))
    try:
        layout = load_layout(path)
    except (ConfigError, FileError) as error:
        assert "mine.toml" in str(error)
    else:
        assert len(layout) >= 1
