"""On a cluster, the ratings are held out that are held out in memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clusters import start_cluster
from optional import dask, pandas
from stores import write_store

from factorate._cluster.cluster import Cluster
from factorate._cluster.cluster_held_out import split_cluster_ratings
from factorate._cluster.cluster_ratings import read_frame, read_store
from factorate._input.levels import find_levels
from factorate._input.ratings import read_ratings
from factorate._training.held_out import HeldOut, split_ratings
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

DTYPE = np.dtype(np.float32)


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with start_cluster(2) as client:
        cluster = Cluster(client)
        cluster.connect()
        with cluster.released():
            yield cluster


def make_columns(kind: str) -> tuple[Any, Any, Any]:
    generator = np.random.default_rng(0)
    if kind == "few pairs":  # one hash is that of most ratings
        return np.where(np.arange(500) % 50, 1, np.arange(500)), np.ones(500, int), np.arange(500)
    n = 80_000 if kind == "real-valued" else 3000
    users, items = generator.integers(0, 60, n), generator.integers(0, 40, n)
    if kind == "real-valued":
        return users, items, generator.gamma(2.0, size=n)
    return users, items, generator.integers(1, 11, n) / 2


def read(cluster: Cluster, source: str, columns: Any, path: Path) -> Any:
    if source == "store":
        store = write_store(path / "a.store", columns, chunk_ratings=30_000)
        return read_store(cluster, store._stored, DTYPE)
    frame = pandas.DataFrame(dict(zip(("user", "item", "rating"), columns, strict=True)))
    parts = dask.dataframe.from_pandas(frame, npartitions=3, sort=False)
    empty = parts[parts["rating"] > 1e6]
    return read_frame(cluster, dask.dataframe.concat([empty, parts]), None, DTYPE)


def triples(held_out: HeldOut) -> list[tuple[int, int, float]]:
    columns = held_out.user_rows, held_out.item_rows, held_out.values
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("source", ["frame", "store"])
@pytest.mark.parametrize("kind", ["few pairs", "few levels", "real-valued"])
@pytest.mark.parametrize("fraction", [1e-9, 0.1, 0.5])
def test_the_same_ratings_are_held_out_as_in_memory(
    cluster: Cluster, tmp_path: Path, source: str, kind: str, fraction: float
) -> None:
    columns = make_columns(kind)
    ratings = read(cluster, source, columns, tmp_path)
    in_memory = read_ratings(columns, dtype=DTYPE)
    rest, _, expected = split_ratings(in_memory, None, fraction, 7)
    training, held_out = split_cluster_ratings(ratings, fraction, 7)
    assert triples(held_out) == triples(expected)
    assert held_out.values.dtype == DTYPE
    assert training.n_ratings == len(rest.values)
    for counts, rows in zip(training.counts, (rest.user_rows, rest.item_rows), strict=True):
        np.testing.assert_array_equal(counts, np.bincount(rows, minlength=len(counts)))
    levels = find_levels(rest.values, Workers(), 1)
    assert (len(levels.levels) == 0) == (kind == "real-valued" and fraction < 0.5)
    np.testing.assert_array_equal(training.levels.levels, levels.levels)
    np.testing.assert_array_equal(training.levels.counts, levels.counts)
    assert training.bounds == ratings.bounds


def test_the_partitions_are_read_once(cluster: Cluster, tmp_path: Path) -> None:
    ratings = read(cluster, "frame", make_columns("few levels"), tmp_path)
    first = ratings.read()
    ratings.read = lambda: first
    training, _ = split_cluster_ratings(ratings, 0.1, 0)
    ratings.read = pytest.fail
    assert training.read() == first


def test_ratings_that_change_are_an_error(cluster: Cluster, tmp_path: Path) -> None:
    ratings = read(cluster, "frame", make_columns("few levels"), tmp_path)
    ratings.counts = ratings.counts[0], np.zeros_like(ratings.counts[1])
    with pytest.raises(ValueError, match="two readings of the ratings differ"):
        split_cluster_ratings(ratings, 0.1, 0)


def test_all_ratings_held_out_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    ratings = read(cluster, "frame", ([1, 1, 1], [2, 2, 2], [3, 4, 5]), tmp_path)
    with pytest.raises(ValueError, match=re.escape("holds out 3 of 3 entries, which leaves none")):
        split_cluster_ratings(ratings, 0.1, 0)
