"""write_ratings: a folder of Parquet files with any number of synthetic, skewed ratings.

A user has 200 ratings on average, and the number of items grows with the square root of the number
of ratings, to 5 M users × 500,000 items for a billion. The activity of users and the popularity of
items are proportional to (rank + offset)^-1.2: with a billion ratings, the most active user has 33
and the most popular item 500 times as many as the mean. Ratings are half-stars that follow the
model, with noise. No pair of user and item occurs twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

FILE_RATINGS = 10_000_000
RATINGS_PER_USER = 200
ITEMS_OF_A_BILLION = 500_000
USER_OFFSET = 0.01  # of the number of users
ITEM_OFFSET = 250
EXPONENT = 0.2  # of the integral of (rank + offset)^-1.2
N_FACTORS = 8
NOISE = 0.5
BIAS_SPREAD = 0.3
PRIME = 2_654_435_761  # larger than the number of users
COLUMNS = {"user": np.int32, "item": np.int32, "rating": np.float32}


def write_ratings(folder: Path, n_ratings: int, file_ratings: int = FILE_RATINGS) -> Path:
    """Write the files that an earlier call has not written, and return their folder.

    Parameters
    ----------
    folder : Path
        Where that folder is.
    n_ratings : int
        Number of ratings.
    file_ratings : int, default=10_000_000
        Maximum number of ratings of a file.
    """
    files = folder / f"ratings-{n_ratings}"
    files.mkdir(parents=True, exist_ok=True)
    n_files = -(-n_ratings // file_ratings)
    n_users, n_items = shape(n_ratings)
    truth = _Truth(n_users, n_items)
    for number in range(n_files):
        path = files / f"{number:04}.parquet"
        if path.exists():
            continue
        first, end = (n_ratings * file // n_files for file in (number, number + 1))
        generator = np.random.default_rng([n_ratings, number])
        users, items = _draw_pairs(generator, end - first, (n_users, n_items), number, n_files)
        ratings = truth.rate(generator, users, items)
        columns = dict(zip(COLUMNS, (users, items, ratings), strict=True))
        partial = folder / "partial.parquet"
        pq.write_table(pa.table(columns), partial)
        partial.rename(path)
    return files


def shape(n_ratings: int) -> tuple[int, int]:
    """Return the numbers of users and items."""
    n_users = max(n_ratings // RATINGS_PER_USER, 1000)
    return n_users, max(round(ITEMS_OF_A_BILLION * (n_ratings / 1e9) ** 0.5), 1000)


def read_columns(files: Path, n_files: int | None = None) -> dict[str, Any]:
    """Return the columns of the first files, or of all."""
    table = pa.concat_tables(pq.read_table(path) for path in sorted(files.iterdir())[:n_files])
    return {name: table[name].to_numpy() for name in COLUMNS}


def map_columns(files: Path, n_files: int, folder: Path) -> int:
    """Write the columns of the first files to arrays that can be mapped; return their length."""
    paths = sorted(files.iterdir())[:n_files]
    n = sum(int(pq.read_metadata(path).num_rows) for path in paths)
    folder.mkdir()
    columns = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (n,))
        for name, dtype in COLUMNS.items()
    }
    first = 0
    for path in paths:
        table = pq.read_table(path)
        for name, column in columns.items():
            column[first : first + len(table)] = table[name].to_numpy()
        first += len(table)
    return n


def _draw_pairs(
    generator: np.random.Generator, n: int, sizes: tuple[int, int], number: int, n_files: int
) -> tuple[Any, Any]:
    """Return distinct pairs in random order, of which no other file has one.

    The sum of the ranks of a pair, modulo the number of files, is the number of its file.
    """
    n_users, n_items = sizes
    pairs = np.empty(0, np.int64)
    while len(pairs) < n:
        n_more = int(1.05 * (n - len(pairs))) + 100
        users = _draw_ranks(generator, n_more, n_users, USER_OFFSET * n_users)
        items = _draw_ranks(generator, n_more, n_items, ITEM_OFFSET)
        users += (number - items) % n_files - users % n_files
        users, items = users[users < n_users], items[users < n_users]
        pairs = np.sort(np.concatenate([pairs, users * n_items + items]))
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    generator.shuffle(pairs)
    users, items = np.divmod(pairs[:n], n_items)
    return (users * PRIME % n_users).astype(np.int32), (items * PRIME % n_items).astype(np.int32)


def _draw_ranks(generator: np.random.Generator, n: int, size: int, offset: float) -> Any:
    """Return ranks below `size` with probabilities proportional to (rank + offset)^-1.2."""
    low, high = ((rank + offset) ** -EXPONENT for rank in (size, 0))
    drawn = (high - generator.random(n) * (high - low)) ** (-1 / EXPONENT) - offset
    return np.minimum(drawn.astype(np.int64), size - 1)


class _Truth:
    """The factors and biases that the ratings follow."""

    def __init__(self, n_users: int, n_items: int) -> None:
        generator = np.random.default_rng(0)
        self._P, self._Q = (
            generator.standard_normal((n, N_FACTORS), np.float32) / N_FACTORS**0.25
            for n in (n_users, n_items)
        )
        self._user_bias, self._item_bias = (
            BIAS_SPREAD * generator.standard_normal(n, np.float32) for n in (n_users, n_items)
        )

    def rate(self, generator: np.random.Generator, users: Any, items: Any) -> Any:
        """Return the rating of each pair, with noise, rounded to half-stars."""
        ratings = np.empty(len(users), np.float32)
        for first in range(0, len(users), 1 << 20):
            u, i = users[first : first + (1 << 20)], items[first : first + (1 << 20)]
            exact = np.einsum("nk,nk->n", self._P[u], self._Q[i])
            exact += 3.5 + self._user_bias[u] + self._item_bias[i]
            exact += NOISE * generator.standard_normal(len(u), np.float32)
            ratings[first : first + len(u)] = np.clip(np.round(2 * exact) / 2, 0.5, 5)
        return ratings
