"""The command line: demo, fit, evaluate, predict, recommend, similar, info."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import factorate as ft
from factorate import files, frames, losses, rates, reference
from factorate.checks import show
from factorate.cores import available_cores
from factorate.kernels import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factorate.frames import Names

DEMO_RATINGS, DEMO_TEST = 1_000_000, 100_000
DEMO_NOISE = 0.5
REFERENCE_SLICE = 20_000
QUERIES_AT_ONCE = 1 << 13
INTERRUPTED = 130
COLUMNS_HELP = "names of the columns, separated by commas: user,item,rating"


def demo(_: argparse.Namespace) -> None:
    """Show the textbook's example, then a million ratings."""
    _demo_textbook()
    _demo_million()


def _demo_textbook() -> None:
    R, P, Q = ft.datasets.textbook()
    print("1. The textbook's 6 × 4 matrix of ratings, · where one is missing\n")
    began = time.perf_counter()
    P, Q = ft.matrix_factorization(R, P, Q, K=3)
    seconds = time.perf_counter() - began
    filled = P @ Q.T
    print("      given            filled by P Qᵀ, K = 3")
    for given, row in zip(R, filled, strict=True):
        cells = "  ".join(f"{r:.0f}" if r > 0 else "·" for r in given)
        print(f"   {cells}      {'  '.join(f'{x:4.2f}' for x in row)}")
    furthest = np.abs(filled - R)[R > 0].max()
    visits = 5000 * np.count_nonzero(R)
    print(
        f"\n   5000 steps, {visits:,} updates in {seconds * 1e3:.1f} ms; every given rating comes "
        f"back to within {furthest:.2f}\n"
    )


def _demo_million() -> None:
    print(f"2. A million synthetic ratings with a noise of {DEMO_NOISE}: no model can do better\n")
    users, items, ratings = ft.datasets.synthetic(
        DEMO_RATINGS + DEMO_TEST, n_factors=8, noise=DEMO_NOISE
    )
    known, held_out = slice(DEMO_RATINGS), slice(DEMO_RATINGS, None)
    training = users[known], items[known], ratings[known]
    model = ft.MatrixFactorization(
        n_factors=32, n_epochs=20, regularization=0.02, random_state=0, verbose=True
    )  # fmt: skip
    model.fit(training)
    scores = model.evaluate((users[held_out], items[held_out], ratings[held_out]))
    print(f"   test RMSE {scores['rmse']:.3f}, noise floor {DEMO_NOISE:.3f}")

    epochs = np.diff(model.history_["seconds"])
    fast = DEMO_RATINGS / float(np.median(epochs))
    slow = _reference_speed(training, model)
    print(
        f"   {fast / 1e6:.0f} million ratings/s on {available_cores()} threads ({chosen()}), "
        f"{slow / 1e6:.3f} by the\n   same loop in NumPy on one: {fast / slow:.0f} times as fast\n"
    )

    user = int(users[0])
    print(f"3. The best ten items that user {user} has not rated\n")
    unseen = np.setdiff1d(model.items_, training[1][training[0] == user])
    predicted = model.complete(users=[user], items=unseen)[0]
    for place in np.argsort(-predicted, kind="stable")[:10]:
        print(f"   item {unseen[place]:>4}   {predicted[place]:.2f}")


def _reference_speed(ratings: tuple[Any, Any, Any], model: ft.MatrixFactorization) -> float:
    users, items, values = (column[:REFERENCE_SLICE] for column in ratings)
    P, Q = model.user_factors_.astype(np.float64), model.item_factors_.astype(np.float64)
    biases = model.user_bias_.astype(np.float64), model.item_bias_.astype(np.float64)
    began = time.perf_counter()
    reference.train_epoch(
        users, items, values - model.global_mean_, P, Q, *biases, 0.01, 0.02
    )  # fmt: skip
    return len(values) / (time.perf_counter() - began)


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
        implicit=arguments.implicit,
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
        verbose=not arguments.quiet,
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
        chosen_names[:] = frames.find_columns(present, names, with_ratings=False)
        return chosen_names

    with _output(arguments, "pairs") as write:
        for table in files.read_batches(Path(arguments.pairs), choose, model.id_kinds_):
            model.set_params(columns=tuple(chosen_names))
            columns = {name: table[name] for name in chosen_names}
            write(columns | {"prediction": model.predict(table)}, len(table))


