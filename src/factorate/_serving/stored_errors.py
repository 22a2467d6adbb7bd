"""stored_errors: the errors of predictions of the ratings of a store."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.id_column import IdColumn
from factorate._input.id_to_row import look_up
from factorate._serving.predictions import predict_rows
from factorate._utils.validation import show
from factorate.exceptions import UnknownIdError, UnknownIdWarning

if TYPE_CHECKING:
    from factorate._fitted.rating_state import RatingState
    from factorate._input.unknown_ids import Policy
    from factorate._store.stored_ratings import StoredRatings
    from factorate._utils.types import Rows

MAX_SHOWN = 3


def stored_errors(
    fitted: RatingState,
    stored: StoredRatings,
    *,
    clip: bool,
    unknown: Policy,
    n_threads: int | None,
    stacklevel: int = 2,
) -> dict[str, float]:
    """Return the errors of a model on the ratings of a store, and the number of unknown ones.

    See `MatrixFactorization.evaluate`. Warnings are those of the caller `stacklevel` frames above.
    """
    if unknown not in ("warn", "ignore", "raise"):
        raise ValueError(f"unknown is {show(unknown)}; expected 'warn', 'ignore' or 'raise'")
    rows_of_ids = [
        look_up(of_model, IdColumn(of_store.ids, of_store.kind), what)
        for of_model, of_store, what in zip(
            (fitted.user_index, fitted.item_index),
            stored.indexes,
            ("users", "items"),
            strict=True,
        )
    ]
    _warn_unknown(fitted, stored, rows_of_ids, unknown, stacklevel + 2)
    user_rows, item_rows = (
        rows.take(stored.read_rows(side)) for side, rows in enumerate(rows_of_ids)
    )
    n_unknown = 0
    squares, sizes = [], []  # sums of the files
    for chunk in stored.read_chunks():
        users, items = user_rows.take(chunk.user_numbers), item_rows.take(chunk.item_numbers)
        n_unknown += int(np.count_nonzero((users < 0) | (items < 0)))
        errors = predict_rows(fitted, users, items, clip=clip, n_threads=n_threads)
        errors = errors.astype(np.float64) - stored.decode(chunk)
        with np.errstate(over="ignore"):
            squares.append(float(np.sum(np.square(errors))))
        sizes.append(float(np.sum(np.abs(errors))))
    n = stored.manifest.n_ratings
    return {
        "rmse": math.sqrt(math.fsum(squares) / n),
        "mae": math.fsum(sizes) / n,
        "n_unknown": n_unknown,
    }


def _warn_unknown(
    fitted: RatingState,
    stored: StoredRatings,
    rows_of_ids: list[Rows],
    policy: Policy,
    stacklevel: int,
) -> None:
    if policy == "ignore":
        return
    found = []
    for index, rows, what in zip(stored.indexes, rows_of_ids, ("users", "items"), strict=True):
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            shown = ", ".join(show(index.ids[row]) for row in unknown[:MAX_SHOWN])
            more = ", …" if len(unknown) > MAX_SHOWN else ""
            counted = f"{len(unknown):,} of {len(rows):,} {what} of the store are unknown"
            found.append(f"{counted} ({shown}{more})")
    if not found:
        return
    consequence = fitted.consequences.in_predictions
    if policy == "raise":
        raise UnknownIdError(f"{'; '.join(found)}; with unknown='ignore', {consequence}")
    warnings.warn(f"{'; '.join(found)}: {consequence}", UnknownIdWarning, stacklevel=stacklevel)
