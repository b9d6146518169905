"""The text buffer equals a stack of what was typed; characters are never torn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_paradigms.text import TextBuffer, characters, progress

actions = st.lists(st.one_of(st.none(), st.text(max_size=4)))


@given(actions)
def test_typing_and_deleting_equals_a_stack(steps):
    buffer, stack = TextBuffer(), []
    for piece in steps:
        if piece is None:
            buffer = buffer.delete()
            del stack[-1:]
        else:
            buffer = buffer.type(piece)
            stack += [piece] if piece else []
        assert buffer.text == "".join(stack)
        assert len(buffer) == len(stack)


@given(actions, st.text(min_size=1, max_size=4))
def test_deleting_undoes_typing_and_no_buffer_changes(steps, piece):
    buffer = TextBuffer()
    for step in steps:
        buffer = buffer.delete() if step is None else buffer.type(step)
    before = buffer.text
    assert buffer.type(piece).delete() == buffer
    assert buffer.text == before


@given(st.text())
def test_characters_joined_give_the_text_back(text):
    assert "".join(characters(text)) == text
    assert TextBuffer.of(text).text == text


@pytest.mark.parametrize(
    "letter",
    [
        "é",
        "e\u0301",
        "\U0001f44d\U0001f3fd",
        "\U0001f469\u200d\U0001f469\u200d\U0001f466",
        "\U0001f1e9\U0001f1ea",
        "❤\ufe0f",
        "\r\n",
    ],
)
def test_deleting_takes_a_whole_visible_character(letter):
    assert TextBuffer.of(f"ab{letter}").delete().text == "ab"
    assert characters(letter * 2) == (letter, letter)


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_progress_splits_both_texts_at_their_longest_common_beginning(right, wrong, missing):
    written, wanted = right + wrong, right + missing
    state = progress(written, wanted)
    assert state.right + state.wrong == written
    assert state.right + state.missing == wanted
    assert state.right.startswith(right)
    assert not state.wrong or not state.missing or state.wrong[0] != state.missing[0]
    assert state.complete == (written == wanted)
