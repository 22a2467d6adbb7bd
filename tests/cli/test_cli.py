"""The command line, run as a process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optional import pandas as pd
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli
from factorate._input import files
from factorate.cli import tables

EXECUTABLE = str(shutil.which("factorate", path=sysconfig.get_path("scripts")))


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [EXECUTABLE, *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", check=False, **options,
    )  # fmt: skip


@pytest.fixture
def ratings(columns: Any, tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    names = "userId", "movieId", "rating"
    pd.DataFrame(dict(zip(names, columns, strict=True))).to_csv(path, index=False)
    return path


@pytest.fixture
def model(ratings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    how = "--factors", "4", "--epochs", "3", "--seed", "1", "-q"
    assert cli.main(["fit", str(ratings), "-o", str(path), *how]) == 0
    return path


def test_the_demo_fills_the_matrix_and_meets_the_noise_floor() -> None:
    done = run("demo")
    assert done.returncode == 0, done.stderr
    assert "5  3  ·  1" in done.stdout
    assert "every given rating comes back to within 0.04" in done.stdout
    rmse = float(done.stdout.partition("test RMSE ")[2].split(",")[0])
    assert 0.5 < rmse < 0.54
    assert "million ratings/s" in done.stdout
    assert done.stdout.count("   item ") == 10
    assert done.stderr == ""


def test_fit_predict_evaluate_info(columns: Any, ratings: Path, model: Path) -> None:
    expected = ft.MatrixFactorization(4, 3, random_state=1).fit(columns)
    predicted = run("predict", model, ratings)
    assert predicted.returncode == 0, predicted.stderr
    lines = predicted.stdout.splitlines()
    assert lines[0] == '"userId","movieId","prediction"'
    assert len(lines) == 3001
    got = [float(line.rsplit(",", 1)[1]) for line in lines[1:]]
    np.testing.assert_allclose(got, expected.predict(columns[:2]), rtol=1e-6)
    scores = run("evaluate", model, ratings).stdout
    assert f"rmse       {expected.evaluate(columns)['rmse']:.6f}" in scores
    assert "n_unknown  0" in scores
    shown = run("info", model).stdout
    assert "60 (0 … 59)" in shown
    assert "80 (0 … 79)" in shown
    assert re.search(r"^n_factors +4$", shown, re.MULTILINE)
    places = {re.search(r" {2,}", line).end() for line in shown.splitlines()}  # type: ignore[union-attr]
    assert len(places) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_fit_shows_progress_on_a_terminal_and_a_summary_on_stdout(
    terminal: bool, ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Pipes and logs got every step of the bar."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert cli.main(["fit", str(ratings), "-o", str(tmp_path / "m.npz"), "--epochs", "2"]) == 0
    shown = capsys.readouterr()
    assert ("2/2" in shown.err) == terminal
    assert terminal or shown.err == ""
    assert "60 users, 80 items, K = 64, training RMSE " in shown.out


def test_an_interrupted_fit_leaves_the_old_file(
    ratings: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ft.MatrixFactorization, "fit", interrupt)
    before = model.read_bytes()
    assert cli.main(["fit", str(ratings), "-o", str(model)]) == 130
    assert model.read_bytes() == before
    assert capsys.readouterr().err == "factorate: interrupted\n"


def test_parquet_in_and_out(columns: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    pd.DataFrame(dict(zip(("user", "item", "stars"), columns, strict=True))).to_parquet(path)
    done = run("fit", path, "-o", tmp_path / "m.npz", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    out = tmp_path / "predictions.parquet"
    assert run("predict", tmp_path / "m.npz", path, "-o", out).returncode == 0
    assert pd.read_parquet(out).columns.tolist() == ["user", "item", "prediction"]
    out = tmp_path / "predictions.csv"
    assert run("predict", tmp_path / "m.npz", path, "-o", out).returncode == 0
    assert len(pd.read_csv(out)) == 3000
    done = run("predict", tmp_path / "m.npz", path, "-o", tmp_path / "predictions.txt")
    assert done.returncode == 1
    assert "ends in '.txt'; expected .csv, .tsv, .jsonl or .parquet" in done.stderr
    assert not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """Regression: the message named a temporary file."""
    with (
        pytest.raises(FileNotFoundError, match=r"'[^']*absent.o\.csv'"),
        tables.writing(str(tmp_path / "absent" / "o.csv")),
    ):
        pass
    with (
        pytest.raises(IsADirectoryError, match="is a folder"),
        tables.writing(str(tmp_path), "csv"),
    ):
        pass


def test_recommend_to_all_to_some_and_to_one(
    model: Path, tmp_path: Path, capfdbinary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "QUERIES_AT_ONCE", 7)
    loaded = ft.load(model)
    out = tmp_path / "out.csv"
    assert cli.main(["recommend", str(model), "-n", "3", "-o", str(out)]) == 0
    expected = loaded.recommend(n=3, as_frame=True)
    pd.testing.assert_frame_equal(
        pd.read_csv(out, dtype={"score": "float32"}), expected, check_dtype=False, rtol=1e-6
    )
    users = tmp_path / "users.csv"
    users.write_text("age,user\n30,5\n40,3\n")
    assert cli.main(["recommend", str(model), str(users), "-n", "2", "-o", str(out)]) == 0
    assert pd.read_csv(out)["user"].tolist() == [5, 5, 3, 3]
    arguments = ["recommend", str(model), "--id", "5", "--with-seen", "-n", "80", "-o", str(out)]
    assert cli.main(arguments) == 0
    items, _ = loaded.recommend(5, n=80, exclude_seen=False)
    assert pd.read_csv(out)["item"].tolist() == items.tolist()
    assert cli.main(["recommend", str(model), "--id", "5", "-n", "2", "--format", "jsonl"]) == 0
    printed = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    items, scores = loaded.recommend(5, n=2)
    assert [row["item"] for row in printed] == items.tolist()
    np.testing.assert_array_equal([row["score"] for row in printed], scores.astype(float))


def test_similar_items_and_users(model: Path, tmp_path: Path) -> None:
    loaded, out = ft.load(model), tmp_path / "out.parquet"
    assert cli.main(["similar", str(model), "-n", "4", "-o", str(out)]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(out), loaded.similar_items(n=4, as_frame=True))
    arguments = ["similar", str(model), "--users", "--id", "3", "--id", "5", "-o", str(out)]
    assert cli.main(arguments) == 0
    expected = loaded.similar_users([3, 5], as_frame=True)
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected)


@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_more_than_there_are_takes_no_more_memory(
    command: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There were as many columns as were asked for, and all queries at once."""
    monkeypatch.setattr(cli, "RESULTS_AT_ONCE", 200)
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    for n, out in ((80, few), (10**12, many)):
        assert cli.main([command, str(model), "-n", str(n), "-o", str(out)]) == 0
    assert many.read_text() == few.read_text()


