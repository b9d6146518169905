"""Measures a rig's timing: frames, queue, markers against a patch, and light where a photodiode is. No Qt here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from volo_acquisition.clock import Clock, SessionClock
from volo_acquisition.sources.base import Source
from volo_acquisition.types import Chunk, Marker
from volo_app.session import utc_now
from volo_app.stimulus.certificate import Certificate, rig_id
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.frames import LATE_FACTOR
from volo_app.stimulus.messages import ScreenInfo
from volo_app.stimulus.pace import is_software
from volo_app.stimulus.photodiode import LightReport, light_edges, measure_light
from volo_app.stimulus.picture import PATCH_BITS
from volo_app.stimulus.process import ScreenSettings
from volo_paradigms.types import Scene

__all__ = ["NOT_VERIFIED", "Measured", "certify", "judge"]

Array = NDArray[np.float64]

#: What no program can see.
NOT_VERIFIED = (
    "when the panel lights up, how fast, and how much later at its lower edge: that needs a photodiode",
    "what the display does to the picture (processing adds 20 to 30 ms on some), unless a photodiode measured it",
    "amplifiers: how late their samples are",
)
MAX_JITTER_MS, MAX_MISSED_SHARE, MAX_LIGHT_SD_MS = 1.0, 1e-4, 1.0
MAX_MARKER_MEAN_MS, MAX_MARKER_SD_MS, MAX_MARKER_MS = 2.0, 1.0, 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured.

    Attributes
    ----------
    frames : ndarray, shape (n, 4)
        Rows of the log: time, number, late, missed.
    markers_s : ndarray, shape (m,)
        Times of markers of scenes.
    light : LightReport or None
        What a photodiode saw.
    """

    frames: Array
    markers_s: Array
    light: LightReport | None = None


