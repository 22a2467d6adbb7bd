"""Settings, sizes and comparisons for the tests of training."""

from __future__ import annotations

import itertools
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate import reference
from factorate._input.levels import MAX_SHORT
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.factors import Factors
from factorate._training.held_out import HeldOut
from factorate._training.packed_ratings import PackedRatings, unpack
from factorate._training.per_kind import PerKind
from factorate._training.settings import Settings
from factorate._training.sizes import Sizes
from factorate._training.update_rule import UpdateRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factorate._training.schedule import Schedule

# Small data has many blocks and tiles, and with SVD++ terms five groups of several row bands.
SMALL = Sizes(block_work=500, tile_bytes=1024, tile_ratings=4, n_groups=5, group_block_work=600)
NAMES = ("user_factors", "item_factors", "user_bias", "item_bias", "svdpp", "mean", "scale")


def make_settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "n_factors": 6,
        "n_epochs": 10,
        "rates": PerKind(0.02, 0.03, 0.01, 0.015),
        "l2": PerKind(0.04, 0.03, 0.02, 0.01),
        "shrinkage": PerKind(0.5, 0.4, 0.3, 0.2),
        "l1": PerKind(0.0, 0.0, 0.0, 0.0),
        "count_scale": 40.0,
        "learning_rate_schedule": "linear",
        "rule": UpdateRule(),
        "fit_mean": True,
        "seed": 5,
        "n_threads": 1,
    }
    return Settings(**(values | changes))


def scheduled_ratings(schedule: Schedule, block: int | None = None) -> tuple[Any, Any, Any]:
    """Return the users, items and values of all ratings in order, or of those of a block."""
    span = (0, schedule.n_ratings)
    if block is not None:
        span = tuple(schedule.block_starts[block : block + 2].tolist())
    users, items, values = unpack(schedule.packed, *span)
    return schedule.user_order[users], schedule.item_order[items], values


def pack(
    users: Any,
    items: Any,
    values: Any,
    weights: Any = None,
    *,
    coded: bool = False,
    cuts: tuple[int, ...] = (),
) -> PackedRatings:
    """Pack ratings, whose rows are their positions, in tiles that end at the cuts."""
    starts = [0, *cuts, len(values)]
    pairs = np.zeros((len(values) + LOOKAHEAD, 2), np.uint16)
    firsts = np.zeros((2, len(starts)), np.int32)
    for tile, (begin, end) in enumerate(itertools.pairwise(starts)):
        for side, rows in enumerate((users, items)):
            firsts[side, tile] = rows[begin:end].min(initial=9)
            pairs[begin:end, side] = rows[begin:end] - firsts[side, tile]
    levels, codes = np.unique(values if coded else values[:0], return_inverse=True)
    is_short = len(levels) <= MAX_SHORT
    return PackedRatings(
        pairs=pairs,
        codes8=codes[: len(codes) * is_short].astype(np.uint8),
        codes16=codes[len(codes) * is_short :].astype(np.uint16),
        levels=levels,
        values=values[len(codes) :],
        weights=np.empty(0, values.dtype) if weights is None else weights,
        tile_starts=np.array(starts),
        first_user_positions=firsts[0],
        first_item_positions=firsts[1],
    )


def times(rates: PerKind, factor: float) -> PerKind:
    return PerKind(*(rate * factor for rate in rates))


def reference_rates_and_penalties(
    settings: Settings, counts: tuple[Any, Any], factor: float
) -> tuple[list[Any], list[Any]]:
    """Return the rates and penalties of every row, as `reference.train_epoch` takes them."""
    by_kind = [counts[kind % 2] for kind in range(4)]
    rates = [
        reference.row_rates(rate * factor, n, settings.count_scale)
        for rate, n in zip(settings.rates, by_kind, strict=True)
    ]
    penalties = [
        reference.row_penalties(*each)
        for each in zip(settings.l2, settings.shrinkage, by_kind, rates, strict=True)
    ]
    return rates, penalties


def assert_same(a: Factors, b: Factors) -> None:
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)


def first_ratings(ratings: Any, sign: float = 1.0) -> HeldOut:
    """Return training ratings for validation; with sign -1, training increases their loss."""
    return HeldOut(
        user_rows=ratings.user_rows[:200],
        item_rows=ratings.item_rows[:200],
        values=sign * ratings.values[:200],
    )


@contextmanager
def sigint_raises() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGINT, which processes in the background may ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
