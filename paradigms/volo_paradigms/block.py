"""One block of a protocol: words before, a paradigm, a question and a rest after. And sham feedback."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

from volo_acquisition.types import Marker
from volo_decoders.types import Decision, Prediction
from volo_paradigms.grammar import (
    BLOCK_END,
    BLOCK_START,
    BREAK_SHOWN,
    INSTRUCTION,
    OPERATOR_ANSWER,
    PROMPT_ANSWER,
    PROMPT_SHOWN,
)
from volo_paradigms.layout import Rectangle
from volo_paradigms.prompts import PROMPTS
from volo_paradigms.protocol import BlockPlan
from volo_paradigms.show import Show, Text
from volo_paradigms.types import Paradigm, Scene, Step, TakesPredictions

__all__ = ["Block", "Sham"]

#: A question that is not answered by then stays without an answer, seconds.
PROMPT_S = 60.0
_MIDDLE = Rectangle(0.1, 0.35, 0.8, 0.3)


class Sham:
    """A paradigm that is told random decisions in place of the decoder's: when, but not what, depends on the decoder.

    Parameters
    ----------
    paradigm : Paradigm
        With ``pause``, ``resume`` and ``abort``.
    labels : tuple of str
        What can be decided.
    seed : int
        Of what is decided.
    """

    def __init__(self, paradigm: Any, labels: tuple[str, ...], seed: int) -> None:
        if not labels:
            raise ValueError("labels: got none, sham feedback needs the names of the classes")
        self.inner = paradigm
        self.layout = getattr(paradigm, "layout", None)
        self._labels = labels
        self._seed = seed

    def decide(self, decision: Decision) -> list[Step]:
        """Pass on a decision with a label drawn for its trial; abstaining stays."""
        if decision.label is None:
            return self._told(decision)
        label = random.Random(f"{self._seed}/{decision.group}").choice(self._labels)
        return self._told(replace(decision, label=label))

    def predict(self, prediction: Prediction) -> list[Step]:
        """Keep predictions back: what moves with them would tell the truth."""
        return []

    def _told(self, decision: Decision) -> list[Step]:
        steps: list[Step] = self.inner.decide(decision)
        return steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class Block:
    """A paradigm with its surroundings, as one `volo_paradigms.types.Paradigm`.

    Parameters
    ----------
    paradigm : Paradigm
        With ``pause``, ``resume`` and ``abort``.
    plan : BlockPlan
        What goes around it.
    number : int
        Of the block in its session, from 0.
    """

    def __init__(self, paradigm: Any, plan: BlockPlan, number: int = 0) -> None:
        self.inner: Any = paradigm
        self.plan = plan
        self.number = number
        self.layout = getattr(paradigm, "layout", None)
        self._phase = "start"
        self._now = -math.inf
        self._shown_at: float | None = None
        self._answer: str | None = None
        self._paused = self._finished = False

    @property
    def finished(self) -> bool:
        """True when nothing more will come."""
        return self._finished

    def advance(self, now: float) -> list[Step]:
        """Let session time pass."""
        self._now = now
        if self._finished or (self._paused and self._phase != "paradigm"):
            return []
        match self._phase:
            case "start":
                return self._start()
            case "instruction":
                return self._go("paradigm") if self._is_over(self.plan.instruction_s) else []
            case "paradigm":
                steps: list[Step] = self.inner.advance(now)
                return steps if not self.inner.finished else [*steps, *self._after()]
            case "prompt":
                return self._answered() if self._answer is not None or self._is_over(PROMPT_S) else []
            case _:
                return self._end() if self._is_over(self.plan.rest_s) else []

    def shown(self, marker: Marker) -> list[Step]:
        """Take note that a scene is on, or of an answer."""
        if marker.label in (INSTRUCTION, PROMPT_SHOWN) or (marker.label == BREAK_SHOWN and self._phase == "rest"):
            self._shown_at = marker.time
            return []
        if marker.label == OPERATOR_ANSWER:
            if self._phase == "prompt":
                self._answer = str(marker.payload.get("value", ""))
            return []
        steps: list[Step] = self.inner.shown(marker)
        return steps

    def decide(self, decision: Decision) -> list[Step]:
        """Pass a decision on."""
        steps: list[Step] = self.inner.decide(decision) if self._phase == "paradigm" else []
        return steps

    def predict(self, prediction: Prediction) -> list[Step]:
        """Pass a prediction on, if the paradigm takes them."""
        takes = self._phase == "paradigm" and isinstance(self.inner, TakesPredictions)
        steps: list[Step] = self.inner.predict(prediction) if takes else []
        return steps

    def pause(self) -> list[Step]:
        """Stop until `resume`."""
        self._paused = True
        steps: list[Step] = self.inner.pause() if self._phase == "paradigm" else []
        return steps

    def resume(self) -> list[Step]:
        """Go on."""
        self._paused = False
        steps: list[Step] = self.inner.resume()
        return steps

    def abort(self) -> list[Step]:
        """End for good, at once."""
        if self._finished:
            return []
        steps: list[Step] = self.inner.abort() if self._phase == "paradigm" else []
        self._finished = True
        return steps

    def _is_over(self, seconds: float) -> bool:
        return self._shown_at is not None and self._now - self._shown_at >= seconds

    def _start(self) -> list[Step]:
        plan = self.plan
        payload = {"block": self.number, "name": plan.name, "paradigm": plan.paradigm, "sham": int(plan.sham)}
        start = Marker(self._now, BLOCK_START, payload)
        if not plan.instruction:
            return [start, *self._go("paradigm")]
        return [start, *self._show("instruction", INSTRUCTION, Text(plan.instruction, _MIDDLE, 0.4))]

    def _after(self) -> list[Step]:
        """Return what comes after the paradigm: the question, or else the rest."""
        if not self.plan.prompt:
            return self._rest()
        prompt = PROMPTS[self.plan.prompt]
        scale = f"{prompt.low}      {prompt.high}"
        return self._show(
            "prompt", PROMPT_SHOWN, Text(f"{prompt.text}\n{scale}\npress a key from 1 to 9", _MIDDLE, 0.5)
        )

    def _answered(self) -> list[Step]:
        payload = {"prompt": self.plan.prompt, "value": self._answer}
        return [Marker(self._now, PROMPT_ANSWER, payload), *self._rest()]

    def _rest(self) -> list[Step]:
        if self.plan.rest_s <= 0.0:
            return self._end()
        return self._show("rest", BREAK_SHOWN, Text(f"Break: {self.plan.rest_s:.0f} s", _MIDDLE, 0.3))

    def _end(self) -> list[Step]:
        self._phase, self._finished = "end", True
        return [Marker(self._now, BLOCK_END, {"block": self.number})]

    def _show(self, phase: str, label: str, text: Text) -> list[Step]:
        self._phase, self._shown_at = phase, None
        return [Scene("rest", -1, self._now, label, {}, Show(texts=(text,)))]

    def _go(self, phase: str) -> list[Step]:
        self._phase = phase
        inner: Paradigm = self.inner
        return inner.advance(self._now)
