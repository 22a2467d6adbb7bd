"""epoch_steps: the steps of an epoch on a cluster."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

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
    1 0 [(1, 0)]
    0 1 [(0, 1)]
    0 0 [(0, 0)]
    1 1 [(1, 1)]
    """
    row_runs = list(_runs(order.rows, row_groups))[::-1]
    column_runs = list(_runs(order.columns, column_groups))
    steps: list[Step] = []
    for is_upper in (True, False):  # as `crossings`
        for (row_group, rows), (column_group, columns) in itertools.product(row_runs, column_runs):
            blocks = [
                (row, column)
                for row_number, row in rows[::-1]
                for column_number, column in columns
                if (column_number >= row_number) == is_upper
            ]
            if steps and steps[-1][:2] == (row_group, column_group):
                steps[-1].blocks.extend(blocks)
            elif blocks:
                steps.append(Step(row_group, column_group, blocks))
    return steps


def group_bands(n_bands: int, n_groups: int) -> list[int]:
    """Return the group of each band; groups have nearly equal numbers of bands.

    Examples
    --------
    >>> group_bands(5, 2)
    [0, 0, 1, 1, 1]
    """
    edges = [n_bands * group // n_groups for group in range(n_groups + 1)]
    sizes = [end - first for first, end in itertools.pairwise(edges)]
    return [group for group, size in enumerate(sizes) for _ in range(size)]


def _runs(
    bands: Sequence[int], groups: Sequence[int]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield each group with the numbers and bands that follow each other in the order."""
    for group, run in itertools.groupby(enumerate(bands), lambda entry: groups[entry[1]]):
        yield group, list(run)
