"""read_store: the ratings of a store that a user passes to ``fit``, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.levels import MAX_LEVELS
from factorate._input.rating_values import value_range
from factorate._training import losses
from factorate._training.backend import LOCAL
from factorate._training.held_out import read_eval_set
from factorate._training.ratings_in_store import RatingsInStore
from factorate._training.settings import check_columns, check_dtype
from factorate._training.stored_levels import read_levels

if TYPE_CHECKING:
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._training.backend import Backend
    from factorate._training.held_out import HeldOut
    from factorate._training.settings import Parameters
    from factorate._training.update_rule import UpdateRule
    from factorate._utils.types import Floats
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


def check_alone(y: object, sample_weight: object) -> None:
    """Raise ValueError if ratings or weights are passed together with a store."""
    if y is not None:
        raise ValueError("a RatingStore holds its ratings; pass it without y")
    if sample_weight is not None:
        raise ValueError(
            "sample_weight cannot be used with a RatingStore, which holds no weights; pass arrays "
            "in memory"
        )


def check_distinct(levels: Floats, bounds: tuple[float, float], rule: UpdateRule) -> None:
    """Raise ValueError if the loss is not defined for some of the ratings.

    Parameters
    ----------
    levels : ndarray
        The distinct ratings; none if there are too many.
    bounds : tuple of float
        Minimum and maximum rating.
    rule : UpdateRule
        The update rule.
    """
    if not len(levels) and rule.loss in losses.TWO_VALUED:
        raise ValueError(
            f"there are more than {MAX_LEVELS:,} distinct ratings; loss={rule.loss!r} expects "
            f"ratings of two values: choose another loss, or replace them by two values"
        )
    distinct = levels if len(levels) else np.array(bounds, levels.dtype)
    losses.check(distinct, rule, what="the distinct ratings")


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
    dtype = check_dtype(parameters["dtype"])
    levels = read_levels(stored, dtype)
    bounds = value_range(np.array([stored.manifest.minimum, stored.manifest.maximum], dtype))
    check_distinct(levels.levels, bounds, rule)
    ratings = RatingsInStore(
        stored=stored,
        levels=levels,
        memory=store._memory,
        scratch=store._scratch,
        keep_seen=parameters["keep_seen"],
        warm_start=parameters["warm_start"],
    )
    held_out = None
    if eval_set is not None:
        names = check_columns(parameters["columns"])
        held_out = read_eval_set(eval_set, ratings, rule, names, bounds)
    return StoredTraining(ratings=ratings, eval_set=held_out, bounds=bounds)
