"""Rows and columns of sparse matrices are checked before they become int32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorate as ft


class Unchecked:
    """A sparse matrix of one entry, as versions of SciPy that do not check indices make it."""

    __module__ = "scipy.sparse.unchecked"
    shape = (2, 2)

    def __init__(self, row: int, column: int) -> None:
        self.row, self.col = np.array([row]), np.array([column])
        self.data = np.ones(1)

    def tocoo(self) -> Unchecked:
        return self

    def astype(self, _: Any) -> Unchecked:
        return self

    def sum_duplicates(self) -> None:
        """Do nothing, since there are no duplicates."""


@pytest.mark.parametrize("index", [2**32, 2, -1])
def test_indices_outside_the_shape_raise(index: int) -> None:
    """Regression: an index of 2**32 does not become row 0."""
    factors = np.ones((2, 1))
    for name, matrix in (("row", Unchecked(index, 0)), ("column", Unchecked(0, index))):
        message = f"{name} index {index} of stored entry 0 is"
        with pytest.raises(ValueError, match=message):
            ft.matrix_factorization(matrix, factors, factors, K=1, steps=1)
        with pytest.raises(ValueError, match=message):
            ft.MatrixFactorization(1, 1).fit(matrix)


def test_a_dictionary_of_keys_is_a_sparse_matrix() -> None:
    """Regression: SciPy's dok_matrix is a mapping, and is read as a matrix."""
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    R = np.array([[5.0, 0, 1, 0], [0, 2, 0, 3]])
    model = ft.MatrixFactorization(2, 2, random_state=0)
    expected = model.fit(R).user_factors_
    assert (model.fit(sparse.dok_matrix(R)).user_factors_ == expected).all()
