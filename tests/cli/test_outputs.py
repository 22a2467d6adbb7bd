"""Where commands write: to files, devices and standard output, and never over their input."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import EXECUTABLE, write_model, write_ratings
from optional import present
from optional import pyarrow as pa

import factorate as ft
from factorate import cli
from factorate.cli.outputs import check_output

on_posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")
FIT = "--factors", "4", "--epochs", "3", "--seed", "1"


@pytest.fixture
def ratings(columns: Any, tmp_path: Path) -> Path:
    return write_ratings(columns, tmp_path / "ratings.csv")


@pytest.fixture
def model(ratings: Path, tmp_path: Path) -> Path:
    return write_model(ratings, tmp_path / "model.npz")


@pytest.mark.parametrize("other_name", ["ratings.csv", "link", "hard link"])
@pytest.mark.parametrize("command", ["fit", "predict"])
def test_the_input_is_not_replaced_by_the_output(
    command: str,
    other_name: str,
    ratings: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Regression: an output that is an input is rejected."""
    output = tmp_path / other_name
    if other_name == "link":
        try:
            output.symlink_to(ratings)
        except OSError as error:
            pytest.skip(f"this user may not create links: {error}")
    elif other_name == "hard link":
        output.hardlink_to(ratings)
    before = ratings.read_bytes()
    inputs = [str(ratings)] if command == "fit" else [str(model), str(ratings)]
    options = FIT if command == "fit" else ["--format", "csv"]
    assert cli.main([command, *inputs, "-o", str(output), *options]) == 1
    assert f"is the input {str(ratings)!r}" in capsys.readouterr().err
    assert ratings.read_bytes() == before


