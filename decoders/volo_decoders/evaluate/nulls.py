"""What guessing reaches that never looks at the signal: from the trial's number, and from the last cue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["not_last_cue_null", "trial_index_null"]


def trial_index_null(recordings: Sequence[Sequence[Hashable]]) -> float | None:
    """Return the accuracy of guessing each cue from its place in the order, learnt from the other recordings.

    The guess is the commonest class at that place in the others (ties by first seen); places no other recording has
    are not scored. A high figure says that the design lets trial number alone tell the class.

    Parameters
    ----------
    recordings : sequence of sequences
        True classes of each recording, in time order.

    Returns
    -------
    accuracy : float or None
        Over all scored trials; None where no place is shared.
    """
    right = scored = 0
    for k, own in enumerate(recordings):
        for place, label in enumerate(own):
            seen = [other[place] for i, other in enumerate(recordings) if i != k and place < len(other)]
            if seen:
                scored += 1
                right += Counter(seen).most_common(1)[0][0] == label
    return right / scored if scored else None


def not_last_cue_null(recordings: Sequence[Sequence[Hashable]], n_classes: int) -> float:
    """Return the expected accuracy of guessing evenly among all classes but the one cued last.

    The first trial of a recording is guessed among all. It equals chance where cues are independent, and is
    ``1 / (n_classes - 1)`` after the first trial where a cue never repeats.

    Raises
    ------
    ValueError
        If there are no trials, or fewer than two classes.
    """
    if n_classes < 2:
        raise ValueError(f"n_classes: got {n_classes}, it must be at least 2")
    expected = [
        1.0 / n_classes if i == 0 else (0.0 if own[i - 1] == label else 1.0 / (n_classes - 1))
        for own in recordings
        for i, label in enumerate(own)
    ]
    if not expected:
        raise ValueError("recordings: got no trials, at least one is needed")
    return sum(expected) / len(expected)
