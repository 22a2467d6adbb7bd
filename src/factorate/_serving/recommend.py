"""Recommendations: the items with the highest predicted ratings for each user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.fold_in import user_of_ratings
from factorate._input.id_column import as_column, is_scalar
from factorate._input.id_to_row import rows_of
from factorate._input.ratings import read_ratings_of_one
from factorate._input.unknown_ids import IN_RATINGS, IN_RECOMMENDATIONS, warn_unknown
from factorate._serving.results import Results
from factorate._serving.top_n import NO_ROWS, Excluded, Scoring, best, best_of_one, no_results
from factorate._training.factors import predict
from factorate._utils.validation import check_count, check_flag

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from factorate._fitted.fitted_state import FittedState
    from factorate._fitted.seen import Seen
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
    exclude: ArrayLike | None = None,
    as_frame: bool = False,
    n_threads: int | None = None,
) -> Any:
    """Recommend items to users, given as ids; see `FactorModel.recommend`."""
    n, as_frame = check_count("n", n, 1), check_flag("as_frame", as_frame)
    seen = fitted.seen if check_flag("exclude_seen", exclude_seen) else None
    if exclude_seen and seen is None:
        raise ValueError(
            "the items that users have rated were not stored (keep_seen=False), so they cannot be "
            "excluded; pass exclude_seen=False, or fit with keep_seen=True"
        )
    user_ids, user_rows = rows_of(as_column(users), fitted.user_index, "users")
    included, excluded = (
        (None, NO_ROWS) if ids is None else rows_of(ids, fitted.item_index, name)
        for name, ids in (("items", items), ("exclude", exclude))
    )
    warn_unknown((user_ids, user_rows), included, IN_RECOMMENDATIONS, stacklevel=3)
    candidates = find_candidates(
        len(fitted.item_index.ids), None if items is None else included[1], excluded[1]
    )
    if as_frame:  # a frame has no empty entries, so longer lists would waste memory
        n = min(n, max(1, len(candidates)))
    rows, scores = recommend_rows(
        fitted.factors, user_rows, candidates, n=n, seen=seen, n_threads=n_threads
    )
    results = Results(query_ids=user_ids, index=fitted.item_index, rows=rows, scores=scores)
    if as_frame:
        return results.to_frame("user", "item", fitted.library)
    return results.to_arrays(single=is_scalar(users))


def recommend_for(
    fitted: FittedState,
    ratings: Any,
    n: int,
    *,
    settings: Settings,
    n_threads: int | None = None,
) -> tuple[NDArray[Any], Floats]:
    """Recommend items to an unknown user by ratings; see `FactorModel.recommend_for`."""
    rows, values, items = read_ratings_of_one(
        ratings, fitted.item_index, dtype=fitted.factors.user_factors.dtype
    )
    warn_unknown((None, NO_ROWS), (items, rows), IN_RATINGS, stacklevel=3)
    single_user = user_of_ratings(fitted, rows, values, settings)
    found: tuple[NDArray[Any], Floats] = recommend(single_user, 0, n, n_threads=n_threads)
    return found


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
    seen: Seen | None = None,
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
    seen : Seen, default=None
        The items each user has rated, to leave out; None to leave out none.
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
        rows, scores = no_results(len(users), n, factors.user_factors.dtype)
        rows[known], scores[known] = recommend_rows(
            factors, users[known], candidates, n=n, seen=seen, n_threads=n_threads
        )
        by_bias = predict(factors, np.full(len(candidates), -1, np.int32), candidates)
        rows[~known], scores[~known] = best_of_one(by_bias, candidates, n)
        return rows, scores
    scoring = Scoring(
        queries=factors.user_factors,
        items=factors.item_factors,
        query_bias=factors.user_bias,
        item_bias=factors.item_bias,
        mean=factors.mean,
    )
    excluded = None
    if seen is not None:
        excluded = Excluded(seen.starts.take(users), seen.starts.take(users + 1), seen.items)
    return best(scoring, users, candidates, excluded, n=n, n_threads=n_threads)
