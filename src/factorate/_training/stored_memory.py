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
CHUNK_BYTES = 64  # of a rating of the store while it is sorted into row bands
TEXT_BYTES = 70  # of an object for an id, besides its own bytes


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
    itemsize, n_rows = ratings.levels.itemsize, ratings.stored.shape
    code_bytes = 1 if len(ratings.levels) <= 1 << 8 else 2
    ids = sum(id_bytes(ratings, side) for side in range(2))
    # A band is read, its values are looked up, and it is sorted from one array into another.
    sort = int(band_sizes.max()) * (26 + 3 * code_bytes + itemsize) + 64 * sum(n_rows)
    split = CHUNK_BYTES * CHUNK_RATINGS
    largest_block = _largest_block(cuts, band_sizes) * (4 + code_bytes) + 4 * LOOKAHEAD
    model = _model_bytes(settings, itemsize, n_rows)
    seen = 4 * ratings.n_ratings + 32 * n_rows[0] if ratings.keep_seen else 0
    fixed = FIXED_BYTES + ids
    blocks = (MIN_AHEAD + n_threads) * largest_block
    factors = sum(n_rows) * itemsize * (settings.n_factors + 9)
    needed = fixed + max(sort, split + 24 * sum(n_rows), model + blocks, factors + seen)
    if ratings.memory is None:
        free_to_sort, free_to_read = SORT_BYTES, AHEAD_BYTES
    else:
        if needed > ratings.memory:
            advice = ", or set keep_seen=False" if seen + factors == needed - fixed else ""
            raise too_little_memory(needed, model, ratings.memory, advice)
        free_to_sort = ratings.memory - fixed - 24 * sum(n_rows)
        free_to_read = min(AHEAD_BYTES, ratings.memory - fixed - model)
    n_ahead = free_to_read // largest_block - n_threads
    return MemoryPlan(
        n_chunks=max(1, free_to_sort // split),
        n_ahead=max(MIN_AHEAD, min(MAX_AHEAD, n_ahead)),
    )


def too_little_memory(needed: int, model: int, memory: int, advice: str) -> ValueError:
    """Return the error for a fit that needs more memory than it may take."""
    return ValueError(
        f"a fit to this store needs {show_size(needed)} of memory, {show_size(model)} of them for "
        f"the factors and their copies, and memory is {show_size(memory)}; set it to more, choose "
        f"fewer factors{advice}"
    )


def id_bytes(ratings: RatingsInStore, side: int) -> int:
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
