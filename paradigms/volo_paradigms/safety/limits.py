"""How long may flicker last: an account of time, and a paradigm that keeps to it. Not: clocks.

The account is kept by markers, so it knows what was shown and not what was meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from volo_acquisition.types import Marker
from volo_decoders.types import Decision, Prediction
from volo_paradigms.grammar import BREAK_END, BREAK_SHOWN, BREAK_START, OFFSET, ONSET, SESSION_LIMIT
from volo_paradigms.layout import Rectangle
from volo_paradigms.show import Show, Text
from volo_paradigms.types import Paradigm, Scene, Step, TakesPredictions

__all__ = ["FlickerAccount", "Limited", "Limits"]

#: Nobody sets limits beyond these.
LONGEST_BLOCK_S, LONGEST_SESSION_S, SHORTEST_BREAK_S = 600.0, 3600.0, 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long flicker may last, seconds.

    Attributes
    ----------
    block_s : float
        From the first flicker of a block to its break.
    session_s : float
        All flicker of a session together.
    break_s : float
        Least length of a break.
    """

    block_s: float = 300.0
    session_s: float = 1800.0
    break_s: float = 60.0

    def __post_init__(self) -> None:
        problems = []
        for name, least, most in (
            ("block_s", 1.0, LONGEST_BLOCK_S),
            ("session_s", 1.0, LONGEST_SESSION_S),
            ("break_s", SHORTEST_BREAK_S, math.inf),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                problems.append(f"{name}: got {value}, allowed is {least:g} to {most:g} s")
        if problems:
            raise ValueError("; ".join(problems))


class FlickerAccount:
    """Adds up how long flicker was on, from its onsets and offsets.

    Parameters
    ----------
    before_s : float
        Flicker of the session's earlier runs.
    """

    def __init__(self, before_s: float = 0.0) -> None:
        self._session_s = before_s
        self._since: float | None = None
        self._block_since: float | None = None

    def take(self, marker: Marker) -> None:
        """Take note of a marker."""
        if marker.label == ONSET and self._since is None:
            self._since = marker.time
            if self._block_since is None:
                self._block_since = marker.time
        elif marker.label == OFFSET and self._since is not None:
            self._session_s += max(0.0, marker.time - self._since)
            self._since = None

    def rested(self) -> None:
        """Begin a new block with the next flicker."""
        self._block_since = None

    def session_s(self, now: float) -> float:
        """Return all flicker until now."""
        return self._session_s + (0.0 if self._since is None else max(0.0, now - self._since))

    def block_s(self, now: float) -> float:
        """Return how long the block lasts, its rests between trials included."""
        return 0.0 if self._block_since is None else max(0.0, now - self._block_since)


class Limited:
    """A paradigm that is made to pause when a block has lasted long enough, and ended when the session has.

    It keeps the contract of `volo_paradigms.types.Paradigm`. The inner paradigm must have ``pause``, ``resume`` and
    ``abort``. A break is told by markers and shown; it cannot be left out, only the run can be ended. A pause that is
    as long as a break is one.

    Parameters
    ----------
    paradigm : Paradigm
        What is limited.
    limits : Limits
        How long.
    before_s : float
        Flicker of the session's earlier runs.
    """

    def __init__(self, paradigm: Paradigm, limits: Limits | None = None, before_s: float = 0.0) -> None:
        for name in ("pause", "resume", "abort"):
            if not hasattr(paradigm, name):
                raise ValueError(f"paradigm: {type(paradigm).__name__} has no {name}, so it cannot be limited")
        self.inner = paradigm
        self.limits = limits or Limits()
        self.account = FlickerAccount(before_s)
        self.layout = getattr(paradigm, "layout", None)
        self._break_until: float | None = None
        self._is_held = False
        self._held_since: float | None = None

    @property
    def finished(self) -> bool:
        """True when nothing more will come."""
        return self.inner.finished

    def advance(self, now: float) -> list[Step]:
        """Let session time pass; a limit that is reached ends the flicker at once."""
        if self.inner.finished:
            return self.inner.advance(now)
        if self._is_held and self._break_until is None:
            self._held_since = now if self._held_since is None else self._held_since
            if now - self._held_since >= self.limits.break_s:
                self.account.rested()
            return self.inner.advance(now)
        self._held_since = None
        if self._break_until is not None:
            return self._in_break(now, self._break_until)
        if self.account.session_s(now) >= self.limits.session_s:
            used_s = round(self.account.session_s(now), 3)
            steps = [*self.inner.advance(now), *self._call("abort")]
            return [*steps, Marker(now, SESSION_LIMIT, {"flicker_s": used_s})]
        if self.account.block_s(now) >= self.limits.block_s:
            self._break_until = now + self.limits.break_s
            steps = [*self.inner.advance(now), *self._call("pause")]
            return [*steps, Marker(now, BREAK_START, {"seconds": self.limits.break_s}), self._break_scene(now)]
        return self.inner.advance(now)

    def _in_break(self, now: float, until: float) -> list[Step]:
        if now < until:
            return []
        self._break_until = None
        self.account.rested()
        return [Marker(now, BREAK_END), *(() if self._is_held else self._call("resume"))]

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that a scene is on the screen."""
        self.account.take(marker)
        return self.inner.shown(marker)

    def decide(self, decision: Decision) -> list[Step]:
        """Pass a decision on."""
        return self.inner.decide(decision)

    def predict(self, prediction: Prediction) -> list[Step]:
        """Pass a prediction on, if the paradigm takes them."""
        return self.inner.predict(prediction) if isinstance(self.inner, TakesPredictions) else []

    def pause(self) -> list[Step]:
        """Stop until `resume`."""
        self._is_held = True
        return [] if self._break_until is not None else self._call("pause")

    def resume(self) -> list[Step]:
        """Go on, after the break if there is one."""
        self._is_held = False
        return [] if self._break_until is not None else self._call("resume")

    def abort(self) -> list[Step]:
        """End for good."""
        return self._call("abort")

    def _call(self, name: str) -> list[Step]:
        steps: list[Step] = getattr(self.inner, name)()
        return steps

    def _break_scene(self, now: float) -> Scene:
        words = f"Break\nlook away, blink, move: {self.limits.break_s:.0f} s"
        show = Show(texts=(Text(words, Rectangle(0.15, 0.35, 0.7, 0.3), 0.5),))
        return Scene("rest", -1, now, BREAK_SHOWN, {}, show)
