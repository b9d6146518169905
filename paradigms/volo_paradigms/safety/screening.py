"""The questions that come before any flicker, and what their answers mean. Not: files, windows.

This is a research tool's questionnaire and no medical advice: who is to take part is for the person in charge to
decide. A "yes" to a question that excludes blocks flicker; others must be confirmed by the operator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CONSENT", "QUESTIONS", "VERSION", "Question", "Screening", "text_sha256"]

#: Changes with any word below; a screening of another version is asked again.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Question:
    """One question that is answered by yes or no.

    Attributes
    ----------
    name : str
        Short, for records.
    text : str
        As asked.
    excludes : bool
        Whether "yes" blocks flicker.
    """

    name: str
    text: str
    excludes: bool


QUESTIONS: tuple[Question, ...] = (
    Question("seizures", "Have you ever had an epileptic seizure, or a fit or blackout without a known cause?", True),
    Question("family", "Does anyone in your close family have epilepsy?", True),
    Question("photosensitive", "Have flashing lights, screens or games ever made you feel ill or faint?", True),
    Question("migraine", "Do you have migraine with an aura, such as flashing or zigzag lights?", True),
    Question("young", "Are you younger than 18 years?", False),
    Question("sleep", "Did you sleep less than five hours last night?", False),
    Question("alcohol", "Have you had alcohol or other drugs in the last 24 hours?", False),
    Question("medication", "Do you take, or have you just stopped, medication that acts on the brain?", False),
)

CONSENT = (
    "I was told that parts of the screen will flicker, that this can cause seizures in rare cases in people who did "
    "not know that they are sensitive, that I can stop at any time with the Escape key or by looking away and saying "
    "so, and what is recorded and kept. I agree to take part."
)


@dataclass(frozen=True, slots=True)
class Screening:
    """The answers of one participant.

    Attributes
    ----------
    answers : Mapping of str to bool
        Yes or no by the name of the question.
    consent : bool
        Whether the text of consent was agreed to.
    confirmed : tuple of str
        Names of questions whose "yes" the operator has confirmed to be no obstacle.
    language : str
        In which the questions were asked.
    version : int
        Of the questions.
    """

    answers: Mapping[str, bool]
    consent: bool
    confirmed: tuple[str, ...] = ()
    language: str = "en"
    version: int = VERSION

    def obstacles(self) -> list[str]:
        """Return why no flicker may be shown; nothing if it may."""
        found = []
        if self.version != VERSION:
            found.append(f"the screening is of version {self.version}, the questions are of version {VERSION}")
        for question in QUESTIONS:
            answer = self.answers.get(question.name)
            if answer is None:
                found.append(f"not answered: {question.text}")
            elif answer and question.excludes:
                found.append(f"answered with yes: {question.text}")
            elif answer and question.name not in self.confirmed:
                found.append(f"answered with yes and not confirmed by the operator: {question.text}")
        if not self.consent:
            found.append("no consent was given")
        return found


def text_sha256() -> str:
    """Return the hash of all that is asked and agreed to, which tells its exact words."""
    words = [CONSENT, *(f"{q.name}|{q.text}|{q.excludes}" for q in QUESTIONS)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
