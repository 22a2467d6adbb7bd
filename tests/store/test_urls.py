"""A store behind a URL is complete when its manifest is there, and is otherwise as a local one."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from optional import fsspec, present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli
from factorate._store.array_files import write_array

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URL = "memory://factorate/a.store"
FOLDER = "/factorate/a.store"


@pytest.fixture
def memory() -> Iterator[Any]:
    """Give the file system in memory, without files of earlier tests."""
    files = present(fsspec).filesystem("memory")
    files.makedirs("/factorate", exist_ok=True)
    yield files
    files.rm("/factorate", recursive=True)


def content(memory: Any) -> dict[str, bytes]:
    """Return the files of the store."""
    return {path: memory.cat_file(path) for path in memory.find(FOLDER)}


def make_columns(n: int = 3000, *, of_text: bool = True) -> tuple[Any, ...]:
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 60, (2, n))
    ids = np.array([f"item {number}" for number in items], object) if of_text else items
    return users, ids, generator.integers(1, 11, n) / 2


@pytest.mark.parametrize("of_text", [True, False])
@pytest.mark.usefixtures("memory")
def test_a_store_behind_a_url_is_used_as_a_local_one(tmp_path: Path, of_text: bool) -> None:
    columns = make_columns(of_text=of_text)
    local = ft.RatingStore.create(tmp_path / "a.store", columns)
    remote = ft.RatingStore.create(URL, columns)
    assert remote.path == URL
    assert repr(remote) == f"<RatingStore '{URL}': 3,000 ratings, 60 users, 60 items>"
    assert remote.n_bytes == local.n_bytes
    remote.verify()
    (of_remote,), (of_local,) = list(remote.batches()), list(local.batches())
    for found, expected in zip(of_remote, of_local, strict=True):
        assert found.tolist() == expected.tolist()
    models = [ft.MatrixFactorization(4, random_state=0).fit(store) for store in (remote, local)]
    assert np.array_equal(models[0].user_factors_, models[1].user_factors_)
    assert models[0].evaluate(remote) == models[1].evaluate(local)
    assert models[0].recommend(7)[0].tolist() == models[1].recommend(7)[0].tolist()
    assert len(pickle.loads(pickle.dumps(remote))) == 3000  # noqa: S301  (our own bytes)


@pytest.mark.usefixtures("memory")
def test_temporary_files_stay_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    used, create = set(), tempfile.TemporaryFile

    def record(**options: Any) -> Any:
        used.add(options["dir"])
        return create(**options)

    monkeypatch.setattr(tempfile, "TemporaryFile", record)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    ft.MatrixFactorization(2, random_state=0).fit(ft.RatingStore.create(URL, make_columns()))
    assert used == {tmp_path}
    used.clear()
    (tmp_path / "fast").mkdir()
    store = ft.RatingStore(URL, scratch=tmp_path / "fast")
    ft.MatrixFactorization(2, random_state=0).fit(store)
    assert used == {tmp_path / "fast"}


def test_an_existing_store_stays(memory: Any) -> None:
    ft.RatingStore.create(URL, make_columns())
    before = content(memory)
    with pytest.raises(FileExistsError, match=r"'memory://factorate/a\.store' exists; delete it"):
        ft.RatingStore.create(URL, make_columns(10))
    assert content(memory) == before


def test_a_store_without_a_manifest_is_unfinished(memory: Any) -> None:
    ft.RatingStore.create(URL, make_columns())
    memory.rm_file(f"{FOLDER}/store.json")
    memory.pipe(f"{FOLDER}/ratings-000009.npy", b"of a call that was killed")
    with pytest.raises(ft.RatingStoreError, match=r"is an unfinished store: it has no store\.json"):
        ft.RatingStore(URL)
    store = ft.RatingStore.create(URL, make_columns(10))
    assert len(store) == 10
    store.verify()
    assert not memory.exists(f"{FOLDER}/ratings-000009.npy")


def test_the_manifest_is_written_last(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def write(path: Any, array: Any) -> int:
        seen.append(memory.exists(f"{FOLDER}/store.json"))
        return write_array(path, array)

    for module in ("ingest", "chunk_writer"):
        monkeypatch.setattr(f"factorate._store.{module}.write_array", write)
    ft.RatingStore.create(URL, make_columns())
    assert len(seen) > 8
    assert not any(seen)
    assert memory.exists(f"{FOLDER}/store.json")


def test_other_files_stay(memory: Any) -> None:
    memory.pipe(f"{FOLDER}/letter.txt", b"mine")
    with pytest.raises(FileExistsError, match=r"not an unfinished store, because it has 'letter"):
        ft.RatingStore.create(URL, make_columns())
    with pytest.raises(ft.RatingStoreError, match="is not a store of ratings"):
        ft.RatingStore(URL)
    with pytest.raises(FileExistsError, match="because it has 'letter"):
        ft.RatingStore.create(f"{URL}/letter.txt", make_columns())
    assert content(memory) == {f"{FOLDER}/letter.txt": b"mine"}


def test_after_an_error_nothing_is_left(memory: Any) -> None:
    def batches() -> Any:
        yield make_columns()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        ft.RatingStore.create(URL, batches())
    assert not memory.find(FOLDER)
    with pytest.raises(FileNotFoundError, match="no folder 'memory://factorate/b'"):
        ft.RatingStore("memory://factorate/b")


def test_damage_is_found(memory: Any) -> None:
    store = ft.RatingStore.create(URL, make_columns())
    memory.pipe(f"{FOLDER}/ratings-000000.npy", b"damaged")
    with pytest.raises(ft.RatingStoreError, match=r"^memory://.*ratings-000000\.npy is damaged"):
        store.verify()
    memory.rm_file(f"{FOLDER}/item_counts.npy")
    with pytest.raises(ft.RatingStoreError, match=r"item_counts\.npy is damaged: it is missing"):
        store.verify()


def test_errors_of_protocols_are_named_without_secrets(
    memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, *_: object, **__: object) -> None:
        raise RuntimeError(f"{path}?token=secret")

    for name, what in (("ls", "read"), ("makedirs", "written"), ("open", "written")):
        with monkeypatch.context() as patched:
            patched.setattr(memory, name, fail)
            with pytest.raises(OSError, match=f"memory://.* cannot be {what}: RuntimeError"):
                ft.RatingStore.create(URL, [[1.0]])
    store = ft.RatingStore.create(URL, [[1.0]])
    monkeypatch.setattr(memory, "cat_file", fail)
    with pytest.raises(OSError, match=r"memory://.*/store\.json cannot be read: RuntimeError"):
        ft.RatingStore(URL)
    with pytest.raises(OSError, match=r"memory://.*\.npy cannot be read: RuntimeError"):
        store.verify()


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    store = ft.RatingStore.create(f"file://{tmp_path.as_posix()}/a.store", make_columns())
    assert store.path == tmp_path / "a.store"
    assert len(ft.RatingStore(tmp_path / "a.store")) == 3000
    assert list(tmp_path.iterdir()) == [tmp_path / "a.store"]


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for use in (ft.RatingStore, lambda url: ft.RatingStore.create(url, make_columns())):
        with pytest.raises(ImportError, match=r"a store at s3://a needs fsspec: pip install 'fact"):
            use("s3://a")


def test_sources_may_be_urls(memory: Any, tmp_path: Path) -> None:
    present(pa)
    for number in range(3):
        memory.pipe(f"/factorate/in/{number}.csv", f"user,item,rating\n{number},7,4\n".encode())
    for source in ("memory://factorate/in", "memory://factorate/in/*.csv"):
        store = ft.RatingStore.create(tmp_path / f"{len(source)}.store", source)
        assert store.users.tolist() == [0, 1, 2]


def test_the_command_line_takes_urls(
    memory: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    present(pa)
    memory.pipe("/factorate/in.csv", b"user,item,rating\nann,tea,5\nann,jam,1\nbob,tea,4\n")
    assert cli.main(["ingest", "memory://factorate/in.csv", "-o", URL]) == 0
    assert f"{URL}: 3 ratings, 2 users, 2 items" in capsys.readouterr().out
    assert cli.main(["info", URL]) == 0
    assert "ratings  3 from 1 to 5" in capsys.readouterr().out
    model = str(tmp_path / "model.npz")
    assert cli.main(["fit", URL, "-o", model, "--factors", "2", "-q"]) == 0
    assert cli.main(["evaluate", model, URL]) == 0
