"""Codes, flash groups and the layouts in short: what mathematics promises of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volo_acquisition.errors import ConfigError
from volo_paradigms.codes import GOLD_DEGREES, gold_codes, m_sequence, shifts
from volo_paradigms.evoked import CvepSpeller, CvepSpellerSettings, P300CalibrationSettings, code_bits
from volo_paradigms.flash_groups import GROUPINGS, flash_groups
from volo_paradigms.layout import layout_names, load_layout
from volo_paradigms.modulation import Codes, Flashes


@pytest.mark.parametrize("degree", range(2, 11))
def test_a_maximum_length_sequence_has_two_values_of_autocorrelation(degree):
    # Golomb 1967: -1 at every shift but 0
    signs = 2.0 * m_sequence(degree) - 1.0
    found = {int(signs @ np.roll(signs, shift)) for shift in range(1, len(signs))}
    assert found == {-1}
    assert signs @ signs == 2**degree - 1


@pytest.mark.parametrize("degree", GOLD_DEGREES)
def test_gold_codes_have_three_values_of_cross_correlation(degree):
    # Gold 1967: -1, -t and t - 2 with t = 1 + 2**floor((degree + 2) / 2)
    codes = 2.0 * gold_codes(degree) - 1.0
    assert len(codes) == 2**degree + 1
    t = 1 + 2 ** ((degree + 2) // 2)
    spectra = np.fft.fft(codes)
    for n in range(len(codes)):
        others = np.delete(np.fft.ifft(spectra[n] * np.conj(spectra), axis=1).real, n, axis=0)
        assert set(np.rint(others).astype(int).ravel().tolist()) <= {-1, -t, t - 2}


@given(st.integers(1, 63))
def test_shifts_of_a_code_are_all_different_and_far_apart(n_targets):
    rows = shifts(m_sequence(6), n_targets)
    assert len({row.tobytes() for row in rows}) == n_targets
    lags = [round(n * 63 / n_targets) for n in range(n_targets)]
    assert np.diff([*lags, 63]).min() >= 63 // n_targets


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: m_sequence(1), "degree: got 1"),
        (lambda: gold_codes(8), "degree: got 8"),
        (lambda: gold_codes(5, 34), "n_codes: got 34"),
        (lambda: shifts(m_sequence(2), 4), "n_targets: got 4"),
        (lambda: code_bits(load_layout("four"), "hamming", 6), "code: got 'hamming'"),
    ],
)
def test_codes_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("refresh_hz", "frames_a_bit"), [(59.94, 1), (60.0, 1), (120.0, 2), (240.0, 4)])
def test_a_bit_lasts_a_whole_number_of_frames_where_it_can(refresh_hz, frames_a_bit):
    codes = Codes(code_bits(load_layout("four"), "m", 6), 60.0)
    modulator, out = codes.at(refresh_hz), np.empty(4)
    for frame in range(3 * 63 * frames_a_bit):
        expected = [row[frame // frames_a_bit % 63] for row in codes.bits]
        assert modulator.level(frame, out).tolist() == expected


@given(st.floats(61.0, 239.0), st.integers(0, 100_000))
def test_at_any_refresh_rate_a_frame_shows_the_bit_that_is_on_in_its_middle(refresh_hz, frame):
    codes = Codes(((0, 1, 1, 0, 1),), 60.0)
    frames_a_bit = refresh_hz / 60.0
    if abs(frames_a_bit / round(frames_a_bit) - 1.0) <= 0.03:
        return
    level = codes.at(refresh_hz).level(frame, np.empty(1))[0]
    assert level == codes.bits[0][int((frame + 0.5) / refresh_hz * 60.0) % 5]


@pytest.mark.parametrize("name", layout_names())
@pytest.mark.parametrize("grouping", GROUPINGS)
def test_every_key_flashes_twice_a_repetition_in_groups_no_other_key_shares(name, grouping):
    layout = load_layout(name)
    order = flash_groups(layout, grouping, 3, "1")
    per_repetition = len(order) // 3
    for start in range(0, len(order), per_repetition):
        repetition = order[start : start + per_repetition]
        flashes = [tuple(n for n, group in enumerate(repetition) if key in group) for key in range(len(layout))]
        assert all(len(pair) == 2 for pair in flashes)
        assert len(set(flashes)) == len(layout)
    assert flash_groups(layout, grouping, 3, "1") == order
    assert len(layout) < 6 or flash_groups(layout, grouping, 3, "2") != order


def test_a_flash_follows_one_without_its_keys_in_a_full_grid():
    layout = load_layout("benchmark40")
    order = flash_groups(layout, "row_column", 20, "5")
    doubled = sum(bool(set(a) & set(b)) for a, b in itertools.pairwise(order))
    assert doubled <= 0.35 * len(order)  # rows and columns always cross, rows and rows never


@given(st.floats(30.0, 240.0))
def test_a_flash_lights_its_keys_as_long_as_set_and_no_others(refresh_hz):
    flashes = Flashes(((0, 1), (2,), (1, 3)), 4, soa_s=0.2, on_s=0.1)
    modulator, out = flashes.at(refresh_hz), np.empty(4)
    levels = np.array([modulator.level(k, out).copy() for k in range(int(0.9 * refresh_hz))])
    lit = levels > 0.9
    for number, group in enumerate(flashes.groups):
        first = flashes.frame_of(number, refresh_hz)
        assert -1e-6 <= first / refresh_hz - number * 0.2 <= 1.0 / refresh_hz + 1e-6
        assert sorted(np.flatnonzero(lit[first]).tolist()) == sorted(group)
        n_on = next(k for k in range(first, len(lit)) if not lit[k].any()) - first
        assert abs(n_on / refresh_hz - 0.1) <= 1.0 / refresh_hz + 1e-6


def test_a_p300_trial_lasts_as_long_as_its_flashes_and_the_last_response():
    settings = P300CalibrationSettings(layout="benchmark40", n_repetitions=5)
    assert settings.flicker_s == pytest.approx(5 * 13 * 0.175 + 0.8)
    with pytest.raises(ValueError, match="grouping: got 'squares'"):
        P300CalibrationSettings(grouping="squares")


def test_codes_for_too_many_keys_are_refused_when_the_speller_is_made():
    with pytest.raises(ValueError, match="serves 1 to 15"):
        CvepSpeller(CvepSpellerSettings(layout="benchmark40", degree=4))


GRID = """
schema = 1
name = "short"
[grid]
rows = [["A", "B"], ["C"]]
place = [0.1, 0.1, 0.8, 0.8]
gap = 0.5
[flicker]
from_hz = 8.0
step_hz = 1.0
phase_step_pi = 0.5
"""


def test_a_layout_in_short_counts_down_the_columns_and_centres_short_rows(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(GRID)
    layout = load_layout(path)
    assert layout.labels == ("A", "B", "C")
    assert layout.frequencies_hz == (8.0, 10.0, 9.0)
    assert layout.phases_rad == pytest.approx((0.0, np.pi, np.pi / 2))
    c = layout.key("C").rectangle
    assert c.x + c.width / 2 == pytest.approx(0.5)
    assert layout.key("A").rectangle.width == pytest.approx(0.2)


def test_all_problems_of_a_layout_in_short_are_listed_at_once(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(GRID.replace('["C"]', "[]").replace("gap = 0.5", "gap = 1.5\nfoo = 1").replace("8.0", "nan"))
    with pytest.raises(ConfigError) as caught:
        load_layout(path)
    told = "\n".join(caught.value.problems)
    for part in ("grid.rows", "grid.gap: got 1.5", "grid.foo: unknown", "flicker.from_hz: got nan"):
        assert part in told
