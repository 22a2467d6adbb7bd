"""Damage of a store is found, and the error names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import write_store

import factorate as ft
from factorate._store.array_files import write_array
from factorate._store.manifest import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = (
    "ratings-000000.npy",
    "ratings-000002.npy",
    "user_ids.npy",
    "user_id_ends.npy",
    "item_ids.npy",
    "user_rows.npy",
    "item_rows.npy",
    "user_counts.npy",
    "item_counts.npy",
    "levels.npy",
    "level_counts.npy",
)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)
    users = generator.permutation(40)[generator.integers(0, 40, 300)]
    texts = np.array([f"user {number}" for number in users], object)
    items, ratings = generator.integers(0, 30, 300), generator.integers(1, 11, 300) / 2
    path = tmp_path_factory.mktemp("stores") / "a.store"
    write_store(path, (texts, items, ratings), chunk_ratings=100)
    return path


@pytest.fixture
def path(intact: Path, tmp_path: Path) -> Path:
    shutil.copytree(intact, tmp_path / "a.store")
    return tmp_path / "a.store"


def test_an_intact_store_is_verified(intact: Path) -> None:
    ft.RatingStore(intact).verify()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found(path: Path, name: str) -> None:
    content = bytearray((path / name).read_bytes())
    content[-3] ^= 16
    (path / name).write_bytes(content)
    with pytest.raises(ft.RatingStoreError, match=rf"{name} is damaged: its checksum"):
        ft.RatingStore(path).verify()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(path: Path, name: str) -> None:
    (path / name).unlink()
    with pytest.raises(ft.RatingStoreError, match=rf"{name} is damaged: it is missing"):
        ft.RatingStore(path).verify()


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_short_is_found(path: Path, name: str) -> None:
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ft.RatingStoreError, match=rf"{name} is damaged: its checksum"):
        ft.RatingStore(path).verify()


def test_a_fit_stops_at_a_damaged_file_and_keeps_the_old_model(path: Path) -> None:
    model = ft.MatrixFactorization(2, random_state=0).fit(ft.RatingStore(path))
    before = model.user_factors_.copy()
    (path / FILES[1]).write_bytes(b"damaged")
    with pytest.raises(ft.RatingStoreError, match=f"{FILES[1]} is damaged"):
        model.fit(ft.RatingStore(path))
    assert (model.user_factors_ == before).all()


def replace_array(path: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change an array of a store, and its checksum in the manifest."""
    manifest = json.loads((path / NAME).read_text())
    checksum = write_array(path / f"{name}.npy", change(np.load(path / f"{name}.npy")))
    if name.startswith("ratings-"):
        manifest["chunks"][int(name[-6:])]["checksum"] = checksum
    else:
        manifest["checksums"][name] = checksum
    (path / NAME).write_text(json.dumps(manifest))


def with_first(value: Any) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[0] = value
        return array

    return change


def field_with_first(field: str, value: float) -> Callable[[Any], Any]:
    def change(records: Any) -> Any:
        records[field][0] = value
        return records

    return change


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("ratings-000001", field_with_first("user", 40), "a user is outside 0…39"),
        ("ratings-000001", field_with_first("item", -1), "a item is outside 0…29"),
        ("ratings-000001", field_with_first("code", 10), "a code is outside 0…9"),
        ("ratings-000001", lambda array: array[:-1], r"it has shape \(99,\)"),
        # NumPy names the dtypes of the files <i4 and <i8 on big-endian machines.
        ("ratings-000001", lambda array: array["user"], "dtype (int32|<i4); expected"),
        ("user_rows", with_first(40), "a row is outside 0…39"),
        ("item_rows", lambda array: array.astype("i8"), "dtype (int64|<i8); expected"),
        ("item_counts", with_first(0), "not those of 300 ratings"),
        ("level_counts", with_first(1), "not those of 300 ratings"),
        ("levels", with_first(np.nan), "not distinct finite numbers"),
        ("levels", with_first(1e9), "store.json is damaged: its range is not that of the ratings"),
        ("item_ids", lambda array: np.zeros_like(array), "item_ids has an id twice"),
        ("user_id_ends", with_first(-1), "user_id_ends does not cut user_ids into ids"),
        ("user_counts", lambda array: array[::-1], "not those of the ratings"),
    ],
)
def test_wrong_content_with_the_right_checksum_is_found(
    path: Path, name: str, change: Callable[[Any], Any], reason: str
) -> None:
    replace_array(path, name, change)
    with pytest.raises(ft.RatingStoreError, match=reason):
        ft.RatingStore(path).verify()


