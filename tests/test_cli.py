"""The command line, run as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import factorate as ft

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
    done = run("fit", ratings, "-o", path, "--factors", "4", "--epochs", "3", "--seed", "1", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
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
    assert "20/20" in done.stderr


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
    assert "n_factors       4" in shown


def test_fit_shows_progress_on_stderr_and_a_summary_on_stdout(
    ratings: Path, tmp_path: Path
) -> None:
    done = run("fit", ratings, "-o", tmp_path / "m.npz", "--epochs", "2")
    assert done.returncode == 0
    assert "2/2" in done.stderr
    assert "60 users, 80 items, K = 64, training RMSE " in done.stdout


def test_parquet_in_and_out(columns: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    pd.DataFrame(dict(zip(("user", "item", "stars"), columns, strict=True))).to_parquet(path)
    assert run("fit", path, "-o", tmp_path / "m.npz", "-q").returncode == 0
    out = tmp_path / "predictions.parquet"
    assert run("predict", tmp_path / "m.npz", path, "-o", out).returncode == 0
    assert pd.read_parquet(out).columns.tolist() == ["user", "item", "prediction"]
    out = tmp_path / "predictions.csv"
    assert run("predict", tmp_path / "m.npz", path, "-o", out).returncode == 0
    assert len(pd.read_csv(out)) == 3000
    done = run("predict", tmp_path / "m.npz", path, "-o", tmp_path / "predictions.txt")
    assert done.returncode == 1
    assert "expected a path that ends in .csv or .parquet" in done.stderr


def test_columns_can_be_named(columns: Any, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    names = "who", "what", "much", "when"
    pd.DataFrame(dict(zip(names, (*columns, columns[0]), strict=True))).to_csv(path, index=False)
    done = run("fit", path, "-o", tmp_path / "m.npz", "-q")
    assert done.returncode == 1
    assert "name them with columns=" in done.stderr
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
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_a_message_and_an_exit_code(case: str, tmp_path: Path) -> None:
    arguments, code, message = ERRORS[case]
    (tmp_path / "bad.csv").write_text("user,item,rating\n1,2,3\n1,3,x\n")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "m.npz").exists()


def test_help_and_version() -> None:
    assert f"factorate {ft.__version__}" in run("--version").stdout
    shown = run("--help").stdout
    for command in ("demo", "fit", "predict", "evaluate", "info"):
        assert command in shown
    assert "default: 0.036" in run("fit", "--help").stdout
    done = subprocess.run(
        [sys.executable, "-m", "factorate", "--version"], capture_output=True, text=True, check=True
    )
    assert ft.__version__ in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe as POSIX shells do")
def test_a_reader_who_has_enough_is_no_error(model: Path, ratings: Path) -> None:
    with subprocess.Popen(
        [EXECUTABLE, "predict", model, ratings], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
