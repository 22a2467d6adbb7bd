"""The command line: demo, fit, evaluate, predict, recommend, similar, info."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from factorate._input import files
from factorate._input.column_names import find_columns, find_id_column
from factorate._input.frame_columns import read_series
from factorate._input.id_column import Encoded
from factorate._training import learning_rates as rates
from factorate._training import losses
from factorate._training.settings import check_columns
from factorate._utils.validation import show
from factorate.cli import tables
from factorate.cli.demo import million, textbook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factorate._input.column_names import Names

QUERIES_AT_ONCE, RESULTS_AT_ONCE = 1 << 13, 1 << 20
INTERRUPTED = 130
COLUMNS_HELP = "names of the columns, separated by commas: user,item,rating"
ADVICE = {  # what errors advise in Python, and on the command line
    r", or for a wide table of users × items pass frame\.to_numpy\(\)": "",
    r"columns=\(…\)": "--columns user,item,rating",
    r"columns=\('([^']*)', '([^']*)'\)": r"--columns \1,\2",
    r"columns=\('([^']*)', '([^']*)', '([^']*)'\)": r"--columns \1,\2,\3",
    r"exclude_seen=False, or fit with keep_seen=True": "--with-seen, or fit without --no-seen",
    r"keep_seen=False": "--no-seen",
    r", or an eval_set": "",
    r"l1_regularization=(\S+) of user factors; give a mapping .*": r"--l1 \1; drop one of them",
    r"\b(nonnegative|svdpp)=True": r"--\1",
    r"\b(?:learning_rate_)?(schedule|loss)='(\w+)'": r"--\1 \2",
}


def demo(_: argparse.Namespace) -> None:
    """Show the textbook's example, then a million ratings."""
    textbook()
    million(_shows_progress())


def _shows_progress() -> bool:
    """Say whether somebody may be watching; a log would keep every step of a bar."""
    return sys.stderr.isatty()


def fit(arguments: argparse.Namespace) -> None:
    """Train a model on a file of ratings and save it."""
    output = Path(arguments.output)
    if output.is_dir():
        raise IsADirectoryError(f"{str(output)!r} is a folder; expected the path of a file")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(output.parent)!r} to save the model in")
    model = ft.MatrixFactorization(
        n_factors=arguments.factors,
        n_epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        regularization=arguments.regularization,
        l1_regularization=arguments.l1,
        learning_rate_schedule=arguments.schedule,
        loss=arguments.loss,
        nonnegative=arguments.nonnegative,
        svdpp=arguments.svdpp,
        early_stopping=arguments.early_stopping,
        validation_fraction=arguments.validation_fraction,
        patience=arguments.patience,
        clip=arguments.clip,
        keep_seen=not arguments.no_seen,
        fit_bias=not arguments.no_bias,
        fit_mean=not arguments.no_mean,
        random_state=arguments.seed,
        n_threads=arguments.threads,
        dtype=arguments.dtype,
        columns=arguments.columns,
        verbose=not arguments.quiet and _shows_progress(),
    )
    model.fit(arguments.ratings)
    model.save(output)
    if not arguments.quiet:
        n_users, n_items = len(model.users_), len(model.items_)
        print(f"{output}: {n_users:,} users, {n_items:,} items, K = {model.n_factors}", end="")
        errors = model.history_["train_rmse"]
        print(f", training RMSE {errors[-1]:.4f}" if len(errors) else "")


def predict(arguments: argparse.Namespace) -> None:
    """Predict the ratings of the pairs in a file."""
    model = ft.load(arguments.model)
    names = arguments.columns or model.columns
    chosen_names: list[str] = []

    def choose(present: Sequence[str]) -> list[str]:
        chosen_names[:] = find_columns(present, names, with_ratings=False)
        return chosen_names

    with _output(arguments, "pairs") as write:
        for table in files.read_batches(Path(arguments.pairs), choose, model.id_kinds_):
            model.set_params(columns=tuple(chosen_names))
            columns = {name: table[name] for name in chosen_names}
            write(columns | {"prediction": model.predict(table)}, len(table))


def recommend(arguments: argparse.Namespace) -> None:
    """Recommend items to the users in a file, or to all."""
    model = ft.load(arguments.model)

    def answer(users: Any, n: int) -> Any:
        return model.recommend(users, n, exclude_seen=not arguments.with_seen)

    _neighbours(arguments, model, ("user", "item"), "item", answer)


def similar(arguments: argparse.Namespace) -> None:
    """Find what is alike to the items, or users, in a file, or to all."""
    model = ft.load(arguments.model)
    side = "user" if arguments.users else "item"
    method = model.similar_users if arguments.users else model.similar_items
    _neighbours(arguments, model, (side, side), f"similar_{side}", method)