def certify(
    settings: ScreenSettings,
    *,
    seconds: float = 30.0,
    photodiode: tuple[Source, int | str] | None = None,
    clock: Clock | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[ScreenInfo, Certificate]:
    """Open the window, watch it, and return what it is and how well it keeps time.

    Parameters
    ----------
    settings : ScreenSettings
        Of the window; it shows a patch in any case.
    seconds : float
        How long is watched.
    photodiode : (Source, int or str) or None
        A source and its channel with a photodiode on the patch.
    clock : Clock or None
        The session clock.
    progress : callable
        Told the share that is done.

    Raises
    ------
    DeviceError
        If the window or the source fails.
    ValueError
        If the photodiode sees no light.
    """
    clock = clock or SessionClock()
    with ScreenProcess(settings) as screen:
        measured = _watch(screen, clock, seconds, photodiode, progress)
        info = screen.info
    return info, judge(info, measured)


def judge(info: ScreenInfo, measured: Measured) -> Certificate:
    """Return the certificate of what was measured, with all that does not suffice."""
    frames = measured.frames
    durations_ms = 1e3 * np.diff(frames[:, 0])
    usual_ms = float(np.median(durations_ms)) if len(durations_ms) else float("nan")
    kept = durations_ms[durations_ms <= LATE_FACTOR * usual_ms]
    steady = kept[kept >= usual_ms / LATE_FACTOR]
    sd_ms = float(np.std(steady)) if len(steady) else float("nan")
    p99_ms = float(np.percentile(np.abs(kept - usual_ms), 99)) if len(kept) else float("nan")
    off_ms = _marker_against_patch(measured)
    n_missed = int(frames[:, 3].sum())
    light = measured.light
    certificate = Certificate(
        rig=rig_id(info),
        made_utc=utc_now(),
        renderer=info.renderer,
        display=info.display,
        size=f"{info.width}x{info.height}",
        pacing=info.pacing,
        refresh_hz=_rate_hz(frames, usual_ms),
        n_frames=len(frames),
        n_late=int(frames[:, 2].sum()),
        n_missed=n_missed,
        jitter_sd_ms=sd_ms,
        jitter_p99_ms=p99_ms,
        queue_frames=info.queue_frames,
        marker_mean_ms=float(np.mean(off_ms)),
        marker_sd_ms=float(np.std(off_ms)),
        marker_max_ms=float(np.max(np.abs(off_ms))),
        light_lag_ms=None if light is None else light.lag_ms,
        light_sd_ms=None if light is None else light.sd_ms,
        light_missed=0 if light is None else len(light.missed),
        not_verified=NOT_VERIFIED if light is None else NOT_VERIFIED[2:],
    )
    return _with_failures(certificate, info)


def _with_failures(c: Certificate, info: ScreenInfo) -> Certificate:
    failures = []
    if is_software(c.renderer):
        failures.append("drawn by software: there is no display's clock to follow")
    if c.pacing != "vsync":
        failures.append("the driver does not wait for the display")
    if abs(c.refresh_hz / info.refresh_hz - 1.0) > 0.005:
        failures.append(f"frames come at {c.refresh_hz:.3f} Hz, the display says {info.refresh_hz:.3f} Hz")
    if not c.jitter_p99_ms <= MAX_JITTER_MS:
        failures.append(f"jitter of {c.jitter_p99_ms:.2f} ms (99th percentile), more than {MAX_JITTER_MS:g} ms")
    if c.n_missed > MAX_MISSED_SHARE * c.n_frames:
        failures.append(f"{c.n_missed} of {c.n_frames} frames missed, more than 1 in {round(1 / MAX_MISSED_SHARE)}")
    bad = abs(c.marker_mean_ms) > MAX_MARKER_MEAN_MS or c.marker_sd_ms > MAX_MARKER_SD_MS
    if bad or c.marker_max_ms > MAX_MARKER_MS:
        failures.append("markers and patch are apart by more than 2 ms on average, 1 ms in spread or 8 ms at most")
    if c.light_sd_ms is None:
        failures.append("no photodiode: the delay from swap to light is not known")
    elif c.light_sd_ms > MAX_LIGHT_SD_MS:
        failures.append(f"light jitters by {c.light_sd_ms:.2f} ms, more than {MAX_LIGHT_SD_MS:g} ms")
    if c.light_missed:
        failures.append(f"{c.light_missed} frames were never seen by the photodiode")
    return replace(c, failures=tuple(failures))


def _rate_hz(frames: Array, usual_ms: float) -> float:
    """Return the measured rate by a line through the swaps, numbered by their durations."""
    if len(frames) < 3:
        return float("nan")
    times = frames[:, 0] - frames[0, 0]
    numbers = np.concatenate([[0.0], np.cumsum(np.maximum(1.0, np.rint(1e3 * np.diff(times) / usual_ms)))])
    return float(1.0 / np.polyfit(numbers, times, 1)[0])


def _marker_against_patch(measured: Measured) -> Array:
    """Return how far markers are from the change of the patch that came with them, milliseconds.

    A loop-back in software: the patch's light, as it would be if it followed the swaps at once, is sampled at 1000 Hz
    and read by the same program that reads a photodiode. It finds mistakes in stamps and numbers, not in the display.
    """
    frames = measured.frames
    bits = np.array(PATCH_BITS, np.float64)[frames[:, 1].astype(int) % len(PATCH_BITS)]
    times = np.arange(frames[0, 0], frames[-1, 0], 1e-3)
    held = np.searchsorted(frames[:, 0], times, side="right") - 1
    edges, _ = light_edges(bits[held], times)
    near = np.clip(np.searchsorted(edges, measured.markers_s), 1, len(edges) - 1)
    before = np.abs(measured.markers_s - edges[near - 1]) < np.abs(measured.markers_s - edges[near])
    off_s = measured.markers_s - np.where(before, edges[near - 1], edges[near])
    period_s = float(np.median(np.diff(frames[:, 0])))
    with_change = off_s[np.abs(off_s) < 0.5 * period_s]  # the patch does not change in every frame
    return 1e3 * with_change if len(with_change) else np.array([np.nan])


def _watch(
    screen: ScreenProcess,
    clock: Clock,
    seconds: float,
    photodiode: tuple[Source, int | str] | None,
    progress: Callable[[float], None],
) -> Measured:
    rows: list[Array] = []
    markers: list[Marker] = []
    trace = _Trace(photodiode)
    began_s = clock.now()
    next_s, number = began_s, 0
    try:
        trace.open()
        while (now := clock.now()) - began_s < seconds:
            if now >= next_s:
                scene = Scene("gaze", number, 0.0, "trial/start", {"trial": number, "cue": None, "text": ""})
                screen.present(scene, now)
                next_s, number = now + 0.21, number + 1
            markers += screen.poll()
            rows.append(screen.take_frames())
            trace.read()
            progress((now - began_s) / seconds)
            clock.sleep(0.005)
        end_s = clock.now() + 0.5
        while clock.now() < end_s:
            screen.poll()
            rows.append(screen.take_frames())
            trace.read()
            clock.sleep(0.005)
    finally:
        trace.close()
    frames = np.concatenate(rows)
    latency_s = 1e-3 * screen.info.latency_ms
    light = trace.measure(frames)
    return Measured(frames, np.array([marker.time - latency_s for marker in markers]), light)


class _Trace:
    """The photodiode's channel, if there is one."""

    def __init__(self, photodiode: tuple[Source, int | str] | None) -> None:
        self._photodiode = photodiode
        self._column = 0
        self._stream = ""
        self._chunks: list[Chunk] = []

    def open(self) -> None:
        if self._photodiode is None:
            return
        source, channel = self._photodiode
        infos = [info for info in source.open() if info.rate_hz > 0.0]
        for info in infos[:1]:
            names = list(info.channel_names)
            if isinstance(channel, str) and channel not in names:
                raise ValueError(f"photodiode: got channel {channel!r}, the stream has {', '.join(names)}")
            self._column = names.index(channel) if isinstance(channel, str) else channel
            self._stream = info.stream_id

    def read(self) -> None:
        if self._photodiode is not None:
            items = self._photodiode[0].read(0.0)
            self._chunks += [item for item in items if isinstance(item, Chunk) and item.stream_id == self._stream]

    def close(self) -> None:
        if self._photodiode is not None:
            self._photodiode[0].close()

    def measure(self, frames: Array) -> LightReport | None:
        if self._photodiode is None or not self._chunks:
            return None
        samples = np.concatenate([chunk.samples[:, self._column].astype(np.float64) for chunk in self._chunks])
        times = np.concatenate([chunk.times for chunk in self._chunks])
        return measure_light(samples, times, frames)
