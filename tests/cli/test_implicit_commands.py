"""The commands on interactions: fit --implicit, and every later command with such a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli

OPTIONS = "--factors", "4", "--epochs", "3", "--seed", "1", "-q"


@pytest.fixture
def clicks(columns: Any, tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    users, items, _ = columns
    pd.DataFrame({"user": users[:2500], "item": items[:2500]}).to_csv(path, index=False)
    return path


@pytest.fixture
def model(clicks: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    assert cli.main(["fit", str(clicks), "--implicit", "-o", str(path), *OPTIONS]) == 0
    return path


def output(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert cli.main(list(map(str, arguments))) == 0
    return capsys.readouterr().out


def test_fit_stores_the_model_of_the_same_fit_in_python(columns: Any, model: Path) -> None:
    pairs = columns[0][:2500], columns[1][:2500]
    expected = ft.ImplicitMatrixFactorization(4, 3, random_state=1).fit(pairs)
    np.testing.assert_array_equal(ft.load(model).user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(ft.load(model).item_factors_, expected.item_factors_)


def test_fit_passes_every_option_to_the_model(clicks: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    options = (
        "--factors 3 --epochs 4 --regularization 0.05 --unobserved-weight 0.2 --alpha 1.5 "
        "--early-stopping --validation-fraction 0.2 --patience 2 --no-seen --seed 5 --threads 1 "
        "--dtype float64 --columns user,item"
    )
    assert cli.main(["fit", str(clicks), "--implicit", "-o", str(path), *options.split()]) == 0
    expected = {
        "n_factors": 3,
        "n_epochs": 4,
        "regularization": 0.05,
        "unobserved_weight": 0.2,
        "alpha": 1.5,
        "early_stopping": True,
        "validation_fraction": 0.2,
        "patience": 2,
        "keep_seen": False,
        "random_state": 5,
        "n_threads": 1,
        "dtype": "float64",
        "columns": ("user", "item"),
        "verbose": False,
    }
    assert ft.load(path).get_params() == expected


def test_every_later_command_reads_the_model(
    model: Path, clicks: Path, columns: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    loaded = ft.load(model)
    lists = output(capsys, "recommend", model, "--id", 7, "-n", 3, "--json").splitlines()
    assert [json.loads(line)["item"] for line in lists] == loaded.recommend(7, 3)[0].tolist()
    similar = output(capsys, "similar", model, "--id", 7, "-n", 3).splitlines()
    assert similar[0] == '"item","similar_item","score"'
    scores = output(capsys, "predict", model, clicks).splitlines()
    assert scores[0] == '"user","item","score"'
    assert len(scores) == 2501
    described = output(capsys, "info", model)
    assert "loss " in described
    assert "unobserved_weight" in described
    assert "rmse" not in described
    assert "valid ndcg" not in described
    assert f"unobserved weight    {loaded.unobserved_weight_:.6g}" in described
    values = json.loads(output(capsys, "info", model, "--json"))
    assert (values["n_users"], values["valid_ndcg"]) == (60, None)
    assert values["unobserved_weight"] == loaded.unobserved_weight_
    held_out = tmp_path / "test.csv"
    frame = {"user": columns[0][2500:], "item": columns[1][2500:], "rating": columns[2][2500:]}
    pd.DataFrame(frame).to_csv(held_out, index=False)
    found = json.loads(output(capsys, "evaluate", model, held_out, "--json"))
    pairs = frame["user"], frame["item"]
    assert found == loaded.evaluate(pairs, popular=True)
    table = output(capsys, "evaluate", model, held_out).splitlines()
    assert table[0].split() == ["model", "popular"]
    assert table[4].split() == ["ndcg", f"{found['ndcg']:.6f}", f"{found['popular_ndcg']:.6f}"]
    assert table[-2].split() == ["n_users", "60"]
    shorter = json.loads(output(capsys, "evaluate", model, held_out, "--json", "-n", 3))
    assert shorter == loaded.evaluate(pairs, 3, popular=True)


def test_fit_shows_the_validation_ndcg_of_the_best_epoch(
    clicks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, options = tmp_path / "model.npz", ("--factors", 4, "--epochs", 3, "--seed", 1)
    shown = output(capsys, "fit", clicks, "--implicit", "-o", model, "--early-stopping", *options)
    loaded = ft.load(model)
    ndcg = loaded.history_["valid_ndcg"].max()
    assert shown.endswith(f"validation NDCG@10 {ndcg:.4f} (epoch {loaded.best_epoch_})\n")
    assert f"valid ndcg           {ndcg:.4f}" in output(capsys, "info", model)


def test_a_test_fraction_is_ranked_beside_the_most_popular_items(
    clicks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "fit", clicks, "--implicit", "--test-fraction", "0.2", "--seed", "1"
    text = output(capsys, *command)
    assert "500 held-out interactions, 60 users" in text
    assert "popular" in text
    values = json.loads(output(capsys, *command, "--json"))
    assert f"{values['test']['ndcg']:.4f}" in text
    assert values["loss"] > 0
    assert cli.main(list(map(str, command))) == 0  # the same split
    assert f"{values['test']['popular_ndcg']:.4f}" in capsys.readouterr().out


def test_counts_are_used_if_a_column_is_named_so(tmp_path: Path) -> None:
    present(pa)
    path, model = tmp_path / "plays.csv", tmp_path / "model.npz"
    path.write_text("user,artist,plays\nann,tea,3\nbob,tea,1\nbob,rye,5\n")
    assert cli.main(["fit", str(path), "--implicit", "-o", str(model), *OPTIONS]) == 0
    expected = ft.ImplicitMatrixFactorization(4, 3, random_state=1)
    expected.fit((["ann", "bob", "bob"], ["tea", "tea", "rye"], [3, 1, 5]))
    np.testing.assert_array_equal(ft.load(model).user_factors_, expected.user_factors_)


def test_the_length_of_lists_is_not_an_option_for_models_of_ratings(
    columns: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, ratings = tmp_path / "model.npz", tmp_path / "ratings.csv"
    ft.MatrixFactorization(2, n_epochs=1, random_state=0).fit(columns).save(path)
    names = ("user", "item", "rating")
    pd.DataFrame(dict(zip(names, columns, strict=True))).to_csv(ratings, index=False)
    assert cli.main(["evaluate", str(path), str(ratings), "-n", "5"]) == 1
    assert "-n is for models of interactions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--implicit --svdpp", "argument --svdpp: not allowed with argument --implicit"),
        ("--implicit --loss huber", "argument --loss: not allowed with argument --implicit"),
        ("--implicit --schedule cosine", "argument --schedule: not allowed with"),
        ("--implicit --learning-rate 0.1", "argument --learning-rate: not allowed with"),
        ("--implicit --tune --shrinkage 2", "argument --shrinkage: not allowed with argument"),
        ("--implicit --tune --patience 2", "argument --patience: not allowed with argument --tune"),
        ("--alpha 2", "argument --alpha: only allowed with argument --implicit"),
        ("--unobserved-weight 2", "argument --unobserved-weight: only allowed with"),
    ],
)
def test_options_of_the_other_model_are_a_usage_error(
    options: str, message: str, clicks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["fit", str(clicks), "-o", "m.npz", *options.split()])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
