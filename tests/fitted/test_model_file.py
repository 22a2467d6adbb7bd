"""Models come back from files as they were, or not at all."""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
import mmap
import os
import pickle
import subprocess
import sys
import types
import uuid
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd

import factorate as ft
from factorate._fitted import archive
from factorate._fitted import model_file as storage

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


def test_flags_of_numpy_are_saved_as_flags(tmp_path: Path) -> None:
    """They became the text "bool", which is true."""
    model = small(clip=np.bool_(False), keep_seen=np.bool_(True))
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.clip is False
    assert again.keep_seen is True


def test_mappings_that_are_no_dicts_are_saved(tmp_path: Path) -> None:
    """A model was fitted with them, and could not be saved."""
    rates = types.MappingProxyType({"factors": np.float32(0.25), "biases": Fraction(1, 8)})
    model = small(learning_rate=rates, regularization=types.MappingProxyType({"user_bias": 1}))
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.learning_rate == {"factors": 0.25, "biases": 0.125}
    assert again.regularization == {"user_bias": 1}


@pytest.mark.parametrize("value", [np.datetime64("2020-01-01"), np.dtype("int8"), object(), b"no"])
def test_a_parameter_that_no_file_can_hold_is_named(value: Any, tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()
    model.set_params(learning_rate={"factors": value})
    with pytest.raises(TypeError, match=r"learning_rate\['factors'\] is .*a file cannot hold"):
        model.save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == before


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_loaded_model_goes_on_as_the_saved_one_would(
    mmap: bool, schedule: str, tmp_path: Path
) -> None:
    model = small(["a", "b", "c"], learning_rate_schedule=schedule)
    model.partial_fit((["b", "d"], ["y", "z"], [3.0, 1.0])).save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=mmap)
    for one in (model, again):
        one.partial_fit((["d", "e"], ["x", "z"], [2.0, 5.0]))
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    for got, expected in zip(again.recommend(n=3), model.recommend(n=3), strict=True):
        np.testing.assert_array_equal(got, expected)
    model.save(tmp_path / "one.npz")
    again.save(tmp_path / "other.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


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
    meta, arrays = archive.read(path, storage.FORMAT, lambda *_: False)
    arrays[name] = np.array(values, arrays[name].dtype)
    archive.write(path, meta, arrays)
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


def test_columns_that_load_would_refuse_are_not_saved(tmp_path: Path) -> None:
    """They were, and made a file that was said to be damaged."""
    with pytest.raises(ValueError, match="columns is 3; expected names"):
        small().set_params(columns=3).save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


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
        assert json.loads(members[archive.META])["format"] == storage.FORMAT
        assert "allow_pickle" not in members.files
    with zipfile.ZipFile(tmp_path / "model.npz") as members:
        assert {info.compress_type for info in members.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "a.npz")
    model.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_an_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        ft.load(tmp_path / "absent.npz")
    path = tmp_path / "absent" / "model.npz"
    with pytest.raises(FileNotFoundError) as caught:
        small().save(path)
    assert caught.value.filename == str(path)  # not that of a file on the side
    with pytest.raises(IsADirectoryError, match="is a folder"):
        small().save(tmp_path)


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


def test_parameters_of_a_later_version_ask_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    meta, arrays = archive.read(path, storage.FORMAT, lambda *_: False)
    meta["parameters"]["momentum"] = 0.9
    archive.write(path, meta, arrays)
    with pytest.raises(ft.ModelFileError, match=r"does not know \(momentum\): upgrade"):
        ft.load(path)


# Fewer digits


def test_float16_halves_the_file_and_is_computed_in_float32(tmp_path: Path) -> None:
    ratings = ft.datasets.synthetic(5000, 200, 100)
    model = ft.MatrixFactorization(64, 5, random_state=0, keep_seen=False).fit(ratings)
    model.save(tmp_path / "whole.npz")
    model.save(tmp_path / "half.npz", dtype="float16")
    whole, half = ((tmp_path / name).stat().st_size for name in ("whole.npz", "half.npz"))
    assert half < 0.6 * whole
    again = ft.load(tmp_path / "half.npz")
    assert again.user_factors_.dtype == again.item_bias_.dtype == np.float32
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        np.testing.assert_allclose(getattr(again, name), getattr(model, name), 2**-11, 2**-25)
    assert again.evaluate(ratings)["rmse"] == pytest.approx(model.evaluate(ratings)["rmse"], 1e-4)


def test_float64_can_be_saved_as_float32(tmp_path: Path) -> None:
    model = small(dtype="float64")
    model.save(tmp_path / "model.npz", dtype="float32")
    again = ft.load(tmp_path / "model.npz")
    assert again.dtype == again.user_factors_.dtype == "float32"
    np.testing.assert_array_equal(again.user_factors_, model.user_factors_.astype(np.float32))


@pytest.mark.parametrize("factor", [1e9, 1e-9])
def test_what_float16_cannot_hold_is_refused(factor: float, tmp_path: Path) -> None:
    users, items, ratings = [0, 1, 2], [0, 1, 0], np.array([1.0, 2.0, 4.0])
    model = ft.MatrixFactorization(2, random_state=0).fit((users, items, factor * ratings))
    with pytest.raises(ValueError, match=r"largest is .*, cannot be held in float16.*to 6.55e\+04"):
        model.save(tmp_path / "model.npz", dtype="float16")
    assert not list(tmp_path.iterdir())


def test_another_dtype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dtype is 'int8'; expected None, 'float32' or 'float16'"):
        small().save(tmp_path / "model.npz", dtype="int8")


# Mapped models


def mapped(array: np.ndarray[Any, Any]) -> bool:
    return isinstance(array.base, mmap.mmap)


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
def test_a_mapped_model_is_the_same_and_shares_its_memory(tmp_path: Path, dtype: str) -> None:
    model = small(dtype=dtype)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=True)
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        array = getattr(again, name)
        np.testing.assert_array_equal(array, getattr(model, name))
        assert mapped(array)
        assert array.ctypes.data % archive.ALIGNMENT == 0
        assert not array.flags.writeable
    np.testing.assert_array_equal(again.complete(), model.complete())
    assert not mapped(again.users_)


