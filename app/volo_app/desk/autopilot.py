"""The automated run: calibrate, spell, keep images, leave. Reads the model and says what to do next. No Qt."""

from __future__ import annotations

from enum import Enum

from volo_app.desk.messages import GrabScreen, Order, Phase
from volo_app.desk.model import DeskModel
from volo_paradigms.grammar import ONSET

__all__ = ["Autopilot"]


class _Leg(Enum):
    WAITING = 0
    CALIBRATING = 1
    ONLINE = 2
    DONE = 3


class Autopilot:
    """Takes the simulated participant through the main job.

    Parameters
    ----------
    screen_image : str
        Where the stimulus screen's image goes, near the end of the spelling; empty for none.
    """

    def __init__(self, screen_image: str = "") -> None:
        self._screen_image = screen_image
        self._leg = _Leg.WAITING
        self._under_way = False
        self._asked = False
        self.wants_desk_image = False
        self.error = ""

    @property
    def is_done(self) -> bool:
        """Whether everything is done, or `error` says why not."""
        return self._leg is _Leg.DONE

    def step(self, model: DeskModel) -> Order | None:
        """Return the next order, if it is time for one. Call it with each snapshot."""
        phase = model.snapshot.phase
        if model.error and self._leg is not _Leg.DONE:
            self.error = model.error
            self._leg = _Leg.DONE
        if self._leg is _Leg.DONE or (self._leg is _Leg.WAITING and not model.can_calibrate):
            return None
        if self._leg is _Leg.WAITING:
            return self._begin(_Leg.CALIBRATING, model.calibrate())
        if phase is not Phase.IDLE:
            self._under_way = True
            return self._near_the_end(model)
        return self._after_a_run(model) if self._under_way else None

    def _after_a_run(self, model: DeskModel) -> Order | None:
        if self._leg is _Leg.CALIBRATING and model.can_go_online:
            return self._begin(_Leg.ONLINE, model.go_online())
        if self._leg is _Leg.CALIBRATING:
            self.error = "the calibration was stopped"
        elif "sha256" not in model.result:
            self.error = "the online run was stopped"
        self._leg = _Leg.DONE
        return None

    def _begin(self, leg: _Leg, order: Order) -> Order:
        self._leg, self._under_way = leg, False
        return order

    def _near_the_end(self, model: DeskModel) -> Order | None:
        """Ask for the images once: while the keys flicker for the last letter, or the cursor is well on its way."""
        if self._leg is not _Leg.ONLINE or self._asked or not self._screen_image:
            return None
        if model.flickers:
            is_time = model.snapshot.marker == ONSET and model.text == model.target_text[:-1]
        else:
            is_time = bool(model.text) and abs(model.cursor or 0.0) > 0.4
        if not is_time:
            return None
        self._asked = self.wants_desk_image = True
        return GrabScreen(self._screen_image)
