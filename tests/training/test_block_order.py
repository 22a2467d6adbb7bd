"""Tests of the order of the blocks of an epoch."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factorate._training.block_order import band_order, block_order


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_has_each_block_once_in_as_few_strata_as_possible(
    n_rows: int, n_columns: int, seed: int
) -> None:
    order = block_order((n_rows, n_columns), seed, epoch=3)
    assert sorted(order) == list(range(n_rows * n_columns))
    # The stratum of a block follows those of the blocks before it in its bands.
    in_row, in_column = np.zeros(n_rows, int), np.zeros(n_columns, int)
    for row, column in (divmod(block, n_columns) for block in order):
        in_row[row] = in_column[column] = 1 + max(in_row[row], in_column[column])
    assert in_row.max() == max(n_rows, n_columns)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_an_epoch_goes_through_each_row_band_at_most_twice(
    n_rows: int, n_columns: int, seed: int
) -> None:
    rows = [block // n_columns for block in block_order((n_rows, n_columns), seed, epoch=3)]
    assert len(list(itertools.groupby(rows))) <= 2 * n_rows


def test_epochs_have_different_orders_of_blocks() -> None:
    assert block_order((8, 8), 0, 1) != block_order((8, 8), 0, 2)
    assert block_order((8, 8), 0, 1) == block_order((8, 8), 0, 1)


@given(st.integers(9, 30), st.integers(1, 30), st.integers(0, 99), st.integers(1, 9))
def test_many_bands_that_follow_each_other_stay_together(
    n_rows: int, n_columns: int, seed: int, epoch: int
) -> None:
    rows, columns = band_order((n_rows, n_columns), seed, epoch)
    step = -1 if epoch % 2 else 1
    assert rows == list(range(n_rows))[::step]
    assert {(after - before) % n_columns for before, after in itertools.pairwise(columns)} <= {
        step % n_columns
    }


def test_many_bands_begin_at_different_columns() -> None:
    assert len({band_order((9, 40), 0, epoch).columns[0] for epoch in range(20)}) > 10
