"""Every rating is visited once an epoch, in an order that its own row of input cannot change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._kernels.dispatch import LOOKAHEAD
from factorate._training import schedule as room
from factorate._training.schedule import Schedule, make_schedule, visits
from factorate._utils import random_streams


def triples(schedule: Schedule) -> list[tuple[int, int, float]]:
    """Return what a schedule visits, in its order, as rows of the input."""
    n = schedule.n_ratings
    users = schedule.user_order[schedule.users[:n]]
    items = schedule.item_order[schedule.items[:n]]
    return list(zip(users.tolist(), items.tolist(), schedule.ratings[:n].tolist(), strict=True))


@st.composite
def ratings(draw: st.DrawFn) -> tuple[Any, Any, Any, int, int]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    n = draw(st.integers(1, 300))
    skew = draw(st.floats(1, 6))
    users = (generator.random(n) ** skew * n_users).astype(np.int32)
    items = (generator.random(n) ** skew * n_items).astype(np.int32)
    return users, items, generator.random(n).astype(np.float32), n_users, n_items


def make_blocks_tiny(patch: pytest.MonkeyPatch) -> None:
    """Make blocks and tiles of a few ratings, so that small data has many."""
    patch.setattr(room, "BLOCK_WORK", 100)
    patch.setattr(room, "TILE_BYTES", 512)
    patch.setattr(room, "TILE_RATINGS", 2)


def check(users: Any, items: Any, values: Any, n_users: int, n_items: int) -> None:
    schedule = make_schedule(users, items, values, n_users, n_items, 16, seed=1)
    given_triples = list(zip(users.tolist(), items.tolist(), values.tolist(), strict=True))
    assert sorted(triples(schedule)) == sorted(given_triples)
    assert len(schedule.users) == len(values) + LOOKAHEAD
    starts = schedule.block_starts
    assert starts[0] == 0
    assert (np.diff(starts) >= 0).all()
    n_blocks = schedule.n_bands[0] * schedule.n_bands[1]
    assert len(starts) == n_blocks + 1
    # Blocks share users only within a row of blocks, items only within a column.
    for side, places in enumerate((schedule.users, schedule.items)):
        band_of: dict[int, int] = {}
        for block in range(n_blocks):
            band = divmod(block, schedule.n_bands[1])[side]
            for place in places[starts[block] : starts[block + 1]].tolist():
                assert band_of.setdefault(place, band) == band


@given(ratings())
def test_every_rating_is_in_one_block(columns: tuple[Any, Any, Any, int, int]) -> None:
    check(*columns)


@given(ratings())
def test_every_rating_is_in_one_of_many_blocks(columns: tuple[Any, Any, Any, int, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        make_blocks_tiny(patch)
        check(*columns)


def test_the_order_of_the_input_does_not_matter(
    columns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_blocks_tiny(monkeypatch)
    users, items, values = columns
    expected = triples(make_schedule(users, items, values, 60, 80, 16, seed=5))
    order = np.random.default_rng(0).permutation(len(users))
    got = triples(make_schedule(users[order], items[order], values[order], 60, 80, 16, seed=5))
    assert got == expected


def test_ratings_of_one_pair_keep_their_order() -> None:
    users, items = np.zeros(50, np.int32), np.repeat(np.arange(2, dtype=np.int32), 25)
    schedule = make_schedule(users, items, np.arange(50, dtype=np.float32), 1, 2, 16, seed=0)
    for item in (0, 1):
        values = [value for _, i, value in triples(schedule) if i == item]
        assert values == sorted(values)


def test_visits_within_a_tile_are_shuffled(columns: Any) -> None:
    users, items, values = columns
    schedule = make_schedule(users, items, values, 60, 80, 16, seed=0)
    places = schedule.users[: schedule.n_ratings]
    assert np.mean(places[1:] == places[:-1]) < 0.05  # sorted by user it would be 0.98


def test_another_seed_is_another_order(columns: Any) -> None:
    users, items, values = columns
    one, other = (triples(make_schedule(users, items, values, 60, 80, 16, seed)) for seed in (1, 2))
    assert one != other


def test_bands_are_balanced_and_at_most_64() -> None:
    generator = np.random.default_rng(0)
    n = 200_000
    users = (generator.random(n) ** 3 * 5000).astype(np.int32)
    items = (generator.random(n) ** 3 * 3000).astype(np.int32)
    values = np.ones(n, np.float32)
    schedule = make_schedule(users, items, values, 5000, 3000, 4096, seed=0)
    n_bands = schedule.n_bands[0]
    assert 8 < n_bands <= 64
    sizes = np.diff(schedule.block_starts).reshape(schedule.n_bands)
    for side in (0, 1):
        bands = sizes.sum(axis=side)
        assert bands.max() < 2 * n / n_bands
    assert 50 < max(make_schedule(users, items, values, 5000, 3000, 10**6, seed=0).n_bands) <= 64


def test_one_user_with_a_tenth_of_the_ratings_fits_in_a_band() -> None:
    generator = np.random.default_rng(0)
    users = generator.integers(1, 1000, 20_000).astype(np.int32)
    users[:2000] = 0
    items = generator.integers(0, 2000, 20_000).astype(np.int32)
    check(users, items, np.ones(20_000, np.float32), 1000, 2000)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_visits_each_block_once_and_strata_share_nothing(
    n_rows: int, n_columns: int, seed: int
) -> None:
    order = visits((n_rows, n_columns), seed, epoch=3)
    assert sorted(order) == list(range(n_rows * n_columns))
    # A stratum ends where a row or column of blocks comes again; there are as many as it takes.
    n_strata, rows, columns = 1, set[int](), set[int]()
    for block in order:
        row, column = divmod(block, n_columns)
        if row in rows or column in columns:
            n_strata, rows, columns = n_strata + 1, set(), set()
        rows.add(row)
        columns.add(column)
    assert n_strata <= max(n_rows, n_columns)


def test_epochs_visit_blocks_in_different_orders() -> None:
    assert visits((8, 8), 0, 1) != visits((8, 8), 0, 2)
    assert visits((8, 8), 0, 1) == visits((8, 8), 0, 1)


@pytest.mark.parametrize(("users", "items"), [([0, 5], [0, 0]), ([0, 0], [-1, 0])])
def test_a_code_out_of_range_is_named(users: list[int], items: list[int]) -> None:
    with pytest.raises(ValueError, match=r"row (5 of rating 1|-1 of rating 0) is outside 0…"):
        make_schedule(
            np.array(users, np.int32),
            np.array(items, np.int32),
            np.ones(2, np.float32),
            2,
            2,
            16,
            0,
        )


def test_random_numbers_are_pinned() -> None:
    """NumPy promises raw output; if these change, every model changes."""
    raw = random_streams.stream(1, 2).random_raw(2).tolist()
    assert raw == [4301196022613586579, 867395562149415902]
    assert random_streams.permutation(6, random_streams.stream(0)).tolist() == [3, 2, 1, 0, 4, 5]
    assert random_streams.uniform(1, random_streams.stream(0)).tolist() == [0.6369616873214543]
