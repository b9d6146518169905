"""The targets of an SSVEP decoder: their labels and frequencies, and which are neighbours in frequency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["frequencies_of", "neighbours", "target_names"]


def target_names(frequencies_hz: Sequence[float], class_names: Sequence[str] | None) -> NDArray[np.str_]:
    """Return the label of each target, by default its frequency as text (``"8.2"``).

    Raises
    ------
    ValueError
        If there are no frequencies, not one label for each, or a label is there twice.
    """
    frequencies = [float(f) for f in frequencies_hz]
    if not frequencies:
        raise ValueError("frequencies_hz: got none, at least one is needed")
    names = [f"{f:g}" for f in frequencies] if class_names is None else [str(n) for n in class_names]
    if len(names) != len(frequencies):
        raise ValueError(f"class_names: got {len(names)}, expected one for each of {len(frequencies)} frequencies")
    if len(set(names)) != len(names):
        raise ValueError(f"class_names: got {names}, each must be there once")
    return np.array(names, dtype=np.str_)


def frequencies_of(
    classes: Iterable[object], frequencies_hz: Sequence[float], class_names: Sequence[str] | None
) -> list[float]:
    """Return the frequency of each of `classes`.

    Raises
    ------
    ValueError
        If the parameters do not fit each other, or name no frequency for a class.
    """
    named = dict(zip(target_names(frequencies_hz, class_names).tolist(), map(float, frequencies_hz), strict=True))
    wanted = [str(name) for name in classes]
    unknown = sorted(set(wanted) - set(named))
    if unknown:
        raise ValueError(f"y: got unknown classes {unknown}, known are {list(named)}")
    return [named[name] for name in wanted]


def neighbours(frequencies_hz: Sequence[float], n_neighbours: int) -> NDArray[np.bool_]:
    """Tell for each target which `n_neighbours` targets, itself counted, lie next to it in frequency.

    The group of a target is a run in order of frequency with the target in its middle; at the ends of the range it is
    shifted inwards, so that all groups are equally large (Wong et al. 2020).

    Returns
    -------
    group : ndarray of bool, shape (n_classes, n_classes)
        Row: the target; column: whether that one is in its group.
    """
    if n_neighbours < 1:
        raise ValueError(f"n_neighbours: got {n_neighbours}, it must be at least 1")
    n_classes = len(frequencies_hz)
    size = min(n_neighbours, n_classes)
    order = np.argsort(np.asarray(frequencies_hz, dtype=np.float64), kind="stable")
    group = np.zeros((n_classes, n_classes), bool)
    for place, target in enumerate(order):
        first = min(max(place - size // 2, 0), n_classes - size)
        group[target, order[first : first + size]] = True
    return group
