"""A store appears when it is complete, and holds every rating; after an error nothing is left."""

from __future__ import annotations

import contextvars
import errno
import io
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optional import dask, present
from optional import pandas as pd
from optional import polars as pl
from optional import pyarrow as pa
from stores import write_store

import factorate as ft
from factorate._store.batches import open_batches
from factorate._store.distinct_ratings import DistinctRatings
from factorate._store.ingest import ingest
from factorate._store.write_folder import LOCK, _lock, write_folder

USERS, ITEMS, RATINGS = [3, 1, 1, 2, 3], [20, 10, 20, 20, 10], [5.0, 3.0, 1.5, 0.0, 2.0]
COLUMNS = {"user": USERS, "item": ITEMS, "rating": RATINGS}


def content(store: ft.RatingStore) -> list[tuple[Any, Any, float]]:
    """Return all ratings in the order of the store."""
    rows: list[tuple[Any, Any, float]] = []
    for batch in store.batches():
        rows += zip(*(column.tolist() for column in batch), strict=True)
    return rows


EXPECTED = list(zip(USERS, ITEMS, RATINGS, strict=True))


def frames() -> Any:
    frame = present(pd).DataFrame(COLUMNS)
    return iter([frame[:2], frame[2:]])


def csv_folder(folder: Path) -> Path:
    (folder / "csv").mkdir()
    for number, rows in enumerate((slice(0, 2), slice(2, 5))):
        lines = [f"{u},{i},{r}" for u, i, r in EXPECTED[rows]]
        path = folder / "csv" / f"{number}.csv"
        path.write_text("\n".join(["userId,movieId,rating", *lines]) + "\n")
    return folder / "csv"


def parquet_glob(folder: Path) -> str:
    table = present(pa).table(COLUMNS)
    for number, rows in enumerate((slice(0, 2), slice(2, 5))):
        part = table.slice(rows.start, rows.stop - rows.start)
        pa.parquet.write_table(part, folder / f"{number}.parquet", row_group_size=2)
    return str(folder / "*.parquet")


def dataset(folder: Path) -> Any:
    import pyarrow.dataset

    return pyarrow.dataset.dataset(Path(parquet_glob(folder)).parent, format="parquet")


def dask_frame() -> Any:
    frame = present(pd).DataFrame({"more": 0} | COLUMNS)
    return present(dask).dataframe.from_pandas(frame, npartitions=3, sort=False)


SOURCES: dict[str, Any] = {
    "arrays": lambda _: (USERS, ITEMS, RATINGS),
    "frame": lambda _: present(pd).DataFrame(COLUMNS),
    "polars": lambda _: present(pl).DataFrame(COLUMNS),
    "iterator of tuples": lambda _: iter(
        [(USERS[:2], ITEMS[:2], RATINGS[:2]), (USERS[2:], ITEMS[2:], RATINGS[2:])]
    ),
    "iterator of frames": lambda _: frames(),
    "batches of arrow": lambda _: iter(present(pa).table(COLUMNS).to_batches(max_chunksize=2)),
    "folder of CSV": lambda folder: present(pa) and csv_folder(folder),
    "glob of Parquet": parquet_glob,
    "dataset": lambda folder: present(pa) and dataset(folder),
    "dask": lambda _: dask_frame(),
    "open file": lambda _: present(pa) and io.StringIO("3,20,5\n1,10,3\n1,20,1.5\n2,20,0\n3,10,2"),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("chunk_ratings", [1, 2, 100])
def test_a_store_holds_the_ratings_of_any_source(
    tmp_path: Path, source: Any, chunk_ratings: int
) -> None:
    store = write_store(tmp_path / "a.store", source(tmp_path), chunk_ratings=chunk_ratings)
    assert content(store) == EXPECTED
    assert (len(store), store.n_users, store.n_items) == (5, 3, 2)
    assert store.users.tolist() == [1, 2, 3]
    assert store.items.tolist() == [10, 20]
    assert store.rating_range == (0.0, 5.0)
    store.verify()
    assert not (tmp_path / "a.store.partial").exists()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_partitions_of_dask_are_computed_once_and_in_order(tmp_path: Path, n_threads: int) -> None:
    frame, computed = present(pd).DataFrame(COLUMNS), []
    client = contextvars.ContextVar("client", default="none")

    class Partitions:
        def __dask_tokenize__(self) -> str:
            return "partitions"

        def __call__(self, number: int) -> Any:
            computed.append((number, client.get()))
            return frame[number : number + 1] if number != 2 else frame[:0]

    numbers = [0, 1, 2, 3, 4]
    lazy = present(dask).dataframe.from_map(Partitions(), numbers, meta=frame[:0])
    token = client.set("mine")
    with dask.config.set(scheduler="synchronous"):
        store = ft.RatingStore.create(tmp_path / "a.store", lazy, n_threads=n_threads)
    client.reset(token)
    assert computed == [(number, "mine") for number in numbers]
    assert content(store) == [EXPECTED[number] for number in numbers if number != 2]


def test_two_columns_of_dask_are_interactions(tmp_path: Path) -> None:
    lazy = dask_frame()
    store = ft.RatingStore.create(tmp_path / "a.store", lazy, columns=("item", "user"))
    assert content(store) == [(item, user, 1.0) for user, item, _ in EXPECTED]


def test_errors_name_the_partition(tmp_path: Path) -> None:
    frame = present(pd).DataFrame(COLUMNS)
    lazy = present(dask).dataframe.from_pandas(frame, npartitions=2, sort=False)
    with pytest.raises(ValueError, match=r"cannot tell the column of rating among \['user', 'item"):
        ft.RatingStore.create(tmp_path / "a.store", lazy[["user", "item"]])
    wrong = lazy.assign(user=lazy["user"] / 2)
    with pytest.raises(ValueError, match=r"ratings 0 to 3 of the source: users\[0\] is 1\.5"):
        ft.RatingStore.create(tmp_path / "a.store", wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["7", "8", "7"], [7, 8, 7]),
        (["7", "007", "7"], ["7", "007", "7"]),  # one that is no integer makes all of them text
        (["7", "8", "x"], ["7", "8", "x"]),
    ],
)
def test_ids_of_text_files_are_integers_if_those_of_all_batches_are(
    tmp_path: Path, texts: list[str], expected: list[Any]
) -> None:
    present(pa)
    (tmp_path / "in").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "in" / f"{number}.csv").write_text(f"user,item,rating\n{text},1,3\n")
    store = ft.RatingStore.create(tmp_path / "a.store", tmp_path / "in")
    assert [user for user, _, _ in content(store)] == expected


