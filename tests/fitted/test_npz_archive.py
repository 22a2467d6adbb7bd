"""Files hold the old arrays or the new ones, never others, whatever happens to them."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factorate as ft
from factorate._fitted import archive
from factorate._fitted import model_file as storage
from factorate._fitted.archive import META, native, portable, read, write
from factorate._utils.aligned import ALIGNMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SAVING = """
import sys
import factorate as ft
versions = [ft.load(path) for path in sys.argv[2:]]
print("ready", flush=True)
while True:
    for version in versions:
        version.save(sys.argv[1])
"""


def copied(name: str, dtype: np.dtype[Any]) -> bool:  # noqa: ARG001
    return False


def mapped(name: str, dtype: np.dtype[Any]) -> bool:  # noqa: ARG001
    return True


@pytest.fixture
def arrays() -> dict[str, NDArray[Any]]:
    return {
        "a": np.arange(12, dtype=np.float32).reshape(4, 3),
        "nothing": np.empty((0, 3), np.int64),
        "one": np.ones(1, np.float16),
        "b": np.arange(1000, dtype=np.int32),
    }


def ratings() -> Any:
    return ft.datasets.synthetic(500, 40, 30)


def fitted(seed: int, n_factors: int = 4) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(n_factors, 2, random_state=seed).fit(ratings())


# What is written is read


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
@pytest.mark.parametrize("choice", [copied, mapped])
def test_arrays_and_meta_come_back(choice: Any, arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    write(path, {"format": 3, "words": ["ü", None, True, 0.1]}, arrays)
    meta, again = read(path, 3, choice)
    assert meta == {"format": 3, "words": ["ü", None, True, 0.1]}
    assert list(again) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, strict=True)
        if choice is mapped:
            assert again[name].ctypes.data % ALIGNMENT == 0


def test_another_byte_order_is_turned_in_place_so_that_arrays_stay_on_their_cache_line() -> None:
    numbers = np.arange(5, dtype=np.float32)
    foreign = numbers.astype(numbers.dtype.newbyteorder("S"))
    turned = native(foreign)
    np.testing.assert_array_equal(turned, numbers, strict=True)
    assert turned.ctypes.data == foreign.ctypes.data
    assert native(numbers) is numbers


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
def test_numpy_and_unzip_read_it(arrays: Any, tmp_path: Path) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays)
    with np.load(tmp_path / "some.npz", allow_pickle=False) as members:
        for name, array in arrays.items():
            np.testing.assert_array_equal(members[name], array, strict=True)
    with zipfile.ZipFile(tmp_path / "some.npz") as members:
        assert members.testzip() is None
        assert members.namelist()[0] == META


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_packed_again_by_another_program_it_is_read_by_copying(
    compression: int, arrays: Any, tmp_path: Path
) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays)
    with (
        zipfile.ZipFile(tmp_path / "some.npz") as source,
        zipfile.ZipFile(tmp_path / "other.npz", "w", compression) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    _, again = read(tmp_path / "other.npz", 1, mapped)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, strict=True)


def test_the_byte_order_in_the_file_is_one_and_any_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little, big = np.arange(5, dtype="<i4"), np.arange(5, dtype=">i4")
    assert portable(big).tobytes() == little.tobytes()
    for order in ("<i4", ">i4"):
        monkeypatch.setattr(archive, "portable", lambda a, order=order: a.astype(order))
        write(tmp_path / "some.npz", {"format": 1}, {"a": little})
        for choice in (copied, mapped):
            again = read(tmp_path / "some.npz", 1, choice)[1]["a"]
            np.testing.assert_array_equal(again, np.arange(5, dtype=np.int32), strict=True)
            assert again.dtype.isnative


# Damage


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    for content in (b"", b"user,item\n1,2\n", b"\x93NUMPY" * 9):
        path.write_bytes(content)
        with pytest.raises(ft.ModelFileError, match="is not a model of factorate"):
            ft.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ft.ModelFileError, match="is a zip file, but not a model of factorate"):
        ft.load(path)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_cut_short_says_so(mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    fitted(0).save(path)
    whole = path.read_bytes()
    for length in range(100, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ft.ModelFileError, match="was cut short"):
            ft.load(path, mmap=mmap)


def everything(model: ft.MatrixFactorization) -> list[Any]:
    """All of a model but the arrays that may be mapped."""
    fitted = model._fitted
    history = [column.tobytes() for column in model.history_.values()]
    numbers = [fitted.factors.mean, fitted.factors.scale, fitted.library, model.id_kinds_]
    assert fitted.seen is not None
    ids = model.users_.tolist(), model.items_.tolist()
    return [model.get_params(), *history, *numbers, *ids, fitted.seen.starts.tolist()]


def large(model: ft.MatrixFactorization) -> Iterator[NDArray[Any]]:
    assert model._fitted.seen is not None
    for name in storage.FACTORS:
        yield getattr(model._fitted.factors, name)
    yield model._fitted.seen.items


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
@pytest.mark.parametrize("mmap", [False, True])
def test_a_flipped_bit_is_noticed_or_means_nothing(mmap: bool, tmp_path: Path) -> None:
    """Mapped, the large arrays themselves are not checked; all around them is."""
    path = tmp_path / "model.npz"
    model = fitted(0)
    model.save(path)
    whole = path.read_bytes()
    expected, arrays = everything(model), list(large(model))
    spans = [(whole.index(array.tobytes()), array.nbytes) for array in arrays]
    n_refused = 0
    for position in range(0, len(whole), 13):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path = tmp_path / f"{position}.npz"  # Windows keeps the one that is mapped
        path.write_bytes(flipped)
        try:
            again = ft.load(path, mmap=mmap)
        except ft.ModelFileError:
            n_refused += 1
            continue
        assert everything(again) == expected
        for (begin, size), array, got in zip(spans, arrays, large(again), strict=True):
            if not (mmap and begin <= position < begin + size):
                np.testing.assert_array_equal(got, array)
    assert n_refused > 300


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
def test_an_array_that_is_not_what_the_meta_says_is_refused(arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    content = io.BytesIO()
    np.save(content, arrays["a"].T)  # in the order of Fortran
    write(path, {"format": 1}, arrays)
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    damages = {
        "is not of dtype float32 and shape": content.getvalue(),
        "another size than its array": parts["a.npy"] + b" ",
        "not correct": b"PK" * 100,
    }
    for message, damage in damages.items():
        with zipfile.ZipFile(path, "w") as target:
            for name, part in parts.items():
                target.writestr(name, damage if name == "a.npy" else part)
        for choice in (copied, mapped):
            with pytest.raises(ft.ModelFileError, match=f"is a damaged model: .*{message}"):
                read(path, 1, choice)


def test_a_file_that_asks_for_objects_or_too_much_is_refused(arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    for form in (["|O", [4, 3]], ["<f4", [2**40, 2**20]], ["<f4", [-4, -3]], ["<f4", [[4], 3]]):
        write(path, {"format": 1}, arrays)
        with zipfile.ZipFile(path) as source:
            parts = {name: source.read(name) for name in source.namelist()}
        meta = json.loads(parts[META])
        meta["arrays"]["a"] = form
        parts[META] = json.dumps(meta).encode()
        with zipfile.ZipFile(path, "w") as target:
            for name, part in parts.items():
                target.writestr(name, part)
        for choice in (copied, mapped):
            with pytest.raises(ft.ModelFileError, match="is a damaged model"):
                read(path, 1, choice)


def test_no_memory_is_not_called_damage(
    arrays: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays)

    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(archive, "_copy", full)
    with pytest.raises(MemoryError):
        read(tmp_path / "some.npz", 1, copied)


# Interruption


def test_a_failed_save_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.npz"
    fitted(0).save(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        fitted(1).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


def test_a_file_that_windows_keeps_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.npz"
    fitted(0).save(path)
    before = path.read_bytes()

    def in_use(*_: Any) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(Path, "replace", in_use)
    with pytest.raises(PermissionError, match=r"stays as it was.*a model is mapped from it"):
        fitted(1).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill -9")
def test_killed_while_saving_it_leaves_one_version_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    versions = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for seed, version in enumerate(versions):
        fitted(seed, n_factors=2000).save(version)
    contents = {version.read_bytes() for version in versions}
    path.write_bytes(versions[0].read_bytes())
    pause = random.Random(0)  # noqa: S311
    for _ in range(5):
        command = [sys.executable, "-c", SAVING, str(path), *map(str, versions)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05 * pause.random())
            process.kill()
        ft.load(path)
        assert path.read_bytes() in contents
