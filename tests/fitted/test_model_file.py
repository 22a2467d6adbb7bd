"""Models are loaded as they were saved, and other files are rejected."""

from __future__ import annotations

import copy
import datetime as dt
import json
import mmap
import os
import pickle
import subprocess
import sys
import tracemalloc
import types
import uuid
import zipfile
import zoneinfo
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hostile_models import generate, npy, npy_header, read_members, valid_models, write_members
from optional import pandas as pd

import factorate as ft
from factorate._fitted.model_file import NEWEST
from factorate._fitted.model_metadata import FORMAT
from factorate._fitted.npz_archive import METADATA
from factorate._utils.aligned import ALIGNMENT

if TYPE_CHECKING:
    from collections.abc import Callable

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
def test_a_loaded_model_equals_the_saved_one(kind: str, tmp_path: Path, dtype: str) -> None:
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
    for got, kept in zip(
        vars(again._fitted.seen).values(), vars(model._fitted.seen).values(), strict=True
    ):
        np.testing.assert_array_equal(got, kept)
    for name, column in model.history_.items():
        np.testing.assert_array_equal(again.history_[name], column)
    with pytest.raises(ValueError, match="read-only"):
        again.user_factors_[0] = 0


def test_bools_of_numpy_are_saved_as_bools(tmp_path: Path) -> None:
    """Regression: NumPy's False is not saved as a text, which is true."""
    model = small(clip=np.bool_(False), keep_seen=np.bool_(True))
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.clip is False
    assert again.keep_seen is True


def test_other_mappings_than_dicts_are_saved(tmp_path: Path) -> None:
    rates = types.MappingProxyType({"factors": np.float32(0.25), "biases": Fraction(1, 8)})
    model = small(learning_rate=rates, regularization=types.MappingProxyType({"user_bias": 1}))
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.learning_rate == {"factors": 0.25, "biases": 0.125}
    assert again.regularization == {"user_bias": 1}


@pytest.mark.parametrize("value", [np.datetime64("2020-01-01"), np.dtype("int8"), object(), b"no"])
def test_save_names_a_parameter_that_a_file_cannot_hold(value: Any, tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "model.npz")
    before = (tmp_path / "model.npz").read_bytes()
    model.set_params(learning_rate={"factors": value})
    with pytest.raises(TypeError, match=r"learning_rate\['factors'\] is .*a file cannot hold"):
        model.save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == before


@pytest.mark.parametrize("schedule", ["linear", "adagrad"])
@pytest.mark.parametrize("mmap", [False, True])
def test_a_loaded_model_continues_as_the_saved_one(
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


def test_seen_items_are_saved_only_with_keep_seen(tmp_path: Path) -> None:
    small(keep_seen=False).save(tmp_path / "model.npz")
    assert ft.load(tmp_path / "model.npz")._fitted.seen is None
    with np.load(tmp_path / "model.npz") as members:
        assert not [name for name in members.files if "seen" in name]


def test_parameters_of_every_type_are_restored(tmp_path: Path) -> None:
    model = small(
        n_factors=np.int64(3),
        dtype=np.float32,
        columns=("u", "i", "r"),
        learning_rate=Fraction(1, 64),
    )
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz")
    assert again.get_params() == model.get_params() | {"dtype": "float32"}
    small(random_state=np.random.default_rng(0)).save(tmp_path / "model.npz")
    assert ft.load(tmp_path / "model.npz").random_state is None


@pytest.mark.parametrize("change", [{"patience": 0}, {"learning_rate": -1}, {"loss": "cubic"}])
def test_save_rejects_parameters_that_load_would_reject(
    change: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        small().set_params(**change).save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_save_rejects_columns_that_load_would_reject(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="columns is 3; expected names"):
        small().set_params(columns=3).save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_a_loaded_model_of_a_frame_completes_to_a_frame(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1.0, 2.0]})
    ft.MatrixFactorization(2, random_state=0).fit(frame).save(tmp_path / "model.npz")
    assert isinstance(ft.load(tmp_path / "model.npz").complete(), pd.DataFrame)
    code = "import sys, factorate; print(factorate.load(sys.argv[1]).complete().shape)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.npz")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "(2, 2)\n"


