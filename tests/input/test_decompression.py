"""Compressed files are read, and expand to a limited number of bytes."""

from __future__ import annotations

import bz2
import gc
import gzip
import io
import lzma
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from forms import content, read
from optional import present
from optional import pyarrow as pa

from factorate._input.decompression import Budget, Expansion, decompress
from factorate._input.find_sources import find_sources

TEXTS = {
    "csv": b"user,item,rating\n" + b"1,2,3\n" * 1000,
    "jsonl": b'{"user": 1, "item": 2, "rating": 3}\n' * 1000,
}


def zstd(text: bytes) -> bytes:
    compressed: bytes = pa.compress(text, "zstd", asbytes=True)
    return compressed


def zipped(text: bytes, member: str = "ratings") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)
    return file.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": zipped,
}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("ending", TEXTS)
def test_compressed_files_expand_up_to_a_limit(
    tmp_path: Path, ending: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a small file cannot expand without bound."""
    present(pa)
    text = TEXTS[ending]
    path = tmp_path / f"ratings.{ending}.{suffix}"
    path.write_bytes(COMPRESS[suffix](text))
    monkeypatch.setenv("FACTORATE_MAX_DECOMPRESSED_BYTES", str(len(text)))
    assert content(read(path)) == [(1, 2, 3.0)] * 1000
    monkeypatch.setenv("FACTORATE_MAX_DECOMPRESSED_BYTES", str(len(text) - 1))
    message = (
        rf"{path.name}.* expands to more than .* bytes; "
        rf".* FACTORATE_MAX_DECOMPRESSED_BYTES to a larger"
    )
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("ending", TEXTS)
def test_errors_name_a_damaged_compressed_file(tmp_path: Path, ending: str, suffix: str) -> None:
    """Regression: the error names the file, unlike that of the decompression library."""
    present(pa)
    lines = {
        "csv": ["user,item,rating", *(f"u{n},{n % 7},{n % 5}" for n in range(5000))],
        "jsonl": [f'{{"user": {n}, "item": {n % 7}, "rating": 1}}' for n in range(5000)],
    }
    whole = COMPRESS[suffix]("\n".join(lines[ending]).encode())
    path = tmp_path / f"ratings.{ending}.{suffix}"
    damaged = whole[:300] + b"xxxx" + whole[304:]
    for damage in (whole[: len(whole) // 2], whole[:14], damaged):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=path.name):
            read(path)


def test_compression_is_recognized_by_the_first_bytes(tmp_path: Path) -> None:
    present(pa)
    (tmp_path / "ratings.csv.gz").write_bytes(TEXTS["csv"])
    assert len(read(tmp_path / "ratings.csv.gz").values) == 1000
    (tmp_path / "ratings.csv").write_bytes(lzma.compress(TEXTS["csv"]))
    assert len(read(tmp_path / "ratings.csv").values) == 1000


def test_nested_compression_is_read_to_a_depth_of_two(tmp_path: Path) -> None:
    """A file that contains itself compressed, such as some gzip files do, ends in an error."""
    present(pa)
    path = tmp_path / "ratings.csv.gz.zip"
    path.write_bytes(zipped(gzip.compress(TEXTS["csv"]), "ratings.csv.gz"))
    assert len(read(path).values) == 1000
    path.write_bytes(gzip.compress(gzip.compress(gzip.compress(TEXTS["csv"]))))
    with pytest.raises(ValueError, match=r"line 1 is not UTF-8"):
        read(path)


def test_zip_members_together_expand_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present(pa)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.csv", TEXTS["csv"])
    monkeypatch.setenv("FACTORATE_MAX_DECOMPRESSED_BYTES", str(2 * len(TEXTS["csv"])))
    with pytest.raises(ValueError, match=r"many\.zip expands to more than"):
        read(tmp_path / "many.zip")


def test_compressed_zip_members_together_expand_up_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the limit holds for all gzip files in a zip archive, not for each."""
    present(pa)
    path, text = tmp_path / "many.zip", TEXTS["csv"]
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.csv.gz", gzip.compress(text))
    monkeypatch.setenv("FACTORATE_MAX_DECOMPRESSED_BYTES", str(3 * len(text)))
    assert len(read(path).values) == 3000
    monkeypatch.setenv("FACTORATE_MAX_DECOMPRESSED_BYTES", str(3 * len(text) - 1))
    with pytest.raises(ValueError, match=r"many\.zip expands to more than"):
        read(path)


def test_zip_archives_inside_other_files_raise(tmp_path: Path) -> None:
    """Regression: the error names the cause, rather than damage."""
    present(pa)
    files = {
        "r.zip.gz": gzip.compress(zipped(TEXTS["csv"])),
        "r.zip": zipped(zipped(TEXTS["csv"]), "inner.zip"),
        "r.zip.gz.zip": zipped(gzip.compress(zipped(TEXTS["csv"])), "inner.zip.gz"),
    }
    for name, compressed in files.items():
        (tmp_path / name).write_bytes(compressed)
        message = rf"{name}.* is a zip archive inside another file; extract it first"
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)


def test_an_encrypted_zip_raises(tmp_path: Path) -> None:
    present(pa)
    archive = bytearray(zipped(TEXTS["csv"]))
    directory = archive.index(b"PK\1\2")
    archive[6] |= 1  # the flag of encryption
    archive[directory + 8] |= 1
    (tmp_path / "r.zip").write_bytes(archive)
    with pytest.raises(ValueError, match=r"r\.zip/ratings cannot be decompressed: .*encrypted"):
        read(tmp_path / "r.zip")


@pytest.mark.parametrize("suffix", ["gz", "zip"])
def test_an_invalid_limit_raises_and_leaves_no_file_open(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"r.csv.{suffix}"
    path.write_bytes(COMPRESS[suffix](TEXTS["csv"]))
    monkeypatch.setenv("FACTORATE_MAX_DECOMPRESSED_BYTES", "10 GB")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        message = r"is '10 GB'; expected an integer ≥ 1, a number of bytes"
        with pytest.raises(ValueError, match=message):
            find_sources(path)
        gc.collect()
    assert not found


def test_a_file_that_cannot_be_decompressed_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = io.BytesIO(b"")
    with pytest.raises(ImportError, match="needs pyarrow"):
        decompress(file, "zstd", Expansion("a.zst", Budget("a.zst")))
    assert file.closed