def test_columns_choose_those_of_a_frame(tmp_path: Path) -> None:
    frame = present(pd).DataFrame({"a": USERS, "b": ITEMS, "c": RATINGS})
    store = ft.RatingStore.create(tmp_path / "a.store", frame, columns=("b", "a", "c"))
    assert store.users.tolist() == [10, 20]


@pytest.mark.parametrize("form", ["two arrays", "frame", "iterator of frames", "folder of CSV"])
def test_two_columns_are_interactions_that_count_1(form: str, tmp_path: Path) -> None:
    source = (USERS, ITEMS) if form == "two arrays" else SOURCES[form](tmp_path)
    names = ("userId", "movieId") if form == "folder of CSV" else ("user", "item")
    store = ft.RatingStore.create(tmp_path / "a.store", source, columns=names)
    assert content(store) == [(user, item, 1.0) for user, item, _ in EXPECTED]


def test_codes_have_two_bytes_after_256_distinct_ratings(tmp_path: Path) -> None:
    n = 1000
    ratings = np.concatenate([np.ones(n), np.arange(n)])
    columns = np.arange(2 * n) % 7, np.arange(2 * n) % 11, ratings
    store = write_store(tmp_path / "a.store", columns, chunk_ratings=n)
    chunks = store._stored.manifest.chunks
    assert [chunk.code_bytes for chunk in chunks] == [2, 2]
    parts = iter([tuple(c[:n] for c in columns), tuple(c[n:] for c in columns)])
    parted = write_store(tmp_path / "b.store", parts, chunk_ratings=n)
    assert [chunk.code_bytes for chunk in parted._stored.manifest.chunks] == [1, 2]
    for found in (store, parted):
        assert [r for _, _, r in content(found)] == ratings.tolist()


def test_too_many_distinct_ratings_have_no_codes() -> None:
    ratings = DistinctRatings(max_levels=3)
    for _ in range(2):
        codes = ratings.add(np.array([1.0, 2.0]))
        assert codes is not None
        assert codes.tolist() == [0, 1]
        assert ratings.add(np.array([3.0, 4.0])) is None
        assert ratings.add(np.arange(9.0)) is None
        assert list(ratings.code_by_value) == [1.0, 2.0]


@given(
    st.lists(st.lists(st.sampled_from([0.5, -0.0, 0.0, 1.0, 7.5]), max_size=6), max_size=5),
    st.integers(1, 4),
    st.sampled_from([np.float32, np.float64]),
)
def test_codes_and_counts_are_those_of_a_dict(
    batches: list[list[float]], max_levels: int, dtype: type[np.floating]
) -> None:
    ratings, counts = DistinctRatings(max_levels), Counter[float]()
    known: dict[float, int] = {}
    for batch in batches:
        codes = ratings.add(np.array(batch, dtype))
        every = known | {v: len(known) + n for n, v in enumerate(sorted({*batch} - {*known}))}
        assert (codes is None) == (len(every) > max_levels)
        if codes is not None:
            known = every
            counts.update(batch)
            assert codes.tolist() == [known[value] for value in batch]
        assert ratings.levels.tolist() == list(known)
        assert ratings.counts.tolist()[: len(known)] == [counts[value] for value in known]
        assert ratings.counts.sum() == counts.total()


