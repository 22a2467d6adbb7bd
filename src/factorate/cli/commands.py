"""The commands: one function each, called with the parsed arguments."""

from __future__ import annotations

import contextlib
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import factorate as ft
from factorate._input import files
from factorate._input.column_names import find_columns, find_id_column
from factorate._input.frame_columns import read_series
from factorate._input.id_column import Encoded
from factorate._input.unknown_ids import UnknownInBatches
from factorate._serving.pair_batches import read_pair_batches
from factorate._serving.result_files import batch_size, predict_batches
from factorate.cli.demo import show_synthetic_ratings, show_textbook_example
from factorate.cli.fit_and_test import fit_and_rank, fit_and_test
from factorate.cli.outputs import STANDARD_OUTPUT, check_model_path, check_output, save_model
from factorate.cli.stores import (
    describe_store,
    extent,
    is_store,
    open_store,
    predict_store,
    write_store,
)
from factorate.cli.summaries import sizes, summarize_fit, to_json, train_rmse, valid_ndcg
from factorate.cli.table_writer import write_tables

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from tqdm import tqdm

    from factorate.base import FactorModel
    from factorate.cli.fit_and_test import HeldOutErrors, HeldOutRanking

FIT_NUMBERS = (  # parameters of a model of ratings that are options of `fit`
    "n_factors",
    "n_epochs",
    "learning_rate",
    "regularization",
    "shrinkage",
    "count_scale",
    "l1_regularization",
    "validation_fraction",
    "patience",
    "random_state",
    "n_threads",
)
IMPLICIT_NUMBERS = (  # those of a model of implicit feedback
    "n_factors",
    "n_epochs",
    "regularization",
    "unobserved_weight",
    "alpha",
    "validation_fraction",
    "patience",
    "random_state",
    "n_threads",
)
EMPTY_DTYPES = {"str": "U1", "UUID": "U1", "bytes": "S1"}  # of no ids, by their kind


def demo(_: argparse.Namespace) -> None:
    """Show the textbook's example, then a fit of a million ratings."""
    show_textbook_example()
    show_synthetic_ratings(verbose=_on_terminal())


def fit(arguments: argparse.Namespace) -> None:
    """Train a model on a file, test it on some rows if that is asked for, and save it."""
    if arguments.output is not None:
        check_output(arguments.output, [arguments.ratings])
        check_model_path(arguments.output)
    test: HeldOutErrors | HeldOutRanking | None = None
    ratings, fraction = _input_file(arguments, arguments.ratings), arguments.test_fraction
    model: FactorModel
    if is_store(arguments.ratings):
        new_model = _new_implicit_model if arguments.implicit else _new_model
        model = new_model(arguments).fit(open_store(arguments))
    elif arguments.memory is not None:
        raise ValueError(f"--memory is for a store of ratings; {arguments.ratings!r} is not one")
    elif arguments.implicit:
        model = implicit = _new_implicit_model(arguments)
        if fraction is None:
            implicit.fit(ratings)
        else:
            test = fit_and_rank(implicit, ratings, fraction)
    else:
        model = of_ratings = _new_model(arguments)
        if fraction is None:
            of_ratings.fit(ratings)
        else:
            test = fit_and_test(of_ratings, ratings, fraction)
    if arguments.output is not None:
        save_model(model, arguments.output)
    if arguments.json or not arguments.quiet:
        stream = sys.stderr if arguments.output in STANDARD_OUTPUT else sys.stdout
        print(summarize_fit(model, arguments.output, test, arguments.json), file=stream)


def ingest(arguments: argparse.Namespace) -> None:
    """Write the ratings of a file, or of many, to a store."""
    source = _input_file(arguments, arguments.ratings)
    write_store(source, arguments, verbose=not arguments.quiet and _on_terminal())


