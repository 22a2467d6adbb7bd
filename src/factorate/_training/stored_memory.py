"""plan_memory: the memory that a fit to a store needs, and how it is divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels.plain import LOOKAHEAD
from factorate._store.manifest import CHUNK_RATINGS
from factorate._training.schedule import padded
from factorate._utils.byte_sizes import show_size

if TYPE_CHECKING:
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._training.schedule import Cuts
    from factorate._training.settings import Settings
    from factorate._utils.types import Offsets

FIXED_BYTES = 1 << 25  # of all that does not grow with the ratings
AHEAD_BYTES = 1 << 26  # of blocks that are read ahead, without a limit
SORT_BYTES = 1 << 29  # to sort ratings into row bands, without a limit
MAX_AHEAD = 16  # blocks
MIN_AHEAD = 2
CHUNK_BYTES = 60  # of a rating of the store while it is sorted, besides four times its code
TEXT_BYTES = 70  # of an object for an id, besides its own bytes
ROW_BYTES = 32  # of a user or item while ratings are sorted into row bands
# Of a rating that is held out, with its prediction and terms of its loss; measured.
VALIDATION_BYTES = 200


class MemoryPlan(NamedTuple):
    """How the memory for ratings is divided.

    Attributes
    ----------
    n_chunks : int
        Number of files of the store that are sorted into row bands at the same time.
    n_ahead : int
        Number of blocks that are read ahead.
    """

    n_chunks: int
    n_ahead: int


def plan_memory(
    ratings: RatingsInStore,
    settings: Settings,
    cuts: Cuts,
    band_sizes: Offsets,
    n_threads: int,
) -> MemoryPlan:
    """Divide the memory that a fit may take.

    Parameters
    ----------
    ratings : RatingsInStore
        The ratings, and the maximum memory.
    settings : Settings
        Settings of training.
    cuts : Cuts
        The bands.
    band_sizes : ndarray of int64
        Number of ratings of each row band.
    n_threads : int
        Number of threads.

    Returns
    -------
    MemoryPlan

    Raises
    ------
    ValueError
        If a fit needs more; the message says how much.
    """
    itemsize, n_rows = ratings.dtype.itemsize, ratings.stored.shape
    rating_bytes = ratings.rating_dtype.itemsize
    held_out = ratings.n_held_out * (8 + itemsize)
    # A band is read, its values are looked up, and it is sorted from one array into another.
    sort = int(band_sizes.max()) * (26 + 3 * rating_bytes + itemsize) + 64 * sum(n_rows)
    largest_block = _largest_block(cuts, band_sizes) * (4 + rating_bytes) + 4 * LOOKAHEAD
    model = _model_bytes(settings, itemsize, n_rows)
    if ratings.warm_start:  # the old factors, and copies of some of them on the scale of training
        old = itemsize * (settings.n_factors + 3) + 20
        model += sum(n_rows) * old + 3 * max(n_rows) * itemsize * settings.n_factors
    validation = VALIDATION_BYTES * ratings.n_held_out - held_out
    seen = 4 * ratings.stored.manifest.n_ratings + 32 * n_rows[0] if ratings.keep_seen else 0
    fixed = fixed_bytes(ratings) + held_out
    blocks = (MIN_AHEAD + n_threads) * largest_block
    factors = sum(n_rows) * itemsize * (settings.n_factors + 9)
    split = _split_bytes(ratings)
    needed = fixed + max(sort, split, model + validation + blocks, factors + seen)
    free_to_read = AHEAD_BYTES
    if ratings.memory is not None:
        if needed > ratings.memory:
            advice = ", or set keep_seen=False" if seen + factors == needed - fixed else ""
            if held_out and model + validation + blocks == needed - fixed:
                advice = (
                    f", or a lower validation_fraction: validation takes {show_size(validation)}"
                )
            raise too_little_memory(needed, model, ratings.memory, advice)
        free_to_read = min(AHEAD_BYTES, ratings.memory - fixed - model - validation)
    n_ahead = free_to_read // largest_block - n_threads
    return MemoryPlan(
        n_chunks=count_chunks(ratings),
        n_ahead=max(MIN_AHEAD, min(MAX_AHEAD, n_ahead)),
    )


def count_chunks(ratings: RatingsInStore) -> int:
    """Return how many files of a store may be read and sorted at the same time, at least one."""
    free = SORT_BYTES
    if ratings.memory is not None:
        held_out = ratings.n_held_out * (8 + ratings.dtype.itemsize)
        rows = ROW_BYTES * sum(ratings.stored.shape)
        free = ratings.memory - fixed_bytes(ratings) - held_out - rows
    return max(1, free // chunk_bytes(ratings))


def check_held_out(ratings: RatingsInStore, n_held_out: int) -> None:
    """Raise ValueError if ratings to hold out alone need more memory than a fit may take."""
    needed = fixed_bytes(ratings) + VALIDATION_BYTES * n_held_out
    if ratings.memory is not None and needed > ratings.memory:
        raise ValueError(
            f"validation on {n_held_out:,} ratings of this store needs {show_size(needed)} of "
            f"memory, and memory is {show_size(ratings.memory)}; set it to more, or a lower "
            f"validation_fraction, or pass an eval_set"
        )


def too_little_memory(needed: int, model: int, memory: int, advice: str) -> ValueError:
    """Return the error for a fit that needs more memory than it may take."""
    return ValueError(
        f"a fit to this store needs {show_size(needed)} of memory, {show_size(model)} of them for "
        f"the factors and their copies, and memory is {show_size(memory)}; set it to more, choose "
        f"fewer factors{advice}"
    )


def chunk_bytes(ratings: RatingsInStore) -> int:
    """Return the bytes to sort the ratings of one file of a store into row bands."""
    return (CHUNK_BYTES + 4 * ratings.rating_dtype.itemsize) * CHUNK_RATINGS


def fixed_bytes(ratings: RatingsInStore) -> int:
    """Return the bytes of the ids, and of all that does not grow."""
    return FIXED_BYTES + sum(_id_bytes(ratings, side) for side in range(2))


def _split_bytes(ratings: RatingsInStore) -> int:
    """Return the bytes to sort one file of a store into row bands, with those of the rows."""
    return chunk_bytes(ratings) + ROW_BYTES * sum(ratings.stored.shape)


def _id_bytes(ratings: RatingsInStore, side: int) -> int:
    """Return the bytes of the ids of one side in memory."""
    manifest = ratings.stored.manifest
    n, n_bytes = ratings.stored.shape[side], manifest.id_bytes[side]
    return 8 * n + (n_bytes + TEXT_BYTES * n if n_bytes else 0)


def _model_bytes(settings: Settings, itemsize: int, n_rows: tuple[int, int]) -> int:
    """Return the bytes of the arrays with an entry for each user and item while training.

    They are those of the state, with its copy of the last epoch and of the best; the result; and
    the positions, counts, learning rates and penalties.
    """
    n_copies = 2 + (settings.patience is not None)
    state = itemsize * (padded(settings.n_factors) + 3)
    training = n_copies * state + 8 * itemsize + 44
    finishing = n_copies * state + itemsize * (settings.n_factors + 1) + 76
    return sum(n_rows) * max(training, finishing) + max(n_rows) * itemsize * settings.n_factors


def _largest_block(cuts: Cuts, band_sizes: Offsets) -> int:
    """Return an upper bound of the ratings of most blocks: bands are about equally dense."""
    return int(2 * band_sizes.max() / cuts.item_side.n_bands) + np.iinfo(np.uint16).max