def test_a_table_of_many_ratings_grows() -> None:
    ratings, values = DistinctRatings(), np.random.default_rng(0).permutation(2000) / 8
    for batch in np.array_split(values, 50):
        codes = ratings.add(batch)
        assert codes is not None
        assert (ratings.levels[codes] == batch).all()
    codes = ratings.add(values)
    assert codes is not None
    assert (ratings.levels[codes] == values).all()
    assert (ratings.counts[:2000] == 2).all()


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_write_the_same_files(tmp_path: Path, n_threads: int) -> None:
    generator, paths = np.random.default_rng(0), (tmp_path / "a.store", tmp_path / "b.store")
    columns = generator.integers(0, 50, (3, 1000))
    columns[2, 300:] += np.arange(700)
    for path, threads in zip(paths, (1, n_threads), strict=True):
        batches = open_batches(iter([tuple(part) for part in np.split(columns, 10, axis=1)]), None)
        ingest(path, batches, n_threads=threads, chunk_ratings=70, max_levels=400)
    files = [{file.name: file.read_bytes() for file in path.iterdir()} for path in paths]
    assert files[0] == files[1]
    manifest = ft.RatingStore(paths[1])._stored.manifest
    assert {chunk.code_bytes for chunk in manifest.chunks} == {1, 2, 0}
    assert [r for _, _, r in content(ft.RatingStore(paths[1]))] == columns[2].tolist()


def test_ratings_are_stored_as_they_are_once_too_many_are_distinct(tmp_path: Path) -> None:
    ratings = np.array([2.0, 1.0, 2.0, -0.0, 2.0, 1.0, 7.5, 1.0, -0.0, 8.5])
    columns = np.arange(10), np.arange(10) % 3, ratings
    parts = iter([tuple(c[rows] for c in columns) for rows in (slice(0, 5), slice(5, 10))])
    store = write_store(tmp_path / "a.store", parts, chunk_ratings=4, max_levels=3)
    manifest = store._stored.manifest
    assert [chunk.code_bytes for chunk in manifest.chunks] == [1, 0, 0]
    assert [r for _, _, r in content(store)] == ratings.tolist()
    assert store._stored.levels.tolist() == [0.0, 1.0, 2.0]
    assert store.rating_range == (0.0, 8.5)
    assert not (store.path / "level_counts.npy").exists()
    store.verify()
    whole = write_store(tmp_path / "b.store", columns, chunk_ratings=4, max_levels=3)
    assert [chunk.code_bytes for chunk in whole._stored.manifest.chunks] == [0, 0, 0]
    assert content(whole) == content(store)
    assert len(whole._stored.levels) == 0
    whole.verify()


def test_the_format_is_the_lowest_that_can_hold_the_ratings(tmp_path: Path) -> None:
    few = ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS))
    numbers = np.arange(65_537)
    many = ft.RatingStore.create(tmp_path / "b.store", (numbers % 7, numbers % 5, numbers))
    manifests = [Path(store.path, "store.json").read_text() for store in (few, many)]
    formats = [json.loads(manifest)["format"] for manifest in manifests]
    assert formats == [1, 2]
    assert [batch.ratings.tolist() for batch in many.batches()] == [numbers.tolist()]


@pytest.mark.parametrize(
    ("source", "error", "reason"),
    [
        (lambda: iter([]), ValueError, "there are no ratings"),
        (lambda: ([1], [2], [np.nan]), ValueError, "ratings 0 to 1 of the source: .*not finite"),
        (
            lambda: iter([([1], [2], [3]), (["a"], [2], [3])]),
            TypeError,
            "ratings 1 to 2 of the source: users hold 'a'",
        ),
        (lambda: iter([5]), TypeError, "batch 0 of the source: got int"),
        (lambda: object(), TypeError, "got object; expected a DataFrame"),
    ],
)
def test_after_an_error_nothing_is_left(
    tmp_path: Path, source: Any, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        ft.RatingStore.create(tmp_path / "a.store", source())
    assert not list(tmp_path.iterdir())


def test_an_existing_path_stays(tmp_path: Path) -> None:
    (tmp_path / "a.store").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.store' exists; delete it first"):
        ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS))
    assert (tmp_path / "a.store").read_text() == "mine"


