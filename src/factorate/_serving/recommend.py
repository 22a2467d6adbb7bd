"""Recommendations: the items with the highest predicted ratings for each user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._fitted.fold_in import user_of_ratings
from factorate._input.id_column import as_column, is_scalar
from factorate._input.id_to_row import rows_of
from factorate._input.ratings import read_ratings_of_one
from factorate._input.unknown_ids import warn_unknown
from factorate._serving.excluded_items import find_excluded, listed
from factorate._serving.results import Results, read_form
from factorate._serving.top_n import Excluded, Scoring, best, best_of_one, no_results
from factorate._training.factors import NO_ROWS, predict
from factorate._utils.validation import check_count, check_flag

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.fitted_state import FittedState
    from factorate._fitted.rating_state import RatingState
    from factorate._input.unknown_ids import Policy
    from factorate._serving.excluded_items import Exclude
    from factorate._training.factors import Factors
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats, Rows


def recommend(
    fitted: FittedState,
    users: Any,
    n: int,
    *,
    exclude_seen: bool = True,
    items: ArrayLike | None = None,
    exclude: Exclude | None = None,
    as_frame: bool = False,
    as_lists: bool = False,
    unknown: Policy = "warn",
    n_threads: int | None = None,
) -> Any:
    """Recommend items to users, given as ids; see `FactorModel.recommend`."""
    n, form = check_count("n", n, 1), read_form(as_frame=as_frame, as_lists=as_lists)
    asked = read_request(
        fitted,
        users,
        exclude_seen=exclude_seen,
        items=items,
        exclude=exclude,
        unknown=unknown,
        stacklevel=3,
    )
    if form != "arrays":  # others have no empty entries, so longer lists would waste memory
        n = min(n, max(1, len(asked.candidates)))
    rows, scores = recommend_rows(
        fitted.factors,
        asked.user_rows,
        asked.candidates,
        n=n,
        excluded=asked.excluded,
        n_threads=n_threads,
    )
    results = Results(query_ids=asked.user_ids, index=fitted.item_index, rows=rows, scores=scores)
    if form == "frame":
        return results.to_frame("user", "item", fitted.library)
    single = is_scalar(users)
    return results.to_lists(single=single) if form == "lists" else results.to_arrays(single=single)


class Request(NamedTuple):
    """The users to recommend items to, and the items to choose from.

    Attributes
    ----------
    user_ids : ndarray of shape (m,)
        Ids of the users.
    user_rows : ndarray of shape (m,), int32
        Their rows, −1 if unknown.
    candidates : ndarray, int32
        Rows of the items to choose from, ascending.
    excluded : Excluded or None
        Items to leave out of the list of each user; None for none.
    """

    user_ids: NDArray[Any]
    user_rows: Rows
    candidates: Rows
    excluded: Excluded | None


def read_request(
    fitted: FittedState,
    users: Any,
    *,
    exclude_seen: bool,
    items: ArrayLike | None,
    exclude: Exclude | None,
    unknown: Policy,
    stacklevel: int,
) -> Request:
    """Read what a user asks for, and look up the rows; see `FactorModel.recommend`.

    Warnings are those of the caller `stacklevel` frames above; 1 is the caller itself.
    """
    seen = fitted.seen if check_flag("exclude_seen", exclude_seen) else None
    if exclude_seen and seen is None:
        raise ValueError(
            "the items of each user in training were not stored (keep_seen=False), so they cannot "
            "be excluded; pass exclude_seen=False, or fit with keep_seen=True"
        )
    user_ids, user_rows = rows_of(as_column(users), fitted.user_index, "users")
    for_all, by_user = (None, exclude) if isinstance(exclude, Mapping) else (exclude, None)
    for_all = listed(for_all)
    included, excluded_for_all = (
        (None, NO_ROWS) if ids is None else rows_of(ids, fitted.item_index, name)
        for name, ids in (("items", items), ("exclude", for_all))
    )
    warn_unknown(
        (user_ids, user_rows),
        included,
        fitted.consequences.in_recommendations,
        stacklevel=stacklevel + 1,
        policy=unknown,
    )
    return Request(
        user_ids=user_ids,
        user_rows=user_rows,
        candidates=find_candidates(
            len(fitted.item_index.ids), None if items is None else included[1], excluded_for_all[1]
        ),
        excluded=find_excluded(
            (user_ids, user_rows), fitted.item_index, seen=seen, exclude=by_user
        ),
    )


def recommend_for(
    fitted: RatingState,
    ratings: Any,
    n: int,
    *,
    settings: Settings,
    as_lists: bool = False,
    unknown: Policy = "warn",
    n_threads: int | None = None,
) -> Any:
    """Recommend items to an unknown user by ratings; see `MatrixFactorization.recommend_for`."""
    rows, values, items = read_ratings_of_one(
        ratings, fitted.item_index, dtype=fitted.factors.user_factors.dtype
    )
    warn_unknown(
        (None, NO_ROWS),
        (items, rows),
        fitted.consequences.in_training,
        stacklevel=3,
        policy=unknown,
    )
    single_user = user_of_ratings(fitted, rows, values, settings)
    return recommend(single_user, 0, n, as_lists=as_lists, n_threads=n_threads)


def find_candidates(n_items: int, included: Rows | None, excluded: Rows) -> Rows:
    """Return the rows of items to choose from, ascending.

    Parameters
    ----------
    n_items : int
        Number of items.
    included : ndarray, int32
        Rows of items to choose from, −1 for unknown items; None for all.
    excluded : ndarray, int32
        Rows of items to leave out, −1 for unknown items.

    Examples
    --------
    >>> find_candidates(5, None, np.array([2, -1], np.int32)).tolist()
    [0, 1, 3, 4]
    """
    if included is None and not len(excluded):
        return np.arange(n_items, dtype=np.int32)
    chosen = np.full(n_items, included is None)
    if included is not None:
        chosen[included[included >= 0].astype(np.intp)] = True
    chosen[excluded[excluded >= 0].astype(np.intp)] = False
    return np.flatnonzero(chosen).astype(np.int32)


def recommend_rows(
    factors: Factors,
    users: Rows,
    candidates: Rows,
    *,
    n: int,
    excluded: Excluded | None = None,
    n_threads: int | None = None,
) -> tuple[Rows, Floats]:
    """Find the n candidates with the highest predictions for each user.

    Parameters
    ----------
    factors : Factors
        Factors and biases.
    users : ndarray of shape (m,), int32
        Rows of users; −1 for an unknown user, whose items are ranked by μ + b_i.
    candidates : ndarray, int32
        Rows of items to choose from, ascending.
    n : int
        Length of the lists, at least 1.
    excluded : Excluded, default=None
        Candidates to leave out of the list of each user; None to leave out none.
    n_threads : int, default=None
        Number of threads; None for one per core. It does not change the result.

    Returns
    -------
    items, scores : ndarray of shape (m, n)
        Rows and scores, best first, equal scores by ascending row; −1 and NaN where there are fewer
        candidates. Scores equal those of `predict` bit for bit.
    """
    known = users >= 0
    if not known.all():
        if excluded is None:
            excluded = Excluded.none(len(users))
        rows, scores = no_results(len(users), n, factors.user_factors.dtype)
        rows[known], scores[known] = recommend_rows(
            factors,
            users[known],
            candidates,
            n=n,
            excluded=excluded.select(known),
            n_threads=n_threads,
        )
        by_bias = predict(factors, np.full(len(candidates), -1, np.int32), candidates)
        rows[~known], scores[~known] = best_of_one(by_bias, candidates, n)
        for k in np.flatnonzero(~known & (excluded.begin < excluded.end)).tolist():
            one = excluded.select(slice(k, k + 1))
            rows[k], scores[k] = best_of_one(by_bias, candidates, n, one)
        return rows, scores
    scoring = Scoring(
        queries=factors.user_factors,
        items=factors.item_factors,
        query_bias=factors.user_bias,
        item_bias=factors.item_bias,
        mean=factors.mean,
    )
    return best(scoring, users, candidates, excluded, n=n, n_threads=n_threads)
