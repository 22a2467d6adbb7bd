"""InteractionsInStore: a store of interactions that a user passed to ``fit``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.implicit_eval_set import read_implicit_eval_set
from factorate._fitted.seen import Seen
from factorate._fitted.training_interactions import Prepared, Validation
from factorate._input.interactions import MAX_TOTAL, check_count_range, check_total
from factorate._training.ratings_in_store import RatingsInStore
from factorate._training.settings import check_columns, check_dtype
from factorate._training.stored_interactions import sort_interactions
from factorate._training.stored_levels import read_levels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from factorate._store.stored_ratings import StoredRatings
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._utils.types import Rows
    from factorate.rating_store import RatingStore


@dataclass(frozen=True, kw_only=True)
class InteractionsInStore:
    """The interactions of a store, checked.

    Attributes
    ----------
    given : RatingsInStore
        The store, whose ratings are the counts.
    eval_set : tuple of ndarray or None
        The user and item rows of the validation interactions, if the user passed some.
    """

    given: RatingsInStore
    eval_set: tuple[Rows, Rows] | None

    def prepare(self, settings: ImplicitSettings) -> Prepared:
        """Sort the interactions on disk."""
        validated = None if self.eval_set is None else self.eval_set[0]
        weighed = sort_interactions(self.given, settings, validated)
        users, _ = weighed.sides
        validation = None
        if self.eval_set is not None:
            seen = Seen(*users.read_others_of(self.eval_set[0]))
            validation = Validation(seen, *self.eval_set)

        def collect_seen() -> Seen:
            counts = users.read_counts(0, users.n_pairs)
            others = users.read_others(0, users.n_pairs)
            return Seen(users.starts.view(), others, counts if len(counts) else None)

        return Prepared(weighed, validation, collect_seen)


def read_store_of_interactions(
    parameters: Mapping[str, Any], store: RatingStore, eval_set: object
) -> InteractionsInStore:
    """Return the interactions of a store that a user passed to ``fit``, and read a validation set.

    Raises
    ------
    ValueError
        If a count is not above 0, or a parameter cannot be used with a store; the message says what
        to do.
    """
    if parameters["early_stopping"] and eval_set is None:
        raise ValueError(
            "early_stopping=True with a RatingStore needs an eval_set, because no interactions of "
            "a store are held out; pass fit(store, eval_set=interactions)"
        )
    stored = store._stored
    dtype = check_dtype(parameters["dtype"])
    levels = read_levels(stored, dtype)
    check_stored_counts(stored, dtype)
    given = RatingsInStore(
        stored=stored,
        levels=levels,
        memory=store._memory,
        scratch=store._scratch,
        keep_seen=parameters["keep_seen"],
    )
    held_out = None
    if eval_set is not None:
        names = check_columns(parameters["columns"])
        held_out = read_implicit_eval_set(eval_set, given, names)
    return InteractionsInStore(given=given, eval_set=held_out)


def check_stored_counts(stored: StoredRatings, dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless the ratings of a store are counts above 0 with a usable sum."""
    low, high = np.array([stored.manifest.minimum, stored.manifest.maximum], dtype)
    check_count_range(low, high, str(stored.folder))
    if float(high) * stored.manifest.n_ratings > MAX_TOTAL:  # no sum is larger
        check_total(sum(float(stored.decode(chunk).sum()) for chunk in stored.read_chunks()))