def test_another_folder_where_the_store_is_written_stays(tmp_path: Path) -> None:
    (tmp_path / "a.store.partial").mkdir()
    (tmp_path / "a.store.partial" / "letter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not an unfinished store; move it"):
        ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS))
    assert (tmp_path / "a.store.partial" / "letter.txt").read_text() == "mine"


def test_other_files_beside_a_lock_stay(tmp_path: Path) -> None:
    """Regression: every file of a folder with a lock was deleted."""
    partial = tmp_path / "a.store.partial"
    partial.mkdir()
    for name in (LOCK, "levels.npy", "letter.txt"):
        (partial / name).write_text("mine")
    with pytest.raises(FileExistsError, match="is not an unfinished store; move it"):
        ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS))
    assert len(list(partial.iterdir())) == 3
    (partial / "letter.txt").unlink()
    ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS)).verify()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*missing"):
        ft.RatingStore.create(tmp_path / "missing" / "a.store", (USERS, ITEMS, RATINGS))


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("chunk_ratings", [2, 100])
@pytest.mark.parametrize("function", ["write_array", "flush_to_disk"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_threads: int,
    chunk_ratings: int,
    function: str,
) -> None:
    def fail(path: Path, *_: Any) -> int:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    for module in ("chunk_writer", "write_folder"):
        monkeypatch.setattr(f"factorate._store.{module}.{function}", fail, raising=False)
    batches = open_batches((USERS, ITEMS, RATINGS), None)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.store") as caught:
        ingest(tmp_path / "a.store", batches, n_threads=n_threads, chunk_ratings=chunk_ratings)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move open files")
def test_a_lock_that_was_removed_is_no_lock(tmp_path: Path) -> None:
    """Regression: a call that waited for another one to end replaced its store."""
    path, partial = tmp_path / "a.store", tmp_path / "a.store.partial"
    with write_folder(path):
        (partial / "levels.npy").write_bytes(b"first")
        lock = (partial / LOCK).open("ab")
    with lock, pytest.raises(FileExistsError, match="another process is writing"):
        _lock(lock.fileno(), partial)
    assert [file.name for file in path.iterdir()] == ["levels.npy"]


def test_the_path_is_checked_again_under_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.store"

    def lock(descriptor: int, folder: Path) -> None:
        path.mkdir()
        (path / "levels.npy").write_bytes(b"first")
        _lock(descriptor, folder)

    monkeypatch.setattr("factorate._store.write_folder._lock", lock)
    with pytest.raises(FileExistsError, match=r"a\.store' exists; delete it first"):
        ft.RatingStore.create(path, (USERS, ITEMS, RATINGS))
    assert list(tmp_path.iterdir()) == [path]
    assert (path / "levels.npy").read_bytes() == b"first"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move locked files")
def test_the_lock_is_kept_until_the_store_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def rename_locked(folder: Path, target: Path) -> Path:
        with (folder / LOCK).open("ab") as file, pytest.raises(FileExistsError):
            _lock(file.fileno(), folder)
        return rename(folder, target)

    monkeypatch.setattr(Path, "rename", rename_locked)
    store = ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS))
    assert not (Path(store.path) / LOCK).exists()


def test_the_lock_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def locking(_: int, mode: int, n_bytes: int) -> None:
        calls.append((mode, n_bytes))
        if len(calls) == 2:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
    with write_folder(tmp_path / "a.store"):
        with pytest.raises(FileExistsError, match="another process is writing"):
            ft.RatingStore.create(tmp_path / "a.store", (USERS, ITEMS, RATINGS))
        assert (tmp_path / "a.store.partial").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a.store"]
    assert calls == [(2, 1)] * 2


KILLED = """
import pathlib, sys, time
import factorate as ft
from factorate._store.batches import open_batches
from factorate._store.ingest import ingest

def batches():
    for number in range(10**6):
        yield [1, 2, 3], [4, 5, 6], [1, 2, number % 5]
        if number == 3:
            print("ready", flush=True)
            time.sleep(60)

path = pathlib.Path(sys.argv[1])
ingest(path, open_batches(batches(), None), chunk_ratings=2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_after_a_kill_the_next_call_starts_again(tmp_path: Path) -> None:
    path, partial = tmp_path / "a.store", tmp_path / "a.store.partial"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert not path.exists()
        with pytest.raises(FileExistsError, match="another process is writing"):
            ft.RatingStore.create(path, (USERS, ITEMS, RATINGS))
        assert len(list(partial.glob("ratings-*.npy"))) == 6
        process.send_signal(signal.SIGKILL)
    assert partial.exists()
    assert not path.exists()
    store = ft.RatingStore.create(path, (USERS, ITEMS, RATINGS))
    assert content(store) == EXPECTED
    assert not partial.exists()
    assert sorted(p.name for p in path.glob("ratings-*")) == ["ratings-000000.npy"]
    store.verify()
