"""A whole session through the real window, both ways: phase-blind by default, phase-based when that was accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from volo_acquisition.recording.reader import Recording
from volo_acquisition.recording.verify import verify
from volo_app.protocol_run import ProtocolOptions, ProtocolRun
from volo_app.rows import FRAMES
from volo_app.stimulus.process import ScreenSettings
from volo_paradigms.grammar import OFFSET, TRIAL_FRAMES
from volo_paradigms.protocol import load_protocol

STUDY = """
schema = 1
name = "both ways"
[safety]
ramp_s = 0.0
[[blocks]]
name = "calibration"
paradigm = "ssvep_calibration"
settings = { layout = "four", n_blocks = 3, flicker_s = 2.2, cue_s = 0.5, rest_s = 0.1 }
train = "etrca"
[[blocks]]
name = "spelling"
paradigm = "ssvep_speller"
settings = { layout = "four", stop_text = "AB", max_selections = 8, gaze_shift_s = 0.5, max_trial_s = 3.2 }
decoder = "trained"
text = "AB"
"""


@pytest.mark.slow
@pytest.mark.parametrize(("accept", "decoder"), [(False, "fbcca"), (True, "etrca")])
def test_t5_a_whole_session_on_unverified_timing(display: str, tmp_path: Path, accept: bool, decoder: str) -> None:
    """Simulated: the head sees the stamps of the swaps, missed ones as well. It shows that the parts work together."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    screen = ScreenSettings(mode="window", width=320, height=240)
    options = ProtocolOptions(tmp_path, "SIM", accept_timing=accept, screen=screen)
    run = ProtocolRun(load_protocol(path), options)
    result = run.run()
    assert result["complete"], result
    blocks = result["blocks"]
    assert isinstance(blocks, list)
    assert blocks[0]["trained"].startswith(decoder)
    assert blocks[1]["text"] == "AB"
    assert run.session is not None
    for file in sorted((run.session.folder / "sourcedata").glob("*.xdf")):
        assert verify(file).ok
        recording = Recording.open(file)
        assert recording.header["timing_verified"] == "false"
        assert recording.header["timing_accepted"] == str(accept).lower()
        labels = [m.label for m in recording.markers]
        assert labels.count(TRIAL_FRAMES) == labels.count(OFFSET)
        _, rows = recording.rows(FRAMES)
        counted = sum(m.payload["missed"] for m in recording.markers if m.label == TRIAL_FRAMES)
        told = sum(m.payload["missed"] for m in recording.markers if m.label == "screen/missed")
        assert counted == told <= sum(int(row[2]) for row in rows)
