"""Images of scenes, drawn by the real window. No Qt in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from volo_acquisition.clock import SessionClock
from volo_acquisition.errors import DeviceError, Reason
from volo_app.stimulus.client import ScreenProcess
from volo_app.stimulus.gallery import Shot, rehearse, shots_around, shots_of
from volo_app.stimulus.process import ScreenSettings

__all__ = ["photograph"]

#: A scene that is not on after this is given up, seconds.
PATIENCE_S = 10.0


def photograph(
    names: Sequence[str], sizes: Sequence[tuple[int, int]], folder: Path, on_image: Callable[[str], None]
) -> list[str]:
    """Draw all scenes of some paradigms at some sizes into PNG files; return their names.

    Raises
    ------
    DeviceError
        If the window does not open, or shows a scene too late.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made: list[str] = []
    for width, height in sizes:
        for name in names:
            paradigm, _ = rehearse(name)
            layout = getattr(getattr(paradigm, "settings", None), "layout", "four")
            with ScreenProcess(ScreenSettings(layout, "window", width, height, ramp_s=0.0)) as screen:
                shots = shots_of(name)
                if name == names[0]:
                    shots = [*shots_around(), *shots]
                for shot in shots:
                    path = folder / f"{shot.name}-{width}x{height}.png"
                    _take(screen, shot, path)
                    made.append(path.name)
                    on_image(path.name)
    return made


def _take(screen: ScreenProcess, shot: Shot, path: Path) -> None:
    """Show a scene and keep its image."""
    screen.present(shot.scene, 0.0)
    _wait(screen, lambda labels: shot.scene.label in labels, shot.name)
    if shot.note is not None:
        screen.note(shot.note)
        SessionClock().sleep(0.1)
    n = screen.grabbed
    screen.grab(str(path.absolute()), shot.frame)
    _wait(screen, lambda _: screen.grabbed > n, shot.name)


def _wait(screen: ScreenProcess, done: Callable[[set[str]], bool], what: str) -> None:
    clock = SessionClock()
    give_up = clock.now() + PATIENCE_S
    labels: set[str] = set()
    while not done(labels):
        if clock.now() > give_up:
            raise DeviceError(f"the screen did not show {what} within {PATIENCE_S:g} s", reason=Reason.DRIVER)
        labels |= {marker.label for marker in screen.poll()}
        clock.sleep(0.005)
