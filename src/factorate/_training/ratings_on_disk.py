"""RatingsOnDisk: ratings in the order of their updates, in a file that is read block by block."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._kernels.plain import LOOKAHEAD
from factorate._training.packed_ratings import PackedRatings
from factorate._utils.ahead import Ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from factorate._utils.ahead import Call
    from factorate._utils.scratch_file import ScratchFile
    from factorate._utils.types import Floats, Offsets, Rows

    Buffer = NDArray[np.uint8]

PAIR_BYTES = 4
ALIGNMENT = 8  # bytes of a buffer besides those of the largest block
MAX_SCAN = 256  # blocks looked at to find the next one to read


@dataclass(frozen=True, kw_only=True)
class RatingsOnDisk:
    """Ratings in a file, block by block, as `PackedRatings` has them in memory.

    The bytes of a block are its pairs, `LOOKAHEAD` pairs of zeros, and its codes; or, if there are
    no levels, its ratings.

    Attributes
    ----------
    file : ScratchFile
        The file.
    rating_dtype : dtype
        Type of the codes, uint8 or uint16, or of the ratings.
    block_tiles : ndarray of int64, shape (n_blocks + 1,)
        First tile of each block, and the end.
    n_ahead : int
        Maximum number of blocks that are read ahead.
    weights : ndarray of shape (0,)
        There are none.
    levels, centre, scale, tile_starts, first_user_positions, first_item_positions
        As those of `PackedRatings`.
    """

    file: ScratchFile
    rating_dtype: np.dtype[Any]
    block_tiles: Offsets
    n_ahead: int
    levels: Floats
    weights: Floats
    centre: float = 0.0
    scale: float = 1.0
    tile_starts: Offsets
    first_user_positions: Rows
    first_item_positions: Rows

    @property
    def n_ratings(self) -> int:
        """Number of ratings."""
        return int(self.tile_starts[-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ratings."""
        return self.levels.dtype

    @property
    def values(self) -> ValuesOnDisk:
        """All ratings; there must be no levels."""
        return ValuesOnDisk(self)

    @cached_property
    def block_starts(self) -> Offsets:
        """First rating of each block, and the end."""
        return self.tile_starts[self.block_tiles]

    def block_span(self, block: int) -> tuple[int, int]:
        """Return the offset of a block in the file, and its number of bytes."""
        first, end = self.block_tiles[block : block + 2]
        start, stop = int(self.tile_starts[first]), int(self.tile_starts[end])
        padding = LOOKAHEAD * PAIR_BYTES
        rating_bytes = PAIR_BYTES + self.rating_dtype.itemsize
        return start * rating_bytes + block * padding, (stop - start) * rating_bytes + padding

    def read_block(self, block: int, buffer: Buffer) -> PackedRatings:
        """Read a block into a buffer, `ALIGNMENT` bytes longer, and return its ratings there."""
        offset, n_bytes = self.block_span(block)
        first, end = self.block_tiles[block : block + 2].tolist()
        tile_starts = self.tile_starts[first : end + 1] - self.tile_starts[first]
        pair_bytes = (int(tile_starts[-1]) + LOOKAHEAD) * PAIR_BYTES
        content = buffer[-pair_bytes % self.rating_dtype.itemsize :][:n_bytes]
        self.file.read_into(offset, content)
        ratings = content[pair_bytes:].view(self.rating_dtype)  # aligned
        types = np.uint8, np.uint16, self.dtype
        codes8, codes16, values = (
            ratings if dtype == self.rating_dtype else np.empty(0, dtype) for dtype in types
        )
        return PackedRatings(
            pairs=content[:pair_bytes].view(np.uint16).reshape(-1, 2),
            codes8=codes8,
            codes16=codes16,
            levels=self.levels,
            values=values,
            weights=self.weights,
            centre=self.centre,
            scale=self.scale,
            tile_starts=tile_starts,
            first_user_positions=self.first_user_positions[first : end + 1],
            first_item_positions=self.first_item_positions[first : end + 1],
        )


