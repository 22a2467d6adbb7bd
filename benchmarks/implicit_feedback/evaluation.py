"""Metrics of the scores P Qᵀ, the same for all models; tied items count as in `metrics.ranking`."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate.metrics.ranks import Ranks, metrics_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.implicit_feedback.data import Interactions, LastInteractions

BLOCK = 256  # users


def rank_last(P: Any, Q: Any, test: LastInteractions, n: int = 10) -> dict[str, float]:
    """Return the metrics of each user's held-out item among the other candidates."""
    scores = np.einsum("uk,uck->uc", P[test.users], Q[test.candidates])
    ranks = Ranks(
        users=np.arange(len(scores)),
        n_above=np.count_nonzero(scores > scores[:, :1], axis=1),
        n_tied=np.count_nonzero(scores == scores[:, :1], axis=1),
        n_relevant=np.ones(len(scores), np.int64),
    )
    return metrics_at(ranks, n)


def rank_all(
    P: Any, Q: Any, known: Interactions, held_out: Interactions, lengths: tuple[int, ...]
) -> list[dict[str, float]]:
    """Return the metrics for some lengths of lists of all items except each user's known ones.

    Both sets of interactions are sorted by user. Items whose factors are NaN are not ranked, so
    they are missed if they are held out.
    """
    n_above, n_tied = np.empty((2, len(held_out)), np.int64)
    is_ranked = ~np.isnan(Q[held_out.items, 0])
    known_starts, starts = known.starts(), held_out.starts()
    for first in range(0, len(P), BLOCK):
        last = min(first + BLOCK, len(P))
        scores = P[first:last] @ Q.T
        mine = slice(known_starts[first], known_starts[last])
        scores[known.users[mine] - first, known.items[mine]] = np.nan
        for user in range(first, last):
            pairs = slice(starts[user], starts[user + 1])
            row = scores[user - first]
            own = row[held_out.items[pairs], None]
            n_above[pairs] = np.count_nonzero(row > own, axis=1)
            n_tied[pairs] = np.count_nonzero(row == own, axis=1)
    _, numbers, counts = np.unique(held_out.users, return_inverse=True, return_counts=True)
    ranks = Ranks(
        users=numbers[is_ranked],
        n_above=n_above[is_ranked],
        n_tied=n_tied[is_ranked],
        n_relevant=counts,
    )
    return [metrics_at(ranks, n) for n in lengths]


def mean_and_deviation(values: Sequence[float]) -> str:
    """Return the mean and the standard deviation as text."""
    return f"{statistics.mean(values):.4f} ± {np.std(values):.4f}"
