"""Ratings to learn with: the textbook's matrix, and synthetic ratings of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate.checks import check_count, check_number
from factorate.schedule import stream, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

MEAN = 3.5
BIAS_SPREAD = 0.3
CHUNK = 1 << 20


def textbook() -> tuple[Matrix, Matrix, Matrix]:
    """Return the 6 × 4 example and a start with three factors.

    Returns
    -------
    R : ndarray
        Shape (6, 4), 0 where a rating is missing.
    P, Q : ndarray
        Shapes (6, 3) and (4, 3). From here :func:`factorate.matrix_factorization` brings every
        observed entry back to within 0.2.

    Examples
    --------
    >>> R, P, Q = textbook()
    >>> R[0]
    array([5., 3., 0., 1.])
    """
    R = [[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [1, 0, 0, 4], [0, 1, 5, 4], [2, 1, 3, 0]]
    P = [
        [0.33, 0.99, 0.32], [0.79, 0.87, 0.39], [0.44, 0.37, 0.11],
        [0.48, 0.24, 0.26], [0.18, 0.19, 0.81], [0.42, 0.26, 0.59],
    ]  # fmt: skip
    Q = [[0.6, 0.65, 0.91], [0.15, 0.37, 0.28], [0.02, 0.18, 0.39], [0.39, 0.62, 0.45]]
    return np.array(R, np.float64), np.array(P), np.array(Q)


def synthetic(
    n_ratings: int = 1_000_000,
    n_users: int = 5_000,
    n_items: int = 2_000,
    n_factors: int = 8,
    noise: float = 0.5,
    random_state: int = 0,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Make ratings that follow the model, with a known noise floor.

    r = 3.5 + b_u + b_i + p_u · q_i + noise · z, where z is standard normal, each bias has a
    standard deviation of 0.3, p·q has one of 1, and no pair comes twice. Activity of users and
    popularity of items are skewed, as in real data. No predictor has a lower expected RMSE on
    unseen ratings than `noise`.

    Parameters
    ----------
    n_ratings, n_users, n_items
        How many; at most half of all pairs are rated.
    n_factors
        True number of factors.
    noise
        Standard deviation of the noise, in the unit of the ratings.
    random_state
        Seed.

    Returns
    -------
    users, items : ndarray
        int32 ids below `n_users` and `n_items`, shape (n_ratings,), in random order.
    ratings : ndarray
        float32, shape (n_ratings,).

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.

    Examples
    --------
    >>> users, items, ratings = synthetic(n_ratings=1000, n_users=100, n_items=50)
    >>> len(ratings), ratings.dtype
    (1000, dtype('float32'))
    """
    for name, value in (("n_users", n_users), ("n_items", n_items), ("n_factors", n_factors)):
        check_count(name, value, 1)
    check_count("n_ratings", n_ratings, 1)
    check_count("random_state", random_state, 0)
    check_number("noise", noise, least=0)
    if 2 * n_ratings > n_users * n_items:
        raise ValueError(
            f"n_ratings is {n_ratings}, more than half of the {n_users} × {n_items} pairs; ask for "
            f"fewer ratings or more users or items"
        )
    pairs = _skewed_pairs(n_ratings, n_users, n_items, random_state)
    users, items = (rows.astype(np.int32) for rows in np.divmod(pairs, n_items))
    P, Q = (
        _normal(n * n_factors, random_state, side).reshape(n, n_factors) / n_factors**0.25
        for side, n in enumerate((n_users, n_items))
    )
    user_bias, item_bias = (
        BIAS_SPREAD * _normal(n, random_state, side)
        for side, n in enumerate((n_users, n_items), start=2)
    )
    ratings = np.empty(n_ratings, np.float32)
    for first in range(0, n_ratings, CHUNK):
        part = slice(first, first + CHUNK)
        u, i = users[part], items[part]
        exact = MEAN + user_bias[u] + item_bias[i] + np.einsum("nk,nk->n", P[u], Q[i])
        ratings[part] = exact + noise * _normal(len(u), random_state, 4, first)
    return users, items, ratings


def _normal(n: int, seed: int, *purpose: int) -> Matrix:
    """Draw standard normals from raw output by the Box–Muller transform."""
    bits = stream(seed, *purpose)
    half = -(-n // 2)
    radius = np.sqrt(-2 * np.log1p(-uniform(half, bits)))
    angle = 2 * np.pi * uniform(half, bits)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]


def _skewed_pairs(n: int, n_users: int, n_items: int, seed: int) -> NDArray[np.int64]:
    """Draw `n` distinct pairs, numbered row by row, in random order."""
    # The square of a uniform number makes the density of low rows the highest.
    pairs = np.empty(0, np.int64)
    bits = stream(seed, 5)
    n_drawn = n + n // 4 + 1000
    while len(pairs) < n:
        users = (uniform(n_drawn, bits) ** 2 * n_users).astype(np.int64)
        items = (uniform(n_drawn, bits) ** 2 * n_items).astype(np.int64)
        # Sorting in place takes a sixth of the time of np.unique, which hashes first.
        pairs = np.concatenate([pairs, users * n_items + items])
        pairs.sort()
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
    order = np.argsort(bits.random_raw(len(pairs)), kind="stable")
    return pairs[order[:n]]
