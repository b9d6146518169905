"""What comes next in a text: a small n-gram model of letters and words, made on this machine from plain text.

It needs no network and no training job: a text of some pages is read in well under a second. Not: decoding.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

from volo_acquisition.errors import FileError, Reason

__all__ = ["LanguageModel", "fuse", "load_language"]

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


class LanguageModel:
    """Probabilities of the next letter and of the words that may be meant.

    Letters: n-grams with Witten-Bell smoothing, each order backing off to the next shorter one (Witten & Bell 1991,
    IEEE Trans. Inf. Theory 37(4):1085, DOI 10.1109/18.87000). Words: how often one follows another, then how often it
    comes.

    Parameters
    ----------
    text : str
        What the person might write; the more like it, the better.
    order : int
        Letters that are looked back at.
    """

    def __init__(self, text: str, order: int = 5) -> None:
        if order < 1:
            raise ValueError(f"order: got {order}, it must be at least 1")
        self.order = order
        clean = " ".join(text.lower().split())
        self._followers: dict[str, Counter[str]] = defaultdict(Counter)
        padded = " " + clean
        for n in range(1, len(padded)):
            for size in range(min(order, n) + 1):
                self._followers[padded[n - size : n]][padded[n]] += 1
        words = _WORD.findall(clean)
        self._words = Counter(words)
        self._next: dict[str, Counter[str]] = defaultdict(Counter)
        for first, second in pairwise(words):
            self._next[first][second] += 1

    def letters(self, written: str, letters: Sequence[str]) -> dict[str, float]:
        """Return the probability of each of `letters` to come next; they sum to 1.

        Parameters
        ----------
        written : str
            The text so far; case does not matter.
        letters : sequence of str
            Single characters, without repetition.
        """
        context = (" " + " ".join(written.lower().split(" ")))[-self.order :]
        mass: Mapping[str, float] = dict.fromkeys(letters, 1.0 / max(1, len(letters)))
        for size in range(len(context) + 1):
            counts = self._followers.get(context[len(context) - size :] if size else "", Counter())
            total, kinds = sum(counts.values()), len(counts)
            if total:
                mass = {c: (counts[c.lower()] + kinds * mass[c]) / (total + kinds) for c in letters}
        whole = sum(mass.values())
        return {c: value / whole for c, value in mass.items()}

    def words(self, written: str, n: int) -> list[str]:
        """Return up to `n` words that may be meant: endings of the one begun, or what may follow the last."""
        begun = re.search(r"[^\W\d_]+$", written.lower())
        prefix = begun.group() if begun else ""
        before = _WORD.findall(written.lower()[: len(written) - len(prefix)])
        after = self._next.get(before[-1], Counter()) if before else Counter[str]()
        candidates = (w for w in self._words if w.startswith(prefix) and w != prefix)
        return sorted(candidates, key=lambda w: (-after[w], -self._words[w], w))[:n]

    def completion(self, written: str, word: str) -> str:
        """Return what has to be typed for `word` to stand there, with the blank after it.

        Letters are capitals where the text is in capitals.
        """
        begun = re.search(r"[^\W\d_]+$", written)
        prefix = begun.group() if begun else ""
        rest = word[len(prefix) :] if word.startswith(prefix.lower()) else word
        capital = written.upper() == written
        return (rest.upper() if capital else rest) + " "


def fuse(probabilities: Mapping[str, float], prior: Mapping[str, float], weight: float) -> dict[str, float]:
    """Return the decoder's probabilities weighed by a prior: ``p * prior ** weight``, made to sum to 1.

    With weight 0 the prior does nothing, with 1 this is Bayes' rule for equal priors in the decoder's training. Labels
    that the prior does not know get its geometric mean, so that they are neither helped nor harmed.

    Raises
    ------
    ValueError
        If nothing is left, or a number makes no sense.

    References
    ----------
    Speier et al. 2012, J. Neural Eng. 9(1) 016004, DOI 10.1088/1741-2560/9/1/016004.
    """
    if not (math.isfinite(weight) and weight >= 0.0):
        raise ValueError(f"weight: got {weight}, it must be finite and at least 0")
    known = [math.log(prior[label]) for label in probabilities if prior.get(label, 0.0) > 0.0]
    neutral = sum(known) / len(known) if known else 0.0
    scores = {}
    for label, p in probabilities.items():
        if not (math.isfinite(p) and p >= 0.0):
            raise ValueError(f"probabilities: got {p} for {label!r}")
        if p > 0.0:
            q = prior.get(label, 0.0)
            scores[label] = math.log(p) + weight * (math.log(q) if q > 0.0 else neutral)
    if not scores:
        raise ValueError("probabilities: got none above 0")
    top = max(scores.values())
    raised = {label: math.exp(score - top) for label, score in scores.items()}
    whole = sum(raised.values())
    return {label: raised.get(label, 0.0) / whole for label in probabilities}


@lru_cache(maxsize=4)
def load_language(name_or_path: str) -> LanguageModel:
    """Return the model of a text that comes with Volo (``"en"``), or of a text file, by a path that ends in ``.txt``.

    Raises
    ------
    FileError
        If there is no such text.
    """
    if name_or_path.endswith(".txt"):
        try:
            return LanguageModel(Path(name_or_path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(
                f"text {name_or_path} cannot be read", reason=Reason.NOT_FOUND, hint="give a text file in UTF-8"
            ) from error
    folder = resources.files("volo_paradigms") / "languages"
    known = sorted(item.name.removesuffix(".txt") for item in folder.iterdir() if item.name.endswith(".txt"))
    if name_or_path not in known:
        raise FileError(
            f"unknown language {name_or_path!r}",
            reason=Reason.NOT_FOUND,
            hint=f"known are: {', '.join(known)}; or give the path of a .txt file",
        )
    return LanguageModel((folder / f"{name_or_path}.txt").read_text(encoding="utf-8"))


def letters_of(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels that are single characters."""
    return tuple(label for label in labels if len(label) == 1)
