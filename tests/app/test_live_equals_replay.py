"""A run at 1x over a real LSL stream, by all processes of a run, and its replays: one fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volo_acquisition.recording.reader import Recording
from volo_app.demo import DemoSettings, calibrate, train_speller
from volo_app.realtime import spell_realtime
from volo_app.replay import replay
from volo_app.session import create_session

SETTINGS = DemoSettings(text="HI", n_blocks=3)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    session = create_session(tmp_path_factory.mktemp("workspace"), "LIVE", task="ssvep", settings={})
    calibrate(session, SETTINGS)
    train_speller(session, SETTINGS)
    result = spell_realtime(session, SETTINGS, on_text=lambda text: None)
    return result, session.run_path("ssvep", 2)


def test_the_live_run_went_over_lsl_and_lost_nothing(live: tuple[dict[str, Any], Path]) -> None:
    result, path = live
    recording = Recording.open(path)
    (stream,) = recording.streams.values()
    assert "LSL" in stream.info.source
    assert recording.corrections
    counter = stream.samples[:, stream.info.channel_names.index("counter")]
    assert np.array_equal(np.diff(counter), np.ones(len(counter) - 1))
    assert result["n_decisions"] >= len(SETTINGS.text)


@pytest.mark.parametrize(
    "how",
    [
        {"chunk_samples": 1},
        {"chunk_samples": 7},
        {"chunk_samples": 25},
        {"chunk_samples": 256},
        {"speed": 1.0},
        {"speed": 10.0},
    ],
    ids=lambda how: "-".join(f"{k}={v:g}" for k, v in how.items()),
)
def test_every_replay_equals_the_live_run(live: tuple[dict[str, Any], Path], how: dict[str, Any]) -> None:
    result, path = live
    again = replay(path, **how)
    assert again["sha256"] == result["sha256"]
    assert again["n_predictions"] == result["n_predictions"]
    assert again["n_decisions"] == result["n_decisions"]


def test_recorded_predictions_equal_the_replayed_ones(live: tuple[dict[str, Any], Path]) -> None:
    result, path = live
    _, rows = Recording.open(path).rows("volo-predictions")
    assert len(rows) == result["n_predictions"]
    stops = [decision["stop_index"] for decision in replay(path)["decisions"]]  # type: ignore[attr-defined]
    assert set(stops) <= {int(row[1]) for row in np.asarray(rows)}
