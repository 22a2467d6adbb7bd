"""Metrics of top-n recommendations against held-out ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._utils.validation import show
from factorate.metrics.hits import find_hits, read_lists, read_relevant
from factorate.metrics.ranks import metrics_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def precision(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return precision at n: the fraction of the n entries of a list that are relevant.

    An empty entry is not relevant. The result is averaged over the users who have a relevant item
    (Manning, Raghavan and Schütze, "Introduction to Information Retrieval", 2008, section 8.4).

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), best first, where the score of an empty entry is NaN. Alternatively only the
        items, if no entry is empty.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Ratings of other users are ignored.
    users : array-like of shape (n_users,)
        User of each list.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings, or its ids have another type than the lists.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> precision(lists, held_out, users=["ann", "bob"])
    0.5
    """
    return _metrics(recommended, held_out, users, threshold)["precision"]


def recall(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return recall at n: the fraction of a user's relevant items that are in the list.

    The result is averaged over the users who have a relevant item (Manning, Raghavan and Schütze,
    "Introduction to Information Retrieval", 2008, section 8.3, for the first n results).

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), best first, where the score of an empty entry is NaN. Alternatively only the
        items, if no entry is empty.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Ratings of other users are ignored.
    users : array-like of shape (n_users,)
        User of each list.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings, or its ids have another type than the lists.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> recall(lists, held_out, users=["ann", "bob"])
    0.75
    """
    return _metrics(recommended, held_out, users, threshold)["recall"]


def capped_recall(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return capped recall at n: the hits of a list as a fraction of the maximum possible.

    A list of n entries has at most n hits, so the number of hits is divided by n or the number of
    relevant items, whichever is smaller; `recall` always divides by the latter. The result is
    averaged over the users who have a relevant item. It is the Recall@n of Liang, Krishnan, Hoffman
    and Jebara, "Variational autoencoders for collaborative filtering", WWW 2018, section 4.2, and
    of the papers that compare with it.

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), best first, where the score of an empty entry is NaN. Alternatively only the
        items, if no entry is empty.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Ratings of other users are ignored.
    users : array-like of shape (n_users,)
        User of each list.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings, or its ids have another type than the lists.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "ann", "bob"], ["jam", "rye", "oat", "rye"]
    >>> capped_recall(lists, held_out, users=["ann", "bob"])
    0.75
    """
    return _metrics(recommended, held_out, users, threshold)["capped_recall"]


def ndcg(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the normalized discounted cumulative gain at n.

    A relevant item at rank k = 1 … n gains 1 / log₂(1 + k). The sum is divided by that of an ideal
    list, and averaged over the users who have a relevant item (Järvelin and Kekäläinen, "Cumulated
    gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002, with gains 0 and 1 and the
    discount of Burges et al., "Learning to rank using gradient descent", ICML 2005). An ideal list
    begins with all relevant items, or holds n of them if there are more.

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), best first, where the score of an empty entry is NaN. Alternatively only the
        items, if no entry is empty.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Ratings of other users are ignored.
    users : array-like of shape (n_users,)
        User of each list.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings, or its ids have another type than the lists.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> round(ndcg(lists, held_out, users=["ann", "bob"]), 4)
    0.6934
    """
    return _metrics(recommended, held_out, users, threshold)["ndcg"]


def mean_average_precision(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the mean average precision at n.

    The average precision of a user is the sum of the precision at k over the ranks k of relevant
    items, divided by n or the number of relevant items, whichever is smaller. The result is
    averaged over the users who have a relevant item (McFee, Bertin-Mahieux, Ellis and Lanckriet,
    "The Million Song Dataset Challenge", WWW 2012 Companion).

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), best first, where the score of an empty entry is NaN. Alternatively only the
        items, if no entry is empty.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Ratings of other users are ignored.
    users : array-like of shape (n_users,)
        User of each list.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings, or its ids have another type than the lists.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> mean_average_precision(lists, held_out, users=["ann", "bob"])
    0.625
    """
    return _metrics(recommended, held_out, users, threshold)["map"]


def hit_rate(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the hit rate at n: the fraction of users whose list holds a relevant item.

    Only users who have a relevant item are counted (Deshpande and Karypis, "Item-based top-N
    recommendation algorithms", ACM TOIS 22(1), 2004, where each user has exactly one).

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), best first, where the score of an empty entry is NaN. Alternatively only the
        items, if no entry is empty.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Ratings of other users are ignored.
    users : array-like of shape (n_users,)
        User of each list.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If `held_out` does not contain ratings, or its ids have another type than the lists.
    ValueError
        If shapes do not match, a list holds an item twice, or no user has a relevant item.

    Examples
    --------
    >>> lists = [["tea", "jam"], ["rye", "tea"]]
    >>> held_out = ["ann", "ann", "bob"], ["jam", "rye", "rye"]
    >>> hit_rate(lists, held_out, users=["ann", "bob"])
    1.0
    """
    return _metrics(recommended, held_out, users, threshold)["hit_rate"]


def coverage(recommended: Any, items: ArrayLike) -> float:
    """Return the catalogue coverage: the fraction of all items that are in at least one list.

    The definition is that of Ge, Delgado-Battenfeld and Jannach, "Beyond accuracy: evaluating
    recommender systems by coverage and serendipity", RecSys 2010, section 2.1.

    Parameters
    ----------
    recommended : tuple or array-like
        Result of `MatrixFactorization.recommend`: a tuple (items, scores) of arrays of shape
        (n_users, n), where the score of an empty entry is NaN. Alternatively only the items, if no
        entry is empty.
    items : array-like of shape (n_items,)
        All items that could be recommended, such as the `items_` of a model.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If the ids of the lists and of `items` have different types.
    ValueError
        If a shape is wrong, or a list holds an item that is not in `items`.

    Examples
    --------
    >>> coverage([["tea", "jam"], ["rye", "tea"]], ["jam", "oat", "rye", "tea"])
    0.75
    """
    listed, filled = read_lists(recommended, None)
    index, _ = make_index(read_ids(items, "items"), "items")
    ids = read_ids(listed[filled], "recommended items")
    rows = look_up(index, ids, "recommended items", "those of all items are")
    if rows.min(initial=0) < 0:
        number, rank = np.argwhere(filled)[np.flatnonzero(rows < 0)[0]].tolist()
        raise ValueError(
            f"{show(listed[number, rank])} in list {number} of the recommended items is not among "
            f"all items; pass all items that could be recommended"
        )
    return len(np.unique(rows)) / len(index.ids)


def _metrics(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None
) -> dict[str, float]:
    user_ids = read_ids(users, "users")
    items, filled = read_lists(recommended, len(user_ids.values))
    kinds = user_ids.kind, read_ids(items[filled], "recommended items").kind
    relevant = read_relevant(held_out, threshold, None, kinds)
    return metrics_at(find_hits(recommended, relevant, user_ids), items.shape[1])
