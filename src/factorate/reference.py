"""The specification: every rule of the library in plain NumPy and loops.

Slow on purpose. The compiled kernels are held to these functions, which visit ratings in the order
they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Rows = NDArray[np.integer[Any]]
    Each = float | Sequence[float] | Floats  # for all, or for each kind of parameter


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
        WarmStart factors, shapes (n_users, K) and (n_items, K); left untouched.
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


def descent(loss: str, rating: float, predicted: float, width: float = 1.0) -> float:
    """Return minus the derivative of a loss by the prediction.

    The losses are those of :func:`factorate.losses.mean_loss`. Margin losses take ratings of −1
    and 1; `width` is that of Huber's loss, and the minimum prediction under Kullback–Leibler.

    Examples
    --------
    >>> descent("squared", 3.0, 2.5), descent("absolute", 3.0, 2.5), descent("hinge", -1.0, 0.0)
    (0.5, 1.0, -1.0)
    """
    residual, margin = rating - predicted, rating * predicted
    if loss == "squared":
        return residual
    if loss == "absolute":
        return float(np.sign(residual))
    if loss == "huber":
        return min(max(residual, -width), width)
    if loss == "logistic":
        return float(rating / (1 + np.exp(margin)))
    if loss == "hinge":
        return rating if margin < 1 else 0.0
    if loss == "squared_hinge":
        return residual if margin < 1 else 0.0
    return rating / max(predicted, width) - 1  # kullback_leibler


def shrink(x: Floats, cut: float, minimum: float = -np.inf) -> Floats:
    """Apply the proximal operator of ``cut |x|`` and of the bound x ≥ `minimum`.

    The proximal operator of L1 (Duchi and Singer, "Efficient Online and Batch Learning Using
    Forward Backward Splitting", JMLR 10, 2009, eq. 19), and of a bound.

    Examples
    --------
    >>> import numpy as np
    >>> shrink(np.array([-2.0, 0.5, 3.0]), cut=1.0)
    array([-1.,  0.,  2.])
    """
    return np.maximum(x - np.clip(x, -cut, cut), minimum)


def train_epoch(
    users: Rows,
    items: Rows,
    ratings: Floats,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    rates: Each,
    l2: Each,
    fit_bias: bool = True,
    *,
    l1: Each = 0.0,
    weights: Floats | None = None,
    loss: str = "squared",
    width: float = 1.0,
    nonnegative: bool = False,
    accumulators: tuple[Floats, Floats] | None = None,
) -> float:
    """Visit every rating once, in order, and move the factors and biases in place.

    One visit, with rate η and regularization λ (L2-regularized matrix factorization with biases,
    Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE
    Computer 42(8), 2009, eq. 5)::

        e = r − b_u − b_i − p·q
        p ← p + η (e q − λ p)
        q ← q + η (e p_old − λ q)
        b ← b + η (e − λ b)

    Another loss has another e, minus its derivative by the prediction. A weight w makes it w e and
    w λ. Under L1 each step ends in `shrink`. AdaGrad (Duchi, Hazan and Singer, JMLR 12, 2011),
    with one sum a row, divides η by the root of the sum of squared gradients so far, then adds the
    one of this visit.

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
    rates, l2, l1
        η, λ and the penalty of absolute values: one number, or four for user factors, item factors,
        user biases and item biases.
    fit_bias
        Whether biases take part.
    weights
        Shape (n,), or None for 1.
    loss, width
        As for `descent`.
    nonnegative
        Whether factors and biases stay ≥ 0.
    accumulators
        For AdaGrad, shapes (n_users, 2) and (n_items, 2): sums of the squared gradients of a
        row's factors and of its bias; changed.

    Returns
    -------
    float
        Sum of the squared errors r − r̂, each taken before its visit.

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
    base, pull, push = (np.broadcast_to(np.asarray(each, float), 4) for each in (rates, l2, l1))
    minimum = 0.0 if nonnegative else -np.inf
    for t, (u, i, r) in enumerate(zip(users, items, ratings, strict=True)):
        w = 1.0 if weights is None else float(weights[t])
        p, q = P[u].copy(), Q[i].copy()
        predicted = np.dot(p, q) + (user_bias[u] + item_bias[i] if fit_bias else 0.0)
        e = w * descent(loss, float(r), float(predicted), width)
        rate = base
        if accumulators is not None:
            user_accumulators, item_accumulators = accumulators[0][u], accumulators[1][i]
            past = np.array(
                [
                    user_accumulators[0],
                    item_accumulators[0],
                    user_accumulators[1],
                    item_accumulators[1],
                ]
            )
            rate = base / np.sqrt(past)
        down = e * q - w * pull[0] * p, e * p - w * pull[1] * q
        P[u] = shrink(p + rate[0] * down[0], w * rate[0] * push[0], minimum)
        Q[i] = shrink(q + rate[1] * down[1], w * rate[1] * push[1], minimum)
        slopes = e - w * pull[2] * user_bias[u], e - w * pull[3] * item_bias[i]
        if fit_bias:
            new_bias = user_bias[u] + rate[2] * slopes[0]
            user_bias[u] = shrink(new_bias, w * rate[2] * push[2], minimum)
            new_bias = item_bias[i] + rate[3] * slopes[1]
            item_bias[i] = shrink(new_bias, w * rate[3] * push[3], minimum)
        if accumulators is not None:
            user_accumulators += [down[0] @ down[0], slopes[0] ** 2 if fit_bias else 0.0]
            item_accumulators += [down[1] @ down[1], slopes[1] ** 2 if fit_bias else 0.0]
        squared += float(r - predicted) ** 2
    return squared


def add_svdpp_terms(users: Rows, items: Rows, own: Floats, Y: Floats) -> NDArray[np.float64]:
    """Return ``p̃_u = p_u + |N(u)|^-½ Σ_{j ∈ N(u)} y_j``, shape (n_users, K).

    SVD++ terms of SVD++ (Koren, "Factorization Meets the Neighborhood", KDD 2008, eq. 15).

    Parameters
    ----------
    users, items
        Row of each rating, shape (n,): N(u) are the items of user u.
    own
        p, shape (n_users, K).
    Y
        y, shape (n_items, K).

    Examples
    --------
    >>> import numpy as np
    >>> users, items = np.zeros(4, int), np.arange(4)
    >>> add_svdpp_terms(users, items, np.array([[1.0]]), np.array([[1.0], [2.0], [3.0], [4.0]]))
    array([[6.]])
    """
    out = np.array(own, np.float64)
    for u in np.unique(users):
        rated = items[users == u]
        out[u] += len(rated) ** -0.5 * np.sum(Y[rated], axis=0)
    return out


def train_svdpp_epoch(
    users: Rows,
    items: Rows,
    ratings: Floats,
    groups: Sequence[slice],
    shares: Sequence[float],
    own: Floats,
    Q: Floats,
    Y: Floats,
    user_bias: Floats,
    item_bias: Floats,
    rates: Each,
    l2: Each,
    fit_bias: bool = True,
    *,
    l1: Each = 0.0,
    weights: Floats | None = None,
    loss: str = "squared",
    width: float = 1.0,
) -> float:
    """Visit every rating once with SVD++ terms, one group of users after another.

    The users of a group are visited by `train_epoch` with p̃_u in the place of p_u, without
    regularization of it. Then the way d_u that p̃_u went is parted by the share s of the group::

        p_u ← (1 − η λ)^|N(u)| (p_u + (1 − s) d_u)
        y_j ← y_j + s Σ_u |N(u)|^-½ d_u             over the users u of the group who rated j

    and after all groups each y_j shrinks by 1 − η λ for each of its ratings. A weight w of a rating
    makes it (1 − η λ)^w.

    Parameters
    ----------
    users, items, ratings
        As for `train_epoch`.
    groups
        Which ratings belong to each group; those of a user are in one group.
    shares
        Share of each group.
    own, Q, Y
        p, q and y, shapes (n_users, K), (n_items, K) and (n_items, K); changed.
    user_bias, item_bias, rates, l2, fit_bias, l1, weights, loss, width
        As for `train_epoch`; η and λ of user factors are those of p and y.

    Returns
    -------
    float
        Sum of the squared errors, each taken before its visit.

    Examples
    --------
    >>> import numpy as np
    >>> row, own, Q, Y = np.array([0]), np.array([[1.0]]), np.array([[2.0]]), np.zeros((1, 1))
    >>> how = row, row, np.array([3.0]), [slice(0, 1)], [0.25], own, Q, Y, np.zeros(1), np.zeros(1)
    >>> train_svdpp_epoch(*how, rates=0.1, l2=0.0, fit_bias=False)
    1.0
    >>> own.round(2), Y.round(2)
    (array([[1.15]]), array([[0.05]]))
    """
    squared = 0.0
    rate, decay = (np.broadcast_to(np.asarray(each, float), 4) for each in (rates, l2))
    keep = max(0.0, 1 - rate[0] * decay[0])
    w = np.ones(len(users)) if weights is None else np.asarray(weights, np.float64)
    for group, share in zip(groups, shares, strict=True):
        some_users, some_items = users[group], items[group]
        before = add_svdpp_terms(some_users, some_items, own, Y)
        after = before.copy()
        squared += train_epoch(
            some_users, some_items, ratings[group], after, Q, user_bias, item_bias,
            rate, [0.0, *decay[1:]], fit_bias,
            l1=l1, weights=None if weights is None else w[group], loss=loss, width=width,
        )  # fmt: skip
        for u in np.unique(some_users):
            rated = some_users == u
            way = after[u] - before[u]
            own[u] = keep ** np.sum(w[group][rated]) * (own[u] + (1 - share) * way)
            for j in some_items[rated]:
                Y[j] += share * np.sum(rated) ** -0.5 * way
    for j in np.unique(items):
        Y[j] *= keep ** np.sum(w[items == j])
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
    Y: Floats | None = None,
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
    Y
        Implicit factors of the items, shape (n_items, K): then the result is p̃, and p' in the
        penalty is what it has beyond ``|N|^-½ Σ_j y_j``.

    Examples
    --------
    >>> import numpy as np
    >>> item, Q = np.array([0]), np.array([[1.0]])
    >>> fold_in(item, np.array([4.0]), Q, np.zeros(1), 3.0, 1.0, 1.0, fit_bias=False)
    (array([0.5]), 0.0)
    """
    K = Q.shape[1]
    terms = np.zeros(K) if Y is None else len(items) ** -0.5 * np.sum(Y[items], axis=0)
    A, y = np.zeros((K + 1, K + 1)), np.zeros(K + 1)
    for i, r in zip(items, ratings, strict=True):
        z = (r - mean - item_bias[i] - np.dot(terms, Q[i])) / scale
        x = np.append(Q[i] / np.sqrt(scale), 1.0 if fit_bias else 0.0)
        A += np.outer(x, x) + regularization * np.eye(K + 1)
        y += z * x
    w = np.linalg.solve(A, y)
    return terms + w[:K] * np.sqrt(scale), float(w[K] * scale)


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
