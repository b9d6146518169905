"""The markers a run is made of: labels, payloads, and a check. One grammar for all paradigms and readers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

from volo_acquisition.types import Marker

__all__ = [
    "ATTEND",
    "BLOCK_END",
    "BLOCK_START",
    "BREAK_END",
    "BREAK_SHOWN",
    "BREAK_START",
    "CUE",
    "CUE_OFF",
    "DECISION",
    "DECODER_FAILED",
    "FEEDBACK",
    "FLASH",
    "HELP",
    "INSTRUCTION",
    "OFFSET",
    "ONSET",
    "OPERATOR_ANSWER",
    "OPERATOR_NOTE",
    "OPERATOR_PAUSE",
    "OPERATOR_RESUME",
    "OPERATOR_STOP",
    "OUTPUT_FAILED",
    "PAYLOADS",
    "PROMPT_ANSWER",
    "PROMPT_SHOWN",
    "RUN_START",
    "RUN_STOP",
    "SCREEN_GREY",
    "SCREEN_MISSED",
    "SESSION_LIMIT",
    "TRIAL_FRAMES",
    "TRIAL_START",
    "marker_problems",
    "sequence_problems",
]

RUN_START, RUN_STOP = "run/start", "run/stop"
#: Keys steady, the person shifts gaze.
TRIAL_START = "trial/start"
#: First frame of the flicker, and the first frame without it.
ONSET, OFFSET = "stimulus/onset", "stimulus/offset"
#: What is to be prepared, before the onset says when.
CUE = "stimulus/cue"
#: In imagery, whose onset is the cue: first frame without the cue, while imagery goes on.
CUE_OFF = "stimulus/cue-off"
#: How the trial was decided; the key is None for abstaining.
DECISION = "trial/decision"
#: What the simulated participant looks at; the key is None for nothing, the numbers are then 0.
ATTEND = "participant/attend"
#: Someone ended the run from the stimulus window; an output failed and was left out.
OPERATOR_STOP, OUTPUT_FAILED = "operator/stop", "output/failed"
#: The operator paused the run, let it go on, or wrote something down.
OPERATOR_PAUSE, OPERATOR_RESUME, OPERATOR_NOTE = "operator/pause", "operator/resume", "operator/note"
#: The participant calls for help.
HELP = "participant/help"
#: The screen went grey by itself, and why: a stop flag, a missed heartbeat, another refresh rate.
SCREEN_GREY = "screen/grey"
#: Frames of a stimulus that never came: the light stood still for `held_s` until this swap, and then went on as if
#: nothing had been (a frame's number comes from time).
SCREEN_MISSED = "screen/missed"
#: A break that the limits of flicker demand, its scene, and its end; the flicker of a session is used up.
BREAK_START, BREAK_SHOWN, BREAK_END, SESSION_LIMIT = "break/start", "break/shown", "break/end", "session/limit"
#: A block of a protocol, its words, its question and the answer: a digit, or null if none came.
BLOCK_START, BLOCK_END, INSTRUCTION = "block/start", "block/end", "block/instruction"
PROMPT_SHOWN, PROMPT_ANSWER, OPERATOR_ANSWER = "prompt/shown", "prompt/answer", "operator/answer"
#: What a feedback bar shows, -1 to 1: how sure a prediction is of the cued class, or of the second of two.
FEEDBACK = "feedback/bar"
#: First frame of a flash, with the labels of the keys it lights.
FLASH = "stimulus/flash"
#: How many frames a trial's stimulus had, and how many of them were late or missed; comes after its offset.
TRIAL_FRAMES = "trial/frames"
#: The decoder failed: from here on the run is only recorded.
DECODER_FAILED = "decoder/failed"

#: The fields of each label's payload and the types they may have.
PAYLOADS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    RUN_START: {"task": (str,), "paradigm": (str,), "layout": (str,)},
    RUN_STOP: {},
    TRIAL_START: {"trial": (int,), "cue": (str, NoneType), "text": (str,)},
    ONSET: {"trial": (int,), "target": (str, NoneType)},
    OFFSET: {"trial": (int,)},
    CUE: {"trial": (int,)},
    CUE_OFF: {"trial": (int,)},
    DECISION: {"trial": (int,), "key": (str, NoneType), "confidence": (float,), "text": (str,)},
    ATTEND: {"trial": (int,), "key": (str, NoneType), "frequency_hz": (float,), "phase_rad": (float,)},
    OPERATOR_STOP: {},
    OPERATOR_PAUSE: {},
    OPERATOR_RESUME: {},
    OPERATOR_NOTE: {"text": (str,)},
    HELP: {},
    SCREEN_GREY: {"reason": (str,)},
    SCREEN_MISSED: {"trial": (int,), "missed": (int,), "held_s": (float,)},
    FEEDBACK: {"trial": (int,), "value": (float,)},
    BLOCK_START: {"block": (int,), "name": (str,), "paradigm": (str,), "sham": (int,)},
    BLOCK_END: {"block": (int,)},
    INSTRUCTION: {},
    PROMPT_SHOWN: {},
    PROMPT_ANSWER: {"prompt": (str,), "value": (str, NoneType)},
    OPERATOR_ANSWER: {"value": (str,)},
    BREAK_START: {"seconds": (float,)},
    BREAK_SHOWN: {},
    BREAK_END: {},
    SESSION_LIMIT: {"flicker_s": (float,)},
    FLASH: {"trial": (int,), "flash": (int,), "keys": (list, tuple)},
    TRIAL_FRAMES: {"trial": (int,), "frames": (int,), "late": (int,), "missed": (int,)},
    OUTPUT_FAILED: {"message": (str,)},
    DECODER_FAILED: {"message": (str,)},
}
#: Fields that may be there as well: what the participant meant, where that is not what it looked at; and the movement
#: it imagines ("left", "right", "feet", ...; null: none any more), in which case it looks at no flicker.
_OPTIONAL: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    ATTEND: {"intended": (str, NoneType), "imagine": (str, NoneType)}
}


def marker_problems(marker: Marker) -> list[str]:
    """Return what is wrong with a marker of the grammar, nothing if all is well; foreign labels are a problem."""
    fields = PAYLOADS.get(marker.label)
    if fields is None:
        return [f"label: got {marker.label!r}, the grammar knows {', '.join(PAYLOADS)}"]
    problems = [] if math.isfinite(marker.time) else [f"{marker.label}: time is {marker.time}, it must be finite"]
    optional = _OPTIONAL.get(marker.label, {})
    for name, types in fields.items():
        if name not in marker.payload:
            problems.append(f"{marker.label}: payload has no {name!r}")
        elif not _fits(marker.payload[name], types):
            problems.append(f"{marker.label}: {name} is {marker.payload[name]!r}, expected {_names(types)}")
    for name, value in marker.payload.items():
        if name in fields:
            continue
        if name not in optional:
            problems.append(f"{marker.label}: payload has a foreign {name!r}")
        elif not _fits(value, optional[name]):
            problems.append(f"{marker.label}: {name} is {value!r}, expected {_names(optional[name])}")
    return problems


def sequence_problems(markers: Iterable[Marker]) -> list[str]:
    """Return where the trials of a run break the order start, onset, offset, decision.

    Trial numbers count up; an onset follows its start, and is followed by its offset before the next start; a trial has
    at most one of each and no decision without an onset. A trial given up (pause, abort) may have an offset without an
    onset.
    """
    problems: list[str] = []
    trial, seen = -1, set[str]()
    for marker in markers:
        label, number = marker.label, marker.payload.get("trial")
        if label == TRIAL_START:
            if ONSET in seen and OFFSET not in seen:
                problems.append(f"trial {trial}: the flicker is still on when trial {number} starts")
            if not isinstance(number, int) or number <= trial:
                problems.append(f"trial {number} starts after trial {trial}: numbers must count up")
            trial, seen = number if isinstance(number, int) else trial, {label}
        elif label in (ONSET, OFFSET, DECISION):
            if number != trial:
                problems.append(f"{label} of trial {number} within trial {trial}")
            if label in seen:
                problems.append(f"trial {trial}: a second {label}")
            if label == ONSET and OFFSET in seen:
                problems.append(f"trial {trial}: an onset after the offset")
            if label == DECISION and ONSET not in seen:
                problems.append(f"trial {trial}: a decision without an onset")
            seen.add(label)
    if ONSET in seen and OFFSET not in seen:
        problems.append(f"trial {trial}: the flicker is still on at the end")
    return problems


def _fits(value: Any, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, types) and not (isinstance(value, float) and not math.isfinite(value))


def _names(types: tuple[type, ...]) -> str:
    return " or ".join("null" if kind is NoneType else kind.__name__ for kind in types)
