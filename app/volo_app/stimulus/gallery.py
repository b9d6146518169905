"""Every scene of every paradigm, as it comes in a run: for looking at, and for judging. No Qt.

A paradigm is run in virtual time with a decoder that guesses; its scenes, and the decisions between them, become the
pictures that the window would draw.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from volo_acquisition import registry
from volo_acquisition.types import Marker
from volo_app.showing import CURSOR
from volo_app.stimulus.director import Director
from volo_app.stimulus.picture import BACKGROUND, STEADY, Picture
from volo_decoders.types import Decision
from volo_paradigms.block import Block
from volo_paradigms.driver import DriveLog, OpenTrial, drive
from volo_paradigms.grammar import DECISION, FEEDBACK
from volo_paradigms.layout import load_layout
from volo_paradigms.protocol import BlockPlan
from volo_paradigms.safety.exposure import Viewing, judge_flicker
from volo_paradigms.safety.flashes import MAX_FLASHES_PER_S, count_flashes
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Paradigm, Scene

__all__ = [
    "FlickerRow",
    "Shot",
    "audit_flicker",
    "judge_run",
    "labels_of",
    "paradigm_names",
    "rehearse",
    "shots_around",
    "shots_of",
]

#: Settings that make a rehearsal short and yet show every kind of scene.
_SHORT: dict[str, dict[str, Any]] = {
    "ssvep_speller": {"layout": "words", "language": "en", "max_selections": 6, "feedback_s": 0.5},
    "ssvep_calibration": {"n_blocks": 1},
    "cvep_speller": {"max_selections": 6, "feedback_s": 0.5},
    "cvep_calibration": {"n_blocks": 1},
    "p300_speller": {"max_selections": 4, "feedback_s": 0.5, "n_repetitions": 3},
    "p300_calibration": {"layout": "digits", "n_repetitions": 3},
    "four_way": {"max_selections": 6, "feedback_s": 0.5},
    "imagery_cue": {"classes": ("left", "right", "feet", "tongue"), "n_per_class": 3},
    "imagery_cursor": {"n_trials": 12},
    "speech_cue": {"n_per_word": 1, "modes": ("overt", "mouthed", "imagined")},
    "talkers": {"n_trials": 4, "listen_s": 5.0},
    "resting": {"record_s": 5.0},
    "free_recording": {"duration_s": 5.0},
}
_LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One scene to be looked at.

    Attributes
    ----------
    name : str
        For a file: paradigm, number, kind.
    scene : Scene
        What comes on.
    note : Marker or None
        A decision that follows it and changes what is on.
    frame : int
        Which frame after its first.
    """

    name: str
    scene: Scene
    note: Marker | None
    frame: int


@dataclass(frozen=True, slots=True)
class FlickerRow:
    """What a paradigm does to the eyes.

    Attributes
    ----------
    paradigm : str
        Its name.
    stimulus_flashes_per_s : int
        Most flashes of a key within a second; 0 without flicker.
    area_sr : float
        Solid angle of all that flickers, on a 24 inch screen at 60 cm.
    other_flashes_per_s : int
        Most flashes of anything that is no flickering key.
    red : bool
        Whether anything flashes to or from saturated red.
    """

    paradigm: str
    stimulus_flashes_per_s: int
    area_sr: float
    other_flashes_per_s: int
    red: bool

    @property
    def is_fine(self) -> bool:
        """Whether nothing but keys flickers faster than three times a second, and nothing in red."""
        return self.other_flashes_per_s <= MAX_FLASHES_PER_S and not self.red


def paradigm_names() -> list[str]:
    """Return the names of all registered paradigms."""
    return sorted(registry.names("volo.paradigms"))


def labels_of(paradigm: object) -> tuple[str, ...]:
    """Return what a paradigm can be told to have been decided; the first four of its classes at most."""
    layout = getattr(paradigm, "layout", None)
    labels = tuple(layout.labels) if layout is not None else tuple(getattr(paradigm, "classes", ("anything",)))
    return labels[:4]


def rehearse(name: str, seed: int = 0) -> tuple[Paradigm, DriveLog]:
    """Run a registered paradigm in virtual time, with guessed decisions after a second."""
    kind = registry.load("volo.paradigms", name)
    paradigm: Paradigm = kind(kind.Settings(**_SHORT.get(name, {})))
    labels = labels_of(paradigm)

    def guess(view: OpenTrial, now: float) -> Decision | None:
        generator = random.Random(f"{seed}/{view.trial}")
        if now - view.onset_s < 1.0 or name.startswith("p300"):
            return None
        return Decision(now, round(now * 1000), generator.choice(labels), 0.9, 1, view.trial)

    return paradigm, drive(paradigm, VirtualScreen(), guess, limit_s=_LIMIT_S)


