"""The commands ingest, info, fit and evaluate on stores of ratings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command import write_ratings
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli
from factorate.cli import stores

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ("--factors", "4", "--epochs", "3", "--seed", "1", "-q")


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    present([pd, pa])
    generator = np.random.default_rng(0)
    pairs = generator.permutation(40 * 30)[:500]
    return write_ratings((*np.divmod(pairs, 30), generator.integers(1, 6, 500)), tmp_path / "a.csv")


@pytest.fixture
def store(ratings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a.store"
    assert cli.main(["ingest", str(ratings), "-o", str(path), "-q"]) == 0
    return path


def test_a_store_is_written_and_described(
    ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "a.store")
    assert cli.main(["ingest", str(ratings), "-o", path, "--threads", "1"]) == 0
    n_bytes = ft.RatingStore(path).n_bytes
    assert f"{path}: 500 ratings, 40 users, 30 items, {n_bytes:,} bytes" in capsys.readouterr().out
    assert cli.main(["info", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"store    {path} ({n_bytes:,} bytes)",
        "ratings  500 from 1 to 5",
        "users    40 (0 … 39)",
        "items    30 (0 … 29)",
    ]
    assert cli.main(["info", path, "--json"]) == 0
    expected = {
        "store": path,
        "n_bytes": n_bytes,
        "n_ratings": 500,
        "n_users": 40,
        "n_items": 30,
        "minimum": 1.0,
        "maximum": 5.0,
    }
    assert json.loads(capsys.readouterr().out) == expected


def test_json_describes_the_new_store(
    ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "a.store")
    columns = "--columns", "movieId,userId,rating"
    assert cli.main(["ingest", str(ratings), "-o", path, "--json", "-q", *columns]) == 0
    assert json.loads(capsys.readouterr().out)["n_users"] == 30


def test_fit_and_evaluate_give_the_same_as_with_the_file(
    ratings: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, errors = [], []
    options = *OPTIONS, "--early-stopping", "--validation-fraction", "0.2"
    for source, memory in ((ratings, ()), (store, ("--memory", "150MB"))):
        path = str(tmp_path / "model.npz")
        assert cli.main(["fit", str(source), "-o", path, *options, *memory]) == 0
        models.append(ft.load(path))
        capsys.readouterr()
        assert cli.main(["evaluate", path, str(source), "--json"]) == 0
        errors.append(json.loads(capsys.readouterr().out))
    assert (models[0].user_factors_ == models[1].user_factors_).all()
    assert (models[0].history_["valid_rmse"] == models[1].history_["valid_rmse"]).all()
    assert list(errors[0]) == list(errors[1]) == ["rmse", "mae", "n_ratings", "n_unknown"]
    assert errors[0] == pytest.approx(errors[1])


def test_the_pairs_of_a_store_are_predicted(
    ratings: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, tables = str(tmp_path / "model.npz"), []
    assert cli.main(["fit", str(store), "-o", model, *OPTIONS]) == 0
    for source in (ratings, store):
        out = tmp_path / "out.parquet"
        assert cli.main(["predict", model, str(source), "-o", str(out)]) == 0
        tables.append(pd.read_parquet(out))
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    inside = str(store / "out.csv")
    (store / "out.csv").write_text("")
    assert cli.main(["predict", model, str(store), "-o", inside]) == 1
    assert f"is the input {inside!r}" in capsys.readouterr().err


def test_the_ratings_of_a_store_can_be_counts(
    ratings: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = []
    columns = "--columns", "userId,movieId,rating"
    for source, options in ((ratings, columns), (store, ("--memory", "150MB"))):
        path = str(tmp_path / "model.npz")
        assert cli.main(["fit", str(source), "--implicit", "-o", path, *OPTIONS, *options]) == 0
        models.append(ft.load(path))
    assert cli.main(["evaluate", path, str(store)]) == 1
    assert "is a store; expected a file of held-out interactions" in capsys.readouterr().err
    assert isinstance(models[1], ft.ImplicitMatrixFactorization)
    assert (models[0].user_factors_ == models[1].user_factors_).all()


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--test-fraction", "0.1"), "--test-fraction needs a file of ratings"),
        (("--implicit", "--tune"), "--tune needs a file of ratings"),
        (("--implicit", "--early-stopping"), "needs an eval_set"),
        (("--tune",), "--tune needs a file of ratings"),
        (("--svdpp",), "--svdpp needs a file of ratings"),
        (("--memory", "5MB"), "needs 101 MB of memory"),
        (("--memory", "lots"), "memory is 'lots'; expected a size"),
    ],
)
def test_what_a_store_does_not_support_is_an_error(
    store: Path,
    tmp_path: Path,
    option: tuple[str, ...],
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["fit", str(store), "-o", str(tmp_path / "model.npz"), *option]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "model.npz").exists()


def test_memory_is_for_stores_only(
    ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = "-o", str(tmp_path / "model.npz")
    assert cli.main(["fit", str(ratings), *output, "--memory", "1GB"]) == 1
    assert "--memory is for a store of ratings" in capsys.readouterr().err


def test_an_existing_store_stays(
    ratings: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ingest", str(ratings), "-o", str(store)]) == 1
    assert "exists; delete it first" in capsys.readouterr().err
    ft.RatingStore(store).verify()


@pytest.mark.parametrize(
    ("url", "answer", "expected"),
    [
        ("https://example.org/a.store", b'{"format": 2, "n_users": 3}', True),
        ("https://example.org/ratings", b"<html>Not found</html>", False),
        ("https://example.org/ratings.csv", b"user,item,rating\n1,2,3\n", False),
        ("https://example.org/ratings", b'{"error": "no such page"}', False),
        ("https://example.org/ratings", None, False),
        ("http://example.org/ratings.csv?download=1", b'{"format": 2}', False),
        ("simplecache::https://example.org/ratings", b"", False),
        ("s3://example/a.store", b"damaged", True),
    ],
)
def test_a_web_server_may_answer_for_any_path(
    url: str,
    answer: bytes | None,
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if answer is not None:
        (tmp_path / "store.json").write_bytes(answer)
    monkeypatch.setattr(stores, "open_folder", lambda _: tmp_path)
    assert stores.is_store(url) is expected