def test_numpy_opens_the_file_without_pickle(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as members:
        np.testing.assert_array_equal(members["user_factors"], model.user_factors_)
        assert json.loads(members[METADATA])["format"] == FORMAT
        assert "allow_pickle" not in members.files
    with zipfile.ZipFile(tmp_path / "model.npz") as members:
        assert {info.compress_type for info in members.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "a.npz")
    model.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_missing_file_or_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        ft.load(tmp_path / "absent.npz")
    path = tmp_path / "absent" / "model.npz"
    with pytest.raises(FileNotFoundError) as caught:
        small().save(path)
    assert caught.value.filename == str(path)  # not that of a file on the side
    with pytest.raises(IsADirectoryError, match="is a folder"):
        small().save(tmp_path)


def test_a_later_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    change_metadata(path, lambda metadata: metadata | {"format": NEWEST + 1, "new": 0})
    with pytest.raises(
        ft.ModelFileError, match="has format 3; this version reads up to 2: upgrade"
    ):
        ft.load(path)


def test_parameters_of_a_later_version_ask_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    change_metadata(path, lambda metadata: change(metadata, ("parameters", "momentum"), 0.9))
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
def test_save_rejects_factors_that_float16_cannot_hold(factor: float, tmp_path: Path) -> None:
    users, items, ratings = [0, 1, 2], [0, 1, 0], np.array([1.0, 2.0, 4.0])
    model = ft.MatrixFactorization(2, random_state=0).fit((users, items, factor * ratings))
    with pytest.raises(ValueError, match=r"the largest of .*float16 can hold .*to 6.55e\+04"):
        model.save(tmp_path / "model.npz", dtype="float16")
    assert not list(tmp_path.iterdir())


def test_save_rejects_other_dtypes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dtype is 'int8'; expected None, 'float32' or 'float16'"):
        small().save(tmp_path / "model.npz", dtype="int8")


# Mapped models


def mapped(array: np.ndarray[Any, Any]) -> bool:
    return isinstance(array.base, mmap.mmap)


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
def test_a_mapped_model_equals_the_saved_one_and_uses_the_file(tmp_path: Path, dtype: str) -> None:
    model = small(dtype=dtype)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=True)
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_"):
        array = getattr(again, name)
        np.testing.assert_array_equal(array, getattr(model, name))
        assert mapped(array)
        assert array.ctypes.data % ALIGNMENT == 0
        assert not array.flags.writeable
    np.testing.assert_array_equal(again.complete(), model.complete())
    assert not mapped(again.users_)


def test_a_mapped_model_works_after_its_file_is_deleted(tmp_path: Path) -> None:
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


# Pickle, joblib and copies


@pytest.mark.parametrize("source", ["fitted", "loaded", "mapped"])
@pytest.mark.parametrize("method", ["pickle", "joblib", "deepcopy"])
def test_pickles_and_copies_equal_the_model(method: str, source: str, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    model = small(["b", "", "ü"])
    if source != "fitted":
        model.save(tmp_path / "model.npz")
        model = ft.load(tmp_path / "model.npz", mmap=source == "mapped")
    if method == "pickle":
        again = pickle.loads(pickle.dumps(model))  # noqa: S301
    elif method == "joblib":
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


# Datetimes with zones


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
SUMMER = dt.datetime(2023, 10, 29, 2, 30, tzinfo=BERLIN)  # this hour is repeated
CHANGES = [SUMMER, SUMMER.replace(fold=1), dt.datetime(2023, 3, 26, 2, 30, tzinfo=BERLIN)]


@pytest.mark.parametrize("mmap", [False, True])
def test_datetimes_at_a_change_of_clocks_are_known_after_load(mmap: bool, tmp_path: Path) -> None:
    """Regression: a datetime in these hours is unequal to the same instant in another zone."""
    model = small(CHANGES)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=mmap)
    assert len(again.users_) == 3
    assert again.users_.tolist() == [
        value.astimezone(dt.UTC) for value in sorted(CHANGES, key=lambda value: value.timestamp())
    ]
    pairs = CHANGES, ["x", "y", "x"]
    np.testing.assert_array_equal(again.predict(pairs), model.predict(pairs))
    in_utc = [value.astimezone(dt.UTC) for value in CHANGES]
    np.testing.assert_array_equal(again.predict((in_utc, pairs[1])), model.predict(pairs))


def test_nanoseconds_with_a_zone_are_not_rounded(tmp_path: Path) -> None:
    users = [pd.Timestamp(1_000_000_000 + n, tz="UTC") for n in range(3)]
    with pytest.raises(ValueError, match="has nanoseconds, which a file holds only without a"):
        small(users).save(tmp_path / "model.npz")


# Hostile files