def test_a_mapped_model_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    again = ft.load(path, mmap=True)
    expected = again.complete()
    if os.name != "nt":
        small([7, 8, 9]).save(path)
        path.unlink()
    np.testing.assert_array_equal(again.complete(), expected)


def test_a_mapped_model_can_be_saved_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    before = path.read_bytes()
    again = ft.load(path, mmap=True)
    if os.name == "nt":
        with pytest.raises(PermissionError, match="while a model is mapped from it"):
            again.save(path)
    else:
        again.save(path)
    assert path.read_bytes() == before


def test_float16_is_not_mapped(tmp_path: Path) -> None:
    small().save(tmp_path / "model.npz", dtype="float16")
    again = ft.load(tmp_path / "model.npz", mmap=True)
    assert not mapped(again.user_factors_)
    assert again.user_factors_.dtype == np.float32


# Other ways to carry a model


@pytest.mark.parametrize("kept", ["fitted", "loaded", "mapped"])
@pytest.mark.parametrize("way", ["pickle", "joblib", "deepcopy"])
def test_other_ways_to_carry_a_model(way: str, kept: str, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    model = small(["b", "", "ü"])
    if kept != "fitted":
        model.save(tmp_path / "model.npz")
        model = ft.load(tmp_path / "model.npz", mmap=kept == "mapped")
    if way == "pickle":
        again = pickle.loads(pickle.dumps(model))  # noqa: S301
    elif way == "joblib":
        joblib.dump(model, tmp_path / "model.joblib")
        again = joblib.load(tmp_path / "model.joblib")
    else:
        again = copy.deepcopy(model)
    assert again.get_params() == model.get_params()
    assert again.users_.tolist() == model.users_.tolist()
    np.testing.assert_array_equal(again.complete(), model.complete())
    assert not again.user_factors_.flags.writeable
    again.save(tmp_path / "again.npz")
    model.save(tmp_path / "model again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "model again.npz").read_bytes()


# Hostile files


def forge(path: Path, meta: dict[str, Any], members: dict[str, bytes]) -> None:
    """Write a file as `save` does, every member aligned, with any content."""
    with path.open("wb") as file, zipfile.ZipFile(file, "w") as target:
        target.writestr(zipfile.ZipInfo(archive.META, archive.EARLIEST), json.dumps(meta))
        for name, content in members.items():
            member = zipfile.ZipInfo(name, archive.EARLIEST)
            member.extra = archive._padding(file.tell(), name)
            with target.open(member, "w", force_zip64=True) as out:
                out.write(content)


def members_of(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    return json.loads(parts.pop(archive.META)), parts


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("descr", ["|O", "|V0", "|S0", "<U0", "<c8", "|V4"])
def test_arrays_in_a_file_are_numbers(descr: str, mapped: bool, tmp_path: Path) -> None:
    """Regression: an object array that header and metadata agreed on was mapped over the file, so
    that its bytes were followed as pointers.
    """
    path = tmp_path / "model.npz"
    small().save(path)
    meta, members = members_of(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": descr, "fortran_order": False, "shape": (3, 3)}
    )
    size = np.dtype(descr).itemsize
    meta["arrays"]["user_factors"] = [descr, [3, 3]]
    members["user_factors.npy"] = header.getvalue() + b"A" * 9 * size
    forge(path, meta, members)
    with pytest.raises(ft.ModelFileError, match="user_factors has dtype"):
        ft.load(path, mmap=mapped)


def test_no_module_is_imported_that_a_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: `complete` imported whatever the file called the library of DataFrames."""
    (tmp_path / "evil.py").write_text("raise SystemExit('code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "model.npz"
    small().save(path)
    meta, members = members_of(path)
    meta["library"] = "evil"
    forge(path, meta, members)
    with pytest.raises(ft.ModelFileError, match="'evil' is not a library of DataFrames"):
        ft.load(path)
    assert "evil" not in sys.modules
