"""RatingStore: what users see of it, and evaluation."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import write_store

import factorate as ft

COLUMNS = ["ann", "ann", "bob", "cy"], [20, 10, 20, 20], [5.0, 2.0, 4.0, 1.5]


@pytest.fixture
def store(tmp_path: Path) -> ft.RatingStore:
    return ft.RatingStore.create(tmp_path / "a.store", COLUMNS)


def test_a_store_describes_itself(store: ft.RatingStore, tmp_path: Path) -> None:
    path = tmp_path / "a.store"
    assert store.path == path
    assert repr(store) == f"<RatingStore {str(path)!r}: 4 ratings, 3 users, 2 items>"
    assert (len(store), store.n_ratings, store.n_users, store.n_items) == (4, 4, 3, 2)
    assert store.users.tolist() == ["ann", "bob", "cy"]
    assert store.items.tolist() == [10, 20]
    assert store.rating_range == (1.5, 5.0)
    assert store.n_bytes == sum(file.stat().st_size for file in path.iterdir())


def test_opening_reads_the_manifest_alone(store: ft.RatingStore) -> None:
    for file in Path(store.path).glob("*.npy"):
        file.unlink()
    assert len(ft.RatingStore(store.path)) == 4


def test_a_progress_bar_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ft.RatingStore.create(tmp_path / "b.store", COLUMNS, verbose=True)
    assert "4.00 ratings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("memory", "error", "reason"),
    [
        ("much", ValueError, "memory is 'much'; expected a size such as '500MB' or '2GB'"),
        ("0GB", ValueError, "memory is '0GB'"),
        (2.5, TypeError, "memory is 2.5; expected bytes, or text such as '2GB'"),
        (True, TypeError, "memory is True"),
        (0, TypeError, "memory is 0"),
    ],
)
def test_a_wrong_size_is_rejected(
    store: ft.RatingStore, memory: Any, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        ft.RatingStore(store.path, memory=memory)


def test_temporary_files_are_in_the_scratch_folder(
    store: ft.RatingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    used, create = set(), tempfile.TemporaryFile

    def record(**options: Any) -> Any:
        used.add(options["dir"])
        return create(**options)

    monkeypatch.setattr(tempfile, "TemporaryFile", record)
    model = ft.MatrixFactorization(2, random_state=0)
    model.fit(store)
    assert used == {store.path}
    used.clear()
    model.fit(ft.RatingStore(store.path, scratch=tmp_path))
    assert used == {tmp_path}
    assert list(tmp_path.iterdir()) == [store.path]
    missing = ft.RatingStore(store.path, scratch=tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="set scratch to a folder"):
        model.fit(missing)


def test_evaluation_is_that_of_the_ratings_in_memory(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    columns = *generator.integers(0, 50, (2, 3000)), generator.integers(1, 11, 3000) / 2
    training = tuple(column[:2000] for column in columns)
    store = write_store(tmp_path / "a.store", columns)
    for clip in (False, True):
        model = ft.MatrixFactorization(8, random_state=0, clip=clip).fit(training)
        found, expected = model.evaluate(store), model.evaluate(columns)
        assert found.keys() == expected.keys()
        np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-6)


def test_unknown_ids_of_a_store(store: ft.RatingStore) -> None:
    model = ft.MatrixFactorization(2, random_state=0).fit((["ann", "dee"], [20, 30], [5, 1]))
    with pytest.warns(
        ft.UnknownIdWarning,
        match=r"2 of 3 users of the store are unknown \('bob', 'cy'\); 1 of 2 items",
    ) as caught:
        found = model.evaluate(store)
    assert caught[0].filename == __file__
    assert found["n_unknown"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = model.evaluate(store, unknown="ignore")
    assert same == found
    with pytest.raises(ft.UnknownIdError, match="2 of 3 users of the store are unknown"):
        model.evaluate(store, unknown="raise")
    with pytest.raises(ValueError, match="unknown is 'no'"):
        model.evaluate(store, unknown="no")  # type: ignore[arg-type]


def test_ids_of_another_kind_are_rejected(store: ft.RatingStore) -> None:
    model = ft.MatrixFactorization(2, random_state=0).fit(([1, 2], [20, 30], [5, 1]))
    with pytest.raises(TypeError, match="users are str"):
        model.evaluate(store)


@pytest.mark.parametrize("arguments", [{"y": [1, 2, 3, 4]}, {"baselines": COLUMNS}, {"wide": True}])
def test_a_store_is_evaluated_alone(store: ft.RatingStore, arguments: dict[str, Any]) -> None:
    model = ft.MatrixFactorization(2, random_state=0).fit(COLUMNS)
    with pytest.raises(ValueError, match="evaluated without y, wide and baselines"):
        model.evaluate(store, **arguments)