def predict(arguments: argparse.Namespace) -> None:
    """Write the predicted ratings, or the scores, of the pairs in a file or a store."""
    model = ft.load(arguments.model)
    if is_store(arguments.pairs):
        _write(predict_store(model, arguments.pairs), arguments, "pairs")
        return
    fitted = model._require()
    unknowns = UnknownInBatches(fitted.consequences.in_predictions, "warn")
    source = _input_file(arguments, arguments.pairs)
    pairs = read_pair_batches(source, fitted, arguments.columns or model.columns, unknowns)
    tables = predict_batches(fitted, pairs, clip=model.clip, n_threads=model.n_threads)
    _write(tables, arguments, "pairs")
    unknowns.warn(stacklevel=1)


def recommend(arguments: argparse.Namespace) -> None:
    """Write the best items for the users in a file, for those named, or for all."""
    model = ft.load(arguments.model)
    users, items = _sides(model)

    def best_items(ids: Any, n: int) -> tuple[Any, Any]:
        found: tuple[Any, Any] = model.recommend(ids, n, exclude_seen=not arguments.with_seen)
        return found

    _write_found(arguments, users, items, ("item", best_items))


def similar(arguments: argparse.Namespace) -> None:
    """Write the items, or users, that are most similar to those in a file, or to all."""
    model = ft.load(arguments.model)
    users, items = _sides(model)
    if arguments.users:
        _write_found(arguments, users, users, ("similar_user", model.similar_users))
    else:
        _write_found(arguments, items, items, ("similar_item", model.similar_items))


def evaluate(arguments: argparse.Namespace) -> None:
    """Print the errors of predictions of a file of ratings, or ranking metrics of interactions."""
    model = ft.load(arguments.model)
    names = arguments.columns or model.columns
    if isinstance(model, ft.ImplicitMatrixFactorization):
        if is_store(arguments.ratings):
            raise ValueError(
                f"{arguments.ratings!r} is a store; expected a file of held-out interactions"
            )
        model.set_params(columns=names)
        n, interactions = arguments.n or 10, _input_file(arguments, arguments.ratings)
        scores = model.evaluate(interactions, n, popular=True)
        _print_scores(scores, arguments.json, baseline="popular")
        return
    if arguments.n is not None:
        raise ValueError(f"-n is for models of interactions; {arguments.model} is one of ratings")
    if is_store(arguments.ratings):
        store = ft.RatingStore(arguments.ratings)
        scores = model.evaluate(store)
        scores = {"rmse": scores["rmse"], "mae": scores["mae"], "n_ratings": len(store)} | scores
        _print_scores(scores, arguments.json)
        return
    tables = files.read_batches(
        _input_file(arguments, arguments.ratings),
        lambda present: find_columns(present, names, with_ratings=True),
        model.id_kinds_,
    )
    found = []
    with _progress_bar(arguments, "ratings") as bar:
        for table in tables:
            if len(table):
                model.set_params(columns=tuple(table.column_names))
                found.append({"n_ratings": len(table)} | model.evaluate(table))
                bar.update(len(table))
    if not found:
        raise ValueError(f"{arguments.ratings} has no ratings; at least one is needed")
    n_ratings = [errors["n_ratings"] for errors in found]
    squares = np.average([errors["rmse"] ** 2 for errors in found], weights=n_ratings)
    scores = {
        "rmse": math.sqrt(squares),
        "mae": float(np.average([errors["mae"] for errors in found], weights=n_ratings)),
        "n_ratings": sum(n_ratings),
        "n_unknown": sum(errors["n_unknown"] for errors in found),
    }
    _print_scores(scores, arguments.json)


