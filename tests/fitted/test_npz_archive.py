"""Archives are written completely or not at all, and read only if they are valid."""

from __future__ import annotations

import io
import mmap
import os
import random
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hostile_models import npy, npy_header

import factorate as ft
from factorate._fitted import npz_archive
from factorate._fitted.npz_archive import (
    METADATA,
    Expected,
    read,
    read_into,
    to_little_endian,
    to_native,
    write,
)
from factorate._fitted.rating_file import FACTORS
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


EXPECTED = {
    "a": Expected("f4", ndim=2, mappable="f4"),
    "empty": Expected("i8", ndim=2, mappable="i8"),
    "one": Expected("f2", ndim=1, mappable="f2"),
    "b": Expected("i4", ndim=1, mappable="i4"),
}


def read_some(path: Path, mapped: bool, newest: int = 1) -> Any:
    return read(path, EXPECTED, newest=newest, mapped=mapped)


@pytest.fixture
def arrays() -> dict[str, NDArray[Any]]:
    return {
        "a": np.arange(12, dtype=np.float32).reshape(4, 3),
        "empty": np.empty((0, 3), np.int64),
        "one": np.ones(1, np.float16),
        "b": np.arange(1000, dtype=np.int32),
    }


def ratings() -> Any:
    return ft.datasets.synthetic(500, 40, 30)


def fitted(seed: int, n_factors: int = 4) -> ft.MatrixFactorization:
    return ft.MatrixFactorization(n_factors, 2, random_state=seed).fit(ratings())