def test_too_little_memory_is_an_error_of_one_line(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ft, "load", fail)
    assert cli.main(["info", str(model)]) == 1
    assert capsys.readouterr().err == "factorate: error: not enough memory\n"


@pytest.mark.parametrize("kind", ["int", "str"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_nobody_gets_an_empty_table(
    command: str, ending: str, kind: str, columns: Any, tmp_path: Path
) -> None:
    """The file of an empty table had no bytes, so that nothing could read it."""
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
    assert {str(schema.field(name).type) for name in names} <= {"int64", "string"}


def test_a_model_without_users_is_shown_and_recommends_nothing(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = ft.load(model)
    loaded.remove_users(loaded.users_).save(model)
    assert cli.main(["info", str(model)]) == 0
    assert re.search(r"^users +0$", capsys.readouterr().out, re.MULTILINE)
    assert cli.main(["recommend", str(model)]) == 0


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
def test_every_format_is_read_batch_by_batch(
    ending: str, columns: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_batches = partial(files.read_batches, batch_rows=700, batch_bytes=4000)
    monkeypatch.setattr(files, "read_batches", small_batches)
    path, out = tmp_path / f"pairs.{ending}", tmp_path / "out.jsonl"
    frame = pd.DataFrame({"when": columns[0], "item": columns[1], "user": columns[0]})
    if ending.startswith("jsonl"):
        frame.to_json(path, orient="records", lines=True)
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
    assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 0
    predicted = pd.read_json(out, lines=True)
    assert predicted.columns.tolist() == ["user", "item", "prediction"]
    expected = ft.load(model).predict(columns[:2])
    np.testing.assert_array_equal(predicted["prediction"].to_numpy(np.float32), expected)
    assert ft.MatrixFactorization(2, 1, columns=("user", "item", "when")).fit(path).n_epochs_ == 1


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_no_pairs_give_no_predictions(ending: str, model: Path, tmp_path: Path) -> None:
    path, out = tmp_path / f"pairs.{ending}", tmp_path / "out.csv"
    frame = pd.DataFrame({"user": np.zeros(0, int), "item": np.zeros(0, int)})
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 0
    assert out.read_text() == '"user","item","prediction"\n'


JSON_ERRORS = {
    '{"user": 1, "item": 2}\n{"user": 1}\n': "line 2: item is missing",
    '{"user": 1, "item": 2}\n\n[1, 2]\n': "line 3 is not a JSON object",
    '{"user": 1, "item": 2}\n{"user"\n': "line 2 is not JSON",
    '{"user": 1, "item": 2}\n{"user": "a", "item": 2}\n': (
        "line 2: user is 'a' where line 1 has 1; the ids of a column"
    ),
    '{"user": 1.5, "item": 2}\n': "line 1: user is 1.5; ids are integers, text, true or false",
    '{"user": [], "item": 2}\n': "line 1: user is []; ids are integers, text",
    "\n": "is empty",
}


@pytest.mark.parametrize("content", JSON_ERRORS)
def test_bad_json_lines_are_named_and_nothing_is_left(
    content: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "pairs.jsonl", tmp_path / "out.csv"
    path.write_text(content)
    out.write_text("what was there before")
    assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 1
    assert JSON_ERRORS[content] in capsys.readouterr().err
    assert out.read_text() == "what was there before"
    assert not list(tmp_path.glob(".*"))


def test_columns_can_be_named(columns: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    names = "who", "what", "much", "when"
    pd.DataFrame(dict(zip(names, (*columns, columns[0]), strict=True))).to_csv(path, index=False)
    done = run("fit", path, "-o", tmp_path / "m.npz", "-q")
    assert done.returncode == 1
    assert done.stderr.endswith("name them with --columns user,item,rating\n")
    chosen = "--columns", "who,what,much"
    assert run("fit", path, "-o", tmp_path / "m.npz", "-q", *chosen).returncode == 0
    assert run("evaluate", tmp_path / "m.npz", path).returncode == 0  # the model remembers
    assert run("predict", tmp_path / "m.npz", path).returncode == 0
    assert run("predict", tmp_path / "m.npz", path, "--columns", "who,what").returncode == 0
    assert run("evaluate", tmp_path / "m.npz", path, "--columns", "who").returncode == 2


def test_unknown_ids_are_a_warning_on_stderr(model: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("user,item\n0,0\n777,0\n")
    done = run("predict", model, tmp_path / "pairs.csv")
    assert done.returncode == 0
    assert done.stderr.startswith("factorate: warning: 1 of 2 users are unknown (777)")


ERRORS: dict[str, tuple[list[str], int, str]] = {
    "no command": ([], 2, "usage: factorate"),
    "no such command": (["train"], 2, "invalid choice"),
    "no output": (["fit", "ratings.csv"], 2, "-o/--output"),
    "no file": (["fit", "absent.csv", "-o", "m.npz"], 1, "factorate: error: no file 'absent.csv'"),
    "no folder": (["fit", "bad.csv", "-o", "absent/m.npz"], 1, "no folder 'absent' to save"),
    "a folder": (["fit", "bad.csv", "-o", "."], 1, "'.' is a folder"),
    "bad line": (["fit", "bad.csv", "-o", "m.npz"], 1, "bad.csv, line 3: rating is 'x'"),
    "bad number": (["fit", "bad.csv", "-o", "m.npz", "--factors", "two"], 2, "invalid int value"),
    "bad parameter": (["fit", "bad.csv", "-o", "m.npz", "--epochs", "-1"], 1, "n_epochs is -1"),
    "no model": (["predict", "absent.npz", "bad.csv"], 1, "no file 'absent.npz'"),
    "not a model": (["info", "bad.csv"], 1, "is not a model of factorate"),
    "ids twice": (["recommend", "m.npz", "bad.csv", "--id", "1"], 2, "--id: not allowed with"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_a_message_and_an_exit_code(case: str, tmp_path: Path) -> None:
    arguments, code, message = ERRORS[case]
    (tmp_path / "bad.csv").write_text("user,item,rating\n1,2,3\n1,3,x\n")
    done = run(*arguments, cwd=tmp_path)
    if "needs pyarrow" in done.stderr:
        present(pa)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "m.npz").exists()


OPTIONS: dict[str, tuple[list[str], str]] = {
    "kullback_leibler": (["fit", "r.csv", "-o", "m.npz", "--loss", "kullback_leibler"],
                         "--loss kullback_leibler needs predictions ≥ 0; set --nonnegative"),
    "columns": (["fit", "r.csv", "-o", "m.npz", "--columns", "user,item,much"],
                "--columns user,item,much names 'much', which is not among the columns"),
    "seen": (["recommend", "s.npz"],
             "(--no-seen), so it cannot be left out; pass --with-seen, or fit without --no-seen"),
    "penalty": (["fit", "r.csv", "-o", "m.npz", "--svdpp", "--l1", "0.1"],
                "--svdpp does not go with --l1 0.1; drop one of them\n"),
    "held out": (["fit", "r.csv", "-o", "m.npz", "--early-stopping"], "give more ratings\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_errors_advise_what_the_command_line_has(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They advised arguments of Python."""
    present(pa)
    arguments, message = OPTIONS[case]
    monkeypatch.chdir(tmp_path)
    Path("r.csv").write_text("user,item,rating\n1,2,3\n1,2,4\n")
    ft.MatrixFactorization(2, 1, keep_seen=False).fit(([1], [2], [3.0])).save("s.npz")
    assert cli.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_integers_of_more_than_64_bits_go_all_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: a model was fitted on them, and could not be asked."""
    present(pa)
    monkeypatch.chdir(tmp_path)
    large = 10**20
    lines = [{"user": u, "item": i, "rating": 3} for u, i in ((1, 1), (large, 2), (large, 1))]
    Path("r.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cli.main(["fit", "r.jsonl", "-o", "m.npz", "-q"]) == 0
    asks = [["r.jsonl"], ["--id", str(large)], []]
    for ask in asks:
        assert cli.main(["recommend", "m.npz", *ask, "--with-seen", "--format", "jsonl"]) == 0
        found = [json.loads(line)["user"] for line in capsys.readouterr().out.splitlines()]
        assert set(found) == ({large} if "--id" in ask else {1, large})
    assert cli.main(["similar", "m.npz", "--users", "--id", "1"]) == 0
    assert str(large) in capsys.readouterr().out


def test_a_format_that_contradicts_the_ending_is_wrong_usage(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON lines went into a file that was named .csv."""
    out = tmp_path / "out.csv"
    with pytest.raises(SystemExit) as caught:
        cli.main(["recommend", str(model), "-o", str(out), "--format", "jsonl"])
    assert caught.value.code == 2
    assert "--format jsonl contradicts the ending of" in capsys.readouterr().err
    assert not out.exists()
    assert cli.main(["recommend", str(model), "-o", str(out), "--format", "csv"]) == 0
    assert cli.main(["recommend", str(model), "-o", str(tmp_path / "out"), "--format", "csv"]) == 0


def test_help_and_version() -> None:
    assert f"factorate {ft.__version__}" in run("--version").stdout
    shown = run("--help").stdout
    for command in ("demo", "fit", "predict", "recommend", "similar", "evaluate", "info"):
        assert command in shown
    assert "default: 0.036" in run("fit", "--help").stdout
    done = subprocess.run(
        [sys.executable, "-m", "factorate", "--version"], capture_output=True, text=True, check=True
    )
    assert ft.__version__ in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe as POSIX shells do")
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_reader_who_has_enough_is_no_error(form: str, model: Path) -> None:
    with subprocess.Popen(
        [EXECUTABLE, "recommend", model, "--format", form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_fit_takes_every_way_to_learn(ratings: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.npz"
    done = run(
        "fit", ratings, "-o", output, "-q", "--loss", "huber", "--schedule", "cosine",
        "--l1", "0.001", "--early-stopping", "--validation-fraction", "0.2", "--patience", "2",
        "--clip", "--no-seen", "--epochs", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parameters = ft.load(output).get_params()
    assert parameters | {
        "loss": "huber", "learning_rate_schedule": "cosine", "l1_regularization": 0.001,
        "early_stopping": True, "validation_fraction": 0.2, "patience": 2, "clip": True,
        "keep_seen": False,
    } == parameters  # fmt: skip