def info(arguments: argparse.Namespace) -> None:
    """Describe a model file, or a store of ratings."""
    if is_store(arguments.model):
        describe_store(arguments.model, arguments.json)
        return
    model = ft.load(arguments.model)
    n_bytes = Path(arguments.model).stat().st_size
    is_implicit = isinstance(model, ft.ImplicitMatrixFactorization)
    if arguments.json:
        if is_implicit:
            numbers = {"unobserved_weight": model.unobserved_weight_}
        else:
            numbers = {"mean": model.global_mean_}
        numbers["parameters"] = model.get_params()
        print(to_json({"model": arguments.model, "n_bytes": n_bytes} | sizes(model) | numbers))
        return
    rows = {
        "file": f"{arguments.model} ({n_bytes / 1e6:.1f} MB)",
        "users": extent(model.users_),
        "items": extent(model.items_),
    }
    if is_implicit:
        rows |= {"epochs": f"{model.n_epochs_}", "loss": f"{model.history_['loss'][-1]:.6g}"}
        ndcg = valid_ndcg(model)
        rows |= {} if ndcg is None else {"valid ndcg": f"{ndcg:.4f}"}
        rows["unobserved weight"] = f"{model.unobserved_weight_:.6g}"
    else:
        error = train_rmse(model)
        rows |= {
            "mean": f"{model.global_mean_:.4f}",
            "epochs": f"{model.n_epochs_}",
            "train rmse": "not trained" if error is None else f"{error:.4f}",
        }
    rows |= {name: f"{value!r}" for name, value in model.get_params().items()}
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


def _new_model(arguments: argparse.Namespace) -> ft.MatrixFactorization | ft.MatrixFactorizationCV:
    """Return the model that the options of ``fit`` describe."""
    given = vars(arguments)
    parameters = {name: given[name] for name in FIT_NUMBERS if given[name] is not None}
    parameters |= {
        "learning_rate_schedule": arguments.schedule,
        "loss": arguments.loss,
        "nonnegative": arguments.nonnegative,
        "svdpp": arguments.svdpp,
        "clip": arguments.clip,
        "keep_seen": not arguments.no_seen,
        "fit_bias": not arguments.no_bias,
        "fit_mean": not arguments.no_mean,
        "dtype": arguments.dtype,
        "columns": arguments.columns,
        "verbose": not arguments.quiet and _on_terminal(),
    }
    if not arguments.tune:
        return ft.MatrixFactorization(**parameters, early_stopping=arguments.early_stopping)
    if arguments.trials is not None:
        parameters["n_trials"] = arguments.trials
    return ft.MatrixFactorizationCV(**parameters, seconds=arguments.seconds)


def _new_implicit_model(
    arguments: argparse.Namespace,
) -> ft.ImplicitMatrixFactorization | ft.ImplicitMatrixFactorizationCV:
    """Return the model that the options of ``fit --implicit`` describe."""
    given = vars(arguments)
    parameters = {name: given[name] for name in IMPLICIT_NUMBERS if given[name] is not None}
    parameters |= {
        "keep_seen": not arguments.no_seen,
        "dtype": arguments.dtype,
        "columns": arguments.columns,
        "verbose": not arguments.quiet and _on_terminal(),
    }
    if not arguments.tune:
        stopping = arguments.early_stopping
        return ft.ImplicitMatrixFactorization(**parameters, early_stopping=stopping)
    if arguments.trials is not None:
        parameters["n_trials"] = arguments.trials
    return ft.ImplicitMatrixFactorizationCV(**parameters, seconds=arguments.seconds)


def _print_scores(scores: Mapping[str, float], as_json: bool, baseline: str = "") -> None:
    """Print scores by name, beside those of a baseline, which are named "baseline_name"."""
    if as_json:
        print(to_json(dict(scores)))
        return
    compared = {}
    if baseline:
        compared = {
            name: scores[f"{baseline}_{name}"] for name in scores if f"{baseline}_{name}" in scores
        }
    names = [name for name in scores if not baseline or not name.startswith(f"{baseline}_")]
    width = max(9, *map(len, names))
    if baseline:
        print(f"{'':<{width}}  {'model':<8}  {baseline}")
    for name in names:
        row = [scores[name], compared[name]] if name in compared else [scores[name]]
        cells = (f"{cell:.6f}" if isinstance(cell, float) else f"{cell}" for cell in row)
        print(f"{name:<{width}}  {'  '.join(cells)}")


def _input_file(arguments: argparse.Namespace, source: str) -> files.InputFile:
    """Return an input file with the options --sep and --header."""
    return files.InputFile(source, sep=arguments.sep, header=arguments.header)


@dataclass(frozen=True)
class _Side:
    """The users or the items of a model."""

    name: str  # "user" or "item"
    ids: NDArray[Any]
    kind: str


