"""InteractionSide: the interactions of users, or of items, in blocks of rows."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from factorate._utils.types import Doubles, Floats, Offsets, Rows

    # The number of blocks, and a function that gives the block of a number.
    Blocks = tuple[int, Callable[[int], AbstractContextManager["RowBlock"]]]

MIN_BLOCKS = 64  # blocks of rows, among which threads share the work
BLOCK_WORK = 2e8  # floating-point operations of a block: some milliseconds


class WeighedSide(Protocol):
    """The users, or the items, of interactions, wherever these are."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def counts(self) -> Doubles:
        """Return the sum of the weights of each row."""


class InteractionSide(WeighedSide, Protocol):
    """The interactions of users, or of items, in memory or on disk."""

    def opened(self, work: Work) -> AbstractContextManager[Blocks]:
        """Give the number of blocks, and a function that gives the block of a number."""


class WeighedSides(Protocol):
    """Distinct pairs of a user and an item, and their weights, wherever they are."""

    @property
    def sides(self) -> tuple[WeighedSide, WeighedSide]:
        """The users and the items."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""

    @property
    def n_pairs(self) -> int:
        """Number of distinct pairs."""


class Sides(WeighedSides, Protocol):
    """Distinct pairs of a user and an item, and their weights, in memory or on disk."""

    @property
    def sides(self) -> tuple[InteractionSide, InteractionSide]:
        """The interactions of users, and those of items."""


class Work(NamedTuple):
    """Floating-point operations of an interaction, and of a row besides."""

    of_interaction: float
    of_row: float


class RowBlock(NamedTuple):
    """The interactions of some rows of a side.

    Attributes
    ----------
    first, stop : int
        The rows.
    starts : ndarray of int64, shape (stop - first + 1,)
        The row `first` + k has the interactions from ``starts[k]`` to ``starts[k + 1]``.
    others, weights : ndarray
        As those of `Side`.
    """

    first: int
    stop: int
    starts: Offsets
    others: Rows
    weights: Floats

    @property
    def rows(self) -> slice:
        """The rows, as an index."""
        return slice(self.first, self.stop)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.stop - self.first


@dataclass(frozen=True, kw_only=True)
class Side:
    """The interactions of users, or of items, in memory.

    Attributes
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Row k has the interactions from ``starts[k]`` to ``starts[k + 1]``.
    others : ndarray of int32
        The row of the other side of each interaction.
    weights : ndarray
        The weight of each interaction; empty if all are 1.
    """

    starts: Offsets
    others: Rows
    weights: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    def counts(self) -> Doubles:
        """Return the sum of the weights of each row."""
        if not len(self.weights):
            return np.diff(self.starts).astype(np.float64)
        sums = np.zeros(len(self))
        occupied = np.flatnonzero(np.diff(self.starts))
        if len(occupied):
            sums[occupied] = np.add.reduceat(
                self.weights.astype(np.float64), self.starts.take(occupied)
            )
        return sums

    @contextmanager
    def opened(self, work: Work) -> Iterator[Blocks]:
        """Give the number of blocks, and a function that gives the block of a number.

        Those with the most work are first.
        """
        edges = cut_blocks(self.starts, work)
        amount = np.diff(_amount(self.starts, work).take(edges))
        order = np.argsort(-amount, kind="stable").tolist()
        firsts, stops = edges[:-1].tolist(), edges[1:].tolist()

        @contextmanager
        def block(number: int) -> Iterator[RowBlock]:
            first, stop = firsts[order[number]], stops[order[number]]
            yield RowBlock(first, stop, self.starts[first : stop + 1], self.others, self.weights)

        yield len(order), block


def for_each_block(
    side: InteractionSide, work: Work, n_threads: int, function: Callable[[RowBlock], None]
) -> None:
    """Call a function for each block of rows of a side."""
    with side.opened(work) as (n_blocks, opened):

        def run(number: int) -> None:
            with opened(number) as block:
                function(block)

        Workers(n_threads).map(run, range(n_blocks))


def cut_blocks(starts: Offsets, work: Work) -> Offsets:
    """Cut rows into blocks of about the same work; return the first row of each, and the end.

    Examples
    --------
    >>> cut_blocks(np.array([0, 2, 2, 3]), Work(of_interaction=1.0, of_row=1.0))
    array([0, 1, 2, 3])
    """
    amount = _amount(starts, work)
    n_blocks = max(MIN_BLOCKS, math.ceil(amount[-1] / BLOCK_WORK))
    cuts = np.searchsorted(amount, np.linspace(0, amount[-1], n_blocks + 1)[1:-1])
    return np.unique(np.concatenate(([0], cuts, [len(starts) - 1])))


def _amount(starts: Offsets, work: Work) -> Doubles:
    """Return the work of all rows before each, and of all."""
    amount: Doubles = work.of_interaction * starts + work.of_row * np.arange(len(starts))
    return amount
