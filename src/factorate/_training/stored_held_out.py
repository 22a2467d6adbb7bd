"""split_stored_ratings: hold out ratings of a store, the same as of ratings in memory.

`hold_out` chooses the ratings whose pairs have the smallest hashes. A first pass over the store
counts the hashes by their first bits, and so finds the first bits of the largest one to hold out. A
second pass reads the ratings whose first bits are no larger; where they are equal, hashes decide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._training.held_out import HeldOut, check_rest, count_held_out, hash_pairs
from factorate._training.held_out_pairs import HeldOutKeys, HeldOutPairs
from factorate._training.stored_levels import read_levels
from factorate._training.stored_memory import check_held_out, count_chunks
from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from numpy.typing import NDArray

    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._utils.types import Flags, Floats, Rows

    Hashes = NDArray[np.uint64]

DIGIT_BITS = 16  # counted in one pass
HASH_BITS = 64
MAX_CANDIDATES = 1 << 20  # ratings whose hashes are held in memory


def split_stored_ratings(
    ratings: RatingsInStore,
    fraction: float,
    seed: int,
    n_threads: int,
    *,
    max_candidates: int = MAX_CANDIDATES,
) -> tuple[RatingsInStore, HeldOut]:
    """Split the ratings of a store as `split_ratings` splits ratings in memory.

    Parameters
    ----------
    ratings : RatingsInStore
        The ratings, none of them held out.
    fraction : float
        Fraction of the ratings to hold out.
    seed : int
        Seeds the hash.
    n_threads : int
        Number of threads, which does not affect the result.
    max_candidates : int, default=1048576
        Maximum number of ratings whose hashes are held in memory, if they differ. It does not
        affect the result.

    Returns
    -------
    training : RatingsInStore
        The ratings without those held out.
    held_out : HeldOut
        The others, in memory.

    Raises
    ------
    ValueError
        If all ratings would be held out, or those held out need more memory than a fit may take.
    """
    n_held = count_held_out(fraction, ratings.n_ratings)
    check_held_out(ratings, n_held)
    reader = _Reader(ratings, seed, Workers(min(n_threads, count_chunks(ratings))))
    found = _Range(0, HASH_BITS, n_held)
    while found.n_bits > 0:
        found, n_candidates = _count_digit(reader, found)
        if n_candidates <= max_candidates:
            break
    sure, candidates = reader.read_below(found)
    last_key = np.partition(candidates.keys, found.rank - 1)[found.rank - 1]
    chosen = candidates.keys <= last_key
    held_out = HeldOut(
        user_rows=np.concatenate([sure.users, candidates.users[chosen]]),
        item_rows=np.concatenate([sure.items, candidates.items[chosen]]),
        values=np.concatenate([sure.values, candidates.values[chosen]]),
    )
    check_rest(len(held_out.values), ratings.n_ratings)
    pairs = HeldOutPairs(keys=HeldOutKeys(seed, int(last_key)), ratings=held_out)
    levels = read_levels(ratings.stored, ratings.dtype, held_out=pairs)
    return replace(ratings, held_out=pairs, levels=levels), held_out


class _Range(NamedTuple):
    """The hashes ``first … first + 2**n_bits - 1``, of which the `rank`-th smallest is wanted."""

    first: int
    n_bits: int
    rank: int  # from 1

    def contains(self, keys: Hashes) -> Flags:
        """Return which hashes are in this range."""
        if self.n_bits == HASH_BITS:
            return np.ones(len(keys), np.bool)
        inside: Flags = keys >> np.uint64(self.n_bits) == np.uint64(self.first >> self.n_bits)
        return inside


class _Hashed(NamedTuple):
    """Some ratings with their hashes."""

    users: Rows
    items: Rows
    values: Floats
    keys: Hashes

    def select(self, chosen: Flags) -> _Hashed:
        return _Hashed(
            self.users[chosen], self.items[chosen], self.values[chosen], self.keys[chosen]
        )


class _Reader:
    """Reads the ratings of a store with their hashes, some files at a time."""

    def __init__(self, ratings: RatingsInStore, seed: int, workers: Workers) -> None:
        self._ratings = ratings
        self._rows = ratings.stored.read_rows(0), ratings.stored.read_rows(1)
        self._seed = seed
        self._workers = workers

    def map(self, function: Callable[[_Hashed], Any]) -> Iterator[Any]:
        """Yield the results of a function that is called with the ratings of each file."""

        def read(number: int) -> Any:
            stored = self._ratings.stored
            chunk = stored.read_chunk(number)
            users, items = (
                rows.take(numbers) for rows, numbers in zip(self._rows, chunk[:2], strict=True)
            )
            keys = hash_pairs(users, items, self._seed)
            values = stored.decode(chunk).astype(self._ratings.dtype, copy=False)
            return function(_Hashed(users, items, values, keys))

        numbers = range(len(self._ratings.stored.manifest.chunks))
        for some in slices(len(numbers), self._workers.n_threads):
            yield from self._workers.map(read, numbers[some])

    def read_below(self, found: _Range) -> tuple[_Hashed, _Hashed]:
        """Return the ratings with hashes below a range, and those with hashes in it."""

        def select(hashed: _Hashed) -> tuple[_Hashed, _Hashed]:
            below = hashed.select(hashed.keys < np.uint64(found.first))
            # Their hashes are not needed.
            return below._replace(keys=hashed.keys[:0]), hashed.select(found.contains(hashed.keys))

        selected = list(self.map(select))
        below, inside = (
            _Hashed(*map(np.concatenate, zip(*side, strict=True)))
            for side in zip(*selected, strict=True)
        )
        return below, inside


def _count_digit(reader: _Reader, found: _Range) -> tuple[_Range, int]:
    """Return the range with the next digit of the wanted hash, and the number of hashes in it."""
    n_bits = found.n_bits - DIGIT_BITS

    def count(hashed: _Hashed) -> Any:
        keys = hashed.keys[found.contains(hashed.keys)]
        digits = (keys >> np.uint64(n_bits)).astype(np.int64) & ((1 << DIGIT_BITS) - 1)
        return np.bincount(digits, minlength=1 << DIGIT_BITS)

    ends = np.cumsum(sum(reader.map(count)))
    digit = int(np.searchsorted(ends, found.rank))
    before = int(ends[digit - 1]) if digit else 0
    within = _Range(found.first + (digit << n_bits), n_bits, found.rank - before)
    return within, int(ends[digit]) - before
