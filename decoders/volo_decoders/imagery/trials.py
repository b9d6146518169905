"""Made-up trials whose classes differ in where power is missing: what the decoder contract tests imagery on."""

from __future__ import annotations

import numpy as np

from volo_decoders.contract import Trials

__all__ = ["make_imagery_trials"]


def make_imagery_trials(
    depth: float = 0.7,
    *,
    seed: int = 0,
    classes: tuple[str, ...] = ("feet", "left", "right", "tongue"),
    n_per_class: int = 12,
    n_channels: int = 4,
    n_bands: int = 2,
    n_samples: int = 200,
    rate_hz: float = 200.0,
) -> Trials:
    """Make trials in which one source's amplitude sinks, another one for each class, in every band.

    Parameters
    ----------
    depth : float
        By which share of its amplitude; 0 makes the classes alike.
    seed : int
        Of the noise.
    classes : tuple of str
        Labels, sorted; at most as many as channels.
    n_per_class, n_channels, n_bands, n_samples, rate_hz
        Sizes; calibration and test get `n_per_class` windows each.

    Raises
    ------
    ValueError
        If there are more classes than channels.
    """
    if len(classes) > n_channels:
        raise ValueError(f"classes: got {len(classes)}, at most one for each of the {n_channels} channels")
    rng = np.random.default_rng(seed)
    mixing = np.eye(n_channels) + 0.2 * rng.standard_normal((n_channels, n_channels))
    targets = np.tile(np.arange(len(classes)), 2 * n_per_class)
    X = np.empty((len(targets), n_bands, n_channels, n_samples))
    for i, target in enumerate(targets):
        sources = rng.standard_normal((n_bands, n_channels, n_samples))
        sources[:, target] *= 1.0 - depth
        X[i] = mixing @ (10.0 * sources)
    windows = X.reshape(len(targets), n_bands * n_channels, n_samples).astype(np.float32)
    y = np.array(classes)[targets]
    half = len(classes) * n_per_class
    return Trials(windows[:half], y[:half], windows[half:], y[half:], rate_hz, classes, (), n_bands)
