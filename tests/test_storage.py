"""Models come back from files as they were, or not at all."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import uuid
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import factorate as ft
from factorate import storage

IDS: dict[str, list[Any]] = {
    "integer": [3, -1, 2**40],
    "large integer": [3, 2**70, -5],
    "bool": [True, False, True],
    "str": ["b", "", "ü\ud800"],
    "bytes": [b"b", b"", b"\xff\x00"],
    "UUID": [uuid.UUID(int=n) for n in (5, 1, 2)],
    "datetime": [dt.datetime(2020, 1, n) for n in (3, 1, 2)],
    "zoned": [dt.datetime(2020, 1, n, tzinfo=dt.UTC) for n in (3, 1, 2)],
    "date": [dt.date(2020, 1, n) for n in (3, 1, 2)],
}


def small(users: Any = (0, 1, 2), **parameters: Any) -> ft.MatrixFactorization:
    chosen: dict[str, Any] = {"n_factors": 3, "n_epochs": 2, "random_state": 1} | parameters
    return ft.MatrixFactorization(**chosen).fit((list(users), ["x", "y", "x"], [1.0, 2.0, 4.0]))


@pytest.mark.parametrize("kind", IDS)
def test_everything_comes_back(kind: str, tmp_path: Path, dtype: str) -> None:
    model = small(IDS[kind], dtype=dtype)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.get_params() == model.get_params()
    assert again.users_.tolist() == model.users_.tolist()
    assert again.items_.tolist() == model.items_.tolist()
    assert again.users_.dtype == model.users_.dtype
    pairs = IDS[kind], ["x", "x", "y"]
    np.testing.assert_array_equal(again.predict(pairs), model.predict(pairs))
    assert again.predict(pairs).dtype == dtype
    assert again.global_mean_ == model.global_mean_
    for got, kept in zip(vars(again._fitted.seen).values(), vars(model._fitted.seen).values(),
                         strict=True):  # fmt: skip
        np.testing.assert_array_equal(got, kept)
    for name, column in model.history_.items():
        np.testing.assert_array_equal(again.history_[name], column)
    with pytest.raises(ValueError, match="read-only"):
        again.user_factors_[0] = 0


def test_seen_items_that_were_not_kept_are_not_in_the_file(tmp_path: Path) -> None:
    small(keep_seen=False).save(tmp_path / "model.npz")
    assert ft.load(tmp_path / "model.npz")._fitted.seen is None
    with np.load(tmp_path / "model.npz") as members:
        assert not [name for name in members.files if "seen" in name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seen_starts", [0, 1, 2]),
        ("seen_starts", [1, 1, 2, 3]),
        ("seen_starts", [0, 2, 1, 3]),
        ("seen_starts", [0, 1, 2, 4]),
        ("seen_items", [0, 1, 2]),
        ("seen_items", [0, 1, -1]),
    ],
)
def test_seen_items_that_are_no_rows_are_refused(
    name: str, values: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    with np.load(path) as members:
        arrays = {member: members[member] for member in members.files if member != storage.META}
        meta = members[storage.META]
    arrays[name] = np.array(values, arrays[name].dtype)
    np.savez(path, allow_pickle=False, **arrays)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(storage.META, meta)
    with pytest.raises(ft.ModelFileError, match="its seen items"):
        ft.load(path)


def test_parameters_of_any_spelling_come_back(tmp_path: Path) -> None:
    model = small(
        n_factors=np.int64(3), dtype=np.float32, columns=("u", "i", "r"),
        learning_rate=Fraction(1, 64),
    )  # fmt: skip
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.get_params() == model.get_params() | {"dtype": "float32"}
    small(random_state=np.random.default_rng(0)).save(tmp_path / "model.npz")
    assert ft.load(tmp_path / "model.npz").random_state is None


def test_a_model_of_a_frame_still_completes_to_one(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]})
    ft.MatrixFactorization(2, random_state=0).fit(frame).save(tmp_path / "model.npz")
    assert isinstance(ft.load(tmp_path / "model.npz").complete(), pd.DataFrame)
    code = "import sys, factorate; print(factorate.load(sys.argv[1]).complete().shape)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.npz")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "(2, 2)\n"


def test_numpy_opens_the_file_without_pickle(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as members:
        np.testing.assert_array_equal(members["user_factors"], model.user_factors_)
        assert json.loads(members[storage.META])["format"] == storage.FORMAT
        assert "allow_pickle" not in members.files
    with zipfile.ZipFile(tmp_path / "model.npz") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "a.npz")
    model.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failed_save_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        small([7, 8, 9]).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


def test_an_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        ft.load(tmp_path / "absent.npz")
    with pytest.raises(FileNotFoundError):
        small().save(tmp_path / "absent" / "model.npz")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        small().save(tmp_path)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    for content in (b"", b"user,item\n1,2\n", b"\x93NUMPY" * 9):
        path.write_bytes(content)
        with pytest.raises(ft.ModelFileError, match="is not a model"):
            ft.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ft.ModelFileError, match="not a model of factorate"):
        ft.load(path)


def test_a_file_cut_short_or_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    model = small()
    model.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ft.ModelFileError):
            ft.load(path)
    expected = model.complete()
    for position in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            again = ft.load(path)
        except ft.ModelFileError:
            continue
        # A few bytes of a zip, such as time stamps, mean nothing.
        np.testing.assert_array_equal(again.complete(), expected)


def test_a_later_format_asks_for_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "FORMAT", storage.FORMAT + 1)
        small().save(tmp_path / "model.npz")
    with pytest.raises(
        ft.ModelFileError, match="has format 2; this version reads up to 1: upgrade"
    ):
        ft.load(tmp_path / "model.npz")
