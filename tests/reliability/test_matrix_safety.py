"""Rows H3 to H6, U and S8 of the reliability matrix: flicker is audited, warned of, blocked and limited."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from figures import note_figure
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition import registry
from volo_acquisition.errors import ConfigError, FileError
from volo_acquisition.types import Marker
from volo_app.screening import load_screening, require_screening, save_screening
from volo_app.stimulus.gallery import audit_flicker, judge_run, rehearse
from volo_app.stimulus.profile import load_display
from volo_paradigms.calibration import CalibrationSettings, SsvepCalibration
from volo_paradigms.contract import check_paradigm
from volo_paradigms.driver import drive
from volo_paradigms.grammar import BREAK_END, BREAK_START, OFFSET, ONSET, SESSION_LIMIT
from volo_paradigms.layout import Rectangle, load_layout
from volo_paradigms.modulation import Sines
from volo_paradigms.resting import Resting, RestingSettings
from volo_paradigms.safety.exposure import Viewing, judge_flicker
from volo_paradigms.safety.flashes import count_flashes
from volo_paradigms.safety.limits import FlickerAccount, Limited, Limits
from volo_paradigms.safety.screening import QUESTIONS, VERSION, Screening
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.show import Box, Show
from volo_paradigms.timeline import Stage

NO = dict.fromkeys((q.name for q in QUESTIONS), False)


@pytest.mark.parametrize("name", sorted(registry.names("volo.paradigms")))
def test_h3_nothing_but_the_keys_flickers_in_any_paradigm(name: str) -> None:
    row = audit_flicker(name)
    told = f"keys {row.stimulus_flashes_per_s} flashes/s on {row.area_sr:.3f} sr, all else {row.other_flashes_per_s}"
    note_figure("H3", f"{name}: {told}", f"all else <= 3 flashes/s, no red: {name}", held=row.is_fine)
    assert row.other_flashes_per_s <= 3
    assert not row.red
    assert row.is_fine
    if name.startswith(("ssvep", "cvep", "four")):
        assert row.stimulus_flashes_per_s > 3
        assert row.area_sr > 0.0


class Blinking(Resting):
    """A paradigm whose cue blinks five times a second."""

    color = (1.0, 1.0, 1.0)

    def _plan(self, number):
        on, off = Show(boxes=(Box(Rectangle(0.0, 0.0, 1.0, 1.0), self.color),)), Show()
        cue = {"cue": "open", "text": ""}
        blinks = [Stage("cue", "x", 0.1, on if n % 2 else off) for n in range(20)]
        return (Stage("cue", "trial/start", 0.1, on, cue), *blinks, *super()._plan(number)[1:])


class RedBlinking(Blinking):
    color = (1.0, 0.0, 0.0)


@pytest.mark.parametrize("kind", [Blinking, RedBlinking])
def test_h3_the_audit_finds_what_blinks_and_what_is_red(kind: type[Blinking]) -> None:
    paradigm = kind(RestingSettings(record_s=1.0, n_repetitions=1))
    row = judge_run("blinking", paradigm, drive(paradigm, VirtualScreen(), hop_s=0.01))
    assert row.other_flashes_per_s >= 4
    assert row.red == (kind is RedBlinking)
    assert not row.is_fine


@given(st.floats(1.0, 20.0), st.floats(0.15, 1.0))
def test_h3_flashes_are_counted_as_many_as_there_are(frequency_hz: float, depth: float) -> None:
    t = np.arange(0, 4.0, 1 / 240.0)
    level = 0.5 * (1.0 + depth * np.sin(2.0 * math.pi * frequency_hz * t))
    frames = np.repeat(level[:, None, None], 3, axis=2) * 0.75
    (flashes,) = count_flashes(frames, 240.0).flashes_per_s
    if depth * 0.75 > 0.11:
        assert math.floor(frequency_hz) <= flashes <= math.ceil(frequency_hz) + 1
    if depth * 0.75 < 0.0999:
        assert flashes == 0


@pytest.mark.parametrize("bright", [0.85, 0.95])
def test_h3_changes_between_two_bright_levels_are_no_flash(bright: float) -> None:
    level = np.where(np.arange(240) % 20 < 10, bright, 1.0)
    frames = np.repeat(level[:, None, None], 3, axis=2)
    assert count_flashes(frames, 60.0).worst == 0


def full_screen(frequency_hz: float):
    layout = load_layout("yes_no")
    frequencies = (frequency_hz,) * len(layout)
    return judge_flicker(layout, Sines(frequencies, (0.0, 1.0, 2.0, 3.0)), Viewing())


@pytest.mark.parametrize(("frequency_hz", "is_warned"), [(14.9, False), (15.0, True), (18.0, True), (25.1, False)])
def test_h4_fifteen_to_twenty_five_hertz_on_a_large_area_is_warned_of(frequency_hz: float, is_warned: bool) -> None:
    exposure = full_screen(frequency_hz)
    assert any("provokes seizures" in warning for warning in exposure.warnings) == is_warned
    assert exposure.area_sr > 0.006


def test_h4_saturated_red_is_refused_and_a_quarter_of_the_screen_warned_of() -> None:
    layout = load_layout("yes_no")
    sines = Sines(layout.frequencies_hz, layout.phases_rad)
    exposure = judge_flicker(layout, sines, Viewing(), color=(1.0, 0.1, 0.05))
    assert exposure.refusals == ("saturated red flickers: choose another colour",)
    assert judge_flicker(layout, sines, Viewing()).refusals == ()
    assert ("% of the screen flickers" in " ".join(exposure.warnings)) == (
        sum(k.rectangle.width * k.rectangle.height for k in layout.keys) > 0.25
    )


def test_the_solid_angle_is_that_of_a_sphere_seen_from_its_middle_and_of_small_patches() -> None:
    # a screen that surrounds half of all directions: 2 pi; a small patch: area over squared distance
    assert Viewing(1e7, 1e7, 1.0).steradians([Rectangle(0, 0, 1, 1)]) == pytest.approx(2.0 * math.pi, rel=1e-5)
    small = Viewing(500.0, 300.0, 600.0).steradians([Rectangle(0.49, 0.49, 0.02, 0.02)])
    assert small == pytest.approx(10.0 * 6.0 / 600.0**2, rel=1e-3)
    assert Viewing(500.0, 300.0, 600.0).degrees(1.0) == pytest.approx(45.24, abs=0.01)


@pytest.mark.parametrize(
    ("screening", "obstacle"),
    [
        (None, "has not been asked"),
        (Screening({}, True), "not answered"),
        (Screening({**NO, "seizures": True}, True), "answered with yes: Have you ever"),
        (Screening({**NO, "seizures": True}, True, ("seizures",)), "answered with yes: Have you ever"),
        (Screening({**NO, "sleep": True}, True), "not confirmed by the operator"),
        (Screening(NO, False), "no consent"),
        (Screening(NO, True, version=VERSION - 1), "questions are of version"),
    ],
)
def test_h5_without_screening_and_consent_nothing_flickers(
    tmp_path: Path, screening: Screening | None, obstacle: str
) -> None:
    if screening is not None:
        save_screening(tmp_path, "P001", screening, operator="AB")
    with pytest.raises(FileError, match=obstacle):
        require_screening(tmp_path, "P001")


def test_h5_a_good_screening_is_kept_and_older_ones_stay(tmp_path: Path) -> None:
    good = Screening({**NO, "sleep": True}, True, ("sleep",))
    save_screening(tmp_path, "P001", Screening(NO, False), operator="AB")
    path = save_screening(tmp_path, "P001", good, operator="AB")
    assert load_screening(tmp_path, "P001") == good
    assert '"version": 1' in require_screening(tmp_path, "P001")
    assert len(list(path.parent.glob("screening-*.toml"))) == 1
    for wrong in ("../P1", "Jane Doe", ""):
        with pytest.raises(FileError, match="participant"):
            require_screening(tmp_path, wrong)
    path.write_text("answers = ?")
    with pytest.raises(FileError, match="damaged"):
        require_screening(tmp_path, "P001")


def limited(block_s: float = 20.0, session_s: float = 1800.0, n_blocks: int = 30) -> Limited:
    settings = CalibrationSettings(layout="four", n_blocks=n_blocks, flicker_s=1.0, cue_s=0.3, rest_s=0.2)
    return Limited(SsvepCalibration(settings), Limits(block_s, session_s, 30.0))


def times_of(log, label: str) -> list[float]:
    return [m.time for m in log.markers if m.label == label]


def test_h6_a_break_is_forced_at_the_limit_and_cannot_be_skipped() -> None:
    paradigm = limited()
    log = drive(paradigm, VirtualScreen(), hop_s=0.04, actions=[(25.0, "resume"), (26.0, "pause"), (27.0, "resume")])
    starts, ends, onsets = times_of(log, BREAK_START), times_of(log, BREAK_END), times_of(log, ONSET)
    assert len(starts) >= 5
    assert abs(starts[0] - onsets[0] - 20.0) <= 1.0
    for start, end in zip(starts, ends, strict=False):
        assert end - start >= 30.0
        assert not [t for t in onsets if start < t < end]
    firsts = [min(t for t in onsets if t > end) for end in ends]
    for first, start in zip(firsts, starts[1:], strict=False):
        assert abs(start - first - 20.0) <= 1.0


def test_h6_the_session_ends_when_its_flicker_is_used_up() -> None:
    paradigm = limited(session_s=15.0)
    log = drive(paradigm, VirtualScreen(), hop_s=0.04)
    flicker_s = sum(b - a for a, b in zip(times_of(log, ONSET), times_of(log, OFFSET), strict=True))
    assert abs(flicker_s - 15.0) <= 1.0
    assert len(times_of(log, SESSION_LIMIT)) == 1
    used = Limited(SsvepCalibration(CalibrationSettings(layout="four")), Limits(), before_s=1800.0)
    assert times_of(drive(used, VirtualScreen()), ONSET) == []


@pytest.mark.parametrize("seed", range(8))
def test_h6_a_limited_paradigm_keeps_the_contract(seed: int) -> None:
    check_paradigm(lambda: limited(block_s=3.0, n_blocks=2), seed=seed)


@pytest.mark.parametrize("wrong", [{"block_s": 601.0}, {"session_s": 1e5}, {"break_s": 5.0}, {"block_s": math.nan}])
def test_h6_limits_have_limits(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


def test_h6_flicker_is_counted_by_what_was_shown() -> None:
    account = FlickerAccount(10.0)
    for time, label in ((0.0, ONSET), (1.0, OFFSET), (1.5, OFFSET), (5.0, ONSET), (5.2, ONSET), (7.0, OFFSET)):
        account.take(Marker(time, label, {"trial": 0}))
    assert account.session_s(100.0) == 13.0
    assert account.block_s(8.0) == 8.0
    account.rested()
    assert account.block_s(9.0) == 0.0


GOOD_DISPLAY = """
schema = 1
name = "test"
width_mm = 531.0
height_mm = 299.0
distance_mm = 600.0
latency_ms = 12.5
gamma = [0.0, 0.25, 1.0]
"""


def test_a_display_profile_gives_size_latency_and_drive_levels(tmp_path: Path) -> None:
    path = tmp_path / "display.toml"
    path.write_text(GOOD_DISPLAY)
    display = load_display(path)
    table = display.drive_table(5)
    assert display.latency_ms == 12.5
    assert table is not None
    assert table.tolist() == pytest.approx([0.0, 0.5, 2 / 3, 5 / 6, 1.0])
    assert not display.viewing.is_assumed


def test_s8_all_problems_of_a_display_profile_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "display.toml"
    path.write_text(
        GOOD_DISPLAY.replace("531.0", "inf").replace("12.5", "-1").replace("0.25, 1.0", "0.25").replace("test", "")
        + "x = 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_display(path)
    told = "\n".join(caught.value.problems)
    for part in ("name: got ''", "width_mm: got inf", "latency_ms: got -1", "gamma: expected", "x: unknown"):
        assert f"display.toml: {part}" in told
    path.write_text(GOOD_DISPLAY.replace("schema = 1", "schema = 2"))
    with pytest.raises(FileError, match="newer"):
        load_display(path)


def test_every_paradigm_can_be_rehearsed() -> None:
    for name in registry.names("volo.paradigms"):
        paradigm, log = rehearse(name)
        assert paradigm.finished
        assert log.scenes
