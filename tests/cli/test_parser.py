"""Arguments and help texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import factorate as ft
from factorate.cli import commands
from factorate.cli.parser import parse_arguments

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ("demo", "fit", "predict", "recommend", "similar", "evaluate", "info")


def _help(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse_arguments([*arguments, "--help"])
    assert caught.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    printed = _help(capsys)
    for command in COMMANDS:
        assert f" {command} " in printed
        assert f"usage: factorate {command} " in _help(capsys, command)


def test_defaults_are_those_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    defaults = ft.MatrixFactorization().get_params()
    arguments = parse_arguments(["fit", "r.csv", "-o", "m.npz"])
    assert arguments.function is commands.fit
    assert arguments.n_factors is None  # the model has the default
    assert arguments.loss == defaults["loss"]
    assert arguments.dtype == defaults["dtype"]
    assert f"default: {defaults['n_factors']}" in _help(capsys, "fit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--trials 5", "argument --trials: only allowed with argument --tune"),
        ("--seconds 5", "argument --seconds: only allowed with argument --tune"),
        ("--tune --early-stopping", "argument --early-stopping: not allowed with argument --tune"),
        ("--tune --patience 2", "argument --patience: not allowed with argument --tune"),
        ("--tune --seconds x", "argument --seconds: invalid float value: 'x'"),
    ],
)
def test_options_of_a_search_go_with_tune(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["fit", "r.csv", "-o", "m.npz", *options.split()])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


ORDERS = {
    "fit": "-o m.npz r.csv -q | r.csv -q -o m.npz | -q r.csv -o m.npz",
    "predict": "m.npz -q p.csv -o out.csv | m.npz p.csv -q -o out.csv | -q -o out.csv m.npz p.csv",
    "recommend": "m.npz -n 2 a.csv b.csv | -n 2 m.npz a.csv b.csv | m.npz a.csv -n 2 b.csv",
    "similar": "m.npz --users a.csv | --users m.npz a.csv | m.npz a.csv --users",
    "evaluate": "m.npz --json r.csv | --json m.npz r.csv | m.npz r.csv --json",
    "info": "m.npz --json | --json m.npz",
}


@pytest.mark.parametrize("command", ORDERS)
def test_options_stand_before_between_and_after_the_other_arguments(command: str) -> None:
    """Regression: `recommend m.npz -n 2 ids.csv` is accepted."""
    first, *others = (
        parse_arguments([command, *words.split()]) for words in ORDERS[command].split(" | ")
    )
    for other in others:
        assert vars(other) == vars(first)
    assert {"m.npz"} < set(vars(first).values() if command == "fit" else [first.model, None])


def test_arguments_after_two_dashes_are_no_options() -> None:
    arguments = parse_arguments(["predict", "-q", "--", "-m.npz", "-p.csv"])
    assert (arguments.model, arguments.pairs) == ("-m.npz", "-p.csv")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict m.npz", "the following arguments are required: PAIRS"),
        ("info", "the following arguments are required: MODEL"),
        ("info a.npz b.npz", "unrecognized arguments: b.npz"),
        ("info a.npz --fast", "unrecognized arguments: --fast"),
        ("fit -o m.npz", "the following arguments are required: RATINGS"),
    ],
)
def test_usage_errors_show_the_usage_of_the_command(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(words.split())
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert f"usage: factorate {words.split()[0]} " in printed
    assert message in printed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--version"])
    assert capsys.readouterr().out == f"factorate {ft.__version__}\n"


@pytest.mark.parametrize("names", ["a", "a,b,c,d", "a,a,b"])
def test_columns_are_two_or_three_different_names(
    names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["evaluate", "m.npz", "r.csv", "--columns", names])
    assert caught.value.code == 2
    assert f"{names!r}: expected user,item,rating" in capsys.readouterr().err


def test_format_must_not_contradict_the_ending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.csv")
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["recommend", "m.npz", "-o", out, "--format", "jsonl"])
    assert caught.value.code == 2
    assert "--format jsonl contradicts the ending of" in capsys.readouterr().err
    assert parse_arguments(["recommend", "m.npz", "-o", out, "--format", "csv"]).format == "csv"
    assert parse_arguments(["recommend", "m.npz", "-o", "out", "--format", "csv"]).format == "csv"
