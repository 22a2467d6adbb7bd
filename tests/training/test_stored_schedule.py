"""The schedule of a store is that of the same ratings in memory, block by block."""

from __future__ import annotations

import errno
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import in_store, write_store
from training_cases import SMALL, make_settings

import factorate as ft
from factorate._input.levels import MAX_LEVELS
from factorate._input.ratings import read_ratings
from factorate._kernels.plain import LOOKAHEAD
from factorate._store.stored_ratings import StoredRatings
from factorate._training.held_out import split_ratings
from factorate._training.ratings_on_disk import RatingsOnDisk, open_blocks
from factorate._training.scale import standardize
from factorate._training.schedule import make_schedule
from factorate._training.sizes import DEFAULT_SIZES, Sizes
from factorate._training.stored_held_out import split_stored_ratings
from factorate._training.stored_schedule import make_stored_schedule
from factorate._training.update_rule import UpdateRule
from factorate._utils.scratch_file import ScratchFile
from factorate._utils.workers import Workers
from factorate.exceptions import RatingStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.schedule import Schedule

TINY = Sizes(block_work=100, tile_bytes=512, tile_ratings=2, thread_ratings=20)
FIELDS = ("user_order", "item_order", "level_counts", "block_tiles", "user_counts", "item_counts")
OF_RATINGS = ("levels", "tile_starts", "first_user_positions", "first_item_positions")


def check_equal(expected: Schedule, found: Schedule) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    assert found.user_counts.dtype == expected.user_counts.dtype
    assert (found.n_bands, found.shape) == (expected.n_bands, expected.shape)
    for name in OF_RATINGS:
        of_both = getattr(found.ratings, name), getattr(expected.ratings, name)
        np.testing.assert_array_equal(*of_both, name)
        assert of_both[0].dtype == of_both[1].dtype
    order = list(range(len(found.block_tiles) - 1))
    starts = expected.block_starts.tolist()
    with open_blocks(found.own_ratings, found.block_tiles, order) as blocks:
        for block, span in enumerate(itertools.pairwise(starts)):
            with blocks.opened(block) as (ratings, first, end):
                assert first == 0
                assert ratings.tile_starts[end] == span[1] - span[0]
                check_block(ratings, expected.packed, slice(*span))


def check_block(found: PackedRatings, expected: PackedRatings, span: slice) -> None:
    np.testing.assert_array_equal(found.pairs[:-LOOKAHEAD], expected.pairs[span])
    assert not found.pairs[-LOOKAHEAD:].any()
    for name in ("codes8", "codes16", "values"):
        of_both = getattr(found, name), getattr(expected, name)[span]
        np.testing.assert_array_equal(*of_both, name)
        assert of_both[0].dtype == of_both[1].dtype
        assert not np.signbit(of_both[0][of_both[0] == 0]).any()
        assert of_both[0].flags.aligned


@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 400),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    n_factors=st.sampled_from([0, 6, 40]),
    sizes=st.sampled_from([TINY, SMALL, DEFAULT_SIZES]),
    n_threads=st.integers(1, 3),
    chunk_ratings=st.sampled_from([1, 10, 1000]),
    dtype=st.sampled_from(["float32", "float64"]),
    max_levels=st.sampled_from([1, 20, MAX_LEVELS]),
)
def test_a_store_has_the_blocks_of_ratings_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n: int,
    shape: tuple[int, int],
    n_factors: int,
    sizes: Sizes,
    n_threads: int,
    chunk_ratings: int,
    dtype: str,
    max_levels: int,
) -> None:
    sizes = replace(sizes, max_levels=max_levels)
    generator = np.random.default_rng(seed)
    users, items = (generator.integers(0, size, n) for size in shape)  # pairs occur repeatedly
    values = generator.integers(-9, 9, n) / 7 * generator.choice([1, 1 + 1e-9, -1], n)
    columns = users, items, values
    path = tmp_path_factory.mktemp("stores") / "a.store"
    batches = (tuple(column[begin : begin + 50] for column in columns) for begin in range(0, n, 50))
    store = write_store(path, batches, chunk_ratings=chunk_ratings, max_levels=max_levels)
    store.verify()
    settings = make_settings(seed=seed, n_factors=n_factors, sizes=sizes)
    workers = Workers(n_threads)
    expected = make_schedule(read_ratings(columns, dtype=np.dtype(dtype)), settings)
    stored = in_store(store, dtype, max_levels=max_levels)
    found = make_stored_schedule(stored, settings, workers)
    check_equal(expected, found)
    for loss in ("squared", "absolute"):
        with_loss = replace(settings, rule=UpdateRule(loss))
        scales = [standardize(schedule, with_loss, None)[1] for schedule in (found, expected)]
        assert scales[0] == scales[1]


