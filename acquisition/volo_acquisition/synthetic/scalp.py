"""Where the electrodes are, and how sources spread over them: the simulated scalp, seen from above.

Positions are an azimuthal projection of the 10-10 system: Cz is the origin, x points right, y points to the nose, and
the circle through Fpz, T8, Oz and T7 has radius 0.8. It is a drawing, not a head model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_CHANNELS", "bump", "mixing", "positions"]

#: The nine parieto-occipital channels most used for steady-state visual evoked potentials.
DEFAULT_CHANNELS = ("Pz", "PO5", "PO3", "POz", "PO4", "PO6", "O1", "Oz", "O2")

_RING = 0.8
#: Each row: name inside, name on the ring, y on the midline, azimuth of its left end on the ring in degrees.
_ROWS = (
    ("Fp", "Fp", 0.8, 108.0),
    ("AF", "AF", 0.6, 126.0),
    ("F", "F", 0.4, 144.0),
    ("FC", "FT", 0.2, 162.0),
    ("C", "T", 0.0, 180.0),
    ("CP", "TP", -0.2, 198.0),
    ("P", "P", -0.4, 216.0),
    ("PO", "PO", -0.6, 234.0),
    ("O", "O", -0.8, 252.0),
)
_OLD_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


@cache
def _table() -> dict[str, tuple[float, float]]:
    table = {"Nz": (0.0, 1.0), "Iz": (0.0, -1.0)}
    for inner, outer, y, azimuth in _ROWS:
        table[f"{inner}z"] = (0.0, y)
        direction = (math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth)))
        edge = (_RING * direction[0], _RING * direction[1])
        if inner in ("Fp", "O"):
            left = {f"{inner}1": edge}
        else:
            left = {
                f"{inner}{odd}": (part * edge[0], y + part * (edge[1] - y))
                for odd, part in ((1, 0.25), (3, 0.5), (5, 0.75))
            }
            left |= {f"{outer}7": edge, f"{outer}9": direction}
        for name, (x, side_y) in left.items():
            table[name] = (x, side_y)
            table[f"{name[:-1]}{int(name[-1]) + 1}"] = (-x, side_y)
    return table | {old: table[new] for old, new in _OLD_NAMES.items()}


def positions(channel_names: Sequence[str]) -> NDArray[np.float64]:
    """Return where channels are.

    Parameters
    ----------
    channel_names : sequence of str
        Names in the 10-20 or 10-10 system.

    Returns
    -------
    ndarray, shape (n_channels, 2)
        x (right) and y (front), in units of the head's radius at the equator.

    Raises
    ------
    ValueError
        If a name is unknown or comes twice.
    """
    table = _table()
    unknown = [name for name in channel_names if name not in table]
    if unknown or not channel_names:
        raise ValueError(f"channel names: got {unknown}, expected 10-10 names such as {', '.join(DEFAULT_CHANNELS)}")
    if len(set(channel_names)) != len(channel_names):
        raise ValueError(f"channel names: got {', '.join(channel_names)}, each may come once only")
    return np.array([table[name] for name in channel_names], dtype=np.float64)


def bump(where: NDArray[np.float64], centre: tuple[float, float], width: float) -> NDArray[np.float64]:
    """Return a Gaussian hill over the scalp, 1 at its centre.

    Parameters
    ----------
    where : ndarray, shape (n_channels, 2)
        Positions of the channels.
    centre : tuple of 2 float
        Position of the peak.
    width : float
        Standard deviation, head radii.

    Returns
    -------
    ndarray, shape (n_channels,)
    """
    distance2: NDArray[np.float64] = ((where - np.asarray(centre)) ** 2).sum(axis=1)
    return np.exp(-0.5 * distance2 / width**2)


def mixing(where: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """Return the matrix that turns independent unit-variance noise into noise that neighbours share.

    The correlation of two channels at distance d is exp(-d / length).

    Parameters
    ----------
    where : ndarray, shape (n_channels, 2)
        Positions of the channels.
    length : float
        Correlation length, head radii.

    Returns
    -------
    ndarray, shape (n_channels, n_channels)
        Lower triangular; ``noise @ mixing.T`` has unit variance in each channel.
    """
    distance = np.linalg.norm(where[:, None, :] - where[None, :, :], axis=2)
    factor: NDArray[np.float64] = np.linalg.cholesky(np.exp(-distance / length) + 1e-9 * np.eye(len(where)))
    return factor
