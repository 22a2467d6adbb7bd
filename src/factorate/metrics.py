"""How far predictions are from ratings, and how good recommendations are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate.checks import check_number, show
from factorate.ids import look_up, make_index, read_ids
from factorate.ratings import read_columns, read_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate.frames import Names
    from factorate.ids import IdColumn


def _errors(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.floating[Any]]:
    true, predicted = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(
            f"y_true has shape {true.shape} and y_pred {predicted.shape}; expected (n,) for both"
        )
    if not len(true):
        raise ValueError("there are no ratings; at least one is needed")
    return true - predicted


def rmse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the root of the mean squared error.

    Parameters
    ----------
    y_true, y_pred
        Ratings and predictions, shape (n,), n ≥ 1.

    Raises
    ------
    ValueError
        If the shapes differ or are empty.

    Examples
    --------
    >>> rmse([1, 2], [1, 4])
    1.4142135623730951
    """
    return float(np.sqrt(np.mean(np.square(_errors(y_true, y_pred)))))


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the mean absolute error.

    Parameters
    ----------
    y_true, y_pred
        Ratings and predictions, shape (n,), n ≥ 1.

    Raises
    ------
    ValueError
        If the shapes differ or are empty.

    Examples
    --------
    >>> mae([1, 2], [1, 4])
    1.0
    """
    return float(np.mean(np.abs(_errors(y_true, y_pred))))


def r2(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the coefficient of determination, 1 − Σ(y − ŷ)² / Σ(y − ȳ)².

    Equal ratings have no variance to explain: then it is 1 for exact predictions, else 0, as in
    scikit-learn.

    Parameters
    ----------
    y_true, y_pred
        Ratings and predictions, shape (n,), n ≥ 1.

    Raises
    ------
    ValueError
        If the shapes differ or are empty.

    Examples
    --------
    >>> r2([1, 2, 3], [1, 2, 4])
    0.5
    """
    residual = float(np.sum(np.square(_errors(y_true, y_pred))))
    true = np.asarray(y_true, np.float64)
    total = float(np.sum(np.square(true - true.mean())))
    if total == 0:
        return float(residual == 0)
    return 1 - residual / total


class _Hits(NamedTuple):
    """Which places of each list hold a relevant item, for the users who have one at all."""

    matrix: NDArray[np.bool]  # (n_users, n)
    n_relevant: NDArray[np.int64]  # (n_users,), each ≥ 1


