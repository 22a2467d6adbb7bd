"""InteractionsOnDisk: interactions in files, whose rows a half-epoch reads in order."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training.interaction_side import RowBlock, cut_blocks
from factorate._utils.ahead import Ahead
from factorate._utils.workers import slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factorate._training.interaction_side import Blocks, Work
    from factorate._utils.ahead import Call
    from factorate._utils.scratch_file import ScratchFile
    from factorate._utils.types import Doubles, Flags, Floats, Offsets, Rows

ROW_BYTES = 4  # of the row of the other side
CHUNK_PAIRS = 1 << 20  # read at a time to select some of them


@dataclass(frozen=True, kw_only=True)
class SideOnDisk:
    """The interactions of users, or of items, in a file, as `Side` has them in memory.

    The file begins with the rows of the other side; the counts follow at `counts_offset`. Where no
    counts were written, they are read as zeros, which stand for 1.

    Attributes
    ----------
    file : ScratchFile
        The file.
    counts_offset : int
        Where the counts begin.
    has_counts : bool
        Whether a count is not 1.
    dtype : dtype
        Type of the counts and weights.
    starts : ndarray of int64, shape (n + 1,)
        Row k has the interactions from ``starts[k]`` to ``starts[k + 1]``.
    sums : ndarray of float64, shape (n,)
        Sum of the weights of each row.
    weigh : callable
        Returns the weights of interactions from their counts and their number.
    ahead_bytes : int
        Maximum size of the blocks that are read ahead, together with those that are computed.
    """

    file: ScratchFile
    counts_offset: int
    has_counts: bool
    dtype: np.dtype[Any]
    starts: Offsets
    sums: Doubles
    weigh: Callable[[Floats, int], Floats]
    ahead_bytes: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.starts) - 1

    @property
    def n_pairs(self) -> int:
        """Number of distinct pairs."""
        return int(self.starts[-1])

    def counts(self) -> Doubles:
        """Return the sum of the weights of each row."""
        return self.sums

    @contextmanager
    def opened(self, work: Work) -> Iterator[Blocks]:
        """Give the number of blocks, and a function that gives the block of a number.

        They are read in the order of their rows, ahead of the threads that compute them.
        """
        edges = cut_blocks(self.starts, work)
        with Ahead() as ahead:
            yield len(edges) - 1, _BlockReader(self, edges, ahead).opened

    def read(self, first: int, stop: int) -> RowBlock:
        """Read the interactions of some rows."""
        starts = self.starts[first : stop + 1]
        begin, end = starts[[0, -1]].tolist()
        counts = self.read_counts(begin, end)
        weights = self.weigh(counts, end - begin)
        return RowBlock(first, stop, starts - begin, self.read_others(begin, end), weights)

    def read_others(self, begin: int, end: int) -> Rows:
        """Read the rows of the other side of some interactions."""
        others = np.empty(end - begin, np.int32)
        self.file.read_into(begin * ROW_BYTES, others)
        return others

    def read_counts(self, begin: int, end: int) -> Floats:
        """Read the counts of some interactions; empty if all are 1."""
        if not self.has_counts:
            return np.empty(0, self.dtype)
        counts = np.empty(end - begin, self.dtype)
        self.file.read_into(self.counts_offset + begin * self.dtype.itemsize, counts)
        counts[counts == 0] = 1
        return counts

    def read_others_of(self, rows: Rows) -> tuple[Offsets, Rows]:
        """Read the rows of the other side for some rows.

        Returns
        -------
        starts : ndarray of int64, shape (n + 1,)
            As `starts`, without the interactions of other rows.
        others : ndarray of int32
            The rows of the other side.
        """
        is_chosen: Flags = np.zeros(len(self), np.bool)
        is_chosen[rows.astype(np.intp)] = True
        starts = np.zeros(len(self) + 1, np.int64)
        np.cumsum(np.where(is_chosen, np.diff(self.starts), 0), out=starts[1:])
        others, n = np.empty(starts[-1], np.int32), 0
        for chunk in slices(self.n_pairs, CHUNK_PAIRS):
            pairs = np.arange(chunk.start, chunk.stop)
            kept = is_chosen.take(np.searchsorted(self.starts, pairs, "right") - 1)
            found = self.read_others(chunk.start, chunk.stop)[kept]
            others[n : n + len(found)] = found
            n += len(found)
        return starts, others


@dataclass(frozen=True, kw_only=True)
class InteractionsOnDisk:
    """Distinct pairs of a user and an item in two files, by user and by item.

    Attributes
    ----------
    sides : tuple of SideOnDisk
        The interactions of users, with the items ascending within a user, and the reverse.
    """

    sides: tuple[SideOnDisk, SideOnDisk]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of users and of items."""
        users, items = self.sides
        return len(users), len(items)

    @property
    def n_pairs(self) -> int:
        """Number of distinct pairs."""
        return self.sides[0].n_pairs


class _BlockReader:
    """Reads the blocks of a half-epoch in order, and those that follow ahead of their use.

    Parameters
    ----------
    side : SideOnDisk
        The interactions.
    edges : ndarray of int64
        First row of each block, and the end.
    ahead : Ahead
        The thread that reads.
    """

    def __init__(self, side: SideOnDisk, edges: Offsets, ahead: Ahead) -> None:
        self._side = side
        self._edges = edges.tolist()
        pair_bytes = ROW_BYTES + side.dtype.itemsize
        self._n_bytes = (pair_bytes * np.diff(side.starts.take(edges))).tolist()
        self._reads: dict[int, Call[RowBlock]] = {}
        self._following = 0  # the next block to request
        self._held_bytes = 0  # of blocks that have been requested and are not done
        self._lock = threading.Lock()
        self._ahead = ahead

    @contextmanager
    def opened(self, number: int) -> Iterator[RowBlock]:
        """Give a block."""
        with self._lock:
            read = self._reads.pop(number, None)
            if read is None:
                self._held_bytes += self._n_bytes[number]
                self._following = max(self._following, number + 1)
            self._request_following()
        yield self._read(number) if read is None else read.result()
        with self._lock:
            self._held_bytes -= self._n_bytes[number]

    def _request_following(self) -> None:
        """Request the next blocks, as many as may be read ahead."""
        while self._following < len(self._n_bytes):
            number = self._following
            if self._held_bytes + self._n_bytes[number] > self._side.ahead_bytes:
                return
            self._reads[number] = self._ahead.submit(partial(self._read, number))
            self._held_bytes += self._n_bytes[number]
            self._following += 1

    def _read(self, number: int) -> RowBlock:
        first, stop = self._edges[number : number + 2]
        return self._side.read(first, stop)
