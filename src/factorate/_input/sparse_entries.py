"""Read the stored entries of sparse matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._utils.validation import check_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_sparse(
    matrix: Any, what: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], tuple[int, int]]:
    """Read the stored entries of a sparse matrix and check their rows and columns.

    Parameters
    ----------
    matrix : sparse matrix or array of SciPy
        The matrix, which may hold any rows and columns.
    what : str
        Name of the matrix in errors.

    Returns
    -------
    rows, columns : ndarray of integers, shape (n,)
        Copies, inside the shape.
    values : ndarray of shape (n,)
        The entries, in the order in which they are stored.
    shape : tuple of int
        Shape of the matrix.

    Raises
    ------
    ValueError
        If it is not 2-d, or a row or column is outside its shape.
    """
    shape = check_shape(matrix.shape, what)
    # Kernels trust rows: they are copied before they are checked, so that no other thread can
    # change them afterwards.
    stored = matrix.tocoo()
    rows, columns = np.array(stored.row), np.array(stored.col)
    for name, indices, n in zip(("row", "column"), (rows, columns), shape, strict=True):
        if len(indices) and (indices.min() < 0 or indices.max() >= n):
            entry = int(np.argmax((indices < 0) | (indices >= n)))
            index = indices[entry]
            reason = "is negative" if index < 0 else f"is outside the shape {shape}"
            raise ValueError(f"{name} index {index} of stored entry {entry} {reason}")
    return rows, columns, stored.data, shape
