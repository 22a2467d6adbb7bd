"""InteractionBands: interactions in a temporary file, row band by row band."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._input.row_counts import chunk_edges
from factorate._store.manifest import SIDES
from factorate._training.interactions_on_disk import ROW_BYTES
from factorate._utils.scratch_file import ScratchFile
from factorate.exceptions import RatingStoreError

if TYPE_CHECKING:
    from factorate._training.ratings_in_store import RatingsInStore
    from factorate._utils.types import Floats, Offsets, Rows


class Band(NamedTuple):
    """Some interactions of a row band.

    Attributes
    ----------
    rows : ndarray of int32
        Row of each interaction, from the first of the band.
    others : ndarray of int32
        Row of the other side.
    counts : ndarray
        The counts; empty if all are 1.
    """

    rows: Rows
    others: Rows
    counts: Floats

    def select(self, chosen: slice | Offsets) -> Band:
        """Return some of the interactions."""
        counts = self.counts[chosen] if len(self.counts) else self.counts
        return Band(self.rows[chosen], self.others[chosen], counts)


class InteractionBands:
    """A temporary file with the interactions of each row band, column by column.

    The columns are the rows of the other side, the counts, and the rows from the first of the band.
    Where no counts were written, they are read as zeros, which stand for 1. Sorted bands are
    written in the place of those that have been read, without the last column.

    Parameters
    ----------
    ratings : RatingsInStore
        The interactions.
    side : int
        0 for bands of users, 1 for bands of items.
    counts : ndarray of int64
        Number of interactions of each row.
    band_pairs : int
        Maximum number of interactions of a band, unless a row has more.

    Attributes
    ----------
    file : ScratchFile
        The file.
    counts_offset : int
        Where the counts begin.
    edges : ndarray of int64
        First row of each band, and the end.
    """

    def __init__(
        self, ratings: RatingsInStore, side: int, counts: Offsets, band_pairs: int
    ) -> None:
        starts = np.concatenate([[0], np.cumsum(counts)])
        n, self._dtype = int(starts[-1]), ratings.dtype
        self.edges = np.array(chunk_edges(starts, band_pairs))
        self.counts_offset = ROW_BYTES * n
        self._rows_offset = self.counts_offset + self._dtype.itemsize * n
        n_bytes = self._rows_offset + ROW_BYTES * n
        self.file = ScratchFile(ratings.scratch, 2 * n_bytes)
        self.file.resize(n_bytes)
        self._source = f"{ratings.stored.folder} is damaged: {SIDES[side]}_counts.npy"
        self._starts = starts.take(self.edges)
        self._ends = self._starts[:-1].copy()  # of what has been written to each band
        self._n_sorted = 0

    def __len__(self) -> int:
        """Return the number of bands."""
        return len(self.edges) - 1

    def n_rows(self, band: int) -> int:
        """Return the number of rows of a band."""
        return int(self.edges[band + 1] - self.edges[band])

    def write(self, band: int, columns: Band) -> None:
        """Append interactions to a band.

        Raises
        ------
        RatingStoreError
            If the counts of the store have fewer.
        """
        first = int(self._ends[band])
        self._ends[band] += len(columns.rows)
        if self._ends[band] > self._starts[band + 1]:
            raise RatingStoreError(
                f"{self._source} does not agree with the ratings; create the store again"
            )
        self.file.write(self._rows_offset + ROW_BYTES * first, columns.rows)
        self._write(first, columns.others, columns.counts)

    def read(self, band: int, *, has_counts: bool) -> Band:
        """Read the interactions of a band."""
        first, end = int(self._starts[band]), int(self._ends[band])
        rows, others = (np.empty(end - first, np.int32) for _ in range(2))
        self.file.read_into(self._rows_offset + ROW_BYTES * first, rows)
        self.file.read_into(ROW_BYTES * first, others)
        counts = np.empty(end - first if has_counts else 0, self._dtype)
        self.file.read_into(self.counts_offset + self._dtype.itemsize * first, counts)
        counts[counts == 0] = 1
        return Band(rows, others, counts)

    def write_sorted(self, others: Rows, counts: Floats) -> None:
        """Write the interactions of the next band, by row, after those of the bands before it."""
        self._write(self._n_sorted, others, counts)
        self._n_sorted += len(others)

    def finish(self) -> None:
        """Free the space of the rows when all bands are sorted."""
        self.file.resize(self._rows_offset)

    def _write(self, first: int, others: Rows, counts: Floats) -> None:
        self.file.write(ROW_BYTES * first, others)
        if len(counts):
            self.file.write(self.counts_offset + self._dtype.itemsize * first, counts)
