"""CRC32C (Castagnoli), the checksum of each chunk in a recording's index.

The remainder of a message is linear in its bytes: a table tells, for each value of a byte and each number of bytes
that follow it, what the byte adds. So a block of up to 1024 bytes takes one look-up and one exclusive-or over an array.

Castagnoli, Bräuer and Herrmann, IEEE Trans. Commun. 41(6), 883-892 (1993), doi:10.1109/26.231911; parameters as in
RFC 3720, section 12.1: reflected polynomial 0x82F63B78, initial value and final exclusive-or 0xFFFFFFFF.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["crc32c", "crc32c_rows"]

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_BLOCK = 1024


@cache
def _table() -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """Return what a byte adds, flat over (bytes that follow it, its value), and where the rows of a block begin."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = (first >> np.uint32(1)) ^ np.where(first & np.uint32(1), np.uint32(_POLYNOMIAL), np.uint32(0))
    rows = np.empty((_BLOCK, 256), np.uint32)
    rows[0] = first
    for k in range(1, _BLOCK):
        rows[k] = (rows[k - 1] >> np.uint32(8)) ^ first[rows[k - 1] & np.uint32(0xFF)]
    return rows.ravel(), np.arange(_BLOCK - 1, -1, -1) * 256


def crc32c(data: bytes | memoryview, crc: int = 0) -> int:
    """Return the checksum of `data`, or of what gave `crc` followed by `data`.

    Parameters
    ----------
    data : bytes
        The message, or its next piece.
    crc : int
        What the pieces before gave.

    Returns
    -------
    int
        32 bits.
    """
    table, starts = _table()
    state = crc ^ _ONES
    values = np.frombuffer(data, np.uint8)
    for at in range(0, len(values), _BLOCK):
        block = values[at : at + _BLOCK].astype(np.intp)
        n = len(block)
        block[:4] ^= np.array([state >> shift & 0xFF for shift in (0, 8, 16, 24)][:n], np.intp)
        state = (state >> 8 * n) ^ int(np.bitwise_xor.reduce(table[starts[_BLOCK - n :] + block]))
    return state ^ _ONES


def crc32c_rows(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the checksum of each of many short messages of one length.

    Parameters
    ----------
    rows : ndarray of uint8, shape (n, length)
        The messages, of 4 to 1024 bytes.

    Returns
    -------
    ndarray of uint32, shape (n,)
    """
    table, starts = _table()
    length = rows.shape[1]
    result = np.zeros(len(rows), np.uint32)
    for column, start in enumerate(starts[_BLOCK - length :].tolist()):
        flipped = 0xFF if column < 4 else 0  # the initial value, folded into the first four bytes
        result ^= table[start + (rows[:, column].astype(np.intp) ^ flipped)]
    return result ^ np.uint32(_ONES)
