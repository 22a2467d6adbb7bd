"""GroupInteractions: the interactions of a group of users or items, sorted on a worker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._cluster.entries_by_group import entries_by_group
from factorate._cluster.partitions import numbered_of
from factorate._training.interaction_bands import Band
from factorate._training.interaction_side import Side
from factorate._training.interactions import make_side, sort_side
from factorate._training.pair_weights import join_weights, unless_1

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._cluster.partitions import Partition, Read
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


def split_by_user(read: Read, partition: Partition, edges: Offsets) -> list[Band]:
    """Return the interactions of a partition for each group of users.

    Parameters
    ----------
    read : Read
        The interactions; the ratings are the counts.
    partition : Partition
        What their numbers and codes stand for.
    edges : ndarray of int64
        First user of each group, and the end.
    """
    numbered = numbered_of(read, partition.checksum)
    counts = partition.decode(numbered)
    users, items = (
        rows.take(numbers) for rows, numbers in zip(partition.rows, numbered[:2], strict=True)
    )
    return _split(Band(users, items, unless_1(counts, counts.dtype)), edges)


def total_of(read: Read, partition: Partition) -> float:
    """Return the sum of the counts of a partition."""
    counts = partition.decode(numbered_of(read, partition.checksum))
    return float(counts.sum(dtype=np.float64))


def split_by_item(users: GroupInteractions, edges: Offsets) -> list[Band]:
    """Return the pairs of a group of users for each group of items, whose edges are given."""
    side = users.counted
    rows = np.repeat(np.arange(len(side), dtype=np.int32), np.diff(side.starts))
    return _split(Band(side.others, rows + np.int32(users.first), side.weights), edges)


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


def _split(band: Band, edges: Offsets) -> list[Band]:
    """Return the interactions of each group of rows, in order, with rows from its first one."""
    found = []
    for first, entries in entries_by_group(band.rows, edges):
        rows, others, counts = band.select(entries)
        found.append(Band(rows - np.int32(first), others, counts))
    return found


def _join(bands: list[Band]) -> Band:
    """Return the interactions of some bands, one after the other."""
    rows, others = (np.concatenate([band[column] for band in bands]) for column in range(2))
    return Band(rows, others, join_weights((band.counts, len(band.rows)) for band in bands))
