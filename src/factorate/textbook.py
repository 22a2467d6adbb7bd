"""The textbook's matrix factorization by stochastic gradient descent, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.frame_columns import to_frame
from factorate._input.row_counts import count_rows
from factorate._input.sparse_entries import read_sparse
from factorate._input.wide import read_table
from factorate._kernels import dispatch
from factorate._utils.validation import (
    check_count,
    check_number,
    check_numeric,
    check_rows,
    check_shape,
    is_sparse,
    to_numbers,
)
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Multiplications per call of the kernel, some tens of milliseconds: Ctrl-C acts between calls.
WORK_PER_CALL = 1 << 24


def matrix_factorization(
    R: Any,
    P: ArrayLike,
    Q: ArrayLike,
    K: int,
    steps: int = 5000,
    alpha: float = 0.0002,
    beta: float = 0.02,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factorize the positive entries of a matrix by the textbook's stochastic gradient descent.

    For every entry r_ui > 0 of R in row-major order, `steps` times::

        e = r_ui − p_u · q_i
        for k in range(K):
            p_uk ← p_uk + alpha (2 e q_ki − beta p_uk)
            q_ki ← q_ki + alpha (2 e p_uk − beta q_ki)    # with the new p_uk

    The right-hand sides are gradients of e² + ½ beta (p_u · p_u + q_i · q_i). All arithmetic is in
    float64.

    Parameters
    ----------
    R : array-like, sparse matrix or DataFrame of shape (n_users, n_items)
        Ratings. Entries > 0 are observed, all others are missing. A sparse matrix is never made
        dense; entries it stores more than once are summed. In a DataFrame, such as pandas'
        ``frame.pivot`` returns, NaN is missing, too; a first column named "user" or "userId", as in
        polars, is left out.
    P : array-like of shape (n_users, K)
        Initial factors of the users. The array is not changed.
    Q : array-like of shape (n_items, K)
        Initial factors of the items. The array is not changed.
    K : int
        Number of factors.
    steps : int, default=5000
        Number of passes over the observed entries.
    alpha : float, default=0.0002
        Learning rate, > 0.
    beta : float, default=0.02
        Regularization, ≥ 0.

    Returns
    -------
    P : ndarray of shape (n_users, K)
        Factors of the users, a new float64 array.
    Q : ndarray of shape (n_items, K)
        Factors of the items, a new float64 array. ``P @ Q.T`` is the completed matrix.

    Raises
    ------
    TypeError
        If an argument does not hold real numbers.
    ValueError
        If shapes do not match, a number is NaN or infinite, or an argument is out of range.
    DivergenceError
        If the factors become infinite or NaN.

    See Also
    --------
    MatrixFactorization : The estimator, for large data.
    factorate.reference.matrix_factorization : The same algorithm in plain NumPy.

    Notes
    -----
    The initial factors determine which local minimum is found. From those of
    :func:`factorate.datasets.textbook`, every observed entry is reproduced to within 0.2. About a
    third of 1000 uniform random initial values miss this for some entry.

    Examples
    --------
    >>> import factorate as ft
    >>> R, P, Q = ft.datasets.textbook()
    >>> P, Q = ft.matrix_factorization(R, P, Q, K=3)
    >>> (P @ Q.T).round(1)[0]
    array([5. , 3. , 3.1, 1. ])
    """
    users, items, ratings, shape = _observed(R)
    n_factors = check_count("K", K, 1)
    n_steps = check_count("steps", steps, 0)
    check_number("alpha", alpha, above=0)
    check_number("beta", beta, minimum=0)
    P = _initial("P", P, (shape[0], n_factors))
    Q = _initial("Q", Q, (shape[1], n_factors))
    if not len(ratings):
        return P, Q
    per_call = max(1, WORK_PER_CALL // (len(ratings) * (n_factors + 8)))
    for done in range(0, n_steps, per_call):
        todo = min(per_call, n_steps - done)
        dispatch.textbook.train(users, items, ratings, P, Q, todo, float(alpha), float(beta))
        if not (np.isfinite(P).all() and np.isfinite(Q).all()):
            raise DivergenceError(
                f"the factors are no longer finite after {done + todo} steps with alpha={alpha!r}; "
                f"try half of it"
            )
    return P, Q


def _initial(name: str, factors: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    array = np.asarray(factors)
    check_numeric(array, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; expected {shape}, from R and K")
    _check_finite(array, name)
    return np.array(array, np.float64, order="C")


def _check_finite(array: NDArray[Any], name: str) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        row, column = bad[0].tolist()
        raise ValueError(
            f"{name}[{row}, {column}] is {array[row, column]}; expected finite numbers"
        )


def _observed(
    R: Any,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], tuple[int, int]]:
    """Return rows, columns and values of the entries > 0, in row-major order, and R's shape."""
    if is_sparse(R):
        users, items, values, shape = _summed(R)
    else:
        matrix = _matrix(R)
        shape = check_shape(matrix.shape, "R")
        users, items = np.nonzero(matrix > 0)
        values = matrix[users, items]
    users, items = (np.ascontiguousarray(rows, np.int32) for rows in (users, items))
    # The kernel does not check rows, and a sparse matrix may hold any.
    for rows, n, side in ((users, shape[0], "user"), (items, shape[1], "item")):
        count_rows(rows, n, side)
    return users, items, np.ascontiguousarray(values, np.float64), shape


def _summed(R: Any) -> tuple[Any, Any, Any, tuple[int, int]]:
    """Return the entries > 0 of a sparse matrix, with duplicates summed."""
    users, items, stored, shape = read_sparse(R, "R")
    check_numeric(stored, "R")
    order = np.lexsort((items, users))
    users, items = users[order], items[order]
    values = stored[order].astype(np.float64)  # sums of small integers would overflow
    if len(values):
        is_first = np.append(True, (np.diff(users) != 0) | (np.diff(items) != 0))
        starts = np.flatnonzero(is_first)
        users, items, values = users[starts], items[starts], np.add.reduceat(values, starts)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        where = f"R[{users[bad[0]]}, {items[bad[0]]}]"
        raise ValueError(f"{where} is {values[bad[0]]}; expected finite numbers")
    keep = np.flatnonzero(values > 0)
    return users[keep], items[keep], values[keep], shape


def _matrix(R: Any) -> NDArray[Any]:
    if not isinstance(R, np.ndarray | list | tuple):
        frame = to_frame(R)
        if frame is not None:
            entries = read_table(frame, needs_ids=False).ratings
            R = np.where(np.isnan(entries), 0, entries)
    elif not isinstance(R, np.ndarray):
        check_rows(R)
    if np.ma.isMaskedArray(R):
        R = R.filled(0)
    matrix = np.asarray(R)
    if matrix.dtype == object:
        matrix = to_numbers(matrix, "R", missing=np.nan)
    check_numeric(matrix, "R")
    check_shape(matrix.shape, "R")
    _check_finite(matrix, "R")
    return matrix
