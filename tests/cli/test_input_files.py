"""The commands read text with any separator, and standard input."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from command import EXECUTABLE, run
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli

U_DATA = "196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n"
FIT = "-o", "m.npz", "--factors", "2", "--epochs", "1", "--seed", "0"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a file without a header."""
    present(pa)
    monkeypatch.chdir(tmp_path)
    Path("u.data").write_text(U_DATA)


def test_what_was_detected_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fit", "u.data", *FIT]) == 0
    line = (
        "factorate: u.data: separator tab, no header line, columns user, item, rating, timestamp\n"
    )
    assert capsys.readouterr().err == line
    assert cli.main(["fit", "u.data", *FIT, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    Path("usual.csv").write_text("user,item,rating\n1,2,3\n")
    assert cli.main(["fit", "usual.csv", *FIT]) == 0
    assert capsys.readouterr().err == ""


def test_columns_are_named_or_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fit", "u.data", *FIT, "--columns", "1,0,2"]) == 0
    assert ft.load("m.npz").users_.tolist() == [242, 302, 377]
    Path("r.csv").write_text("stars;who;what\n3;242;196\n")
    assert cli.main(["evaluate", "m.npz", "r.csv", "--columns", "who,what,stars"]) == 0
    assert "n_unknown  0" in capsys.readouterr().out
    Path("ids.txt").write_text("3;242\n4;377\n")
    options = ["--columns", "1", "-n", "1", "--with-seen", "--quiet"]
    assert cli.main(["recommend", "m.npz", "ids.txt", *options]) == 0
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "242",
        "377",
    ]
    assert cli.main(["recommend", "m.npz", "ids.txt", "--columns", "2"]) == 1
    assert "--columns names 2, which is not among" in capsys.readouterr().err


def test_separator_and_missing_header_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.txt").write_text("user~item~3\n7~8~4\n")
    assert cli.main(["fit", "r.txt", *FIT, "--sep", "~", "--no-header"]) == 0
    assert ft.load("m.npz").users_.tolist() == ["7", "user"]
    assert cli.main(["fit", "u.data", *FIT, "--sep", r"\t"]) == 0
    assert cli.main(["fit", "u.data", *FIT, "--sep", "", "--no-header"]) == 1
    assert "sep is ''; expected the text between two fields" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "n_users"), [("--header", 1), ("--no-header", 2)])
def test_a_header_is_given(option: str, n_users: int) -> None:
    """Regression: `--header` says that the first line holds names, even if they are numbers."""
    Path("r.csv").write_text("1,2,3\n4,5,6\n")
    columns = ["--columns", "0,1,2"] if option == "--header" else []
    assert cli.main(["fit", "r.csv", *FIT, option, *columns]) == 0
    assert len(ft.load("m.npz").users_) == n_users


def test_standard_input_is_read() -> None:
    assert run("fit", "-", *FIT, input=U_DATA).returncode == 0
    done = run("predict", "m.npz", "-", input="186::302\n196::242\n")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == '"user","item","prediction"'
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr.startswith("factorate: standard input: separator '::', no header line, col")
    done = run("recommend", "m.npz", "-", "-n", "1", input="196\n")
    assert done.stdout.splitlines()[1].startswith("196,")
    binary = Path("u.data").read_bytes()
    fit = subprocess.run(
        [EXECUTABLE, "fit", "-", *FIT], input=binary, capture_output=True, check=True
    )
    assert b"3 users" in fit.stdout
