"""Paths, folders, globs, archives, URLs, pipes and open files are found and read."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from forms import content, read
from optional import fsspec, present
from optional import pyarrow as pa

import factorate as ft
from factorate._input.find_sources import find_sources

TEXT = "user,item,rating\n1,2,3\n"
RATINGS = [(1, 2, 3.0)]
MOVIES = "movieId,title,genres\n1,Toy Story (1995),Comedy\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two files of ratings, which is not that of the test."""
    present(pa)
    folder = tmp_path / "ratings"
    (folder / "more").mkdir(parents=True)
    (folder / "a.csv").write_text(TEXT)
    (folder / "more" / "b.tsv").write_text("user\titem\trating\n4\t5\t1\n")
    return folder


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present(pa)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "ratings.csv").write_text(TEXT)
    assert content(read("~/ratings.csv")) == RATINGS
    assert content(read(Path("~/ratings.csv"))) == RATINGS
    with pytest.raises(FileNotFoundError, match=r"no file '.*absent\.csv'"):
        read("~/absent.csv")


def test_the_files_of_a_folder_are_read(folder: Path) -> None:
    for name in ("_SUCCESS", ".a.csv.crc", "README.txt", "_delta/x.csv", "__MACOSX/x.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("not a rating")
    assert content(read(folder)) == [(1, 2, 3.0), (4, 5, 1.0)]


def test_the_ratings_beside_other_files_of_movielens_are_read(tmp_path: Path) -> None:
    """The zip files of GroupLens are read as downloaded, and so are their folders."""
    present(pa)
    contents = {
        "ml/ratings.csv": TEXT,
        "ml/movies.csv": MOVIES,
        "ml/README.txt": "",
        "ml-100k/u.data": "1\t2\t3\t881250949\n",
        "ml-100k/u1.base": "9\t9\t3\t881250949\n",
        "ml-100k/other.data": "",
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("ml", "ml-100k"):
        assert content(read(tmp_path / name)) == RATINGS
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path in sorted((tmp_path / name).iterdir()):
                archive.write(path, f"{name}/{path.name}")
        assert content(read(tmp_path / f"{name}.zip")) == RATINGS


def test_a_folder_without_ratings_raises(tmp_path: Path) -> None:
    present(pa)
    (tmp_path / "README.txt").write_text("")
    (tmp_path / "LICENSE.txt").write_text("")
    with pytest.raises(
        FileNotFoundError, match=r"holds no file of ratings; expected files \.arrow"
    ):
        read(tmp_path)


def test_a_folder_that_is_a_store_is_named(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "a.store"
    ft.RatingStore.create(path, ([1, 2], [3, 4], [5, 3]))
    with pytest.raises(
        FileNotFoundError, match=r"it is a store: pass factorate\.RatingStore\(path\)$"
    ):
        read(path)


def test_a_glob_stands_for_files(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "bad.json").write_text("")
    with caplog.at_level("INFO", "factorate"):
        assert content(read(f"{folder}/*.csv")) == RATINGS
        assert len(read(str(folder / "**" / "*.?sv")).values) == 2
    assert [record.getMessage().split(": ")[-1] for record in caplog.records] == [
        "1 file",
        "2 files",
    ]
    with pytest.raises(FileNotFoundError, match=r"no file matches '.*\*\.parquet'"):
        read(f"{folder}/*.parquet")
    (folder / "[1].csv").write_text(TEXT)
    assert content(read(folder / "[1].csv")) == RATINGS


def open_files(path: Path) -> dict[str, Any]:
    temporary = tempfile.NamedTemporaryFile()  # noqa: SIM115
    temporary.write(TEXT.encode())
    temporary.seek(0)
    return {
        "binary": path.open("rb"),
        "text": path.open(encoding="utf-8"),
        "BytesIO": io.BytesIO(TEXT.encode()),
        "StringIO": io.StringIO(TEXT),
        "temporary": temporary,
        "pyarrow": pa.OSFile(str(path)),
    }


def test_open_files_are_read(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "ratings.csv"
    path.write_text(TEXT)
    for form, file in open_files(path).items():
        with file:
            assert content(read(file)) == RATINGS, form
            assert not file.closed
    with path.open("rb") as file:
        file.seek(len("user,item,rating\n"))
        assert content(read(file)) == RATINGS, "from its position"
    with pytest.raises(TypeError, match="reading <File> returned int; expected bytes or text"):
        read(type("File", (), {"read": lambda _: 3})())


def test_parquet_in_memory_or_compressed_is_read(tmp_path: Path) -> None:
    file = io.BytesIO()
    pa.parquet.write_table(pa.table({"user": [1], "item": [2], "rating": [3.0]}), file)
    file.seek(0)
    assert content(read(file)) == RATINGS
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("part-0.parquet", file.getvalue())
        archive.writestr("part-1.parquet", file.getvalue())
    assert content(read(tmp_path / "r.zip")) == RATINGS * 2


@pytest.mark.parametrize("stream", [io.StringIO, io.BytesIO])
def test_a_hyphen_is_standard_input(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    present(pa)
    standard_input = (
        io.StringIO(TEXT) if stream is io.StringIO else io.TextIOWrapper(io.BytesIO(TEXT.encode()))
    )
    monkeypatch.setattr(sys, "stdin", standard_input)
    assert content(read("-")) == RATINGS
    monkeypatch.setattr(sys, "stdin", io.StringIO("user,item,rating\n1,2,x\n"))
    with pytest.raises(ValueError, match="standard input, line 2: rating is 'x'"):
        read("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_read(tmp_path: Path) -> None:
    present(pa)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=(TEXT,))
    writer.start()
    assert content(read(path)) == RATINGS
    writer.join()


def test_urls_are_read_with_fsspec() -> None:
    present(pa)
    memory = present(fsspec).filesystem("memory")
    memory.pipe("/factorate/1.csv", TEXT.encode())
    memory.pipe("/factorate/2.dat", b"4::5::1\n")
    try:
        assert content(read("memory://factorate/1.csv")) == RATINGS
        assert content(read("memory://factorate/*")) == [(1, 2, 3.0), (4, 5, 1.0)]
        assert content(read("memory://factorate")) == [(1, 2, 3.0), (4, 5, 1.0)]
        names = [source.name for source in find_sources("memory://factorate/")]
        assert names == ["memory:///factorate/1.csv", "memory:///factorate/2.dat"]
        memory.pipe({f"/factorate/more/{name}.md": b"#" for name in ("readme", "license")})
        with pytest.raises(FileNotFoundError, match="'memory://factorate/more' holds no file of"):
            read("memory://factorate/more")
        (source,) = find_sources("memory://factorate/2.dat")
        assert (source.name, source.suffix) == ("memory://factorate/2.dat", ".dat")
        with pytest.raises(FileNotFoundError):
            read("memory://factorate/absent.csv")
        with pytest.raises(FileNotFoundError, match=r"no file matches 'memory://absent/\*'"):
            read("memory://absent/*")
    finally:
        memory.rm("/factorate", recursive=True)


def test_a_url_without_fsspec_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    present(pa)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"pip install 'factorate\[urls\]'; or download the file"):
        read("https://example.org/ratings.csv")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(RuntimeError, OSError), (PermissionError, OSError), (FileNotFoundError, FileNotFoundError)],
)
def test_errors_of_urls_name_them_without_secrets(
    error: type[Exception], expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str, mode: str = "") -> None:
        raise error(url, mode)

    core = SimpleNamespace(url_to_fs=fail)
    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(open=fail, core=core))
    url = "https://ann:secret@example.org/r.csv?token=secret#secret"
    with pytest.raises(expected, match=r"https://example\.org/r\.csv") as found:
        find_sources(url)
    assert "secret" not in str(found.value)


def test_text_in_place_of_a_path_raises() -> None:
    present(pa)
    with pytest.raises(ValueError, match=r"text of several lines; pass io\.StringIO\(text\)"):
        read(TEXT * 1000)


def test_every_method_that_reads_ratings_reads_files(folder: Path) -> None:
    model = ft.MatrixFactorization(2, 1, random_state=0).fit(folder, eval_set=folder)
    assert model.partial_fit(folder).evaluate(folder)["n_unknown"] == 0
    assert len(model.predict(folder / "a.csv")) == 1
    assert len(model.predict(io.StringIO("1;2\n4;5\n"))) == 2