def precision(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return precision at n: the share of the n places that hold a relevant item.

    An empty place is a miss. The mean is over the users that have a relevant item (Manning,
    Raghavan and Schütze, "Introduction to Information Retrieval", 2008, section 8.4).

    Parameters
    ----------
    recommended
        What ``MatrixFactorization.recommend`` returns: (items, scores), each of shape
        (n_users, n), best first, with the score NaN where a place is empty. Or the items alone,
        where no place is.
    held_out
        Ratings that were not trained on, in any form `fit` takes, or a tuple (users, items).
        Those of other users are left out.
    users
        Whose lists they are, shape (n_users,).
    threshold
        Ratings of at least this much make an item relevant; None for every held-out pair.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If shapes do not match, an item is twice in a list, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> precision(lists, held_out, users=["ann", "bob"])
    0.5
    """
    return _precision(_hits(recommended, held_out, users, threshold))


def recall(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return recall at n: the share of a user's relevant items that are in the list.

    The mean is over the users that have a relevant item (Manning, Raghavan and Schütze,
    "Introduction to Information Retrieval", 2008, section 8.3, of the first n).

    Parameters
    ----------
    recommended, held_out, users, threshold
        As in :func:`precision`.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> recall(lists, held_out, users=["ann", "bob"])
    0.75
    """
    return _recall(_hits(recommended, held_out, users, threshold))


def ndcg(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the normalized discounted cumulative gain at n.

    A relevant item in place k = 1 … n gains 1 / log₂(1 + k); the sum is divided by that of the best
    list there can be. The mean is over the users that have a relevant item (Järvelin and
    Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002, with a
    gain of 0 or 1 and the discount of Burges et al., "Learning to rank using gradient descent",
    ICML 2005).

    Parameters
    ----------
    recommended, held_out, users, threshold
        As in :func:`precision`.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> round(ndcg(lists, held_out, users=["ann", "bob"]), 4)
    0.6934
    """
    return _ndcg(_hits(recommended, held_out, users, threshold))


def mean_average_precision(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the mean average precision at n.

    A user's average precision is the sum of the precision at k over the places k that hold a
    relevant item, divided by the number of relevant items or n, whichever is less. The mean is over
    the users that have a relevant item (McFee, Bertin-Mahieux, Ellis and Lanckriet, "The Million
    Song Dataset Challenge", WWW 2012 Companion).

    Parameters
    ----------
    recommended, held_out, users, threshold
        As in :func:`precision`.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> mean_average_precision(lists, held_out, users=["ann", "bob"])
    0.625
    """
    return _mean_average_precision(_hits(recommended, held_out, users, threshold))


def hit_rate(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the hit rate at n: the share of users whose list holds a relevant item.

    Of the users that have one (Deshpande and Karypis, "Item-based top-N recommendation algorithms",
    ACM TOIS 22(1), 2004, where each has exactly one).

    Parameters
    ----------
    recommended, held_out, users, threshold
        As in :func:`precision`.

    Returns
    -------
    float
        From 0 to 1.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> hit_rate(lists, held_out, users=["ann", "bob"])
    1.0
    """
    return _hit_rate(_hits(recommended, held_out, users, threshold))


def _precision(hits: _Hits) -> float:
    return float(np.mean(hits.matrix))


def _recall(hits: _Hits) -> float:
    return float(np.mean(hits.matrix.sum(axis=1) / hits.n_relevant))


def _ndcg(hits: _Hits) -> float:
    gains = 1 / np.log2(np.arange(2, hits.matrix.shape[1] + 2))
    best = np.cumsum(gains)[np.minimum(hits.n_relevant, len(gains)) - 1]
    return float(np.mean(hits.matrix @ gains / best))


def _mean_average_precision(hits: _Hits) -> float:
    n = hits.matrix.shape[1]
    precisions = np.cumsum(hits.matrix, axis=1) / np.arange(1, n + 1)
    found = np.sum(precisions * hits.matrix, axis=1)
    return float(np.mean(found / np.minimum(hits.n_relevant, n)))


def _hit_rate(hits: _Hits) -> float:
    return float(np.mean(hits.matrix.any(axis=1)))


def _relevant(
    held_out: Any,
    threshold: float | None,
    names: Names | None,
    kinds: tuple[str | None, str | None],
) -> tuple[IdColumn, IdColumn, NDArray[np.bool]]:
    """Return the users and items of the held-out ratings, and which of them are relevant."""
    columns = read_columns(held_out, None, names, pairs=threshold is None, kinds=kinds)
    n_users, n_items = len(columns.users), len(columns.items)
    if n_users != n_items:
        raise ValueError(f"columns have different lengths: {n_users} users, {n_items} items")
    relevant = np.ones(n_users, np.bool)
    if threshold is not None:
        least = check_number("threshold", threshold)
        values = read_values(columns.ratings, np.dtype(np.float64))
        if len(values) != n_users:
            raise ValueError(
                f"columns have different lengths: {n_users} users, {len(values)} ratings"
            )
        relevant = values >= least
    if not relevant.any():
        at_least = "" if threshold is None else f" of at least {threshold}"
        raise ValueError(f"there are no held-out ratings{at_least}; at least one is needed")
    return read_ids(columns.users, "users"), read_ids(columns.items, "items"), relevant


def _lists(recommended: Any, n_users: int) -> tuple[NDArray[Any], NDArray[np.bool]]:
    """Return the items, shape (n_users, n), and which places are filled."""
    items, scores = recommended if isinstance(recommended, tuple) else (recommended, None)
    items = items if isinstance(items, np.ndarray) else np.asarray(items, object)
    filled = np.ones(items.shape, np.bool) if scores is None else ~np.isnan(scores)
    if items.ndim != 2 or len(items) != n_users or not items.shape[1]:
        raise ValueError(
            f"the recommended items have shape {items.shape}; expected ({n_users}, n), a list for "
            f"each of {n_users} users"
        )
    if filled.shape != items.shape:
        raise ValueError(f"items have shape {items.shape} and their scores {filled.shape}")
    return items, filled


def _hits(
    recommended: Any,
    held_out: Any,
    users: ArrayLike,
    threshold: float | None,
    names: Names | None = None,
) -> _Hits:
    who = read_ids(users, "users")
    items, filled = _lists(recommended, len(who.values))
    what = read_ids(items[filled], "recommended items")
    raters, rated, relevant = _relevant(held_out, threshold, names, (who.kind, what.kind))

    # A pair is numbered user × n_items + item, by the rows of two indexes made for this.
    user_index, lists = make_index(who, "users")
    item_index, item_rows = make_index(rated, "items")
    n_items = np.int64(len(item_index.ids))
    user_rows = look_up(user_index, raters, "users")
    relevant = relevant & (user_rows >= 0)
    pairs = np.unique(user_rows[relevant] * n_items + item_rows[relevant])
    n_relevant = np.bincount(pairs // n_items, minlength=len(user_index.ids))[lists]
    if not n_relevant.any():
        raise ValueError("none of the users has a relevant item in the held-out ratings")

    _check_distinct(items, filled, what)
    places = np.full(items.shape, -1, np.int64)
    places[filled] = look_up(item_index, what, "recommended items")
    matrix = (places >= 0) & np.isin(lists[:, None] * n_items + places, pairs)
    counted = n_relevant > 0
    return _Hits(matrix[counted], n_relevant[counted])


def _check_distinct(items: NDArray[Any], filled: NDArray[np.bool], what: IdColumn) -> None:
    # Empty places are numbered apart, so that they are never equal.
    numbers = np.tile(-1 - np.arange(items.shape[1]), (len(items), 1))
    if filled.any():
        numbers[filled] = make_index(what, "recommended items")[1]
    order = np.argsort(numbers, axis=1, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=1)
    twice = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
    if len(twice):
        row, place = twice[0].tolist()
        item = items[row, order[row, place]]
        raise ValueError(
            f"{show(item)} is twice in list {row} of the recommended items; list an item once"
        )