@dataclass(frozen=True)
class ValuesOnDisk:
    """The ratings in a file, in the order of their updates, which are read in slices."""

    ratings: RatingsOnDisk

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the ratings."""
        return self.ratings.dtype

    def __len__(self) -> int:
        """Return the number of ratings."""
        return self.ratings.n_ratings

    def __getitem__(self, span: slice, /) -> Floats:
        """Return consecutive ratings."""
        begin, end, _ = span.indices(len(self))
        out = np.empty(max(0, end - begin), self.dtype)
        starts = self.ratings.block_starts
        block = int(np.searchsorted(starts, begin, side="right")) - 1
        at = begin
        while at < end:
            first, stop = starts[block : block + 2].tolist()
            offset = self.ratings.block_span(block)[0] + (stop - first + LOOKAHEAD) * PAIR_BYTES
            until = min(end, stop)
            to = out[at - begin : until - begin]
            self.ratings.file.read_into(offset + (at - first) * self.dtype.itemsize, to)
            at, block = until, block + 1
        return out


class Block(NamedTuple):
    """The tiles of a block: those of some packed ratings from `first` to `end`."""

    ratings: PackedRatings
    first: int
    end: int


class BlocksInMemory:
    """The blocks of packed ratings.

    Parameters
    ----------
    ratings : PackedRatings
        The ratings.
    block_tiles : ndarray of int64
        First tile of each block, and the end.
    """

    def __init__(self, ratings: PackedRatings, block_tiles: Offsets) -> None:
        self._ratings = ratings
        self._tiles = block_tiles.tolist()

    @contextmanager
    def opened(self, block: int) -> Iterator[Block]:
        """Give a block."""
        first, end = self._tiles[block : block + 2]
        yield Block(self._ratings, first, end)


class BlockReader:
    """Reads the blocks of an epoch, and those that follow while others are trained.

    A thread takes the next block of its row band, which is also the next in the order of the epoch,
    or begins another row band. So the blocks after one that is taken are read ahead. A block that
    is needed before its turn is read at once.

    Parameters
    ----------
    ratings : RatingsOnDisk
        The ratings.
    order : sequence of int
        The blocks, in the order of the epoch.
    ahead : Ahead
        The thread.
    """

    def __init__(self, ratings: RatingsOnDisk, order: list[int], ahead: Ahead) -> None:
        self._ratings = ratings
        self._order = order
        self._number = {block: number for number, block in enumerate(order)}
        self._is_requested = bytearray(len(order))
        self._reads: dict[int, Call[tuple[PackedRatings, Buffer]]] = {}
        self._free: list[Buffer] = []
        self._largest = max(ratings.block_span(block)[1] for block in order) + ALIGNMENT
        self._lock = threading.Lock()
        self._ahead = ahead

    @contextmanager
    def opened(self, block: int) -> Iterator[Block]:
        """Give a block, whose memory is used again afterwards."""
        number = self._number[block]
        with self._lock:
            read = self._reads.pop(number, None)
            self._is_requested[number] = True
            self._request_after(number)
        ratings, buffer = self._read(block) if read is None else read.result()
        yield Block(ratings, 0, len(ratings.tile_starts) - 1)
        self._free.append(buffer)

    def _request_after(self, number: int) -> None:
        """Request the next blocks that have not been requested, as many as may be read ahead."""
        end = min(number + 1 + MAX_SCAN, len(self._order))
        for following in range(number + 1, end):
            if len(self._reads) >= self._ratings.n_ahead:
                return
            if not self._is_requested[following]:
                read = self._ahead.submit(partial(self._read, self._order[following]))
                self._is_requested[following] = True
                self._reads[following] = read

    def _read(self, block: int) -> tuple[PackedRatings, Buffer]:
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = np.empty(self._largest, np.uint8)
        return self._ratings.read_block(block, buffer), buffer


@contextmanager
def open_blocks(
    ratings: PackedRatings | RatingsOnDisk, block_tiles: Offsets, order: list[int]
) -> Iterator[BlocksInMemory | BlockReader]:
    """Give the blocks of an epoch, which end when the block of code ends.

    Parameters
    ----------
    ratings : PackedRatings or RatingsOnDisk
        The ratings.
    block_tiles : ndarray of int64
        First tile of each block, and the end.
    order : list of int
        The blocks, in the order of the epoch.
    """
    if isinstance(ratings, PackedRatings):
        yield BlocksInMemory(ratings, block_tiles)
        return
    with Ahead() as ahead:
        yield BlockReader(ratings, order, ahead)
