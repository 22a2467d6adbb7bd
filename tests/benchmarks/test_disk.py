"""The synthetic ratings of the benchmark on disk: distinct, skewed, and the same in every run."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import present
from optional import pyarrow as pa

N = 60_000


@pytest.fixture(scope="module")
def ratings() -> Any:
    """Import the ratings of the benchmark, which is not part of the package."""
    present(pa)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])
        return importlib.import_module("benchmarks.disk.ratings")


@pytest.fixture(scope="module")
def files(ratings: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven files of ratings."""
    written: Path = ratings.write_ratings(tmp_path_factory.mktemp("disk"), N, file_ratings=9_000)
    return written


def test_no_pair_occurs_twice(ratings: Any, files: Path) -> None:
    columns, (n_users, n_items) = ratings.read_columns(files), ratings.shape(N)
    assert len(list(files.iterdir())) == 7
    pairs = columns["user"].astype(np.int64) * n_items + columns["item"]
    assert len(np.unique(pairs)) == len(pairs) == N
    for ids, size in ((columns["user"], n_users), (columns["item"], n_items)):
        assert 0 <= ids.min() <= ids.max() < size


def test_activity_and_popularity_are_skewed(ratings: Any, files: Path) -> None:
    columns = ratings.read_columns(files)
    for ids in (columns["user"], columns["item"]):
        counts = np.bincount(ids)
        assert counts.max() > 4 * counts.mean() > 4 * np.median(counts)


def test_ratings_are_half_stars_and_follow_a_model(ratings: Any, files: Path) -> None:
    columns = ratings.read_columns(files)
    found = columns["rating"]
    assert set(np.unique(2 * found).tolist()) == set(range(1, 11))
    n = np.bincount(columns["user"])
    means = np.bincount(columns["user"], found)[n > 0] / n[n > 0]
    # Without biases, means of n ratings would have this variance only.
    assert means.var() > 1.5 * found.var() * (1 / n[n > 0]).mean()


def test_files_that_were_not_written_are_written_with_the_same_ratings(
    ratings: Any, files: Path
) -> None:
    before = ratings.read_columns(files)
    (files / "0003.parquet").unlink()
    ratings.write_ratings(files.parent, N, file_ratings=9_000)
    after = ratings.read_columns(files)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_arrays_to_map_hold_the_first_files(ratings: Any, files: Path, tmp_path: Path) -> None:
    n = ratings.map_columns(files, 2, tmp_path / "arrays")
    expected = ratings.read_columns(files, 2)
    assert n == len(expected["user"])
    for name, column in expected.items():
        mapped = np.load(tmp_path / "arrays" / f"{name}.npy", "r")
        assert mapped.dtype == column.dtype
        assert np.array_equal(mapped, column)
