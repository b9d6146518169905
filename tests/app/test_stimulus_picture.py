"""What is on the screen in each scene."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.types import Marker
from volo_app.stimulus.director import Director
from volo_app.stimulus.picture import STEADY, Picture, caption_place
from volo_paradigms.flicker import drive_level
from volo_paradigms.layout import Rectangle, layout_names, load_layout
from volo_paradigms.types import Scene

FOUR = load_layout("four")


def scene(kind: str, **payload: object) -> Scene:
    return Scene(kind, 0, 0.0, "x", {"trial": 0, **payload})


def levels(picture: Picture, frame: int = 0) -> list[float]:
    return picture.levels(frame, np.empty(len(picture.rectangles))).tolist()


@given(st.integers(0, 10**6))
def test_a_frame_of_the_flicker_is_a_pure_function_of_its_number(frame: int) -> None:
    picture = Director(FOUR, 60.0, 1.5).scene(scene("flicker", target=None))
    expected = drive_level(frame, FOUR.frequencies_hz, [key.phase_rad for key in FOUR.keys], 60.0)
    assert levels(picture, frame) == expected.tolist()


def test_keys_are_steady_while_nothing_is_asked() -> None:
    director = Director(FOUR, 60.0, 1.5)
    for kind in ("gaze", "rest", "feedback"):
        assert levels(director.scene(scene(kind)), 7) == [STEADY] * 4


def test_the_cued_key_is_framed_until_the_next_trial() -> None:
    director = Director(FOUR, 60.0, 1.5)
    for kind in ("gaze", "flicker"):
        picture = director.scene(scene(kind, cue="B"))
        assert picture.caption == "Look at   B"
        assert len(picture.rectangles) == 5
        assert picture.n_keys == 4
        framed, key = picture.rectangles[0], FOUR.key("B").rectangle
        assert framed[0] < key.x
        assert framed[0] + framed[2] > key.x + key.width
        assert levels(picture)[0] == 1.0
    assert len(director.scene(scene("gaze", cue=None, text="")).rectangles) == 4


def test_a_decision_is_framed_until_the_next_flicker_and_its_text_shown() -> None:
    director = Director(FOUR, 60.0, 1.5)
    director.scene(scene("rest"))
    picture = director.note(Marker(0.0, "trial/decision", {"trial": 0, "key": "A", "confidence": 1.0, "text": "A"}))
    assert picture is not None
    assert picture.scene is None
    assert picture.caption == "A_"
    assert len(picture.rectangles) == 5
    assert director.note(Marker(0.0, "something/else")) is None
    assert len(director.scene(scene("gaze", cue=None, text="A")).rectangles) == 4


def test_the_end_takes_the_keys_off_and_keeps_the_text() -> None:
    director = Director(FOUR, 60.0, 1.5)
    director.scene(scene("gaze", cue=None, text="A"))
    assert len(director.scene(scene("end")).rectangles) == 0
    last = director.note(Marker(0.0, "trial/decision", {"trial": 0, "key": "B", "confidence": 1.0, "text": "AB"}))
    assert last is not None
    assert last.caption == "AB_"
    assert len(last.rectangles) == 0


def test_a_layout_too_fast_for_the_screen_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 12 Hz"):
        Director(FOUR, 24.0, 1.5)


def test_the_bar_and_the_cursor_are_drawn_where_they_are_and_go_with_the_scene() -> None:
    director = Director(FOUR, 60.0, 16 / 9)
    for label in ("feedback/bar", "cursor"):
        before = director.scene(scene("imagery"))
        places = []
        for value in (-0.8, 0.9):
            picture = director.note(Marker(0.0, label, {"trial": 0, "value": value}))
            assert picture is not None
            assert picture.n_keys == 0
            added = picture.rectangles[len(before.rectangles) :]
            places.append(float(added[-1, 0] + added[-1, 2] / 2))
        assert places[0] < 0.5 < places[1]
        assert len(director.scene(scene("rest")).rectangles) == 0
    director.scene(scene("flicker"))
    assert director.note(Marker(0.0, "cursor", {"value": 0.5})) is None


@pytest.mark.parametrize("name", layout_names())
def test_the_line_of_text_lies_on_the_screen_and_on_no_key(name: str) -> None:
    layout = load_layout(name)
    place = caption_place(layout)
    assert isinstance(place, Rectangle)
    assert 0.0 <= place.y <= place.y + place.height <= 1.0
    assert not any(place.overlaps(key.rectangle) for key in layout.keys)
