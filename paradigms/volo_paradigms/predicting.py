"""A speller's language: predicted words on its keys, and letters that are likely weighed into decisions."""

from __future__ import annotations

from collections.abc import Mapping

from volo_decoders.types import Decision
from volo_paradigms.language import LanguageModel, fuse
from volo_paradigms.layout import DELETE, HELP_KEY, WORD_KEY, Layout

__all__ = ["Predictor"]

#: Share of the prior that goes to keys that are no letters: taking back and calling for help are always possible.
_OTHER = 0.15


class Predictor:
    """What a language model says to the keys of a layout.

    Parameters
    ----------
    model : LanguageModel
        Of the language.
    layout : Layout
        The keys.
    weight : float
        How much the model counts in decisions, 0 (nothing) to 1 (as much as the decoder).

    Raises
    ------
    ValueError
        If the weight is out of range.
    """

    def __init__(self, model: LanguageModel, layout: Layout, weight: float) -> None:
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"language_weight: got {weight}, allowed is 0 to 1")
        self._model = model
        self._layout = layout
        self._weight = weight
        self._word_keys = [label for label in layout.labels if label.startswith(WORD_KEY)]
        self._characters = {label: layout.character(label) for label in layout.labels}
        letters = [c for label, c in self._characters.items() if len(c) == 1 and label != DELETE]
        self._letters = tuple(dict.fromkeys(letters))

    def words(self, written: str) -> dict[str, str]:
        """Return the predicted word on each word key, as far as there are any."""
        return dict(zip(self._word_keys, self._model.words(written, len(self._word_keys)), strict=False))

    def labels(self, written: str) -> tuple[tuple[str, str], ...]:
        """Return what is written on the word keys; a dash where nothing is predicted."""
        words = self.words(written)
        return tuple((key, words.get(key, "-")) for key in self._word_keys)

    def completion(self, written: str, key: str) -> str:
        """Return what pressing a word key types; nothing if it has no word."""
        word = self.words(written).get(key)
        return "" if word is None else self._model.completion(written, word)

    def prior(self, written: str) -> dict[str, float]:
        """Return the probability of each key before anything is measured; sums to 1."""
        letters = self._model.letters(written, self._letters)
        others = [label for label in self._layout.labels if label in (DELETE, HELP_KEY) or label in self._word_keys]
        share = 1.0 - (_OTHER if others else 0.0)
        prior = {label: share * letters.get(c, 0.0) for label, c in self._characters.items()}
        for label in others:
            prior[label] = _OTHER / len(others)
        whole = sum(prior.values())
        return {label: p / whole for label, p in prior.items()}

    def weigh(self, decision: Decision, written: str, probabilities: Mapping[str, float] | None = None) -> Decision:
        """Return the decision with the likely letters weighed in.

        Parameters
        ----------
        decision : Decision
            The decoder's; one that abstains is returned as it is.
        written : str
            The text so far.
        probabilities : Mapping or None
            The decoder's probability of each key; None takes what the decision tells: its confidence for its key, and
            the rest for all others alike.
        """
        label = decision.label
        if label is None or self._weight == 0.0:
            return decision
        if probabilities is None:
            n_others = max(1, len(self._layout) - 1)
            sure = min(0.999, max(1.0 / len(self._layout), float(decision.confidence)))
            probabilities = dict.fromkeys(self._layout.labels, (1.0 - sure) / n_others) | {label: sure}
        fused = fuse(probabilities, self.prior(written), self._weight)
        best = max(fused, key=lambda key: fused[key])
        return Decision(decision.time, decision.stop_index, best, fused[best], decision.n_windows, decision.group)
