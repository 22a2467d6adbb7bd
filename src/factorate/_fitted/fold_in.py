"""Fold-in: compute factors of users and items added after training from their ratings.

The other side does not change. A rating of an unknown item counts as in predictions, with factors
and a bias of 0 for the item, so it contributes to the bias of the user only. With the squared loss
and L2 regularization, the factors have a closed form (fold_in_exact); otherwise, they are trained
(fold_in_training). With SVD++ terms, the factors of a user are the SVD++ terms of the rated items
plus the user's own factors, which are computed from the ratings minus the contribution of the SVD++
terms.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._fitted.fold_in_exact import Penalty, solve_exactly
from factorate._fitted.fold_in_fixed_order import can_solve, solve_in_fixed_order
from factorate._fitted.fold_in_problem import FixedSide, RowRatings, replace_unknown
from factorate._fitted.fold_in_training import solve_by_training
from factorate._fitted.put_rows import extend, put_rows
from factorate._fitted.rating_state import RatingState, extend_accumulators
from factorate._fitted.seen import Seen, add_seen
from factorate._input.id_index import range_index
from factorate._input.ratings import Ratings
from factorate._training import losses
from factorate._training.factors import check_predictions, replace_rows
from factorate._training.per_kind import PerKind

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from factorate._training.factors import Factors
    from factorate._training.settings import Settings
    from factorate._utils.types import Doubles, Floats, Rows


CHUNK = 1 << 13  # ratings whose factors are read at a time
MAX_TRAINED_PENALTY = 1e6  # a higher one gives nearly the same zeros


def add_rows(
    fitted: RatingState,
    ratings: Ratings,
    side: str,
    settings: Settings,
) -> RatingState:
    """Return a fitted state with the users (or items) of more ratings; other rows do not change.

    Parameters
    ----------
    fitted : RatingState
        The old state.
    ratings : Ratings
        Rows of users and items are those of `fitted`, followed by new ones; −1 is an unknown row of
        the other side.
    side : {"user", "item"}
        The side whose factors are computed. Rows that `fitted` already has are replaced.
    settings : Settings
        Settings of the training.

    Raises
    ------
    ValueError
        If the update rule is not that of the fit, or does not allow a rating, or if factors
        overflow.
    DivergenceError
        If predictions can overflow.
    """
    settings.rule.check_same(fitted.rule)
    losses.check(ratings.values, fitted.rule, fitted.bounds)
    found = fold_in(fitted.factors, ratings, side, settings)
    n_users, n_items = len(ratings.user_index.ids), len(ratings.item_index.ids)
    seen = fitted.seen
    if seen is not None:
        known = (ratings.item_rows if side == "user" else ratings.user_rows) >= 0
        seen = add_seen(seen, ratings.user_rows[known], ratings.item_rows[known], n_users, n_items)
    n_factors = fitted.factors.user_factors.shape[1]
    n_rows = n_users if side == "user" else n_items
    factors = _put(fitted.factors, side, found, n_rows)
    check_predictions(factors)
    return dataclasses.replace(
        fitted,
        factors=factors,
        user_index=ratings.user_index,
        item_index=ratings.item_index,
        progress=_put_progress(fitted.progress, side, found, n_rows),
        accumulators=extend_accumulators(fitted.accumulators, (n_users, n_items), n_factors),
        seen=seen,
    )


class FoldedIn(NamedTuple):
    """The computed rows of one side, ascending, with their parameters and numbers of ratings."""

    rows: NDArray[Any]
    factors: Floats
    bias: Floats
    counts: NDArray[np.int64]

    def put(self, factors: Floats, bias: Floats, side: str) -> None:
        """Write the parameters to the arrays of their side.

        Raises
        ------
        ValueError
            If a parameter is too large for the dtype.
        """
        for out, new, what in ((factors, self.factors, "factors"), (bias, self.bias, "bias")):
            with np.errstate(over="ignore"):
                out[self.rows] = new
            if not np.isfinite(out[self.rows]).all():
                raise ValueError(f"the ratings give {side} {what} too large for {out.dtype}")


def fold_in(
    factors: Factors,
    ratings: Ratings,
    side: str,
    settings: Settings,
    *,
    without_blas: bool = False,
) -> FoldedIn:
    """Compute the parameters of the users (or items) of some ratings.

    Parameters
    ----------
    factors : Factors
        The parameters of the other side.
    ratings : Ratings
        Ratings whose loss has been checked; −1 is an unknown row of the other side.
    side : {"user", "item"}
        The side whose parameters are computed.
    settings : Settings
        Settings of the training.
    without_blas : bool, default=False
        Whether the rounding must not depend on the BLAS. Factors with a closed form are then
        trained if the ratings are many.
    """
    rows, others = ratings.user_rows, ratings.item_rows
    if side == "item":
        rows, others = others, rows
    distinct, numbers = np.unique(rows, return_inverse=True)
    row_ratings = RowRatings(
        rows=numbers.astype(np.int32),
        others=others,
        values=ratings.values,
        n_rows=len(distinct),
    )
    computed = _compute(factors, row_ratings, side, settings, without_blas=without_blas)
    counts = np.bincount(row_ratings.rows, minlength=len(distinct))
    return FoldedIn(distinct, *computed, counts)


def user_of_ratings(
    fitted: RatingState, item_rows: Rows, ratings: Floats, settings: Settings
) -> RatingState:
    """Return a fitted state whose only user, row 0, has the factors that fit some ratings.

    Parameters
    ----------
    fitted : RatingState
        The state with the items.
    item_rows : ndarray
        Rows of the rated items, int32, shape (n,); −1 is an unknown item.
    ratings : ndarray
        Shape (n,).
    settings : Settings
        Settings of the training.
    """
    old = fitted.factors
    without_users = dataclasses.replace(
        fitted,
        factors=replace_rows(
            old, {"user_factors": old.user_factors[:0], "user_bias": old.user_bias[:0]}
        ),
        seen=Seen(np.zeros(1, np.int64), np.empty(0, np.int32)),
        progress=(fitted.progress[0][:0], fitted.progress[1]),
        accumulators=None,
    )
    given = Ratings(
        user_rows=np.zeros_like(item_rows),
        item_rows=item_rows,
        values=ratings,
        user_index=range_index(1),
        item_index=fitted.item_index,
        library=None,
    )
    return add_rows(without_users, given, "user", settings)


def svdpp_terms(user_rows: Rows, item_rows: Rows, n_rows: int, svdpp: Floats) -> Doubles:
    """Return |N(u)|^-½ Σ y_j over the items that each user has rated, shape (n_rows, K).

    A row depends only on its own ratings, in any order.
    """
    order = np.lexsort((item_rows, user_rows))
    user_rows, item_rows = user_rows[order], item_rows[order]
    out = np.zeros((n_rows, svdpp.shape[1]))
    for first in range(0, len(user_rows), CHUNK):
        chunk = slice(first, first + CHUNK)
        np.add.at(out, user_rows[chunk], svdpp[item_rows[chunk]].astype(np.float64))
    return out / np.sqrt(np.maximum(np.bincount(user_rows, minlength=n_rows), 1))[:, None]


def _compute(
    factors: Factors, ratings: RowRatings, side: str, settings: Settings, *, without_blas: bool
) -> tuple[Floats, Floats]:
    """Return the factors and bias of each row of `ratings`, where other rows may be −1."""
    from_items = side == "user"
    rule = settings.rule
    fixed = FixedSide(
        factors=factors.item_factors if from_items else factors.user_factors,
        bias=factors.item_bias if from_items else factors.user_bias,
        mean=factors.mean,
        scale=factors.scale,
        fit_bias=rule.fit_bias,
    )
    prior = np.zeros((1, 1))
    if from_items and factors.svdpp is not None:
        known = ratings.others >= 0
        pairs = ratings.rows[known], ratings.others[known]
        prior = svdpp_terms(*pairs, ratings.n_rows, factors.svdpp)
        values = ratings.values.astype(np.float64)
        values[known] -= _dot(prior, pairs[0], fixed.factors, pairs[1])
        with np.errstate(over="ignore"):
            values = values.astype(ratings.values.dtype)
        ratings = dataclasses.replace(ratings, values=values)
    fixed, ratings = replace_unknown(fixed, ratings)
    penalty, rates = _penalty_and_rates(settings, side)
    own: Floats
    bias: Floats
    has_closed_form = rule.loss == "squared" and not rule.nonnegative and not any(settings.l1)
    if has_closed_form and not without_blas:
        own, bias = solve_exactly(fixed, ratings, penalty)
    elif has_closed_form and can_solve(fixed, ratings, penalty):
        own, bias = solve_in_fixed_order(fixed, ratings, penalty)
    else:
        own, bias = solve_by_training(
            fixed, ratings, side, dataclasses.replace(settings, rates=rates)
        )
    return prior + own, bias


def _penalty_and_rates(settings: Settings, side: str) -> tuple[Penalty, PerKind]:
    """Return the penalty of the new rows, and learning rates that are 0 on the fixed side.

    The other side is already trained, so both use the higher of the two rates, lowered where one
    update with all of c would move a parameter beyond 0: training lowers c instead.
    """
    first = 0 if side == "user" else 1
    kinds = first, first + 2
    rate = max(settings.rates[kind] for kind in kinds)
    rates = [0.0] * 4
    for kind in kinds:
        penalty = min(settings.l2[kind] + settings.shrinkage[kind], MAX_TRAINED_PENALTY)
        rates[kind] = rate / max(1.0, rate * penalty)
    l2, shrinkage = settings.l2, settings.shrinkage
    return (
        Penalty(*(each[kind] for each in (l2, shrinkage) for kind in kinds)),
        PerKind(*rates),
    )


def _dot(P: Floats, rows: Rows, Q: Floats, others: Rows) -> Doubles:
    """Return the dot products of pairs of rows."""
    out = np.empty(len(rows))
    for first in range(0, len(rows), CHUNK):
        chunk = slice(first, first + CHUNK)
        out[chunk] = np.sum(P.take(rows[chunk], axis=0) * Q.take(others[chunk], axis=0), axis=1)
    return out


def _put(old: Factors, side: str, found: FoldedIn, n_rows: int) -> Factors:
    """Return factors with `n_rows` rows on one side, some of them new."""
    names = f"{side}_factors", f"{side}_bias"
    factors, bias = (extend(getattr(old, name), n_rows) for name in names)
    found.put(factors, bias, side)
    arrays = dict(zip(names, (factors, bias), strict=True))
    if side == "user":
        return replace_rows(old, arrays, users=found.rows)
    if old.svdpp is not None:
        arrays["svdpp"] = extend(old.svdpp, n_rows)
    return replace_rows(old, arrays, items=found.rows)


def _put_progress(
    old: tuple[Floats, Floats], side: str, found: FoldedIn, n_rows: int
) -> tuple[Floats, Floats]:
    """Return progress in which some rows of one side have new counts, and the full rate."""
    users, items = old
    new = np.column_stack([found.counts, np.ones(len(found.counts))])
    if side == "user":
        return put_rows(users, found.rows, new, n_rows), items
    return users, put_rows(items, found.rows, new, n_rows)
