"""The steps of an epoch update every block once, with the result of the order of blocks."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorate._cluster.steps import epoch_steps, group_bands
from factorate._training.block_order import BandOrder, band_order, block_order


@given(
    n_bands=st.tuples(st.integers(9, 40), st.integers(1, 40)),
    n_groups=st.tuples(st.integers(1, 9), st.integers(1, 12)),
    seed=st.integers(0, 99),
    epoch=st.integers(1, 4),
)
def test_steps_keep_the_order_of_every_band(
    n_bands: tuple[int, int], n_groups: tuple[int, int], seed: int, epoch: int
) -> None:
    groups = [group_bands(n, [1] * min(n, size)) for n, size in zip(n_bands, n_groups, strict=True)]
    steps = epoch_steps(band_order(n_bands, seed, epoch), *groups)
    found = [block for step in steps for block in step.blocks]
    expected = [divmod(block, n_bands[1]) for block in block_order(n_bands, seed, epoch)]
    assert sorted(found) == sorted(expected)
    for side in range(2):
        assert by_band(found, side) == by_band(expected, side)


def by_band(blocks: list[tuple[int, int]], side: int) -> dict[int, list[int]]:
    """Return the other bands that cross each band, in order."""
    others: dict[int, list[int]] = defaultdict(list)
    for block in blocks:
        others[block[side]].append(block[1 - side])
    return others


@given(
    n_bands=st.tuples(st.integers(9, 40), st.integers(9, 40)),
    n_groups=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_every_block_of_a_step_is_in_its_groups(
    n_bands: tuple[int, int], n_groups: tuple[int, int], seed: int
) -> None:
    rows, columns = (
        group_bands(n, [1] * min(n, size)) for n, size in zip(n_bands, n_groups, strict=True)
    )
    for row_group, column_group, blocks in epoch_steps(band_order(n_bands, seed, 1), rows, columns):
        assert {rows[row] for row, _ in blocks} == {row_group}
        assert {columns[column] for _, column in blocks} == {column_group}


@pytest.mark.parametrize(("n_bands", "n_groups"), [(21, 2), (64, 4), (128, 8)])
def test_groups_update_at_the_same_time(n_bands: int, n_groups: int) -> None:
    groups = group_bands(n_bands, [1] * n_groups), group_bands(n_bands, [1] * n_groups)
    for epoch in range(1, 5):
        steps = epoch_steps(band_order((n_bands, n_bands), 0, epoch), *groups)
        assert len(steps) <= n_groups * (n_groups + 2)
        ends: dict[tuple[int, int], int] = defaultdict(int)  # of the work of each group
        for row_group, column_group, blocks in steps:
            begin = max(ends[0, row_group], ends[1, column_group])
            ends[0, row_group] = ends[1, column_group] = begin + len(blocks)
        assert max(ends.values()) < 1.1 * n_bands**2 / n_groups


def test_shuffled_bands_of_one_group_are_one_step() -> None:
    order = BandOrder([2, 0, 1], [1, 2, 0])
    (step,) = epoch_steps(order, [0, 0, 0], [0, 0, 0])
    assert len(step.blocks) == 9


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(0, 50))
def test_groups_have_about_their_sizes_of_the_bands(given: list[int], n_more: int) -> None:
    n_bands = len(given) + n_more
    groups = group_bands(n_bands, given)
    assert groups == sorted(groups)
    assert len(groups) == n_bands
    for group, size in enumerate(given):
        assert groups.count(group) >= 1
        assert abs(groups.count(group) - 1 - n_more * size / sum(given)) < 1
