"""Hardware profiles: read whole or refused with every problem, true to the drivers, and used wherever a source is."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from volo_acquisition import registry
from volo_acquisition.clock import ManualClock
from volo_acquisition.errors import ConfigError, DeviceError, FileError, PluginError, Reason
from volo_acquisition.profiles import (
    ELECTRODES,
    Profile,
    ProfiledSource,
    load_profile,
    profile_names,
    settings_problems,
)
from volo_acquisition.recording.reader import Recording
from volo_acquisition.sources.brainflow import BrainFlowSource
from volo_acquisition.sources.brainflow_driver import load_brainflow
from volo_acquisition.sources.brainflow_rows import board_rows
from volo_acquisition.sources.lsl import LslSource
from volo_acquisition.sources.spec import make_source, parse_spec
from volo_acquisition.sources.synthetic import SyntheticSource
from volo_acquisition.types import Channel, ChannelKind, Chunk, Item, StreamInfo
from volo_app.cli import main

GOOD = """
schema = 1
name = "mine"
description = "my amplifier"
source = "synthetic:channels=Oz,O1"
latency_source = "measured with a photodiode"
latency_s = 0.012
known_from = "measured"
seen_on_hardware = true
rate_hz = 250
range_uv = [-100, 100.5]
mains_hz = 60
chunk_ms = 20
quirks = ["none"]
channels = [
  { name = "C3", kind = "eeg", unit = "uV" },
  { name = "left ear", kind = "eeg", unit = "uV", position = [-0.08, 0.0, -0.02] },
]
[connection.seed]
help = "of the noise"
required = true
example = "1"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def problems_of(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_three_profiles_come_with_volo_and_each_is_sound():
    assert profile_names() == ["lsl_eeg", "openbci_cyton", "synthetic"]
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name
        assert settings_problems(profile, name) == []
        assert profile.seen_on_hardware is False
        assert profile.known_from
        assert profile.latency_source


def test_every_field_of_a_file_is_read(mine: Path):
    profile = load_profile(mine)
    assert (profile.rate_hz, profile.range_uv, profile.mains_hz, profile.chunk_ms) == (
        250.0,
        (-100.0, 100.5),
        60.0,
        20.0,
    )
    assert (profile.latency_s, profile.latency_source) == (0.012, "measured with a photodiode")
    assert profile.channels == (
        Channel("C3", ChannelKind.EEG, "uV"),
        Channel("left ear", ChannelKind.EEG, "uV", (-0.08, 0.0, -0.02)),
    )
    assert [(f.key, f.required, f.example) for f in profile.connection] == [("seed", True, "1")]
    assert profile.seen_on_hardware is True


def test_one_error_lists_every_problem_with_its_place(tmp_path: Path):
    text = """
schema = 1
name = ""
descripton = "typo"
description = 3
source = "nosuch:a=1"
latency_source = "x"
known_from = "x"
seen_on_hardware = "yes"
rate_hz = -1
range_uv = [5, -5]
mains_hz = 55
chunk_ms = "fast"
latency_s = nan
quirks = ["fine", 7]
channels = [
  { name = "C3", kind = "brain", unit = "uV" },
  { name = "C4", kind = "eeg", unit = "furlong", color = "red" },
  { name = "XYZ1", kind = "eeg", unit = "uV" },
  { name = "C4", kind = "eog", unit = "g", position = [1.0, 2.0] },
  "Cz",
]
[connection.port]
required = "no"
wat = 1
"""
    found = problems_of(tmp_path / "bad.toml", text)
    places = [problem.partition(":")[0] for problem in found]
    wanted = [
        *("name", "descripton", "description", "source", "seen_on_hardware", "rate_hz", "range_uv", "mains_hz"),
        *("chunk_ms", "latency_s", "quirks[1]", "channels[0].kind", "channels[1].unit", "channels[1].color"),
        *("channels[2].name", "channels[3].unit", "channels[3].position", "channels[4]", "channels"),
        *("connection.port.help", "connection.port.required", "connection.port.wat"),
    ]
    assert sorted(places) == sorted(wanted)
    assert "mains_hz: got 55, expected 50 or 60, or 0 where it is not known" in found
    assert any("allowed are schema, name" in problem for problem in found)


@pytest.mark.parametrize("key", ["name", "description", "source", "latency_source", "known_from", "seen_on_hardware"])
def test_what_is_needed_is_missed_by_name(tmp_path: Path, key: str):
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key} =")]
    assert [p.partition(":")[0] for p in problems_of(tmp_path / "less.toml", "\n".join(lines))] == [key]


