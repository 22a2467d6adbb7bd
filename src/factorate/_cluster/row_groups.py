"""RowGroups: the ratings of each row group on the workers of a cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._cluster.entries_by_group import group_of
from factorate._cluster.group_ratings import positions_of, sort_group, standardize_group
from factorate._cluster.group_values import GroupValues
from factorate._cluster.partitions import Positions, split
from factorate._cluster.steps import group_bands
from factorate._training.block_order import are_in_order
from factorate._training.remote_ratings import RemoteRatings
from factorate._training.row_bands import make_band_sorting
from factorate._training.schedule import make_cuts, schedule_of
from factorate._training.sizes import DEFAULT_SIZES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Future
    from numpy.typing import NDArray

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._cluster.partitions import Partition
    from factorate._training.schedule import Cuts, Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats, Offsets, Rows
    from factorate._utils.workers import Workers


class RowGroups:
    """The ratings of each row group on the workers of a cluster.

    Parameters
    ----------
    ratings : ClusterRatings
        The ratings.
    cuts : Cuts
        The bands.
    row_groups : list of int
        The group of each row band.
    """

    def __init__(self, ratings: ClusterRatings, cuts: Cuts, row_groups: list[int]) -> None:
        self.cluster: Cluster = ratings.cluster
        self.cuts = cuts
        self.row_groups = row_groups
        n_groups = row_groups[-1] + 1
        self.bands = np.searchsorted(row_groups, np.arange(n_groups + 1)).tolist()
        self.edges: Offsets = cuts.user_side.bands[self.bands]  # first user position of each
        sizes = np.add.reduceat(ratings.counts[0].take(cuts.user_side.order), self.edges[:-1])
        self.starts: Offsets = np.append(0, np.cumsum(sizes))  # first rating of each
        self.dtype = ratings.dtype
        self.futures: list[Future] = []
        self._ratings = ratings
        self._standardized: tuple[Floats, float, float] | None = None

    def sort(self) -> None:
        """Have the workers sort the ratings."""

        def sort() -> None:
            self.futures = self._sort(list(range(len(self.edges) - 1)))
            self._wait()

        self.cluster.retry(sort)

    def standardize(self, levels: Floats, centre: float, scale: float) -> None:
        """Have the workers standardize the ratings."""
        unscaled, parameters = self.futures, (levels, centre, scale)

        def standardize() -> None:
            self.futures = [
                self.cluster.submit(standardize_group, future, *parameters, group=group)
                for group, future in enumerate(unscaled)
            ]
            self._wait()

        def restore() -> None:
            nonlocal unscaled
            self.futures = unscaled
            self.restore()
            unscaled = self.futures

        self.cluster.retry(standardize, restore)
        self._standardized = parameters

    def restore(self) -> None:
        """Sort the groups again whose worker is gone."""
        holders = self.cluster.holders(self.futures)
        lost = [group for group, found in enumerate(holders) if not found]
        if not lost:
            return
        for group, future in zip(lost, self._sort(lost), strict=True):
            if self._standardized is not None:
                future = self.cluster.submit(
                    standardize_group, future, *self._standardized, group=group
                )
            self.futures[group] = future
        self.cluster.wait(self.futures)

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of all ratings, some at a time."""
        orders = self.cuts.user_side.order, self.cuts.item_side.order
        for group, first in enumerate(self.edges[:-1].tolist()):
            for band in range(self.bands[group + 1] - self.bands[group]):
                read = partial(self._read_band, group, band)
                users, items = self.cluster.retry(read, self.restore)
                yield orders[0].take(users + first), orders[1].take(items)

    def _wait(self) -> None:
        """Wait until all groups have been sorted."""
        tasks = [self.cluster.submit(_nothing, future) for future in self.futures]
        self.cluster.gather(tasks)

    def _read_band(self, group: int, band: int) -> tuple[Rows, Rows]:
        """Return the positions of users and items of the ratings of a row band."""
        task = self.cluster.submit(positions_of, self.futures[group], band, group=group)
        found: list[tuple[Rows, Rows]] = self.cluster.gather([task])
        return found[0]

    def _sort(self, groups: list[int]) -> list[Future]:
        """Have the workers read all ratings, and sort those of some groups."""
        cluster = self.cluster
        positions = [side.positions() for side in (self.cuts.user_side, self.cuts.item_side)]
        batches: list[list[Future]] = [[] for _ in groups]
        reads = self._ratings.read()
        sent = self._ratings.scatter(lambda partition: self._positions(partition, positions))
        for read, given in zip(reads, sent, strict=True):
            by_group = cluster.submit(split, read, given)
            for group, of_group in zip(groups, batches, strict=True):
                of_group.append(cluster.submit(group_of, by_group, group))
        return [
            self._sort_group(of_group, group)
            for group, of_group in zip(groups, batches, strict=True)
        ]

    def _positions(self, partition: Partition, positions: list[Rows]) -> Positions:
        """Return where the ratings of a partition are, given the position of each row."""
        ratings, levels = self._ratings, self._ratings.levels.levels
        users, items = (
            of_side.take(rows) for of_side, rows in zip(positions, partition.rows, strict=True)
        )
        codes: NDArray[Any] = partition.levels
        if len(levels):  # any code for those that are all held out
            short = np.min_scalar_type(len(levels))
            codes = np.searchsorted(levels, partition.levels).astype(short)
        no_rows = np.empty(0, np.int32)
        return Positions(
            users=users,
            items=items,
            codes=codes,
            levels=levels[:0] if partition.is_coded else levels,
            user_edges=self.edges,
            rows=(no_rows, no_rows) if ratings.held_out is None else partition.rows,
            held_out=ratings.held_out,
            checksum=partition.checksum,
        )

    def _sort_group(self, batches: list[Future], group: int) -> Future:
        """Have the worker of a group sort its ratings."""
        first, end = self.bands[group : group + 2]
        per_thread = DEFAULT_SIZES.thread_ratings
        sorting = make_band_sorting(self.cuts, first, end, self._ratings.levels, per_thread)
        n_ratings = int(self.starts[group + 1] - self.starts[group])
        return self.cluster.submit(sort_group, batches, sorting, first, n_ratings, group=group)


def make_cluster_schedule(
    ratings: ClusterRatings, settings: Settings, weights: Floats | None, workers: Workers
) -> Schedule:
    """Have the workers of a cluster sort ratings into the order of their updates.

    Its ratings are `RemoteRatings`, whose holder is `RowGroups`. There are no weights.
    """
    assert weights is None  # noqa: S101  (the estimator takes none)
    levels = ratings.levels
    cuts = make_cuts(ratings.counts, ratings.n_ratings, ratings.dtype.itemsize, settings, workers)
    n_bands = cuts.user_side.n_bands, cuts.item_side.n_bands
    threads = ratings.cluster.place(n_bands[0] if are_in_order(n_bands) else 1)
    groups = RowGroups(ratings, cuts, group_bands(n_bands[0], threads))
    ratings.sorted = groups
    groups.sort()
    empty: Floats = np.empty(0, ratings.dtype)
    return schedule_of(
        cuts,
        ratings.counts,
        ratings=RemoteRatings(
            holder=groups,
            n_ratings=ratings.n_ratings,
            levels=levels.levels,
            values=empty if len(levels.levels) else GroupValues(groups),
            weights=empty,
        ),
        level_counts=levels.counts,
        block_tiles=np.empty(0, np.int64),
        shape=(len(ratings.user_index.ids), len(ratings.item_index.ids)),
    )


def _nothing(_: object) -> None:
    """Take a result, so that it can be waited for without being sent."""
