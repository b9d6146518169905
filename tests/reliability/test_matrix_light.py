"""Rows T7 and T8 of the reliability matrix: what a photodiode saw, and what follows for a rig's certificate.

The reference is the trace's own making: lag, jitter and missing frames are put in, so they are known.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from figures import note_figure
from numpy.typing import NDArray

from volo_app.stimulus.certificate import load_certificate, rig_folder, rig_id, save_certificate
from volo_app.stimulus.certify import NOT_VERIFIED, Measured, certify, judge
from volo_app.stimulus.messages import ScreenInfo
from volo_app.stimulus.photodiode import LightReport, measure_light
from volo_app.stimulus.picture import PATCH_BITS
from volo_app.stimulus.process import ScreenSettings
from volo_app.stimulus.verdict import choose_decoder, judge_timing

Array = NDArray[np.float64]
GOOD = ScreenInfo(
    "GeForce", "xcb", 1920, 1080, 60.0, 60.0, "vsync", False, "", fenced=True, jitter_ms=0.2, display="DP-1"
)


def trace_of(
    refresh_hz: float,
    lag_ms: float,
    jitter_ms: float,
    *,
    rate_hz: float = 1000.0,
    missing: float = 0.0,
    noise: float = 0.02,
    drift: float = 0.0,
    rise_ms: float = 1.0,
    seconds: float = 20.0,
    seed: int = 0,
) -> tuple[Array, Array, Array, list[int]]:
    """Return trace, times, frames and the rows of changes of light that never came."""
    random = np.random.default_rng(seed)
    n = int(seconds * refresh_hz)
    swaps = 5.0 + np.arange(n) / refresh_hz
    numbers = np.arange(n) + 300
    bits = np.array(PATCH_BITS)[numbers % len(PATCH_BITS)].astype(float)
    seen = bits.copy()
    lost = np.flatnonzero(random.random(n) < missing)
    for row in lost:  # the light stays as it was
        seen[row] = seen[row - 1] if row else 0.0
    light = swaps + 1e-3 * (lag_ms + jitter_ms * random.normal(size=n))
    times = np.arange(4.8, swaps[-1] + 0.5, 1.0 / rate_hz)
    fine = np.repeat(times, 20) + np.tile(np.arange(20) / (20 * rate_hz), len(times))
    level = np.concatenate([[0.0], seen])[np.searchsorted(light, fine, side="right")]
    if rise_ms:
        width = max(1, round(rise_ms * 1e-3 * 20 * rate_hz))
        level = np.convolve(level, np.ones(width) / width, "full")[: len(level)]
        shift = rise_ms / 2.0
    else:
        shift = 0.0
    trace = 300.0 * level[::20] + drift * (times - times[0]) + 300.0 * noise * random.normal(size=len(times))
    changes = set((np.flatnonzero(np.diff(bits) != 0) + 1).tolist())
    gone = [row for row in lost.tolist() if row in changes]
    frames = np.column_stack([swaps, numbers, np.zeros(n), np.zeros(n)])
    return trace, times - 1e-3 * shift, frames, gone


@pytest.mark.parametrize("refresh_hz", [59.94, 120.0, 144.0])
@pytest.mark.parametrize(("lag_ms", "jitter_ms"), [(3.0, 0.0), (12.4, 0.5), (37.0, 0.3), (61.5, 1.0)])
def test_t8_lag_and_jitter_are_found_to_a_fifth_of_a_millisecond(
    refresh_hz: float, lag_ms: float, jitter_ms: float
) -> None:
    trace, times, frames, _ = trace_of(refresh_hz, lag_ms, jitter_ms, rate_hz=2000.0, drift=15.0)
    report = measure_light(trace, times, frames)
    off_ms = max(abs(report.lag_ms - lag_ms), abs(report.sd_ms - jitter_ms))
    case = f"{refresh_hz:g} Hz, lag {lag_ms:g} ms, jitter {jitter_ms:g} ms"
    note_figure("T8", f"off by {off_ms:.2f} ms", f"+-0.2 ms: {case}", held=off_ms <= 0.2)
    assert report.lag_ms == pytest.approx(lag_ms, abs=0.2)
    assert report.sd_ms == pytest.approx(jitter_ms, abs=0.2)
    assert report.missed == ()


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
def test_t8_at_an_amplifiers_rate_the_mean_lag_is_still_right(rate_hz: float) -> None:
    trace, times, frames, _ = trace_of(60.0, 12.4, 0.3, rate_hz=rate_hz, noise=0.01)
    assert measure_light(trace, times, frames).lag_ms == pytest.approx(12.4, abs=0.2 if rate_hz >= 500.0 else 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_t8_one_frame_in_a_hundred_missing_is_found_every_time(seed: int) -> None:
    trace, times, frames, gone = trace_of(60.0, 12.4, 0.3, missing=0.01, rate_hz=2000.0, seed=seed)
    report = measure_light(trace, times, frames)
    assert len(gone) >= 2
    assert set(gone) <= set(report.missed)
    # a change of light that did not come takes the one that would have undone it along
    assert len(report.missed) <= 2 * len(gone)
    assert report.lag_ms == pytest.approx(12.4, abs=0.2)


def test_t8_darkness_and_another_light_are_told() -> None:
    trace, times, frames, _ = trace_of(60.0, 12.4, 0.3)
    with pytest.raises(ValueError, match="no light to be seen"):
        measure_light(np.random.default_rng(0).normal(size=len(times)), times, frames)
    with pytest.raises(ValueError, match="shapes"):
        measure_light(trace[:-1], times, frames)


def measured(refresh_hz: float = 60.0, n: int = 6_000, missed: int = 0, jitter_ms: float = 0.05) -> Measured:
    random = np.random.default_rng(1)
    steps = np.ones(n)
    steps[100 : 100 + 7 * missed : 7] = 2.0
    numbers = np.cumsum(steps)
    swaps = numbers / refresh_hz + 1e-3 * jitter_ms * random.normal(size=n)
    late = (steps > 1.0).astype(float)
    frames = np.column_stack([swaps, numbers, late, steps - 1.0])
    return Measured(frames, swaps[50:5000:13], LightReport(12.0, 0.2, 500, ()))


def test_a_good_rig_gets_its_certificate_and_phase_based_decoders(tmp_path: Path) -> None:
    certificate = judge(GOOD, measured())
    assert certificate.failures == ()
    assert certificate.refresh_hz == pytest.approx(60.0, rel=1e-5)
    assert abs(certificate.marker_mean_ms) <= 2.0
    is_idle = os.getloadavg()[0] <= 1.5 * (os.cpu_count() or 1)
    assert certificate.marker_sd_ms <= 1.0 or not is_idle
    assert certificate.marker_max_ms <= 8.0 or not is_idle
    folder = rig_folder(tmp_path, certificate.rig)
    page = save_certificate(folder, certificate)
    assert "Timing verified" in page.read_text(encoding="utf-8")
    assert load_certificate(folder) == certificate
    verdict = judge_timing(GOOD, certificate)
    assert verdict.is_verified
    assert choose_decoder("etrca", verdict) == "etrca"
    assert verdict.header()["timing_verified"] == "true"


@pytest.mark.parametrize(
    ("info", "what", "reason"),
    [
        ({"renderer": "llvmpipe (LLVM 15)"}, {}, "drawn by software"),
        ({"pacing": "timer"}, {}, "does not wait for the display"),
        ({"refresh_hz": 75.0}, {}, "frames come at 60"),
        ({}, {"missed": 10}, "10 of 6000 frames missed"),
        ({}, {"jitter_ms": 0.9}, "jitter of"),
    ],
)
def test_what_does_not_suffice_is_said_and_phase_blind_decoders_are_the_default(
    info: dict[str, object], what: dict[str, float], reason: str
) -> None:
    seen = replace(GOOD, **info)  # type: ignore[arg-type]
    certificate = judge(seen, measured(**what))  # type: ignore[arg-type]
    assert any(reason in failure for failure in certificate.failures)
    verdict = judge_timing(seen, certificate)
    assert not verdict.is_verified
    assert choose_decoder("etrca", verdict) == "fbcca"
    accepted = judge_timing(seen, certificate, accept=True)
    assert choose_decoder("etrca", accepted) == "etrca"
    assert accepted.header()["timing_accepted"] == "true"
    assert accepted.header()["timing_verified"] == "false"


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"fenced": False}, "stamped before they are done"),
        ({"jitter_ms": 3.0}, "jitter by 3.0 ms"),
        ({"display": "HDMI-2"}, "certificate is of another rig"),
    ],
)
def test_a_certificate_does_not_hold_for_what_has_changed(info: dict[str, object], reason: str) -> None:
    certificate = judge(GOOD, measured())
    verdict = judge_timing(replace(GOOD, **info), certificate)  # type: ignore[arg-type]
    assert any(reason in told for told in verdict.reasons)
    assert "no certificate" in judge_timing(GOOD, None).reasons[0]


def test_a_damaged_certificate_is_none(tmp_path: Path) -> None:
    for text in ("{", '{"schema": "volo.certificate/2"}', "[]", '{"schema": "volo.certificate/1"}'):
        (tmp_path / "certificate.json").write_text(text)
        assert load_certificate(tmp_path) is None


def test_t7_markers_and_patch_of_a_real_window_agree_in_software(display: str) -> None:
    """On a machine that has more to do than it has processors, frames come late: then the spread is only told."""
    settings = ScreenSettings("four", "window", width=320, height=240, patch="lower-right", ramp_s=0.0)
    info, certificate = certify(settings, seconds=2.5)
    assert certificate.rig == rig_id(info)
    assert certificate.n_frames > 60
    assert abs(certificate.marker_mean_ms) <= 2.0
    is_idle = os.getloadavg()[0] <= 1.5 * (os.cpu_count() or 1)
    assert certificate.marker_sd_ms <= 1.0 or not is_idle
    assert certificate.marker_max_ms <= 8.0 or not is_idle
    assert certificate.light_lag_ms is None
    assert certificate.not_verified == NOT_VERIFIED
    assert any("photodiode" in failure for failure in certificate.failures)
