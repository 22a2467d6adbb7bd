"""The choice of settings: fit --tune."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command import write_ratings
from optional import pandas as pd

import factorate as ft
from factorate import cli

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = "--tune", "--trials", "5", "--factors", "8", "--seed", "1"


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    return write_ratings(ft.datasets.synthetic(5000, 200, 100), tmp_path / "r.csv")


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    users, items, _ = ft.datasets.synthetic(3000, 200, 100)
    path = tmp_path / "clicks.csv"
    pd.DataFrame({"user": users, "item": items}).to_csv(path, index=False)
    return path


def test_the_model_has_the_best_of_the_settings(
    ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.npz"
    assert cli.main(["fit", str(ratings), "-o", str(path), "--json", *OPTIONS]) == 0
    summary = json.loads(capsys.readouterr().out)
    expected = ft.MatrixFactorizationCV(5, n_factors=8, random_state=1).fit(ratings)
    assert summary["best_params"] == expected.best_params_
    assert summary["best_rmse"] == expected.best_rmse_
    assert (summary["n_factors"], summary["n_epochs"]) == (8, expected.n_epochs_)
    np.testing.assert_array_equal(ft.load(path).item_factors_, expected.item_factors_)


def test_the_summary_names_the_settings(
    ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.npz"
    assert cli.main(["fit", str(ratings), "-o", str(path), *OPTIONS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: 200 users, 100 items, K = 8, training RMSE ")
    assert lines[1].startswith("best of ")
    assert "  n_factors       8" in lines[2:]


def test_a_search_that_may_take_no_time_gives_the_defaults(
    ratings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--seconds", "1e-9", "--test-fraction", "0.1", "--json"
    assert cli.main(["fit", str(ratings), *OPTIONS, *options]) == 0
    tuned = json.loads(capsys.readouterr().out)
    plain = "--factors", "8", "--seed", "1", "--test-fraction", "0.1", "--json"
    assert cli.main(["fit", str(ratings), *plain]) == 0
    assert tuned["test"] == json.loads(capsys.readouterr().out)["test"]


def test_implicit_feedback_is_tuned_by_ndcg(
    clicks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.npz"
    command = ["fit", str(clicks), "--implicit", "-o", str(path), *OPTIONS, "--trials", "3"]
    assert cli.main([*command, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    expected = ft.ImplicitMatrixFactorizationCV(3, n_factors=8, random_state=1).fit(clicks)
    assert summary["best_params"] == expected.best_params_
    assert summary["best_ndcg"] == expected.best_ndcg_
    assert summary["loss"] == expected.history_["loss"][-1]
    np.testing.assert_array_equal(ft.load(path).item_factors_, expected.item_factors_)
    assert cli.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 200 users, 100 items, K = 8"
    assert lines[1].startswith("best of ")
    assert f"validation NDCG@10 {expected.best_ndcg_:.4f} (defaults: " in lines[1]
    assert "  n_factors       8" in lines[2:]


def test_a_search_on_clicks_that_may_take_no_time_gives_the_defaults(
    clicks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "fit", str(clicks), "--implicit", "--test-fraction", "0.1", "--json"
    assert cli.main([*command, *OPTIONS, "--seconds", "1e-9"]) == 0
    tuned = json.loads(capsys.readouterr().out)
    assert cli.main([*command, "--factors", "8", "--seed", "1"]) == 0
    assert tuned["test"] == json.loads(capsys.readouterr().out)["test"]