def test_what_is_no_profile_is_refused(tmp_path: Path):
    assert "not a TOML file" in problems_of(tmp_path / "x.toml", "a = = b")[0]
    assert problems_of(tmp_path / "y.toml", GOOD.replace("schema = 1", 'schema = "1"'))[0].startswith("schema: got '1'")
    newer = tmp_path / "newer.toml"
    newer.write_text(GOOD.replace("schema = 1", "schema = 2"), encoding="utf-8")
    with pytest.raises(FileError, match="schema 2 is newer") as caught:
        load_profile(newer)
    assert caught.value.reason is Reason.NEWER_SCHEMA
    with pytest.raises(FileError, match="cannot be read"):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(FileError, match="unknown profile 'nope'"):
        load_profile("nope")


def test_the_cyton_profile_says_what_brainflow_says():
    driver = load_brainflow()
    profile = load_profile("openbci_cyton")
    source = make_source("openbci_cyton:serial_port=COM3", ManualClock())
    assert isinstance(source, ProfiledSource)
    assert isinstance(source.inner, BrainFlowSource)
    board = source.inner._boards()[0]
    assert board.name == "CYTON_BOARD"
    assert profile.rate_hz == driver.BoardShim.get_sampling_rate(board.value)
    assert len(profile.channels) == len(driver.BoardShim.get_eeg_channels(board.value)) == 8
    assert [c.name for c in profile.channels] == list(driver.BoardShim.get_eeg_names(board.value))
    sent = board_rows(board.name, driver.BoardShim.get_board_descr(board.value)).info
    assert [c for c in sent.channels if c.kind in ELECTRODES] == list(profile.channels)
    held = source._held(sent)
    assert held.channels == sent.channels
    assert profile.range_uv == (-4.5e6 / 24, 4.5e6 / 24)  # 4.5 V reference, gain 24


def test_the_synthetic_profile_says_what_the_simulation_does():
    profile = load_profile("synthetic")
    assert parse_spec(profile.source) == parse_spec("synthetic")
    source = make_source("synthetic", ManualClock())
    assert isinstance(source, SyntheticSource)
    (info,) = source.open()
    assert info.rate_hz == profile.rate_hz
    assert tuple(c for c in info.channels if c.kind is ChannelKind.EEG) == profile.channels
    chunks = [item for _ in range(3) for item in source.read(1.0) if isinstance(item, Chunk)]
    assert {len(chunk) for chunk in chunks} == {round(1e-3 * (profile.chunk_ms or 0) * info.rate_hz)}
    source.close()


def test_no_profile_hides_a_source_of_the_same_name():
    for name in set(profile_names()) & set(registry.names("volo.sources")):
        assert load_profile(name).source == name


def test_a_profiles_name_makes_its_source_and_given_values_win(mine: Path):
    clock = ManualClock()
    cyton = make_source("openbci_cyton:COM3,timeout_s=4", clock)
    assert isinstance(cyton, ProfiledSource)
    assert (cyton.inner._settings.board, cyton.inner._settings.serial_port) == ("CYTON_BOARD", "COM3")
    assert cyton.inner._settings.timeout_s == 4
    daisy = make_source("openbci_cyton:serial_port=COM3,board=CYTON_DAISY_BOARD", clock)
    assert daisy.inner._settings.board == "CYTON_DAISY_BOARD"
    lsl = make_source("lsl_eeg:name=X", clock)
    assert isinstance(lsl.inner, LslSource)
    assert (lsl.inner._settings.name, lsl.inner._settings.type) == ("X", "EEG")
    own = make_source(f"{mine}:seed=9,channels=Cz,Pz", clock)
    assert (own.inner._settings.seed, own.inner._settings.channels) == (9, ("Cz", "Pz"))


def test_a_file_is_told_from_a_name_also_on_windows():
    spec = parse_spec(r"C:\amps\mine.toml:serial_port=COM3")
    assert (spec.name, spec.file, spec.values) == ("mine", r"C:\amps\mine.toml", (("serial_port", "COM3"),))
    assert parse_spec("amps/mine.toml").file == "amps/mine.toml"
    assert parse_spec("brainflow:PLAYBACK_FILE_BOARD,file=x.toml").file is None
    assert parse_spec("openbci_cyton:other_info=x.toml").file is None


def test_what_is_missing_or_wrong_is_told_before_anything_is_opened(mine: Path):
    clock = ManualClock()
    with pytest.raises(
        ConfigError, match=r"--source openbci_cyton: serial_port: missing: port of the dongle"
    ) as caught:
        make_source("openbci_cyton", clock)
    assert "openbci_cyton:serial_port=COM3" in caught.value.hint
    with pytest.raises(ConfigError, match="prot: unknown key"):
        make_source("openbci_cyton:serial_port=COM3,prot=1", clock)
    with pytest.raises(PluginError, match="unknown source 'nope'") as unknown:
        make_source("nope", clock)
    assert "openbci_cyton" in unknown.value.hint
    with pytest.raises(FileError, match="cannot be read"):
        make_source("nowhere/x.toml:seed=1", clock)
    mine.write_text(GOOD.partition("[connection")[0], encoding="utf-8")
    with pytest.raises(ConfigError, match="asks for nothing"):
        make_source(f"{mine}:5", clock)


