"""popular_items: the items rated by the most users, for each user those not rated yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.seen import find_seen, pairs_of

if TYPE_CHECKING:
    from factorate._fitted.seen import Seen
    from factorate._utils.types import Doubles, Offsets, Rows


def popular_items(seen: Seen, users: Rows, n_raters: Offsets, n: int) -> tuple[Rows, Doubles]:
    """Find the n items that the most users have rated, without those that a user has rated.

    The time is linear in the number of seen items and in the size of the result. In the ranking of
    all items, let s₀ < s₁ < … be the ranks of those that a user has rated. The number of unrated
    items before rank sᵢ is sᵢ − i, so the j-th unrated item has the rank j plus the number of i
    with sᵢ − i ≤ j.

    Parameters
    ----------
    seen : Seen
        The items of each user.
    users : ndarray of shape (m,), int32
        Rows of users; −1 for an unknown user, who has rated nothing.
    n_raters : ndarray of int64, shape (n_items,)
        Number of users who have rated each item.
    n : int
        Length of the lists, at least 1.

    Returns
    -------
    items, counts : ndarray of shape (m, n)
        Rows of items and the number of users who have rated each, in descending order, equal
        numbers by ascending row; −1 and NaN where there are fewer items.

    Examples
    --------
    >>> ratings = np.array([[0, 0, 1, 1, 2], [1, 2, 2, 0, 2]], np.int32)  # users and items
    >>> seen = find_seen(*ratings, n_users=3, n_items=4)
    >>> n_raters = np.array([1, 1, 3, 0])
    >>> items, counts = popular_items(seen, np.array([0, 2, -1], np.int32), n_raters, n=3)
    >>> items.tolist()
    [[0, 3, -1], [0, 1, 3], [2, 0, 1]]
    >>> counts.tolist()
    [[1.0, 0.0, nan], [1.0, 1.0, 0.0], [3.0, 1.0, 1.0]]
    """
    n_items = len(n_raters)
    ranking = np.argsort(-n_raters, kind="stable").astype(np.int32)
    ranks = np.empty(n_items, np.int32)
    ranks[ranking.astype(np.intp)] = np.arange(n_items, dtype=np.int32)

    lists, items = pairs_of(seen, users)
    seen_ranks = find_seen(lists, ranks.take(items), len(users), n_items)  # ascending in each list
    lists, its_ranks = pairs_of(seen_ranks, np.arange(len(users), dtype=np.int32))
    index = np.arange(len(lists)) - seen_ranks.starts.take(lists)
    n_unrated_before = its_ranks - index
    early = n_unrated_before < n
    cells = lists[early] * np.int64(n) + n_unrated_before[early]
    skipped = np.bincount(cells, minlength=len(users) * n).reshape(len(users), n)
    wanted = np.cumsum(skipped, axis=1) + np.arange(n)

    filled = wanted < n_items
    found = np.full(wanted.shape, -1, np.int32)
    counts = np.full(wanted.shape, np.nan)
    found[filled] = ranking.take(wanted[filled])
    counts[filled] = n_raters.take(found[filled])
    return found, counts