def _neighbours(
    arguments: argparse.Namespace, model: ft.MatrixFactorization, sides: tuple[str, str],
    found_title: str, answer: Callable[[Any, int], tuple[Any, Any]],
) -> None:  # fmt: skip
    """Write what is found, of one side for each id of the other, a line for each, best first."""
    known = {"user": model.users_, "item": model.items_}
    kinds = dict(zip(known, model.id_kinds_, strict=True))
    asked, wanted = sides
    n = min(arguments.n, max(1, len(known[wanted])))
    at_once = max(1, min(QUERIES_AT_ONCE, RESULTS_AT_ONCE // max(1, n)))
    with _output(arguments, f"{asked}s") as write:
        for column in _asked(arguments, known[asked], asked, kinds[asked]):
            for first in range(0, max(1, len(column)), at_once):  # of none, the names of columns
                ids = column[first : first + at_once] if len(column) else known[asked][:0]
                found, scores = answer(ids, n)
                there = ~np.isnan(scores)
                columns = {
                    asked: _typed(np.repeat(ids, there.sum(axis=1)), kinds[asked]),
                    found_title: _typed(found[there], kinds[wanted]),
                    "score": scores[there],
                }
                write(columns, len(ids))


def _typed(ids: Any, kind: str) -> Any:
    """Return ids as an array whose type is that of others, also where there are none."""
    text = {"str": "U1", "UUID": "U1", "bytes": "S1"}
    return ids.astype(text[kind]) if not len(ids) and kind in text else ids


def _asked(arguments: argparse.Namespace, known: Any, side: str, kind: str) -> Iterator[Any]:
    """Yield columns of the ids that are asked about: of the command line, of a file, or all."""
    if arguments.id:
        ids: Any = np.array(arguments.id, object)
        if kind != "str":
            with contextlib.suppress(ValueError):
                ids = np.array([int(text) for text in arguments.id])
        yield ids
    elif arguments.ids is None:
        yield known
    else:
        batches = files.read_batches(
            Path(arguments.ids),
            lambda present: find_id_column(present, side, arguments.columns),
            (kind,),
        )
        for table in batches:
            column = read_series(table.column(0), f"{side}s")
            yield column.distinct[column.indices] if isinstance(column, Encoded) else column


@contextlib.contextmanager
def _output(
    arguments: argparse.Namespace, unit: str
) -> Iterator[Callable[[dict[str, Any], int], None]]:
    """Give what writes columns, and shows progress where standard error is a terminal."""
    from tqdm import tqdm

    ending = files.FORMATS.get(Path(arguments.output or "").suffix.lower())
    if ending and arguments.format not in (None, ending):
        arguments.parser.error(
            f"--format {arguments.format} contradicts the ending of {arguments.output}"
        )
    with (
        tables.writing(arguments.output, arguments.format) as write,
        tqdm(unit=f" {unit}", disable=True if arguments.quiet else None) as bar,
    ):

        def write_and_count(columns: dict[str, Any], n_done: int) -> None:
            write(columns)
            bar.update(n_done)

        yield write_and_count


def evaluate(arguments: argparse.Namespace) -> None:
    """Compare a model's predictions with a file of ratings."""
    model = ft.load(arguments.model)
    if arguments.columns is not None:
        model.set_params(columns=arguments.columns)
    scores = model.evaluate(arguments.ratings)
    print(f"rmse       {scores['rmse']:.6f}")
    print(f"mae        {scores['mae']:.6f}")
    print(f"n_unknown  {scores['n_unknown']}")


def info(arguments: argparse.Namespace) -> None:
    """Say what a model file holds."""
    model = ft.load(arguments.model)
    errors = model.history_["train_rmse"]
    rows = {
        "file": f"{arguments.model} ({Path(arguments.model).stat().st_size / 1e6:.1f} MB)",
        "users": _extent(model.users_),
        "items": _extent(model.items_),
        "mean": f"{model.global_mean_:.4f}",
        "epochs": f"{model.n_epochs_}",
        "train rmse": f"{errors[-1]:.4f}" if len(errors) else "not trained",
    }
    rows |= {name: f"{value!r}" for name, value in model.get_params().items()}
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


def _extent(ids: Any) -> str:
    return f"{len(ids):,} ({show(ids[0])} … {show(ids[-1])})" if len(ids) else "0"


def _names(text: str) -> Names | None:
    try:
        return check_columns(text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not user,item,rating") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="factorate",
        description="Matrix factorization of ratings by stochastic gradient descent, compiled.",
        epilog="Files are .csv, .tsv (with a header line), .jsonl, any with .gz, or .parquet.",
    )
    parser.add_argument("--version", action="version", version=f"factorate {ft.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(function: Any, description: str, *positional: tuple[str, str]) -> Any:
        sub = commands.add_parser(function.__name__, help=description, description=description)
        sub.set_defaults(function=function, parser=sub)
        for name, text in positional:
            sub.add_argument(name.lower(), metavar=name, help=text)
        return sub

    def output_options(sub: Any) -> None:
        text = "file to write: .csv, .tsv, .jsonl or .parquet; default: print"
        sub.add_argument("-o", "--output", metavar="FILE", help=text)
        text = "default: by the ending of the file, or csv"
        sub.add_argument("--format", choices=["csv", "jsonl", "parquet"], help=text)
        sub.add_argument("-q", "--quiet", action="store_true", help="no progress")

    command(demo, "show what it does, in a few seconds")

    ratings = "RATINGS", "file of ratings: columns user, item, rating"
    model = "MODEL", "file that `factorate fit` wrote"
    defaults = ft.MatrixFactorization().get_params()
    sub = command(fit, "train a model on a file of ratings", ratings)
    sub.add_argument("-o", "--output", metavar="MODEL", required=True, help="file to write (.npz)")
    sub.add_argument("--columns", type=_names, metavar="NAMES", help=COLUMNS_HELP)
    for flag, name, kind, text in (
        ("--factors", "n_factors", int, "number of factors"),
        ("--epochs", "n_epochs", int, "passes over the ratings"),
        ("--learning-rate", "learning_rate", float, "step of an update"),
        ("--regularization", "regularization", float, "pull of factors and biases towards 0"),
        ("--l1", "l1_regularization", float, "pull that makes factors exactly 0"),
        ("--validation-fraction", "validation_fraction", float, "share held out"),
        ("--patience", "patience", int, "epochs without a better validation before training stops"),
        ("--seed", "random_state", int, "same seed, same model"),
        ("--threads", "n_threads", int, "threads to train with; default: all cores"),
    ):
        default = defaults[name]
        shown = f"{text} (default: {default})" if default is not None else text
        sub.add_argument(flag, type=kind, default=default, metavar="N", help=shown)
    sub.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    for flag, name, choices in (
        ("--loss", "loss", losses.NAMES),
        ("--schedule", "learning_rate_schedule", tuple(rates.SCHEDULES)),
    ):
        shown = f"default: {defaults[name]}"
        sub.add_argument(flag, choices=choices, default=defaults[name], help=shown)
    for flag, text in (
        ("--early-stopping", "hold out ratings, and stop when their loss no longer falls"),
        ("--nonnegative", "keep factors and biases from falling below 0"),
        ("--svdpp", "learn from what was rated, too, whatever the rating (SVD++)"),
        ("--clip", "keep predictions within the range of the ratings"),
        ("--no-seen", "leave out what users have rated, which recommend needs"),
    ):
        sub.add_argument(flag, action="store_true", help=text)
    sub.add_argument("--no-bias", action="store_true", help="leave out the biases")
    sub.add_argument("--no-mean", action="store_true", help="leave out the mean")
    sub.add_argument("-q", "--quiet", action="store_true", help="no progress bar, no summary")

    pairs = "PAIRS", "file of pairs: columns user, item"
    sub = command(predict, "predict the ratings of pairs", model, pairs)
    output_options(sub)
    sub.add_argument("--columns", type=_names, metavar="NAMES", help="user,item")

    for function, text, what in (
        (recommend, "recommend items to users", "users"),
        (similar, "find the items, or users, that are alike", "items"),
    ):
        sub = command(function, text, model)
        either = sub.add_mutually_exclusive_group()
        either.add_argument("ids", metavar="IDS", nargs="?", help=f"file of {what}; default: all")
        either.add_argument("--id", action="append", help=f"one of the {what}; can be repeated")
        sub.add_argument("--columns", metavar="NAME", help="name of the column of ids in the file")
        sub.add_argument("-n", type=int, default=10, help="how many for each (default: 10)")
        output_options(sub)
        if function is recommend:
            sub.add_argument("--with-seen", action="store_true", help="what they have rated, too")
        else:
            sub.add_argument("--users", action="store_true", help="ask about users, not items")

    sub = command(evaluate, "compare predictions with ratings", model, ratings)
    sub.add_argument("--columns", type=_names, metavar="NAMES", help=COLUMNS_HELP)

    command(info, "say what a model file holds", model)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        Exit code: 0, 1 for an error, 130 when interrupted; wrong usage exits with 2.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = _parser().parse_args(argv)
    said: set[type[Warning]] = set()

    def show_once(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category not in said:  # the batches of a long input would say it again and again
            print(f"factorate: warning: {message}", file=sys.stderr)
        said.add(category)

    with warnings.catch_warnings():
        warnings.showwarning = show_once
        try:
            arguments.function(arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has enough; Python must not try to flush the rest at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt:
            print("factorate: interrupted", file=sys.stderr)
            return INTERRUPTED
        except MemoryError as error:
            print(f"factorate: error: {str(error) or 'not enough memory'}", file=sys.stderr)
            return 1
        except (ValueError, TypeError, ArithmeticError, OSError, ImportError) as error:
            print(f"factorate: error: {_advise(' '.join(str(error).split()))}", file=sys.stderr)
            return 1
    return 0


def _advise(message: str) -> str:
    """Say an error in the words of the command line."""
    for python, option in ADVICE.items():
        message = re.sub(python, option, message)
    return message
