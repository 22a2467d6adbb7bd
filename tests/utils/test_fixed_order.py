"""Arithmetic in a fixed order: as exact as the functions of the C library."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factorate._utils.fixed_order import CHUNK, cosine, dot, exp, log, log1p, power


@pytest.mark.parametrize("n", [0, 1, CHUNK - 1, CHUNK, 3 * CHUNK + 5])
def test_dot_products_are_summed_in_float64(n: int, dtype: str) -> None:
    generator = np.random.default_rng(n)
    a, b = generator.standard_normal((2, n)).astype(dtype)
    exact = math.fsum((a.astype(float) * b.astype(float)).tolist())
    assert dot(a, b) == pytest.approx(exact, rel=1e-12, abs=1e-12)


def test_powers_have_rounding_errors_only() -> None:
    exponents = np.concatenate([np.arange(1, 2 * CHUNK), np.linspace(1e-3, 5, 1000)])
    bases = np.resize([1e-9, 0.5, 0.98, 1 - 1e-7], len(exponents))
    pairs = zip(bases.tolist(), exponents.tolist(), strict=True)
    expected = np.array([base**exponent for base, exponent in pairs])
    np.testing.assert_allclose(power(bases, exponents), expected, rtol=3e-13, atol=1e-300)
    np.testing.assert_array_equal(power(np.ones(len(exponents)), exponents), 1)
    np.testing.assert_array_equal(power(np.zeros(len(exponents)), exponents), 0)


def test_exponentials_and_logarithms_have_rounding_errors_only() -> None:
    numbers = np.geomspace(1e-300, 700, 5000)
    expected = [math.exp(-x) for x in numbers.tolist()]
    np.testing.assert_allclose(exp(-numbers), expected, rtol=3e-13)
    np.testing.assert_allclose(log(numbers), [math.log(x) for x in numbers.tolist()], rtol=1e-14)
    small = numbers[numbers <= 1]
    np.testing.assert_allclose(log1p(small), [math.log1p(x) for x in small.tolist()], rtol=1e-15)
    assert log(1.0) == 0
    assert exp([0.0, -1e300, math.nan]).tolist()[:2] == [1, 0]
    assert np.isnan(exp(math.nan))


def test_cosines_have_rounding_errors_only() -> None:
    for angle in np.linspace(0, math.pi, 1001).tolist():
        assert cosine(angle) == pytest.approx(math.cos(angle), abs=3e-16)
