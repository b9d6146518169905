"""The text being written, and how far it is from the text that is wanted."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Progress", "TextBuffer", "characters", "progress"]

_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class TextBuffer:
    """A text that remembers what was typed in one go; every change returns a new one.

    Attributes
    ----------
    units : tuple of str
        What was typed, piece by piece; ``delete`` takes back the last piece whole, so an accent never loses its letter.
    """

    units: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> TextBuffer:
        """Return a buffer that holds `text`, one unit for each user-perceived character."""
        return cls(characters(text))

    @property
    def text(self) -> str:
        """The text."""
        return "".join(self.units)

    def type(self, piece: str) -> TextBuffer:
        """Return the buffer with `piece` at its end; an empty piece changes nothing."""
        return TextBuffer((*self.units, piece)) if piece else self

    def delete(self) -> TextBuffer:
        """Return the buffer without its last unit; an empty buffer stays empty."""
        return TextBuffer(self.units[:-1])

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a written text compares with a wanted one.

    Attributes
    ----------
    right : str
        The longest common beginning.
    wrong : str
        What follows it in the written text and has to go.
    missing : str
        What follows it in the wanted text and has to come.
    """

    right: str
    wrong: str
    missing: str

    @property
    def complete(self) -> bool:
        """Whether the written text is the wanted one."""
        return not self.wrong and not self.missing


def progress(written: str, wanted: str) -> Progress:
    """Compare the text written so far with the wanted one."""
    n_right = 0
    for letter, other in zip(written, wanted, strict=False):
        if letter != other:
            break
        n_right += 1
    return Progress(wanted[:n_right], written[n_right:], wanted[n_right:])


def characters(text: str) -> tuple[str, ...]:
    """Split `text` into what a reader sees as characters.

    Marks, variation selectors, skin tones and joined emoji stay with what they follow and flags stay whole: the common
    part of Unicode's grapheme clusters (UAX 29), without the rules for Hangul jamo and Indic conjuncts. Joining the
    pieces gives the text back.
    """
    return tuple(_clusters(text))


def _clusters(text: str) -> Iterator[str]:
    cluster = ""
    for letter in text:
        if cluster and not _continues(cluster, letter):
            yield cluster
            cluster = ""
        cluster += letter
    if cluster:
        yield cluster


def _continues(cluster: str, letter: str) -> bool:
    """Return whether `letter` belongs to the same visible character as `cluster` before it."""
    if letter == _JOINER or cluster[-1] == _JOINER or (cluster, letter) == ("\r", "\n"):
        return True
    if unicodedata.category(letter) in ("Mn", "Mc", "Me") or "\U0001f3fb" <= letter <= "\U0001f3ff":
        return cluster[-1] not in "\r\n"
    return _is_flag_half(cluster) and _is_flag_half(letter)


def _is_flag_half(text: str) -> bool:
    return len(text) == 1 and "\U0001f1e6" <= text <= "\U0001f1ff"