def test_the_electrodes_get_their_names_and_everything_else_passes(mine: Path):
    source = make_source(f"{mine}:7", ManualClock())
    plain = make_source("synthetic:channels=Oz,O1,seed=7", ManualClock())
    (info,), (sent,) = source.open(), plain.open()
    assert info.channel_names[:2] == ("C3", "left ear")
    assert info.channels[1].position == (-0.08, 0.0, -0.02)
    assert info.channels[2:] == sent.channels[2:]
    assert info.source.endswith("(profile mine)")
    for _ in range(5):
        (a,), (b,) = source.read(1.0), plain.read(1.0)
        assert (a.samples.tobytes(), a.times.tobytes(), a.index) == (b.samples.tobytes(), b.times.tobytes(), b.index)
    assert source.exhausted is False
    source.close()


class Device:
    """Says what it is and whether it was closed."""

    exhausted = False

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.closed = False

    def open(self) -> tuple[StreamInfo, ...]:
        return (self.info,)

    def read(self, timeout_s: float) -> list[Item]:
        return []

    def close(self) -> None:
        self.closed = True


PROFILE = Profile("amp", "", "synthetic", "", "", False, (Channel("C3"), Channel("C4")), rate_hz=250.0)
SENT = StreamInfo("x", "eeg", 250.0, (Channel("a"), Channel("n", ChannelKind.COUNTER, "count"), Channel("b")))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (replace(SENT, rate_hz=125.0), Reason.WRONG_RATE),
        (replace(SENT, channels=SENT.channels[:2]), Reason.WRONG_CHANNELS),
        (replace(SENT, channels=tuple(replace(c, unit="mV") for c in SENT.channels)), Reason.WRONG_UNIT),
    ],
)
def test_a_device_that_is_not_what_its_profile_says_is_refused_and_let_go(info: StreamInfo, reason: Reason):
    device = Device(info)
    with pytest.raises(DeviceError, match="profile amp") as caught:
        ProfiledSource(device, PROFILE).open()
    assert caught.value.reason is reason
    assert device.closed


def test_a_stream_that_declares_no_unit_takes_the_profiles():
    unknown = replace(SENT, channels=tuple(replace(c, unit="unknown") for c in SENT.channels))
    (info,) = ProfiledSource(Device(unknown), PROFILE).open()
    assert [(c.name, c.unit) for c in info.channels] == [("C3", "uV"), ("n", "unknown"), ("C4", "uV")]
    (kept,) = ProfiledSource(Device(unknown), load_profile("lsl_eeg")).open()
    assert kept.channels == unknown.channels


def test_the_files_are_in_the_package_and_nothing_else_is():
    names = {item.name for item in resources.files("volo_profiles").iterdir()} - {"__pycache__"}
    assert names == {"__init__.py", "py.typed", *(f"{name}.toml" for name in profile_names())}
    for name in profile_names():
        tomllib.loads((resources.files("volo_profiles") / f"{name}.toml").read_text(encoding="utf-8"))


def test_the_command_lists_shows_and_checks(mine: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["profiles", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["schema"] == "volo.profiles/1"
    assert [profile["name"] for profile in listed["profiles"]] == profile_names()
    assert main(["profiles", "show", "openbci_cyton"]) == 0
    shown = capsys.readouterr().out
    for text in ("250 Hz", "-187500 to 187500 uV", "never tried on the device", "serial_port (needed)", "not measured"):
        assert text in shown
    assert main(["profiles", "check", str(mine)]) == 0
    assert "sound" in capsys.readouterr().out
    mine.write_text(
        GOOD.replace("connection.seed", "connection.sed").replace("channels=", "chanels="), encoding="utf-8"
    )
    assert main(["profiles", "check", str(mine), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert [p.removeprefix(f"{mine}: ").split(": unknown key")[0] for p in answer["problems"]] == [
        "source: chanels",
        "connection.sed",
    ]
    for words in (["show"], ["check"], ["list", "synthetic"]):
        assert main(["profiles", *words]) == 2
        assert "a name or a .toml file" in capsys.readouterr().err


def test_a_profile_records_under_its_own_name(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = f"{mine}:seed=3,duration_s=0.4"
    assert main(["record", "--source", text, "--out", str(tmp_path / "out"), "--json"]) == 0
    file = Path(json.loads(capsys.readouterr().out)["file"])
    assert file.name == "mine_run-01_eeg.xdf"
    recording = Recording.open(file)
    assert recording.header["source"] == "mine"
    (stream,) = recording.streams.values()
    assert stream.info.channel_names[:2] == ("C3", "left ear")
    assert len(stream) == 100
