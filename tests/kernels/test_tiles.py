"""Tile kernels: each rating goes to its group, then to its tile, in which ratings are shuffled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factorate._input.levels import find_levels
from factorate._kernels import tiles
from factorate._utils.workers import Workers

LOOKAHEAD = 16


def layout() -> Any:
    """Return four groups, which are tiles, of three users and two items in reverse order."""
    user_ranges, user_positions = np.array([0, 0, 0, 1, 1, 1]), np.array([2, 1, 0, 2, 1, 0])
    item_ranges, item_positions = np.array([0, 0, 1, 1]), np.array([1, 0, 1, 0])
    return SimpleNamespace(
        user_crossings=(2 * user_ranges).astype(np.int32),
        item_crossings=item_ranges.astype(np.int32),
        user_cells=(2 * user_ranges << 32) + user_positions,
        item_cells=(item_ranges << 32) + (item_positions << 16),
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
def test_ratings_are_sorted_by_group_and_keep_their_order(
    dtype: Any, coding: str, weighted: bool
) -> None:
    generator = np.random.default_rng(0)
    users = generator.integers(0, 6, 50, dtype=np.int32)
    items = generator.integers(0, 4, 50, dtype=np.int32)
    values, given = np.arange(50, dtype=dtype) / 2, layout()
    weights = np.sqrt(values) if weighted else np.empty(0, dtype)
    counts = np.zeros(4, np.int64)
    tiles.count(users, items, given, counts)
    group = users // 3 * 2 + items // 2
    assert counts.tolist() == np.bincount(group, minlength=4).tolist()

    out = packed_arrays(50, dtype, coding, weighted=weighted)
    table = find_levels(values, Workers(), 1)
    tiles.scatter(users, items, values, weights, given, table, np.cumsum(counts) - counts, out)
    expected = np.argsort(group, kind="stable")
    column = getattr(out, coding)
    decoded = column if coding == "values" else table.levels[column.astype(int)]
    assert decoded.tolist() == values[expected].tolist()
    assert out.pairs[:50, 0].tolist() == (2 - users[expected] % 3).tolist()
    assert out.pairs[:50, 1].tolist() == (1 - items[expected] % 2).tolist()
    assert not out.pairs[50:].any()
    assert out.weights.tolist() == (weights[expected].tolist() if weighted else [])


SHAPES = [(1, 1), (3, 5), (40, 50), (3000, 2000), (65536, 65536)]


@pytest.mark.parametrize("coding", ["codes8", "codes16", "values"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_ranges", [(1, 1), (1, 3), (2, 3)])
@pytest.mark.parametrize("strip_bits", [3, 16])
def test_groups_are_sorted_into_tiles_and_strips_and_ratings_of_a_pair_keep_their_order(
    strip_bits: int, n_ranges: tuple[int, int], shape: tuple[int, int], coding: str
) -> None:
    n, first = 250, 7  # the group has ratings before it
    generator = np.random.default_rng(1)
    edges = [
        np.arange(count + 1) * rows // count if rows >= count else np.arange(rows + 1)
        for rows, count in zip(shape, n_ranges, strict=True)
    ]
    users, items = (generator.integers(0, rows, n, dtype=np.int32) for rows in shape)
    users[:9], items[:9] = shape[0] - 1, shape[1] - 1
    out = packed_arrays(first + n, np.float64, coding, weighted=True)
    out.pairs[first : first + n] = np.column_stack([users, items])
    getattr(out, coding)[first:] = out.weights[first:] = np.arange(n)
    n_tiles = (len(edges[0]) - 1) * (len(edges[1]) - 1)
    ranges, local = [], []
    for side in edges:
        ranges.append(np.repeat(np.arange(len(side) - 1), np.diff(side)))
        local.append(np.arange(side[-1]) - side[ranges[-1]])
    tile_of_pair = ranges[0][users] * (len(edges[1]) - 1) + ranges[1][items]
    tile_sizes = np.bincount(tile_of_pair, minlength=n_tiles)
    out.tile_starts = first + np.cumsum([0, *tile_sizes])
    sizes = [np.diff(side) for side in edges]
    strip_users = min(1 << strip_bits, int(sizes[0].max()))
    n_bits = max(2, (strip_users * int(sizes[1].max()) - 1).bit_length())
    groups = SimpleNamespace(
        starts=np.array([first, first + n]),
        first_tiles=np.array([0, n_tiles]),
        first_user_positions=np.zeros(1, np.int32),
        first_item_positions=np.zeros(1, np.int32),
        n_item_ranges=np.array([len(sizes[1])], np.int32),
        user_positions=(ranges[0] << 16 | local[0]).astype(np.uint32),
        item_positions=(ranges[1] << 16 | local[1]).astype(np.uint32),
        n_items=np.tile(sizes[1], len(sizes[0])).astype(np.int32),
        strip_bits=strip_bits,
        n_bits=n_bits,
        n_key_bits=n_bits + (int(sizes[0].max()) - 1 >> strip_bits).bit_length(),
    )
    scratch = SimpleNamespace(
        records=np.empty((2, int(tile_sizes.max())), np.uint64),
        buckets=np.empty(1 << tiles.MAX_DIGIT_BITS, np.int32),
        cursor=np.empty(n_tiles, np.int64),
        pairs=np.empty(n, np.uint32),
        codes=np.empty(0 if coding == "values" else n, np.uint16),
        values=np.empty(n if coding == "values" else 0),
        weights=np.empty(n),
    )
    tiles.arrange(out.values, out.weights, out, groups, 0, 1, scratch)

    origins = out.weights[first:].astype(int)
    assert sorted(origins.tolist()) == list(range(n))
    assert getattr(out, coding)[first:].tolist() == origins.tolist()
    tile = tile_of_pair[origins]
    assert (np.diff(tile) >= 0).all()
    strip = (local[0][users] >> strip_bits)[origins]
    assert (np.diff(tile * (1 << 16) + strip) >= 0).all()
    expected = np.column_stack([local[0][users], local[1][items]])[origins]
    assert out.pairs[first : first + n].tolist() == expected.tolist()
    pairs = (users.astype(np.int64) * shape[1] + items)[origins]
    together = np.flatnonzero(np.diff(pairs)) + 1
    assert len(together) + 1 == len(np.unique(pairs))  # the ratings of a pair are neighbours
    assert all((np.diff(few) > 0).all() for few in np.split(origins, together))
    if shape != (1, 1):
        assert origins.tolist() != np.argsort(tile[np.argsort(origins)], kind="stable").tolist()
