"""Interactions that are sorted group by group are those of a sort at once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._cluster.entries_by_group import group_of
from factorate._cluster.group_interactions import (
    select_rows,
    sort_items,
    sort_users,
    split_by_item,
    split_by_user,
    weights_of,
)
from factorate._cluster.interaction_groups import group_edges
from factorate._cluster.partitions import Partition
from factorate._store.stored_ratings import Numbered
from factorate._training.interaction_side import Work
from factorate._training.interactions import make_interactions

if TYPE_CHECKING:
    from factorate._cluster.group_interactions import GroupInteractions
    from factorate._utils.types import Floats

SHAPE = 12, 9
DTYPE = np.dtype(np.float32)
EDGES = [np.array([0, 4, 4, 12]), np.array([0, 2, 9, 9])]


def weigh(counts: Floats, n: int) -> Floats:
    return 1 + 2 * counts if len(counts) else np.full(n, 3, DTYPE)


def sort_groups(columns: Any) -> list[list[GroupInteractions]]:
    """Sort interactions that are in two partitions, one of which has counts without codes."""
    users, items, counts = columns
    levels, codes = np.unique(counts, return_inverse=True)
    half = len(users) // 2
    reads = [
        Numbered(users[:half], items[:half], codes[:half].astype(np.uint8)),
        Numbered(users[half:], items[half:], codes[:0].astype(np.uint8), counts[half:]),
    ]
    rows = tuple(np.arange(n, dtype=np.int32) for n in SHAPE)
    partition = Partition(rows=rows, levels=levels.astype(DTYPE), is_coded=True)  # type: ignore[arg-type]
    split = [split_by_user(read, partition, EDGES[0]) for read in reads]
    of_users = []
    for group, first in enumerate(EDGES[0][:-1].tolist()):
        bands = [group_of(by_group, group) for by_group in split]
        shape = int(EDGES[0][group + 1]) - first, SHAPE[1]
        of_users.append(sort_users(bands, shape, first, weigh, DTYPE))
    split = [split_by_item(group, EDGES[1]) for group in of_users]
    of_items = []
    for group, first in enumerate(EDGES[1][:-1].tolist()):
        bands = [group_of(by_group, group) for by_group in split]
        of_items.append(sort_items(bands, int(EDGES[1][group + 1]) - first, first, weigh))
    return [of_users, of_items]


def counts_of(side: Any) -> Any:
    return side.weights if len(side.weights) else np.ones(len(side.others), DTYPE)


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 8), st.sampled_from([1, 1, 2, 0.3]))),
    st.booleans(),
)
def test_groups_have_the_interactions_of_a_sort_at_once(
    triples: list[tuple[int, int, float]], has_counts: bool
) -> None:
    users, items, counts = (np.array([t[k] for t in triples]) for k in range(3))
    counts = (counts if has_counts else np.ones(len(triples))).astype(DTYPE)
    columns = users.astype(np.int32), items.astype(np.int32), counts
    expected = make_interactions(*columns, SHAPE, DTYPE).sides
    for groups, whole in zip(sort_groups(columns), expected, strict=True):
        sides = [group.counted for group in groups]
        np.testing.assert_array_equal(np.concatenate([s.others for s in sides]), whole.others)
        sizes = np.concatenate([np.diff(side.starts) for side in sides])
        np.testing.assert_array_equal(sizes, np.diff(whole.starts))
        found = np.concatenate([counts_of(side) for side in sides])
        np.testing.assert_array_equal(found, counts_of(whole))
        weights = np.concatenate([weights_of(group)[0] for group in groups])
        summed = np.bincount(
            np.repeat(np.arange(len(whole)), sizes), 1 + 2 * found.astype(float), len(whole)
        )
        np.testing.assert_allclose(weights, summed, rtol=1e-6)


@pytest.mark.parametrize("has_counts", [False, True])
def test_some_rows_are_selected(has_counts: bool) -> None:
    users, items = np.array([[0, 0, 1, 3, 3], [5, 6, 5, 1, 2]], np.int32)
    counts = np.array([2, 3, 4, 5, 6] if has_counts else [1] * 5, DTYPE)
    group = sort_groups((users, items, counts))[0][0]
    found = select_rows(group, np.array([False, True, True, True]))
    assert found.starts.tolist() == [0, 0, 1, 1, 3]
    assert found.others.tolist() == [5, 1, 2]
    assert found.weights.tolist() == ([4, 5, 6] if has_counts else [])
    assert select_rows(group, None) is group.counted


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=40),
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
)
def test_groups_have_work_in_proportion_to_their_threads(
    counts: list[int], threads: list[int]
) -> None:
    work = Work(of_interaction=3.0, of_row=2.0)
    edges = group_edges(np.array(counts), threads, work)
    assert edges[0] == 0
    assert edges[-1] == len(counts)
    of_rows = 3.0 * np.array(counts) + 2.0
    for group, (first, end) in enumerate(itertools.pairwise(edges)):
        assert first <= end
        share = of_rows.sum() * threads[group] / sum(threads)
        assert of_rows[first:end].sum() <= share + of_rows.max() + 1e-6
