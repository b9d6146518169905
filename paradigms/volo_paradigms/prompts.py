"""Questions asked between blocks, answered with one of the keys 1 to 9."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PROMPTS", "Prompt"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with a scale.

    Attributes
    ----------
    text : str
        As shown.
    low, high : str
        What 1 and 9 mean.
    """

    text: str
    low: str
    high: str


#: By name. The fatigue scale is the Karolinska sleepiness scale: Akerstedt & Gillberg 1990, Int. J. Neurosci. 52:29,
#: DOI 10.3109/00207459008994241.
PROMPTS = {
    "fatigue": Prompt("How sleepy are you now?", "1  very alert", "9  very sleepy, fighting sleep"),
    "comfort": Prompt("How pleasant was looking at the screen?", "1  very unpleasant", "9  very pleasant"),
    "effort": Prompt("How hard did you have to work?", "1  not at all", "9  very hard"),
}