@pytest.mark.parametrize("command", ["predict", "recommend", "similar"])
def test_the_model_is_not_replaced_by_a_table(
    command: str, ratings: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = model.read_bytes()
    inputs = [str(model), *([str(ratings)] if command == "predict" else [])]
    assert cli.main([command, *inputs, "-o", str(model), "--format", "csv"]) == 1
    assert f"is the input {str(model)!r}" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_the_file_of_ids_is_not_replaced_by_a_table(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("user\n1\n")
    assert cli.main(["recommend", str(model), str(ids), "-o", str(ids)]) == 1
    assert f"is the input {str(ids)!r}" in capsys.readouterr().err
    assert ids.read_text() == "user\n1\n"


@on_posix
def test_standard_output_is_not_appended_to_the_input(ratings: Path, model: Path) -> None:
    before = ratings.read_bytes()
    with ratings.open("ab") as file:
        done = subprocess.run(
            [EXECUTABLE, "predict", model, ratings],
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert b"the output, standard output, is the input" in done.stderr
    assert ratings.read_bytes() == before


def test_a_file_in_a_folder_or_pattern_of_inputs_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    part = tmp_path / "parts" / "1.csv"
    part.write_text("user,item,rating\n")
    for source in (tmp_path, tmp_path / "parts", tmp_path / "parts" / "*.csv"):
        with pytest.raises(ValueError, match=r"is the input .*1\.csv"):
            check_output(str(part), [str(source)])
        check_output(str(tmp_path / "parts" / "new.csv"), [str(source)])


@pytest.mark.parametrize("pattern", ["~/a/b/1.csv", "~/**/*.csv", "~/a", "{home}/**/*.csv"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_inputs_are_found_as_they_are_read(
    pattern: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: an output that is an input named with ``~``, ``**`` or a URL is rejected."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    part = tmp_path / "a" / "b" / "1.csv"
    part.parent.mkdir(parents=True)
    part.write_text("user,item\n1,2\n")
    source = scheme + pattern.format(home=tmp_path)
    with pytest.raises(ValueError, match=r"is the input .*1\.csv"):
        check_output(str(part), [source])
    check_output(str(part.with_name("new.csv")), [source])


@pytest.mark.parametrize("ending", ["pkl", "PICKLE", "csv", "json", "parquet", "joblib", "gz"])
def test_a_model_is_not_saved_under_the_name_of_another_format(
    ending: str, ratings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Regression: a suffix of another format, such as .pkl, is rejected."""
    output = tmp_path / f"model.{ending}"
    assert cli.main(["fit", str(ratings), "-o", str(output), *FIT]) == 1
    assert f"write {str(tmp_path / 'model.npz')!r}" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize("name", ["model", "model.npz", "model.v2", ".model"])
def test_a_model_may_have_a_name_without_a_meaning(
    name: str, ratings: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    assert cli.main(["fit", str(ratings), "-o", str(output), *FIT, "-q"]) == 0
    assert ft.load(output).n_factors == 4


@on_posix
@pytest.mark.parametrize("command", ["fit", "predict"])
def test_links_and_permissions_stay(
    command: str, ratings: Path, model: Path, tmp_path: Path
) -> None:
    """Regression: a link stays a link, and the file keeps its mode."""
    version, link = tmp_path / "v1.csv", tmp_path / "current"
    version.write_text("old")
    version.chmod(0o600)
    link.symlink_to("v1.csv")
    inputs = [str(ratings)] if command == "fit" else [str(model), str(ratings)]
    options = [*FIT, "-q"] if command == "fit" else ["--format", "csv"]
    assert cli.main([command, *inputs, "-o", str(link), *options]) == 0
    assert link.is_symlink()
    assert version.read_bytes() != b"old"
    assert stat.S_IMODE(version.stat().st_mode) == 0o600


@on_posix
@pytest.mark.parametrize("command", ["fit", "predict"])
def test_the_null_device_stays(command: str, ratings: Path, model: Path, tmp_path: Path) -> None:
    """Regression: a device is written to, not replaced."""
    try:
        device = tmp_path / "null"
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_bytes(b"")
    except PermissionError as error:
        pytest.skip(f"devices cannot be created or opened here: {error}")
    inputs = [str(ratings)] if command == "fit" else [str(model), str(ratings)]
    options = FIT if command == "fit" else ()
    assert cli.main([command, *inputs, "-o", str(device), *options]) == 0
    assert device.is_char_device()


@pytest.mark.parametrize("command", ["fit", "predict", "recommend"])
def test_a_folder_is_rejected_before_any_work(
    command: str,
    ratings: Path,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = {"fit": [ratings], "predict": [model, ratings], "recommend": [model]}[command]
    for method in ("fit", "predict", "recommend"):
        monkeypatch.setattr(ft.MatrixFactorization, method, None)
    for name in (str(tmp_path), f"{tmp_path}/new/"):
        assert cli.main([command, *map(str, inputs), "-o", name]) == 1
        assert f"{name!r} is a folder" in capsys.readouterr().err


def test_a_folder_that_may_not_be_written_is_rejected_before_training(
    ratings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "protected"
    folder.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != folder)  # root may write everywhere
    monkeypatch.delattr(ft.MatrixFactorization, "fit")
    assert cli.main(["fit", str(ratings), "-o", str(folder / "m.npz"), *FIT]) == 1
    assert f"may not write to {str(folder)!r}" in capsys.readouterr().err


def test_a_model_is_not_written_to_a_terminal(
    ratings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.main(["fit", str(ratings), "-o", "-", *FIT]) == 1
    printed = capsys.readouterr()
    assert "a model is binary: redirect standard output" in printed.err
    assert printed.out == ""


@on_posix
@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_a_model_on_standard_output_is_the_model_of_a_file(
    output: str, ratings: Path, model: Path
) -> None:
    done = subprocess.run(
        [EXECUTABLE, "fit", ratings, "-o", output, *FIT], capture_output=True, check=True
    )
    with np.load(io.BytesIO(done.stdout)) as piped, np.load(model) as saved:
        for name in set(saved.files) - {"history_seconds"}:
            np.testing.assert_array_equal(piped[name], saved[name])
    assert done.stderr.decode().startswith(f"{output}: 60 users, 80 items, K = 4")


@on_posix
@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_table_on_standard_output_is_the_table_of_a_file(
    file_format: str, output: str, model: Path, tmp_path: Path
) -> None:
    present(pa)
    path = tmp_path / f"table.{file_format}"
    options = "recommend", str(model), "-n", "2", "-o"
    assert cli.main([*options, str(path)]) == 0
    done = subprocess.run(
        [EXECUTABLE, *options, output, "--format", file_format], capture_output=True, check=True
    )
    assert done.stdout == path.read_bytes()
    assert done.stderr == b""


@on_posix
def test_standard_output_that_cannot_be_written_is_an_error_of_one_line(model: Path) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no device /dev/full")
    for command in ("info", "recommend"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [EXECUTABLE, command, model],
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr == b"factorate: error: [Errno 28] No space left on device\n"


@on_posix
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("fit ratings.csv -o new.npz -q", 0),
        ("predict model.npz pairs.csv -o out.csv", 0),
        ("evaluate model.npz ratings.csv -q", 0),
        ("info absent.npz", 1),
    ],
)
def test_messages_are_dropped_if_standard_error_is_closed(
    command: str, code: int, model: Path, tmp_path: Path
) -> None:
    """Regression: messages are not written to standard output."""
    present(pa)
    (tmp_path / "pairs.csv").write_text("user,item\n0,0\n777,0\n")
    line = 'exec "$0" -m factorate "$@" 2>&-'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, *command.split()],  # noqa: S607
        cwd=model.parent,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout.startswith(b"rmse " if command.startswith("evaluate") else b"")
    assert b"factorate" not in done.stdout


@on_posix
def test_standard_input_that_is_closed_is_an_error(tmp_path: Path) -> None:
    present(pa)
    line = 'exec "$0" -m factorate fit - -o m.npz <&-'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],  # noqa: S607
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 1
    message = b"factorate: error: standard input is closed; pass the path of a file\n"
    assert done.stderr == message


@on_posix
def test_standard_output_that_is_closed_is_no_crash(model: Path) -> None:
    closed = b"factorate: error: standard output is closed; write to a file with -o\n"
    commands: list[tuple[list[Any], bytes]] = [
        (["info", model], b""),
        (["recommend", model], closed),
    ]
    for command, message in commands:
        line = 'exec "$0" -m factorate "$@" >&-'
        done = subprocess.run(
            ["sh", "-c", line, sys.executable, *command],  # noqa: S607
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == bool(message)
        assert done.stderr == message
