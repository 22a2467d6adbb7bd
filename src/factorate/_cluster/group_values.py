"""GroupValues: the ratings on the workers of a cluster, in the order of their updates."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from factorate._cluster.worker_threads import count_worker_threads
from factorate._utils.fixed_order import CHUNK
from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Future

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.group_ratings import GroupRatings
    from factorate._utils.types import Floats, Offsets

R = TypeVar("R")


class Groups(Protocol):
    """The ratings of each row group on the workers of a cluster."""

    cluster: Cluster
    futures: list[Future]
    starts: Offsets
    dtype: np.dtype[Any]

    def restore(self) -> None:
        """Sort the groups again whose worker is gone."""


@dataclass(frozen=True)
class GroupValues:
    """The ratings on the workers of a cluster, in the order of their updates.

    It is a `RemoteColumn`. A sum of chunks has the bits of one in this process, because chunks
    begin at the same ratings; those that two groups share are sent to this process.

    Attributes
    ----------
    groups : RowGroups
        The ratings, which are not replaced by codes.
    """

    groups: Groups

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ratings."""
        return self.groups.dtype

    def __len__(self) -> int:
        """Return the number of ratings."""
        return int(self.groups.starts[-1])

    def __getitem__(self, span: slice, /) -> Floats:
        """Return consecutive ratings, which are sent to this process."""
        begin, end, _ = span.indices(len(self))
        spans = [(max(begin, first), min(end, stop)) for first, stop in self._spans()]
        return np.concatenate([np.empty(0, self.dtype), *self._call(values_of, spans)])

    def map_chunks(self, function: Callable[[Floats, None], R]) -> list[R]:
        """Return the results of a function of each `CHUNK` ratings, in order, and of the rest."""
        n, spans, results = len(self), [], {}
        for first, end in self._spans():
            if first == end:
                spans.append((first, end))
                continue
            if first % CHUNK:  # two groups share this chunk
                number = first // CHUNK
                chunk = self[CHUNK * number : CHUNK * (number + 1)]
                results[number] = [function(chunk, None)]
            spans.append((-(-first // CHUNK) * CHUNK, end if end == n else end // CHUNK * CHUNK))
        found = self._call(map_values, spans, function)
        of_groups = (begin // CHUNK for begin, end in spans if begin < end)
        results |= dict(zip(of_groups, found, strict=True))
        return [result for number in sorted(results) for result in results[number]]

    def map_parts(self, function: Callable[[Floats], R]) -> list[R]:
        """Return the results of a function of the ratings of each group."""
        return self._call(call_with_values, self._spans(), function)

    def _spans(self) -> list[tuple[int, int]]:
        """Return the first rating of each group, and the end."""
        return list(itertools.pairwise(self.groups.starts.tolist()))

    def _call(
        self, function: Callable[..., R], spans: list[tuple[int, int]], *args: Any
    ) -> list[R]:
        """Return the results of a function of a span of each group, if it is not empty."""
        cluster, groups = self.groups.cluster, self.groups

        def call() -> list[R]:
            tasks = [
                cluster.submit(function, future, begin - start, end - start, *args, group=group)
                for group, (future, start, (begin, end)) in enumerate(
                    zip(groups.futures, groups.starts[:-1].tolist(), spans, strict=True)
                )
                if begin < end
            ]
            return cluster.gather(tasks)

        return cluster.retry(call, groups.restore)


def values_of(ratings: GroupRatings, begin: int, end: int) -> Floats:
    """Return some ratings of a group."""
    return ratings.packed.values[begin:end]


def map_values(
    ratings: GroupRatings, begin: int, end: int, function: Callable[[Floats, None], R]
) -> list[R]:
    """Return the results of a function of each `CHUNK` of some ratings of a group."""
    firsts, n_threads = range(begin, end, CHUNK), count_worker_threads()

    def call(some: slice) -> list[R]:
        chunks = (slice(first, min(first + CHUNK, end)) for first in firsts[some])
        return [function(ratings.packed.values[chunk], None) for chunk in chunks]

    of_threads = slices(len(firsts), -(-len(firsts) // n_threads))
    return list(itertools.chain(*Workers(n_threads).map(call, of_threads)))


def call_with_values(
    ratings: GroupRatings, begin: int, end: int, function: Callable[[Floats], R]
) -> R:
    """Return the result of a function of some ratings of a group."""
    return function(ratings.packed.values[begin:end])
