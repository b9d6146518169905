"""The smallest engine: runs a paradigm on a virtual screen in virtual time. For contracts, tests and simulation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from volo_acquisition.types import Marker
from volo_decoders.types import Decision
from volo_paradigms.grammar import ATTEND, OFFSET, ONSET
from volo_paradigms.screen import VirtualScreen
from volo_paradigms.types import Command, Paradigm, Scene, Step
from volo_paradigms.will import Will

__all__ = ["Decide", "DriveLog", "EndlessRunError", "OpenTrial", "drive"]


class EndlessRunError(RuntimeError):
    """A paradigm that has not finished in the time it was given."""


@dataclass(frozen=True, slots=True)
class OpenTrial:
    """A trial whose flicker is on, as a decoder would see it.

    Attributes
    ----------
    trial : int
        Its number.
    onset_s : float
        When the flicker came on.
    attended : str or None
        What the participant looks at; None without a participant.
    """

    trial: int
    onset_s: float
    attended: str | None


#: Called at each hop while a trial is open, with the session time; returns what is decided, None for "not yet".
Decide = Callable[[OpenTrial, float], Decision | None]


@dataclass(slots=True)
class DriveLog:
    """What happened: all steps the paradigm returned, and all markers in the order they became known."""

    steps: list[Step] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)

    @property
    def scenes(self) -> list[Scene]:
        """The scenes among the steps."""
        return [step for step in self.steps if isinstance(step, Scene)]

    @property
    def commands(self) -> list[Command]:
        """The commands among the steps."""
        return [step for step in self.steps if isinstance(step, Command)]


class _Driver:
    """One run of a paradigm on a virtual screen; time is a number that is told."""

    def __init__(self, paradigm: Paradigm, screen: VirtualScreen, decide: Decide | None, will: Will | None) -> None:
        self.log = DriveLog()
        self._paradigm = paradigm
        self._screen = screen
        self._decide = decide
        self._will = will
        self._coming: list[Marker] = []
        self._attended: dict[object, str | None] = {}
        self._open: tuple[int, float] | None = None

    def hop(self, now: float) -> None:
        """Deliver what the screen has shown until now, let time pass, and ask for a decision."""
        self.deliver(now)
        self.take(self._paradigm.advance(now), now)
        if self._open is not None and self._decide is not None:
            trial, onset_s = self._open
            decision = self._decide(OpenTrial(trial, onset_s, self._attended.get(trial)), now)
            if decision is not None:
                self.take(self._paradigm.decide(decision), now)

    def deliver(self, now: float) -> None:
        """Tell the paradigm and the participant which scenes are on the screen by now."""
        while self._coming and self._coming[0].time <= now:
            for flash in self._screen.due(math.nextafter(self._coming[0].time, -math.inf)):
                self._note(flash)
            marker = self._coming.pop(0)
            self._note(marker)
            if marker.label == ONSET:
                self._open = (int(marker.payload["trial"]), marker.time)
            elif marker.label == OFFSET:
                self._open = None
            self.take(self._paradigm.shown(marker), now)
        if math.isfinite(now):
            for flash in self._screen.due(now):
                self._note(flash)

    def take(self, steps: Sequence[Step], now: float) -> None:
        """Do what the paradigm asks for."""
        for step in steps:
            self.log.steps.append(step)
            if isinstance(step, Scene):
                self._coming.append(self._screen.present(step, now))
            elif isinstance(step, Marker):
                self._note(step)

    def _note(self, marker: Marker) -> None:
        self.log.markers.append(marker)
        for answer in self._will.take(marker) if self._will is not None else ():
            self.log.markers.append(answer)
            if answer.label == ATTEND:
                self._attended[answer.payload["trial"]] = answer.payload["key"]


def drive(
    paradigm: Paradigm,
    screen: VirtualScreen,
    decide_fn: Decide | None = None,
    hop_s: float = 0.04,
    *,
    will: Will | None = None,
    start_s: float = 0.0,
    limit_s: float = 36_000.0,
    actions: Sequence[tuple[float, str]] = (),
) -> DriveLog:
    """Run a paradigm to its end in virtual time, as an engine does; the reference for engines.

    Parameters
    ----------
    paradigm : Paradigm
        Fresh.
    screen : VirtualScreen
        Stamps its scenes; a stamp becomes known at the first hop that is not before it.
    decide_fn : callable or None
        The decoder's part, see `Decide`; None never decides.
    hop_s : float
        From one call of ``advance`` to the next.
    will : Will or None
        The participant's part.
    start_s : float
        First session time.
    limit_s : float
        Longest run, in virtual seconds.
    actions : sequence of (float, str)
        Names of methods to call at session times, in order, e.g. ``(3.2, "pause")``.

    Returns
    -------
    DriveLog
        All steps and markers.

    Raises
    ------
    ValueError
        If `hop_s` is not above 0.
    EndlessRunError
        If the paradigm has not finished after `limit_s`.
    """
    if not (math.isfinite(hop_s) and hop_s > 0.0):
        raise ValueError(f"hop_s: got {hop_s}, it must be finite and above 0")
    driver = _Driver(paradigm, screen, decide_fn, will)
    waiting = list(actions)
    n = 0
    now = start_s
    while not paradigm.finished:
        if now - start_s > limit_s:
            raise EndlessRunError(f"the paradigm has not finished after {limit_s:g} s")
        while waiting and waiting[0][0] <= now:
            driver.take(getattr(paradigm, waiting.pop(0)[1])(), now)
        driver.hop(now)
        n += 1
        now = start_s + n * hop_s
    driver.deliver(math.inf)
    return driver.log