def change_metadata(path: Path, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    members = read_members(path)
    members[METADATA] = json.dumps(changed(json.loads(members[METADATA]))).encode()
    write_members(path, members)


def change(metadata: dict[str, Any], keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return metadata with one value replaced, or without its key where the value is `REMOVED`."""
    inner = metadata
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    if value is REMOVED:
        del inner[keys[-1]]
    return metadata


REMOVED = object()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("scale",), 0, "scale is 0; expected a finite number > 0"),
        (("scale",), "1", "scale is '1'"),
        (("mean",), 10**400, "mean is .* expected a finite number"),
        (("mean",), True, "mean is True"),
        (("mean",), REMOVED, "factorate.json has no 'mean'"),
        (("extra",), 1, "factorate.json has 'extra', which is not a valid key"),
        (("seed",), -1, "seed is -1"),
        (("seed",), 0.5, "seed is 0.5"),
        (("n_partial_fits",), 2**63, "n_partial_fits is"),
        (("best_epoch",), 3, "best_epoch is 3 of 2 epochs"),
        (("best_epoch",), None, "best_epoch is None"),
        (("bounds",), [5.0, 1.0], "expected the minimum rating first"),
        (("bounds",), [1.0], "expected the minimum and the maximum rating"),
        (("bounds",), [1.0, None], r"bounds\[1\] is None"),
        (("library",), "evil", "'evil' is not a library of DataFrames"),
        (("library",), ["pandas"], "is not a library of DataFrames"),
        (("user_kind",), "str", "user_kind is 'str', but user_ids has dtype int64"),
        (("item_kind",), "integer ", "item_kind is 'integer '"),
        (("item_kind",), "UUID", "16-char"),
        (("item_kind",), [], "item_kind is \\[\\]"),
        (("rule", "loss"), "cubic", r"rule\['loss'\] is 'cubic'"),
        (("rule", "huber_delta"), 0, r"rule\['huber_delta'\] is 0"),
        (("rule", "nonnegative"), 1, r"rule\['nonnegative'\] is 1; expected True or False"),
        (("rule", "adagrad"), REMOVED, "rule has no 'adagrad'"),
        (("rule", "extra"), 1, "rule has 'extra'"),
        (("rule",), [], r"rule is \[\]; expected an object"),
        (("parameters",), [], r"parameters is \[\]; expected an object"),
        (("parameters", "n_factors"), -1, "n_factors is -1"),
        (("parameters", "loss"), REMOVED, "the parameters have no 'loss'"),
        (("parameters", "columns"), 3, "columns is 3"),
        (("parameters", "dtype"), "float16", "dtype is 'float16'"),
        (("parameters", "random_state"), -1, "random_state is -1"),
        (("parameters", "random_state"), "1", "random_state is '1'"),
        (("parameters", "clip"), "yes", "clip is 'yes'"),
    ],
)
def test_metadata_are_validated(
    keys: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    change_metadata(path, lambda metadata: change(metadata, keys, value))
    with pytest.raises(ft.ModelFileError, match=message):
        ft.load(path)


FLOAT32 = np.float32
ARRAYS: list[tuple[str, Any, str]] = [
    ("user_factors", np.full((3, 3), np.nan, FLOAT32), "user_factors has NaN or infinity"),
    ("user_factors", np.zeros((3, 0), FLOAT32), r"item_factors has .* expected \(2, 0\)"),
    ("user_factors", np.zeros((3, 65537), FLOAT32), "expected at most 65536 columns"),
    ("item_factors", np.zeros((2, 2), FLOAT32), r"item_factors has shape \(2, 2\)"),
    ("item_factors", np.zeros((2, 3)), "item_factors has .* dtype float64"),
    ("user_bias", np.zeros(2, FLOAT32), r"user_bias has shape \(2,\)"),
    ("user_bias", np.zeros(3, np.int32), "user_bias has dtype int32"),
    ("svdpp_factors", np.zeros((3, 3), FLOAT32), "svdpp_factors has shape"),
    ("user_progress", np.ones((2, 2)), "user_progress is not 3 rows"),
    ("user_progress", np.full((3, 2), 1.5), "user_progress is not 3 rows"),
    ("item_progress", np.full((2, 2), np.nan), "item_progress is not 2 rows"),
    ("item_progress", np.full((2, 2), -1.0), "item_progress is not 2 rows"),
    ("item_progress", None, "it has no member 'item_progress.npy'"),
    ("user_accumulators", np.ones((3, 2), FLOAT32), "but not all of user_accumulators"),
    ("history_epoch", np.array([1, 3]), "history_epoch does not count from 1 to 2"),
    ("history_seconds", np.zeros(3), "history_seconds has 3 entries for 2 epochs"),
    ("history_epoch", None, "it has no member 'history_epoch.npy'"),
    ("user_bias", None, "it has no member 'user_bias.npy'"),
    ("user_ids", np.array([1, 1, 2]), "user_ids has an id twice"),
    ("user_ids", np.array([1, 2]), "2 user ids for 3 rows"),
    ("user_ids", np.array([1, 2, 3], np.int32), "user_ids has dtype int32"),
    ("user_id_ends", np.array([1, 2, 3]), "dtype int64, but the file has a member user_id_ends"),
    ("item_ids", np.frombuffer(b"xx", np.uint8), "item_ids has an id twice"),
    ("item_ids", np.frombuffer(b"\xffy", np.uint8), "can't decode byte 0xff"),
    ("item_ids", np.frombuffer(b"\xf4\x90\x80\x80", np.uint8), "does not cut"),
    ("item_id_ends", np.array([2, 1]), "item_id_ends does not cut"),
    ("item_id_ends", np.array([-1, 2]), "item_id_ends does not cut"),
    ("item_id_ends", np.array([2, -(2**63)]), "item_id_ends does not cut"),
    ("item_id_ends", np.array([1, 3]), "item_id_ends does not cut"),
    ("item_id_ends", None, "dtype uint8, but the file has no member item_id_ends"),
    ("seen_starts", np.array([0, 1, 2]), "seen_starts does not rise"),
    ("seen_starts", np.array([1, 1, 2, 3]), "seen_starts does not rise"),
    ("seen_starts", np.array([0, 2, 1, 3]), "seen_starts does not rise"),
    ("seen_starts", np.array([0, 1, 2, 4]), "seen_starts ends at 4"),
    ("seen_starts", None, "but not all of seen_starts"),
    ("seen_items", np.array([0, 1, 2], np.int32), "seen_items has rows from 0 to 2"),
    ("seen_items", np.array([0, 1, -1], np.int32), "seen_items has rows from -1 to 1"),
    ("seen_items", np.array([2**32, 1, 0]), "seen_items has dtype int64"),
]


@pytest.mark.parametrize(("name", "array", "message"), ARRAYS)
def test_arrays_are_validated(name: str, array: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    members = read_members(path)
    if array is None:
        del members[f"{name}.npy"]
    else:
        members[f"{name}.npy"] = npy(array)
    write_members(path, members)
    with pytest.raises(ft.ModelFileError, match=message):
        ft.load(path)


def test_seen_items_must_be_ascending_for_each_user(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small([0, 0, 1]).save(path)
    members = read_members(path)
    for items, rises in (([0, 1, 0], True), ([1, 0, 0], False), ([1, 1, 0], False)):
        write_members(path, members | {"seen_items.npy": npy(np.array(items, np.int32))})
        if rises:
            ft.load(path)
            continue
        with pytest.raises(ft.ModelFileError, match="seen_items does not rise within each user"):
            ft.load(path)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_accumulators_must_be_positive(value: float, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small(learning_rate_schedule="adagrad").save(path)
    members = read_members(path)
    accumulators = np.full((3, 2), value, FLOAT32)
    write_members(path, members | {"user_accumulators.npy": npy(accumulators)})
    with pytest.raises(
        ft.ModelFileError, match="user_accumulators is not 3 rows of two accumulators"
    ):
        ft.load(path)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("descr", ["|O", "|V0", "|S0", "<U0", "<c8", "|V4", "<m8[s]"])
def test_arrays_of_other_dtypes_are_rejected(descr: str, mapped: bool, tmp_path: Path) -> None:
    """Regression: an array of objects is not mapped, whose bytes would be used as pointers."""
    path = tmp_path / "model.npz"
    small().save(path)
    members = read_members(path)
    data = b"A" * 9 * np.dtype(descr).itemsize
    members["user_factors.npy"] = npy_header(descr, (3, 3)) + data
    write_members(path, members)
    with pytest.raises(ft.ModelFileError, match=r"user_factors has dtype .*; expected f2 f4 f8"):
        ft.load(path, mmap=mapped)


def test_loading_imports_no_module_named_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: `complete` imports only known DataFrame libraries."""
    (tmp_path / "evil.py").write_text("raise SystemExit('code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "model.npz"
    small().save(path)
    change_metadata(path, lambda metadata: change(metadata, ("library",), "evil"))
    with pytest.raises(ft.ModelFileError, match="'evil' is not a library of DataFrames"):
        ft.load(path)
    assert "evil" not in sys.modules


def test_generated_files_are_rejected_or_valid_models(tmp_path: Path) -> None:
    """The generator of `fuzz.py grammar`, for a few hundred files and with limited memory."""
    models = valid_models(tmp_path)
    path, again, third = (tmp_path / name for name in ("a.npz", "b.npz", "c.npz"))
    n_rejected = 0
    tracemalloc.start()
    for seed in range(300):
        path.unlink(missing_ok=True)
        generate(seed, models, path)
        for is_mapped in (True, False):
            try:
                model = ft.load(path, mmap=is_mapped)
            except ft.ModelFileError:
                n_rejected += 1
                continue
            model.predict((model.users_[:1], model.items_[:1]))
            if not is_mapped:
                model.save(again)
                ft.load(again).save(third)
                assert again.read_bytes() == third.read_bytes()
            del model
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 400 < n_rejected < 600
    assert peak < 2**25
