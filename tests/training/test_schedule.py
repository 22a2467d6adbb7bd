"""The rating schedule: each rating once, in an order independent of that of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_cases import make_settings, scheduled_ratings

from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.packed_ratings import unpack
from factorate._training.schedule import Schedule, iterate_rows, make_schedule
from factorate._training.sizes import DEFAULT_SIZES, Sizes
from factorate._utils.workers import Workers

TINY = Sizes(block_work=100, tile_bytes=512, tile_ratings=2)


def scheduled(
    columns: tuple[Any, Any, Any],
    shape: tuple[int, int],
    *,
    seed: int = 0,
    n_factors: int = 16,
    sizes: Sizes = DEFAULT_SIZES,
    n_threads: int = 1,
) -> Schedule:
    users, items, values = columns
    ratings = Ratings(
        user_rows=users,
        item_rows=items,
        values=values,
        user_index=range_index(shape[0]),
        item_index=range_index(shape[1]),
        library=None,
    )
    settings = make_settings(seed=seed, n_factors=n_factors, sizes=sizes)
    return make_schedule(ratings, settings, None, Workers(n_threads))


def triples(schedule: Schedule) -> list[tuple[int, int, float]]:
    """Return users, items and ratings in the order of a schedule."""
    return list(zip(*(column.tolist() for column in scheduled_ratings(schedule)), strict=True))


@st.composite
def ratings(draw: st.DrawFn) -> tuple[Any, Any, Any, int, int]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    n = draw(st.integers(1, 300))
    skew = draw(st.floats(1, 6))
    users = (generator.random(n) ** skew * n_users).astype(np.int32)
    items = (generator.random(n) ** skew * n_items).astype(np.int32)
    return users, items, generator.random(n).astype(np.float32), n_users, n_items


def assert_valid(columns: tuple[Any, Any, Any], shape: tuple[int, int], sizes: Sizes) -> None:
    users, items, values = columns
    schedule = scheduled(columns, shape, seed=1, sizes=sizes)
    given_triples = list(zip(users.tolist(), items.tolist(), values.tolist(), strict=True))
    assert sorted(triples(schedule)) == sorted(given_triples)
    assert len(schedule.packed.pairs) == len(values) + LOOKAHEAD
    batches = [np.concatenate(side).tolist() for side in zip(*iterate_rows(schedule), strict=True)]
    assert sorted(zip(*batches, strict=True)) == sorted(pair[:2] for pair in given_triples)
    starts = schedule.block_starts
    assert starts[0] == 0
    assert (np.diff(starts) >= 0).all()
    n_blocks = schedule.n_bands[0] * schedule.n_bands[1]
    assert len(starts) == n_blocks + 1
    # Blocks have common users only in a row band, and common items only in a column band.
    for side, positions in enumerate(unpack(schedule.packed, 0, len(values))[:2]):
        band_of: dict[int, int] = {}
        for block in range(n_blocks):
            band = divmod(block, schedule.n_bands[1])[side]
            for position in positions[starts[block] : starts[block + 1]].tolist():
                assert band_of.setdefault(position, band) == band


@pytest.mark.parametrize("sizes", [DEFAULT_SIZES, TINY], ids=["default", "tiny"])
@given(ratings())
def test_every_rating_is_in_one_block(sizes: Sizes, drawn: tuple[Any, Any, Any, int, int]) -> None:
    *columns, n_users, n_items = drawn
    users, items, values = columns
    assert_valid((users, items, values), (n_users, n_items), sizes)


def test_small_sizes_cut_many_blocks_and_default_sizes_one(columns: Any) -> None:
    assert scheduled(columns, (60, 80)).n_bands == (1, 1)
    assert scheduled(columns, (60, 80), sizes=TINY).n_bands == (21, 21)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_the_schedule_does_not_depend_on_input_order_or_threads(
    columns: Any, n_threads: int
) -> None:
    sizes = Sizes(block_work=100, tile_bytes=512, tile_ratings=2, thread_ratings=500)
    expected = triples(scheduled(columns, (60, 80), seed=5, sizes=sizes))
    order = np.random.default_rng(0).permutation(len(columns[0]))
    users, items, values = (column[order] for column in columns)
    got = scheduled((users, items, values), (60, 80), seed=5, sizes=sizes, n_threads=n_threads)
    assert triples(got) == expected


def test_ratings_of_one_pair_keep_their_order() -> None:
    users, items = np.zeros(50, np.int32), np.repeat(np.arange(2, dtype=np.int32), 25)
    schedule = scheduled((users, items, np.arange(50, dtype=np.float32)), (1, 2))
    for item in (0, 1):
        values = [value for _, i, value in triples(schedule) if i == item]
        assert values == sorted(values)


def test_ratings_of_a_tile_are_shuffled(columns: Any) -> None:
    schedule = scheduled(columns, (60, 80))
    positions = unpack(schedule.packed, 0, schedule.n_ratings).user_positions
    assert np.mean(positions[1:] == positions[:-1]) < 0.05  # sorted by user it would be 0.98


def test_another_seed_gives_another_order(columns: Any) -> None:
    one, other = (triples(scheduled(columns, (60, 80), seed=seed)) for seed in (1, 2))
    assert one != other


def test_bands_are_balanced_and_at_most_128() -> None:
    generator = np.random.default_rng(0)
    n = 200_000
    users = (generator.random(n) ** 3 * 5000).astype(np.int32)
    items = (generator.random(n) ** 3 * 3000).astype(np.int32)
    values = np.ones(n, np.float32)
    schedule = scheduled((users, items, values), (5000, 3000), n_factors=4096)
    n_bands = schedule.n_bands[0]
    assert 8 < n_bands <= 128
    sizes = np.diff(schedule.block_starts).reshape(schedule.n_bands)
    for side in (0, 1):
        bands = sizes.sum(axis=side)
        assert bands.max() < 2 * n / n_bands
    many = scheduled((users, items, values), (5000, 3000), n_factors=10**6)
    assert 100 < max(many.n_bands) <= 128


def test_a_user_with_a_tenth_of_the_ratings_is_in_one_band() -> None:
    generator = np.random.default_rng(0)
    users = generator.integers(1, 1000, 20_000).astype(np.int32)
    users[:2000] = 0
    items = generator.integers(0, 2000, 20_000).astype(np.int32)
    assert_valid((users, items, np.ones(20_000, np.float32)), (1000, 2000), TINY)


@pytest.mark.parametrize(("users", "items"), [([0, 5], [0, 0]), ([0, 0], [-1, 0])])
def test_a_row_out_of_range_raises(users: list[int], items: list[int]) -> None:
    rows = np.array(users, np.int32), np.array(items, np.int32)
    with pytest.raises(ValueError, match=r"row (5 of rating 1|-1 of rating 0) is outside 0…"):
        scheduled((*rows, np.ones(2, np.float32)), (2, 2))
