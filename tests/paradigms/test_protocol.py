"""Protocols: all problems at once, orders, blocks with their surroundings, sham."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import ConfigError, FileError
from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.block import Block, Sham
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.contract import check_paradigm
from volo_paradigms.driver import drive
from volo_paradigms.grammar import marker_problems
from volo_paradigms.imagery import ImageryCue, ImagerySettings
from volo_paradigms.protocol import BlockPlan, Protocol, load_protocol
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.speller import SpellerSettings, SsvepSpeller

GOOD = """
schema = 1
name = "study"
[[blocks]]
name = "a"
paradigm = "ssvep_calibration"
settings = { layout = "four", n_blocks = 1 }
[[blocks]]
name = "b"
paradigm = "imagery_cue"
settings = { classes = ["left", "right"], n_per_class = 1 }
prompt = "fatigue"
rest_s = 3
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_protocol_is_read(tmp_path: Path) -> None:
    protocol = load_protocol(write(tmp_path, GOOD))
    assert [block.name for block in protocol.blocks] == ["a", "b"]
    assert protocol.blocks[1].make(5).settings == ImagerySettings(("left", "right"), 1, seed=5)
    assert len(protocol.sha256) == 64


def test_the_example_in_the_documentation_is_a_protocol() -> None:
    path = Path(__file__).resolve().parents[2] / "docs" / "examples" / "study.toml"
    assert len(load_protocol(path).blocks) == 4


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("schema = 1", "schema = true", "schema: got True, expected 1"),
        ('name = "study"', "name = 3", "name: got 3"),
        ('name = "study"', 'name = "study"\nfoo = 1', "foo: unknown"),
        ('name = "study"', 'name = "study"\nseed = -1', "seed: got -1"),
        ('name = "study"', 'name = "study"\norder = "latin"', "order: got 'latin', which needs counterbalance"),
        ('name = "study"', 'name = "study"\norder = "any"', "order: got 'any', allowed are fixed, latin, random"),
        ('name = "study"', 'name = "study"\ncounterbalance = ["c"]', "counterbalance: got 'c', no block"),
        ('name = "b"', 'name = "a"', "blocks: two are called 'a'"),
        ("layout = ", "lay = ", "blocks[0].settings.lay: unknown; ssvep_calibration has layout"),
        ('layout = "four"', 'layout = "none"', "blocks[0].settings: unknown layout 'none'"),
        ("n_blocks = 1", "n_blocks = 0", "blocks[0].settings.n_blocks: got 0, it must be at least 1"),
        ("n_blocks = 1", "n_blocks = 1.5", "blocks[0].settings.n_blocks: got 1.5, expected int"),
        ("n_blocks = 1", "flicker_s = nan", "blocks[0].settings.flicker_s: got nan, expected float"),
        ('"imagery_cue"', '"imagery"', "blocks[1].paradigm: got 'imagery', known are"),
        ('prompt = "fatigue"', 'prompt = "mood"', "blocks[1].prompt: got 'mood', known are fatigue"),
        ("rest_s = 3", "rest_s = -3", "blocks[1].rest_s: got -3"),
        ("rest_s = 3", 'decoder = "trained"', "blocks[1].decoder: got 'trained', but no block before it has train"),
        ("rest_s = 3", "repeat = 0", "blocks[1].repeat: got 0"),
        ("rest_s = 3", 'sham = "yes"', "blocks[1].sham: got 'yes'"),
        ("rest_s = 3", "[safety]\nblock_s = 1e9", "safety.block_s: got 1000000000.0, allowed is 1 to 600 s"),
        ("rest_s = 3", "[safety]\nfast = 1", "safety.fast: unknown"),
        ("rest_s = 3", "[safety]\nbreak_s = inf", "safety.break_s: got inf, expected a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_protocol(write(tmp_path, GOOD.replace(old, new, 1)))
    assert any(told.startswith(f"study.toml: {problem}") for told in caught.value.problems), caught.value.problems


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("schema = 1", "schema = 0").replace("n_blocks = 1", "n_blocks = 0").replace("fatigue", "mood")
    with pytest.raises(ConfigError) as caught:
        load_protocol(write(tmp_path, text))
    assert len(caught.value.problems) == 3


def test_a_newer_absent_or_unreadable_protocol_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="newer than the 1"):
        load_protocol(write(tmp_path, GOOD.replace("schema = 1", "schema = 2")))
    with pytest.raises(FileError, match="cannot be read"):
        load_protocol(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_protocol(write(tmp_path, "blocks = [" * 5))


@given(st.text(max_size=200))
def test_no_text_makes_reading_fail_with_anything_but_a_told_error(tmp_path_factory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "study.toml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises((ConfigError, FileError)):
        load_protocol(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["schema", "name", "seed", "order", "counterbalance", "safety", "blocks"]), values)
def test_s8_wrong_types_anywhere_are_told(tmp_path_factory, key: str, value: object) -> None:
    import tomllib

    import tomli_w

    data = tomllib.loads(GOOD)
    data[key] = value
    path = tmp_path_factory.mktemp("fuzz") / "study.toml"
    try:
        path.write_text(tomli_w.dumps(data), encoding="utf-8", errors="replace")
    except (TypeError, ValueError):
        return  # TOML has no word for it
    try:
        protocol = load_protocol(path)
    except (ConfigError, FileError):
        return
    assert protocol.blocks


def orders(n_blocks: int, order: str, n_participants: int) -> list[list[str]]:
    names = tuple("abcdefg"[:n_blocks])
    protocol = Protocol("x", tuple(BlockPlan(n, "resting", {}) for n in names), 1, order, names)
    return [[b.name for b in protocol.blocks_for(f"P{n + 1:03d}")] for n in range(n_participants)]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_a_latin_square_balances_places_and_followers(n: int) -> None:
    rows = orders(n, "latin", n if n % 2 == 0 else 2 * n)
    times = len(rows) // n
    places = Counter((place, name) for row in rows for place, name in enumerate(row))
    assert set(places.values()) == {times}
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    assert len(pairs) == n * (n - 1)
    assert set(pairs.values()) == {times}


def test_other_orders_and_blocks_that_keep_their_place() -> None:
    assert orders(3, "fixed", 2) == [["a", "b", "c"]] * 2
    assert orders(4, "random", 3) == orders(4, "random", 3)
    assert len({tuple(row) for row in orders(4, "random", 12)}) > 3
    plans = tuple(BlockPlan(n, "resting", {}, repeat=2 if n == "x" else 1) for n in "xaby")
    protocol = Protocol("x", plans, 1, "latin", ("a", "b"))
    assert [b.name for b in protocol.blocks_for("P2")] == ["x", "x", "b", "a", "y"]


def make_block(**plan: object) -> Block:
    cue = ImageryCue(ImagerySettings(("left", "right"), 1, fixation_s=0.5, cue_s=0.3, imagery_s=1.0))
    return Block(cue, BlockPlan("b", "imagery_cue", {}, **plan))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_a_block_with_its_surroundings_keeps_the_contract(seed: int) -> None:
    def make() -> Block:
        paradigm = SsvepCalibration(CalibrationSettings(layout="four", n_blocks=1, flicker_s=0.5))
        return Block(paradigm, BlockPlan("b", "ssvep_calibration", {}, "words", 1.0, "fatigue", 2.0))

    check_paradigm(make, seed=seed)


def test_words_come_before_and_question_and_rest_after() -> None:
    block = make_block(instruction="go", instruction_s=2.0, prompt="fatigue", rest_s=3.0)
    log = drive(block, VirtualScreen())
    labels = [m.label for m in log.markers]
    assert labels[:3] == ["block/start", "block/instruction", "trial/start"]
    assert labels[-4:] == ["prompt/shown", "prompt/answer", "break/shown", "block/end"]
    at = {m.label: m.time for m in log.markers}
    first = next(m.time for m in log.markers if m.label == "trial/start")
    assert first - at["block/instruction"] >= 2.0
    assert at["prompt/answer"] - at["prompt/shown"] >= 60.0
    assert at["block/end"] - at["break/shown"] >= 3.0
    assert [problem for m in log.markers for problem in marker_problems(m)] == []


def test_an_answer_is_recorded_and_ends_the_question() -> None:
    block = make_block(prompt="fatigue")
    screen = VirtualScreen()
    markers: list[Marker] = []
    now = 0.0
    while not block.finished:
        for step in block.advance(now):
            if isinstance(step, Marker):
                markers.append(step)
            else:
                shown = screen.present(step, now)
                block.shown(shown)
                if shown.label == "prompt/shown":
                    block.shown(Marker(now, "operator/answer", {"value": "7"}, "operator"))
        now += 0.05
    assert [m.payload for m in markers if m.label == "prompt/answer"] == [{"prompt": "fatigue", "value": "7"}]
    assert now < 20.0


def test_sham_feedback_is_drawn_at_random_and_does_not_depend_on_what_was_decided() -> None:
    def text_of(label: str) -> str:
        speller = SsvepSpeller(SpellerSettings(layout="four", n_selections=12, max_selections=12))
        sham = Sham(speller, ("A", "B", "space"), seed=4)
        drive(sham, VirtualScreen(), lambda view, now: Decision(now, 0, label, 0.9, 1, view.trial))
        return speller.text

    assert text_of("A") == text_of("B")
    assert {"A", "B"} <= set(text_of("A"))
