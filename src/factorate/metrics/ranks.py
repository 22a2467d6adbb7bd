"""Ranks: where the relevant items of users stand, and the metrics that follow, ties included.

Items with equal scores have no order of their own. Each metric is its expected value over all
orders of tied items, each equally likely (McSherry and Najork, "Computing information retrieval
performance measures efficiently in the presence of tied scores", ECIR 2008), so it depends neither
on the order of the items nor on chance. A relevant item in a group of t tied items, r of them
relevant, is at each of their places with probability r / t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._utils.types import Doubles, Offsets


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Where the relevant items of some users stand among the candidates of each.

    Relevant items that are not among the candidates, such as unknown items, are in `n_relevant`
    only. They rank after all candidates.

    Attributes
    ----------
    users : ndarray of int64, shape (n_pairs,)
        Number of the user of each relevant candidate, ascending.
    n_above : ndarray of int64, shape (n_pairs,)
        Candidates of the user with a higher score.
    n_tied : ndarray of int64, shape (n_pairs,)
        Candidates of the user with the same score, the item itself included.
    n_relevant : ndarray of int64, shape (n_users,)
        Relevant items of each user, at least 1.
    """

    users: Offsets
    n_above: Offsets
    n_tied: Offsets
    n_relevant: Offsets


def metrics_at(ranks: Ranks, n: int) -> dict[str, float]:
    """Return the expected metrics of the first n candidates, averaged over the users.

    Parameters
    ----------
    ranks : Ranks
        Those of all relevant candidates with fewer than n above them; further ones do not count.
    n : int
        Length of the lists, at least 1.

    Returns
    -------
    dict of str to float
        "precision", "recall", "capped_recall", "ndcg", "map" and "hit_rate"; the functions of
        `factorate.metrics` define them.

    Examples
    --------
    A list begins with one of two tied items, one of them relevant:

    >>> one, two = np.array([1]), np.array([2])
    >>> ranks = Ranks(users=one - 1, n_above=one - 1, n_tied=two, n_relevant=one)
    >>> metrics_at(ranks, 1)["hit_rate"], metrics_at(ranks, 2)["hit_rate"]
    (0.5, 1.0)
    """
    groups = _groups(ranks)
    filled = np.clip(n - groups.n_above, 0, groups.n_tied)  # places in the list
    group = np.repeat(np.arange(len(filled)), filled)
    nth = np.arange(len(group)) - np.repeat(np.cumsum(filled) - filled, filled)
    rank = groups.n_above[group] + nth  # from 0
    users, n_users = groups.users[group], len(ranks.n_relevant)
    chance = (groups.n_relevant / groups.n_tied)[group]

    hits = np.bincount(users, chance, n_users)
    limit = np.minimum(ranks.n_relevant, n)
    discounts = 1 / np.log2(np.arange(2, 2 + max(limit.max(), rank.max(initial=-1) + 1)))
    gains = np.bincount(users, chance * discounts[rank], n_users)
    # Of the other r − 1 relevant items of the group, each is before the nth place of t with
    # probability (nth − 1) / (t − 1), given that a relevant item is there.
    per_place = (groups.n_relevant - 1) / np.maximum(groups.n_tied - 1, 1)
    n_before = groups.n_relevant_above[group] + nth * per_place[group]
    precisions = np.bincount(users, chance * ((n_before + 1) / (rank + 1)), n_users)
    return {
        "precision": float(np.mean(hits / n)),
        "recall": float(np.mean(hits / ranks.n_relevant)),
        "capped_recall": float(np.mean(hits / limit)),
        "ndcg": float(np.mean(gains / np.cumsum(discounts)[limit - 1])),
        "map": float(np.mean(precisions / limit)),
        "hit_rate": float(np.mean(1 - _chance_of_no_hit(groups, filled, n_users))),
    }


def area_under_curve(ranks: Ranks, n_candidates: NDArray[np.int64]) -> float:
    """Return the AUC: the chance that a relevant item is above one that is not relevant.

    Parameters
    ----------
    ranks : Ranks
        Those of all relevant candidates.
    n_candidates : ndarray of int64, shape (n_users,)
        Number of candidates of each user.

    Returns
    -------
    float
        Averaged over the users with a candidate that is not relevant; NaN if there is none. Ties
        count one half, and relevant items that are not among the candidates 0.

    Examples
    --------
    >>> one = np.array([1])
    >>> ranks = Ranks(users=one - 1, n_above=one, n_tied=one, n_relevant=one)
    >>> area_under_curve(ranks, np.array([5]))  # above three of four
    0.75
    """
    groups, n_users = _groups(ranks), len(ranks.n_relevant)
    n_others = n_candidates - np.bincount(ranks.users, minlength=n_users)
    n_better = groups.n_above - groups.n_relevant_above + (groups.n_tied - groups.n_relevant) / 2
    n_worse = groups.n_relevant * (n_others[groups.users] - n_better)
    defined = n_others > 0
    if not defined.any():
        return float("nan")
    n_pairs = (ranks.n_relevant * n_others)[defined]
    return float(np.mean(np.bincount(groups.users, n_worse, n_users)[defined] / n_pairs))


class _Groups(NamedTuple):
    """Groups of tied candidates, those with a relevant item; by user and descending score."""

    users: Offsets
    n_above: Offsets
    n_tied: Offsets
    n_relevant: Offsets
    n_relevant_above: Offsets


def _groups(ranks: Ranks) -> _Groups:
    order = np.lexsort((ranks.n_above, ranks.users))
    users, n_above = ranks.users[order], ranks.n_above[order]
    starts_group = np.ones(len(order), np.bool)
    starts_group[1:] = (users[1:] != users[:-1]) | (n_above[1:] != n_above[:-1])
    first = np.flatnonzero(starts_group)
    users = users[first]
    return _Groups(
        users=users,
        n_above=n_above[first],
        n_tied=ranks.n_tied[order[first]],
        n_relevant=np.diff(first, append=len(order)),
        n_relevant_above=first - first[np.searchsorted(users, users)],
    )


def _chance_of_no_hit(groups: _Groups, filled: Offsets, n_users: int) -> Doubles:
    """Return the probability that the places of all groups in the list have no relevant item."""
    out = np.ones(n_users)
    out[groups.users[(filled > 0) & (filled == groups.n_tied)]] = 0.0
    partial = (filled > 0) & (filled < groups.n_tied)
    n_tied = groups.n_tied[partial]
    # C(t − r, m) / C(t, m) = C(t − m, r) / C(t, r), as a product of min(r, m) ratios
    fewer = np.minimum(groups.n_relevant[partial], filled[partial])
    more = np.maximum(groups.n_relevant[partial], filled[partial])
    chance = np.ones(len(n_tied))
    for k in range(fewer.max(initial=0)):
        ratio = np.maximum(n_tied - more - k, 0) / np.maximum(n_tied - k, 1)
        chance *= np.where(k < fewer, ratio, 1.0)
    out[groups.users[partial]] *= chance  # a list ends within one group
    return out