# Writing and reading


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_and_metadata_are_restored(mapped: bool, arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    write(path, {"format": 3, "words": ["ü", None, True, 0.1]}, arrays)
    metadata, again = read_some(path, mapped, newest=3)
    assert metadata == {"format": 3, "words": ["ü", None, True, 0.1]}
    assert list(again) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, strict=True)
        if mapped:
            assert again[name].ctypes.data % ALIGNMENT == 0


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
def test_mapping_may_move_the_position_of_the_file(
    arrays: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: on Windows it does, and arrays that were read afterwards were not theirs."""
    path = tmp_path / "some.npz"
    copied = "one"  # the others are mapped, before and after it
    write(path, {"format": 1}, arrays)
    monkeypatch.setitem(EXPECTED, copied, Expected("f2", ndim=1))

    class Moving(mmap.mmap):
        def __new__(cls, descriptor: int, *args: Any, **options: Any) -> Moving:
            os.lseek(descriptor, 0, os.SEEK_END)
            return super().__new__(cls, descriptor, *args, **options)

    monkeypatch.setattr(mmap, "mmap", Moving)
    _, again = read_some(path, mapped=True)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, strict=True)
        assert isinstance(again[name].base, Moving) == (name != copied)


def test_bytes_are_swapped_in_place() -> None:
    """The array remains aligned to a cache line."""
    numbers = np.arange(5, dtype=np.float32)
    foreign = numbers.astype(numbers.dtype.newbyteorder("S"))
    swapped = to_native(foreign)
    np.testing.assert_array_equal(swapped, numbers, strict=True)
    assert swapped.ctypes.data == foreign.ctypes.data
    assert to_native(numbers) is numbers


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
def test_numpy_and_zipfile_read_an_archive(arrays: Any, tmp_path: Path) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays)
    with np.load(tmp_path / "some.npz", allow_pickle=False) as members:
        for name, array in arrays.items():
            np.testing.assert_array_equal(members[name], array, strict=True)
    with zipfile.ZipFile(tmp_path / "some.npz") as members:
        assert members.testzip() is None
        assert members.namelist()[0] == METADATA


def repack(
    path: Path, changes: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> None:
    """Write the members of a file again as another program does, some with other content."""
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w", compression) as target:
        for name, content in members.items():
            target.writestr(name, (changes or {}).get(name, content))


def test_an_archive_repacked_by_another_program_is_read(arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    write(path, {"format": 1}, arrays)
    repack(path)
    _, again = read_some(path, mapped=True)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, strict=True)


def test_files_are_little_endian_and_either_order_is_read(tmp_path: Path) -> None:
    little, big = np.arange(5, dtype="<i4"), np.arange(5, dtype=">i4")
    assert to_little_endian(big).tobytes() == little.tobytes()
    path = tmp_path / "some.npz"
    write(path, {"format": 1}, {"b": little})
    for order in (little, big):
        content = io.BytesIO()
        np.save(content, order)
        repack(path, {"b.npy": content.getvalue()})
        for mapped in (False, True):
            again = read_some(path, mapped)[1]["b"]
            np.testing.assert_array_equal(again, np.arange(5, dtype=np.int32), strict=True)
            assert again.dtype.isnative


# Damage


def test_other_files_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    for content in (b"", b"user,item\n1,2\n", b"\x93NUMPY" * 9):
        path.write_bytes(content)
        with pytest.raises(ft.ModelFileError, match="is not a model of factorate"):
            ft.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ft.ModelFileError, match="is a zip file, but not a model of factorate"):
        ft.load(path)


@pytest.mark.parametrize("mmap", [False, True])
def test_a_truncated_file_is_reported_as_such(mmap: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    fitted(0).save(path)
    whole = path.read_bytes()
    for length in range(100, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ft.ModelFileError, match="was cut short"):
            ft.load(path, mmap=mmap)


def everything(model: ft.MatrixFactorization) -> list[Any]:
    """Return the members of a model except the arrays that may be mapped."""
    fitted = model._fitted
    history = [column.tobytes() for column in model.history_.values()]
    numbers = [fitted.factors.mean, fitted.factors.scale, fitted.library, model.id_kinds_]
    assert fitted.seen is not None
    ids = model.users_.tolist(), model.items_.tolist()
    return [model.get_params(), *history, *numbers, *ids, fitted.seen.starts.tolist()]


def large(model: ft.MatrixFactorization) -> Iterator[NDArray[Any]]:
    assert model._fitted.seen is not None
    for name in FACTORS:
        yield getattr(model._fitted.factors, name)
    yield model._fitted.seen.items


@pytest.mark.skipif(sys.byteorder == "big", reason="needs a file in the byte order of the machine")
@pytest.mark.parametrize("mmap", [False, True])
def test_a_flipped_bit_is_an_error_or_without_effect(mmap: bool, tmp_path: Path) -> None:
    """The content of mapped arrays is not checked; everything else is."""
    path = tmp_path / "model.npz"
    model = fitted(0)
    model.save(path)
    whole = path.read_bytes()
    expected, arrays = everything(model), list(large(model))
    spans = [(whole.index(array.tobytes()), array.nbytes) for array in arrays]
    n_rejected = 0
    for position in range(0, len(whole), 13):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path = tmp_path / f"{position}.npz"  # Windows keeps the one that is mapped
        path.write_bytes(flipped)
        try:
            again = ft.load(path, mmap=mmap)
        except ft.ModelFileError:
            n_rejected += 1
            continue
        assert everything(again) == expected
        for (begin, size), array, got in zip(spans, arrays, large(again), strict=True):
            if not (mmap and begin <= position < begin + size):
                np.testing.assert_array_equal(got, array)
    assert n_rejected > 300


@pytest.mark.parametrize("mapped", [False, True])
def test_an_array_other_than_expected_is_rejected(
    mapped: bool, arrays: Any, tmp_path: Path
) -> None:
    path = tmp_path / "some.npz"
    a = npy(arrays["a"])
    damages = {
        r"a has shape \(4, 3\), in Fortran order; expected 2 dimensions": npy(
            np.asfortranarray(arrays["a"])
        ),
        "a has 49 bytes of data; shape .* need 48": a + b" ",
        "a has 47 bytes of data; shape .* need 48": a[:-1],
        "magic string is not correct": b"PK" * 100,
        r"a has dtype float64; expected f4": npy(arrays["a"].astype(float)),
        r"a has shape \(12,\); expected 2 dimensions": npy(arrays["a"].reshape(-1)),
        "a has 48 bytes of data; shape .* need 4": npy_header("<f4", (2**40, 2**20)) + a[128:],
        r"a has shape \(-4, -3\)": npy_header("<f4", (-4, -3)) + a[128:],
        "shape is not valid": npy_header("<f4", ([4], 3)) + a[128:],
        r"version \(2, 0\) of .npy": a[:6] + b"\x02" + a[7:],
        "Header info length": npy_header("<f4", (4, 3)).replace(b"\n", b" " * 2000 + b"\n"),
    }
    for message, damage in damages.items():
        write(path, {"format": 1}, arrays)
        if message == "Header info length":
            damage = damage[:8] + (len(damage) - 10).to_bytes(2, "little") + damage[10:]
        repack(path, {"a.npy": damage})
        with pytest.raises(ft.ModelFileError, match=f"is a damaged model: .*{message}"):
            read_some(path, mapped)


def test_unknown_members_are_rejected(arrays: Any, tmp_path: Path) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays | {"c": np.zeros(1)})
    with pytest.raises(
        ft.ModelFileError, match=r"a member 'c\.npy', which is not a member of a model file"
    ):
        read_some(tmp_path / "some.npz", mapped=False)


def test_members_are_not_compressed(arrays: Any, tmp_path: Path) -> None:
    """Regression: compressed metadata are rejected before they are decompressed."""
    path = tmp_path / "some.npz"
    write(path, {"format": 1}, arrays)
    repack(path, {METADATA: b" " * 10**8 + b"{}"}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(ft.ModelFileError, match="is compressed or encrypted"):
        read_some(path, mapped=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_size_beyond_the_file_is_rejected_before_memory_is_allocated(
    arrays: Any, tmp_path: Path
) -> None:
    """Regression: no memory is allocated for sizes beyond the end of the file."""
    path = tmp_path / "some.npz"
    write(path, {"format": 1}, arrays)
    whole = bytearray(path.read_bytes())
    entry = whole.rindex(b"PK\x01\x02")
    whole[entry + 20 : entry + 28] = (2**31 - 1).to_bytes(4, "little") * 2
    path.write_bytes(whole)
    tracemalloc.start()
    with pytest.raises(ft.ModelFileError, match=f"has a size of {2**31 - 1} bytes in the"):
        read_some(path, mapped=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_metadata_have_a_maximum_size(arrays: Any, tmp_path: Path) -> None:
    write(tmp_path / "some.npz", {"format": 1, "text": "x" * 2**20}, arrays)
    with pytest.raises(ft.ModelFileError, match=f"expected at most {2**20}"):
        read_some(tmp_path / "some.npz", mapped=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[]", "factorate.json holds a list; expected an object"),
        (b'{"format": 1, "format": 1}', "the key 'format' twice"),
        (b'{"format": 1, "mean": NaN}', "holds NaN; expected finite numbers"),
        (b"{}", "has no 'format'"),
        (b'{"format": true}', "format is True; expected an integer"),
        (b'{"format": "1"}', "format is '1'; expected an integer"),
        (b"[" * 100_000, "recursion|Stack overflow"),  # the latter from Python 3.15 on
    ],
)
def test_metadata_are_one_object_with_a_format(
    text: bytes, message: str, arrays: Any, tmp_path: Path
) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays)
    repack(tmp_path / "some.npz", {METADATA: text})
    with pytest.raises(ft.ModelFileError, match=message):
        read_some(tmp_path / "some.npz", mapped=False)


def test_members_neither_overlap_nor_repeat(arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    write(path, {"format": 1}, arrays)
    whole = bytearray(path.read_bytes())
    entries = [match.start() for match in re.finditer(b"PK\x01\x02", whole)]
    first, second = entries[1], entries[2]
    longer = bytearray(whole)
    longer[first + 20 : first + 28] = (2000).to_bytes(4, "little") * 2
    path.write_bytes(longer)
    with pytest.raises(ft.ModelFileError, match=r"overlaps another member|Overlapped"):
        read_some(path, mapped=False)
    twice = bytearray(whole)
    twice[second + 46 : second + 46 + len("empty.npy")] = b"a.npy\0\0\0\0"
    path.write_bytes(twice)
    with pytest.raises(ft.ModelFileError, match=r"a\.npy occurs twice|not where the directory"):
        read_some(path, mapped=False)
    with zipfile.ZipFile(path, "w") as target, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (METADATA, "b.npy", "b.npy"):
            target.writestr(name, b'{"format": 1}' if name == METADATA else npy(arrays["b"]))
    with pytest.raises(ft.ModelFileError, match=r"b\.npy occurs twice"):
        read_some(path, mapped=False)


@pytest.mark.parametrize("n_bytes", [0, 1, 399])
def test_a_short_read_is_an_error(n_bytes: int) -> None:
    """Regression: a byte that is read is not repeated over the whole array."""
    array = np.zeros(100, np.int32)
    with pytest.raises(EOFError, match=f"the file ends {400 - n_bytes} bytes before"):
        read_into(io.BytesIO(b"x" * n_bytes), array)


def test_a_memory_error_is_not_reported_as_damage(
    arrays: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "some.npz", {"format": 1}, arrays)

    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(npz_archive, "aligned_zeros", full)
    with pytest.raises(MemoryError):
        read_some(tmp_path / "some.npz", mapped=False)


# Interruption


def test_after_a_failed_save_only_the_old_file_exists(
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


def test_a_file_in_use_on_windows_is_not_replaced(
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
def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "dtype", ["<f4", ">f4", "<f8", "<i8", "<i4", "|u1", "|b1", "<M8[s]", "<f2"]
)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 0), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("order", ["C", "F"])
def test_headers_are_parsed_as_by_numpy(dtype: str, shape: tuple[int, ...], order: Any) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros(shape, dtype, order))
    file.seek(len(np.lib.format.magic(1, 0)))
    found, end = npz_archive._parse_header(file, "x"), file.tell()
    file.seek(len(np.lib.format.magic(1, 0)))
    assert found == np.lib.format.read_array_header_1_0(file)
    assert end == file.tell()
