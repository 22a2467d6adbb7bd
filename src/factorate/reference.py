"""Specification of the algorithms: every update rule, in plain NumPy and loops.

These functions are written to be read and are slow. They process ratings in the given order, and
the compiled kernels are tested against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from factorate._utils.types import Floats

    Indices = NDArray[np.integer[Any]]
    Each = float | Sequence[float] | Floats  # one for all, or one for each kind of parameter
    EachRow = float | Sequence[float | Floats]  # and each of them, one number or one for each row


def matrix_factorization(
    R: Floats,
    P: Floats,
    Q: Floats,
    K: int,
    steps: int = 5000,
    alpha: float = 0.0002,
    beta: float = 0.02,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factorize the positive entries of a dense matrix by the textbook's algorithm.

    The gradients keep the factor 2 of the squared error, and the update of q_ki uses the new p_uk.

    Parameters
    ----------
    R : ndarray of shape (n_users, n_items)
        Ratings; entries > 0 are observed.
    P : ndarray of shape (n_users, K)
        Initial factors of the users; not changed.
    Q : ndarray of shape (n_items, K)
        Initial factors of the items; not changed.
    K : int
        Number of factors.
    steps : int, default=5000
        Number of passes over the observed entries, in row-major order.
    alpha : float, default=0.0002
        Learning rate.
    beta : float, default=0.02
        Regularization.

    Returns
    -------
    P : ndarray of shape (n_users, K)
        Factors of the users, a new float64 array.
    Q : ndarray of shape (n_items, K)
        Factors of the items, a new float64 array.

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


def negative_gradient(
    loss: str, rating: float, predicted: float, loss_parameter: float = 1.0
) -> float:
    """Return the negative derivative of a loss with respect to the prediction.

    With the error e = r − r̂ and the margin m = r r̂, the losses are ½ e² ("squared"), abs(e)
    ("absolute"), ½ e² up to δ and δ (abs(e) − ½ δ) above it ("huber"), log(1 + exp(−m))
    ("logistic"), max(0, 1 − m) ("hinge"), ½ max(0, 1 − m)² ("squared_hinge") and
    r log(r / r̂) − r + r̂ ("kullback_leibler").

    Parameters
    ----------
    loss : str
        Name of the loss.
    rating : float
        Rating r, on the scale of training; −1 or 1 for the losses of the margin.
    predicted : float
        Prediction r̂, on the same scale.
    loss_parameter : float, default=1.0
        The δ of "huber", or the minimum to which "kullback_leibler" raises lower predictions.

    Returns
    -------
    float
        The negative derivative; e for the squared loss.

    Examples
    --------
    >>> negative_gradient("squared", 3.0, 2.5), negative_gradient("hinge", -1.0, 0.0)
    (0.5, -1.0)
    """
    residual, margin = rating - predicted, rating * predicted
    if loss == "squared":
        return residual
    if loss == "absolute":
        return float(np.sign(residual))
    if loss == "huber":
        return min(max(residual, -loss_parameter), loss_parameter)
    if loss == "logistic":
        return float(rating / (1 + np.exp(margin)))
    if loss == "hinge":
        return rating if margin < 1 else 0.0
    if loss == "squared_hinge":
        return residual if margin < 1 else 0.0
    return rating / max(predicted, loss_parameter) - 1  # kullback_leibler


def shrink(x: Floats, threshold: float, minimum: float = -np.inf) -> Floats:
    """Apply the proximal operator of ``threshold * |x|`` and of the bound x ≥ `minimum`.

    The former shrinks each number towards 0 (Duchi and Singer, "Efficient Online and Batch Learning
    Using Forward Backward Splitting", JMLR 10, 2009, eq. 19).

    Parameters
    ----------
    x : ndarray
        Numbers.
    threshold : float
        Amount, ≥ 0, by which to shrink them.
    minimum : float, default=-inf
        Lower bound.

    Returns
    -------
    ndarray
        The result, of the shape of `x`.

    Examples
    --------
    >>> import numpy as np
    >>> shrink(np.array([-2.0, 0.5, 3.0]), threshold=1.0)
    array([-1.,  0.,  2.])
    """
    if threshold == 0 and minimum == -np.inf:
        return x
    return np.maximum(x - np.minimum(np.maximum(x, -threshold), threshold), minimum)


def train_epoch(
    users: Indices,
    items: Indices,
    ratings: Floats,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    *,
    rates: EachRow,
    l2: EachRow,
    fit_bias: bool = True,
    l1: Each = 0.0,
    weights: Floats | None = None,
    loss: str = "squared",
    loss_parameter: float = 1.0,
    nonnegative: bool = False,
    accumulators: tuple[Floats, Floats] | None = None,
) -> float:
    """Update factors and biases in place with every rating once, in the given order.

    One update, with learning rate η and penalty λ (Koren, Bell and Volinsky, "Matrix
    Factorization Techniques for Recommender Systems", IEEE Computer 42(8), 2009, eq. 5)::

        e = r − b_u − b_i − p·q
        p ← p + η (e q − λ p)
        q ← q + η (e p_old − λ q)
        b ← b + η (e − λ b)

    With another loss, e is its `negative_gradient`. A weight w multiplies e and λ. With L1
    regularization, each update ends with `shrink`. AdaGrad (Duchi, Hazan and Singer, JMLR 12, 2011;
    one accumulator per row, as in Chin et al., PAKDD 2015) divides η by the root of the squared
    gradients accumulated so far, and then adds those of this update. `row_rates` and
    `row_penalties` return the η and λ of each row by its number of ratings.

    Parameters
    ----------
    users : ndarray of shape (n_ratings,)
        Row of each rating's user.
    items : ndarray of shape (n_ratings,)
        Row of each rating's item.
    ratings : ndarray of shape (n_ratings,)
        Ratings, centred and scaled.
    P : ndarray of shape (n_users, K)
        Factors of the users; changed in place.
    Q : ndarray of shape (n_items, K)
        Factors of the items; changed in place.
    user_bias : ndarray of shape (n_users,)
        Biases of the users; changed in place if `fit_bias`.
    item_bias : ndarray of shape (n_items,)
        Biases of the items; changed in place if `fit_bias`.
    rates : float or sequence of 4 floats or ndarrays
        Learning rate η: one for all, or one each for user factors, item factors, user biases and
        item biases. Each may be an array with a number for each row.
    l2 : float or sequence of 4 floats or ndarrays
        Penalty λ, in the form of `rates`.
    fit_bias : bool, default=True
        Whether to use and train biases.
    l1 : float or array-like of shape (4,), default=0.0
        L1 regularization, as one number or four.
    weights : ndarray of shape (n_ratings,), optional
        Weights of the ratings. The default is 1 for each.
    loss : str, default="squared"
        Name of the loss, as for `negative_gradient`.
    loss_parameter : float, default=1.0
        Parameter of the loss, as for `negative_gradient`.
    nonnegative : bool, default=False
        Whether to keep factors and biases ≥ 0.
    accumulators : tuple of ndarray, optional
        For AdaGrad, the squared-gradient accumulators, of shapes (n_users, 2) and (n_items, 2): one
        column for the factors of a row and one for its bias; changed in place. The default is no
        AdaGrad.

    Returns
    -------
    float
        Sum of the squared errors r − r̂, each measured before its update.

    Examples
    --------
    >>> import numpy as np
    >>> row, P, Q, zero = np.array([0]), np.array([[1.0]]), np.array([[2.0]]), np.zeros(1)
    >>> train_epoch(row, row, np.array([3.0]), P, Q, zero, zero, rates=0.1, l2=0.0, fit_bias=False)
    1.0
    >>> P, Q
    (array([[1.2]]), array([[2.1]]))
    """
    squared = 0.0
    n_rows = len(P), len(Q)
    rate_of, l2_of = _by_row(rates, n_rows), _by_row(l2, n_rows)
    l1 = np.broadcast_to(np.asarray(l1, float), 4)
    minimum = 0.0 if nonnegative else -np.inf
    for t, (u, i, r) in enumerate(zip(users, items, ratings, strict=True)):
        w = 1.0 if weights is None else float(weights[t])
        p, q = P[u].copy(), Q[i].copy()
        predicted = np.dot(p, q) + (user_bias[u] + item_bias[i] if fit_bias else 0.0)
        e = w * negative_gradient(loss, float(r), float(predicted), loss_parameter)
        rate, penalty = (
            np.array([of[0][u], of[1][i], of[2][u], of[3][i]]) for of in (rate_of, l2_of)
        )
        if accumulators is not None:
            of_user, of_item = accumulators[0][u], accumulators[1][i]
            rate = rate / np.sqrt([of_user[0], of_item[0], of_user[1], of_item[1]])
        p_step, q_step = e * q - w * penalty[0] * p, e * p - w * penalty[1] * q
        P[u] = shrink(p + rate[0] * p_step, w * rate[0] * l1[0], minimum)
        Q[i] = shrink(q + rate[1] * q_step, w * rate[1] * l1[1], minimum)
        user_step, item_step = e - w * penalty[2] * user_bias[u], e - w * penalty[3] * item_bias[i]
        if fit_bias:
            new_bias = user_bias[u] + rate[2] * user_step
            user_bias[u] = shrink(new_bias, w * rate[2] * l1[2], minimum)
            new_bias = item_bias[i] + rate[3] * item_step
            item_bias[i] = shrink(new_bias, w * rate[3] * l1[3], minimum)
        if accumulators is not None:
            of_user += [p_step @ p_step, user_step**2 if fit_bias else 0.0]
            of_item += [q_step @ q_step, item_step**2 if fit_bias else 0.0]
        squared += float(r - predicted) ** 2
    return squared


def row_rates(rate: float, counts: Floats, count_scale: float) -> NDArray[np.float64]:
    """Return the learning rate of each row, η / √(1 + n / n₀), for its number of ratings n.

    Parameters
    ----------
    rate : float
        Learning rate η of a row with few ratings.
    counts : ndarray of shape (n_rows,)
        Number of ratings of each row, or the sum of their weights.
    count_scale : float
        The number n₀; infinity gives all rows the same rate.

    Returns
    -------
    ndarray of shape (n_rows,)
        The learning rates.

    Examples
    --------
    >>> import numpy as np
    >>> row_rates(0.1, np.array([0.0, 300.0]), count_scale=100.0)
    array([0.1 , 0.05])
    """
    return np.array([rate / np.sqrt(1 + n / count_scale) for n in counts], np.float64)


def row_penalties(
    regularization: float, shrinkage: float, counts: Floats, rates: Floats
) -> NDArray[np.float64]:
    """Return the penalty λ + c / n of each row in each of its n updates.

    It adds up to λ n + c, the penalty of a Gaussian prior of precision c and of one of precision λ
    for each rating (Salakhutdinov and Mnih, "Probabilistic Matrix Factorization", NIPS 2007, eq.
    4). c is lowered to 1 / η − λ if it is above, and to 0 if that is negative.

    Parameters
    ----------
    regularization : float
        Regularization λ of each rating.
    shrinkage : float
        Regularization c of each row.
    counts : ndarray of shape (n_rows,)
        Number of ratings of each row, or the sum of their weights; > 0.
    rates : ndarray of shape (n_rows,)
        Learning rate η of each row; > 0.

    Returns
    -------
    ndarray of shape (n_rows,)
        The penalties.

    Examples
    --------
    >>> import numpy as np
    >>> row_penalties(0.1, 2.0, np.array([1.0, 20.0]), np.array([0.5, 0.25]))
    array([2. , 0.2])
    """
    return np.array(
        [
            regularization + max(0.0, min(shrinkage, 1 / rate - regularization)) / n
            for n, rate in zip(counts, rates, strict=True)
        ],
        np.float64,
    )


def continue_fit(
    earlier: Floats, counts: Floats, ended: Floats, n_epochs: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how a warm start continues each row of one side.

    With n ratings of a row now, n₀ before, and f the fraction of its learning rate at which the
    training before ended::

        x = max(1 − n₀ / n, 1 − Σ n₀ / Σ n)         the fraction of new ratings; 0 if negative
        η ← (f + (1 − f) √x) η
        p ← (1 − x)^E p_old + (1 − (1 − x)^E) p_random

    where E is the number of epochs. The last line is the "shrink and perturb" of Ash and Adams ("On
    Warm-Starting Neural Network Training", NeurIPS 2020, section 4).

    Parameters
    ----------
    earlier : ndarray of shape (n_rows,)
        Number of ratings n₀ of each row before; 0 for a new row.
    counts : ndarray of shape (n_rows,)
        Number of ratings n of each row now, > 0.
    ended : ndarray of shape (n_rows,)
        Fraction f of each row.
    n_epochs : int
        Number of epochs E.

    Returns
    -------
    rate_fractions : ndarray of shape (n_rows,)
        The fraction of its learning rate with which each row continues.
    kept_fractions : ndarray of shape (n_rows,)
        The fraction of its old factors in the initial ones.

    Examples
    --------
    >>> import numpy as np
    >>> earlier, counts, ended = np.array([[9.0, 0.0], [9.0, 1.0], [0.1, 0.0]])
    >>> rates, kept = continue_fit(earlier, counts, ended, n_epochs=3)
    >>> rates.round(3), kept.round(3)
    (array([0.385, 1.   ]), array([0.729, 0.   ]))
    """
    overall = 1 - np.sum(earlier) / np.sum(counts)
    rates, kept = np.empty(len(counts)), np.empty(len(counts))
    for row, (before, now, f) in enumerate(zip(earlier, counts, ended, strict=True)):
        x = max(0.0, 1 - before / now, overall)
        rates[row] = f + (1 - f) * np.sqrt(x)
        kept[row] = (1 - x) ** n_epochs
    return rates, kept


def partial_rates(
    rate: float, earlier: Floats, counts: Floats, count_scale: float
) -> NDArray[np.float64]:
    """Return the learning rate of each row in `partial_fit`, η √(m / n) / √(1 + n / n₀).

    The row has m new ratings and n together with earlier ones. Its `row_penalties` are those for n
    ratings.

    Parameters
    ----------
    rate : float
        Learning rate η of new rows with few ratings.
    earlier : ndarray of shape (n_rows,)
        Number of ratings n − m of each row before.
    counts : ndarray of shape (n_rows,)
        Number of ratings n of each row, > 0.
    count_scale : float
        The number n₀; infinity gives rows with equal m / n the same rate.

    Returns
    -------
    ndarray of shape (n_rows,)
        The learning rates.

    Examples
    --------
    >>> import numpy as np
    >>> partial_rates(0.1, np.array([0.0, 3.0]), np.array([4.0, 4.0]), count_scale=np.inf)
    array([0.1 , 0.05])
    """
    rates = row_rates(rate, counts, count_scale)
    return np.array(
        [
            np.sqrt(1 - before / n) * of_row
            for before, n, of_row in zip(earlier, counts, rates, strict=True)
        ],
        np.float64,
    )


def add_svdpp_terms(users: Indices, items: Indices, own: Floats, Y: Floats) -> NDArray[np.float64]:
    """Return the user factors with SVD++ terms, ``p̃_u = p_u + |N(u)|^-½ Σ y_j`` over j in N(u).

    N(u) are the items that user u has rated (Koren, "Factorization Meets the Neighborhood", KDD
    2008, eq. 15).

    Parameters
    ----------
    users : ndarray of shape (n_ratings,)
        Row of each rating's user.
    items : ndarray of shape (n_ratings,)
        Row of each rating's item.
    own : ndarray of shape (n_users, K)
        Factors p of the users, without the terms.
    Y : ndarray of shape (n_items, K)
        Factors y of the items.

    Returns
    -------
    ndarray of shape (n_users, K)
        The factors p̃.

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
    users: Indices,
    items: Indices,
    ratings: Floats,
    own: Floats,
    Q: Floats,
    Y: Floats,
    user_bias: Floats,
    item_bias: Floats,
    *,
    groups: Sequence[slice],
    item_fractions: Sequence[float],
    rates: EachRow,
    l2: EachRow,
    svdpp_rates: float | Floats,
    svdpp_l2: float | Floats,
    fit_bias: bool = True,
    l1: Each = 0.0,
    weights: Floats | None = None,
    loss: str = "squared",
    loss_parameter: float = 1.0,
) -> float:
    """Update all parameters in place with every rating once, with SVD++ terms.

    Users are processed in groups. In each group, `train_epoch` updates p̃_u in place of p_u, without
    regularization of p̃_u. The change d_u of p̃_u is then divided between p_u and the factors y of
    the user's items, which take the fraction s of the group::

        p_u ← (1 − η λ)^|N(u)| (p_u + (1 − s) d_u)
        y_j ← y_j + s Σ_u |N(u)|^-½ d_u             over the users u of the group who rated j

    After all groups, each y_j is multiplied by its own 1 − η λ once for each of its ratings. A
    rating of weight w counts as w ratings in these exponents.

    Parameters
    ----------
    users : ndarray of shape (n_ratings,)
        Row of each rating's user.
    items : ndarray of shape (n_ratings,)
        Row of each rating's item.
    ratings : ndarray of shape (n_ratings,)
        Ratings, centred and scaled.
    own : ndarray of shape (n_users, K)
        Factors p of the users, without the terms; changed in place.
    Q : ndarray of shape (n_items, K)
        Factors q of the items; changed in place.
    Y : ndarray of shape (n_items, K)
        Factors y of the items; changed in place.
    user_bias : ndarray of shape (n_users,)
        Biases of the users; changed in place if `fit_bias`.
    item_bias : ndarray of shape (n_items,)
        Biases of the items; changed in place if `fit_bias`.
    groups : sequence of slice
        Ratings of each group. All ratings of a user are in one group.
    item_fractions : sequence of float
        The fraction s of each group.
    rates : float or sequence of 4 floats or ndarrays
        Learning rate η, as for `train_epoch`. Those of user factors apply to p.
    l2 : float or sequence of 4 floats or ndarrays
        Penalty λ, in the form of `rates`.
    svdpp_rates : float or ndarray of shape (n_items,)
        Learning rate η of y, which only its penalty uses.
    svdpp_l2 : float or ndarray of shape (n_items,)
        Penalty λ of y.
    fit_bias : bool, default=True
        Whether to use and train biases.
    l1 : float or array-like of shape (4,), default=0.0
        L1 regularization, as one number or four.
    weights : ndarray of shape (n_ratings,), optional
        Weights of the ratings. The default is 1 for each.
    loss : str, default="squared"
        Name of the loss, as for `negative_gradient`.
    loss_parameter : float, default=1.0
        Parameter of the loss, as for `negative_gradient`.

    Returns
    -------
    float
        Sum of the squared errors r − r̂, each measured before its update.

    Examples
    --------
    >>> import numpy as np
    >>> row, own, Q, Y = np.array([0]), np.array([[1.0]]), np.array([[2.0]]), np.zeros((1, 1))
    >>> data = row, row, np.array([3.0]), own, Q, Y, np.zeros(1), np.zeros(1)
    >>> group = {"groups": [slice(0, 1)], "item_fractions": [0.25]}
    >>> train_svdpp_epoch(
    ...     *data, **group, rates=0.1, l2=0.0, svdpp_rates=0.1, svdpp_l2=0.0, fit_bias=False
    ... )
    1.0
    >>> own.round(2), Y.round(2)
    (array([[1.15]]), array([[0.05]]))
    """
    squared = 0.0
    n_rows = len(own), len(Q)
    rate_of, l2_of = _by_row(rates, n_rows), _by_row(l2, n_rows)
    keep = np.maximum(0.0, 1 - rate_of[0] * l2_of[0])
    keep_y = np.maximum(0.0, np.broadcast_to(1 - np.multiply(svdpp_rates, svdpp_l2), len(Q)))
    w = np.ones(len(users)) if weights is None else np.asarray(weights, np.float64)
    for group, fraction in zip(groups, item_fractions, strict=True):
        group_users, group_items = users[group], items[group]
        before = add_svdpp_terms(group_users, group_items, own, Y)
        after = before.copy()
        columns = group_users, group_items, ratings[group]
        squared += train_epoch(
            *columns,
            after,
            Q,
            user_bias,
            item_bias,
            rates=rate_of,
            l2=[0.0, *l2_of[1:]],
            fit_bias=fit_bias,
            l1=l1,
            weights=None if weights is None else w[group],
            loss=loss,
            loss_parameter=loss_parameter,
        )
        for u in np.unique(group_users):
            rated = group_users == u
            change = after[u] - before[u]
            own[u] = keep[u] ** np.sum(w[group][rated]) * (own[u] + (1 - fraction) * change)
            for j in group_items[rated]:
                Y[j] += fraction * np.sum(rated) ** -0.5 * change
    for j in np.unique(items):
        Y[j] *= keep_y[j] ** np.sum(w[items == j])
    return squared


def predict(
    users: Indices,
    items: Indices,
    P: Floats,
    Q: Floats,
    user_bias: Floats,
    item_bias: Floats,
    mean: float,
) -> NDArray[np.float64]:
    """Return the predictions μ + b_u + b_i + p_u·q_i of pairs.

    Parameters
    ----------
    users : ndarray of shape (n_pairs,)
        Row of each pair's user.
    items : ndarray of shape (n_pairs,)
        Row of each pair's item.
    P : ndarray of shape (n_users, K)
        Factors of the users.
    Q : ndarray of shape (n_items, K)
        Factors of the items.
    user_bias : ndarray of shape (n_users,)
        Biases of the users.
    item_bias : ndarray of shape (n_items,)
        Biases of the items.
    mean : float
        The centre μ.

    Returns
    -------
    ndarray of shape (n_pairs,)
        The predictions.

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
    items: Indices,
    ratings: Floats,
    Q: Floats,
    item_bias: Floats,
    *,
    mean: float,
    scale: float,
    regularization: float,
    shrinkage: float = 0.0,
    fit_bias: bool = True,
    Y: Floats | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Return the factors and bias that best fit one user's ratings, with all items fixed.

    They minimize the objective of training on its own scale, where z = (r − μ) / s, p' = p / √s,
    q' = q / √s and b' = b / s::

        ½ Σ_j (z_j − b'_j − b' − p'·q'_j)² + ½ (λ n + c) (|p'|² + b'²)

    Parameters
    ----------
    items : ndarray of shape (n_ratings,)
        Row of each rating's item; at least one.
    ratings : ndarray of shape (n_ratings,)
        Ratings.
    Q : ndarray of shape (n_items, K)
        Factors of the items.
    item_bias : ndarray of shape (n_items,)
        Biases of the items.
    mean : float
        The centre μ.
    scale : float
        The scale s.
    regularization : float
        The regularization λ of each of the n ratings.
    shrinkage : float, default=0.0
        The regularization c of the user; λ or c must be > 0.
    fit_bias : bool, default=True
        Whether the user has a bias.
    Y : ndarray of shape (n_items, K), optional
        Factors y of the SVD++ terms. The result is then p̃, and the penalty applies to
        p̃ − ``|N|^-½ Σ_j y_j``.

    Returns
    -------
    factors : ndarray of shape (K,)
        Factors of the user.
    bias : float
        Bias of the user.

    Examples
    --------
    >>> import numpy as np
    >>> data = np.array([0]), np.array([4.0]), np.array([[1.0]]), np.zeros(1)
    >>> fold_in(*data, mean=3.0, scale=1.0, regularization=1.0, fit_bias=False)
    (array([0.5]), 0.0)
    """
    K = Q.shape[1]
    terms = np.zeros(K) if Y is None else len(items) ** -0.5 * np.sum(Y[items], axis=0)
    A, y = (regularization * len(items) + shrinkage) * np.eye(K + 1), np.zeros(K + 1)
    for i, r in zip(items, ratings, strict=True):
        z = (r - mean - item_bias[i] - np.dot(terms, Q[i])) / scale
        x = np.append(Q[i] / np.sqrt(scale), 1.0 if fit_bias else 0.0)
        A += np.outer(x, x)
        y += z * x
    w = np.linalg.solve(A, y)
    return terms + w[:K] * np.sqrt(scale), float(w[K] * scale)


def als_half_epoch(
    starts: Indices,
    others: Indices,
    weights: Floats,
    Q: Floats,
    *,
    regularization: float,
    unobserved_weight: float,
    exponent: float = 0.5,
    mean_weight: float = 1.0,
    initial: Floats | None = None,
    n_steps: int = 2,
) -> NDArray[np.float64]:
    """Return the rows of one side that minimize `als_objective`, given those of the other side.

    A row p with the weights w_j of its interactions, n = Σ_j w_j, solves (Hu, Koren and Volinsky,
    "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, eq. 4)::

        (α₀ QᵀQ + Σ_j w_j q_j q_jᵀ + λ w̄ ((n + α₀ N) / w̄)^ν I) p = Σ_j w_j q_j

    where N is the number of rows of Q, and w̄ the mean weight of all interactions, with which the
    scale of the weights does not matter. Given initial rows, each takes some steps of the conjugate
    gradient method towards that solution instead (Takács, Pilászy and Tikk, "Applications of the
    Conjugate Gradient Method for Implicit Feedback Collaborative Filtering", RecSys 2011). These
    are preconditioned by the same matrix with the mean of q qᵀ over all rows of Q in place of each
    q_j q_jᵀ::

        (α₀ + n / N) QᵀQ + λ w̄ ((n + α₀ N) / w̄)^ν I

    Parameters
    ----------
    starts : ndarray of shape (n_rows + 1,)
        Row k has the interactions from ``starts[k]`` to ``starts[k + 1]``.
    others : ndarray of shape (n_interactions,)
        Row in Q of each interaction.
    weights : ndarray of shape (n_interactions,)
        Weights w of the interactions.
    Q : ndarray of shape (N, K)
        Factors of the other side.
    regularization : float
        Regularization λ > 0.
    unobserved_weight : float
        Weight α₀ ≥ 0 of every pair, observed or not.
    exponent : float, default=0.5
        Exponent ν of the size of a row in its regularization.
    mean_weight : float, default=1.0
        Mean weight w̄ of all interactions.
    initial : ndarray of shape (n_rows, K), optional
        Initial rows. The default is to solve the equations exactly.
    n_steps : int, default=2
        Number of steps from the initial rows.

    Returns
    -------
    ndarray of shape (n_rows, K)
        The rows; zeros for a row without interactions.

    Examples
    --------
    >>> import numpy as np
    >>> interactions = np.array([0, 2]), np.array([0, 1]), np.ones(2)
    >>> Q = np.array([[1.0], [2.0]])
    >>> als_half_epoch(*interactions, Q, regularization=5.0, unobserved_weight=1.0)
    array([[0.15]])
    """
    K = Q.shape[1]
    rows = np.zeros((len(starts) - 1, K))
    gram = np.zeros((K, K))
    for q in Q.astype(np.float64):
        gram += np.outer(q, q)
    for row in range(len(rows)):
        span = slice(starts[row], starts[row + 1])
        A, b, n = unobserved_weight * gram, np.zeros(K), 0.0
        for j, w in zip(others[span], weights[span].astype(np.float64), strict=True):
            A += w * np.outer(Q[j], Q[j])
            b += w * Q[j]
            n += w
        if n > 0:
            size = (n + unobserved_weight * len(Q)) / mean_weight
            penalty = regularization * mean_weight * size**exponent
            A += penalty * np.eye(K)
            if initial is None:
                rows[row] = np.linalg.solve(A, b)
            else:
                M = (unobserved_weight + n / len(Q)) * gram + penalty * np.eye(K)
                rows[row] = _conjugate_gradient(A, b, M, initial[row], n_steps)
    return rows


def als_objective(
    users: Indices,
    items: Indices,
    weights: Floats,
    P: Floats,
    Q: Floats,
    *,
    regularization: float,
    unobserved_weight: float,
    exponent: float = 0.5,
    mean_weight: float = 1.0,
) -> float:
    """Return the objective of alternating least squares for implicit feedback.

    With the interactions of users u and items i, their weights w, and the sums n_u and n_i of the
    weights of a row (Rendle, Krichene, Zhang and Koren, "Revisiting the Performance of iALS on Item
    Recommendation Benchmarks", RecSys 2022, eq. 2 to 5)::

        Σ_(u,i) w_ui (1 − p_u·q_i)² + α₀ Σ_u Σ_i (p_u·q_i)²
            + λ w̄ Σ_u ((n_u + α₀ n_items) / w̄)^ν |p_u|²
            + λ w̄ Σ_i ((n_i + α₀ n_users) / w̄)^ν |q_i|²

    where the mean weight w̄, which is not in the paper, makes the scale of the weights irrelevant.

    Parameters
    ----------
    users : ndarray of shape (n_interactions,)
        Row of each interaction's user.
    items : ndarray of shape (n_interactions,)
        Row of each interaction's item.
    weights : ndarray of shape (n_interactions,)
        Weights w of the interactions.
    P : ndarray of shape (n_users, K)
        Factors of the users.
    Q : ndarray of shape (n_items, K)
        Factors of the items.
    regularization : float
        Regularization λ.
    unobserved_weight : float
        Weight α₀ of every pair, observed or not.
    exponent : float, default=0.5
        Exponent ν of the size of a row in its regularization.
    mean_weight : float, default=1.0
        Mean weight w̄ of all interactions.

    Returns
    -------
    float
        The objective.

    Examples
    --------
    >>> import numpy as np
    >>> row, one = np.array([0]), np.ones((1, 1))
    >>> weights = {"regularization": 1.0, "unobserved_weight": 3.0}
    >>> als_objective(row, row, np.ones(1), 0.5 * one, one, **weights)
    3.5
    """
    P, Q = P.astype(np.float64), Q.astype(np.float64)
    total = 0.0
    for u, i, w in zip(users, items, weights.astype(np.float64), strict=True):
        total += w * (1 - np.dot(P[u], Q[i])) ** 2
    for p in P:
        for q in Q:
            total += unobserved_weight * np.dot(p, q) ** 2
    for rows, factors, n_others in ((users, P, len(Q)), (items, Q, len(P))):
        for row, factor in enumerate(factors):
            size = (np.sum(weights[rows == row]) + unobserved_weight * n_others) / mean_weight
            total += regularization * mean_weight * size**exponent * np.dot(factor, factor)
    return float(total)


def best(scores: Floats, n: int) -> tuple[Indices, Floats]:
    """Return the n highest scores, best first; equal scores keep their order.

    Parameters
    ----------
    scores : ndarray of shape (n_items,)
        Scores. Those that are NaN or −inf are left out.
    n : int
        Number of scores to return.

    Returns
    -------
    rows : ndarray of shape (n,)
        Indices of the scores; −1 where too few are left.
    scores : ndarray of shape (n,)
        The scores; NaN where too few are left.

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


def _conjugate_gradient(
    A: Floats, b: Floats, M: Floats, initial: Floats, n_steps: int
) -> NDArray[np.float64]:
    """Take steps towards the solution of A x = b, preconditioned by M.

    Golub and Van Loan, "Matrix Computations" (4th edition, 2013), algorithm 11.5.1.
    """
    x = np.array(initial, np.float64)
    residual = b - A @ x
    direction = np.linalg.solve(M, residual)
    square = residual @ direction
    for _ in range(n_steps):
        curvature = direction @ A @ direction
        if curvature <= 0:
            break
        x += square / curvature * direction
        residual -= square / curvature * (A @ direction)
        improved = np.linalg.solve(M, residual)
        previous, square = square, residual @ improved
        direction = improved + square / previous * direction
    return x


def _by_row(each: EachRow, n_rows: tuple[int, int]) -> list[NDArray[np.float64]]:
    """Return the four numbers of `train_epoch` as arrays with an entry for each row."""
    four = [each] * 4 if isinstance(each, int | float) else list(each)
    return [
        np.broadcast_to(np.asarray(number, np.float64), n_rows[kind % 2])
        for kind, number in enumerate(four)
    ]