def recommend(arguments: argparse.Namespace) -> None:
    """Recommend items to the users in a file, or to all."""
    model = ft.load(arguments.model)

    def answer(users: Any) -> Any:
        return model.recommend(users, arguments.n, exclude_seen=not arguments.with_seen)

    _neighbours(arguments, model, "user", "item", answer)


def similar(arguments: argparse.Namespace) -> None:
    """Find what is alike to the items, or users, in a file, or to all."""
    model = ft.load(arguments.model)
    side = "user" if arguments.users else "item"
    method = model.similar_users if arguments.users else model.similar_items
    _neighbours(arguments, model, side, f"similar_{side}", lambda ids: method(ids, arguments.n))


def _neighbours(
    arguments: argparse.Namespace, model: ft.MatrixFactorization, side: str, found_title: str,
    answer: Callable[[Any], tuple[Any, Any]],
) -> None:  # fmt: skip
    """Write what is found for each id, a line for each pair, best first."""
    with _output(arguments, f"{side}s") as write:
        for ids in _asked(arguments, model, side):
            found, scores = answer(ids)
            there = ~np.isnan(scores)
            columns = np.repeat(ids, there.sum(axis=1)), found[there], scores[there]
            titles = side, found_title, "score"
            write(dict(zip(titles, columns, strict=True)), len(ids))


def _asked(
    arguments: argparse.Namespace, model: ft.MatrixFactorization, side: str
) -> Iterator[Any]:
    """Yield the ids that are asked about: of the command line, of a file, or all."""
    place = ("user", "item").index(side)
    kind = model.id_kinds_[place]
    if arguments.id:
        ids: Any = np.array(arguments.id, object)
        if kind != "str":
            with contextlib.suppress(ValueError):
                ids = np.array([int(text) for text in arguments.id])
        yield ids
        return
    if arguments.ids is None:
        columns: Iterator[Any] = iter([(model.users_, model.items_)[place]])
    else:
        path = Path(arguments.ids)
        batches = files.read_batches(
            path, lambda present: frames.find_ids(present, side, arguments.column), (kind,)
        )
        columns = (table.column(0).to_numpy() for table in batches)
    for column in columns:
        for first in range(0, len(column), QUERIES_AT_ONCE):
            yield column[first : first + QUERIES_AT_ONCE]


@contextlib.contextmanager
def _output(
    arguments: argparse.Namespace, unit: str
) -> Iterator[Callable[[dict[str, Any], int], None]]:
    """Give what writes columns, and shows progress where standard error is a terminal."""
    from tqdm import tqdm

    with (
        files.writing(arguments.output, arguments.format) as write,
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
        "users": f"{len(model.users_):,} ({show(model.users_[0])} … {show(model.users_[-1])})",
        "items": f"{len(model.items_):,} ({show(model.items_[0])} … {show(model.items_[-1])})",
        "mean": f"{model.global_mean_:.4f}",
        "epochs": f"{model.n_epochs_}",
        "train rmse": f"{errors[-1]:.4f}" if len(errors) else "not trained",
    }
    rows |= {name: f"{value!r}" for name, value in model.get_params().items()}
    for name, value in rows.items():
        print(f"{name:<15} {value}")


def _names(text: str) -> Names:
    names = tuple(text.split(","))
    if len(names) not in (2, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is not user,item,rating")
    return cast("Names", names)


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
        sub.set_defaults(function=function)
        for name, text in positional:
            sub.add_argument(name.lower(), metavar=name, help=text)
        return sub

    def output_options(sub: Any) -> None:
        text = "file to write: .csv, .tsv, .jsonl or .parquet; default: print"
        sub.add_argument("-o", "--output", metavar="FILE", help=text)
        sub.add_argument("--format", choices=["csv", "jsonl", "parquet"], help="default: csv")
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
        ("--implicit", "learn from what was rated, too, whatever the rating (SVD++)"),
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
        sub.add_argument("ids", metavar="IDS", nargs="?", help=f"file of {what}; default: all")
        sub.add_argument("--id", action="append", help=f"one of the {what}; can be repeated")
        sub.add_argument("--column", metavar="NAME", help="name of the column of ids in the file")
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
        except (ValueError, TypeError, ArithmeticError, OSError, ImportError) as error:
            print(f"factorate: error: {error}", file=sys.stderr)
            return 1
    return 0
