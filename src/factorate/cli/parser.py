"""parse_arguments: the commands and their options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import factorate as ft
from factorate._input.files import FORMATS
from factorate._training import learning_rates
from factorate._training.settings import check_columns
from factorate._training.update_rule import LOSSES
from factorate.cli import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from factorate._input.column_names import Names

RATINGS = "RATINGS", "file of ratings, columns user, item, rating; - for standard input"
TRAINING_HELP = (
    f"{RATINGS[1]}; or a store that `factorate ingest` wrote; with --implicit, a file of "
    f"interactions, columns user, item"
)
TRAINING = "RATINGS", TRAINING_HELP
TEST = "RATINGS", f"{RATINGS[1]}; or a store; or a file of interactions, columns user, item"
STORE_HELP = "folder to write, which must not exist; `factorate fit` trains on it"
MEMORY_HELP = "maximum memory for a fit to a store, such as 2GB, besides that of Python itself"
PAIRS = "PAIRS", "file of pairs, columns user, item; or a store; - for standard input"
MODEL = "MODEL", "file that `factorate fit` wrote"
MODEL_OR_STORE = "MODEL", f"{MODEL[1]}, or store that `factorate ingest` wrote"
COLUMNS_HELP = (
    "names of the columns of user,item,rating, or of interactions user,item and perhaps the count, "
    "or their numbers from 0: 0,1,2"
)
TEST_FRACTION_HELP = (
    "fit the model to the other ratings and print the RMSE for this fraction of them, chosen at "
    "random by --seed, beside the RMSE of their mean and that of damped user and item biases; with "
    "--implicit, ranking metrics beside those of the most popular items; -o saves the model that "
    "was tested, which has not seen the held-out ratings"
)
IMPLICIT_HELP = (
    "train on interactions, such as clicks and purchases, without ratings; a column of counts is "
    "used if it has a common name such as count, weight or plays, or with --columns; the ratings "
    "of a store are counts"
)
TUNE_HELP = (
    "choose the numbers of factors and epochs, learning rates and penalties, and with --implicit "
    "the weights, on held-out ratings or interactions, then train on all; options such as "
    "--factors set some of them"
)
NUMBERS = (
    ("--factors", "n_factors", int, "number of factors; 0 for biases alone"),
    ("--epochs", "n_epochs", int, "number of passes over the ratings"),
    ("--learning-rate", "learning_rate", float, "step size of an update"),
    ("--regularization", "regularization", float, "L2 penalty of each rating"),
    ("--shrinkage", "shrinkage", float, "L2 penalty of each user and item"),
    ("--count-scale", "count_scale", float, "ratings of a row beyond which its rate falls"),
    ("--l1", "l1_regularization", float, "L1 penalty of factors, which makes some exactly 0"),
    ("--validation-fraction", "validation_fraction", float, "fraction of ratings to hold out"),
    ("--patience", "patience", int, "epochs without improvement before early stopping"),
    ("--seed", "random_state", int, "seed; the same seed gives the same model"),
    ("--threads", "n_threads", int, "number of threads; default: all cores"),
)
IMPLICIT_NUMBERS = (
    (
        "--alpha",
        "alpha",
        "with --implicit: weight of a count, in addition to 1; default: the counts are the weights",
    ),
    (
        "--unobserved-weight",
        "unobserved_weight",
        "with --implicit: weight of any user and item",
    ),
)
CHOICES = (
    ("--loss", "loss", LOSSES, "loss function"),
    (
        "--schedule",
        "learning_rate_schedule",
        tuple(learning_rates.LEARNING_RATE_SCHEDULES),
        "learning-rate schedule",
    ),
    ("--dtype", "dtype", ("float32", "float64"), "type of the factors"),
)
NOT_TUNED = {
    "--early-stopping": "early_stopping",
    "--patience": "patience",
    "--validation-fraction": "validation_fraction",
}
NOT_IMPLICIT = {
    "--learning-rate": "learning_rate",
    "--shrinkage": "shrinkage",
    "--count-scale": "count_scale",
    "--l1": "l1_regularization",
    "--nonnegative": "nonnegative",
    "--svdpp": "svdpp",
    "--clip": "clip",
    "--no-bias": "no_bias",
    "--no-mean": "no_mean",
}
FLAGS = (
    (
        "--early-stopping",
        "hold out ratings and stop when their loss no longer falls, or their NDCG no longer rises",
    ),
    ("--nonnegative", "constrain factors and biases to be 0 or greater"),
    ("--svdpp", "add the SVD++ terms: also use the set of items that a user rated"),
    ("--clip", "clip predictions to the range of the ratings"),
    ("--no-seen", "do not store the items of each user; `recommend` then needs --with-seen"),
    ("--no-bias", "leave out the biases"),
    ("--no-mean", "do not centre the ratings"),
)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the arguments of a command.

    Parameters
    ----------
    argv : sequence of str, optional
        By default the arguments of the process.

    Returns
    -------
    argparse.Namespace
        ``function`` is the function in `commands` to call with this namespace.

    Raises
    ------
    SystemExit
        If the arguments are wrong, or after ``--help`` and ``--version``.
    """
    parser, commands_by_name = _make_parser()
    words = sys.argv[1:] if argv is None else list(argv)
    sub = commands_by_name.get(words[0]) if words else None
    if sub is None:  # --help, --version or an error
        return parser.parse_args(words)
    # argparse loses a "--" among mixed arguments.
    parse = sub.parse_args if "--" in words else sub.parse_intermixed_args
    arguments = parse(words[1:])
    _check_together(sub, arguments)
    return arguments


