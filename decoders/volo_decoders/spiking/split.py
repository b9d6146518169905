"""Which bins are fitted on, which choose the epoch, and which are only ever scored: in that order of time."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Part", "Split", "chronological"]


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive bins.

    Attributes
    ----------
    start, stop : int
        First bin, and one past the last.
    """

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def rows(self) -> slice:
        """The bins as a slice."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, slots=True)
class Split:
    """A recording cut in three, with bins left out between the parts.

    Attributes
    ----------
    fit, validation, test : Part
        In this order of time.
    purge : int
        Bins left out before the validation part and before the test part.
    """

    fit: Part
    validation: Part
    test: Part
    purge: int

    @property
    def training(self) -> Part:
        """All that may be looked at before the test: from the first bin to the end of the validation part."""
        return Part(self.fit.start, self.validation.stop)


def chronological(n_bins: int, *, test_share: float = 0.2, validation_share: float = 0.15, purge: int = 50) -> Split:
    """Cut a recording: the end is the test; the end of what comes before chooses the epoch.

    Parameters
    ----------
    n_bins : int
        Length of the recording.
    test_share : float
        Share of the recording that is the test part.
    validation_share : float
        Share of the rest that is the validation part.
    purge : int
        Bins left out at both joins.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, or a part would have less bins than are left out at a join.
    """
    for name, share in (("test_share", test_share), ("validation_share", validation_share)):
        if not 0.0 < share < 1.0:
            raise ValueError(f"{name}: got {share}, it must be between 0 and 1")
    if purge < 0:
        raise ValueError(f"purge: got {purge}, it must be at least 0")
    test = Part(n_bins - round(n_bins * test_share), n_bins)
    before = test.start - purge
    validation = Part(before - round(before * validation_share), before)
    fit = Part(0, validation.start - purge)
    if min(len(fit), len(validation), len(test)) <= purge:
        parts = f"{len(fit)}, {len(validation)} and {len(test)}"
        raise ValueError(f"n_bins: got {n_bins}, which makes parts of {parts} bins; each needs more than {purge}")
    return Split(fit, validation, test, purge)