@pytest.fixture
def without_codes(tmp_path: Path) -> Path:
    """Write a store whose first file has codes, and whose others have ratings."""
    ratings = np.arange(300) / 4
    ratings[:150] = 1
    columns = np.arange(300) % 40, np.arange(300) % 30, ratings
    parts = (tuple(c[rows] for c in columns) for rows in (slice(0, 150), slice(150, 300)))
    write_store(tmp_path / "a.store", parts, chunk_ratings=100, max_levels=9)
    ft.RatingStore(tmp_path / "a.store").verify()
    return tmp_path / "a.store"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("ratings-000000", field_with_first("code", 1), "a code is outside 0…0"),
        ("ratings-000001", field_with_first("rating", np.nan), "a rating is outside 1.0…74.75"),
        ("ratings-000001", field_with_first("rating", np.inf), "a rating is outside 1.0…74.75"),
        ("ratings-000002", field_with_first("rating", 0.5), "a rating is outside 1.0…74.75"),
        ("ratings-000002", field_with_first("user", 40), "a user is outside 0…39"),
        ("ratings-000002", lambda records: records[["user", "item"]], "expected shape"),
        ("levels", with_first(np.nan), "not distinct finite numbers"),
        ("levels", with_first(1e9), "its range is not that of the ratings"),
    ],
)
def test_damage_of_ratings_without_codes_is_found(
    without_codes: Path, name: str, change: Callable[[Any], Any], reason: str
) -> None:
    replace_array(without_codes, name, change)
    with pytest.raises(ft.RatingStoreError, match=reason):
        ft.RatingStore(without_codes).verify()


@pytest.mark.parametrize("name", ["ratings-000001.npy", "levels.npy"])
def test_a_changed_byte_of_ratings_without_codes_is_found(without_codes: Path, name: str) -> None:
    content = bytearray((without_codes / name).read_bytes())
    content[-3] ^= 16
    (without_codes / name).write_bytes(content)
    with pytest.raises(ft.RatingStoreError, match=rf"{name} is damaged: its checksum"):
        ft.RatingStore(without_codes).verify()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 3}, "has format 3; this version reads up to 2: upgrade factorate"),
        ({"format": 0}, "format is 0; expected an integer"),
        ({"format": "1"}, "format is '1'; expected an integer"),
        ({"format": True}, "format is True; expected an integer"),
        ({"n_users": 0}, "numbers of users and items: 0; expected an integer from 1"),
        ({"n_levels": 2.0}, "n_levels: 2.0; expected an integer"),
        ({"n_levels": 0}, "n_levels: 0; expected an integer from 1"),
        ({"chunks": []}, "expected two sides and at least one chunk"),
        ({"chunks": [{"n_ratings": 1}]}, "missing 2 required"),
        ({"chunks": 5}, "not iterable"),
        ({"id_kinds": ["str", "float"]}, "id_kinds are"),
        ({"checksums": {"levels": 1}}, "checksums are of"),
        ({"columns": ["a"]}, "columns are not two names"),
        ({"maximum": -5.0}, "the range of ratings is not finite"),
        ({"more": 1}, "unexpected keyword argument 'more'"),
    ],
)
def test_a_wrong_manifest_is_rejected(path: Path, change: dict[str, Any], reason: str) -> None:
    manifest = json.loads((path / NAME).read_text())
    (path / NAME).write_text(json.dumps(manifest | change))
    with pytest.raises(ft.RatingStoreError, match=reason):
        ft.RatingStore(path)


@given(where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_manifest_gives_an_error_or_the_same_ratings(
    intact: Path, tmp_path_factory: pytest.TempPathFactory, where: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("changed") / "a.store"
    shutil.copytree(intact, path)
    content = bytearray((path / NAME).read_bytes())
    content[where % len(content)] ^= 1 << bit
    (path / NAME).write_bytes(content)
    expected = next(ft.RatingStore(intact).batches())
    try:
        store = ft.RatingStore(path)
        store.verify()
    except ft.RatingStoreError:
        return
    assert (next(store.batches()).users == expected.users).all()


def test_a_folder_that_is_no_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(ft.RatingStoreError, match=r"has no store\.json; RatingStore\.create"):
        ft.RatingStore(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        ft.RatingStore(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(ft.RatingStoreError, match="file is not a store of ratings"):
        ft.RatingStore(tmp_path / "file")
