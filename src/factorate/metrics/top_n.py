"""Measures of how well top-n lists find the items that users went on to rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from factorate._fitted.seen import was_seen
from factorate._input.id_column import read_ids
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._utils.validation import check_count
from factorate.metrics.hits import find_hits, read_lists, read_relevant

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate.metrics.hits import Hits


class RankingModel(Protocol):
    """What `ranking` asks of a model: any `FactorModel` has it."""

    @property
    def id_kinds_(self) -> tuple[str, str]:
        """Kinds of the ids of users and items."""
        ...

    def _require(self) -> FittedState: ...
    def _checked_columns(self) -> Names | None: ...
    def recommend(self, users: Any, n: int) -> Any:
        """Return the ids and scores of the best items."""
        ...


def ranking(
    model: RankingModel, held_out: Any, n: int = 10, threshold: float | None = None
) -> dict[str, float]:
    """Measure how well a model's top-n lists find the items that users went on to rate.

    Each user of `held_out` is given the `n` best items among those that were not in the training
    ratings of that user.

    Parameters
    ----------
    model
        A fitted model.
    held_out
        Ratings that were not trained on, in any form `fit` takes, or a tuple (users, items). Pairs
        that were trained on after all cannot be recommended; they are left out and counted.
    n
        Length of the lists.
    threshold
        Ratings of at least this much make an item relevant; None for every held-out pair.

    Returns
    -------
    dict
        "precision", "recall", "ndcg", "map" and "hit_rate", as the functions of this module define
        them; "n_users", how many users they are the means of: those with a relevant item; and
        "n_seen", the number of held-out ratings left out because they were trained on.

    Raises
    ------
    TypeError, ValueError
        If `model` is not a model, or has not kept which items users have rated; if `held_out` is
        not ratings, or holds no relevant item.
    NotFittedError
        If the model is not fitted.

    Warns
    -----
    UnknownIdWarning
        If users were not in the training ratings: their lists are the same.

    Examples
    --------
    >>> import factorate as ft
    >>> users, items, ratings = ft.datasets.synthetic(2200, 100, 50)
    >>> model = ft.MatrixFactorization(4, random_state=0)
    >>> _ = model.fit((users[:2000], items[:2000], ratings[:2000]))
    >>> found = ft.metrics.ranking(model, (users[2000:], items[2000:]), n=5)
    >>> list(found)
    ['precision', 'recall', 'ndcg', 'map', 'hit_rate', 'n_users', 'n_seen']
    """
    check_count("n", n, 1)
    if not hasattr(model, "_require"):
        raise TypeError(f"model is {model!r}; expected a MatrixFactorization")
    fitted = model._require()
    if fitted.seen is None:
        raise ValueError(
            "what users have rated was not kept (keep_seen=False), so it cannot be left out of the "
            "lists; fit with keep_seen=True"
        )
    relevant = read_relevant(held_out, threshold, model._checked_columns(), model.id_kinds_)
    rows = look_up(fitted.user_index, relevant.users, "users")
    columns = look_up(fitted.item_index, relevant.items, "items")
    known = was_seen(fitted.seen, rows, columns)
    counts = relevant.counts & ~known
    if not counts.any():
        raise ValueError(
            "every held-out rating was trained on, and what was cannot be recommended; hold some "
            "out before fit"
        )
    index, lists = make_index(relevant.users, "users")
    users = index.ids[np.unique(lists[counts])]
    recommended = model.recommend(users, n=n)
    hits = find_hits(recommended, relevant._replace(counts=counts), read_ids(users, "users"))
    return {
        "precision": _precision(hits),
        "recall": _recall(hits),
        "ndcg": _ndcg(hits),
        "map": _mean_average_precision(hits),
        "hit_rate": _hit_rate(hits),
        "n_users": len(hits.n_relevant),
        "n_seen": int(np.count_nonzero(known)),
    }


def precision(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return precision at n: the share of the n places that hold a relevant item.

    An empty place is a miss. The mean is over the users that have a relevant item (Manning,
    Raghavan and Schütze, "Introduction to Information Retrieval", 2008, section 8.4).

    Parameters
    ----------
    recommended
        What :meth:`MatrixFactorization.recommend` returns: (items, scores), each of shape
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
    return _precision(_read(recommended, held_out, users, threshold))


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
    return _recall(_read(recommended, held_out, users, threshold))


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
    return _ndcg(_read(recommended, held_out, users, threshold))


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
    return _mean_average_precision(_read(recommended, held_out, users, threshold))


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
    return _hit_rate(_read(recommended, held_out, users, threshold))


def _precision(hits: Hits) -> float:
    return float(np.mean(hits.matrix))


def _recall(hits: Hits) -> float:
    return float(np.mean(hits.matrix.sum(axis=1) / hits.n_relevant))


def _ndcg(hits: Hits) -> float:
    gains = 1 / np.log2(np.arange(2, hits.matrix.shape[1] + 2))
    best = np.cumsum(gains)[np.minimum(hits.n_relevant, len(gains)) - 1]
    return float(np.mean(hits.matrix @ gains / best))


def _mean_average_precision(hits: Hits) -> float:
    n = hits.matrix.shape[1]
    precisions = np.cumsum(hits.matrix, axis=1) / np.arange(1, n + 1)
    found = np.sum(precisions * hits.matrix, axis=1)
    return float(np.mean(found / np.minimum(hits.n_relevant, n)))


def _hit_rate(hits: Hits) -> float:
    return float(np.mean(hits.matrix.any(axis=1)))


def _read(recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None) -> Hits:
    who = read_ids(users, "users")
    items, filled = read_lists(recommended, len(who.values))
    kinds = who.kind, read_ids(items[filled], "recommended items").kind
    return find_hits(recommended, read_relevant(held_out, threshold, None, kinds), who)
