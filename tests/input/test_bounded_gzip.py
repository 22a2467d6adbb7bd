"""Compressed files expand to a limited number of bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from forms import content, read
from optional import present
from optional import pyarrow as pa

from factorate._input.bounded_gzip import open_bytes

TEXTS = {
    "csv": b"user,item,rating\n" + b"1,2,3\n" * 1000,
    "jsonl": b'{"user": 1, "item": 2, "rating": 3}\n' * 1000,
}


@pytest.mark.parametrize("ending", TEXTS)
def test_compressed_files_expand_up_to_a_limit(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a small file cannot expand without bound."""
    present(pa)
    text = TEXTS[ending]
    path = tmp_path / f"ratings.{ending}.gz"
    path.write_bytes(gzip.compress(text))
    monkeypatch.setenv("FACTORATE_MAX_GZIP_BYTES", str(len(text)))
    assert content(read(path)) == [(1, 2, 3.0)] * 1000
    monkeypatch.setenv("FACTORATE_MAX_GZIP_BYTES", str(len(text) - 1))
    message = rf"{path.name} expands to more than .* bytes; .* FACTORATE_MAX_GZIP_BYTES to a larger"
    with pytest.raises(ValueError, match=message):
        read(path)


def test_an_invalid_limit_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b""))
    monkeypatch.setenv("FACTORATE_MAX_GZIP_BYTES", "10 GB")
    with pytest.raises(ValueError, match=r"is '10 GB'; expected an integer ≥ 1, a number of bytes"):
        open_bytes(tmp_path / "a.csv.gz")
