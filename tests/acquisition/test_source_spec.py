from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import ConfigError, PluginError
from volo_acquisition.sources.brainflow import BrainFlowSource
from volo_acquisition.sources.listing import list_devices
from volo_acquisition.sources.lsl import LslSource
from volo_acquisition.sources.replay import ReplaySource
from volo_acquisition.sources.spec import make_source, parse_spec, settings_from_texts


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Everything:
    text: str = ""
    count: int = 0
    ratio: float = 0.0
    on: bool = False
    file: Path = Path()
    colour: Colour = Colour.RED
    names: tuple[str, ...] = ()
    maybe_s: float | None = None
    either: int | str = 0

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count: got {self.count}, it must be at least 0")


@dataclass(frozen=True)
class Needy:
    needed: str


def test_values_take_the_types_of_the_fields():
    got = settings_from_texts(
        Everything,
        [
            ("text", "a=b"),
            ("count", "3"),
            ("ratio", "2.5"),
            ("on", "Yes"),
            ("file", "a/b.xdf"),
            ("colour", "BLUE"),
            ("names", "Oz, O1,O2"),
            ("maybe_s", "none"),
            ("either", "median"),
        ],
        where="x",
    )
    assert got == Everything("a=b", 3, 2.5, True, Path("a/b.xdf"), Colour.BLUE, ("Oz", "O1", "O2"), None, "median")
    assert settings_from_texts(Everything, [("either", "7"), ("maybe_s", "1")], where="x").either == 7


def test_one_error_lists_every_problem_and_the_allowed_keys():
    with pytest.raises(ConfigError) as caught:
        settings_from_texts(
            Everything,
            [("cuont", "3"), ("ratio", "x"), ("on", "maybe"), ("colour", "green"), ("text", "a"), ("text", "b")],
            where="--source thing",
        )
    problems = caught.value.problems
    assert len(problems) == 5
    assert "--source thing: cuont: unknown key" in problems
    assert any("ratio" in p and "'x'" in p and "number" in p for p in problems)
    assert any("green" in p and "red, blue" in p for p in problems)
    assert any("text: given twice" in p for p in problems)
    assert "text, count, ratio" in caught.value.hint


def test_a_missing_value_and_a_refused_one_are_problems():
    with pytest.raises(ConfigError, match="needed: missing"):
        settings_from_texts(Needy, [], where="x")
    with pytest.raises(ConfigError, match="count: got -1, it must be at least 0"):
        settings_from_texts(Everything, [("count", "-1")], where="x")


@pytest.mark.parametrize(
    ("text", "name", "bare", "values"),
    [
        ("synthetic", "synthetic", None, ()),
        ("synthetic:", "synthetic", None, ()),
        ("replay:C:\\data\\a,b.xdf", "replay", "C:\\data\\a,b.xdf", ()),
        (
            "lsl:name=EEG1,channels=Oz,O1,type=EEG",
            "lsl",
            None,
            (("name", "EEG1"), ("channels", "Oz,O1"), ("type", "EEG")),
        ),
        ("brainflow:CYTON,serial_port=/dev/x", "brainflow", "CYTON", (("serial_port", "/dev/x"),)),
    ],
)
def test_the_text_is_split_at_the_first_colon_and_at_commas_before_keys(text, name, bare, values):
    spec = parse_spec(text)
    assert (spec.name, spec.bare, spec.values) == (name, bare, values)


@given(st.dictionaries(st.from_regex(r"[a-z]\w{0,5}", fullmatch=True), st.from_regex(r"[\w:/. -]*", fullmatch=True)))
def test_any_keys_and_values_without_commas_come_back(values):
    text = "x:" + ",".join(f"{key}={value}" for key, value in values.items())
    assert dict(parse_spec(text).values) == {key: value.strip() for key, value in values.items()}


@pytest.mark.parametrize("text", ["", "  ", ":CYTON"])
def test_a_text_without_a_name_is_refused_with_the_known_names(text):
    with pytest.raises(ConfigError, match=r"brainflow, lsl, replay, synthetic"):
        parse_spec(text)


def test_a_made_source_has_the_settings_of_its_text():
    clock = ManualClock()
    cases = {
        "brainflow:CYTON,serial_port=COM3": BrainFlowSource,
        "lsl:name=EEG1,expected_rate_hz=250": LslSource,
        "replay:some/file.xdf,speed=2": ReplaySource,
    }
    made = {text: make_source(text, clock) for text in cases}
    assert [type(source) for source in made.values()] == list(cases.values())
    settings = [source._settings for source in made.values()]
    assert (settings[0].board, settings[0].serial_port) == ("CYTON", "COM3")
    assert (settings[1].name, settings[1].expected_rate_hz) == ("EEG1", 250.0)
    assert (settings[2].file, settings[2].speed) == ("some/file.xdf", 2.0)
    assert type(make_source("synthetic", clock)).__name__ == "SyntheticSource"


def test_wrong_texts_are_told_before_anything_is_opened():
    with pytest.raises(PluginError, match="unknown source 'nope'"):
        make_source("nope", ManualClock())
    with pytest.raises(ConfigError, match=r"nmae: unknown key.*resolve_timeout_s: got 'soon'"):
        make_source("lsl:nmae=x,resolve_timeout_s=soon", ManualClock())
    with pytest.raises(ConfigError, match="speed: got -1"):
        make_source("replay:a.xdf,speed=-1", ManualClock())
    with pytest.raises(ConfigError, match="file: missing"):
        make_source("replay", ManualClock())


def test_devices_are_listed_by_the_text_that_opens_them():
    rows = list_devices()
    specs = [row.spec for row in rows]
    assert len(set(specs)) == len(specs)
    assert {"synthetic", "brainflow:SYNTHETIC_BOARD", "brainflow:CYTON_BOARD", "brainflow:UNICORN_BOARD"} <= set(specs)
    assert next(row for row in rows if row.spec == "brainflow:CYTON_BOARD").present is None
    for row in rows:
        if "<" not in row.spec:
            make_source(row.spec, ManualClock()).close()
