"""split_cluster_ratings: hold out ratings on a cluster, the same as of ratings in memory.

`hold_out` chooses the ratings whose pairs have the smallest hashes. Hashes are uniform, so the
largest one to hold out is known almost exactly beforehand; the workers send all ratings with hashes
up to a little more.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._cluster.cluster_ratings import merge_counted
from factorate._cluster.partitions import numbered_of, readings_differ
from factorate._input.levels import find_levels
from factorate._training.held_out import HeldOut, check_rest, count_held_out, hash_pairs
from factorate._training.held_out_pairs import HeldOutKeys
from factorate._training.stored_levels import subtract_levels
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factorate._cluster.cluster_ratings import ClusterRatings
    from factorate._cluster.partitions import Partition, Read
    from factorate._input.levels import Levels
    from factorate._utils.types import Floats, Offsets, Rows

    Hashes = NDArray[np.uint64]

MAX_KEY = 2**64 - 1
MARGIN = 6  # standard deviations of the rank of a hash


class Hashed(NamedTuple):
    """Some ratings with the hashes of their pairs."""

    users: Rows
    items: Rows
    values: Floats
    keys: Hashes


def split_cluster_ratings(
    ratings: ClusterRatings, fraction: float, seed: int
) -> tuple[ClusterRatings, HeldOut]:
    """Split ratings on a cluster as `split_ratings` splits ratings in memory.

    Parameters
    ----------
    ratings : ClusterRatings
        The ratings, none of them held out.
    fraction : float
        Fraction of the ratings to hold out.
    seed : int
        Seeds the hash.

    Returns
    -------
    training : ClusterRatings
        The ratings without those held out.
    held_out : HeldOut
        The others, in the memory of this process.

    Raises
    ------
    ValueError
        If all ratings would be held out, or two readings of the ratings differ.
    """
    n = ratings.n_ratings
    n_held = count_held_out(fraction, n)
    limit = min(MAX_KEY, int((n_held + MARGIN * (1 + math.sqrt(n_held))) / n * 2**64))
    while True:
        of_partitions = ratings.map(select_below, seed, limit)
        found = Hashed(*map(np.concatenate, zip(*of_partitions, strict=True)))
        if len(found.keys) >= n_held:
            break
        if limit == MAX_KEY:
            raise readings_differ()
        limit = min(MAX_KEY, 2 * limit)  # pairs that are rated often have larger hashes
    last_key = np.partition(found.keys, n_held - 1)[n_held - 1]
    users, items, values = (column[found.keys <= last_key] for column in found[:3])
    check_rest(len(values), n)
    keys = HeldOutKeys(seed, int(last_key))
    counts = _subtract(ratings.counts[0], users), _subtract(ratings.counts[1], items)
    training = replace(
        ratings,
        held_out=keys,
        counts=counts,
        levels=_rest_of_levels(ratings, keys, values),
    )
    return training, HeldOut(user_rows=users, item_rows=items, values=values)


def select_below(read: Read, partition: Partition, seed: int, limit: int) -> Hashed:
    """Return the ratings of a partition whose pairs have hashes up to a limit, on a worker."""
    numbered = numbered_of(read, partition.checksum)
    user_rows, item_rows = partition.rows
    users = user_rows.take(numbered.user_numbers)
    items = item_rows.take(numbered.item_numbers)
    keys = hash_pairs(users, items, seed)
    chosen = np.flatnonzero(keys <= np.uint64(limit))
    values = partition.decode(numbered, chosen)
    return Hashed(users[chosen], items[chosen], values, keys[chosen])


def count_levels(
    read: Read, partition: Partition, keys: HeldOutKeys
) -> tuple[Floats, Offsets] | None:
    """Return the distinct ratings of a partition that are not held out, and their counts.

    None of them if there are too many; None if there are no ratings.
    """
    rest = keys.drop_from(numbered_of(read, partition.checksum), partition.rows)
    values = partition.decode(rest)
    found = find_levels(values, Workers(), 1)
    return (found.levels, found.counts.astype(np.int64)) if len(values) else None


def _subtract(counts: Offsets, rows: Rows) -> Offsets:
    """Return the counts of rows without some ratings of them."""
    rest: Offsets = counts - np.bincount(rows, minlength=len(counts))
    if rest.min() < 0:
        raise readings_differ()
    return rest


def _rest_of_levels(ratings: ClusterRatings, keys: HeldOutKeys, held_out: Floats) -> Levels:
    """Return the distinct ratings of those that are not held out; none if there are too many."""
    if len(ratings.levels.levels):
        rest = subtract_levels(ratings.levels, held_out)
        if rest is None:
            raise readings_differ()
        return rest
    return merge_counted(ratings.map(count_levels, keys), ratings.dtype)
