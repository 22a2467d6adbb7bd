"""Files of models of implicit feedback: what is saved is loaded, and damage is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_models import npy, read_members, write_members
from hypothesis import given
from hypothesis import strategies as st

import factorate as ft
from factorate._fitted.npz_archive import METADATA

DATA = ["ann", "ann", "bob", "cy"], [7, 8, 7, 9], [1, 2, 1, 1]


def small(data: Any = DATA, **changes: Any) -> ft.ImplicitMatrixFactorization:
    parameters = {"n_factors": 2, "n_epochs": 3, "random_state": 0} | changes
    return ft.ImplicitMatrixFactorization(**parameters).fit(data)


def assert_same(a: ft.ImplicitMatrixFactorization, b: ft.ImplicitMatrixFactorization) -> None:
    assert a.get_params() == b.get_params()
    for name in ("user_factors_", "item_factors_", "users_", "items_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name, column in a.history_.items():
        np.testing.assert_array_equal(b.history_[name], column)
    assert (a.best_epoch_, a.n_epochs_, a.id_kinds_) == (b.best_epoch_, b.n_epochs_, b.id_kinds_)
    left, right = a._fitted.seen, b._fitted.seen
    assert (left is None) == (right is None)
    if left is not None and right is not None:
        for name in ("starts", "items", "counts"):
            np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dtype": "float64", "alpha": 2.5},
        {"keep_seen": False},
        {"columns": ("user", "item"), "early_stopping": True, "validation_fraction": 0.3},
    ],
)
def test_a_model_is_loaded_as_it_was_saved(
    mmap: bool, changes: dict[str, Any], tmp_path: Path
) -> None:
    model = small(**changes)
    model.save(tmp_path / "model.npz")
    again = ft.load(tmp_path / "model.npz", mmap=mmap)
    assert type(again) is ft.ImplicitMatrixFactorization
    assert_same(again, model)
    np.testing.assert_array_equal(again.complete(), model.complete())
    for method in ("add_users", "add_items", *(["partial_fit"] if model.keep_seen else [])):
        for each in (model, again):
            getattr(each, method)((["dee", "ann"], [7, 7]))
        assert_same(again, model)
    again.save(tmp_path / "model.npz")
    assert_same(ft.load(tmp_path / "model.npz"), model)


@given(
    st.lists(
        st.tuples(st.text(max_size=3), st.integers(0, 2**40), st.floats(0.01, 1e6)), min_size=1
    )
)
def test_any_interactions_are_loaded_as_they_were_saved(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float]]
) -> None:
    path = tmp_path_factory.mktemp("models") / "model.npz"
    model = small(tuple(map(list, zip(*rows, strict=True))))
    model.save(path)
    assert_same(ft.load(path), model)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1.npz", tmp_path / "2.npz"
    for path in (first, second):
        small().save(path)
    old, new = (read_members(path) for path in (first, second))
    for name in ("history_seconds.npy",):  # the only measured time
        del old[name], new[name]
    assert old == new


def test_numpy_reads_the_members(tmp_path: Path) -> None:
    small().save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as members:
        assert members["seen_starts"].tolist() == [0, 2, 3, 4]
        assert members["seen_items"].tolist() == [0, 1, 0, 2]
        assert members["seen_counts"].tolist() == [1, 2, 1, 1]
        assert members["user_factors"].shape == (3, 2)
        assert members["history_loss"].shape == (3,)
        metadata = json.loads(bytes(members[METADATA]))
    assert (metadata["format"], metadata["model"]) == (2, "implicit")
    small(DATA[:2]).save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz", allow_pickle=False) as members:
        assert "seen_counts" not in members


def test_factors_can_be_saved_in_half_precision(tmp_path: Path) -> None:
    model = small(dtype="float64")
    model.save(tmp_path / "half.npz", dtype="float16")
    again = ft.load(tmp_path / "half.npz")
    assert again.dtype == "float32"
    assert again.user_factors_.dtype == np.float32
    np.testing.assert_allclose(again.user_factors_, model.user_factors_, rtol=1e-3)
    assert again.partial_fit(([*"ab"], [7, 7])).users_.tolist()[:2] == ["ann", "bob"]


REMOVED = object()


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("model",), "other", "model is 'other'; expected 'implicit'"),
        (("model",), REMOVED, "factorate.json has no 'model'"),
        (("format",), 1, "is one of another kind of model|has no member"),
        (("format",), 3, "has format 3; this version reads up to 2: upgrade"),
        (("extra",), 1, "factorate.json has 'extra'"),
        (("best_epoch",), 4, "best_epoch is 4 of 3 epochs"),
        (("library",), "evil", "'evil' is not a library of DataFrames"),
        (("user_kind",), "integer ", "user_kind is 'integer '"),
        (("parameters",), [], r"parameters is \[\]; expected an object"),
        (("parameters", "alpha"), -1, "alpha is -1"),
        (("parameters", "alpha"), REMOVED, "the parameters have no 'alpha'"),
        (("parameters", "later"), 1, "parameters that this version does not know \\(later\\)"),
        (("parameters", "random_state"), "1", "random_state is '1'"),
    ],
)
def test_metadata_are_validated(
    keys: tuple[str, ...], value: Any, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    members = read_members(path)
    metadata = json.loads(members[METADATA])
    inner = metadata
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    if value is REMOVED:
        del inner[keys[-1]]
    write_members(path, members | {METADATA: json.dumps(metadata).encode()})
    with pytest.raises(ft.ModelFileError, match=message):
        ft.load(path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("user_factors", np.full((3, 2), np.nan, "f4"), "user_factors has NaN or infinity"),
        ("user_factors", np.ones((2, 2), "f4"), "it has 3 user ids for 2 rows"),
        ("item_factors", np.ones((3, 1), "f4"), r"item_factors has shape \(3, 1\)"),
        ("item_factors", np.ones((3, 2), "f8"), "item_factors has shape .* dtype float64"),
        ("item_factors", None, "it has no member 'item_factors.npy'"),
        ("history_loss", None, "it has no member 'history_loss.npy'"),
        ("history_loss", np.ones(2), "history_loss has 2 entries for 3 epochs"),
        ("seen_counts", np.ones(3, "f4"), "seen_counts has 3 entries for 4 seen items"),
        ("seen_counts", np.zeros(4, "f4"), "an entry that is not finite and above 0"),
        ("seen_counts", np.full(4, np.inf, "f4"), "an entry that is not finite and above 0"),
        ("seen_counts", np.full(4, 1e300), "an entry that is too large for float32"),
        ("seen_items", np.array([0, 0, 0, 2], "i4"), "seen_items does not rise within each user"),
        ("seen_starts", None, "it has the member 'seen_items'"),
        ("user_bias", np.zeros(3, "f4"), "'user_bias.npy', which is one of another kind"),
    ],
)
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


def test_counts_without_seen_items_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    members = read_members(path)
    del members["seen_starts.npy"], members["seen_items.npy"]
    write_members(path, members)
    with pytest.raises(ft.ModelFileError, match="it has the member 'seen_counts', but no"):
        ft.load(path)


def test_a_file_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    small().save(path)
    content = path.read_bytes()
    for n in range(0, len(content), 97):
        path.write_bytes(content[:n])
        with pytest.raises(ft.ModelFileError):
            ft.load(path)


def test_a_changed_byte_is_an_error_or_has_no_effect(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    model = small()
    model.save(path)
    content = path.read_bytes()
    for position in range(0, len(content), 41):
        changed = bytearray(content)
        changed[position] ^= 0x55
        path.write_bytes(bytes(changed))
        try:
            again = ft.load(path)
        except ft.ModelFileError:
            continue
        assert_same(again, model)
