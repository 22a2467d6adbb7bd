"""Compute the factors of a fold-in exactly, by one ridge regression for each row.

With the other side fixed, the objective of training is one ridge regression for each user or item
(Zhou, Wilkinson, Schreiber and Pan, "Large-Scale Parallel Collaborative Filtering for the Netflix
Prize", AAIM 2008, section 3.1, where the penalty is weighted by the number of ratings, too).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from factorate._fitted.fold_in_problem import FixedSide, RowRatings
    from factorate._utils.types import Doubles, Floats, Offsets, Rows


CELLS = 1 << 18  # numbers of the equations that are set up at a time
SLAB = 1 << 13  # ratings of one row that are read at a time
MAX_EXPONENT = 60  # scales beyond 2**±60 are rescaled before the equations are set up
MAX_PENALTY = 1e100  # a higher one gives the same zeros
MIN_PENALTY = 1e-8  # below it, the equations can be singular in float64
MIN_EIGENVALUE = 1e-10  # relative to the largest; a smaller one is rounding


@dataclass(frozen=True)
class Penalty:
    """L2 regularization of the new rows, on the scale of training.

    Attributes
    ----------
    factors, bias : float
        λ, the regularization of each rating.
    factor_shrinkage, bias_shrinkage : float
        c, the regularization of each row.
    """

    factors: float
    bias: float
    factor_shrinkage: float
    bias_shrinkage: float

    def total(self, n: int) -> tuple[float, float]:
        """Return λ n + c of the factors and of the bias of a row with n ratings."""
        return (
            min(self.factors * n + self.factor_shrinkage, MAX_PENALTY),
            min(self.bias * n + self.bias_shrinkage, MAX_PENALTY),
        )


def solve_exactly(
    fixed: FixedSide,
    ratings: RowRatings,
    penalty: Penalty,
    *,
    cells: int = CELLS,
    slab: int = SLAB,
) -> tuple[Doubles, Doubles]:
    """Minimize the objective of training over rows whose other side is fixed.

    Let X have a row for each item that a user rated, its factors followed by 1, and w be the user's
    factors followed by the bias, all on the scale of the ratings, whose standard deviation is s.
    Since factors are √s times those of training, and biases s times::

        w = (XᵀX + D)⁻¹ Xᵀ (r − μ − b_items),
        D = diag(s (λ n + c), …, s (λ n + c), λ_bias n + c_bias)

    Without regularization, w is the shortest of the best solutions.

    Parameters
    ----------
    fixed : FixedSide
        The other side.
    ratings : RowRatings
        The ratings of the new rows.
    penalty : Penalty
        λ and c.
    cells : int, default=2**18
        Numbers of the equations that are set up at a time.
    slab : int, default=2**13
        Ratings of one row that are read at a time.

    Returns
    -------
    factors, bias : ndarray
        Shapes (n_rows, K) and (n_rows,); zeros for rows without ratings. A row depends only on its
        own ratings, in any order (without duplicates).
    """
    n_factors, n_rows = fixed.factors.shape[1], ratings.n_rows
    width = n_factors + fixed.fit_bias
    regressions = make_regressions(fixed, ratings)
    factors, counts, starts = regressions.factors, regressions.counts, regressions.starts
    by_count = np.argsort(counts, kind="stable")
    solutions = np.zeros((n_rows, n_factors + 1))  # in the order of by_count
    changes = np.flatnonzero(np.diff(counts.take(by_count), prepend=0)).tolist()
    for begin, end in itertools.pairwise([*changes, n_rows]):
        n = int(counts[by_count[begin]])
        of_factors, of_bias = penalty.total(n)
        diagonal = regressions.diagonal(penalty, n)
        regular = min([of_factors, of_bias][: 1 + fixed.fit_bias]) >= n * MIN_PENALTY
        n_batch = max(1, cells // (width * max(width, min(n, slab))))
        for first in range(begin, end, n_batch):
            batch = slice(first, min(first + n_batch, end))
            n_same = batch.stop - batch.start
            flat = np.repeat(starts.take(by_count[batch]), n)
            flat += np.tile(np.arange(n), n_same)
            entries = flat.reshape(n_same, n)
            others = regressions.others.take(entries)
            residuals = regressions.residuals.take(entries)
            equations = _Equations(factors, others, residuals, diagonal)
            with np.errstate(over="ignore", invalid="ignore"):  # the caller checks the solution
                if regular and n < width:
                    solutions[batch, :width] = _solve_dual(equations)
                else:
                    solutions[batch, :width] = _solve_normal(equations, regular, slab)
    return regressions.unscale(solutions.take(np.argsort(by_count), axis=0))


@dataclass(frozen=True, kw_only=True)
class Regressions:
    """The ratings of new rows as ridge regressions, row by row, scaled by a power of two.

    Attributes
    ----------
    factors : ndarray, shape (n, K)
        Factors of the other side, divided by 2**half.
    others : ndarray of int32
        Row of the other side of each rating, ascending for each new row.
    residuals : ndarray of float64
        Ratings minus μ and the bias of the other side, divided by 2**(2 * half).
    counts, starts : ndarray of int64, shape (n_rows,)
        Number of ratings of each new row, and where they begin.
    scale : float
        Divisor of the ratings during training.
    fit_bias : bool
        Whether the new rows have biases.
    half : int
        Half the exponent of the power of two.
    """

    factors: Floats
    others: Rows
    residuals: Doubles
    counts: Offsets
    starts: Offsets
    scale: float
    fit_bias: bool
    half: int

    def diagonal(self, penalty: Penalty, n: int) -> Doubles:
        """Return the diagonal of D for a row with n ratings."""
        of_factors, of_bias = penalty.total(n)
        n_factors = self.factors.shape[1]
        diagonal = np.full(n_factors + self.fit_bias, of_bias)
        diagonal[:n_factors] = math.ldexp(self.scale, -2 * self.half) * of_factors
        return diagonal

    def unscale(self, solutions: Doubles) -> tuple[Doubles, Doubles]:
        """Return the factors and biases of solutions of shape (n_rows, K + 1)."""
        n_factors = self.factors.shape[1]
        with np.errstate(over="ignore"):
            return (
                np.ldexp(solutions[:, :n_factors], self.half),
                np.ldexp(solutions[:, n_factors], 2 * self.half),
            )


def make_regressions(fixed: FixedSide, ratings: RowRatings) -> Regressions:
    """Sort the ratings of new rows, and subtract the predictions by the other side alone."""
    half = _half_exponent(fixed.scale)
    # If a ufunc has to cast or broadcast, NumPy (2.0 to 2.4) allocates its buffers without the GIL,
    # and crashes if memory is short. So here casts stand apart, and operands have equal shapes.
    keys = ratings.rows.astype(np.int64) * np.int64(len(fixed.factors))
    keys += ratings.others.astype(np.int64)
    order = np.argsort(keys, kind="stable")
    others = ratings.others.take(order)
    constant = fixed.mean + fixed.bias.take(others).astype(np.float64)
    values = ratings.values.take(order).astype(np.float64)
    counts = np.bincount(ratings.rows, minlength=ratings.n_rows)
    return Regressions(
        factors=fixed.factors if half == 0 else np.ldexp(fixed.factors.astype(np.float64), -half),
        others=others,
        residuals=np.ldexp(values, -2 * half) - np.ldexp(constant, -2 * half),
        counts=counts,
        starts=np.cumsum(counts) - counts,
        scale=fixed.scale,
        fit_bias=fixed.fit_bias,
        half=half,
    )


def _half_exponent(scale: float) -> int:
    """Return half the exponent of two of a very large or small scale, else 0.

    Ratings are divided by 2**(2 * half) and factors by 2**half, which is exact, so that the
    equations neither overflow nor underflow.
    """
    exponent = math.frexp(scale)[1]
    return exponent // 2 if abs(exponent) > MAX_EXPONENT else 0


@dataclass(frozen=True)
class _Equations:
    """Ridge regressions of rows that have the same number of ratings, n.

    `others` and `residuals` have shape (n_rows, n); `diagonal` is that of D.
    """

    factors: Floats
    others: Rows
    residuals: Doubles
    diagonal: Doubles

    def design(self, columns: slice) -> Doubles:
        """Return X of each row: the factors of the rated rows, then 1 if there is a bias."""
        others = self.others[:, columns]
        X = np.ones((*others.shape, len(self.diagonal)))
        X[..., : self.factors.shape[1]] = self.factors.take(others, axis=0)
        return X


def _solve_normal(equations: _Equations, regular: bool, slab: int) -> Floats:
    """Solve the normal equations, as many as there are parameters."""
    n_rows, n = equations.others.shape
    width = len(equations.diagonal)
    A, y = np.zeros((n_rows, width, width)), np.zeros((n_rows, width, 1))
    for begin in range(0, n, slab):
        columns = slice(begin, begin + slab)
        X = equations.design(columns)
        A += X.mT @ X
        y += X.mT @ equations.residuals[:, columns, None]
    for k in range(width):
        A[:, k, k] += equations.diagonal[k]
    if regular:
        w: Floats = np.linalg.solve(A, y)[..., 0]
        return w
    inverse: Floats = np.linalg.pinv(A, rcond=MIN_EIGENVALUE, hermitian=True)
    return (inverse @ y)[..., 0]


def _solve_dual(equations: _Equations) -> Floats:
    """Solve the dual equations, as many as there are ratings.

    (XᵀX + D)⁻¹ Xᵀ = D⁻¹ Xᵀ (X D⁻¹ Xᵀ + I)⁻¹, as multiplying by both inverses shows.
    """
    n = equations.others.shape[1]
    X = equations.design(slice(None))
    divided = X / np.tile(equations.diagonal, X.size // X.shape[2]).reshape(X.shape)
    A = divided @ X.mT
    for t in range(n):
        A[:, t, t] += 1.0
    w: Floats = divided.mT @ np.linalg.solve(A, equations.residuals[..., None])
    return w[..., 0]
