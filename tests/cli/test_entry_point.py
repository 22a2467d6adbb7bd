"""Exit codes, and messages on standard error."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from command import EXECUTABLE, call, run, write_model, write_ratings
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli

ERRORS: dict[str, tuple[list[str], int, str]] = {
    "no command": ([], 2, "usage: factorate"),
    "unknown command": (["train"], 2, "invalid choice"),
    "no output": (["fit", "ratings.csv"], 2, "are required: -o/--output (or --test-fraction)"),
    "no file": (["fit", "absent.csv", "-o", "m.npz"], 1, "factorate: error: no file 'absent.csv'"),
    "no folder": (["fit", "bad.csv", "-o", "absent/m.npz"], 1, "no folder 'absent' to save"),
    "a folder": (["fit", "bad.csv", "-o", "."], 1, "'.' is a folder"),
    "bad line": (["fit", "bad.csv", "-o", "m.npz"], 1, "bad.csv, line 3: rating is 'x'"),
    "bad number": (["fit", "bad.csv", "-o", "m.npz", "--factors", "two"], 2, "invalid int value"),
    "bad parameter": (["fit", "bad.csv", "-o", "m.npz", "--epochs", "-1"], 1, "n_epochs is -1"),
    "no model": (["predict", "absent.npz", "bad.csv"], 1, "no file 'absent.npz'"),
    "not a model": (["info", "bad.csv"], 1, "is not a model"),
    "two sources of ids": (["recommend", "m.npz", "bad.csv", "--id", "1"], 2, "--id: not allowed"),
}


@pytest.fixture
def ratings(columns: Any, tmp_path: Path) -> Path:
    return write_ratings(columns, tmp_path / "ratings.csv")


@pytest.fixture
def model(ratings: Path, tmp_path: Path) -> Path:
    return write_model(ratings, tmp_path / "model.npz")


@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_a_message_and_an_exit_code(
    case: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments, code, message = ERRORS[case]
    (tmp_path / "bad.csv").write_text("user,item,rating\n1,2,3\n1,3,x\n")
    monkeypatch.chdir(tmp_path)
    found = call(*arguments)
    printed = capfd.readouterr().err
    if "needs pyarrow" in printed:
        present(pa)
    assert found == code
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "m.npz").exists()


def test_error_of_the_library_is_shown_unchanged(
    ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "m.npz")
    with pytest.raises(ValueError, match="nonnegative") as caught:
        ft.MatrixFactorization(loss="kullback_leibler").fit(ratings)
    assert cli.main(["fit", str(ratings), "-o", output, "--loss", "kullback_leibler"]) == 1
    assert capsys.readouterr().err == f"factorate: error: {caught.value}\n"


@pytest.mark.parametrize("category", [ValueError, UserWarning])
def test_messages_are_one_line_without_control_characters(
    category: type[ValueError | UserWarning],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages can quote a file, whose control characters must not reach the terminal."""

    def load(*_: Any) -> Any:
        message = category("header \x1b[31m\x07é\n\u202ename")
        if isinstance(message, Warning):
            warnings.warn(message, stacklevel=1)
            raise MemoryError
        raise message

    monkeypatch.setattr(ft, "load", load)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["info", "m.npz"]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert printed[0].endswith(r": header \x1b[31m\x07é \u202ename")


def test_hostile_header_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    present(pa)
    path = tmp_path / "ratings.csv"
    path.write_text("\x1b]0;title\x07,b,c,d\n1,2,3,4\n")
    assert cli.main(["fit", str(path), "-o", str(tmp_path / "m.npz")]) == 1
    printed = capsys.readouterr().err
    assert r"\x1b]0;title\x07" in printed
    assert printed.replace("\n", "").isprintable()


def test_unknown_ids_give_one_warning(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\n0,0\n777,0\n")
    done = run("predict", model, path)
    assert done.returncode == 0
    assert done.stderr.startswith("factorate: warning: 1 of 2 rows names unknown users (777)")
    assert done.stderr.count("\n") == 1


def test_a_warning_is_not_printed_in_the_line_of_the_progress_bar(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    path.write_text("user,item\n0,0\n777,0\n")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["predict", str(model), str(path), "-o", str(out)]) == 0
    printed = capsys.readouterr().err
    assert "pairs/s]" in printed
    assert re.search(r"[\r\n]factorate: warning: ", printed)


def test_memory_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ft, "load", fail)
    assert cli.main(["info", "m.npz"]) == 1
    assert capsys.readouterr().err == "factorate: error: not enough memory\n"


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe as POSIX shells do")
@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_closed_standard_output_is_no_error(file_format: str, model: Path) -> None:
    with subprocess.Popen(
        [EXECUTABLE, "recommend", model, "--format", file_format],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_closed_fifo_is_an_error(
    ratings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike the reader of standard output, that of a FIFO has not got the model."""

    def fail(_: object, path: str) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe", path)

    monkeypatch.setattr(ft.MatrixFactorization, "save", fail)
    assert cli.main(["fit", str(ratings), "-o", "fifo", "--epochs", "1"]) == 1
    assert capsys.readouterr().err == "factorate: error: [Errno 32] Broken pipe: 'fifo'\n"


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe as POSIX shells do")
def test_closed_standard_output_of_help_is_no_error() -> None:
    with subprocess.Popen(
        [EXECUTABLE, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_module_runs_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "factorate", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"factorate {ft.__version__}\n"
