"""Sub-bands of SSVEP decoding: their design as second-order sections, their weights, and filtering whole epochs.

The pipeline's streaming filter bank uses the same designs causally. `filter_epochs` is for offline work on complete
epochs: it looks ahead, and no online path may call it.

References
----------
Chen et al. 2015, J. Neural Eng. 12:046008, DOI 10.1088/1741-2560/12/4/046008.
Nakanishi et al. 2018, IEEE Trans. Biomed. Eng. 65:104, DOI 10.1109/TBME.2017.2694818.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import cheb1ord, cheby1, sosfiltfilt

__all__ = ["Band", "band_weights", "chebyshev_bands", "design_bank", "filter_epochs"]

#: Lower and upper edge, Hz.
Band = tuple[float, float]

# Stop-band edges below the pass bands of Nakanishi's code; bands beyond these follow at 8 Hz.
_NAKANISHI_STOP = (4.0, 10.0, 16.0, 24.0, 32.0, 40.0, 48.0)


def chebyshev_bands(n_bands: int, scheme: str = "nakanishi", upper_hz: float = 90.0) -> tuple[list[Band], list[Band]]:
    """Return the pass and stop bands the field uses.

    Parameters
    ----------
    n_bands : int
        How many sub-bands.
    scheme : {"nakanishi", "chen"}
        ``"nakanishi"``: pass from 6, 14, 22, ... Hz, stop below 4, 10, 16, 24, ...; ``"chen"`` (method M3 of Chen
        2015): pass from 8, 16, 24, ... Hz, stop 4 Hz below.
    upper_hz : float
        Common upper pass edge; stop 10 Hz above.

    Returns
    -------
    pass_bands, stop_bands : list of (float, float)
        Band edges in Hz, for `design_bank`.
    """
    if n_bands < 1:
        raise ValueError(f"n_bands: got {n_bands}, it must be at least 1")
    if scheme == "nakanishi":
        lower = [8.0 * k - 2.0 for k in range(1, n_bands + 1)]
        stop = [_NAKANISHI_STOP[k] if k < len(_NAKANISHI_STOP) else 8.0 * k for k in range(n_bands)]
    elif scheme == "chen":
        lower = [8.0 * k for k in range(1, n_bands + 1)]
        stop = [8.0 * k - 4.0 for k in range(1, n_bands + 1)]
    else:
        raise ValueError(f"scheme: got {scheme!r}, allowed are 'nakanishi', 'chen'")
    if lower[-1] >= upper_hz:
        raise ValueError(f"upper_hz: got {upper_hz:g}, it must lie above {lower[-1]:g} Hz, where the last band starts")
    return [(f, upper_hz) for f in lower], [(f, upper_hz + 10.0) for f in stop]


def design_bank(
    rate_hz: float,
    pass_bands: Sequence[Band],
    order: int = 4,
    ripple_db: float = 0.5,
    *,
    stop_bands: Sequence[Band] | None = None,
    stop_db: float = 40.0,
) -> list[NDArray[np.float64]]:
    """Design one Chebyshev type I band-pass per sub-band.

    Parameters
    ----------
    rate_hz : float
        Sampling rate.
    pass_bands : sequence of (float, float)
        Edges in Hz.
    order : int
        Order of the low-pass prototype; a band-pass has `order` second-order sections. Not used with `stop_bands`.
    ripple_db : float
        Ripple in the pass band.
    stop_bands : sequence of (float, float), optional
        Edges in Hz; each band then gets the smallest order with which a filter of 3 dB ripple would reach `stop_db`
        there (``cheb1ord``), and is designed with `ripple_db`, as in Nakanishi's code. With less ripple than 3 dB the
        stop band stays some decibels short of `stop_db`.
    stop_db : float
        Attenuation for choosing the order.

    Returns
    -------
    bank : list of ndarray of float64, shape (n_sections, 6)
        Second-order sections, one array a band.

    Raises
    ------
    ValueError
        If an edge reaches half the sampling rate, or edges are not increasing and positive.
    """
    if not (np.isfinite(rate_hz) and rate_hz > 0.0):
        raise ValueError(f"rate_hz: got {rate_hz}, it must be positive")
    if not pass_bands:
        raise ValueError("pass_bands: got none, at least one band is needed")
    if order < 1:
        raise ValueError(f"order: got {order}, it must be at least 1")
    if not ripple_db > 0.0:
        raise ValueError(f"ripple_db: got {ripple_db}, it must be positive")
    if stop_bands is not None and len(stop_bands) != len(pass_bands):
        raise ValueError(f"stop_bands: got {len(stop_bands)}, expected one for each of the {len(pass_bands)} bands")
    bank = []
    for number, band in enumerate(pass_bands):
        _check_band(f"pass_bands[{number}]", band, rate_hz)
        if stop_bands is None:
            n, edges = order, np.asarray(band, dtype=np.float64)
        else:
            stop = stop_bands[number]
            _check_band(f"stop_bands[{number}]", stop, rate_hz)
            if not stop[0] < band[0] < band[1] < stop[1]:
                raise ValueError(f"stop_bands[{number}]: got {tuple(stop)} Hz, it must enclose {tuple(band)} Hz")
            n, edges = cheb1ord(band, stop, 3.0, stop_db, fs=rate_hz)
        bank.append(np.asarray(cheby1(n, ripple_db, edges, "bandpass", fs=rate_hz, output="sos"), dtype=np.float64))
    return bank


def band_weights(n_bands: int, a: float = 1.25, b: float = 0.25) -> NDArray[np.float64]:
    """Return the weights ``k ** -a + b`` of sub-bands ``k = 1 .. n_bands`` (Chen 2015), shape (n_bands,)."""
    if n_bands < 1:
        raise ValueError(f"n_bands: got {n_bands}, it must be at least 1")
    return np.arange(1, n_bands + 1, dtype=np.float64) ** -a + b


def filter_epochs(
    X: NDArray[np.floating[Any]], sos_list: Sequence[NDArray[np.float64]], cascaded: bool = False
) -> NDArray[np.float64]:
    """Filter complete epochs forwards and backwards into sub-bands (offline only).

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_samples)
        Epochs.
    sos_list : sequence of ndarray, shape (n_sections, 6)
        One design a sub-band, from `design_bank`.
    cascaded : bool
        Reproduce a slip in the training code of Nakanishi's TRCA and of meegkit: sub-band k there has passed filters
        1 to k, one after the other, while test data has passed filter k only. For comparisons with published code.

    Returns
    -------
    Y : ndarray of float64, shape (n_trials, n_bands * n_channels, n_samples)
        Band after band.

    Raises
    ------
    ValueError
        If the epochs are too short for the padding at their ends.
    """
    if X.ndim != 3:
        raise ValueError(f"X: got {X.ndim} dimensions, expected (n_trials, n_channels, n_samples)")
    n_trials, n_channels, n_samples = X.shape
    out = np.empty((n_trials, len(sos_list), n_channels, n_samples))
    signal = X.astype(np.float64)
    for k, sos in enumerate(sos_list):
        padding = 6 * len(sos)  # 3 * filter order, as MATLAB's filtfilt
        if n_samples <= padding:
            raise ValueError(f"X: got epochs of {n_samples} samples, band {k} needs more than {padding}")
        filtered = sosfiltfilt(sos, signal, axis=-1, padtype="odd", padlen=padding)
        out[:, k] = filtered
        if cascaded:
            signal = filtered
    return out.reshape(n_trials, len(sos_list) * n_channels, n_samples)


def _check_band(name: str, band: Band, rate_hz: float) -> None:
    low, high = band
    if not 0.0 < low < high:
        raise ValueError(f"{name}: got {tuple(band)} Hz, edges must be positive and increasing")
    if high >= rate_hz / 2.0:
        raise ValueError(
            f"{name}: got {tuple(band)} Hz, its upper edge must lie below {rate_hz / 2.0:g} Hz "
            f"(half of the sampling rate {rate_hz:g} Hz)"
        )
