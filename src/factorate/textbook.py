"""The reference rule on a whole matrix: the loop of the textbook, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.frame_columns import to_frame
from factorate._input.row_counts import count_rows
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

# Products between two looks for Ctrl-C: some tens of milliseconds.
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

    For every entry r_ui > 0 of R in row-major order, `steps` times over::

        e = r_ui − p_u · q_i
        for k in range(K):
            p_uk ← p_uk + alpha (2 e q_ki − beta p_uk)
            q_ki ← q_ki + alpha (2 e p_uk − beta q_ki)    # p_uk is already the new one

    These are the gradients of e² + beta/2 (p_u · p_u + q_i · q_i); `factorate.reference` has the
    same rule in plain NumPy.

    Parameters
    ----------
    R
        Ratings, shape (n_users, n_items): an array, a scipy.sparse matrix (never made dense) or a
        wide DataFrame. Entries > 0 are observed, all others are not; a sparse matrix that stores
        an entry twice means their sum.
    P, Q
        WarmStart factors, shapes (n_users, K) and (n_items, K); left untouched.
    K
        Number of factors.
    steps
        Passes over the observed entries.
    alpha, beta
        Learning rate and regularization.

    Returns
    -------
    P, Q : ndarray
        The factors, new float64 arrays; ``P @ Q.T`` is the filled matrix.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is NaN or infinite, `K` < 1, `steps` < 0, or `alpha` or
        `beta` is out of range.
    TypeError
        If an argument does not hold real numbers.
    DivergenceError
        If the factors leave the finite numbers.

    Notes
    -----
    The start decides which minimum is found. From the one of :func:`factorate.datasets.textbook`
    every observed entry comes back to within 0.2; of 1000 uniform random starts a third miss that
    somewhere.

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
    P = _start("P", P, (shape[0], n_factors))
    Q = _start("Q", Q, (shape[1], n_factors))
    if not len(ratings):
        return P, Q
    per_call = max(1, WORK_PER_CALL // (len(ratings) * (n_factors + 8)))
    for done in range(0, n_steps, per_call):
        todo = min(per_call, n_steps - done)
        dispatch.textbook.train(users, items, ratings, P, Q, todo, float(alpha), float(beta))
        if not (np.isfinite(P).all() and np.isfinite(Q).all()):
            raise DivergenceError(
                f"the factors left the finite numbers within {done + todo} steps with "
                f"alpha={alpha!r}; try half of it"
            )
    return P, Q


def _start(name: str, factors: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    array = np.asarray(factors)
    check_numeric(array, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; R and K ask for {shape}")
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
    """Return rows, columns and values of the entries > 0 in row-major order."""
    if is_sparse(R):
        users, items, values, shape = _summed(R)
    else:
        matrix = _matrix(R)
        shape = check_shape(matrix.shape, "R")
        users, items = np.nonzero(matrix > 0)
        values = matrix[users, items]
    users, items = (np.ascontiguousarray(rows, np.int32) for rows in (users, items))
    # What the kernel does not check is proved here, whatever made the matrix.
    for rows, n, what in ((users, shape[0], "user"), (items, shape[1], "item")):
        count_rows(rows, n, what)
    return users, items, np.ascontiguousarray(values, np.float64), shape


def _summed(R: Any) -> tuple[Any, Any, Any, tuple[int, int]]:
    """Return the entries > 0 of a sparse matrix, duplicates summed as such a matrix means them."""
    shape = check_shape(R.shape, "R")
    check_numeric(R.tocoo().data, "R")
    stored = R.tocoo().astype(np.float64)  # a sum of small integers would wrap
    stored.sum_duplicates()
    users, items, values = stored.row, stored.col, stored.data
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        where = f"R[{users[bad[0]]}, {items[bad[0]]}]"
        raise ValueError(f"{where} is {values[bad[0]]}; expected finite numbers")
    keep = np.flatnonzero(values > 0)
    keep = keep[np.lexsort((items[keep], users[keep]))]
    return users[keep], items[keep], values[keep], shape


def _matrix(R: Any) -> NDArray[Any]:
    if not isinstance(R, np.ndarray | list | tuple):
        frame = to_frame(R)
        R = R if frame is None else frame.to_numpy()
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
