"""The eigenvectors of a symmetric matrix are exact, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._training.eigenvectors import eigenvectors

ROUNDING = 1e-13  # relative to the largest eigenvalue


@pytest.mark.usefixtures("isa")
class TestEigenvectors:
    @given(
        seed=st.integers(0, 1000),
        n=st.integers(1, 70),
        rank=st.integers(0, 70),
        exponent=st.integers(-300, 300),
    )
    def test_they_diagonalize_the_matrix(self, seed: int, n: int, rank: int, exponent: int) -> None:
        rows = np.random.default_rng(seed).standard_normal((rank, n))
        matrix = 10.0**exponent * (rows.T @ rows)
        values, vectors = eigenvectors(matrix)
        np.testing.assert_allclose(vectors @ vectors.T, np.eye(n), rtol=0, atol=ROUNDING)
        found = vectors.T @ (values[:, None] * vectors)
        np.testing.assert_allclose(found, matrix, rtol=0, atol=ROUNDING * np.abs(values).max())

    def test_the_values_are_those_of_numpy(self) -> None:
        rows = np.random.default_rng(0).standard_normal((200, 64))
        values, _ = eigenvectors(rows.T @ rows)
        np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(rows.T @ rows))

    def test_elements_far_below_their_neighbours_are_not_neglected(self) -> None:
        """Regression: elements below 1e-8 of the one beside the diagonal were."""
        rows = np.random.default_rng(0).standard_normal((20, 16))
        matrix = rows.T @ rows
        matrix[0] = matrix[:, 0] = 0
        matrix[0, 1] = matrix[1, 0] = 5
        matrix[0, 2:] = matrix[2:, 0] = 1e-9
        values, vectors = eigenvectors(matrix)
        found = vectors.T @ (values[:, None] * vectors)
        np.testing.assert_allclose(found, matrix, rtol=0, atol=ROUNDING * np.abs(values).max())

    def test_a_diagonal_matrix_has_unit_vectors(self) -> None:
        values, vectors = eigenvectors(np.diag([3.0, 1.0, 2.0, 2.0]))
        np.testing.assert_array_equal(values, [3, 1, 2, 2])
        np.testing.assert_array_equal(vectors, np.eye(4))

    def test_coordinates_of_zeros_are_not_mixed_with_others(self) -> None:
        rows = np.random.default_rng(0).standard_normal((3, 10))  # fewer than coordinates
        matrix = np.zeros((16, 16))
        matrix[:10, :10] = rows.T @ rows
        _, vectors = eigenvectors(matrix)
        padding = np.any(vectors[:, 10:] != 0, axis=1)
        assert np.count_nonzero(padding) == 6
        np.testing.assert_array_equal(vectors[padding, :10], 0)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_those_of_a_matrix_that_is_not_finite_are_nan(self, value: float) -> None:
        matrix = np.eye(5)
        matrix[1, 3] = matrix[3, 1] = value
        values, vectors = eigenvectors(matrix)
        assert np.isnan(values).all()
        assert np.isnan(vectors).all()
