"""Write predictions and recommendations to a file, batch by batch, without holding them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._fitted.rating_state import RatingState
from factorate._input.arrow import arrow
from factorate._input.files import format_of
from factorate._input.unknown_ids import UnknownInBatches
from factorate._serving.pair_batches import read_pair_batches, read_stored_batches
from factorate._serving.predictions import predict_rows
from factorate._serving.recommend import read_request, recommend_rows
from factorate._serving.stored_rows import look_up_store
from factorate._serving.table_file import to_column, write_table_file
from factorate._training.progress import open_bar
from factorate._utils.atomic_files import replacing
from factorate._utils.validation import check_count, check_flag
from factorate._utils.workers import slices
from factorate.rating_store import RatingStore

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    from factorate._fitted.fitted_state import FittedState
    from factorate._input.column_names import Names
    from factorate._input.unknown_ids import Policy
    from factorate._serving.excluded_items import Exclude
    from factorate._serving.pair_batches import PairBatch
    from factorate._serving.recommend import Request

    PathLike = str | os.PathLike[str]
    Tables = Iterator[tuple[dict[str, Any], int]]  # columns, and the number of queries

MAX_QUERIES, MAX_RESULTS = 1 << 13, 1 << 20  # of a batch


def write_recommendations(
    fitted: FittedState,
    path: PathLike,
    users: Any,
    n: int,
    *,
    exclude_seen: bool,
    items: ArrayLike | None,
    exclude: Exclude | None,
    unknown: Policy,
    n_threads: int | None,
    verbose: bool,
) -> None:
    """Write the best items for users to a file; see `FactorModel.write_recommendations`."""
    n = check_count("n", n, 1)
    request = read_request(
        fitted,
        users,
        exclude_seen=exclude_seen,
        items=items,
        exclude=exclude,
        unknown=unknown,
        stacklevel=3,
    )
    tables = _recommend(fitted, request, n, n_threads)
    _write(path, tables, " users", len(request.user_rows), verbose)


def write_predictions(
    fitted: FittedState,
    path: PathLike,
    X: Any,
    *,
    columns: Names | None,
    clip: bool,
    unknown: Policy,
    n_threads: int | None,
    verbose: bool,
) -> None:
    """Write the predictions of pairs to a file; see `FactorModel.write_predictions`."""
    unknowns = UnknownInBatches(fitted.consequences.in_predictions, unknown)
    if isinstance(X, RatingStore):
        rows = look_up_store(fitted, X._stored, unknown=unknown, stacklevel=3)
        pairs, total = read_stored_batches(X._stored, *rows), len(X)
    else:
        pairs, total = read_pair_batches(X, fitted, columns, unknowns), None
    tables = predict_batches(fitted, pairs, clip=clip, n_threads=n_threads)
    _write(path, tables, " pairs", total, verbose)
    unknowns.warn(stacklevel=3)


def predict_batches(
    fitted: FittedState, batches: Iterator[PairBatch], *, clip: bool, n_threads: int | None
) -> Tables:
    """Yield the ids of each batch of pairs with their predictions, and the number of pairs.

    Raises
    ------
    ValueError
        If a column of ids has the name of the predictions.
    """
    title = "prediction" if isinstance(fitted, RatingState) else "score"
    for users, items, columns in batches:
        if title in columns:
            raise ValueError(
                f"the column {title!r} holds ids, and would be overwritten by the {title}s; rename "
                f"it"
            )
        predicted = predict_rows(fitted, users, items, clip=clip, n_threads=n_threads)
        yield columns | {title: predicted}, len(users)


def batch_size(n: int) -> int:
    """Return the number of queries with `n` results each that are answered at once.

    Examples
    --------
    >>> batch_size(10), batch_size(1024), batch_size(10_000_000)
    (8192, 1024, 1)
    """
    return max(1, min(MAX_QUERIES, MAX_RESULTS // max(1, n)))


def _recommend(fitted: FittedState, request: Request, n: int, n_threads: int | None) -> Tables:
    """Yield tables of users, items and scores, best first, and the number of users."""
    n = min(n, max(1, len(request.candidates)))
    # An array of no ids does not tell their type.
    user_ids = to_column(request.user_ids if len(request.user_ids) else fitted.user_index.ids)
    item_ids = to_column(fitted.item_index.ids)
    excluded = request.excluded
    for some in slices(len(request.user_rows), batch_size(n)) or [slice(0, 0)]:
        rows, scores = recommend_rows(
            fitted.factors,
            request.user_rows[some],
            request.candidates,
            n=n,
            excluded=None if excluded is None else excluded.select(some),
            n_threads=n_threads,
        )
        found = rows >= 0
        users = np.repeat(np.arange(some.start, some.stop), found.sum(axis=1))
        columns = {
            "user": user_ids.take(users),
            "item": item_ids.take(rows[found]),
            "score": scores[found],
        }
        yield columns, len(rows)


def _write(path: PathLike, tables: Tables, unit: str, total: int | None, verbose: bool) -> None:
    """Write tables to a file that appears when it is complete."""
    arrow()
    shown, file_format = check_flag("verbose", verbose), format_of(Path(path))
    with replacing(path) as file:
        if not shown:
            write_table_file((columns for columns, _ in tables), file, file_format)
            return
        with open_bar(total=total, unit=unit, unit_scale=True, desc="writing") as bar:

            def counted() -> Iterator[dict[str, Any]]:
                for columns, n_queries in tables:
                    yield columns
                    bar.update(n_queries)

            write_table_file(counted(), file, file_format)
