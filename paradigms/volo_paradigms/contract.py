"""What every paradigm must keep to, as a check that anyone can run on theirs.

::

    from volo_paradigms.contract import check_paradigm

    def test_my_paradigm_keeps_the_contract():
        check_paradigm(lambda: MyParadigm(MyParadigm.Settings(n_trials=3)), labels=("left", "right"))
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.driver import Decide, DriveLog, OpenTrial, drive
from volo_paradigms.grammar import marker_problems, sequence_problems
from volo_paradigms.layout import Layout
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Command, Paradigm, Scene, Step

__all__ = ["ContractError", "check_paradigm", "drive"]

#: The kinds of scene a screen knows.
SCENE_KINDS = ("rest", "gaze", "flicker", "fixation", "cue", "imagery", "feedback", "end")


class ContractError(AssertionError):
    """A paradigm that breaks the contract; the message lists how."""


def check_paradigm(
    factory: Callable[[], Paradigm],
    *,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    limit_s: float = 36_000.0,
) -> None:
    """Check that a paradigm keeps the contract, under random decisions and under none.

    Steps are in order of time; scenes, markers and commands are well-formed; each onset has its offset; decisions for
    other trials change nothing; the same calls give the same steps; nothing comes after the end; and where it can be
    paused and aborted, the flicker stops at once and nothing comes until it is resumed.

    Parameters
    ----------
    factory : callable
        Returns a fresh paradigm whose run ends by itself, with and without decisions.
    labels : sequence of str or None
        Class labels to decide for; None takes those of the paradigm's ``layout``.
    seed : int
        Of the decisions, their times, the hop and the pauses.
    limit_s : float
        Longest run, in virtual seconds.

    Raises
    ------
    ValueError
        If there are no labels to decide for.
    ContractError
        If it breaks the contract; all that was found is listed.
    EndlessRunError
        If it does not come to an end.
    """
    if labels is None:
        layout = getattr(factory(), "layout", None)
        if not isinstance(layout, Layout):
            raise ValueError("labels: got None, and the paradigm has no layout to take them from; name the classes")
        labels = layout.labels
    generator = random.Random(seed)
    hop_s = generator.choice((0.004, 0.0167, 0.04, 0.13))
    deciders = {"random decisions": _random_decider(labels, seed), "no decisions": None}
    problems: list[str] = []
    for name, decide in deciders.items():
        first = factory()
        log = drive(first, VirtualScreen(), decide, hop_s, limit_s=limit_s)
        problems += [f"{name}: {problem}" for problem in _log_problems(log) + _end_problems(first, labels, log)]
        again = drive(factory(), VirtualScreen(), decide, hop_s, limit_s=limit_s)
        if again.steps != log.steps:
            problems.append(f"{name}: the same calls gave other steps the second time")
        disturbed = drive(_Disturbed(factory(), labels), VirtualScreen(), decide, hop_s, limit_s=limit_s)
        if disturbed.steps != log.steps:
            problems.append(f"{name}: decisions for other trials changed the steps")
    problems += _pause_problems(factory, _random_decider(labels, seed), generator, limit_s)
    problems += _abort_problems(factory, _random_decider(labels, seed), generator, limit_s)
    if problems:
        raise ContractError("; ".join(problems))


def _random_decider(labels: Sequence[str], seed: int) -> Decide:
    """Return a decoder that decides each trial at random: when, what, or not at all; the same for the same seed."""

    def decide(view: OpenTrial, now: float) -> Decision | None:
        generator = random.Random(f"{seed}/{view.trial}")
        after_s = generator.choice((0.0, generator.uniform(0.0, 2.0), math.inf))
        if now - view.onset_s < after_s:
            return None
        label = generator.choice((None, *labels))
        return Decision(now, round(now * 1000), label, generator.random(), 1, view.trial)

    return decide


class _Disturbed:
    """A paradigm that is also sent decisions for trials before and after the current one."""

    def __init__(self, paradigm: Paradigm, labels: Sequence[str]) -> None:
        self._paradigm = paradigm
        self._labels = labels
        self._trial = -1

    @property
    def finished(self) -> bool:
        return self._paradigm.finished

    def advance(self, now: float) -> list[Step]:
        steps = [*self._foreign(now), *self._paradigm.advance(now)]
        self._trial = max([self._trial, *(step.trial for step in steps if isinstance(step, Scene))])
        return [*steps, *self._foreign(now)]

    def shown(self, marker: Marker) -> list[Step]:
        return self._paradigm.shown(marker)

    def decide(self, decision: Decision) -> list[Step]:
        return self._paradigm.decide(decision)

    def _foreign(self, now: float) -> list[Step]:
        groups = (self._trial - 1, self._trial + 1, self._trial + 1000)
        return [
            step for group in groups for step in self._paradigm.decide(Decision(now, 0, self._labels[0], 1.0, 1, group))
        ]


def _log_problems(log: DriveLog) -> list[str]:
    problems: list[str] = []
    latest = -math.inf
    for step in log.steps:
        if not (math.isfinite(step.time) and step.time >= latest):
            problems.append(f"a {type(step).__name__} at {step.time} after one at {latest}")
        latest = max(latest, step.time)
        if isinstance(step, Scene) and step.kind not in SCENE_KINDS:
            problems.append(f"scene kind {step.kind!r}, known are {', '.join(SCENE_KINDS)}")
        if isinstance(step, Scene) and step.trial != step.payload.get("trial", step.trial):
            problems.append(f"a scene of trial {step.trial} whose marker says {step.payload['trial']}")
        if isinstance(step, Command) and not step.valid_for_s > 0.0:
            problems.append(f"command {step.sequence} is valid for {step.valid_for_s} s, it must be above 0")
    sequence = [command.sequence for command in log.commands]
    if sequence != list(range(len(sequence))):
        problems.append(f"commands count {sequence}, they must count up from 0")
    for marker in log.markers:
        problems += marker_problems(marker)
    return problems + sequence_problems(log.markers)


def _end_problems(paradigm: Paradigm, labels: Sequence[str], log: DriveLog) -> list[str]:
    """Return what still comes out of a finished paradigm."""
    after_s = 1.0 + max([0.0, *(marker.time for marker in log.markers)])
    trial = max([0, *(scene.trial for scene in log.scenes)])
    steps = paradigm.advance(after_s) + paradigm.decide(Decision(after_s, 0, labels[0], 1.0, 1, trial))
    steps += [step for marker in log.markers[-3:] for step in paradigm.shown(marker)]
    problems = [f"a {type(step).__name__} after the end" for step in steps]
    return problems if paradigm.finished else [*problems, "finished turned False again"]


def _pause_problems(
    factory: Callable[[], Paradigm], decide: Decide, generator: random.Random, limit_s: float
) -> list[str]:
    if not hasattr(factory(), "pause"):
        return []
    pause_s = generator.uniform(0.0, 8.0)
    resume_s = pause_s + generator.uniform(0.2, 5.0)
    actions = [(pause_s, "pause"), (resume_s, "resume")]
    log = drive(factory(), VirtualScreen(), decide, limit_s=limit_s, actions=actions)
    problems = _log_problems(log)
    steps = [step for step in log.steps if pause_s + 0.04 < step.time < resume_s]
    problems += [f"a {type(step).__name__} at {step.time} within a pause" for step in steps]
    return [f"paused at {pause_s:.3f} s: {problem}" for problem in problems]


def _abort_problems(
    factory: Callable[[], Paradigm], decide: Decide, generator: random.Random, limit_s: float
) -> list[str]:
    if not hasattr(factory(), "abort"):
        return []
    abort_s = generator.uniform(0.0, 8.0)
    paradigm = factory()
    log = drive(paradigm, VirtualScreen(), decide, limit_s=limit_s, actions=[(abort_s, "abort")])
    problems = _log_problems(log)
    problems += [f"a {type(step).__name__} after the abort" for step in log.steps if step.time > abort_s + 0.04]
    return [f"aborted at {abort_s:.3f} s: {problem}" for problem in problems]
