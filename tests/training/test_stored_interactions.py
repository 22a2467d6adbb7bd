"""The interactions of a store, sorted on disk, are those of the same interactions in memory."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import in_store, write_store

from factorate._input.interactions import read_interactions
from factorate._input.levels import MAX_LEVELS
from factorate._store.stored_ratings import StoredRatings
from factorate._training.implicit_settings import ImplicitSettings, check_implicit_settings
from factorate._training.interaction_side import Work
from factorate._training.interactions import Interactions, make_interactions
from factorate._training.stored_interactions import sort_interactions
from factorate._utils.workers import Workers
from factorate.exceptions import RatingStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from factorate._training.interaction_side import Side
    from factorate._training.interactions_on_disk import InteractionsOnDisk, SideOnDisk

PARAMETERS: dict[str, Any] = {
    "n_factors": 4,
    "n_epochs": 2,
    "regularization": 0.1,
    "unobserved_weight": None,
    "alpha": None,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "patience": 3,
    "n_threads": 1,
    "dtype": "float32",
    "verbose": False,
    "keep_seen": True,
}


def make_settings(**changes: Any) -> ImplicitSettings:
    return check_implicit_settings(PARAMETERS | changes, 0)


def in_memory(columns: Any, settings: ImplicitSettings) -> Interactions:
    read = read_interactions(columns, dtype=settings.als.dtype)
    shape = len(read.user_index.ids), len(read.item_index.ids)
    rows = read.user_rows, read.item_rows
    return make_interactions(*rows, read.values, shape, settings.als.dtype)


def check_side(found: SideOnDisk, counts: Any, weighed: Side) -> None:
    np.testing.assert_array_equal(found.starts, weighed.starts)
    np.testing.assert_array_equal(found.counts(), weighed.counts())
    np.testing.assert_array_equal(found.read_counts(0, found.n_pairs), counts)
    for side in (found, replace(found, ahead_bytes=100)):
        with side.opened(Work(1.0, 1.0)) as (n_blocks, opened):
            blocks = []
            for number in range(n_blocks):
                with opened(number) as block:
                    blocks.append(block)
        firsts, stops = [block.first for block in blocks], [block.stop for block in blocks]
        assert [*firsts, len(side)] == [0, *stops]
        n_pairs = np.concatenate([np.diff(block.starts) for block in blocks])
        np.testing.assert_array_equal(n_pairs, np.diff(weighed.starts))
        others, weights = (
            np.concatenate([getattr(block, name) for block in blocks])
            for name in ("others", "weights")
        )
        np.testing.assert_array_equal(others, weighed.others)
        np.testing.assert_array_equal(weights, weighed.weights)
        assert weights.dtype == weighed.weights.dtype


def check_equal(found: InteractionsOnDisk, expected: Interactions, settings: Any) -> None:
    assert found.shape == expected.shape
    assert found.n_pairs == expected.n_pairs
    assert settings.complete(found) == settings.complete(settings.weigh(expected))
    counts = expected.user_weights, expected.item_weights
    for side, mine, of_counts in zip(
        found.sides, settings.weigh(expected).sides, counts, strict=True
    ):
        check_side(side, of_counts, mine)


@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 300),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    counts=st.sampled_from([[1], [1, 2], [0.5], [0.1, 0.7, 3]]),
    alpha=st.sampled_from([None, 0.3]),
    dtype=st.sampled_from(["float32", "float64"]),
    band_pairs=st.sampled_from([1, 20, None]),
    n_threads=st.integers(1, 3),
    chunk_ratings=st.sampled_from([50, 1000]),
    max_levels=st.sampled_from([0, 2, MAX_LEVELS]),
)
def test_a_store_has_the_interactions_of_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n: int,
    shape: tuple[int, int],
    counts: list[float],
    alpha: float | None,
    dtype: str,
    band_pairs: int | None,
    n_threads: int,
    chunk_ratings: int,
    max_levels: int,
) -> None:
    generator = np.random.default_rng(seed)
    users, items = (generator.integers(0, size, n) for size in shape)  # pairs occur repeatedly
    columns = users, items, generator.choice(counts, n)
    path = tmp_path_factory.mktemp("stores") / "a.store"
    batches = (tuple(column[begin : begin + 50] for column in columns) for begin in range(0, n, 50))
    store = write_store(path, batches, chunk_ratings=chunk_ratings, max_levels=max_levels)
    settings = make_settings(alpha=alpha, dtype=dtype, n_threads=n_threads)
    stored = in_store(store, dtype, max_levels=max_levels)
    found = sort_interactions(stored, settings, band_pairs=band_pairs)
    check_equal(found, in_memory(columns, settings), settings)


def random_columns(n: int = 2000) -> Any:
    generator = np.random.default_rng(1)
    return (*generator.integers(0, 50, (2, n)), generator.integers(1, 6, n))


def test_counts_of_repeated_pairs_that_add_up_to_1_are_no_counts(tmp_path: Path) -> None:
    columns = [0, 0, 1], [0, 0, 0], [0.25, 0.75, 1]
    settings = make_settings()
    expected = in_memory(columns, settings)
    assert not len(expected.user_weights)
    store = write_store(tmp_path / "a.store", columns)
    check_equal(sort_interactions(in_store(store), settings), expected, settings)


def test_blocks_may_be_taken_in_any_order_by_several_threads(tmp_path: Path) -> None:
    settings = make_settings()
    store = write_store(tmp_path / "a.store", random_columns())
    users, _ = sort_interactions(in_store(store), settings).sides
    with replace(users, ahead_bytes=500).opened(Work(1.0, 1.0)) as (n_blocks, opened):

        def check(number: int) -> bool:
            with opened(number) as block:
                expected = users.read(block.first, block.stop)
                return np.array_equal(block.others, expected.others)

        order = np.random.default_rng(0).permutation(n_blocks).tolist()
        assert n_blocks > 20
        assert all(Workers(3).map(check, order))


def test_the_items_of_some_users(tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", random_columns())
    settings = make_settings()
    expected = in_memory(random_columns(), settings)
    users, _ = sort_interactions(in_store(store), settings).sides
    starts, items = users.read_others_of(np.array([7, 3, 7], np.int32))
    assert np.flatnonzero(np.diff(starts)).tolist() == [3, 7]
    for user in (3, 7):
        mine = expected.user_items[slice(*expected.user_starts[user : user + 2])]
        np.testing.assert_array_equal(items[slice(*starts[user : user + 2])], mine)


def test_files_that_were_cut_short_are_an_error_of_the_block(tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", random_columns())
    users, _ = sort_interactions(in_store(store), make_settings()).sides
    users.file.resize(100)
    with users.opened(Work(1.0, 1.0)) as (n_blocks, opened):

        def read_all() -> None:
            for number in range(n_blocks):
                with opened(number):
                    pass

        with pytest.raises(OSError, match="a temporary file was cut short"):
            read_all()


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = write_store(tmp_path / "a.store", random_columns())

    class Full:
        def truncate(self, _: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    with pytest.raises(OSError, match=r"No space left.*temporary files there.*set scratch"):
        sort_interactions(in_store(store), make_settings())


@pytest.mark.parametrize("side", [0, 1])
def test_counts_that_are_not_those_of_the_store_are_found(
    tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = np.arange(2000) % 40 * (np.arange(2000) % 2)  # row 0 has half of the interactions
    columns = [half, np.arange(2000) // 2, np.ones(2000)]
    if side:
        columns[:2] = columns[1::-1]
    store = write_store(tmp_path / "a.store", tuple(columns))
    read = StoredRatings.read_counts

    def reversed_counts(stored: StoredRatings, of_side: int) -> Any:
        counts = read(stored, of_side)
        return counts[::-1] if of_side == side else counts

    monkeypatch.setattr(StoredRatings, "read_counts", reversed_counts)
    name = ("user", "item")[side]
    with pytest.raises(RatingStoreError, match=rf"{name}_counts\.npy does not agree"):
        sort_interactions(in_store(store), make_settings(), band_pairs=10)


def test_too_little_memory_is_an_error_that_says_how_much_is_needed(tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", ([0, 1], [0, 1], [1.0, 2.0]))
    settings = make_settings()
    with pytest.raises(ValueError, match=r"needs 101 MB of memory.*and memory is 50\.0 MB"):
        sort_interactions(in_store(store, memory=50_000_000), settings)
    found = sort_interactions(in_store(store, memory=101_000_000), settings)
    assert found.n_pairs == 2
