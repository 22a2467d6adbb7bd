"""InteractionGroups: the interactions of each group of users and items on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from factorate._cluster.entries_by_group import group_of
from factorate._cluster.group_interactions import (
    select_rows,
    sort_items,
    sort_users,
    split_by_item,
    split_by_user,
    weights_of,
)
from factorate._cluster.held import same
from factorate._training.improve_rows import work_of_steps
from factorate._training.interaction_side import Side
from factorate._training.pair_weights import join_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Future

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.interaction_side import Work
    from factorate._utils.types import Doubles, Flags, Offsets


@dataclass(frozen=True)
class ClusterSide:
    """The users, or the items, of interactions on a cluster.

    Attributes
    ----------
    sums : ndarray of float64
        Sum of the weights of each row.
    """

    sums: Doubles

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.sums)

    def counts(self) -> Doubles:
        """Return the sum of the weights of each row."""
        return self.sums


class InteractionGroups:
    """The interactions of each group of users, and of each group of items, on a cluster.

    A worker has a group of either side. The workers read and sort the interactions; the result is
    that of `make_interactions`.

    Parameters
    ----------
    ratings : ClusterRatings
        The interactions; the ratings are the counts.
    settings : ImplicitSettings
        Settings of training.

    Attributes
    ----------
    edges : tuple of ndarray of int64
        First user, and first item, of each group, and the end.
    futures : list of list of Future
        The interactions of each group of users, and of each group of items.
    sides : tuple of ClusterSide
        The users and the items.
    n_pairs : int
        Number of distinct pairs.
    """

    def __init__(self, ratings: ClusterRatings, settings: ImplicitSettings) -> None:
        self.cluster: Cluster = ratings.cluster
        self._ratings = ratings
        self._weigh = settings.weights
        threads, work = self.cluster.place(len(ratings.counts[0])), work_of_steps(settings.als)
        users, items = (group_edges(counts, threads, work) for counts in ratings.counts)
        self.edges: tuple[Offsets, Offsets] = users, items
        self.futures: list[list[Future]] = [[], []]
        found = self.cluster.retry(self._sort_all)
        sums = [np.concatenate([of_rows for of_rows, _ in of_side]) for of_side in found]
        self.sides = ClusterSide(sums[0]), ClusterSide(sums[1])
        self.n_pairs = sum(n_pairs for _, n_pairs in found[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        return len(self.sides[0]), len(self.sides[1])

    @property
    def n_groups(self) -> int:
        """Number of groups of either side."""
        return len(self.edges[0]) - 1

    def collect(self, is_chosen: Flags | None = None) -> Side:
        """Return the interactions of all users, or of the chosen ones, with their counts.

        Parameters
        ----------
        is_chosen : ndarray of bool, default=None
            Whether the interactions of each user are needed; None for all.
        """
        # One after the other, so that the scheduler does not hold them all.
        selects = [partial(self._select, group, is_chosen) for group in range(self.n_groups)]
        return _join([self.cluster.retry(select, self.restore) for select in selects])

    def restore(self) -> None:
        """Sort the groups again whose worker is gone, and move those that have another worker."""
        cluster = self.cluster
        for side, sort in enumerate((self._sort_users, self._sort_items)):
            futures = self.futures[side].copy()
            holders = cluster.holders(futures)
            lost = [group for group, found in enumerate(holders) if not found]
            for group, future in zip(lost, sort(lost), strict=True):
                futures[group] = future
            for group, found in enumerate(holders):
                if found and cluster.address_of(group) not in found:
                    futures[group] = cluster.submit(same, futures[group], group=group)
            cluster.wait(futures)
            self.futures[side] = futures

    def _select(self, group: int, is_chosen: Flags | None) -> Side:
        """Return the interactions of a group of users, or of the chosen ones among them."""
        first, end = self.edges[0][group : group + 2]
        chosen = None if is_chosen is None else is_chosen[first:end]
        task = self.cluster.submit(select_rows, self.futures[0][group], chosen, group=group)
        found: list[Side] = self.cluster.gather([task])
        return found[0]

    def _sort_all(self) -> list[list[tuple[Doubles, int]]]:
        """Have the workers sort all groups, and return the weights of their rows."""
        groups = range(self.n_groups)
        for side, sort in enumerate((self._sort_users, self._sort_items)):
            self.futures[side] = sort(groups)
        submit = self.cluster.submit
        tasks = [
            [submit(weights_of, future, group=group) for group, future in enumerate(of_side)]
            for of_side in self.futures
        ]
        return [self.cluster.gather(of_side) for of_side in tasks]

    def _sort_users(self, groups: Sequence[int]) -> list[Future]:
        """Have the workers read all interactions, and sort those of some groups of users."""
        if not groups:
            return []
        cluster, edges = self.cluster, self.edges[0]
        split = [
            cluster.submit(split_by_user, read, partition, edges)
            for read, partition in zip(self._ratings.read(), self._ratings.scatter(), strict=True)
        ]
        n_items = int(self.edges[1][-1])
        sorted_groups = []
        for group in groups:
            first, end = edges[group : group + 2].tolist()
            bands = [cluster.submit(group_of, by_group, group) for by_group in split]
            given = (end - first, n_items), first, self._weigh, self._ratings.dtype
            sorted_groups.append(cluster.submit(sort_users, bands, *given, group=group))
        return sorted_groups

    def _sort_items(self, groups: Sequence[int]) -> list[Future]:
        """Have the workers sort the pairs of some groups of items, from those of all users."""
        if not groups:
            return []
        cluster, edges = self.cluster, self.edges[1]
        split = [
            cluster.submit(split_by_item, users, edges, group=group)
            for group, users in enumerate(self.futures[0])
        ]
        sorted_groups = []
        for group in groups:
            first, end = edges[group : group + 2].tolist()
            bands = [
                cluster.submit(group_of, by_group, group, group=users)
                for users, by_group in enumerate(split)
            ]
            given = end - first, first, self._weigh
            sorted_groups.append(cluster.submit(sort_items, bands, *given, group=group))
        return sorted_groups


def group_edges(counts: Offsets, sizes: Sequence[int], work: Work) -> Offsets:
    """Divide rows into groups whose work is proportional to sizes; return the first row of each.

    Parameters
    ----------
    counts : ndarray of int64
        Number of interactions of each row.
    sizes : sequence of int
        The sizes of the groups, relative to each other.
    work : Work
        The work of an interaction and of a row.

    Returns
    -------
    ndarray of int64
        The first row of each group, and the end. A group can be empty.

    Examples
    --------
    >>> from factorate._training.interaction_side import Work
    >>> group_edges(np.array([5, 1, 1, 1, 1, 1]), [1, 1], Work(of_interaction=1.0, of_row=0.0))
    array([0, 1, 6])
    """
    amount = np.append(0.0, np.cumsum(work.of_interaction * counts + work.of_row))
    ends = np.cumsum(sizes)[:-1] * (amount[-1] / sum(sizes))
    return np.concatenate([[0], np.searchsorted(amount, ends), [len(counts)]])


def _join(sides: list[Side]) -> Side:
    """Return the interactions of all groups."""
    sizes = np.concatenate([np.diff(side.starts) for side in sides])
    return Side(
        starts=np.append(0, np.cumsum(sizes)),
        others=np.concatenate([side.others for side in sides]),
        weights=join_weights((side.weights, len(side.others)) for side in sides),
    )
