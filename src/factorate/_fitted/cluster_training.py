"""read_on_cluster: the ratings that a user passes to the ``fit`` of a cluster, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorate._cluster.cluster_ratings import read_frame, read_store
from factorate._cluster.cluster_runner import make_cluster_runner
from factorate._cluster.row_groups import make_cluster_schedule
from factorate._fitted.stored_training import StoredTraining, check_distinct
from factorate._training.backend import Backend
from factorate._training.held_out import read_eval_set
from factorate._training.settings import check_columns, check_dtype
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from factorate._cluster.cluster import Cluster
    from factorate._training.settings import Parameters
    from factorate._training.update_rule import UpdateRule

ON_CLUSTER = Backend(make_cluster_schedule, make_cluster_runner)


def read_on_cluster(
    parameters: Parameters, cluster: Cluster, X: Any, eval_set: object, rule: UpdateRule
) -> StoredTraining:
    """Have the workers of a cluster read ratings, and read a validation set.

    Raises
    ------
    TypeError, ValueError
        If a parameter cannot be used on a cluster, or the input is not ratings; the message says
        what to do.
    """
    if parameters["svdpp"]:
        raise ValueError(
            "svdpp=True cannot be used on a cluster, because it needs the items of each user in "
            "memory; set svdpp=False, or fit a MatrixFactorization to arrays in memory"
        )
    dtype, names = check_dtype(parameters["dtype"]), check_columns(parameters["columns"])
    if isinstance(X, RatingStore):
        ratings = read_store(cluster, X._stored, dtype)
    else:
        ratings = read_frame(cluster, X, names, dtype)
    bounds = ratings.bounds
    check_distinct(ratings.levels.levels, bounds, rule)
    held_out = None
    if eval_set is not None:
        held_out = read_eval_set(eval_set, ratings, rule, names, bounds)
    return StoredTraining(ratings=ratings, eval_set=held_out, bounds=bounds, backend=ON_CLUSTER)