@given(
    seed=st.integers(0, 1000),
    n=st.integers(2, 100),
    shape=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    fraction=st.floats(0.01, 0.9),
    chunk_ratings=st.sampled_from([10, 1000]),
)
def test_a_store_without_held_out_ratings_has_the_blocks_of_the_others(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    n: int,
    shape: tuple[int, int],
    fraction: float,
    chunk_ratings: int,
) -> None:
    generator = np.random.default_rng(seed)
    users, items = (generator.integers(0, size, n) for size in shape)
    columns = users, items, generator.integers(1, n, n) / 7
    path = tmp_path_factory.mktemp("stores") / "a.store"
    store = write_store(path, columns, chunk_ratings=chunk_ratings)
    ratings = read_ratings(columns, dtype=np.dtype("f4"))
    try:
        training, _, _ = split_ratings(ratings, None, fraction, seed)
    except ValueError:
        with pytest.raises(ValueError, match="which leaves none"):
            split_stored_ratings(in_store(store), fraction, seed, 1)
        return
    settings = make_settings(seed=seed, n_factors=6, sizes=TINY)
    in_file, _ = split_stored_ratings(in_store(store), fraction, seed, 1)
    found = make_stored_schedule(in_file, settings, Workers(2))
    check_equal(make_schedule(training, settings), found)


def test_groups_of_tiles_and_codes_of_two_bytes(tmp_path: Path) -> None:
    # A band of more than 65,536 positions is sorted tile by tile, not block by block.
    n = 200_000
    generator = np.random.default_rng(0)
    columns = np.arange(n) % 140_000, generator.integers(0, 50, n), generator.integers(0, 999, n)
    settings = make_settings(n_factors=8)
    store = write_store(tmp_path / "a.store", columns, chunk_ratings=70_000)
    expected = make_schedule(read_ratings(columns, dtype=np.dtype("f4")), settings)
    assert max(np.diff(expected.user_edges)) > 1 << 16
    check_equal(expected, make_stored_schedule(in_store(store), settings, Workers(2)))


def test_ratings_that_are_equal_in_float32_have_one_code(tmp_path: Path) -> None:
    columns = [0, 1, 2, 0], [0, 1, 0, 1], [0.1, 0.1 + 1e-12, 4.0, -0.0]
    store = write_store(tmp_path / "a.store", columns)
    for dtype, n_levels in (("float32", 3), ("float64", 4)):
        expected = make_schedule(read_ratings(columns, dtype=np.dtype(dtype)), make_settings())
        assert len(expected.ratings.levels) == n_levels
        check_equal(expected, make_stored_schedule(in_store(store, dtype), make_settings()))


