"""Binary codes with good autocorrelation: maximum-length and Gold sequences, and their shifts. Not: drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["GOLD_DEGREES", "gold_codes", "m_sequence", "shifts"]

#: Exponents below the degree of one primitive polynomial for each degree (its constant term included).
_TAPS = {2: (1, 0), 3: (1, 0), 4: (1, 0), 5: (2, 0), 6: (1, 0), 7: (1, 0), 8: (4, 3, 2, 0), 9: (4, 0), 10: (3, 0)}
#: Pairs of polynomials whose sequences have only three values of cross-correlation (preferred pairs).
_PREFERRED = {5: ((2, 0), (4, 3, 2, 0)), 6: ((1, 0), (5, 2, 1, 0)), 7: ((3, 0), (3, 2, 1, 0))}
#: Degrees for which Gold codes are known here.
GOLD_DEGREES = tuple(_PREFERRED)


def m_sequence(degree: int = 6) -> NDArray[np.int8]:
    """Return one period of a maximum-length sequence, shape (2**degree - 1,), of 0 and 1.

    Every non-zero register state comes once; as +-1 its circular autocorrelation is -1 at every shift but 0.

    Raises
    ------
    ValueError
        If the degree is not 2 to 10.

    References
    ----------
    Golomb 1967, "Shift Register Sequences". Bin et al. 2011, J. Neural Eng. 8(2) 025015,
    DOI 10.1088/1741-2560/8/2/025015, for the 63-bit sequence in a code-modulated visual evoked potential.
    """
    if degree not in _TAPS:
        raise ValueError(f"degree: got {degree}, allowed is {min(_TAPS)} to {max(_TAPS)}")
    return _sequence(degree, _TAPS[degree])


def gold_codes(degree: int = 6, n_codes: int | None = None) -> NDArray[np.int8]:
    """Return Gold codes, shape (n_codes, 2**degree - 1): two preferred sequences and their sums at all shifts.

    Parameters
    ----------
    degree : int
        5, 6 or 7.
    n_codes : int or None
        How many; None returns all ``2**degree + 1``.

    Raises
    ------
    ValueError
        If there are no such codes, or not so many.

    References
    ----------
    Gold 1967, IEEE Trans. Inf. Theory 13(4):619, DOI 10.1109/TIT.1967.1054048.
    """
    if degree not in _PREFERRED:
        raise ValueError(f"degree: got {degree}, Gold codes are there for {', '.join(map(str, _PREFERRED))}")
    first, second = (_sequence(degree, taps) for taps in _PREFERRED[degree])
    sums = [first ^ np.roll(second, -shift) for shift in range(len(first))]
    codes = np.array([first, second, *sums], np.int8)
    if n_codes is not None and not 1 <= n_codes <= len(codes):
        raise ValueError(f"n_codes: got {n_codes}, allowed is 1 to {len(codes)}")
    return codes[:n_codes]


def shifts(code: NDArray[np.int8], n_targets: int) -> NDArray[np.int8]:
    """Return a code at `n_targets` circular shifts that are as far apart as can be, shape (n_targets, len(code)).

    Raises
    ------
    ValueError
        If there are more targets than bits.
    """
    if not 1 <= n_targets <= len(code):
        raise ValueError(f"n_targets: got {n_targets}, a code of {len(code)} bits serves 1 to {len(code)}")
    lags = [round(n * len(code) / n_targets) for n in range(n_targets)]
    return np.array([np.roll(code, lag) for lag in lags], np.int8)


def _sequence(degree: int, taps: tuple[int, ...]) -> NDArray[np.int8]:
    """Return one period of the recurrence x[n + degree] = sum of x[n + tap]."""
    bits = [0] * (degree - 1) + [1]
    while len(bits) < 2**degree - 1:
        bits.append(sum(bits[len(bits) - degree + tap] for tap in taps) % 2)
    return np.array(bits, np.int8)
