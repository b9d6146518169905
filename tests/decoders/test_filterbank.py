"""Sub-bands: designs, weights, zero-phase filtering of epochs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import cheb1ord, cheby1, filtfilt, sosfreqz

from volo_decoders.ssvep.filterbank import band_weights, chebyshev_bands, design_bank, filter_epochs


def test_bands_are_those_of_the_papers() -> None:
    assert chebyshev_bands(7) == (
        [(6.0, 90.0), (14.0, 90.0), (22.0, 90.0), (30.0, 90.0), (38.0, 90.0), (46.0, 90.0), (54.0, 90.0)],
        [(4.0, 100.0), (10.0, 100.0), (16.0, 100.0), (24.0, 100.0), (32.0, 100.0), (40.0, 100.0), (48.0, 100.0)],
    )
    passed, stopped = chebyshev_bands(3, "chen", upper_hz=88.0)
    assert passed == [(8.0, 88.0), (16.0, 88.0), (24.0, 88.0)]
    assert stopped == [(4.0, 98.0), (12.0, 98.0), (20.0, 98.0)]


@pytest.mark.parametrize("scheme", ["nakanishi", "chen"])
@pytest.mark.parametrize("rate_hz", [250.0, 256.0, 500.0, 1000.0])
def test_designs_are_stable_pass_their_band_and_stop_beyond(scheme: str, rate_hz: float) -> None:
    passed, stopped = chebyshev_bands(8, scheme)
    for sos, band, stop in zip(design_bank(rate_hz, passed, stop_bands=stopped), passed, stopped, strict=True):
        assert sos.dtype == np.float64
        assert np.all(np.abs(np.concatenate([np.roots(section[3:]) for section in sos])) < 1.0)
        inside = np.linspace(band[0], band[1], 50)
        outside = np.array([stop[0] / 2, stop[0], stop[1], (stop[1] + rate_hz / 2) / 2])
        gain = 20 * np.log10(np.abs(sosfreqz(sos, np.concatenate((inside, outside)), fs=rate_hz)[1]))
        assert gain[:50].min() > -3.1
        assert gain[:50].max() < 1e-6
        assert gain[50:].max() < -30.0


def test_a_fixed_order_has_that_many_sections_and_the_ripple_asked_for() -> None:
    (sos,) = design_bank(250.0, [(8.0, 88.0)], order=3, ripple_db=1.0)
    assert sos.shape == (3, 6)
    gain = 20 * np.log10(np.abs(sosfreqz(sos, np.linspace(8.0, 88.0, 500), fs=250.0)[1]))
    assert gain.min() == pytest.approx(-1.0, abs=1e-2)


@pytest.mark.parametrize(
    ("rate_hz", "bands", "options", "message"),
    [
        (160.0, [(6.0, 70.0), (14.0, 90.0)], {}, r"pass_bands\[1\].*below 80 Hz"),
        (180.0, [(6.0, 90.0)], {}, "below 90 Hz"),
        (190.0, [(6.0, 90.0)], {"stop_bands": [(4.0, 100.0)]}, r"stop_bands\[0\].*below 95 Hz"),
        (250.0, [(14.0, 6.0)], {}, "increasing"),
        (250.0, [(0.0, 6.0)], {}, "positive"),
        (250.0, [], {}, "at least one band"),
        (250.0, [(6.0, 90.0)], {"stop_bands": [(7.0, 100.0)]}, "enclose"),
        (250.0, [(6.0, 90.0)], {"stop_bands": []}, "one for each"),
        (250.0, [(6.0, 90.0)], {"order": 0}, "order"),
        (250.0, [(6.0, 90.0)], {"ripple_db": 0.0}, "ripple_db"),
        (0.0, [(6.0, 90.0)], {}, "rate_hz"),
    ],
)
def test_designs_that_cannot_be_are_refused(rate_hz: float, bands: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        design_bank(rate_hz, bands, **options)


def test_bands_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="n_bands"):
        chebyshev_bands(0)
    with pytest.raises(ValueError, match="scheme"):
        chebyshev_bands(2, "other")
    with pytest.raises(ValueError, match="upper_hz"):
        chebyshev_bands(5, upper_hz=30.0)


def test_weights_are_those_of_chen() -> None:
    np.testing.assert_allclose(band_weights(3), [1.25, 2**-1.25 + 0.25, 3**-1.25 + 0.25], rtol=1e-15)
    np.testing.assert_allclose(band_weights(2, a=0.0, b=1.0), [2.0, 2.0], rtol=1e-15)
    with pytest.raises(ValueError, match="n_bands"):
        band_weights(0)


def _published(X: np.ndarray, passed: list, stopped: list, cascaded: bool) -> np.ndarray:
    """Filter as the published code does: transfer functions, filtfilt, MATLAB's padding."""
    bands, signal = [], X
    for band, stop in zip(passed, stopped, strict=True):
        order, edges = cheb1ord(band, stop, 3, 40, fs=250)
        b, a = cheby1(order, 0.5, edges, "bandpass", fs=250)
        out = filtfilt(b, a, signal, axis=-1, padtype="odd", padlen=3 * (max(len(b), len(a)) - 1))
        bands.append(out)
        signal = out if cascaded else X
    return np.concatenate(bands, axis=1)


@pytest.mark.parametrize("cascaded", [False, True])
def test_epochs_are_filtered_as_in_the_published_code(cascaded: bool) -> None:
    X = np.random.default_rng(0).standard_normal((3, 2, 250)) + 5.0
    passed, stopped = chebyshev_bands(5)
    ours = filter_epochs(X, design_bank(250.0, passed, stop_bands=stopped), cascaded=cascaded)
    assert ours.shape == (3, 10, 250)
    np.testing.assert_allclose(ours, _published(X, passed, stopped, cascaded), rtol=0, atol=1e-7)


def test_cascading_changes_every_band_but_the_first() -> None:
    X = np.random.default_rng(1).standard_normal((2, 1, 250))
    bank = design_bank(250.0, chebyshev_bands(3)[0])
    plain, cascaded = filter_epochs(X, bank), filter_epochs(X, bank, cascaded=True)
    np.testing.assert_array_equal(plain[:, 0], cascaded[:, 0])
    assert np.abs(plain[:, 1:] - cascaded[:, 1:]).max(axis=(0, 2)).min() > 0.01


def test_zero_phase_filtering_keeps_a_passed_sine_in_place() -> None:
    t = np.arange(1000) / 250.0
    x = np.sin(2 * np.pi * 20.0 * t)[None, None]
    y = filter_epochs(x, design_bank(250.0, [(10.0, 40.0)]))
    middle = slice(300, 700)
    assert np.corrcoef(x[0, 0, middle], y[0, 0, middle])[0, 1] > 0.9999


def test_epochs_that_cannot_be_filtered_are_refused_and_none_is_changed() -> None:
    bank = design_bank(250.0, [(10.0, 40.0)], order=4)
    with pytest.raises(ValueError, match="more than 24"):
        filter_epochs(np.zeros((1, 1, 24)), bank)
    with pytest.raises(ValueError, match="dimensions"):
        filter_epochs(np.zeros((1, 100)), bank)
    X = np.random.default_rng(0).standard_normal((2, 2, 100)).astype(np.float32)
    before = X.copy()
    assert filter_epochs(X, bank).dtype == np.float64
    np.testing.assert_array_equal(X, before)
