"""epoch_steps: the steps of an epoch on a cluster."""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factorate._training.block_order import BandOrder


class Step(NamedTuple):
    """Blocks that a worker updates in one go.

    Attributes
    ----------
    row_group, column_group : int
        The groups whose bands cross in these blocks.
    blocks : list of tuple
        Row band and column band of each block, in the order of their updates.
    """

    row_group: int
    column_group: int
    blocks: list[tuple[int, int]]


def epoch_steps(
    order: BandOrder, row_groups: Sequence[int], column_groups: Sequence[int]
) -> list[Step]:
    """Divide an epoch into steps.

    The result of updating step by step is that of `block_order`: the blocks of each row band, and
    those of each column band, are in the same order. A step can start when the last step before it
    with the same row group and the last one with the same column group have ended.

    Parameters
    ----------
    order : BandOrder
        The bands in the order of the epoch.
    row_groups, column_groups : sequence of int
        The group of each band. The bands of a row group follow each other in `order`; those of a
        column group may be its last ones and its first ones.

    Examples
    --------
    >>> from factorate._training.block_order import BandOrder
    >>> for step in epoch_steps(BandOrder([0, 1], [1, 0]), [0, 1], [0, 1]):
    ...     print(*step)
    0 1 [(0, 1)]
    1 0 [(1, 0)]
    0 0 [(0, 0)]
    1 1 [(1, 1)]
    """
    steps: list[Step] = []
    last_of_row: dict[int, Step] = {}
    last_of_column: dict[int, Step] = {}
    # In the order of their mean diagonals, groups rarely wait for each other.
    crossings = _crossing_runs(order, row_groups, column_groups)
    for step in sorted(crossings, key=operator.attrgetter("mean_diagonal")):
        last = last_of_row.get(step.row_group)
        if last is not None and last is last_of_column.get(step.column_group):
            last.blocks.extend(step.blocks)
            continue
        steps.append(Step(step.row_group, step.column_group, step.blocks))
        last_of_row[step.row_group] = last_of_column[step.column_group] = steps[-1]
    return steps


def group_bands(n_bands: int, sizes_of_groups: Sequence[int]) -> list[int]:
    """Return the group of each band.

    Parameters
    ----------
    n_bands : int
        Number of bands, at least that of groups.
    sizes_of_groups : sequence of int
        The sizes of the groups, relative to each other.

    Examples
    --------
    >>> group_bands(6, [1, 1]), group_bands(6, [1, 2])
    ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 1])
    """
    n_free = n_bands - len(sizes_of_groups)  # beyond one band for each group
    total = sum(sizes_of_groups)
    edges = [
        number + n_free * size // total
        for number, size in enumerate(itertools.accumulate(sizes_of_groups, initial=0))
    ]
    sizes = [end - first for first, end in itertools.pairwise(edges)]
    return [group for group, size in enumerate(sizes) for _ in range(size)]


class _Crossing(NamedTuple):
    """Blocks where a run of row bands crosses a run of column bands, and their mean diagonal."""

    row_group: int
    column_group: int
    blocks: list[tuple[int, int]]
    mean_diagonal: float


def _crossing_runs(
    order: BandOrder, row_groups: Sequence[int], column_groups: Sequence[int]
) -> Iterator[_Crossing]:
    """Yield the blocks of each crossing above the main diagonal of the square, and those below."""
    n = max(map(len, order))
    row_runs = list(_runs(order.rows, row_groups))
    column_runs = list(_runs(order.columns, column_groups))
    for (row_group, rows), (column_group, columns) in itertools.product(row_runs, column_runs):
        row_numbers, row_bands = np.array(rows[::-1]).T
        column_numbers, column_bands = np.array(columns).T
        diagonals = column_numbers - row_numbers[:, None]
        for is_chosen, shift in ((diagonals >= 0, 0), (diagonals < 0, n)):
            row, column = np.nonzero(is_chosen)
            if len(row):
                yield _Crossing(
                    row_group,
                    column_group,
                    list(zip(row_bands[row].tolist(), column_bands[column].tolist(), strict=True)),
                    float(diagonals[is_chosen].sum()) / len(row) + shift,
                )


def _runs(
    bands: Sequence[int], groups: Sequence[int]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield each group with the numbers and bands that follow each other in the order."""
    for group, run in itertools.groupby(enumerate(bands), lambda entry: groups[entry[1]]):
        yield group, list(run)
