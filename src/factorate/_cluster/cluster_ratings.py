"""ClusterRatings: ratings that the workers of a cluster read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from factorate._cluster.partitions import Partition, read_chunk, read_partition, summary_of
from factorate._input.column_names import find_columns, find_interaction_columns
from factorate._input.interactions import read_interactions
from factorate._input.levels import MAX_LEVELS, find_levels
from factorate._input.rating_values import value_range
from factorate._input.ratings import read_ratings
from factorate._store.id_numbers import IdNumbers
from factorate._training.stored_levels import merge_levels, read_levels
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Future

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.partitions import Summary
    from factorate._input.column_names import Names
    from factorate._input.id_index import IdIndex
    from factorate._input.levels import Levels
    from factorate._input.ratings import Ratings
    from factorate._store.stored_ratings import StoredRatings
    from factorate._training.held_out_pairs import HeldOutKeys
    from factorate._utils.types import Floats, Offsets, Rows


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
        The distinct ratings; none if there are more than 65,536.
    bounds : tuple of float
        Minimum and maximum rating, also of those that are held out.
    library, column_names
        As those of `Ratings`.
    held_out : HeldOutKeys or None
        The pairs that are not trained on; neither counts nor levels include their ratings.
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
    bounds: tuple[float, float]
    library: str | None
    column_names: tuple[str, str] | None
    held_out: HeldOutKeys | None = None
    sorted: SortedRatings | None = field(default=None, repr=False)

    @property
    def n_ratings(self) -> int:
        """Number of ratings that are trained on."""
        return int(self.counts[0].sum())

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of training."""
        return self.levels.levels.dtype

    def scatter(self, describe: Callable[[Partition], Any] = lambda given: given) -> list[Future]:
        """Send to the workers what describes each partition; what several share is sent once."""
        sent: dict[int, Future] = {}
        for partition in self.partitions:
            if id(partition) not in sent:
                sent[id(partition)] = self.cluster.scatter(describe(partition))
        return [sent[id(partition)] for partition in self.partitions]

    def map(self, function: Callable[..., Any], *args: Any) -> list[Any]:
        """Return the results of a function of each partition as it was read, and its `Partition`.

        The workers read the partitions, and the next reader gets the same results.
        """
        reads: list[Future] = []

        def call() -> list[Any]:
            nonlocal reads
            reads = self.read()
            pairs = zip(reads, self.scatter(), strict=True)
            return self.cluster.gather([self.cluster.submit(function, *p, *args) for p in pairs])

        found = self.cluster.retry(call)
        self.read = first_then(reads, self.read)
        return found

    def read_row_batches(self) -> Iterator[tuple[Rows, Rows]]:
        """Iterate over the rows of users and items of all ratings, some at a time."""
        assert self.sorted is not None  # noqa: S101  (they are sorted before training)
        return self.sorted.read_row_batches()


class Form(NamedTuple):
    """What the rows of a DataFrame are, and how their columns are found and read."""

    what: str
    find_columns: Callable[[Sequence[str], Names | None], list[str]]
    read: Callable[..., Ratings]


RATINGS = Form("ratings", partial(find_columns, with_ratings=True), read_ratings)
INTERACTIONS = Form("interactions", find_interaction_columns, read_interactions)


def read_frame(
    cluster: Cluster,
    frame: Any,
    names: Names | None,
    dtype: np.dtype[Any],
    form: Form = RATINGS,
) -> ClusterRatings:
    """Read a DataFrame of Dask.

    Raises
    ------
    TypeError, ValueError
        If it does not hold ratings, or interactions; the message says where.
    """
    chosen = form.find_columns(list(frame.columns), names)
    delayed = frame[list(chosen)].to_delayed()

    def read() -> list[Future]:
        frames = cluster.client.compute(list(delayed))  # in one graph
        return [
            cluster.submit(read_partition, number, partition, tuple(chosen), dtype, form.read)
            for number, partition in enumerate(frames)
        ]

    summaries, reads = _summarize(cluster, read)
    numbers = IdNumbers("users"), IdNumbers("items")
    of_partitions = [_number(numbers, number, found) for number, found in enumerate(summaries)]
    found = [summary for summary in summaries if summary is not None]
    if not found:
        raise ValueError(f"there are no {form.what}; at least one is needed")
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
    partitions = [
        Partition(
            rows=(users, items),
            levels=np.empty(0, dtype) if summary is None else summary.levels,
            is_coded=summary is None or len(summary.levels) > 0,
            checksum=None if summary is None else summary.checksum,
        )
        for summary, (users, items) in zip(summaries, of_partitions, strict=True)
    ]
    lows, highs = zip(*(summary.bounds for summary in found), strict=True)
    return ClusterRatings(
        cluster=cluster,
        read=first_then(reads, read),
        partitions=partitions,
        user_index=indexes[0],
        item_index=indexes[1],
        counts=(counts[0], counts[1]),
        levels=merge_counted([(s.levels, s.level_counts) for s in found], dtype),
        bounds=(min(lows), max(highs)),
        library=found[0].library,
        column_names=found[0].names,
    )


def read_store(cluster: Cluster, stored: StoredRatings, dtype: np.dtype[Any]) -> ClusterRatings:
    """Read a store whose folder all workers can read."""
    manifest, folder = stored.manifest, stored.folder
    if isinstance(folder, Path):
        folder = folder.absolute()
    levels = read_levels(stored, dtype)
    partition = Partition(
        rows=(stored.read_rows(0), stored.read_rows(1)),
        levels=stored.levels.astype(dtype),
        is_coded=manifest.is_coded,
    )
    numbers = range(len(manifest.chunks))
    return ClusterRatings(
        cluster=cluster,
        read=lambda: [cluster.submit(read_chunk, folder, number) for number in numbers],
        partitions=[partition for _ in numbers],
        user_index=stored.indexes[0],
        item_index=stored.indexes[1],
        counts=(stored.read_counts(0), stored.read_counts(1)),
        levels=levels,
        bounds=value_range(np.array([manifest.minimum, manifest.maximum], dtype)),
        library=None,
        column_names=manifest.columns,
    )


def merge_counted(found: Sequence[tuple[Floats, Offsets] | None], dtype: np.dtype[Any]) -> Levels:
    """Return the distinct ratings of some partitions; none if there are too many.

    Parameters
    ----------
    found : sequence of tuple of ndarray, or None
        Distinct ratings and their counts, none of them if there are too many; None for a partition
        without ratings.
    dtype : dtype
        Type of the ratings.
    """
    counted = [pair for pair in found if pair is not None]
    levels, counts = (np.concatenate(arrays) for arrays in zip(*counted, strict=True))
    too_many = any(not len(pair[0]) for pair in counted) or len(np.unique(levels)) > MAX_LEVELS
    if too_many:
        return find_levels(np.empty(0, dtype), Workers(), 1)
    return merge_levels(levels, counts)


def first_then(first: list[Future], read: Callable[[], list[Future]]) -> Callable[[], list[Future]]:
    """Return a function that returns futures at first, and then calls `read`."""
    unused = [first]
    return lambda: unused.pop() if unused else read()


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
