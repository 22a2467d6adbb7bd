"""eigenvectors: those of a symmetric matrix, with the same bits on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import dispatch

if TYPE_CHECKING:
    from factorate._utils.types import Doubles


def eigenvectors(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Return the eigenvalues of a symmetric matrix, and its orthonormal eigenvectors as rows.

    They are NaN if the matrix is not finite.
    """
    n = len(matrix)
    if not np.isfinite(matrix).all():
        return np.full(n, np.nan), np.full((n, n), np.nan)
    # Squares neither overflow nor underflow with a largest element of about 1; a power of two does
    # not change the rounding.
    exponent = int(np.frexp(np.abs(matrix).max())[1])
    values, beside, vectors = np.empty(n), np.empty(n - 1), np.eye(n)
    kernel = dispatch.eigenvectors
    scaled = np.ldexp(matrix, -exponent)
    kernel.tridiagonalize(scaled, values, beside, vectors, np.empty((2, n)))
    if not kernel.diagonalize(values, beside, vectors):
        return np.full(n, np.nan), np.full((n, n), np.nan)
    return np.ldexp(values, exponent), vectors