def _sides(model: FactorModel) -> tuple[_Side, _Side]:
    user_kind, item_kind = model.id_kinds_
    return _Side("user", model.users_, user_kind), _Side("item", model.items_, item_kind)


def _write_found(
    arguments: argparse.Namespace,
    asked: _Side,
    wanted: _Side,
    search: tuple[str, Callable[[Any, int], tuple[Any, Any]]],
) -> None:
    """Write the results of a search: a row for each, the best first.

    Parameters
    ----------
    arguments : argparse.Namespace
        The arguments of `recommend` or `similar`.
    asked, wanted : _Side
        The side of the queries and that of the results.
    search : tuple of str and callable
        The name of the column of results; and the function that returns ids and scores for ids
        of queries and a number of results, with the score NaN where there are fewer.
    """
    title, find = search
    n = min(arguments.n, max(1, len(wanted.ids)))

    def found() -> Iterator[tuple[dict[str, Any], int]]:
        for ids in batches(_queries(arguments, asked), batch_size(n)):
            queries = ids if len(ids) else asked.ids[:0]
            results, scores = find(queries, n)
            filled = ~np.isnan(scores)
            repeated = np.repeat(queries, filled.sum(axis=1))
            columns = {
                asked.name: _typed(repeated, asked.kind),
                title: _typed(results[filled], wanted.kind),
                "score": scores[filled],
            }
            yield columns, len(ids)

    _write(found(), arguments, f"{asked.name}s")


def batches(columns: Iterable[Any], size: int) -> Iterator[Any]:
    """Cut each column into batches; a column without entries is one batch.

    Examples
    --------
    >>> list(batches([[1, 2, 3], []], 2))
    [[1, 2], [3], []]
    """
    for column in columns:
        for first in range(0, max(1, len(column)), size):
            yield column[first : first + size]


def _queries(arguments: argparse.Namespace, side: _Side) -> Iterator[Any]:
    """Yield columns of ids: those of the command line, those of a file, or all."""
    if arguments.id:
        ids: Any = np.array(arguments.id, object)
        if side.kind != "str":
            with contextlib.suppress(ValueError):
                ids = np.array([int(text) for text in arguments.id])
        yield ids
    elif not arguments.ids:
        yield side.ids
    for path in arguments.ids:
        tables = files.read_batches(
            _input_file(arguments, path),
            lambda present: find_id_column(present, side.name, arguments.columns),
            (side.kind,),
        )
        try:
            for table in tables:
                column = read_series(table.column(0), f"{side.name}s")
                yield column.distinct[column.indices] if isinstance(column, Encoded) else column
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{error}; to name the {side.name} {path!r} itself, write --id {path}"
            ) from None


def _typed(ids: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return ids as an array with the type of their kind, also if there are none."""
    return ids.astype(EMPTY_DTYPES[kind]) if not len(ids) and kind in EMPTY_DTYPES else ids


def _write(
    tables: Iterable[tuple[dict[str, Any], int]], arguments: argparse.Namespace, unit: str
) -> None:
    """Write tables and show, on a terminal, the number of queries that each of them answers."""
    given = vars(arguments)
    queries = [given["pairs"]] if "pairs" in given else given["ids"]
    check_output(arguments.output, [arguments.model, *queries])
    with _progress_bar(arguments, unit) as bar:

        def counted() -> Iterator[dict[str, Any]]:
            for columns, n_queries in tables:
                yield columns
                bar.update(n_queries)

        write_tables(counted(), arguments.output, arguments.format)


def _progress_bar(arguments: argparse.Namespace, unit: str) -> tqdm[Any]:
    """Return a progress bar, which is shown on a terminal unless --quiet is given."""
    from tqdm import tqdm

    shown = not arguments.quiet and _on_terminal()
    return tqdm(unit=f" {unit}", unit_scale=True, disable=not shown)


def _on_terminal() -> bool:
    """Return whether standard error is a terminal; it is None if the shell has closed it."""
    return sys.stderr is not None and sys.stderr.isatty()