def _make_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the program, and that of each command.

    argparse cannot mix options with the positional arguments of subparsers: `parse_arguments` uses
    the parsers of commands themselves.
    """
    parser = argparse.ArgumentParser(
        prog="factorate",
        description="Matrix factorization of ratings and of interactions such as clicks, compiled.",
        epilog="Input files: text with any separator (such as .csv), JSON lines, Parquet, Arrow, "
        "all of them also compressed; a folder or a glob of such files; - for standard input.",
    )
    parser.add_argument("--version", action="version", version=f"factorate {ft.__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_command(subparsers, commands.demo, "show what factorate does, in a few seconds")
    _add_fit(subparsers)
    _add_ingest(subparsers)
    _add_predict(subparsers)
    _add_recommend(subparsers)
    _add_similar(subparsers)
    evaluate = "compare a model's predictions with ratings, or its lists with interactions"
    sub = _add_command(subparsers, commands.evaluate, evaluate, MODEL, TEST)
    _add_reading(sub, "NAMES", _names, COLUMNS_HELP)
    text = "length of the lists of a model of interactions (default: 10)"
    sub.add_argument("-n", type=int, help=text)
    _add_quiet(sub, "no progress bar")
    _add_json(sub)
    info = "describe a model file or a store of ratings"
    _add_json(_add_command(subparsers, commands.info, info, MODEL_OR_STORE))
    return parser, subparsers.choices


def _add_command(
    subparsers: Any,
    function: Callable[[argparse.Namespace], None],
    description: str,
    *positional: tuple[str, str],
) -> argparse.ArgumentParser:
    """Add the command that is named for its function."""
    sub: argparse.ArgumentParser = subparsers.add_parser(
        function.__name__, help=description, description=description
    )
    sub.set_defaults(function=function)
    for name, text in positional:
        sub.add_argument(name.lower(), metavar=name, help=text)
    return sub


def _add_fit(subparsers: Any) -> None:
    text = "train a model on a file of ratings or interactions"
    sub = _add_command(subparsers, commands.fit, text, TRAINING)
    text = "file to write (.npz), or - for standard output; optional with --test-fraction"
    sub.add_argument("-o", "--output", metavar="MODEL", help=text)
    sub.add_argument("--test-fraction", type=_fraction, metavar="F", help=TEST_FRACTION_HELP)
    _add_reading(sub, "NAMES", _names, COLUMNS_HELP)
    defaults = ft.MatrixFactorization().get_params()
    implicit = ft.ImplicitMatrixFactorization().get_params()
    for flag, name, kind, text in NUMBERS:
        shown = _with_defaults(text, defaults[name], implicit.get(name))
        sub.add_argument(flag, dest=name, type=kind, metavar="N", help=shown)
    sub.add_argument("--implicit", action="store_true", help=IMPLICIT_HELP)
    for flag, name, text in IMPLICIT_NUMBERS:
        shown = _with_defaults(text, implicit[name])
        sub.add_argument(flag, type=float, metavar="N", help=shown)
    for flag, name, choices, text in CHOICES:
        shown = f"{text} (default: {defaults[name]})"
        sub.add_argument(flag, choices=choices, default=defaults[name], help=shown)
    for flag, text in FLAGS:
        sub.add_argument(flag, action="store_true", help=text)
    sub.add_argument("--memory", metavar="SIZE", help=MEMORY_HELP)
    sub.add_argument("--tune", action="store_true", help=TUNE_HELP)
    default, of_implicit = (
        cls().n_trials for cls in (ft.MatrixFactorizationCV, ft.ImplicitMatrixFactorizationCV)
    )
    text = (
        f"number of settings that --tune tries (default: {default}; with --implicit: {of_implicit})"
    )
    sub.add_argument("--trials", type=int, metavar="N", help=text)
    text = "seconds after which --tune ends the search"
    sub.add_argument("--seconds", type=float, metavar="S", help=text)
    _add_quiet(sub, "no progress bar, no summary")
    _add_json(sub, "print the summary as JSON, also with --quiet")


def _add_ingest(subparsers: Any) -> None:
    text = "write ratings that do not fit in memory to a store, to train on it"
    sub = _add_command(subparsers, commands.ingest, text, RATINGS)
    sub.add_argument("-o", "--output", metavar="STORE", required=True, help=STORE_HELP)
    _add_reading(sub, "NAMES", _names, COLUMNS_HELP)
    text = "number of threads; default: all cores"
    sub.add_argument("--threads", type=int, metavar="N", help=text)
    _add_quiet(sub, "no progress bar, no summary")
    _add_json(sub, "print the summary as JSON, also with --quiet")


def _with_defaults(text: str, default: object, of_implicit: object = None) -> str:
    """Return the help of an option with its default, and that with --implicit if it differs."""
    defaults = [] if default is None else [f"default: {default}"]
    if of_implicit not in (None, default):
        defaults.append(f"with --implicit: {of_implicit}")
    return f"{text} ({', '.join(defaults)})" if defaults else text


def _add_predict(subparsers: Any) -> None:
    sub = _add_command(
        subparsers, commands.predict, "predict ratings or scores of pairs", MODEL, PAIRS
    )
    _add_reading(sub, "NAMES", _names, "names of the columns of user,item, or their numbers from 0")
    _add_output(sub)


def _add_recommend(subparsers: Any) -> None:
    sub = _add_command(subparsers, commands.recommend, "recommend items to users", MODEL)
    _add_ids(sub, "users")
    _add_output(sub)
    sub.add_argument(
        "--with-seen", action="store_true", help="include the items of a user in training"
    )


def _add_similar(subparsers: Any) -> None:
    sub = _add_command(subparsers, commands.similar, "find similar items or users", MODEL)
    _add_ids(sub, "items")
    _add_output(sub)
    sub.add_argument("--users", action="store_true", help="find similar users instead of items")


def _add_ids(sub: argparse.ArgumentParser, kind: str) -> None:
    sub.add_argument("ids", metavar="IDS", nargs="*", help=f"file of {kind}; default: all {kind}")
    sub.add_argument("--id", action="append", help=f"one of the {kind}; can be repeated")
    text = "name of the column of ids in the file, or its number from 0"
    _add_reading(sub, "NAME", _name, text)
    sub.add_argument("-n", type=int, default=10, help="number of results for each (default: 10)")


def _add_reading(
    sub: argparse.ArgumentParser, metavar: str, kind: Callable[[str], Any], text: str
) -> None:
    """Add the options on the text of an input file."""
    sub.add_argument("--columns", type=kind, metavar=metavar, help=text)
    text = "text between two fields, such as ';' or '\\t'; default: detected"
    sub.add_argument("--sep", type=_separator, help=text)
    text = "whether the first line holds the names of the columns; default: detected"
    sub.add_argument("--header", action=argparse.BooleanOptionalAction, help=text)


def _add_output(sub: argparse.ArgumentParser) -> None:
    text = "file to write: .csv, .tsv, .jsonl or .parquet; default: -, standard output"
    sub.add_argument("-o", "--output", metavar="FILE", default="-", help=text)
    text = "output format; default: by the ending of FILE, or csv"
    sub.add_argument("--format", choices=["csv", "jsonl", "parquet"], help=text)
    text = "JSON lines, the same as --format jsonl"
    sub.add_argument("--json", action="store_const", const="jsonl", dest="format", help=text)
    _add_quiet(sub, "no progress bar")


def _add_quiet(sub: argparse.ArgumentParser, text: str) -> None:
    sub.add_argument("-q", "--quiet", action="store_true", help=text)


def _add_json(sub: argparse.ArgumentParser, text: str = "print JSON") -> None:
    sub.add_argument("--json", action="store_true", help=text)


def _check_together(sub: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Exit with a usage error if arguments contradict each other, or one is missing."""
    given = vars(arguments)
    if given.get("ids") and given["id"]:
        sub.error("argument --id: not allowed with argument IDS")
    if given.get("output", "-") is None and given["test_fraction"] is None:
        sub.error("the following arguments are required: -o/--output (or --test-fraction)")
    if given.get("tune"):
        for flag, name in NOT_TUNED.items():
            if given[name] is not None and given[name] is not False:
                sub.error(f"argument {flag}: not allowed with argument --tune")
    else:
        for name in ("trials", "seconds"):
            if given.get(name) is not None:
                sub.error(f"argument --{name}: only allowed with argument --tune")
    if given.get("implicit"):
        _check_implicit(sub, given)
    else:
        for flag, name, _ in IMPLICIT_NUMBERS:
            if given.get(name) is not None:
                sub.error(f"argument {flag}: only allowed with argument --implicit")
    chosen = given.get("format")
    ending = FORMATS.get(Path(given["output"]).suffix.lower()) if chosen else None
    if ending not in {None, chosen}:
        sub.error(f"--format {chosen} contradicts the ending of {given['output']}")


def _check_implicit(sub: argparse.ArgumentParser, given: Mapping[str, Any]) -> None:
    """Exit with a usage error if an option of models of ratings is given."""
    wrong = [flag for flag, name in NOT_IMPLICIT.items() if given[name] not in (None, False)]
    for flag in ("--loss", "--schedule"):
        name = flag.removeprefix("--")
        if given[name] != sub.get_default(name):
            wrong.append(flag)
    if wrong:
        sub.error(f"argument {wrong[0]}: not allowed with argument --implicit")


def _fraction(text: str) -> float:
    try:
        fraction = float(text)
    except ValueError:
        fraction = 0
    if not 0 < fraction < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number between 0 and 1")
    return fraction


def _names(text: str) -> Names | None:
    try:
        return check_columns([_name(part) for part in text.split(",")])
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected user,item,rating, or user,item"
        ) from None


def _name(text: str) -> str | int:
    """Return the name of a column, or its number."""
    return int(text) if text.isascii() and text.isdecimal() else text


def _separator(text: str) -> str:
    return text.replace("\\t", "\t")