def test_a_rating_that_is_too_large_for_the_dtype_is_named(tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", ([0, 1], [0, 1], [1.0, 1e39]))
    with pytest.raises(ValueError, match=r"is 1e\+39, which is too large for float32"):
        in_store(store, np.float32)
    assert in_store(store, np.float64).levels.levels.tolist() == [1.0, 1e39]


def test_counts_that_are_not_those_of_the_ratings_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = np.arange(2000) // 40 * (np.arange(2000) % 2)  # user 0 has half of the ratings
    store = write_store(tmp_path / "a.store", (users, np.arange(2000) % 30, np.ones(2000)))
    reversed_counts = store._stored.read_counts(0)[::-1]
    monkeypatch.setattr(StoredRatings, "read_counts", lambda *_: reversed_counts)
    with pytest.raises(RatingStoreError, match=r"user_counts\.npy does not agree"):
        make_stored_schedule(in_store(store), make_settings(sizes=TINY))


@pytest.mark.parametrize("name", ["user_counts", "item_counts", "level_counts"])
def test_counts_that_are_not_those_of_held_out_ratings_are_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three ratings of each user and item, and six of each level; the counts are one too low.
    users, items = np.arange(60) // 3, np.arange(60) % 20
    store = write_store(tmp_path / "a.store", (users, items, np.arange(60) % 10))
    whole = in_store(store)
    if name == "level_counts":
        wrong = np.ones(10, np.int64)
        monkeypatch.setattr(StoredRatings, "read_level_counts", lambda _: wrong)
    else:
        counts = {side: store._stored.read_counts(side) for side in range(2)}
        counts[name == "item_counts"] = np.ones(20, np.int64)
        monkeypatch.setattr(StoredRatings, "read_counts", lambda _, side: counts[side])
    with pytest.raises(RatingStoreError, match=rf"{name}\.npy does not agree"):
        make_stored_schedule(split_stored_ratings(whole, 0.5, 0, 1)[0], make_settings())


def small_schedule(path: Path) -> RatingsOnDisk:
    generator = np.random.default_rng(1)
    columns = *generator.integers(0, 50, (2, 2000)), generator.integers(1, 6, 2000)
    store = write_store(path, columns)
    schedule = make_stored_schedule(in_store(store), make_settings(sizes=TINY))
    assert isinstance(schedule.ratings, RatingsOnDisk)
    return schedule.ratings


def test_blocks_may_be_taken_in_any_order(tmp_path: Path) -> None:
    ratings = small_schedule(tmp_path / "a.store")
    n_blocks = len(ratings.block_tiles) - 1
    assert n_blocks > 100
    order = np.random.default_rng(2).permutation(n_blocks).tolist()
    largest = max(ratings.block_span(block)[1] for block in order)
    with open_blocks(ratings, ratings.block_tiles, order) as blocks:
        taken = order[::3] + order[1::3] + order[2::3]  # as by three threads

        def check(block: int) -> bool:
            expected = ratings.read_block(block, np.empty(largest, np.uint8))
            with blocks.opened(block) as (found, _, end):
                same = np.array_equal(found.pairs, expected.pairs)
                return same and np.array_equal(found.codes, expected.codes) and end > 0

        assert all(Workers(3).map(check, taken))


def test_without_a_thread_every_block_is_read_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratings = small_schedule(tmp_path / "a.store")
    order = list(range(len(ratings.block_tiles) - 1))

    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("factorate._utils.helper_thread.start_new_thread", fail)
    with open_blocks(ratings, ratings.block_tiles, order) as blocks:
        sizes = []
        for block in order:
            with blocks.opened(block) as (found, _, _):
                sizes.append(found.n_ratings)
    assert sum(sizes) == 2000


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = write_store(tmp_path / "a.store", ([0, 1], [0, 1], [1.0, 2.0]))

    class Full:
        def seek(self, _: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())
    with pytest.raises(OSError, match=r"No space left.*temporary files there.*set scratch"):
        make_stored_schedule(in_store(store), make_settings())


def test_a_file_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    file = ScratchFile(tmp_path, 10)
    file.write(0, np.arange(3, dtype=np.int32))
    out = np.empty(4, np.int32)
    with pytest.raises(OSError, match="a temporary file was cut short"):
        file.read_into(0, out)
    file.read_into(4, out[:2])
    assert out[:2].tolist() == [1, 2]


def test_too_little_memory_is_an_error_that_says_how_much_is_needed(tmp_path: Path) -> None:
    store = write_store(tmp_path / "a.store", ([0, 1], [0, 1], [1.0, 2.0]))
    with pytest.raises(ValueError, match=r"needs 101 MB of memory.*and memory is 50\.0 MB"):
        make_stored_schedule(in_store(store, memory=50_000_000), make_settings())
    schedule = make_stored_schedule(in_store(store, memory=101_000_000), make_settings())
    assert schedule.n_ratings == 2


def test_held_out_ratings_count_in_the_memory(tmp_path: Path) -> None:
    n = 1_000_000
    columns = np.arange(n) % 1000, np.arange(n) // 1000, np.arange(n) % 5
    store = ft.RatingStore.create(tmp_path / "a.store", columns)
    message = r"validation on 900,000 ratings of this store needs 214 MB of memory.*lower"
    with pytest.raises(ValueError, match=message):
        split_stored_ratings(in_store(store, memory=210_000_000), 0.9, 0, 1)
    ratings, _ = split_stored_ratings(in_store(store, memory=214_000_000), 0.9, 0, 1)
    with pytest.raises(
        ValueError, match=r"or a lower validation_fraction: validation takes 170 MB"
    ):
        make_stored_schedule(ratings, make_settings())
    allowed = replace(ratings, memory=250_000_000)
    assert make_stored_schedule(allowed, make_settings()).n_ratings == ratings.n_ratings < n / 9
