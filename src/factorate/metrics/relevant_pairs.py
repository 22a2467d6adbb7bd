"""RelevantPairs: the relevant items of users, as rows of a model, and their ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.seen import find_bounds, pairs_of
from factorate._serving.recommend import recommend_rows
from factorate._serving.top_n import Excluded
from factorate._training.factors import predict
from factorate._utils.cores import count_threads
from factorate._utils.workers import Workers
from factorate.metrics.ranks import Ranks

if TYPE_CHECKING:
    from factorate._fitted.seen import Seen
    from factorate._training.factors import Factors
    from factorate._utils.types import Floats, Offsets, Rows

BLOCK_SCORES = 1 << 18  # scores that a thread computes at a time


@dataclass(frozen=True)
class RelevantPairs:
    """The relevant items of each user, without repetition and without those seen in training.

    Attributes
    ----------
    user_rows : ndarray of int32, shape (n_users,)
        Row of each user; −1 for an unknown user.
    users : ndarray of int64, shape (n_pairs,)
        Number of the user of each pair, ascending, from 0 to n_users − 1.
    item_rows : ndarray of int32, shape (n_pairs,)
        Row of the item of each pair; −1 for an unknown item.
    """

    user_rows: Rows
    users: Offsets
    item_rows: Rows

    @property
    def n_relevant(self) -> Offsets:
        """The number of relevant items of each user."""
        return np.bincount(self.users, minlength=len(self.user_rows))

    def known(self) -> RelevantPairs:
        """Return the pairs with known items."""
        known = self.item_rows >= 0
        return RelevantPairs(self.user_rows, self.users[known], self.item_rows[known])


def rank_by_model(
    factors: Factors,
    seen: Seen,
    pairs: RelevantPairs,
    n: int,
    *,
    complete: bool = False,
    n_threads: int | None = None,
    block_scores: int = BLOCK_SCORES,
) -> tuple[Ranks, Rows]:
    """Rank the relevant items of users by their predictions, among all items not seen.

    The scores of all candidates are needed only where a list ends within a group of tied items.

    Parameters
    ----------
    factors : Factors
        Factors and biases.
    seen : Seen
        The items of each user, which are not candidates.
    pairs : RelevantPairs
        The relevant items.
    n : int
        Length of the lists, at least 1.
    complete : bool, default=False
        Whether to compute the ranks of all relevant candidates, or only of those with fewer than n
        above them.
    n_threads : int or None, default=None
        Number of threads; None for one per core. It does not change the result.
    block_scores : int, default=262144
        Number of scores that a thread computes at a time. It does not change the result.

    Returns
    -------
    ranks : Ranks
        The ranks.
    lists : ndarray of int32, shape (n_users, min(n, n_items))
        Rows of the recommended items, as of `recommend`; −1 where there are fewer.
    """
    n_items, users = len(factors.item_factors), pairs.user_rows
    n = min(n, n_items)
    lists, list_scores = recommend_rows(
        factors,
        users,
        np.arange(n_items, dtype=np.int32),
        n=n + 1,
        excluded=Excluded(*find_bounds(seen, users), seen.items),
        n_threads=n_threads,
    )
    known = pairs.known()
    scores = predict(factors, users.take(known.users), known.item_rows, n_threads)
    n_above, n_tied = _count_in_lists(list_scores, known.users, scores, block_scores)
    tied_at_end = np.flatnonzero(
        np.ones(len(users), np.bool) if complete else list_scores[:, -1] == list_scores[:, -2]
    )
    starts = np.searchsorted(known.users, np.arange(len(users) + 1))
    size = max(1, block_scores // n_items)

    def count_in_all(first: int) -> None:
        numbers = tied_at_end[first : first + size]
        ordered, n_candidates = _sorted_scores(factors, seen, users.take(numbers))
        for number, row, length in zip(numbers.tolist(), ordered, n_candidates, strict=True):
            mine = slice(starts[number], starts[number + 1])
            below = np.searchsorted(row[:length], scores[mine], "left")
            not_above = np.searchsorted(row[:length], scores[mine], "right")
            n_above[mine], n_tied[mine] = length - not_above, not_above - below

    Workers(count_threads(n_threads)).map(count_in_all, range(0, len(tied_at_end), size))
    within = (n_above < n) | complete
    ranks = Ranks(
        users=known.users[within],
        n_above=n_above[within],
        n_tied=n_tied[within],
        n_relevant=pairs.n_relevant,
    )
    return ranks, lists[:, :n]


def rank_by_popularity(seen: Seen, pairs: RelevantPairs, n_raters: Offsets) -> Ranks:
    """Rank the relevant items of users by the number of users who have rated them.

    Parameters
    ----------
    seen : Seen
        The items of each user, which are not candidates.
    pairs : RelevantPairs
        The relevant items.
    n_raters : ndarray of int64, shape (n_items,)
        Number of users who have rated each item.

    Returns
    -------
    Ranks
        Those of all relevant candidates.
    """
    n_items, known = len(n_raters), pairs.known()
    ordered = np.sort(n_raters)
    not_above = np.searchsorted(ordered, n_raters, "right")
    n_above, n_tied = n_items - not_above, not_above - np.searchsorted(ordered, n_raters, "left")

    # Seen items are sorted by user and number of items above, encoded in one number.
    users, items = pairs_of(seen, pairs.user_rows)
    keys = np.sort(users * np.int64(n_items) + n_above.take(items))
    first = known.users * np.int64(n_items)
    above = n_above.take(known.item_rows)
    begin, left = np.searchsorted(keys, first), np.searchsorted(keys, first + above)
    right = np.searchsorted(keys, first + above, "right")
    return Ranks(
        users=known.users,
        n_above=above - (left - begin),
        n_tied=n_tied.take(known.item_rows) - (right - left),
        n_relevant=pairs.n_relevant,
    )


def count_candidates(seen: Seen, user_rows: Rows, n_items: int) -> Offsets:
    """Return the number of items that each user has not rated."""
    begin, end = find_bounds(seen, user_rows)
    return n_items - (end - begin)


def _count_in_lists(
    list_scores: Floats, users: Offsets, scores: Floats, block_scores: int
) -> tuple[Offsets, Offsets]:
    """Count the entries of the user's list above each score, and those equal to it."""
    n_above, n_tied = np.empty(len(users), np.int64), np.empty(len(users), np.int64)
    size = max(1, block_scores // list_scores.shape[1])
    for first in range(0, len(users), size):
        block = slice(first, first + size)
        rows, mine = list_scores[users[block]], scores[block, None]
        n_above[block] = np.count_nonzero(rows > mine, axis=1)  # NaN is neither
        n_tied[block] = np.count_nonzero(rows == mine, axis=1)
    return n_above, n_tied


def _sorted_scores(factors: Factors, seen: Seen, user_rows: Rows) -> tuple[Floats, list[int]]:
    """Return the scores of each user's candidates, ascending, followed by NaN, and their number."""
    n_items = len(factors.item_factors)
    items = np.tile(np.arange(n_items, dtype=np.int32), len(user_rows))
    scores = predict(factors, np.repeat(user_rows, n_items), items)
    users, seen_items = pairs_of(seen, user_rows)
    scores[users * np.int64(n_items) + seen_items] = np.nan
    table = scores.reshape(len(user_rows), n_items)
    table.sort(axis=1)
    return table, count_candidates(seen, user_rows, n_items).tolist()
