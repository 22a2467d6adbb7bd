"""The reference rule on a whole matrix: the loop of the textbook, compiled."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate import frames
from factorate.kernels import active
from factorate.ratings import check_numeric

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
        wide DataFrame. Entries > 0 are observed, all others are not.
    P, Q
        Start factors, shapes (n_users, K) and (n_items, K); left untouched.
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
    from factorate.exceptions import DivergenceError

    users, items, ratings, shape = _observed(R)
    n_factors = check_count("K", K, 1)
    n_steps = check_count("steps", steps, 0)
    check_number("alpha", alpha, above=0)
    check_number("beta", beta, least=0)
    P = _start("P", P, (shape[0], n_factors))
    Q = _start("Q", Q, (shape[1], n_factors))
    if not len(ratings):
        return P, Q
    per_call = max(1, WORK_PER_CALL // (len(ratings) * (n_factors + 8)))
    for done in range(0, n_steps, per_call):
        todo = min(per_call, n_steps - done)
        active.train_textbook(users, items, ratings, P, Q, todo, float(alpha), float(beta))
        if not (np.isfinite(P).all() and np.isfinite(Q).all()):
            raise DivergenceError(
                f"the factors left the finite numbers within {done + todo} steps with "
                f"alpha={alpha!r}; try half of it"
            )
    return P, Q


def check_count(name: str, value: object, least: int) -> int:
    """Return `value` as an int, or raise TypeError or ValueError naming it."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} is {value!r}; expected an integer ≥ {least}")
    if value < least:
        raise ValueError(f"{name} is {value}; expected an integer ≥ {least}")
    return int(value)


def check_number(
    name: str, value: object, *, least: float | None = None, above: float | None = None
) -> float:
    """Return `value` as a float, or raise TypeError or ValueError naming it."""
    bound = f"> {above}" if above is not None else f"≥ {least}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}; expected a finite number {bound}")
    number = float(value)
    too_low = number <= above if above is not None else least is not None and number < least
    if not math.isfinite(number) or too_low:
        raise ValueError(f"{name} is {value}; expected a finite number {bound}")
    return number


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
    if type(R).__module__.startswith("scipy.sparse"):
        stored = R.tocoo(copy=True)
        stored.sum_duplicates()  # a sum is what such a matrix means, and it sorts by column
        users, items, values, shape = stored.row, stored.col, stored.data, stored.shape
        check_numeric(values, "R")
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            where = f"R[{users[bad[0]]}, {items[bad[0]]}]"
            raise ValueError(f"{where} is {values[bad[0]]}; expected finite numbers")
        keep = np.flatnonzero(values > 0)
        keep = keep[np.lexsort((items[keep], users[keep]))]
        users, items, values = users[keep], items[keep], values[keep]
    else:
        matrix = _matrix(R)
        shape = matrix.shape
        users, items = np.nonzero(matrix > 0)
        values = matrix[users, items]
    return (
        np.ascontiguousarray(users, np.int32),
        np.ascontiguousarray(items, np.int32),
        np.ascontiguousarray(values, np.float64),
        (int(shape[0]), int(shape[1])),
    )


def _matrix(R: Any) -> NDArray[Any]:
    if not isinstance(R, np.ndarray | list | tuple):
        frame = frames.to_frame(R)
        R = R if frame is None else frame.to_numpy()
    matrix = np.asarray(R)
    check_numeric(matrix, "R")
    if matrix.ndim != 2:
        raise ValueError(f"R has shape {matrix.shape}; expected (n_users, n_items)")
    _check_finite(matrix, "R")
    return matrix
