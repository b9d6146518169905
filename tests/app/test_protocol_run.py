"""Protocols as they are run: from the file to recorded markers, for every paradigm; safety before anything is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from volo_acquisition import registry
from volo_acquisition.errors import ConfigError, FileError
from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.verify import verify
from volo_app.protocol_run import ProtocolOptions, ProtocolRun
from volo_paradigms.grammar import BLOCK_END, BLOCK_START, OFFSET, ONSET, marker_problems, sequence_problems
from volo_paradigms.protocol import load_protocol

#: Settings of a short block, as in a file.
SHORT = {
    "ssvep_speller": 'layout = "four", n_selections = 1, max_selections = 2, max_trial_s = 1.0',
    "ssvep_calibration": 'layout = "four", n_blocks = 1, flicker_s = 0.6',
    "cvep_speller": 'layout = "yes_no", n_selections = 1, max_selections = 2, max_trial_s = 1.1',
    "cvep_calibration": 'layout = "digits", n_blocks = 1, flicker_s = 1.05, code = "gold"',
    "p300_speller": 'layout = "digits", max_selections = 1, n_repetitions = 2',
    "p300_calibration": 'layout = "four", n_repetitions = 2, grouping = "random"',
    "four_way": "max_selections = 2, max_trial_s = 1.0",
    "speech_cue": 'words = ["yes", "no"], n_per_word = 1, modes = ["mouthed"]',
    "talkers": "n_trials = 2, listen_s = 2.0",
    "resting": "n_repetitions = 1, record_s = 2.0",
    "free_recording": "duration_s = 3.0",
    "imagery_cue": 'classes = ["left", "right", "feet", "tongue"], n_per_class = 1',
    "imagery_cursor": "n_trials = 2",
}


def protocol_file(folder: Path, *blocks: str, head: str = "") -> Path:
    path = folder / "study.toml"
    path.write_text(f'schema = 1\nname = "study"\n{head}\n' + "\n".join(blocks), encoding="utf-8")
    return path


def block(paradigm: str, more: str = "") -> str:
    settings = SHORT.get(paradigm, "")
    return f'[[blocks]]\nname = "{paradigm}"\nparadigm = "{paradigm}"\nsettings = {{ {settings} }}\n{more}\n'


@pytest.mark.parametrize("name", sorted(registry.names("volo.paradigms")))
def test_every_paradigm_goes_from_a_protocol_file_to_recorded_markers(tmp_path: Path, name: str) -> None:
    protocol = load_protocol(protocol_file(tmp_path, block(name, 'instruction = "Now"\ninstruction_s = 0.5')))
    run = ProtocolRun(protocol, ProtocolOptions(tmp_path, "SIM", virtual=True))
    result = run.run()
    assert result["complete"]
    assert run.session is not None
    (path,) = (run.session.folder / "sourcedata").glob("*.xdf")
    assert verify(path).ok
    recording = Recording.open(path)
    markers = [m for m in recording.markers if m.origin != "participant"]
    assert [problem for m in recording.markers for problem in marker_problems(m)] == []
    assert sequence_problems(markers) == []
    labels = [m.label for m in markers]
    assert labels[0] == BLOCK_START
    assert labels[-1] == BLOCK_END
    assert labels.count(ONSET) == labels.count(OFFSET) >= 1
    assert recording.header["protocol_sha256"] == protocol.sha256
    assert recording.header["block_name"] == name
    if name.startswith("p300"):
        flashes = [m for m in markers if m.label == "stimulus/flash"]
        onset = next(m for m in markers if m.label == ONSET)
        mine = [m for m in flashes if m.payload["trial"] == onset.payload["trial"]]
        assert len(mine) >= 8
        assert [m.payload["flash"] for m in mine] == list(range(len(mine)))
        assert max(abs(m.time - onset.time - n * 0.175) for n, m in enumerate(mine)) <= 1.01 / 60.0


def test_what_was_trained_in_one_block_spells_in_the_next(tmp_path: Path) -> None:
    calibration = block("ssvep_calibration", 'train = "etrca"').replace("n_blocks = 1", "n_blocks = 4")
    spelling = block("ssvep_speller", 'decoder = "trained"\ntext = "AB"')
    spelling = spelling.replace("n_selections = 1, max_selections = 2", 'stop_text = "AB", max_selections = 6')
    calibration, spelling = (t.replace("0.6", "2.3").replace("= 1.0", "= 3.2") for t in (calibration, spelling))
    protocol = load_protocol(protocol_file(tmp_path, calibration, spelling))
    run = ProtocolRun(protocol, ProtocolOptions(tmp_path, "SIM", virtual=True))
    result = run.run()
    assert result["complete"]
    blocks = result["blocks"]
    assert isinstance(blocks, list)
    assert blocks[0]["trained"].startswith("etrca")
    assert blocks[1]["text"] == "AB"


def test_a_person_who_was_not_screened_sees_no_flicker(tmp_path: Path) -> None:
    options = ProtocolOptions(tmp_path, "P001", source="lsl:name=EEG", confirmed=True)
    with pytest.raises(FileError, match="has not been asked"):
        ProtocolRun(load_protocol(protocol_file(tmp_path, block("ssvep_calibration"))), options)
    assert not list(tmp_path.glob("sub-*"))
    ProtocolRun(load_protocol(protocol_file(tmp_path, block("resting"))), options)


def test_flicker_that_is_warned_of_needs_the_operators_word(tmp_path: Path) -> None:
    protocol = load_protocol(protocol_file(tmp_path, block("ssvep_calibration").replace("four", "benchmark40")))
    with pytest.raises(ConfigError, match=r"provokes seizures.*--confirm-flicker"):
        ProtocolRun(protocol, ProtocolOptions(tmp_path, "P001", source="lsl:name=EEG"))


def test_a_virtual_screen_is_not_for_people(tmp_path: Path) -> None:
    protocol = load_protocol(protocol_file(tmp_path, block("resting")))
    with pytest.raises(ConfigError, match="--virtual"):
        ProtocolRun(protocol, ProtocolOptions(tmp_path, "P001", source="lsl:name=EEG", virtual=True))


def test_the_session_ends_when_its_flicker_is_used_up(tmp_path: Path) -> None:
    long = block("ssvep_calibration").replace("n_blocks = 1", "n_blocks = 20")
    path = protocol_file(tmp_path, long, head="[safety]\nsession_s = 20.0")
    run = ProtocolRun(load_protocol(path), ProtocolOptions(tmp_path, "SIM", virtual=True))
    run.run()
    assert run.session is not None
    (path,) = (run.session.folder / "sourcedata").glob("*.xdf")
    markers = Recording.open(path).markers
    shown_s = sum((1 if m.label == OFFSET else -1) * m.time for m in markers if m.label in (ONSET, OFFSET))
    assert shown_s == pytest.approx(20.0, abs=1.0)
    assert "session/limit" in [m.label for m in markers]
