"""The specification: every rule of the library in plain NumPy and loops.

Slow on purpose. The compiled kernels are held to these functions, which visit ratings in the order
they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Rows = NDArray[np.integer[Any]]


def matrix_factorization(
    R: Floats,
    P: Floats,
    Q: Floats,
    K: int,
    steps: int = 5000,
    alpha: float = 0.0002,
    beta: float = 0.02,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factorize the positive entries of a dense matrix by the textbook's loop.

    Parameters
    ----------
    R
        Ratings, shape (n_users, n_items); entries > 0 are observed.
    P, Q
        Start factors, shapes (n_users, K) and (n_items, K); left untouched.
    K
        Number of factors.
    steps
        Passes over the observed entries, row by row.
    alpha, beta
        Learning rate and regularization. Gradients keep the 2 of the squared error, and the new
        p_uk already moves q_ki.

    Returns
    -------
    P, Q
        New float64 arrays.

    Examples
    --------
    >>> import factorate as ft
    >>> R, P, Q = ft.datasets.textbook()
    >>> P, Q = matrix_factorization(R, P, Q, K=3, steps=10)
    >>> P.shape, Q.shape
    ((6, 3), (4, 3))
    """
    p, q = np.array(P, np.float64), np.array(Q, np.float64)
    for _ in range(steps):
        for u in range(R.shape[0]):
            for i in range(R.shape[1]):
                if R[u, i] > 0:
                    e = R[u, i] - np.dot(p[u, :], q[i, :])
                    for k in range(K):
                        p[u, k] = p[u, k] + alpha * (2 * e * q[i, k] - beta * p[u, k])
                        q[i, k] = q[i, k] + alpha * (2 * e * p[u, k] - beta * q[i, k])
    return p, q


def train_epoch(
    users: Rows,
    items: Rows,
    ratings: Floats,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    rate: float,
    regularization: float,
    fit_bias: bool = True,
) -> float:
    """Visit every rating once, in order, and move the factors and biases in place.

    One visit, with rate η and regularization λ (L2-regularized matrix factorization with biases,
    Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE
    Computer 42(8), 2009, eq. 5)::

        e = r − b_u − b_i − p·q
        p ← p + η (e q − λ p)
        q ← q + η (e p_old − λ q)
        b ← b + η (e − λ b)

    Parameters
    ----------
    users, items
        Row of each rating, shape (n,).
    ratings
        Centred and scaled values, shape (n,).
    P, Q
        Factors, shapes (n_users, K) and (n_items, K); changed.
    user_bias, item_bias
        Biases, shapes (n_users,) and (n_items,); changed if `fit_bias`.
    rate, regularization
        η and λ.
    fit_bias
        Whether biases take part.

    Returns
    -------
    float
        Sum of the squared errors, each taken before its visit.

    Examples
    --------
    >>> import numpy as np
    >>> row, P, Q, zero = np.array([0]), np.array([[1.0]]), np.array([[2.0]]), np.zeros(1)
    >>> train_epoch(row, row, np.array([3.0]), P, Q, zero, zero, 0.1, 0.0, fit_bias=False)
    1.0
    >>> P, Q
    (array([[1.2]]), array([[2.1]]))
    """
    squared = 0.0
    for u, i, r in zip(users, items, ratings, strict=True):
        p, q = P[u].copy(), Q[i].copy()
        e = r - np.dot(p, q)
        if fit_bias:
            e -= user_bias[u] + item_bias[i]
            user_bias[u] += rate * (e - regularization * user_bias[u])
            item_bias[i] += rate * (e - regularization * item_bias[i])
        P[u] += rate * (e * q - regularization * p)
        Q[i] += rate * (e * p - regularization * q)
        squared += float(e) ** 2
    return squared


def predict(
    users: Rows,
    items: Rows,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    mean: float,
) -> NDArray[np.float64]:
    """Return μ + b_u + b_i + p_u·q_i for each pair, shape (n,).

    Examples
    --------
    >>> import numpy as np
    >>> zero, one = np.array([0]), np.ones((1, 2))
    >>> predict(zero, zero, one, one, np.array([0.5]), np.array([0.25]), 3.0)
    array([5.75])
    """
    return np.array(
        [
            mean + user_bias[u] + item_bias[i] + np.dot(P[u], Q[i])
            for u, i in zip(users, items, strict=True)
        ],
        np.float64,
    )


def fold_in(
    items: Rows,
    ratings: Floats,
    Q: Floats,
    item_bias: Floats,
    mean: float,
    scale: float,
    regularization: float,
    fit_bias: bool = True,
) -> tuple[NDArray[np.float64], float]:
    """Return the factors and the bias that fit the ratings of one user best, the items being fixed.

    They minimize the objective of training, whose z = (r − μ) / s, p' = p / √s, b' = b / s::

        ½ Σ_j [ (z_j − b'_j − b' − p'·q'_j)² + λ (|p'|² + b'²) ]

    Parameters
    ----------
    items, ratings
        Rows of the items and their ratings, shape (n,), n > 0.
    Q, item_bias
        Factors and biases of the items, shapes (n_items, K) and (n_items,).
    mean, scale
        μ and s.
    regularization
        λ > 0.
    fit_bias
        Whether users have biases.

    Examples
    --------
    >>> import numpy as np
    >>> item, Q = np.array([0]), np.array([[1.0]])
    >>> fold_in(item, np.array([4.0]), Q, np.zeros(1), 3.0, 1.0, 1.0, fit_bias=False)
    (array([0.5]), 0.0)
    """
    K = Q.shape[1]
    A, y = np.zeros((K + 1, K + 1)), np.zeros(K + 1)
    for i, r in zip(items, ratings, strict=True):
        z = (r - mean - item_bias[i]) / scale
        x = np.append(Q[i] / np.sqrt(scale), 1.0 if fit_bias else 0.0)
        A += np.outer(x, x) + regularization * np.eye(K + 1)
        y += z * x
    w = np.linalg.solve(A, y)
    return w[:K] * np.sqrt(scale), float(w[K] * scale)


def best(scores: Floats, n: int) -> tuple[Rows, Floats]:
    """Return the n best of a row of scores, best first, equal ones in their order.

    Where there are fewer than n that are not NaN or −inf, rows are −1 and scores NaN.

    Examples
    --------
    >>> import numpy as np
    >>> best(np.array([1.0, 3.0, np.nan, 3.0]), 4)
    (array([ 1,  3,  0, -1]), array([ 3.,  3.,  1., nan]))
    """
    rows, found = np.full(n, -1), np.full(n, np.nan, scores.dtype)
    eligible = np.flatnonzero(scores > -np.inf)
    order = eligible[np.argsort(-scores[eligible], kind="stable")][:n]
    rows[: len(order)], found[: len(order)] = order, scores[order]
    return rows, found
