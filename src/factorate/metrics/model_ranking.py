"""Evaluation of a model's recommendations on held-out ratings or interactions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from factorate._fitted.seen import was_seen
from factorate._input.id_to_row import look_up
from factorate._input.make_index import make_index
from factorate._input.row_counts import count_rows
from factorate._input.unknown_ids import warn_unknown
from factorate._input.wide import as_wide
from factorate._training.factors import NO_ROWS
from factorate._utils.validation import check_count, check_flag
from factorate.metrics.hits import read_relevant
from factorate.metrics.popular_items import popular_items
from factorate.metrics.ranks import area_under_curve, metrics_at
from factorate.metrics.relevant_pairs import (
    RelevantPairs,
    count_candidates,
    rank_by_model,
    rank_by_popularity,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._fitted.fitted_state import FittedState
    from factorate._fitted.seen import Seen
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import Policy
    from factorate._utils.types import Flags, Offsets, Rows
    from factorate.metrics.hits import Relevant
    from factorate.metrics.ranks import Ranks


def ranking(
    model: RankingModel,
    held_out: Any,
    n: int = 10,
    threshold: float | None = None,
    *,
    fold_in: Any = None,
    wide: bool = False,
    unknown: Policy = "warn",
    popular: bool = False,
    auc: bool = False,
) -> dict[str, float]:
    """Evaluate a model's top-n recommendations on held-out ratings or interactions.

    Each user of `held_out` gets a list of the `n` best of all items, without those that the user
    has rated, or interacted with, in training. Items with equal scores have no order, so a metric
    is its expected value over all orders of tied items [1]_.

    Parameters
    ----------
    model : FactorModel
        A fitted model.
    held_out : ratings or interactions
        Those that were not used in training, in any form that `fit` accepts, or a tuple (users,
        items). Pairs that were used in training cannot be recommended; they are ignored and
        counted.
    n : int, default=10
        Length of the lists.
    threshold : float or None, default=None
        Minimum rating of a relevant item. None makes every held-out pair relevant.
    fold_in : ratings or interactions, default=None
        Those of users who are added with `add_users` to a copy of the model before the evaluation;
        the model does not change. Their others are in `held_out`. This measures the recommendations
        for users who were not there in training ("strong generalization" [2]_).
    wide : bool, default=False
        Whether `held_out` and `fold_in` are tables of users × items, as for `fit`.
    unknown : {"warn", "ignore", "raise"}, default="warn"
        What to do about unknown users: warn, ignore them or raise an error.
    popular : bool, default=False
        Whether to compare the lists with those of the most popular items: for each user, the `n`
        items of the most users in training, without those of the user. Items with equally many
        users are tied.
    auc : bool, default=False
        Whether to compute the AUC also. It takes more time, because it depends on the scores of
        all items for each user, who are scored in blocks.

    Returns
    -------
    dict
        The metrics "precision", "recall", "capped_recall", "ndcg", "map" and "hit_rate", as defined
        by the functions of this module; with `auc` also "auc", the probability that a relevant item
        has a higher score than an item that is neither relevant nor in training, where a tie
        counts one half [3]_; "coverage", the fraction of the model's items in the lists of all
        users, where tied items are in the order of `items_`; "n_users", the number of users with a
        relevant item, over whom all but "coverage" are averaged; and "n_seen", the number of
        held-out pairs ignored because they were used in training. With `popular` also
        "popular_precision" and so on: the same metrics of the most popular items.

    Raises
    ------
    TypeError
        If `model` is not a model, `held_out` contains neither ratings nor pairs, or `popular` or
        `auc` is not True or False.
    ValueError
        If the model was fitted with ``keep_seen=False``, or no held-out item is relevant.
    UnknownIdError
        If users are unknown and `unknown` is "raise".
    NotFittedError
        If the model is not fitted.

    Warns
    -----
    UnknownIdWarning
        If users were not in the training data. They all get the same list.

    References
    ----------
    .. [1] F. McSherry and M. Najork, "Computing information retrieval performance measures
       efficiently in the presence of tied scores", ECIR 2008.
    .. [2] B. Marlin, "Collaborative Filtering: A Machine Learning Perspective", MSc thesis,
       University of Toronto, 2004, section 3.3.
    .. [3] S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR: Bayesian
       Personalized Ranking from Implicit Feedback", UAI 2009, section 3.2.

    Examples
    --------
    >>> import factorate as ft
    >>> users, items, ratings = ft.datasets.synthetic(2200, 100, 50)
    >>> model = ft.MatrixFactorization(4, random_state=0)
    >>> _ = model.fit((users[:2000], items[:2000], ratings[:2000]))
    >>> found = ft.metrics.ranking(model, (users[2000:], items[2000:]), n=5)
    >>> list(found)[:6]
    ['precision', 'recall', 'capped_recall', 'ndcg', 'map', 'hit_rate']
    >>> list(found)[6:]
    ['coverage', 'n_users', 'n_seen']
    """
    n, popular, auc = check_count("n", n, 1), check_flag("popular", popular), check_flag("auc", auc)
    if not hasattr(model, "_require"):
        raise TypeError(
            f"model is {model!r}; expected a MatrixFactorization or ImplicitMatrixFactorization"
        )
    fitted = model._require()
    in_training = _require_seen(fitted)
    if fold_in is not None:
        model = copy.copy(model).add_users(fold_in, wide=wide, unknown=unknown)
        fitted = model._require()
    seen = _require_seen(fitted)
    relevant = read_relevant(
        as_wide(held_out, wide), threshold, model._checked_columns(), model.id_kinds_
    )
    held_out_rows = (
        look_up(fitted.user_index, relevant.user_ids, "users"),
        look_up(fitted.item_index, relevant.item_ids, "items"),
    )
    were_seen = was_seen(seen, *held_out_rows)
    pairs, user_ids = _find_pairs(relevant, held_out_rows, relevant.mask & ~were_seen)
    warn_unknown(
        (user_ids, pairs.user_rows),
        (None, NO_ROWS),
        fitted.consequences.in_recommendations,
        stacklevel=2,
        policy=unknown,
    )
    n_items = len(fitted.item_index.ids)
    n_candidates = count_candidates(seen, pairs.user_rows, n_items) if auc else None
    ranks, lists = rank_by_model(
        fitted.factors, seen, pairs, n, complete=auc, n_threads=model.n_threads
    )
    found = _all_metrics(ranks, lists, n, n_items, n_candidates)
    found |= {
        "n_users": len(pairs.user_rows),
        "n_seen": int(np.count_nonzero(were_seen)),
    }
    if popular:
        n_raters = count_rows(in_training.items, n_items, "item")
        ranks = rank_by_popularity(seen, pairs, n_raters)
        lists, _ = popular_items(seen, pairs.user_rows, n_raters, min(n, n_items))
        scores = _all_metrics(ranks, lists, n, n_items, n_candidates)
        found |= {f"popular_{name}": score for name, score in scores.items()}
    return found


class RankingModel(Protocol):
    """A model that `ranking` can evaluate, such as any `FactorModel`."""

    @property
    def id_kinds_(self) -> tuple[str, str]:
        """Return the kinds of the user ids and of the item ids."""
        ...

    n_threads: int | None

    def add_users(self, X: Any, *, wide: bool, unknown: Policy) -> Self:
        """Add users by their ratings."""
        ...

    def _require(self) -> FittedState: ...
    def _checked_columns(self) -> Names | None: ...


def _require_seen(fitted: FittedState) -> Seen:
    if fitted.seen is None:
        raise ValueError(
            "the items of each user in training were not stored (keep_seen=False), so they cannot "
            "be left out of the lists; fit with keep_seen=True"
        )
    return fitted.seen


def _find_pairs(
    relevant: Relevant, rows: tuple[Rows, Rows], mask: Flags
) -> tuple[RelevantPairs, NDArray[Any]]:
    """Return the distinct pairs of a mask, and the ids of their users."""
    if not mask.any():
        raise ValueError(
            "every relevant held-out pair was used in training, so it cannot be recommended; hold "
            "out pairs before fit"
        )
    user_index, users = make_index(relevant.user_ids, "users")
    item_index, items = make_index(relevant.item_ids, "items")
    codes = users[mask] * np.int64(len(item_index.ids)) + items[mask]
    _, first = np.unique(codes, return_index=True)
    user_rows, item_rows, users = (column[mask][first] for column in (*rows, users))
    distinct, starts, numbers = np.unique(users, return_index=True, return_inverse=True)
    return RelevantPairs(user_rows[starts], numbers, item_rows), user_index.ids[distinct]


def _all_metrics(
    ranks: Ranks, lists: Rows, n: int, n_items: int, n_candidates: Offsets | None
) -> dict[str, float]:
    found = metrics_at(ranks, n)
    if n_candidates is not None:
        found["auc"] = area_under_curve(ranks, n_candidates)
    return found | {"coverage": len(np.unique(lists[lists >= 0])) / n_items}
