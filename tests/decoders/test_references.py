"""Sine-cosine references and orthonormal bases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volo_decoders.ssvep.references import ReferenceBases, centred, orthonormal_basis, sine_cosine


def test_references_are_sines_and_cosines_of_the_harmonics_from_the_first_sample_on() -> None:
    references = sine_cosine(8.2, 250.0, 100, n_harmonics=3)
    assert references.shape == (6, 100)
    for h in range(3):
        for n in (1, 2, 57, 100):
            t = n / 250.0
            assert references[2 * h, n - 1] == pytest.approx(np.sin(2 * np.pi * 8.2 * (h + 1) * t), abs=1e-12)
            assert references[2 * h + 1, n - 1] == pytest.approx(np.cos(2 * np.pi * 8.2 * (h + 1) * t), abs=1e-12)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((30.0, 250.0, 100, 5), "use at most 4 harmonics"),
        ((25.0, 250.0, 100, 5), "use at most 4 harmonics"),
        ((0.0, 250.0, 100, 5), "frequency_hz"),
        ((10.0, -1.0, 100, 5), "rate_hz"),
        ((10.0, 250.0, 0, 5), "n_samples"),
        ((10.0, 250.0, 100, 0), "n_harmonics"),
    ],
)
def test_references_that_cannot_be_are_refused(args: tuple[float, float, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sine_cosine(*args)


@settings(max_examples=30, deadline=None)
@given(st.integers(24, 400), st.floats(6.0, 20.0), st.integers(1, 5))
def test_bases_are_orthonormal_centred_and_span_the_references(n_samples: int, f: float, n_harmonics: int) -> None:
    basis = ReferenceBases([f], 250.0, n_harmonics).of_length(n_samples)
    gram = basis.T @ basis
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), rtol=0, atol=1e-12)
    assert np.all((np.abs(np.diag(gram) - 1.0) < 1e-12) | (np.diag(gram) < 1e-20))
    np.testing.assert_allclose(basis.sum(axis=0), 0.0, atol=1e-10)
    y = centred(sine_cosine(f, 250.0, n_samples, n_harmonics)).T
    np.testing.assert_allclose(basis @ (basis.T @ y), y, atol=1e-9)


def test_bases_are_made_once_per_length_and_the_oldest_makes_room() -> None:
    bases = ReferenceBases([8.0, 9.0], 250.0, 2, n_kept=2)
    first = bases.of_length(100)
    assert first.shape == (100, 8)
    assert not first.flags.writeable
    assert bases.of_length(100) is first
    bases.of_length(120)
    assert bases.of_length(100) is first
    bases.of_length(140)  # 120 was not used for longest
    assert bases.of_length(100) is first
    again = bases.of_length(120)
    bases.of_length(160)
    assert bases.of_length(120) is again


def test_a_constant_is_centred_to_exactly_zero_and_a_small_signal_on_it_is_not() -> None:
    x = np.full((3, 250), 30_000.1)
    x[1] += 1e-6 * np.sin(np.arange(250))
    x[2] = 0.0
    y = centred(x)
    assert not y[0].any()
    assert not y[2].any()
    np.testing.assert_allclose(y[1].std(), 1e-6 * np.sin(np.arange(250)).std(), rtol=1e-3)


def test_dependent_and_zero_columns_add_nothing_to_a_basis() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((60, 3))
    columns = np.column_stack((a, a[:, 0] - 2.0 * a[:, 1], np.zeros(60), 1e-9 * a[:, 2]))
    basis = orthonormal_basis(columns)
    assert np.linalg.matrix_rank(basis) == 3
    expected = np.linalg.qr(a)[0]
    np.testing.assert_allclose(basis @ basis.T, expected @ expected.T, atol=1e-12)


def test_columns_longer_than_their_space_are_refused() -> None:
    with pytest.raises(ValueError, match="at least as many samples"):
        orthonormal_basis(np.ones((3, 4)))
