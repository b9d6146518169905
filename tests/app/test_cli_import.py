"""Import of FIF files: the values, the precision, the events; damage is told and never half imported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import FileError, Reason
from volo_acquisition.recording.reader import Recording
from volo_app.cli import main
from volo_app.datasets.fif import parse_event_map, read_fif

RATE_HZ, FIRST = 128.0, 1000
EVENTS = np.array([[FIRST + 5, 0, 2], [FIRST + 64, 0, 1], [FIRST + 300, 0, 3], [FIRST + 9999, 0, 2], [3, 0, 2]])


@pytest.fixture(scope="module")
def fif(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray]:
    """A recording of 4 s in single precision, its events, and its values (n_samples, n_channels) in volts."""
    import mne

    folder = tmp_path_factory.mktemp("fif")
    values = np.random.default_rng(1).normal(0.0, 1e-5, (512, 3)).astype(np.float32)
    info = mne.create_info(["Oz", "O1", "EOG1"], RATE_HZ, ["eeg", "eeg", "eog"])
    raw = mne.io.RawArray(values.T.astype(np.float64), info, first_samp=FIRST, verbose="error")
    raw.save(folder / "s01_raw.fif", fmt="single", verbose="error")
    mne.write_events(folder / "s01-eve.fif", EVENTS, verbose="error")
    return folder / "s01_raw.fif", folder / "s01-eve.fif", values


def test_the_signal_keeps_values_precision_names_kinds_and_unit(fif: tuple[Path, Path, np.ndarray]) -> None:
    path, _, values = fif
    recording = read_fif(path)
    assert recording.samples.dtype == np.float32
    np.testing.assert_array_equal(recording.samples, values)
    assert recording.info.channel_names == ("Oz", "O1", "EOG1")
    assert [channel.kind.value for channel in recording.info.channels] == ["eeg", "eeg", "eog"]
    assert {channel.unit for channel in recording.info.channels} == {"V"}
    assert {channel.unit for channel in read_fif(path, unit="arbitrary").info.channels} == {"arbitrary"}


def test_double_precision_is_kept(tmp_path: Path) -> None:
    import mne

    values = np.random.default_rng(2).normal(0.0, 1e-5, (1, 300))
    raw = mne.io.RawArray(values, mne.create_info(["Oz"], RATE_HZ, "eeg"), verbose="error")
    raw.save(tmp_path / "d_raw.fif", fmt="double", verbose="error")
    recording = read_fif(tmp_path / "d_raw.fif")
    assert recording.info.dtype == "float64"
    np.testing.assert_array_equal(recording.samples, values.T)


def test_events_count_from_the_first_sample_and_those_outside_are_left_out(fif: tuple[Path, Path, np.ndarray]) -> None:
    path, events, _ = fif
    markers = read_fif(path, events, {2: "13", 3: "21"}).markers
    assert [(round(marker.time * RATE_HZ), marker.label, dict(marker.payload)) for marker in markers] == [
        (5, "stimulus/onset", {"trial": 0, "target": "13"}),
        (64, "event/1", {}),
        (300, "stimulus/onset", {"trial": 1, "target": "21"}),
    ]
    assert [marker.payload["target"] for marker in read_fif(path, events).markers] == ["2", "1", "3"]


def test_the_command_writes_a_recording_that_reads_back_the_same(
    fif: tuple[Path, Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, events, values = fif
    words = ["import", str(path), "--events", str(events), "--event-map", "2=13,3=21", "--out", str(tmp_path / "new")]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert Path(answer["file"]) == tmp_path / "new" / "s01.xdf"
    assert answer["targets"] == {"13": 1, "21": 1}
    recording = Recording.open(Path(answer["file"]))
    stream = recording.streams["s01"]
    np.testing.assert_array_equal(stream.samples, values)
    np.testing.assert_array_equal(stream.times, np.arange(512) / RATE_HZ)
    assert tuple(recording.markers) == read_fif(path, events, {2: "13", 3: "21"}).markers
    assert main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["reason"] == "exists"


def test_a_cut_or_altered_file_is_refused_in_one_line(fif: tuple[Path, Path, np.ndarray], tmp_path: Path) -> None:
    whole = fif[0].read_bytes()
    rng = np.random.default_rng(3)
    path = tmp_path / "x_raw.fif"
    refused = 0
    for cut in (0, 3, 4, 20, 500, len(whole) // 2, len(whole) - 60):
        path.write_bytes(whole[:cut])
        with pytest.raises(FileError) as caught:
            read_fif(path)
        assert "\n" not in str(caught.value)
    for _ in range(40):
        damaged = bytearray(whole)
        for place in rng.integers(0, 3000, 4):
            damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            read_fif(path)
        except FileError as error:
            refused += error.reason in {Reason.DAMAGED, Reason.EMPTY}
    assert refused > 0


def test_a_file_cut_between_two_buffers_is_refused_though_it_reads_well(tmp_path: Path) -> None:
    import mne

    path = tmp_path / "x_raw.fif"
    raw = mne.io.RawArray(np.zeros((1, 4096)), mne.create_info(["Oz"], RATE_HZ, "eeg"), verbose="error")
    raw.save(path, fmt="single", buffer_size_sec=8.0, verbose="error")
    whole = path.read_bytes()
    buffer = 16 + 4 * 1024
    end_of_data = len(whole) - 3 * 16 - 2 * 4  # two closing block tags with a number each, and the last tag
    path.write_bytes(whole[: end_of_data - buffer])
    assert mne.io.read_raw_fif(path, verbose="error").n_times == 3072
    with pytest.raises(FileError, match="cut off"):
        read_fif(path)


@given(st.text())
def test_an_event_map_is_read_or_refused(text: str) -> None:
    try:
        codes = parse_event_map(text)
    except ValueError as error:
        assert "event map" in str(error)
    else:
        assert all(code >= 0 and label for code, label in codes.items())


@given(st.dictionaries(st.integers(0, 10**6), st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True), min_size=1))
def test_an_event_map_reads_back_what_was_written(codes: dict[int, str]) -> None:
    assert parse_event_map(",".join(f"{code}={label}" for code, label in codes.items())) == codes


def test_a_code_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_event_map("2=a,2=b")


def test_recorded_people_are_imported_with_their_trials(volo_data: Path) -> None:
    path = min((volo_data / "ssvep_exo" / "subject07").glob("*_raw.fif"))
    events = path.with_name(path.name.replace("_raw.fif", "-eve.fif"))
    recording = read_fif(path, events, {2: "13", 3: "21", 4: "17"}, "arbitrary")
    targets = [marker.payload["target"] for marker in recording.markers if marker.label == "stimulus/onset"]
    assert {target: targets.count(target) for target in set(targets)} == {"13": 8, "21": 8, "17": 8}
    assert [marker.label for marker in recording.markers].count("event/1") == 8
    assert (recording.info.rate_hz, recording.info.n_channels, recording.info.dtype) == (256.0, 8, "float32")
