"""block_order: the order of the blocks of an epoch."""

from __future__ import annotations

from typing import NamedTuple

from factorate._utils.random_streams import permutation, stream

MAX_SHUFFLED = 8  # bands


class BandOrder(NamedTuple):
    """The row bands and the column bands in the order of one epoch."""

    rows: list[int]
    columns: list[int]


def band_order(n_bands: tuple[int, int], seed: int, epoch: int) -> BandOrder:
    """Return the order of the bands in one epoch.

    Few bands are shuffled. More are in the order of their numbers, forward and backward by turns,
    and the columns are rotated by a random number of bands. So bands that follow each other stay
    together: a worker that holds some row bands can update them for some column bands in one go.
    The RMSE is the same as with shuffled bands (measured in benchmarks/README.md).

    Examples
    --------
    >>> band_order((3, 2), seed=0, epoch=1)
    BandOrder(rows=[2, 1, 0], columns=[1, 0])
    """
    bits = stream(seed, 2, epoch)
    if not are_in_order(n_bands):
        rows, columns = (permutation(n, bits).tolist() for n in n_bands)
        return BandOrder(rows, columns)
    rows = list(range(n_bands[0]))
    first = int(permutation(n_bands[1], bits)[0])
    columns = [(first + number) % n_bands[1] for number in range(n_bands[1])]
    return BandOrder(rows[::-1], columns[::-1]) if epoch % 2 else BandOrder(rows, columns)


def are_in_order(n_bands: tuple[int, int]) -> bool:
    """Return whether bands that follow each other stay together."""
    return max(n_bands) > MAX_SHUFFLED


def block_order(n_bands: tuple[int, int], seed: int, epoch: int) -> list[int]:
    """Return the row-major numbers of the blocks in the order of one epoch.

    Its result is that of going stratum by stratum, where strata are the diagonals of a square of
    bands in the order of the epoch.

    Examples
    --------
    >>> sorted(block_order((2, 3), seed=0, epoch=0))
    [0, 1, 2, 3, 4, 5]
    """
    if n_bands == (1, 1):
        return [0]  # the usual case of small fits, in which a stream takes longer than an epoch
    order = band_order(n_bands, seed, epoch)
    return [row * n_bands[1] + column for row, column in crossings(*order)]


def crossings(rows: list[int], columns: list[int]) -> list[tuple[int, int]]:
    """Return the pairs of row band and column band in the order of their updates.

    Of two blocks with a common band, the one in the earlier diagonal of the square comes first. As
    far as that allows, blocks of a row band follow each other, so that the factors of its users
    stay in the cache: first come the blocks above the diagonal and on it, from the last row band to
    the first, then those below it.

    Examples
    --------
    >>> crossings([0, 1, 2], [5, 6, 7])
    [(2, 7), (1, 6), (1, 7), (0, 5), (0, 6), (0, 7), (2, 5), (2, 6), (1, 5)]
    """
    from_last = list(enumerate(rows))[::-1]
    upper = [(row, column) for number, row in from_last for column in columns[number:]]
    lower = [(row, column) for number, row in from_last for column in columns[:number]]
    return upper + lower
