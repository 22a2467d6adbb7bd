"""stored_errors: the errors of predictions of the ratings of a store."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from factorate._serving.predictions import predict_rows
from factorate._serving.stored_rows import look_up_store

if TYPE_CHECKING:
    from factorate._fitted.rating_state import RatingState
    from factorate._input.unknown_ids import Policy
    from factorate._store.stored_ratings import StoredRatings


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
    user_rows, item_rows = look_up_store(fitted, stored, unknown=unknown, stacklevel=stacklevel + 1)
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
