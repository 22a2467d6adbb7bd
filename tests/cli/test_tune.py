"""The choice of settings: fit --tune."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command import write_ratings

import factorate as ft
from factorate import cli

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = "--tune", "--trials", "5", "--factors", "8", "--seed", "1"


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    return write_ratings(ft.datasets.synthetic(5000, 200, 100), tmp_path / "r.csv")


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