def shots_of(name: str) -> list[Shot]:
    """Return the different scenes of a paradigm: each kind once for each cue, and the first with a decision."""
    _, log = rehearse(name)
    shots: list[Shot] = []
    seen: set[object] = set()
    for position, step in enumerate(log.steps):
        if not isinstance(step, Scene):
            continue
        after = log.steps[position + 1] if position + 1 < len(log.steps) else None
        note = after if isinstance(after, Marker) and after.label == DECISION else None
        look = step.show.boxes + step.show.texts if step.show is not None else step.payload.get("target")
        key = (step.kind, step.label, look if step.kind != "gaze" else None, note is not None)
        if key in seen or len(shots) >= 16:
            continue
        seen.add(key)
        shots.append(Shot(f"{name}-{len(shots) + 1:02d}-{step.kind}", step, note, 7 if step.kind == "flicker" else 0))
    moving = {"imagery_cue": (FEEDBACK, 0.6), "imagery_cursor": (CURSOR, -0.5)}.get(name)
    scene = next((shot.scene for shot in shots if shot.scene.kind == "imagery"), None)
    if moving is not None and scene is not None:
        note = Marker(0.0, moving[0], {"trial": 0, "value": moving[1]})
        shots.append(Shot(f"{name}-{len(shots) + 1:02d}-feedback", scene, note, 0))
    return shots


def shots_around() -> list[Shot]:
    """Return the scenes that a protocol puts around any paradigm: words, break, question, rest."""
    plan = BlockPlan("block", "resting", {}, "Look at the framed key\nand count its flashes", 1.0, "fatigue", 30.0)
    kind = registry.load("volo.paradigms", "resting")
    log = drive(Block(kind(kind.Settings(("open",), 1, record_s=1.0)), plan), VirtualScreen())
    scenes = [scene for scene in log.scenes if scene.trial < 0]
    return [Shot(f"block-{n:02d}-{scene.label.replace('/', '-')}", scene, None, 0) for n, scene in enumerate(scenes, 1)]


def audit_flicker(name: str, refresh_hz: float = 60.0) -> FlickerRow:
    """Judge a paradigm by the frames it leads to.

    Keys are judged by one of their flickers, all else by the whole run: what the screen shows without the flicker, as
    a coarse picture of 48 by 27 cells in each frame.
    """
    return judge_run(name, *rehearse(name), refresh_hz)


def judge_run(name: str, paradigm: Paradigm, log: DriveLog, refresh_hz: float = 60.0) -> FlickerRow:
    """Judge a run of a paradigm; see `audit_flicker`."""
    layout = getattr(paradigm, "layout", None) or load_layout("four")
    director = Director(layout, refresh_hz, 16 / 9)
    area_sr, worst, is_red = 0.0, 0, False
    changes: list[tuple[float, Picture]] = []
    for step in log.steps:
        picture = None
        if isinstance(step, Scene):
            picture = director.scene(step)
        elif isinstance(step, Marker):
            picture = director.note(step)
        if picture is None:
            continue
        changes.append((step.time, picture))
        if picture.modulator is not None and picture.layout is not None and not worst:
            frames = _key_frames(picture, round(3.0 * refresh_hz))
            report = count_flashes(frames, refresh_hz)
            worst, is_red = max(report.flashes_per_s), any(report.red_flashes_per_s)
            modulation = step.show.modulation if isinstance(step, Scene) and step.show is not None else None
            if modulation is not None:
                area_sr = judge_flicker(picture.layout, modulation, Viewing()).area_sr
    other = count_flashes(_steady_frames(changes, refresh_hz), refresh_hz)
    reds = is_red or any(other.red_flashes_per_s)
    return FlickerRow(name, worst, area_sr, other.worst, reds)


def _key_frames(picture: Picture, n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the colours of the keys in the first `n` frames, shape (n, n_keys, 3)."""
    levels = np.array([picture.levels(k, np.empty(len(picture.rectangles))) for k in range(n)])
    colors = picture.rectangles[-picture.n_keys :, 4:].astype(np.float64)
    return levels[:, -picture.n_keys :, None] * colors[None]


def _steady_frames(changes: list[tuple[float, Picture]], refresh_hz: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what is seen beside the flicker, shape (n_frames, n_cells, 3); cells that are always equal count once."""
    wide, high = 48, 27
    looks = np.full((len(changes), high, wide, 3), BACKGROUND)
    for number, (_, picture) in enumerate(changes):
        n_others = len(picture.rectangles) - picture.n_keys
        for position, row in enumerate(picture.rectangles):
            x, y, w, h = row[:4]
            left, right = max(0, int(x * wide)), min(wide, int(np.ceil((x + w) * wide)))
            top, bottom = max(0, int(y * high)), min(high, int(np.ceil((y + h) * high)))
            level = 1.0 if position < n_others else STEADY
            looks[number, top:bottom, left:right] = level * row[4:]
    flat = looks.reshape(len(changes), wide * high * 3)
    cells = np.unique(flat.reshape(len(changes), wide * high, 3), axis=1)
    starts = np.array([time for time, _ in changes])
    n_frames = int((starts[-1] - starts[0]) * refresh_hz) + 1
    times = starts[0] + np.arange(n_frames) / refresh_hz
    frames: np.ndarray[Any, np.dtype[np.float64]] = cells[np.searchsorted(starts, times + 1e-9, side="right") - 1]
    return frames
