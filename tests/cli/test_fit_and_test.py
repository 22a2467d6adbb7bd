"""The test of a fit on held-out ratings: fit --test-fraction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command import write_ratings
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli

if TYPE_CHECKING:
    from pathlib import Path

FIT = "--factors", "4", "--epochs", "5", "--seed", "1"


def fit(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """Fit on the command line, and return its summary."""
    assert cli.main(["fit", "--json", *map(str, arguments)]) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    return summary


@pytest.fixture
def synthetic(tmp_path: Path) -> Path:
    """Ratings whose users, items and factors all matter."""
    columns = ft.datasets.synthetic(20_000, 400, 200, n_factors=3, noise=0.3)
    return write_ratings(columns, tmp_path / "synthetic.csv")


def test_the_model_beats_biases_which_beat_the_mean(
    synthetic: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--factors", "8", "--epochs", "30", "--seed", "1"
    test = fit(capsys, synthetic, "--test-fraction", "0.1", *options)["test"]
    assert test["n_ratings"] == 2000
    assert test["mae"] < test["rmse"] < test["biases_rmse"] < test["mean_rmse"]


def test_the_saved_model_is_fitted_to_the_other_ratings(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fitting to the ratings that the seed does not hold out gives the same model and errors."""
    path = tmp_path / "m.npz"
    test = fit(capsys, synthetic, "-o", path, "--test-fraction", "0.2", *FIT)["test"]
    table = pd.read_csv(synthetic)
    held = np.zeros(len(table), bool)
    held[np.random.default_rng(1).choice(len(table), 4000, replace=False)] = True
    expected = ft.MatrixFactorization(4, 5, random_state=1).fit(table[~held])
    saved = ft.load(path)
    np.testing.assert_array_equal(saved.user_factors_, expected.user_factors_)
    errors = expected.evaluate(table[held])
    assert (test["rmse"], test["mae"]) == (errors["rmse"], errors["mae"])
    centered = table[held]["rating"] - table[~held]["rating"].mean()
    assert test["mean_rmse"] == pytest.approx(np.sqrt(np.mean(centered**2)))


def test_the_seed_chooses_the_ratings(synthetic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--test-fraction", "0.1", "--epochs", "1", "--factors", "2", "--seed"
    first, again, other = (fit(capsys, synthetic, *options, seed)["test"] for seed in "778")
    assert first == again
    assert first["mean_rmse"] != other["mean_rmse"]


def test_text_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    users, items, ratings = ft.datasets.synthetic(2000, 100, 80, n_factors=2)
    path = write_ratings(
        ([f"user {u}" for u in users], [f"item {i}" for i in items], ratings), tmp_path / "r.csv"
    )
    model = tmp_path / "m.npz"
    summary = fit(capsys, path, "-o", model, "--test-fraction", "0.1", *FIT)
    assert summary["test"]["n_ratings"] == 200
    assert ft.load(model).users_[0].startswith("user ")
    whole = ft.MatrixFactorization(2, 1).fit(path)  # frames are of the same library
    frames = [one.recommend(n=2, as_frame=True) for one in (ft.load(model), whole)]
    assert type(frames[0]) is type(frames[1])


def test_users_without_training_ratings_are_counted_not_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    n = 100
    users, items = np.arange(n), np.arange(n) % 3
    path = write_ratings((users, items, items + 1.0), tmp_path / "r.csv")
    assert cli.main(["fit", str(path), "--test-fraction", "0.1", *FIT]) == 0
    printed = capsys.readouterr()
    assert "RMSE for 10 held-out ratings, 10 of them with an unknown user or item" in printed.out
    assert printed.err == ""


def test_the_summary_shows_the_errors_of_model_biases_and_mean(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--test-fraction", "0.1", *FIT
    test = fit(capsys, synthetic, *options)["test"]
    assert cli.main(["fit", str(synthetic), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("not saved: 400 users, 200 items, K = 4, training RMSE ")
    assert lines[1:] == [
        "RMSE for 2,000 held-out ratings",
        f"  model   {test['rmse']:.4f}",
        f"  biases  {test['biases_rmse']:.4f}",
        f"  mean    {test['mean_rmse']:.4f}",
    ]
    assert list(tmp_path.iterdir()) == [synthetic]


def test_one_rating_cannot_be_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    present(pa)
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n1,2,3\n")
    assert cli.main(["fit", str(path), "--test-fraction", "0.5"]) == 1
    assert "at least two are needed" in capsys.readouterr().err


@pytest.mark.parametrize("fraction", ["0", "1", "1.5", "-0.1", "nan", "x"])
def test_the_fraction_is_between_0_and_1(fraction: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["fit", "r.csv", f"--test-fraction={fraction}"])
    assert caught.value.code == 2
    assert f"{fraction!r}: expected a number between 0 and 1" in capsys.readouterr().err
