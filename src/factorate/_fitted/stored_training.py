"""read_store: the ratings of a store that a user passes to ``fit``, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorate._input.rating_values import value_range
from factorate._training import losses
from factorate._training.backend import LOCAL
from factorate._training.held_out import read_eval_set
from factorate._training.ratings_in_store import RatingsInStore, read_levels
from factorate._training.settings import check_columns, check_dtype

if TYPE_CHECKING:
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._training.backend import Backend
    from factorate._training.held_out import HeldOut
    from factorate._training.settings import Parameters
    from factorate._training.update_rule import UpdateRule
    from factorate.rating_store import RatingStore


@dataclass(frozen=True, kw_only=True)
class StoredTraining:
    """Ratings that are not in memory, which are all used and weigh the same.

    Attributes
    ----------
    ratings : RatingsInStore or ClusterRatings
        The ratings.
    eval_set : HeldOut or None
        The validation ratings, if the user passed some.
    bounds : tuple of float
        Minimum and maximum rating.
    backend : Backend, default=LOCAL
        Where they are trained on.
    """

    ratings: RatingsInStore | ClusterRatings
    eval_set: HeldOut | None
    bounds: tuple[float, float]
    backend: Backend = LOCAL


def read_store(
    parameters: Parameters, store: RatingStore, eval_set: object, rule: UpdateRule
) -> StoredTraining:
    """Return the ratings of a store that a user passed to ``fit``, and read a validation set.

    Raises
    ------
    ValueError
        If a parameter cannot be used with a store; the message says what to do.
    """
    stored = store._stored
    if parameters["svdpp"]:
        raise ValueError(
            "svdpp=True cannot be used with a RatingStore, because it needs the items of each user "
            "in memory; set svdpp=False, or fit to arrays in memory"
        )
    if parameters["warm_start"]:
        raise ValueError(
            "warm_start=True cannot be used with a RatingStore; set warm_start=False, or fit to "
            "arrays in memory"
        )
    if parameters["early_stopping"] and eval_set is None:
        raise ValueError(
            "early_stopping=True with a RatingStore needs an eval_set, because no ratings of a "
            "store are held out; pass fit(store, eval_set=ratings)"
        )
    levels = read_levels(stored, check_dtype(parameters["dtype"]))
    losses.check(levels, rule, what="the distinct ratings")
    bounds = value_range(levels)
    ratings = RatingsInStore(
        stored=stored,
        levels=levels,
        memory=store._memory,
        scratch=store._scratch,
        keep_seen=parameters["keep_seen"],
    )
    held_out = None
    if eval_set is not None:
        names = check_columns(parameters["columns"])
        held_out = read_eval_set(eval_set, ratings, rule, names, bounds)
    return StoredTraining(ratings=ratings, eval_set=held_out, bounds=bounds)
