"""The output of each command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call, run, write_model, write_ratings
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli
from factorate._serving.result_files import batch_size


@pytest.fixture
def ratings(columns: Any, tmp_path: Path) -> Path:
    return write_ratings(columns, tmp_path / "ratings.csv")


@pytest.fixture
def model(ratings: Path, tmp_path: Path) -> Path:
    return write_model(ratings, tmp_path / "model.npz")


def test_demo_prints_small_errors_and_ten_recommendations() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    assert "5  3  ·  1" in done.stdout
    assert "the largest error of a known rating is 0.04" in done.stdout
    rmse = float(done.stdout.partition("test RMSE ")[2].split(",")[0])
    assert 0.5 < rmse < 0.54
    assert "million ratings/s" in done.stdout
    assert done.stdout.count("   item ") == 10
    assert done.stderr == ""


def test_fit_stores_the_model_of_the_same_fit_in_python(columns: Any, model: Path) -> None:
    expected = ft.MatrixFactorization(4, 3, random_state=1).fit(columns)
    np.testing.assert_array_equal(ft.load(model).user_factors_, expected.user_factors_)
    np.testing.assert_array_equal(ft.load(model).item_factors_, expected.item_factors_)


def test_fit_passes_every_option_to_the_model(ratings: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.npz"
    options = (
        "--factors 3 --epochs 4 --learning-rate 0.01 --regularization 0.05 --l1 0.001 --loss huber "
        "--schedule cosine --early-stopping --validation-fraction 0.2 --patience 2 --clip "
        "--no-seen --no-bias --no-mean --seed 5 --threads 1 --dtype float64 "
        "--columns userId,movieId,rating --nonnegative"
    )
    assert call("fit", ratings, "-o", output, "-q", *options.split()) == 0
    expected = {
        "n_factors": 3,
        "n_epochs": 4,
        "learning_rate": 0.01,
        "regularization": 0.05,
        "l1_regularization": 0.001,
        "loss": "huber",
        "learning_rate_schedule": "cosine",
        "early_stopping": True,
        "validation_fraction": 0.2,
        "patience": 2,
        "clip": True,
        "keep_seen": False,
        "fit_bias": False,
        "fit_mean": False,
        "random_state": 5,
        "n_threads": 1,
        "dtype": "float64",
        "columns": ("userId", "movieId", "rating"),
        "nonnegative": True,
    }
    parameters = ft.load(output).get_params()
    assert {name: parameters[name] for name in expected} == expected
    assert cli.main(["fit", str(ratings), "-o", str(output), "-q", "--svdpp"]) == 0
    assert ft.load(output).svdpp_factors_.shape == (80, 64)


@pytest.mark.parametrize("terminal", [True, False])
def test_fit_shows_progress_on_a_terminal_only_and_prints_a_summary(
    terminal: bool,
    ratings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert cli.main(["fit", str(ratings), "-o", str(tmp_path / "m.npz"), "--epochs", "2"]) == 0
    printed = capsys.readouterr()
    assert ("2/2" in printed.err) == terminal
    assert terminal or printed.err == ""
    assert "60 users, 80 items, K = 64, training RMSE " in printed.out


def test_interrupted_fit_keeps_the_old_file(
    ratings: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ft.MatrixFactorization, "fit", interrupt)
    before = model.read_bytes()
    assert cli.main(["fit", str(ratings), "-o", str(model)]) == 130
    assert model.read_bytes() == before
    assert capsys.readouterr().err == "factorate: interrupted\n"


def test_predict_writes_a_line_for_each_pair(columns: Any, ratings: Path, model: Path) -> None:
    done = run("predict", model, ratings)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == '"userId","movieId","prediction"'
    assert len(lines) == 3001
    predicted = [float(line.rsplit(",", 1)[1]) for line in lines[1:]]
    np.testing.assert_allclose(predicted, ft.load(model).predict(columns[:2]), rtol=1e-6)


def test_evaluate_prints_errors_and_the_number_of_unknown_pairs(
    columns: Any, ratings: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("evaluate", model, ratings) == 0
    printed = capsys.readouterr().out
    assert f"rmse       {ft.load(model).evaluate(columns)['rmse']:.6f}" in printed
    assert "n_ratings  3000\nn_unknown  0\n" in printed


def test_evaluate_as_json(
    columns: Any, ratings: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", str(model), str(ratings), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = ft.load(model).evaluate(columns)
    assert printed == pytest.approx({**expected, "n_ratings": 3000})
    assert list(printed) == ["rmse", "mae", "n_ratings", "n_unknown"]


def test_evaluate_in_several_batches(columns: Any, model: Path, tmp_path: Path) -> None:
    """The errors are those of all rows, and so is the number of unknown pairs."""
    users, items, ratings = (np.tile(column, 150) for column in columns)
    users[::7] = 999
    path = write_ratings((users, items, ratings), tmp_path / "many.csv")
    done = run("evaluate", model, path, "--json")
    with pytest.warns(ft.UnknownIdWarning):
        expected = ft.load(model).evaluate((users, items, ratings))
    assert json.loads(done.stdout) == pytest.approx({**expected, "n_ratings": 450_000})
    first, further = done.stderr.splitlines()
    assert "1 unknown user (999)" in first
    assert re.fullmatch(
        r"factorate: warning: \d+ more such warnings, for later batches of the input", further
    )


def test_evaluate_needs_ratings(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.csv"
    path.write_text("user,item,rating\n")
    assert cli.main(["evaluate", str(model), str(path)]) == 1
    assert "none.csv has no ratings; at least one is needed" in capsys.readouterr().err


def test_info_prints_ids_and_parameters_in_two_columns(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["info", str(model)]) == 0
    printed = capsys.readouterr().out
    assert "60 (0 … 59)" in printed
    assert "80 (0 … 79)" in printed
    assert re.search(r"^n_factors +4$", printed, re.MULTILINE)
    starts = {len(re.split(r"(?<= {2})(?=\S)", line)[0]) for line in printed.splitlines()}
    assert len(starts) == 1


def test_info_as_json(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--json", str(model)]) == 0
    printed = json.loads(capsys.readouterr().out)
    loaded = ft.load(model)
    assert printed.pop("parameters") == loaded.get_params()
    assert printed == {
        "model": str(model),
        "n_bytes": model.stat().st_size,
        "n_users": 60,
        "n_items": 80,
        "n_factors": 4,
        "n_epochs": 3,
        "train_rmse": loaded.history_["train_rmse"][-1],
        "mean": loaded.global_mean_,
    }


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_fit_prints_its_summary_as_json(
    quiet: tuple[str, ...], ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "m.npz")
    assert cli.main(["fit", str(ratings), "-o", path, "--epochs", "2", "--json", *quiet]) == 0
    printed = capsys.readouterr()
    expected = {"model": path, "n_users": 60, "n_items": 80, "n_factors": 64, "n_epochs": 2}
    error = ft.load(path).history_["train_rmse"][-1]
    assert json.loads(printed.out) == {**expected, "train_rmse": error, "test": None}
    assert printed.err == ""


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("command", ["fit", "predict", "recommend", "similar", "evaluate"])
def test_long_work_shows_a_bar_on_a_terminal_unless_it_is_quiet(
    command: str,
    quiet: bool,
    ratings: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    inputs = [ratings] if command == "fit" else [model]
    inputs += [ratings] if command in ("predict", "evaluate") else []
    output = (
        []
        if command == "evaluate"
        else ["-o", tmp_path / f"out{'' if command == 'fit' else '.csv'}"]
    )
    options = ["--quiet"] if quiet else []
    assert cli.main([command, *map(str, (*inputs, *output, *options))]) == 0
    printed = capsys.readouterr()
    units = {"fit": "epoch", "predict": "pairs", "recommend": "users", "similar": "items"}
    assert (units.get(command, "ratings") in printed.err) is not quiet
    assert quiet is (printed.err == "")
    if quiet and command != "evaluate":
        assert printed.out == ""


def test_parquet_input_and_output(
    columns: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, model = tmp_path / "ratings.parquet", tmp_path / "m.npz"
    pd.DataFrame(dict(zip(("user", "item", "stars"), columns, strict=True))).to_parquet(path)
    assert call("fit", path, "-o", model, "-q") == 0
    assert capfd.readouterr() == ("", "")
    expected = ft.load(model).predict(columns[:2])
    for ending, read in (("parquet", pd.read_parquet), ("csv", pd.read_csv)):
        out = tmp_path / f"predictions.{ending}"
        assert call("predict", model, path, "-o", out) == 0
        frame = read(out)
        assert frame.columns.tolist() == ["user", "item", "prediction"]
        np.testing.assert_allclose(frame["prediction"], expected, rtol=1e-6)


def test_recommend_to_all_users(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert cli.main(["recommend", str(model), "-n", "3", "-o", str(out)]) == 0
    expected = ft.load(model).recommend(n=3, as_frame=True)
    pd.testing.assert_frame_equal(
        pd.read_csv(out, dtype={"score": "float32"}), expected, check_dtype=False, rtol=1e-6
    )


def test_recommend_to_the_users_of_a_file(model: Path, tmp_path: Path) -> None:
    users, out = tmp_path / "users.csv", tmp_path / "out.csv"
    users.write_text("age,user\n30,5\n40,3\n")
    assert cli.main(["recommend", str(model), str(users), "-n", "2", "-o", str(out)]) == 0
    assert pd.read_csv(out)["user"].tolist() == [5, 5, 3, 3]


def test_recommend_to_the_users_of_several_files_after_the_options(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Regression: files may be named before and after an option."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("user\n5\n")
    second.write_text("user\n3\n")
    assert cli.main(["recommend", str(model), "-n", "2", str(first), str(second), "--json"]) == 0
    printed = capfd.readouterr().out
    assert [json.loads(line)["user"] for line in printed.splitlines()] == [5, 5, 3, 3]


def test_an_id_in_the_place_of_a_file_names_the_option(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["recommend", str(model), "5"]) == 1
    expected = "error: no file '5'; to name the user '5' itself, write --id 5\n"
    assert capsys.readouterr().err.endswith(expected)


def test_recommend_to_a_named_user(model: Path, capfdbinary: Any) -> None:
    loaded = ft.load(model)
    options = ["--id", "5", "--format", "jsonl"]
    for further, expected in (
        (["-n", "2"], loaded.recommend(5, n=2)),
        (["-n", "80", "--with-seen"], loaded.recommend(5, n=80, exclude_seen=False)),
    ):
        assert cli.main(["recommend", str(model), *options, *further]) == 0
        rows = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        assert [row["item"] for row in rows] == expected[0].tolist()
        np.testing.assert_array_equal([row["score"] for row in rows], expected[1].astype(float))


def test_similar_items_and_users(model: Path, tmp_path: Path) -> None:
    loaded, out = ft.load(model), tmp_path / "out.parquet"
    assert cli.main(["similar", str(model), "-n", "4", "-o", str(out)]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), loaded.similar_items(n=4, as_frame=True))
    arguments = ["similar", str(model), "--users", "--id", "3", "--id", "5", "-o", str(out)]
    assert cli.main(arguments) == 0
    expected = loaded.similar_users([3, 5], as_frame=True)
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected)


def test_batches_cover_all_queries(tmp_path: Path) -> None:
    present((pa, pd))
    n_users = batch_size(2) + 1000
    model, out = tmp_path / "m.npz", tmp_path / "out.parquet"
    users = np.arange(n_users)
    fitted = ft.MatrixFactorization(2, 1, random_state=0).fit((users, users % 3, users % 5 + 1.0))
    fitted.save(model)
    assert cli.main(["recommend", str(model), "-n", "2", "-o", str(out)]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), fitted.recommend(n=2, as_frame=True))


@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_n_beyond_the_number_of_items_needs_no_more_memory(
    command: str, model: Path, tmp_path: Path
) -> None:
    all_of_them, many = tmp_path / "all.csv", tmp_path / "many.csv"
    for n, out in ((80, all_of_them), (10**12, many)):
        assert cli.main([command, str(model), "-n", str(n), "-o", str(out)]) == 0
    assert many.read_text() == all_of_them.read_text()


@pytest.mark.parametrize("kind", ["int", "str"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_no_queries_give_a_table_without_rows(
    command: str, ending: str, kind: str, columns: Any, tmp_path: Path
) -> None:
    users, items, ratings = columns
    model, ids, out = (tmp_path / name for name in ("m.npz", f"ids.{ending}", f"out.{ending}"))
    ft.MatrixFactorization(2, 1).fit((users.astype(kind), items.astype(kind), ratings)).save(model)
    frame = pd.DataFrame({"user" if command == "recommend" else "item": np.zeros(0, kind)})
    frame.to_csv(ids, index=False) if ending == "csv" else frame.to_parquet(ids)
    assert cli.main([command, str(model), str(ids), "-o", str(out)]) == 0
    names = ["user", "item"] if command == "recommend" else ["item", "similar_item"]
    if ending == "csv":
        assert out.read_text() == f'"{names[0]}","{names[1]}","score"\n'
        return
    schema = pa.parquet.read_schema(out)
    assert schema.names == [*names, "score"]
    expected = {"int": "int64", "str": "string"}[kind]
    assert {str(schema.field(name).type) for name in names} == {expected}


def test_model_without_users(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loaded = ft.load(model)
    loaded.remove_users(loaded.users_).save(model)
    assert cli.main(["info", str(model)]) == 0
    assert re.search(r"^users +0$", capfd.readouterr().out, re.MULTILINE)
    assert cli.main(["recommend", str(model)]) == 0
    assert capfd.readouterr().out == '"user","item","score"\n'


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_input_format_in_several_batches(
    ending: str, columns: Any, model: Path, tmp_path: Path
) -> None:
    """The input has more rows and bytes than one batch of any format."""
    path, out = tmp_path / f"pairs.{ending}", tmp_path / "out.jsonl"
    users, items = (np.tile(column, 23) for column in columns[:2])
    frame = pd.DataFrame({"note": "x" * 60, "item": items, "user": users})
    if ending.startswith("jsonl"):
        frame.to_json(path, orient="records", lines=True)
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 0
    predicted = pd.read_json(out, lines=True)
    assert predicted.columns.tolist() == ["user", "item", "prediction"]
    expected = ft.load(model).predict((users, items))
    np.testing.assert_array_equal(predicted["prediction"].to_numpy(np.float32), expected)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_no_pairs_give_no_predictions(ending: str, model: Path, tmp_path: Path) -> None:
    path, out = tmp_path / f"pairs.{ending}", tmp_path / "out.csv"
    frame = pd.DataFrame({"user": np.zeros(0, int), "item": np.zeros(0, int)})
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 0
    assert out.read_text() == '"user","item","prediction"\n'


JSON_ERRORS = {
    "missing": '{"user": 1, "item": 2}\n{"user": 1}\n',
    "not an object": '{"user": 1, "item": 2}\n\n[1, 2]\n',
    "not JSON": '{"user": 1, "item": 2}\n{"user"\n',
    "mixed types": '{"user": 1, "item": 2}\n{"user": "a", "item": 2}\n',
    "float": '{"user": 1.5, "item": 2}\n',
    "list": '{"user": [], "item": 2}\n',
    "empty": "\n",
}


@pytest.mark.parametrize("case", JSON_ERRORS)
def test_error_in_the_input_keeps_the_old_output(
    case: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "pairs.jsonl", tmp_path / "out.csv"
    path.write_text(JSON_ERRORS[case])
    out.write_text("old")
    assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 1
    assert "pairs.jsonl" in capsys.readouterr().err
    assert out.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_columns_option_and_the_names_stored_in_the_model(
    columns: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, model = tmp_path / "ratings.csv", tmp_path / "m.npz"
    names = "who", "what", "much", "when"
    pd.DataFrame(dict(zip(names, (*columns, columns[0]), strict=True))).to_csv(path, index=False)
    assert call("fit", path, "-o", model, "-q") == 1
    assert "columns" in capfd.readouterr().err
    assert call("fit", path, "-o", model, "-q", "--columns", "who,what,much") == 0
    assert call("evaluate", model, path) == 0
    assert call("predict", model, path) == 0
    assert call("predict", model, path, "--columns", "who,what") == 0
    assert call("evaluate", model, path, "--columns", "who") == 2


def test_integers_of_more_than_64_bits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    present(pa)
    monkeypatch.chdir(tmp_path)
    large = 10**20
    lines = [{"user": u, "item": i, "rating": 3} for u, i in ((1, 1), (large, 2), (large, 1))]
    Path("r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cli.main(["fit", "r.jsonl", "-o", "m.npz", "-q"]) == 0
    for queries, expected in (
        (["r.jsonl"], {1, large}),
        (["--id", str(large)], {large}),
        ([], {1, large}),
    ):
        assert cli.main(["recommend", "m.npz", *queries, "--with-seen", "--format", "jsonl"]) == 0
        printed = capfd.readouterr().out
        assert {json.loads(line)["user"] for line in printed.splitlines()} == expected
    assert cli.main(["similar", "m.npz", "--users", "--id", "1"]) == 0
    assert str(large) in capfd.readouterr().out
