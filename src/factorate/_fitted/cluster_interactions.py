"""InteractionsOnCluster: interactions that a user passed to the ``fit`` of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._cluster.cluster_als_runner import ClusterAlsRunner
from factorate._cluster.cluster_ratings import INTERACTIONS, read_frame, read_store
from factorate._cluster.group_interactions import total_of
from factorate._cluster.interaction_groups import InteractionGroups
from factorate._fitted.implicit_eval_set import read_implicit_eval_set
from factorate._fitted.interactions_in_store import check_stored_counts
from factorate._fitted.seen import Seen
from factorate._fitted.training_interactions import Prepared, Validation
from factorate._input.interactions import MAX_TOTAL, check_total
from factorate._training.settings import check_columns, check_dtype
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._utils.types import Flags, Rows


@dataclass(frozen=True, kw_only=True)
class InteractionsOnCluster:
    """Interactions that the workers of a cluster read, checked.

    Attributes
    ----------
    given : ClusterRatings
        The interactions, whose ratings are the counts.
    eval_set : tuple of ndarray or None
        The user and item rows of the validation interactions, if the user passed some.
    """

    given: ClusterRatings
    eval_set: tuple[Rows, Rows] | None

    def prepare(self, settings: ImplicitSettings) -> Prepared:
        """Have the workers sort the interactions."""
        groups = InteractionGroups(self.given, settings)
        validation = None
        if self.eval_set is not None:
            is_validated: Flags = np.zeros(groups.shape[0], np.bool)
            is_validated[self.eval_set[0].astype(np.intp)] = True
            side = groups.collect(is_validated)
            validation = Validation(Seen(side.starts, side.others), *self.eval_set)

        def collect_seen() -> Seen:
            side = groups.collect()
            counts = side.weights
            return Seen(side.starts, side.others, counts if len(counts) else None)

        return Prepared(groups, validation, collect_seen, ClusterAlsRunner)


def read_interactions_on_cluster(
    parameters: Mapping[str, Any], cluster: Cluster, X: Any, eval_set: object
) -> InteractionsOnCluster:
    """Have the workers of a cluster read interactions, and read a validation set.

    Raises
    ------
    TypeError, ValueError
        If a parameter cannot be used on a cluster, or the input is not interactions; the message
        says what to do.
    """
    if parameters["early_stopping"] and eval_set is None:
        raise ValueError(
            "early_stopping=True on a cluster needs an eval_set, because no interactions are held "
            "out there; pass fit(X, eval_set=interactions)"
        )
    dtype, names = check_dtype(parameters["dtype"]), check_columns(parameters["columns"])
    if isinstance(X, RatingStore):
        check_stored_counts(X._stored, dtype)
        given = read_store(cluster, X._stored, dtype)
    else:
        given = read_frame(cluster, X, names, dtype, INTERACTIONS)
        if given.bounds[1] * given.n_ratings > MAX_TOTAL:  # no sum is larger
            check_total(sum(given.map(total_of)))
    held_out = None
    if eval_set is not None:
        held_out = read_implicit_eval_set(eval_set, given, names)
    return InteractionsOnCluster(given=given, eval_set=held_out)
