"""Compute the factors of a fold-in exactly, by arithmetic whose rounding depends on no BLAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.fold_in_exact import MIN_PENALTY, make_regressions
from factorate._kernels import dispatch

if TYPE_CHECKING:
    from factorate._fitted.fold_in_exact import Penalty
    from factorate._fitted.fold_in_problem import FixedSide, RowRatings
    from factorate._utils.types import Doubles, Offsets


MAX_CELLS = 1 << 18  # ratings times parameters, beyond which training takes less time


def can_solve(fixed: FixedSide, ratings: RowRatings, penalty: Penalty) -> bool:
    """Return whether the equations are few and regular enough for `solve_in_fixed_order`."""
    n_ratings, largest = len(ratings.rows), int(np.bincount(ratings.rows).max())
    of_factors, of_bias = penalty.total(largest)
    smallest = min(of_factors, of_bias) if fixed.fit_bias else of_factors
    cells = n_ratings * (fixed.factors.shape[1] + fixed.fit_bias)
    return cells <= MAX_CELLS and smallest >= largest * MIN_PENALTY


def solve_in_fixed_order(
    fixed: FixedSide, ratings: RowRatings, penalty: Penalty
) -> tuple[Doubles, Doubles]:
    """Minimize the objective of training, as `solve_exactly` does.

    Dot products are those of the prediction kernel, and all else is computed element by element, so
    the bits depend only on the instruction set of the kernels. Rows are padded with ratings of
    nothing to a power of two, so that rows with similar numbers of ratings are solved together.

    Parameters
    ----------
    fixed : FixedSide
        The other side.
    ratings : RowRatings
        The ratings of the new rows.
    penalty : Penalty
        λ and c, for which `can_solve` is True.

    Returns
    -------
    factors, bias : ndarray
        Shapes (n_rows, K) and (n_rows,); zeros for rows without ratings. A row depends only on its
        own ratings, in any order (without duplicates).
    """
    n_factors = fixed.factors.shape[1]
    width = n_factors + fixed.fit_bias
    regressions = make_regressions(fixed, ratings)
    counts = regressions.counts
    solutions = np.zeros((ratings.n_rows, n_factors + 1))
    sizes = np.where(counts > 0, 1 << np.frexp(counts - 1)[1].astype(np.int64), 0)
    normal: list[tuple[Offsets, Doubles]] = []
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows = np.flatnonzero(sizes == size)
        entries = np.repeat(regressions.starts[rows], size).reshape(-1, size)
        entries += np.tile(np.arange(size), len(rows)).reshape(-1, size)
        given = np.tile(np.arange(size), len(rows)) < np.repeat(counts[rows], size)
        given = given.reshape(-1, size)
        entries[~given] = 0
        X = np.ones((len(rows), size, width))
        X[..., :n_factors] = regressions.factors.take(regressions.others.take(entries), axis=0)
        X[~given] = 0.0
        residuals = np.where(given, regressions.residuals.take(entries), 0.0)
        diagonals = np.stack([regressions.diagonal(penalty, n) for n in counts[rows].tolist()])
        if 2 * size < width:
            solutions[rows, :width] = _solve_dual(X, residuals, diagonals)
        else:
            normal.append((rows, _normal_equations(X, residuals, diagonals)))
    if normal:
        solutions[np.concatenate([rows for rows, _ in normal]), :width] = solve_positive_definite(
            np.concatenate([equations for _, equations in normal])
        )
    return regressions.unscale(solutions)


def solve_positive_definite(equations: Doubles) -> Doubles:
    """Solve systems of equations by Cholesky factorization.

    Parameters
    ----------
    equations : ndarray of shape (m, s + 1, s)
        The lower triangles of symmetric positive definite matrices, each with its right-hand side
        as the last row.

    Returns
    -------
    ndarray of shape (m, s)

    Examples
    --------
    >>> solve_positive_definite(np.array([[[4.0, 0.0], [2.0, 3.0], [8.0, 8.0]]]))
    array([[1., 2.]])
    """
    m, n_rows, s = equations.shape
    # Row by row L, whose last row is L⁻¹ y. Entries that are not computed yet are 0.
    lower = np.zeros((m, n_rows, s))
    vectors, zeros = lower.reshape(-1, s), np.zeros(m * n_rows)
    numbers = np.arange(m * n_rows, dtype=np.int32).reshape(m, n_rows)
    for k in range(s):
        n_below = n_rows - k
        column = equations[:, k:, k].copy()
        if k:
            pairs = numbers[:, k].repeat(n_below), numbers[:, k:].ravel()
            products = np.empty(m * n_below)
            dispatch.predict.predict(*pairs, vectors, vectors, zeros, zeros, 0.0, products)
            column -= products.reshape(m, n_below)
        column /= np.sqrt(column[:, 0]).repeat(n_below).reshape(m, n_below)
        lower[:, k:, k] = column
    solution = lower[:, s].copy()
    for k in range(s - 1, -1, -1):
        solution[:, k] /= lower[:, k, k]
        if k:
            solution[:, :k] -= lower[:, k, :k] * solution[:, k].repeat(k).reshape(m, k)
    return solution


def _solve_dual(X: Doubles, residuals: Doubles, diagonals: Doubles) -> Doubles:
    """Solve the dual equations, (Z Zᵀ + I) a = r, w = D^-½ Zᵀ a with Z = X D^-½."""
    m, n, width = X.shape
    roots = np.sqrt(diagonals)
    Z = X / np.repeat(roots, n, axis=0).reshape(X.shape)
    equations = np.zeros((m, n + 1, n))
    _put_products(Z, equations)
    for t in range(n):
        equations[:, t, t] += 1.0
    equations[:, n] = residuals
    a = solve_positive_definite(equations)
    w: Doubles = (Z * np.repeat(a, width).reshape(Z.shape)).sum(axis=1) / roots
    return w


def _normal_equations(X: Doubles, residuals: Doubles, diagonals: Doubles) -> Doubles:
    """Return the normal equations (XᵀX + D) w = Xᵀ r."""
    m, n, width = X.shape
    columns = np.empty((m, width + 1, n))
    columns[:, :width], columns[:, width] = X.mT, residuals
    equations = np.zeros((m, width + 1, width + 1))
    _put_products(columns, equations)
    for k in range(width):
        equations[:, k, k] += diagonals[:, k]
    return equations[..., :width]


def _put_products(vectors: Doubles, out: Doubles) -> None:
    """Write the dot products of all pairs of vectors to the lower triangle of each matrix."""
    m, s, n = vectors.shape
    i, j = np.tril_indices(s)
    first = np.repeat(np.arange(m, dtype=np.int32) * np.int32(s), len(i))
    left, right = (np.tile(index.astype(np.int32), m) + first for index in (i, j))
    products, zeros, rows = np.empty(len(first)), np.zeros(m * s), vectors.reshape(-1, n)
    dispatch.predict.predict(left, right, rows, rows, zeros, zeros, 0.0, products)
    out[:, i, j] = products.reshape(m, -1)
