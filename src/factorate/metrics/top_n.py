"""Metrics of top-n recommendations against held-out ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from factorate._fitted.seen import was_seen
from factorate._input.id_column import read_ids
from factorate._input.id_to_row import ids_of, look_up
from factorate._input.make_index import make_index
from factorate._input.wide import as_wide
from factorate._serving.recommend import recommend
from factorate._utils.validation import check_count, check_flag
from factorate.metrics.hits import find_hits, read_lists, read_relevant
from factorate.metrics.popular_items import popular_items

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import Policy
    from factorate.metrics.hits import Hits


def ranking(
    model: RankingModel,
    held_out: Any,
    n: int = 10,
    threshold: float | None = None,
    *,
    wide: bool = False,
    unknown: Policy = "warn",
    popular: bool = False,
) -> dict[str, float]:
    """Evaluate a model's top-n recommendations on held-out ratings.

    Each user of `held_out` gets a list of the `n` best items, without those that the user has rated
    in training.

    Parameters
    ----------
    model : FactorModel
        A fitted model.
    held_out : ratings
        Ratings that were not used in training, in any form that `fit` accepts, or a tuple
        (users, items). Pairs that were used in training cannot be recommended; they are ignored and
        counted.
    n : int, default=10
        Length of the lists.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.
    wide : bool, default=False
        Whether `held_out` is a table of users × items, as for `fit`.
    unknown : {"warn", "ignore", "raise"}, default="warn"
        What to do about unknown users: warn, ignore them or raise an error.
    popular : bool, default=False
        Whether to compare the lists with those of the most popular items: for each user, the `n`
        items that the most users have rated in training, without those that the user has rated;
        items rated by equally many are in the order of `items_`.

    Returns
    -------
    dict
        The metrics "precision", "recall", "ndcg", "map" and "hit_rate", as defined by the functions
        of this module; "n_users", the number of users with a relevant item, over whom they are
        averaged; and "n_seen", the number of held-out ratings ignored because they were used in
        training. With `popular` also "popular_precision", "popular_recall", "popular_ndcg",
        "popular_map" and "popular_hit_rate", the same metrics of the most popular items.

    Raises
    ------
    TypeError
        If `model` is not a model, `held_out` does not contain ratings, or `popular` is not True or
        False.
    ValueError
        If the model was fitted with ``keep_seen=False``, or no held-out item is relevant.
    UnknownIdError
        If users are unknown and `unknown` is "raise".
    NotFittedError
        If the model is not fitted.

    Warns
    -----
    UnknownIdWarning
        If users were not in the training ratings. They all get the same list.

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
    n, popular = check_count("n", n, 1), check_flag("popular", popular)
    if not hasattr(model, "_require"):
        raise TypeError(f"model is {model!r}; expected a MatrixFactorization")
    fitted = model._require()
    if fitted.seen is None:
        raise ValueError(
            "the items that users have rated were not stored (keep_seen=False), so they cannot be "
            "left out of the lists; fit with keep_seen=True"
        )
    relevant = read_relevant(
        as_wide(held_out, wide), threshold, model._checked_columns(), model.id_kinds_
    )
    user_rows = look_up(fitted.user_index, relevant.user_ids, "users")
    item_rows = look_up(fitted.item_index, relevant.item_ids, "items")
    seen = was_seen(fitted.seen, user_rows, item_rows)
    mask = relevant.mask & ~seen
    if not mask.any():
        raise ValueError(
            "every relevant held-out rating was used in training, so it cannot be recommended; "
            "hold out ratings before fit"
        )
    index, held_out_rows = make_index(relevant.user_ids, "users")
    users = index.ids[np.unique(held_out_rows[mask])]
    user_ids, relevant = read_ids(users, "users"), relevant._replace(mask=mask)
    recommended = recommend(fitted, users, n, unknown=unknown, n_threads=model.n_threads)
    hits = find_hits(recommended, relevant, user_ids)
    found = _all_metrics(hits) | {
        "n_users": len(hits.n_relevant),
        "n_seen": int(np.count_nonzero(seen)),
    }
    if popular:
        list_rows = look_up(fitted.user_index, user_ids, "users")
        rows, counts = popular_items(fitted.seen, list_rows, len(fitted.item_index.ids), n)
        lists = ids_of(fitted.item_index, rows), counts
        scores = _all_metrics(find_hits(lists, relevant, user_ids))
        found |= {f"popular_{name}": score for name, score in scores.items()}
    return found


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
    return _precision(_read(recommended, held_out, users, threshold))


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
    return _recall(_read(recommended, held_out, users, threshold))


def ndcg(
    recommended: Any, held_out: Any, users: ArrayLike, threshold: float | None = None
) -> float:
    """Return the normalized discounted cumulative gain at n.

    A relevant item at rank k = 1 … n gains 1 / log₂(1 + k). The sum is divided by that of an ideal
    list, and averaged over the users who have a relevant item (Järvelin and Kekäläinen, "Cumulated
    gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002, with gains 0 and 1 and the
    discount of Burges et al., "Learning to rank using gradient descent", ICML 2005).

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
    return _ndcg(_read(recommended, held_out, users, threshold))


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
    return _mean_average_precision(_read(recommended, held_out, users, threshold))


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
    return _hit_rate(_read(recommended, held_out, users, threshold))


class RankingModel(Protocol):
    """A model that `ranking` can evaluate, such as any `FactorModel`."""

    @property
    def id_kinds_(self) -> tuple[str, str]:
        """Return the kinds of the user ids and of the item ids."""
        ...

    n_threads: int | None

    def _require(self) -> FittedState: ...
    def _checked_columns(self) -> Names | None: ...


def _all_metrics(hits: Hits) -> dict[str, float]:
    return {
        "precision": _precision(hits),
        "recall": _recall(hits),
        "ndcg": _ndcg(hits),
        "map": _mean_average_precision(hits),
        "hit_rate": _hit_rate(hits),
    }


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
    user_ids = read_ids(users, "users")
    items, filled = read_lists(recommended, len(user_ids.values))
    kinds = user_ids.kind, read_ids(items[filled], "recommended items").kind
    return find_hits(recommended, read_relevant(held_out, threshold, None, kinds), user_ids)
