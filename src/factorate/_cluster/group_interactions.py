"""GroupInteractions: the interactions of a group of users or items, sorted on a worker."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._cluster.partitions import numbered_of
from factorate._training.interaction_bands import Band
from factorate._training.interaction_side import Side
from factorate._training.interactions import make_side, sort_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._cluster.partitions import Partition, Summary
    from factorate._store.stored_ratings import Numbered
    from factorate._utils.types import Doubles, Flags, Floats, Offsets


@dataclass(frozen=True, kw_only=True)
class GroupInteractions:
    """The interactions of a group of users or items.

    Attributes
    ----------
    counted : Side
        The interactions, with their counts.
    first : int
        The first row of the group.
    weigh : callable
        Returns the weights of interactions from their counts and their number.
    """

    counted: Side
    first: int
    weigh: Callable[[Floats, int], Floats]

    def __sizeof__(self) -> int:
        """Return the bytes of the arrays, by which Dask chooses workers."""
        side = self.counted
        return side.starts.nbytes + side.others.nbytes + side.weights.nbytes

    def weighed(self) -> Side:
        """Return the interactions with the weights that their counts have in training."""
        side = self.counted
        return replace(side, weights=self.weigh(side.weights, len(side.others)))


def split_by_user(
    read: tuple[Numbered, Summary | None] | Numbered, partition: Partition, edges: Offsets
) -> list[Band]:
    """Return the interactions of a partition for each group of users.

    Parameters
    ----------
    read : Numbered, maybe with a summary
        The interactions; the ratings are the counts.
    partition : Partition
        What their numbers and codes stand for.
    edges : ndarray of int64
        First user of each group, and the end.
    """
    numbered, counts = numbered_of(read, partition.checksum), _counts_of(read, partition)
    users, items = (
        rows.take(numbers) for rows, numbers in zip(partition.rows, numbered[:2], strict=True)
    )
    return _split(Band(users, items, _unless_1(counts)), edges)


def total_of(read: tuple[Numbered, Summary | None] | Numbered, partition: Partition) -> float:
    """Return the sum of the counts of a partition."""
    return float(_counts_of(read, partition).sum(dtype=np.float64))


def split_by_item(users: GroupInteractions, edges: Offsets) -> list[Band]:
    """Return the pairs of a group of users for each group of items, whose edges are given."""
    side = users.counted
    rows = np.repeat(np.arange(len(side), dtype=np.int32), np.diff(side.starts))
    return _split(Band(side.others, rows + np.int32(users.first), side.weights), edges)


def band_of(bands: list[Band], group: int) -> Band:
    """Return the interactions of one group."""
    return bands[group]


def sort_users(
    bands: list[Band],
    shape: tuple[int, int],
    first: int,
    weigh: Callable[[Floats, int], Floats],
    dtype: np.dtype[Any],
) -> GroupInteractions:
    """Sort the interactions of a group of users; the counts of repeated pairs add up.

    Parameters
    ----------
    bands : list of Band
        The interactions in the order of the partitions, which does not change the result.
    shape : tuple of int
        Number of users of the group, and of all items.
    first, weigh
        As those of the result.
    dtype : dtype
        Type of the counts.
    """
    users, items, counts = _join(bands)
    side = make_side(users, items, counts if len(counts) else None, shape, dtype)
    return GroupInteractions(counted=side, first=first, weigh=weigh)


def sort_items(
    bands: list[Band], n_rows: int, first: int, weigh: Callable[[Floats, int], Floats]
) -> GroupInteractions:
    """Sort the pairs of a group of items, which come in the order of the groups of users."""
    side = sort_side(*_join(bands), n_rows)
    return GroupInteractions(counted=side, first=first, weigh=weigh)


def weights_of(group: GroupInteractions) -> tuple[Doubles, int]:
    """Return the sum of the weights of each row, and the number of pairs."""
    side = group.weighed()
    return side.counts(), len(side.others)


def select_rows(group: GroupInteractions, is_chosen: Flags | None) -> Side:
    """Return the interactions of some rows, with their counts; those of all if None is given."""
    side = group.counted
    if is_chosen is None:
        return side
    sizes = np.diff(side.starts)
    kept = np.repeat(is_chosen, sizes)
    starts = np.append(0, np.cumsum(np.where(is_chosen, sizes, 0)))
    weights = side.weights[kept] if len(side.weights) else side.weights
    return Side(starts=starts, others=side.others[kept], weights=weights)


def _counts_of(read: tuple[Numbered, Summary | None] | Numbered, partition: Partition) -> Floats:
    """Return the counts of the interactions of a partition."""
    numbered = numbered_of(read, partition.checksum)
    if len(numbered.codes):
        return partition.levels.take(numbered.codes)
    return numbered.values.astype(partition.levels.dtype, copy=False)


def _split(band: Band, edges: Offsets) -> list[Band]:
    """Return the interactions of each group of rows, in order, with rows from its first one."""
    groups = np.searchsorted(edges, band.rows, side="right") - 1
    order = np.argsort(groups.astype(np.min_scalar_type(len(edges))), kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(edges) - 1)).tolist()
    found = []
    for first, span in zip(edges[:-1].tolist(), itertools.pairwise([0, *ends]), strict=True):
        rows, others, counts = band.select(order[slice(*span)])
        found.append(Band(rows - np.int32(first), others, counts))
    return found


def _join(bands: list[Band]) -> Band:
    """Return the interactions of some bands, one after the other."""
    rows, others = (np.concatenate([band[column] for band in bands]) for column in range(2))
    counts = [band.counts for band in bands]
    if any(map(len, counts)):
        counts = [
            band.counts if len(band.counts) else np.ones(len(band.rows), band.counts.dtype)
            for band in bands
        ]
    return Band(rows, others, np.concatenate(counts))


def _unless_1(counts: Floats) -> Floats:
    """Return counts, or an empty array if all are 1."""
    return counts if (counts != 1).any() else counts[:0]
