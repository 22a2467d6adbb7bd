"""Million ratings per second of the kernel on one thread, for each instruction set.

(a) 64 × 64 ids in random order, which fit the cache
(b) 10 million skewed ratings of 69,878 users and 10,677 items, in the order of the rating schedule
(c) the same ratings in random order, in two tiles, because positions in a tile have 16 bits

Ratings are half-stars, which are stored as codes of 8 bits; with --continuous, most are distinct,
and they are stored as values.

Run: python -m benchmarks.kernel [--ratings N] [--runs N] [--continuous]
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import factorate as ft
from factorate import datasets
from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._kernels import dispatch
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.levels import MAX_SHORT
from factorate._training.packed_ratings import PackedRatings
from factorate._training.schedule import Schedule, block_order, make_schedule
from factorate._training.settings import check_settings
from factorate._training.sizes import DEFAULT_SIZES
from factorate._utils.aligned import aligned_zeros

N_USERS, N_ITEMS = 69_878, 10_677
CACHED = 64
CACHED_UPDATES = 500_000
FACTORS = (16, 32, 64, 128)
FLOAT = np.dtype(np.float32)
COLUMNS = [0.0, 0.005, 1 - 0.005 * 0.05, 1 - 0.005 * 0.05]  # bias, rate, decay, decay of the bias


def half_stars(ratings: Any) -> Any:
    """Round ratings to 0.5, 1, …, 5."""
    return np.clip(np.round(2 * ratings) / 2, 0.5, 5).astype(FLOAT)


def in_one_tile(users: Any, items: Any, ratings: Any) -> PackedRatings:
    """Pack ratings in their order, with rows as positions."""
    levels, codes = np.unique(ratings, return_inverse=True)
    is_coded = len(levels) <= MAX_SHORT
    pairs = np.zeros((len(ratings) + LOOKAHEAD, 2), np.uint16)
    pairs[: len(ratings)] = np.column_stack([users, items])
    return PackedRatings(
        pairs=pairs,
        codes8=(codes if is_coded else codes[:0]).astype(np.uint8),
        codes16=np.empty(0, np.uint16),
        levels=levels if is_coded else levels[:0],
        values=ratings[:0] if is_coded else ratings,
        weights=np.empty(0, FLOAT),
        tile_starts=np.array([0, len(ratings)]),
        first_user_positions=np.zeros(2, np.int32),
        first_item_positions=np.zeros(2, np.int32),
    )


def epoch_of(
    order: PackedRatings, ranges: list[tuple[int, int]], n_rows: tuple[int, int], K: int
) -> Callable[[str, bool], float]:
    """Return a function that runs one epoch and returns its speed in million ratings/s.

    The ranges are those of the tiles of each block.
    """
    n_ratings = sum(int(order.tile_starts[end] - order.tile_starts[first]) for first, end in ranges)
    generator = np.random.default_rng(0)
    first = [0.1 * generator.standard_normal((n, K), np.float32) for n in n_rows]
    state: Any = [aligned_zeros((n, K), FLOAT) for n in n_rows]
    columns: Any = [np.tile(np.array(COLUMNS, FLOAT), (n, 1)) for n in n_rows]

    def epoch(isa: str, fit_bias: bool) -> float:
        train = dispatch.kernel("plain", isa).train
        # Every run starts from the same values; thousands of epochs on noise lead to denormals.
        for rows, at_first in zip(state, first, strict=True):
            rows[:] = at_first
        for side in columns:
            side[:, 0] = 0
        start = time.perf_counter()
        for first_tile, end_tile in ranges:
            train(order, first_tile, end_tile, *state, *columns, 1.0, 1.0, fit_bias)
        seconds = time.perf_counter() - start
        return n_ratings / seconds / 1e6

    return epoch


def scheduled(schedule: Schedule) -> list[tuple[int, int]]:
    """Return the tiles of the blocks of one epoch in order."""
    starts = schedule.block_tiles
    return [
        (int(starts[block]), int(starts[block + 1]))
        for block in block_order(schedule.n_bands, seed=0, epoch=1)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ratings", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--continuous", action="store_true")
    arguments = parser.parse_args()
    n = arguments.ratings

    users, items, ratings = datasets.synthetic(n, N_USERS, N_ITEMS)
    if not arguments.continuous:
        ratings = half_stars(ratings)
    ratings = (ratings - ratings.mean()) / ratings.std()
    small = np.random.default_rng(0).integers(0, CACHED, (2, CACHED_UPDATES), np.int32)
    cached = in_one_tile(small[0], small[1], ratings[:CACHED_UPDATES])
    given = Ratings(
        user_rows=users,
        item_rows=items,
        values=ratings,
        user_index=range_index(N_USERS),
        item_index=range_index(N_ITEMS),
        library=None,
    )
    one_block = replace(DEFAULT_SIZES, max_bands=1, tile_bytes=1 << 40)

    print(f"{platform.machine()}, float32, one thread, {n:,} ratings, median of {arguments.runs}")
    print("million ratings/s           (a) in cache       (b) scheduled      (c) random    b / a")
    for K in FACTORS:
        settings = check_settings(ft.MatrixFactorization(K).get_params(), seed=0)
        schedule = make_schedule(given, settings)
        shuffled = make_schedule(given, replace(settings, sizes=one_block))
        epochs = (
            epoch_of(cached, [(0, 1)] * 4, (CACHED, CACHED), K),
            *(
                epoch_of(order.ratings, scheduled(order), (N_USERS, N_ITEMS), K)
                for order in (schedule, shuffled)
            ),
        )
        for isa in reversed(dispatch.available()):
            for fit_bias in (False, True):
                runs = [[epoch(isa, fit_bias) for epoch in epochs] for _ in range(arguments.runs)]
                cells = [
                    f"{statistics.median(column):5.0f} ({min(column):.0f} to {max(column):.0f})"
                    for column in zip(*runs, strict=True)
                ]
                ratio = statistics.median(run[1] / run[0] for run in runs)
                biases = "biases" if fit_bias else "plain"
                line = "".join(f"{cell:<19}" for cell in cells)
                print(f"K={K:<4} {isa:<9} {biases:<7} {line} {ratio:.0%}", flush=True)


if __name__ == "__main__":
    main()
