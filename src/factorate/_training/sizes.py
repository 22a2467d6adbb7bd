"""Sizes: the sizes of blocks, tiles and SVD++ groups."""

from __future__ import annotations

from dataclasses import dataclass

from factorate._input.levels import MAX_LEVELS


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the units of work in training; tests pass small ones.

    All but `thread_ratings` affect the bits of the result, because they affect the order of updates
    or, as `max_levels` does, that of sums.

    Attributes
    ----------
    max_bands : int, default=128
        Maximum number of row bands, and of column bands.
    block_work : int, default=2**21
        Ratings times factors of a block: half a millisecond of work.
    tile_bytes : int, default=2**18
        Bytes of the user and item factors of a tile, which should fit into the cache.
    tile_ratings : int, default=2048
        Tiles are made larger than `tile_bytes` where they would have fewer ratings than this on
        average.
    strip_bytes : int, default=2**13
        Bytes of the user factors of a strip: a quarter of an L1 cache of 32 KB.
    strip_ratings : int, default=64
        Strips are made larger than `strip_bytes` where they would have fewer ratings than this on
        average.
    thread_ratings : int, default=100_000
        Ratings per thread that make another thread worthwhile while the schedule is made.
    n_groups : int, default=32
        Number of groups of users in an epoch with SVD++ terms. More groups do not lower the RMSE
        on ML-1M; half as many raise it by 0.0005.
    group_block_work : int, default=2**19
        Ratings times factors of a block in such a group: a tenth of a millisecond of work.
    max_group_bands : int, default=16
        Maximum number of row bands in such a group, and of column bands.
    max_levels : int, default=65536
        Maximum number of distinct ratings for which codes are kept; at most 65,536.
    """

    max_bands: int = 128
    block_work: int = 1 << 21
    tile_bytes: int = 1 << 18
    tile_ratings: int = 2048
    strip_bytes: int = 1 << 13
    strip_ratings: int = 64
    thread_ratings: int = 100_000
    n_groups: int = 32
    group_block_work: int = 1 << 19
    max_group_bands: int = 16
    max_levels: int = MAX_LEVELS


DEFAULT_SIZES = Sizes()
