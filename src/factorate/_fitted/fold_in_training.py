"""Compute the factors of a fold-in by SGD, for update rules without a closed form."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np

from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._training.factors import Factors, WarmStart
from factorate._training.per_kind import PerKind
from factorate._training.trainer import Trainer

if TYPE_CHECKING:
    from factorate._fitted.fold_in_problem import FixedSide, RowRatings
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats


UPDATES = 500  # of a row, at least
MIN_EPOCHS = 20


def solve_by_training(
    fixed: FixedSide, ratings: RowRatings, side: str, settings: Settings
) -> tuple[Floats, Floats]:
    """Train rows whose other side is fixed until they are near the minimum of the objective.

    Rows of few ratings need more epochs for as many updates, so rows are grouped by the number of
    their ratings.

    Parameters
    ----------
    fixed : FixedSide
        The other side.
    ratings : RowRatings
        The ratings of the new rows.
    side : {"user", "item"}
        The side of the new rows.
    settings : Settings
        Settings of training; the learning rates of the fixed side are 0.

    Returns
    -------
    factors, bias : ndarray
        Shapes (n_rows, K) and (n_rows,); zeros for rows without ratings.
    """
    n_rows = ratings.n_rows
    factors, bias = np.zeros((n_rows, fixed.factors.shape[1])), np.zeros(n_rows)
    sizes = np.frexp(np.bincount(ratings.rows, minlength=n_rows))[1]  # 1 for 1, 2 for 2 and 3, …
    for size in np.unique(sizes[sizes > 0]).tolist():
        group = np.flatnonzero(sizes == size)
        chosen = sizes[ratings.rows] == size
        group_ratings = dataclasses.replace(
            ratings,
            rows=np.searchsorted(group, ratings.rows[chosen]).astype(np.int32),
            others=ratings.others[chosen],
            values=ratings.values[chosen],
            n_rows=len(group),
        )
        n_epochs = max(MIN_EPOCHS, UPDATES >> (size - 1))
        factors[group], bias[group] = _train(
            fixed, group_ratings, side, dataclasses.replace(settings, n_epochs=n_epochs)
        )
    return factors, bias


def _train(
    fixed: FixedSide, ratings: RowRatings, side: str, settings: Settings
) -> tuple[Floats, Floats]:
    n_rows, n_factors, dtype = ratings.n_rows, fixed.factors.shape[1], ratings.values.dtype
    used, columns = np.unique(ratings.others, return_inverse=True)
    new = (
        np.zeros((n_rows, n_factors), dtype),
        np.zeros(n_rows, dtype),
        np.ones(n_rows, np.bool),  # start from 0, so that nothing random remains in the result
        ratings.rows,
    )
    old = (
        fixed.factors[used],
        fixed.bias[used],
        np.ones(len(used), np.bool),
        columns.astype(np.int32),
    )
    user_side, item_side = (new, old) if side == "user" else (old, new)
    P, user_bias, known_users, user_rows = user_side
    Q, item_bias, known_items, item_rows = item_side
    factors = Factors(
        user_factors=P,
        item_factors=Q,
        user_bias=user_bias,
        item_bias=item_bias,
        mean=fixed.mean,
        scale=fixed.scale,
    )
    with np.errstate(over="ignore"):
        norms = np.sum(np.square(old[0], dtype=np.float64), axis=1) / fixed.scale
    trained = Trainer(
        Ratings(
            user_rows=user_rows,
            item_rows=item_rows,
            values=ratings.values,
            user_index=range_index(len(P)),
            item_index=range_index(len(Q)),
            library=None,
        ),
        dataclasses.replace(
            settings,
            n_factors=n_factors,
            rates=_limit_rates(settings, float(norms.max())),
            learning_rate_schedule="adagrad" if settings.rule.adagrad else "linear",
            patience=None,
            svdpp=False,
            log_level=logging.DEBUG,
        ),
        warm_start=WarmStart(
            factors=factors,
            known_users=known_users,
            known_items=known_items,
            progress=(np.zeros((len(P), 2)), np.zeros((len(Q), 2))),
            further=True,
        ),
    ).train()
    found = trained.factors
    if side == "user":
        return found.user_factors, found.user_bias
    return found.item_factors, found.item_bias


def _limit_rates(settings: Settings, max_norm: float) -> PerKind:
    """Return learning rates that take no prediction beyond the rating.

    An update with the rate η changes an error e by −η (|q|² + 1) e. AdaGrad divides by the
    gradients instead.
    """
    if settings.rule.adagrad:
        return settings.rates
    return PerKind(*(min(rate, 1 / (1 + max_norm)) for rate in settings.rates))
