"""Tile kernels: each rating goes to its tile, and the ratings of a tile are shuffled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factorate._kernels import tiles
from factorate._training.levels import find_levels
from factorate._utils.workers import Workers

LOOKAHEAD = 16


def layout() -> Any:
    """Return two ranges of three users, two of two items, and positions in reverse order."""
    user_ranges, user_positions = np.array([0, 0, 0, 1, 1, 1]), np.array([2, 1, 0, 2, 1, 0])
    item_ranges, item_positions = np.array([0, 0, 1, 1]), np.array([1, 0, 1, 0])
    return SimpleNamespace(
        user_cells=(2 * user_ranges << 32) + (user_positions << 16),
        item_cells=(item_ranges << 32) + item_positions,
    )


def packed_arrays(n: int, dtype: Any, coding: str, *, weighted: bool) -> Any:
    """Return empty columns of packed ratings."""
    return SimpleNamespace(
        pairs=np.zeros((n + LOOKAHEAD, 2), np.uint16),
        codes8=np.zeros(n if coding == "codes8" else 0, np.uint8),
        codes16=np.zeros(n if coding == "codes16" else 0, np.uint16),
        values=np.zeros(n if coding == "values" else 0, dtype),
        weights=np.zeros(n if weighted else 0, dtype),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("coding", ["codes8", "codes16", "values"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ratings_are_sorted_by_tile_and_keep_their_order(
    dtype: Any, coding: str, weighted: bool
) -> None:
    generator = np.random.default_rng(0)
    users = generator.integers(0, 6, 50, dtype=np.int32)
    items = generator.integers(0, 4, 50, dtype=np.int32)
    values, given = np.arange(50, dtype=dtype) / 2, layout()
    weights = np.sqrt(values) if weighted else np.empty(0, dtype)
    counts = np.zeros(4, np.int64)
    tiles.count(users, items, given, counts)
    tile = users // 3 * 2 + items // 2
    assert counts.tolist() == np.bincount(tile, minlength=4).tolist()

    out = packed_arrays(50, dtype, coding, weighted=weighted)
    table = find_levels(values, Workers(), 1)
    tiles.scatter(users, items, values, weights, given, table, np.cumsum(counts) - counts, out)
    expected = np.argsort(tile, kind="stable")
    column = getattr(out, coding)
    decoded = column if coding == "values" else table.levels[column.astype(int)]
    assert decoded.tolist() == values[expected].tolist()
    assert out.pairs[:50, 0].tolist() == (2 - users[expected] % 3).tolist()
    assert out.pairs[:50, 1].tolist() == (1 - items[expected] % 2).tolist()
    assert not out.pairs[50:].any()
    assert out.weights.tolist() == (weights[expected].tolist() if weighted else [])


@pytest.mark.parametrize("coding", ["codes8", "codes16", "values"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 50), (3000, 2000), (65536, 65536)])
def test_shuffling_a_tile_moves_whole_ratings_and_keeps_those_of_a_pair_in_order(
    shape: tuple[int, int], coding: str
) -> None:
    n = 250
    generator = np.random.default_rng(1)
    users, items = (generator.integers(0, rows, n, dtype=np.int32) for rows in shape)
    users[:9], items[:9] = shape[0] - 1, shape[1] - 1
    out = packed_arrays(n, np.float64, coding, weighted=True)
    out.pairs[:n] = np.column_stack([users, items])
    getattr(out, coding)[:] = out.weights[:] = np.arange(n)
    bounds = SimpleNamespace(
        starts=np.array([0, n]),
        n_items=np.array([shape[1]], np.int32),
        n_bits=max(2, (shape[0] * shape[1] - 1).bit_length()),
    )
    scratch = SimpleNamespace(
        records=np.empty((2, n), np.uint64),
        buckets=np.empty(256, np.int32),
        pairs=np.empty((n, 2), np.uint16),
        codes=np.empty(n, np.uint16),
        values=np.empty(n),
        weights=np.empty(n),
    )
    tiles.shuffle(out.values, out.weights, out, bounds, 0, 1, scratch)
    origins = out.weights.astype(int)
    assert sorted(origins.tolist()) == list(range(n))
    assert getattr(out, coding).tolist() == origins.tolist()
    assert out.pairs[:n].tolist() == np.column_stack([users, items])[origins].tolist()
    pairs = (users.astype(np.int64) * shape[1] + items)[origins]
    groups = np.flatnonzero(np.diff(pairs)) + 1
    assert len(groups) + 1 == len(np.unique(pairs))  # the ratings of a pair are neighbours
    assert all((np.diff(group) > 0).all() for group in np.split(origins, groups))
    if shape != (1, 1):
        assert origins.tolist() != sorted(origins.tolist())
