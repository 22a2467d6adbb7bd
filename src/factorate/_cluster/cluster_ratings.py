"""ClusterRatings: ratings that the workers of a cluster read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from factorate._cluster.partitions import (
    read_chunk,
    read_partition,
    summary_of,
)
from factorate._input.column_names import find_columns
from factorate._input.levels import MAX_LEVELS, Levels
from factorate._store.id_numbers import IdNumbers
from factorate._training.stored_levels import merge_levels, read_levels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distributed import Future

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.partitions import Summary
    from factorate._input.column_names import Names
    from factorate._input.id_index import IdIndex
    from factorate._store.stored_ratings import StoredRatings
    from factorate._utils.types import Floats, Offsets, Rows


class Partition(NamedTuple):
    """What the client knows of ratings that one task reads.

    Attributes
    ----------
    rows : tuple of ndarray of int32
        The rows of the users and items that have numbers in the partition.
    codes : ndarray
        The code of each code of the partition.
    """

    rows: tuple[Rows, Rows]
    codes: Rows


class SortedRatings(Protocol):
    """Ratings in the order of their updates."""

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of all ratings, some at a time."""


@dataclass(kw_only=True)
class ClusterRatings:
    """Ratings that the workers of a cluster read, with what the client knows of them.

    Attributes
    ----------
    cluster : Cluster
        The workers.
    read : callable
        Has the workers read the partitions.
    partitions : list of Partition
        The ratings, in order.
    user_index, item_index : IdIndex
        The ids of the rows.
    counts : tuple of ndarray of int64
        Number of ratings of each user and item.
    levels : Levels
        The distinct ratings.
    library, column_names
        As those of `Ratings`.
    sorted : SortedRatings or None
        The ratings on the workers, when they have been sorted.
    """

    cluster: Cluster
    read: Callable[[], list[Future]]
    partitions: list[Partition]
    user_index: IdIndex
    item_index: IdIndex
    counts: tuple[Offsets, Offsets]
    levels: Levels
    library: str | None
    column_names: tuple[str, str] | None
    sorted: SortedRatings | None = field(default=None, repr=False)

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return int(self.levels.counts.sum())

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of all ratings, some at a time."""
        assert self.sorted is not None  # noqa: S101  (they are sorted before training)
        return self.sorted.read_row_batches()


def read_frame(
    cluster: Cluster, frame: Any, names: Names | None, dtype: np.dtype[Any]
) -> ClusterRatings:
    """Read a DataFrame of Dask.

    Raises
    ------
    TypeError, ValueError
        If it does not hold ratings; the message says where.
    """
    chosen = find_columns(list(frame.columns), names, with_ratings=True)
    delayed = frame[list(chosen)].to_delayed()

    def read() -> list[Future]:
        frames = cluster.client.compute(list(delayed))  # in one graph
        return [
            cluster.submit(read_partition, number, partition, tuple(chosen), dtype)
            for number, partition in enumerate(frames)
        ]

    summaries, reads = _summarize(cluster, read)
    numbers = IdNumbers("users"), IdNumbers("items")
    of_partitions = [_number(numbers, number, found) for number, found in enumerate(summaries)]
    found = [summary for summary in summaries if summary is not None]
    if not found:
        raise ValueError("there are no ratings; at least one is needed")
    indexes, counts = [], []
    for side, of_side in enumerate(numbers):
        index, rows = of_side.finish()
        of_rows = np.zeros(len(index.ids), np.int64)
        for summary, of_partition in zip(summaries, of_partitions, strict=True):
            of_partition[side] = rows.take(of_partition[side])
            if summary is not None:
                of_rows[of_partition[side]] += summary.counts[side]
        indexes.append(index)
        counts.append(of_rows)
    levels = _merge_levels(found)
    partitions = [
        Partition(
            (users, items),
            _to_codes(levels, np.empty(0, dtype) if summary is None else summary.levels),
        )
        for summary, (users, items) in zip(summaries, of_partitions, strict=True)
    ]
    return ClusterRatings(
        cluster=cluster,
        read=_once(reads, read),
        partitions=partitions,
        user_index=indexes[0],
        item_index=indexes[1],
        counts=(counts[0], counts[1]),
        levels=levels,
        library=found[0].library,
        column_names=found[0].names,
    )


def read_store(cluster: Cluster, stored: StoredRatings, dtype: np.dtype[Any]) -> ClusterRatings:
    """Read a store whose folder all workers can read."""
    if not stored.manifest.is_coded:
        raise _too_many_levels(f"more than {MAX_LEVELS:,}")
    folder = stored.folder.absolute() if isinstance(stored.folder, Path) else stored.folder
    levels = read_levels(stored, dtype)
    codes = _to_codes(levels, stored.levels.astype(dtype))
    rows = stored.read_rows(0), stored.read_rows(1)
    numbers = range(len(stored.manifest.chunks))
    return ClusterRatings(
        cluster=cluster,
        read=lambda: [cluster.submit(read_chunk, folder, number) for number in numbers],
        partitions=[Partition(rows, codes) for _ in numbers],
        user_index=stored.indexes[0],
        item_index=stored.indexes[1],
        counts=(stored.read_counts(0), stored.read_counts(1)),
        levels=levels,
        library=None,
        column_names=stored.manifest.columns,
    )


def _summarize(
    cluster: Cluster, read: Callable[[], list[Future]]
) -> tuple[list[Summary | None], list[Future]]:
    """Read all partitions, and return their summaries and the tasks; again if a worker is lost."""

    def summarize() -> tuple[list[Summary | None], list[Future]]:
        reads = read()
        return cluster.gather([cluster.submit(summary_of, read) for read in reads]), reads

    return cluster.retry(summarize)


def _number(
    numbers: tuple[IdNumbers, IdNumbers], number: int, summary: Summary | None
) -> list[Rows]:
    """Return the numbers of the users and items of a partition."""
    if summary is None:
        return [np.empty(0, np.int32), np.empty(0, np.int32)]
    try:
        return [of_side.add(ids) for of_side, ids in zip(numbers, summary.ids, strict=True)]
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"partition {number}: {error}") from error


def _merge_levels(summaries: list[Summary]) -> Levels:
    """Return the distinct ratings of all partitions, and their counts."""
    distinct = np.concatenate([summary.levels for summary in summaries])
    n_levels = len(np.unique(distinct))
    if n_levels > MAX_LEVELS:
        raise _too_many_levels(f"{n_levels:,}")
    return merge_levels(distinct, np.concatenate([summary.level_counts for summary in summaries]))


def _too_many_levels(number: str) -> ValueError:
    return ValueError(
        f"there are {number} distinct ratings; on a cluster there can be {MAX_LEVELS:,}; round them"
    )


def _to_codes(levels: Levels, distinct: Floats) -> Rows:
    """Return the code of each of some distinct ratings."""
    dtype = np.min_scalar_type(len(levels.levels))
    codes: Rows = np.searchsorted(levels.levels, distinct + 0.0).astype(dtype)
    return codes


def _once(first: list[Future], read: Callable[[], list[Future]]) -> Callable[[], list[Future]]:
    """Return a function that returns futures at first, and then calls `read`."""
    unused = [first]
    return lambda: unused.pop() if unused else read()
