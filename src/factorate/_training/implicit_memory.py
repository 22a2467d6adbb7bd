"""plan_implicit_memory: the memory that a fit to the interactions of a store needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._training.gram import GRAM_ROWS
from factorate._training.improve_rows import work_of_steps
from factorate._training.interaction_side import cut_blocks
from factorate._training.interactions_on_disk import ROW_BYTES
from factorate._training.schedule import padded
from factorate._training.stored_memory import (
    MIN_AHEAD,
    SORT_BYTES,
    chunk_bytes,
    fixed_bytes,
    too_little_memory,
)

if TYPE_CHECKING:
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._utils.types import Offsets

AHEAD_BYTES = 1 << 25  # of blocks that are read ahead, besides those that are needed
ARENA_BYTES = 1 << 26  # of freed memory that the C library keeps for a thread, at most
N_ARENAS = 3  # where the memory of blocks is, since another thread reads in each half-epoch
MIN_BAND_PAIRS = 1 << 18  # of a row band: fewer make too many small reads and writes
SORTED_ROW_BYTES = 48  # of a user or item while interactions are sorted, and of
TRAINED_ROW_BYTES = 104  # one during training, besides the factors


class ImplicitMemoryPlan(NamedTuple):
    """How the memory for interactions is divided.

    Attributes
    ----------
    n_chunks : int
        Number of files of the store that are sorted into row bands at the same time.
    n_bands : int
        Number of row bands that are sorted at the same time.
    band_pairs : int
        Maximum number of interactions of a row band of more than one row.
    ahead_bytes : int
        Maximum size of the blocks that are read ahead, together with those that are computed.
    """

    n_chunks: int
    n_bands: int
    band_pairs: int
    ahead_bytes: int


def plan_implicit_memory(
    ratings: RatingsInStore,
    settings: ImplicitSettings,
    counts: tuple[Offsets, Offsets],
    *,
    n_validated: int | None = None,
) -> ImplicitMemoryPlan:
    """Divide the memory that a fit may take.

    Parameters
    ----------
    ratings : RatingsInStore
        The interactions, and the maximum memory.
    settings : ImplicitSettings
        Settings of training.
    counts : tuple of ndarray of int64
        Number of interactions of each user and of each item.
    n_validated : int or None, default=None
        Number of interactions of the users of the validation set; None without one.

    Returns
    -------
    ImplicitMemoryPlan

    Raises
    ------
    ValueError
        If a fit needs more; the message says how much.
    """
    itemsize, n, n_rows = ratings.dtype.itemsize, int(counts[0].sum()), tuple(map(len, counts))
    n_threads = settings.als.n_threads
    fixed = fixed_bytes(ratings)
    of_rows = SORTED_ROW_BYTES * sum(n_rows) + 24 * n_rows[1]
    split = chunk_bytes(ratings)
    of_pair, of_sorted = 72 + 4 * itemsize, 28 + 4 * itemsize  # in a band of users, of items
    largest_user, largest_item = (int(of_side.max()) for of_side in counts)
    band = max(of_pair * max(min(n, MIN_BAND_PAIRS), largest_user), of_sorted * largest_item)
    blocks = _block_bytes(settings, counts, itemsize)
    seen_bytes = ROW_BYTES + itemsize
    seen = seen_bytes * n + 16 * n_rows[0] if ratings.keep_seen else 0
    validated = 0 if n_validated is None else ROW_BYTES * n_validated + 16 * n_rows[0]
    model, result = _model_bytes(settings, n_rows, itemsize, is_validated=n_validated is not None)
    training, finishing = model + validated, result + validated + seen
    epochs = max(training, finishing) + N_ARENAS * blocks
    needed = fixed + max(of_rows + split, of_rows + band, epochs)
    free_to_sort, free = SORT_BYTES, N_ARENAS * AHEAD_BYTES
    if ratings.memory is not None:
        free_to_sort, free = ratings.memory - fixed - of_rows, ratings.memory - needed
        if free < 0:
            is_seen = needed == fixed + epochs and finishing > training and ratings.keep_seen
            advice = ", or set keep_seen=False" if is_seen else ""
            raise too_little_memory(needed, model, ratings.memory, advice)
        n_threads = max(1, min(n_threads, free // ARENA_BYTES))
    n_bands = max(1, min(n_threads, free_to_sort // band))
    return ImplicitMemoryPlan(
        n_chunks=max(1, min(n_threads, free_to_sort // split)),
        n_bands=n_bands,
        band_pairs=max(MIN_BAND_PAIRS, free_to_sort // (n_bands * of_pair)),
        ahead_bytes=blocks + min(AHEAD_BYTES, free // N_ARENAS),
    )


def _block_bytes(settings: ImplicitSettings, counts: tuple[Offsets, Offsets], itemsize: int) -> int:
    """Return the bytes of the largest blocks, as many as are held at the same time."""
    n_held = settings.als.n_threads + MIN_AHEAD
    work, sizes = work_of_steps(settings.als), [0]
    for of_side in counts:
        starts = np.concatenate([[0], np.cumsum(of_side)])
        largest = np.sort(np.diff(starts.take(cut_blocks(starts, work))))[-n_held:]
        sizes.append(int(largest.sum()))
    return (ROW_BYTES + 2 * itemsize) * max(sizes)


def _model_bytes(
    settings: ImplicitSettings, n_rows: tuple[int, ...], itemsize: int, *, is_validated: bool
) -> tuple[int, int]:
    """Return the bytes of all arrays of factors and rows during training, and after it.

    A half-epoch has the factors before it and after it, with the other side in two bases, besides
    the items of the best epoch. Validation, and the result, need the users that solve the equations
    exactly, padded and not.
    """
    length, width = settings.als.n_factors, padded(settings.als.n_factors)
    training = 2 * width * sum(n_rows) + length * n_rows[1]
    if is_validated and width > length:
        training = 2 * (width + length) * sum(n_rows)
    result = (width + length) * sum(n_rows) + 9 * sum(n_rows)
    scratch = settings.als.n_threads * (width**2 + 256 * width)
    grams = (max(n_rows) // GRAM_ROWS + 1) * width**2 + scratch
    of_rows = TRAINED_ROW_BYTES * max(n_rows) + 16 * sum(n_rows)
    return itemsize * (training + grams) + of_rows, itemsize * (result + grams) + of_rows
