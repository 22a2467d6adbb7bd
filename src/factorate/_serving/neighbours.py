"""Neighbours: the best items for users, and users and items that are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input.id_column import as_column, is_scalar
from factorate._input.id_to_row import ids_of, rows_of
from factorate._input.unknown_ids import IN_RECOMMENDATIONS, IN_SIMILAR, warn_unknown
from factorate._serving.frames import table_frame
from factorate._serving.top_n import Excluded, Scoring, best, best_of_one, cosines, no_results
from factorate._training.factors import predict
from factorate._utils.validation import check_count, check_flag

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._fitted.seen import Seen
    from factorate._input.id_index import IdIndex
    from factorate._training.factors import Factors
    from factorate._utils.types import Floats, Rows


NOBODY: tuple[Any, Rows] = (None, np.empty(0, np.int32))


def recommend(
    fitted: FittedState, users: Any, n: int, exclude_seen: bool, items: ArrayLike | None,
    exclude: ArrayLike | None, as_frame: bool, n_threads: int | None,
) -> Any:  # fmt: skip
    """Recommend items to users, by ids; see ``MatrixFactorization.recommend``."""
    n, as_frame = check_count("n", n, 1), check_flag("as_frame", as_frame)
    seen = fitted.seen if check_flag("exclude_seen", exclude_seen) else None
    if exclude_seen and seen is None:
        raise ValueError(
            "what users have rated was not kept (keep_seen=False), so it cannot be left out; pass "
            "exclude_seen=False, or fit with keep_seen=True"
        )
    asked = rows_of(as_column(users), fitted.user_index, "users")
    wanted, unwanted = (
        NOBODY if ids is None else rows_of(ids, fitted.item_index, what)
        for what, ids in (("items", items), ("exclude", exclude))
    )
    warn_unknown(asked, wanted, IN_RECOMMENDATIONS, stacklevel=3)
    candidates = choose(
        len(fitted.item_index.ids), None if items is None else wanted[1], unwanted[1]
    )
    if as_frame:  # which leaves out empty places: they need no memory either
        n = min(n, max(1, len(candidates)))
    found = recommend_rows(fitted.factors, asked[1], candidates, seen, n, n_threads)
    titles = "user", "item", "score"
    return _present(
        titles, asked[0], fitted.item_index, *found, is_scalar(users), as_frame, fitted.library
    )


def similar(
    fitted: FittedState, side: str, ids: Any, n: int, as_frame: bool, n_threads: int | None
) -> Any:
    """Find users or items that are alike, by ids; see ``MatrixFactorization.similar_items``."""
    n, as_frame = check_count("n", n, 1), check_flag("as_frame", as_frame)
    index = {"user": fitted.user_index, "item": fitted.item_index}[side]
    asked = rows_of(as_column(ids), index, f"{side}s")
    sides = (asked, NOBODY) if side == "user" else (NOBODY, asked)
    warn_unknown(*sides, IN_SIMILAR, stacklevel=3)
    factors = fitted.factors.user_factors if side == "user" else fitted.factors.item_factors
    if as_frame:
        n = min(n, max(1, len(factors)))
    found = similar_rows(factors, asked[1], n, n_threads)
    titles = side, f"similar_{side}", "score"
    return _present(titles, asked[0], index, *found, is_scalar(ids), as_frame, fitted.library)


def _present(
    titles: tuple[str, str, str], asked: Any, index: IdIndex, rows: Rows, scores: Floats,
    alone: bool, as_frame: bool, library: str | None,
) -> Any:  # fmt: skip
    """Return ids and scores, one row for a single query, or a table without empty places."""
    if not as_frame:
        ids = ids_of(index, rows)
        return (ids[0], scores[0]) if alone else (ids, scores)
    found = rows >= 0
    columns = np.repeat(asked, found.sum(axis=1)), ids_of(index, rows[found]), scores[found]
    return table_frame(dict(zip(titles, columns, strict=True)), library)


def choose(n_items: int, items: Rows | None, exclude: Rows) -> Rows:
    """Return the rows of items there are to choose from, ascending; unknown ones (−1) are none."""
    if items is None and not len(exclude):
        return np.arange(n_items, dtype=np.int32)
    wanted = np.full(n_items, items is None)
    if items is not None:
        wanted[items[items >= 0]] = True
    wanted[exclude[exclude >= 0]] = False
    return np.flatnonzero(wanted).astype(np.int32)


def recommend_rows(
    factors: Factors,
    users: Rows,
    candidates: Rows,
    seen: Seen | None,
    n: int,
    n_threads: int | None,
) -> tuple[Rows, Floats]:
    """Find the n best items of each user.

    Parameters
    ----------
    factors
        What was learnt.
    users
        Rows, shape (m,); −1 is an unknown one, who gets the best items by μ + b_i.
    candidates
        Rows of the items there are to choose from, ascending.
    seen
        What users have rated, to be left out; None to leave out nothing.
    n
        At least 1.
    n_threads
        How many may run; None for one on each core. Without influence on the result.

    Returns
    -------
    items, scores
        Rows and scores, shape (m, n), best first, equal scores by row; −1 and NaN where there are
        fewer candidates. Scores equal those of `predict` bit for bit.
    """
    known = users >= 0
    if not known.all():
        rows, scores = no_results(len(users), n, factors.user_factors.dtype)
        rows[known], scores[known] = recommend_rows(
            factors, users[known], candidates, seen, n, n_threads
        )
        by_bias = predict(factors, np.full(len(candidates), -1, np.int32), candidates)
        rows[~known], scores[~known] = best_of_one(by_bias, candidates, n)
        return rows, scores
    scoring = Scoring(
        factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias,
        factors.mean,
    )  # fmt: skip
    excluded = None
    if seen is not None:
        excluded = Excluded(seen.starts[users], seen.starts[users + 1], seen.items)
    return best(scoring, users, candidates, excluded, n, n_threads)


def similar_rows(
    factors: Floats, queries: Rows, n: int, n_threads: int | None
) -> tuple[Rows, Floats]:
    """Find the n rows of factors with the largest cosine to each query, itself left out.

    Parameters
    ----------
    factors
        Shape (n_rows, K).
    queries
        Rows, shape (m,); −1 is an unknown one, for which nothing is found.
    n, n_threads
        As in `recommend_rows`.

    Returns
    -------
    rows, cosines
        Shape (m, n), as `recommend_rows` returns them. Where a row is all zeros, the cosine is 0.
    """
    known = queries >= 0
    rows, scores = no_results(len(queries), n, factors.dtype)
    asked = queries[known]
    every = np.arange(len(factors), dtype=np.int32)
    itself = Excluded(np.arange(len(asked)), np.arange(1, len(asked) + 1), asked)
    rows[known], scores[known] = best(cosines(factors), asked, every, itself, n, n_threads)
    return rows, np.clip(scores, -1, 1, out=scores)


def group(factors: Floats, n_groups: int, seed: int) -> Rows:
    """Cluster rows of factors by scikit-learn's KMeans; return the group of each, shape (n,).

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    """
    n_groups = check_count("n_groups", n_groups, 1, len(factors))
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise ImportError(
            "groups are found by scikit-learn: pip install 'factorate[sklearn]'"
        ) from None
    labels = KMeans(n_groups, n_init=1, random_state=seed % 2**32).fit(factors).labels_
    return np.asarray(labels, np.int32)


def user_vectors(factors: Factors, augmented: bool) -> Floats:
    """Return p_u, or with `augmented` (p_u, 1, μ + b_u), one row for each user."""
    if not augmented:
        return factors.user_factors
    base = factors.user_bias + factors.user_bias.dtype.type(factors.mean)
    return np.column_stack([factors.user_factors, np.ones_like(base), base])


def item_vectors(factors: Factors, augmented: bool) -> Floats:
    """Return q_i, or with `augmented` (q_i, b_i, 1), one row for each item."""
    if not augmented:
        return factors.item_factors
    bias = factors.item_bias
    return np.column_stack([factors.item_factors, bias, np.ones_like(bias)])
