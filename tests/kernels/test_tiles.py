"""Tile kernels: each rating goes to its tile, and the ratings of a tile are shuffled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factorate._kernels import tiles

AHEAD = 16  # entries that `scatter` prefetches beyond the last


def layout() -> Any:
    """Return two ranges of three users, two of two items, and positions in reverse order."""
    return SimpleNamespace(
        user_ranges=np.array([0, 0, 0, 1, 1, 1], np.int32),
        item_ranges=np.array([0, 0, 1, 1], np.int32),
        numbers=np.array([[2, 0], [1, 3]], np.int32),
        user_positions=np.arange(6, dtype=np.int32)[::-1].copy(),
        item_positions=np.arange(4, dtype=np.int32)[::-1].copy(),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ratings_are_sorted_by_tile_and_keep_their_order(dtype: Any, weighted: bool) -> None:
    generator = np.random.default_rng(0)
    users = generator.integers(0, 6, 50, dtype=np.int32)
    items = generator.integers(0, 4, 50, dtype=np.int32)
    values, given = np.arange(50, dtype=dtype), layout()
    weights = np.sqrt(values) if weighted else np.empty(0, dtype)
    counts = np.zeros(4, np.int64)
    tiles.count(users, items, given, counts)
    tile = given.numbers[given.user_ranges[users], given.item_ranges[items]]
    assert counts.tolist() == np.bincount(tile, minlength=4).tolist()

    out = SimpleNamespace(
        user_positions=np.zeros(50 + AHEAD, np.int32),
        item_positions=np.zeros(50 + AHEAD, np.int32),
        ratings=np.zeros(50 + AHEAD, dtype),
        weights=np.empty_like(weights),
    )
    tiles.scatter(users, items, values, weights, given, np.cumsum(counts) - counts, out)
    expected = np.argsort(tile, kind="stable")
    assert out.ratings[:50].tolist() == values[expected].tolist()
    assert out.user_positions[:50].tolist() == (5 - users[expected]).tolist()
    assert out.item_positions[:50].tolist() == (3 - items[expected]).tolist()
    assert out.weights.tolist() == (weights[expected].tolist() if weighted else [])


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 50), (3000, 2000)])
def test_shuffling_a_tile_moves_whole_ratings_and_keeps_those_of_a_pair_in_order(
    shape: tuple[int, int],
) -> None:
    n = 400
    generator = np.random.default_rng(1)
    users, items = (generator.integers(0, rows, n, dtype=np.int32) for rows in shape)
    values = np.arange(n, dtype=np.float64)
    before = users.copy(), items.copy()
    bounds = SimpleNamespace(
        starts=np.array([0, n]),
        first_user_positions=np.zeros(1, np.int32),
        first_item_positions=np.zeros(1, np.int32),
        n_items=np.array([shape[1]], np.int32),
        n_bits=max(2, (shape[0] * shape[1] - 1).bit_length()),
    )
    scratch = SimpleNamespace(
        keys=np.empty((2, n), np.uint64),
        origins=np.empty((2, n), np.int32),
        rows=np.empty((2, n), np.int32),
        values=np.empty((2, n), np.float64),
    )
    tiles.shuffle(users, items, values, np.empty(0), bounds, 0, 1, scratch)
    origins = values.astype(int)
    assert sorted(origins.tolist()) == list(range(n))
    assert users.tolist() == before[0][origins].tolist()
    assert items.tolist() == before[1][origins].tolist()
    pairs = users.astype(np.int64) * shape[1] + items
    groups = np.flatnonzero(np.diff(pairs)) + 1
    assert len(groups) + 1 == len(np.unique(pairs))  # the ratings of a pair are neighbours
    assert all((np.diff(group) > 0).all() for group in np.split(origins, groups))
    if shape != (1, 1):
        assert origins.tolist() != sorted(origins.tolist())
